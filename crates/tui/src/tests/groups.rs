//! Groups of runs in the list, in the comparison, and at launch.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use warmstart_report::compare::{Column, Columns, Options, Selection, table};
use warmstart_report::group::{Choice, cells_of};
use warmstart_runs::queue::Content;
use warmstart_runs::store::{Change, ExperimentFile};
use warmstart_schema::event::{Epoch, Event, FailureKind, Halved, Record, Test};
use warmstart_schema::experiment::{self, Monitor};
use warmstart_schema::state::{Liveness, Status};

use super::fixtures::{empty, id};
use super::{drawn, press, text};
use crate::effect::Effect;
use crate::message::{Catalogue, Message};
use crate::model::{Kind, Model, Popup, QueueWatch, Screen};
use crate::update::update;
use warmstart_runs::member::group_id;

const FILE: &str = "name: Sweep\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
    train: { epochs: 3, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n\
    seeds: [1, 2]\ngrid: { train.optimizer.learning_rate: [0.1, 0.01] }\n";

/// A file of four members, of which these are done, with their validation and test accuracy.
fn sweep(done: &[(usize, f64, f64)]) -> Model {
    sweep_of(FILE, done)
}

fn sweep_of(source: &str, done: &[(usize, f64, f64)]) -> Model {
    let mut model = empty();
    let path = PathBuf::from("experiments/sweep.yaml");
    let (loaded, group) = experiment::parse_group(source, "sweep.yaml", &[]).unwrap();
    let group = group.unwrap();
    let file = ExperimentFile {
        group: Some(group.clone()),
        ..ExperimentFile::new(path, Ok(loaded))
    };
    let full_path = file.full_path.clone();
    let catalogue = Catalogue {
        files: vec![file],
        error: None,
        missing: std::collections::HashMap::default(),
    };
    update(&mut model, Message::Experiments(catalogue));
    let mut changes = Vec::new();
    for &(index, val_acc, accuracy) in done {
        let member = &group.members[index];
        let name = id(&format!("20260101-00000{index}-aaaa"));
        let info = json!({
            "format": 1, "id": name, "experiment": member.experiment.name, "group": "g", "stem": "sweep",
            "source": "experiments/sweep.yaml", "file": full_path, "created": format!("2026-01-01T00:00:0{index}Z"),
            "device": "cpu",
            "member": { "group": group_id(&group), "settings": member.settings, "seed": member.experiment.seed, "halving": group.rounds },
        });
        changes.push(Change::Added {
            id: name.clone(),
            info: Ok(serde_json::from_value(info).unwrap()),
            experiment: Some(Arc::new(member.experiment.clone())),
        });
        let epoch = Epoch {
            epoch: 3,
            val_acc,
            val_loss: 1.0 - val_acc,
            train_time: 10.0,
            best: true,
            ..Epoch::default()
        };
        let test = Test {
            epoch: 3,
            loss: 1.0,
            accuracy,
            views: None,
        };
        let end = Event::Finished {
            train_time: 10.0,
            stopped_early: false,
        };
        let events = [Event::Epoch(epoch), Event::Test(test), end];
        changes.push(Change::Events {
            id: name.clone(),
            records: events.map(|event| Record { t: 1.0, event }).to_vec(),
            damaged: 0,
            restarted: false,
        });
        changes.push(Change::Liveness {
            id: name,
            liveness: Liveness::Free,
        });
    }
    update(&mut model, Message::Changes { now: 1.0, changes });
    model
}

const ALL: [(usize, f64, f64); 4] = [
    (0, 0.70, 0.61),
    (1, 0.50, 0.91),
    (2, 0.74, 0.65),
    (3, 0.52, 0.93),
];

fn line<'a>(screen: &'a str, with: &str) -> &'a str {
    screen
        .lines()
        .find(|line| line.contains(with))
        .unwrap_or_else(|| panic!("{with} is not on\n{screen}"))
}

#[test]
fn a_group_is_one_row_of_what_validation_chose_and_opens_into_its_members() {
    let mut model = sweep(&ALL);
    let screen = text(&drawn(&model, 160, 30));
    // Mean and deviation by Python's `statistics` of 0.70 and 0.74, and of their test figures.
    let row = line(&screen, "Sweep");
    for part in ["0.7200 ±0.0283", "0.6300 ±0.0283", "done"] {
        assert!(row.contains(part), "{part}\n{screen}");
    }
    assert_eq!(model.shown_entries().len(), 1);
    press(&mut model, "<tab>");
    let screen = text(&drawn(&model, 160, 30));
    assert_eq!(
        model
            .shown_entries()
            .iter()
            .filter(|entry| entry.kind == Kind::RunBelow)
            .count(),
        4
    );
    assert!(screen.contains("seed 2, learning_rate 0.01"), "{screen}");
}

#[test]
fn a_group_without_its_file_is_filtered_and_sorted_by_its_means() {
    let mut model = sweep(&ALL);
    let name = id("w");
    let info = json!({
        "format": 1, "id": name, "experiment": "Alone", "group": "g", "stem": "alone",
        "source": "experiments/alone.yaml", "created": "2026-01-02T00:00:00Z", "device": "cpu",
    });
    // Better than the group's newest run, and worse than its mean.
    let epoch = Event::Epoch(Epoch {
        epoch: 1,
        val_acc: 0.6,
        best: true,
        ..Epoch::default()
    });
    let changes = vec![
        Change::Added {
            id: name.clone(),
            info: Ok(serde_json::from_value(info).unwrap()),
            experiment: None,
        },
        Change::Events {
            id: name.clone(),
            records: vec![Record {
                t: 1.0,
                event: epoch,
            }],
            damaged: 0,
            restarted: false,
        },
        Change::Liveness {
            id: name,
            liveness: Liveness::Free,
        },
    ];
    update(&mut model, Message::Changes { now: 1.0, changes });
    update(&mut model, Message::Experiments(Catalogue::default()));
    let are_groups = |model: &Model| -> Vec<bool> {
        let entries = model.shown_entries();
        let is_group = entries.iter().map(|entry| entry.members.is_some());
        is_group.collect()
    };
    assert_eq!(are_groups(&model), [false, true], "the newest first");
    if let Screen::Experiments(list) = &mut model.open {
        list.choose(None, Some("val_acc"));
    }
    model.refresh_list();
    assert_eq!(are_groups(&model), [true, false], "the best first");
    press(&mut model, "/val_acc>0.7<enter>");
    assert_eq!(are_groups(&model), [true]);
}

#[test]
fn a_group_with_members_to_come_says_how_many_are_done_and_shows_no_test_figure() {
    let mut model = sweep(&ALL[..3]);
    let stopped = Record {
        t: 2.0,
        event: Event::Stopping,
    };
    update(
        &mut model,
        Message::Changes {
            now: 2.0,
            changes: vec![Change::Events {
                id: id("20260101-000001-aaaa"),
                records: vec![stopped],
                damaged: 0,
                restarted: true,
            }],
        },
    );
    let screen = text(&drawn(&model, 160, 30));
    let row = line(&screen, "Sweep");
    assert!(
        row.contains("2/3 done") && row.contains("0.7200"),
        "{screen}"
    );
    assert!(!row.contains("0.63"), "{screen}");
}

#[test]
fn settings_that_monitor_different_metrics_are_not_ranked() {
    let learning_rates = "train.optimizer.learning_rate: [0.1, 0.01]";
    let monitors = "train.early_stopping.monitor: [val_loss, val_acc]";
    let source = FILE
        .replace(learning_rates, monitors)
        .replace("train: {", "train: { early_stopping: { patience: 2 },");
    let model = sweep_of(&source, &ALL);
    let run = model.runs.iter().next().unwrap();
    let cells = cells_of(&model.runs, run);
    let choices: Vec<Choice> = cells.iter().map(|cell| cell.choice).collect();
    // A loss of 0.28 and an accuracy of 0.51.
    assert_eq!(choices, [Choice::NotChosen; 2]);
}

#[test]
fn settings_are_ranked_though_the_experiment_of_one_member_is_unreadable() {
    let mut model = sweep(&ALL);
    let unreadable = Change::Experiment {
        id: id("20260101-000000-aaaa"),
        experiment: None,
    };
    let changes = vec![unreadable];
    update(&mut model, Message::Changes { now: 2.0, changes });
    let run = model.runs.iter().next().unwrap();
    let cells = cells_of(&model.runs, run);
    let choices: Vec<Choice> = cells.iter().map(|cell| cell.choice).collect();
    assert_eq!(choices, [Choice::Chosen, Choice::NotChosen]);
}

#[test]
fn a_launch_says_what_is_skipped_and_asks_before_it_queues_the_rest() {
    let mut model = sweep(&ALL[..3]);
    let effects = press(&mut model, "r");
    assert!(effects.is_empty(), "{effects:?}");
    let Some(Popup::Question { lines, effects }) = &model.popup else {
        panic!("no question")
    };
    assert_eq!(lines[0], "Sweep, 4 runs: 1 to train, 3 done and skipped.");
    assert_eq!(lines.last().unwrap(), "Queue 1 run?");
    assert!(matches!(effects[..], [Effect::Launch(_)]));
    let mut model = sweep(&ALL);
    assert!(press(&mut model, "r").is_empty());
    let Some(Popup::Question { effects, .. }) = &model.popup else {
        panic!("no question")
    };
    assert!(effects.is_empty());
}

#[test]
fn the_comparison_shows_settings_and_opens_into_members() {
    let mut model = sweep(&ALL);
    press(&mut model, "c");
    let screen = text(&drawn(&model, 200, 40));
    let chosen = line(&screen, "learning_rate 0.1 ");
    assert!(
        chosen.contains("0.7200 ± 0.0283 (2)") && chosen.contains("0.6300"),
        "{screen}"
    );
    let other = line(&screen, "learning_rate 0.01");
    assert!(
        other.contains("0.5100") && !other.contains("0.92"),
        "{screen}"
    );
    assert!(!screen.contains("seed 2"), "{screen}");
    press(&mut model, "<tab>");
    let screen = text(&drawn(&model, 200, 40));
    assert!(line(&screen, "seed 2").contains("0.7400"), "{screen}");
}

#[test]
fn the_cursor_reaches_the_last_epoch_of_every_run_of_a_row() {
    let mut model = sweep(&ALL);
    let epoch = |epoch| {
        Event::Epoch(Epoch {
            epoch,
            best: true,
            ..Epoch::default()
        })
    };
    let end = Event::Finished {
        train_time: 10.0,
        stopped_early: false,
    };
    // The second seed of a setting trains for longer than the first.
    let events = [epoch(3), epoch(7), end];
    let changes = vec![Change::Events {
        id: id("20260101-000002-aaaa"),
        records: events.map(|event| Record { t: 1.0, event }).to_vec(),
        damaged: 0,
        restarted: true,
    }];
    update(&mut model, Message::Changes { now: 2.0, changes });
    press(&mut model, "c[");
    let Screen::Compare(view) = &model.open else {
        panic!("the comparison is open");
    };
    assert_eq!(view.cursor, Some(7));
}

#[test]
fn a_group_shows_no_seed_as_its_setting_while_one_member_is_done() {
    let mut model = sweep(&ALL);
    let stopping = Record {
        t: 2.0,
        event: Event::Stopping,
    };
    let changes = vec![Change::Events {
        id: id("20260101-000002-aaaa"),
        records: vec![stopping],
        damaged: 0,
        restarted: true,
    }];
    update(&mut model, Message::Changes { now: 2.0, changes });
    let options = Options {
        columns: Columns::Config,
        ..Options::default()
    };
    let table = table(&model.runs, &[], &options);
    assert_eq!(table.rows.len(), 2);
    let fields: Vec<String> = table.columns[2..].iter().map(Column::key).collect();
    assert_eq!(fields, ["train.optimizer.learning_rate"]);
}

#[test]
fn a_marked_group_is_compared_whole_beside_a_marked_run() {
    let mut model = sweep(&ALL);
    let run = id("20260102-000000-bbbb");
    let info = json!({
        "format": 1, "id": run, "experiment": "Single", "group": "g", "stem": "single", "source": "experiments/single.yaml",
        "created": "2026-01-02T00:00:00Z", "device": "cpu",
    });
    let added = Change::Added {
        id: run.clone(),
        info: Ok(serde_json::from_value(info).unwrap()),
        experiment: None,
    };
    let (now, changes) = (model.now, vec![added]);
    update(&mut model, Message::Changes { now, changes });
    let Screen::Experiments(list) = &mut model.open else {
        panic!("the list is open");
    };
    let newest = id("20260101-000003-aaaa");
    list.marked.extend([newest.clone(), run.clone()]);
    let view = model.next_comparison();
    assert_eq!(
        view.options().selection,
        Selection::Groups(vec![newest, run])
    );
}

/// A group of two members that is halved at epoch 2. Their logs end with these events.
fn halved(ends: [Event; 2]) -> Model {
    let source = format!(
        "{}halving: {{ epochs: [2] }}\n",
        FILE.replace("seeds: [1, 2]\n", "")
    );
    let mut model = sweep_of(&source, &[(0, 0.7, 0.6), (1, 0.5, 0.9)]);
    let changes = (0..).zip(ends).flat_map(|(index, event)| {
        let id = id(&format!("20260101-00000{index}-aaaa"));
        let epoch = Event::Epoch(Epoch {
            epoch: 2,
            val_loss: 0.5,
            ..Epoch::default()
        });
        let events = [epoch, event];
        let attempt = json!({
            "number": 1, "worker": { "boot_id": "b", "pid": 9, "start_ticks": 1 }, "host": "h", "device": "cpu",
            "device_name": "c", "device_reason": "r", "threads": 1, "libtorch": "2", "epochs": 3, "resumed_from": null,
        });
        let attempt = Event::Attempt(serde_json::from_value(attempt).unwrap());
        let records = std::iter::once(attempt).chain(events);
        [Change::Events {
            id,
            records: records.map(|event| Record { t: 1.0, event }).collect(),
            damaged: 0,
            restarted: true,
        }]
    });
    let changes = changes.collect();
    update(&mut model, Message::Changes { now: 2.0, changes });
    model
}

fn place(rank: u32, continues: bool) -> Event {
    Event::Halved(Halved {
        epoch: 2,
        rank,
        of: 2,
        monitor: Monitor::ValLoss,
        figure: Some(0.5),
        continues,
    })
}

#[test]
fn a_run_that_halving_stopped_shows_its_place() {
    let paused = Event::Paused {
        epoch: 2,
        step: 20,
        train_time: 1.0,
    };
    let mut model = halved([place(2, false), paused]);
    press(&mut model, "<tab>");
    press(&mut model, "<down>");
    let screen = text(&drawn(&model, 160, 30));
    assert!(
        line(&screen, "learning_rate 0.01").contains("paused")
            && line(&screen, "learning_rate 0.1 ").contains("halved"),
        "{screen}"
    );
    press(&mut model, "<down>");
    press(&mut model, "<enter>");
    let screen = text(&drawn(&model, 160, 40));
    assert!(
        screen.contains("stopped by halving") && screen.contains("epoch 2, 2nd of 2"),
        "{screen}"
    );
}

#[test]
fn a_group_without_a_run_to_launch_leaves_the_warning_to_the_next_launch() {
    let mut model = sweep(&ALL);
    let hazard = Some("Runs end with this connection.".to_owned());
    model.hazard.clone_from(&hazard);
    press(&mut model, "r");
    let Some(Popup::Question { lines, effects }) = &model.popup else {
        panic!("nothing is asked");
    };
    assert!(effects.is_empty(), "{lines:?}");
    assert_eq!(model.hazard, hazard);
}

#[test]
fn a_group_shows_a_failed_member_beside_a_halved_one_of_any_seed() {
    let failed = || Event::Failed {
        kind: FailureKind::NonFinite,
        error: "the loss is not a number".to_owned(),
        help: String::new(),
    };
    for ends in [[place(2, false), failed()], [failed(), place(2, false)]] {
        let mut model = sweep(&ALL);
        // The two seeds of one setting.
        let ids = [1, 3].map(|index| id(&format!("20260101-00000{index}-aaaa")));
        let changes = ids.into_iter().zip(ends).map(|(id, event)| Change::Events {
            id,
            records: vec![Record { t: 1.0, event }],
            damaged: 0,
            restarted: true,
        });
        let changes = changes.collect();
        update(&mut model, Message::Changes { now: 2.0, changes });
        let entries = model.shown_entries();
        let members = entries[0].members.unwrap();
        assert_eq!(members.state(), "2/4 done");
        assert_eq!(members.status, Some(Status::Failed));
    }
}

#[test]
fn the_dashboard_halves_a_group_that_no_other_process_halves() {
    let paused = || Event::Paused {
        epoch: 2,
        step: 20,
        train_time: 1.0,
    };
    let mut model = halved([paused(), paused()]);
    let group = (0..2).map(|index| id(&format!("20260101-00000{index}-aaaa")));
    let queue = Content {
        halving: vec![group.collect()],
        ..Content::default()
    };
    // Opening the dashboard starts nothing; a launch may.
    press(&mut model, "r");
    let Some(Popup::Question { lines, effects }) = model.popup.take() else {
        panic!("nothing is asked");
    };
    assert!(
        lines.concat().contains("2 waiting for their group") && effects.len() == 1,
        "{lines:?}"
    );
    model.queue_watch = QueueWatch::Moves;
    let changes = vec![Change::Queue(queue)];
    update(&mut model, Message::Changes { now: 3.0, changes });
    assert!(model.is_anything_live(), "the clock ticks");
    let effects = update(&mut model, Message::Clock(9.0));
    assert!(
        effects.iter().any(|it| matches!(it, Effect::Advance)),
        "{effects:?}"
    );
    // A group that the queue no longer names is not halved: somebody must launch its file again.
    let queue = Content::default();
    let changes = vec![Change::Queue(queue)];
    update(&mut model, Message::Changes { now: 10.0, changes });
    assert!(!model.is_anything_live(), "the clock does not tick");
    let effects = update(&mut model, Message::Clock(19.0));
    assert!(effects.is_empty(), "{effects:?}");
}
