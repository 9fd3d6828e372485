//! The list of experiments and runs: order, columns, marks, notes and the trash.
//! With ten thousand runs every key must still be fast.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use warmstart_runs::run::RunId;
use warmstart_schema::annotation::Annotation;
use warmstart_schema::event::{Checkpoint, Epoch, Event, Record};
use warmstart_schema::state::Liveness;

use super::fixtures::{DONE, FAILED, LIVE, RESUMED, STOPPED, data, empty, id, typical};
use super::{drawn, press, says, text};
use crate::config::Keys;
use crate::effect::{Annotated, AnnotationChange, Effect, Undo};
use crate::keys::Keymap;
use crate::message::{Catalogue, Message, Report};
use crate::model::{Kind, Model, Popup, Screen};
use crate::update::update;
use warmstart_runs::store::{Change, experiments};
use warmstart_runs::trash::Trashed;

fn runs(model: &Model) -> Vec<&str> {
    model
        .shown_entries()
        .iter()
        .filter_map(|entry| Some(entry.run?.id.as_str()))
        .collect()
}

fn annotated(model: &mut Model, run: &str, change: impl FnOnce(&mut Annotation)) {
    let mut annotation = model.runs.get(&id(run)).unwrap().annotation.clone();
    change(&mut annotation);
    let changes = vec![Change::Annotation {
        id: id(run),
        annotation,
    }];
    let now = model.now;
    update(model, Message::Changes { now, changes });
}

/// Many runs of the quickstart's experiments, each with one epoch.
fn many(count: u32) -> Model {
    let mut model = empty();
    let files = experiments(&data().join("experiments")).unwrap();
    let good: Vec<_> = files
        .iter()
        .filter_map(|file| Some((file.stem.clone(), Arc::new(file.loaded.clone().ok()?))))
        .collect();
    let mut changes = Vec::new();
    for number in 0..count {
        let (stem, experiment) = &good[number as usize % good.len()];
        let name = id(&format!("run-{number:06}"));
        let info = serde_json::json!({
            "format": 1, "id": name, "experiment": experiment.name, "group": experiment.group, "stem": stem,
            "source": "s.yaml", "created": "2026-01-02T00:00:00Z", "device": "cpu",
        });
        let val_acc = f64::from(number.wrapping_mul(2_654_435_761) % 10_000) / 10_000.0;
        let epoch = Event::Epoch(Epoch {
            epoch: 1,
            val_acc,
            train_time: 10.0,
            best: true,
            ..Epoch::default()
        });
        let info = Ok(serde_json::from_value(info).unwrap());
        changes.push(Change::Added {
            id: name.clone(),
            info,
            experiment: Some(Arc::clone(experiment)),
        });
        let records = vec![Record {
            t: 1.0,
            event: epoch,
        }];
        changes.push(Change::Events {
            id: name.clone(),
            records,
            damaged: 0,
            restarted: false,
        });
        changes.push(Change::Liveness {
            id: name,
            liveness: Liveness::Free,
        });
    }
    update(
        &mut model,
        Message::Experiments(Catalogue {
            files,
            error: None,
            missing: std::collections::HashMap::default(),
        }),
    );
    update(&mut model, Message::Changes { now: 1.0, changes });
    model
}

#[test]
fn experiment_expands_and_collapses() {
    let mut model = typical();
    let before = model.shown_entries().len();
    press(&mut model, "j<tab>");
    let entries = model.shown_entries();
    assert_eq!(entries.len(), before + 1);
    assert_eq!(
        (entries[2].kind, entries[2].run.unwrap().id.as_str()),
        (Kind::RunBelow, DONE)
    );
    press(&mut model, "j");
    assert_eq!(model.run().unwrap().id, id(DONE));
    press(&mut model, "<tab>");
    assert_eq!(model.shown_entries().len(), before);
    assert_eq!(
        model.selected_entry().unwrap().label(),
        "ResNet, original input",
        "back on its experiment"
    );
    press(&mut model, "gg<tab>");
    assert!(says(&model).contains("has no run yet"), "{}", says(&model));
}

#[test]
fn rows_sort_by_every_column_with_missing_values_last() {
    let mut model = typical();
    press(&mut model, "v");
    assert_eq!(
        runs(&model),
        [FAILED, RESUMED, STOPPED, LIVE, DONE],
        "the newest first"
    );
    press(&mut model, "ooooo");
    assert_eq!(
        runs(&model)[0],
        RESUMED,
        "the best validation accuracy first"
    );
    press(&mut model, "O");
    assert_eq!(runs(&model)[4], RESUMED);
    press(&mut model, "o");
    assert_eq!(
        runs(&model)[..2],
        [RESUMED, DONE],
        "by test accuracy, the untested behind"
    );
    press(&mut model, "O");
    assert_eq!(
        runs(&model)[..2],
        [DONE, RESUMED],
        "the untested still behind"
    );
    press(&mut model, "oo");
    assert_eq!(
        runs(&model),
        [FAILED, RESUMED, STOPPED, LIVE, DONE],
        "after the last column the list's own order"
    );
}

#[test]
fn columns_are_chosen_and_drawn() {
    let mut model = typical();
    press(&mut model, "||");
    assert!(matches!(model.popup, Some(Popup::Columns { .. })));
    press(&mut model, " jj jjjjj <esc>");
    let picture = text(&drawn(&model, 120, 40));
    let head = picture.lines().nth(2).unwrap();
    assert!(
        !head.contains("backbone") && !head.contains("state") && head.contains("train acc"),
        "{head}"
    );
}

#[test]
fn a_long_note_shows_what_surrounds_its_cursor() {
    let mut model = typical();
    press(&mut model, &format!("jn{}終", "猫".repeat(60)));
    let picture = text(&drawn(&model, 80, 24));
    assert!(picture.contains("猫終"), "{picture}");
    let mut model = typical();
    press(&mut model, &format!("jn<home>A{}<home>", "x".repeat(100)));
    let picture = text(&drawn(&model, 80, 24));
    assert!(picture.contains("Axxx"), "{picture}");
}

#[test]
fn tags_and_notes_are_checked_while_typing() {
    let mut model = typical();
    press(&mut model, "jt+good -old tw,o");
    let picture = text(&drawn(&model, 80, 24));
    assert!(
        picture.contains("`tw,o` begins with neither + nor -"),
        "{picture}"
    );
    assert!(
        press(&mut model, "<enter>").is_empty() && model.popup.is_some(),
        "a mistake is not taken"
    );
    press(&mut model, "<backspace><backspace><backspace><backspace>");
    let effects = press(&mut model, "<enter>");
    let [
        Effect::Annotate {
            runs,
            change: AnnotationChange::Tags(changes),
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((runs.len(), changes.len()), (1, 2));
    let effects = press(&mut model, "nq says so<enter>");
    let [Effect::Annotate { change, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*change, AnnotationChange::Note("q says so".to_owned()));
    annotated(&mut model, DONE, |annotation| {
        annotation.tags.insert("good".to_owned());
        annotation.set_note("as before");
    });
    assert!(text(&drawn(&model, 120, 40)).contains("ResNet, original input #good"));
    press(&mut model, "n");
    assert!(
        text(&drawn(&model, 80, 24)).contains("as before"),
        "the note can be changed"
    );
    press(&mut model, "<esc>");
    assert!(
        text(&drawn(&model, 80, 24)).contains("note as before"),
        "below the list"
    );
    press(&mut model, "l");
    assert!(
        text(&drawn(&model, 120, 40)).contains(&format!("{DONE} #good  as before")),
        "above the run"
    );
    press(&mut model, "<esc>/tag:good<enter>");
    assert_eq!(runs_of(&model), 1);
}

#[test]
fn an_experiment_to_start_from_is_named_without_a_tower_of_marks() {
    let mut files = experiments(&data().join("experiments")).unwrap();
    files.retain(|file| file.stem == "5-lite0-finetune");
    let experiment = files[0].loaded.as_mut().unwrap();
    experiment.init.as_mut().unwrap().from = format!("e{}", "\u{301}".repeat(100));
    let mut model = empty();
    update(
        &mut model,
        Message::Experiments(Catalogue {
            files,
            ..Catalogue::default()
        }),
    );
    let changes = Vec::new();
    update(&mut model, Message::Changes { now: 1.0, changes });
    let screen = drawn(&model, 80, 24);
    assert!(text(&screen).contains("needs a finished run of e"));
    assert!(screen.content.iter().all(|cell| cell.symbol().len() <= 32));
}

#[test]
fn filter_and_sort_are_shown_on_narrow_terminals() {
    let mut model = typical();
    press(
        &mut model,
        "v/val_acc>0.2 test_acc>0.2 status:finished<enter>",
    );
    let picture = text(&drawn(&model, 80, 24));
    assert!(
        picture.contains("val_acc>0.2 test_acc>0.2 status:finished"),
        "{picture}"
    );
    assert!(
        picture.contains("7f3a ResNet"),
        "the rows are below it: {picture}"
    );
    press(&mut model, "<esc>oo");
    let head = |width| {
        text(&drawn(&model, width, 24))
            .lines()
            .nth(2)
            .unwrap()
            .trim()
            .to_owned()
    };
    assert!(head(70).starts_with("run ▲ px"), "{}", head(70));
    assert!(
        head(120).starts_with("run  ") && head(120).contains("▲  px"),
        "{}",
        head(120)
    );
}

#[test]
fn checkpoint_within_epoch_is_shown() {
    let mut model = typical();
    let facts = |model: &mut Model| {
        press(model, "l");
        let picture = text(&drawn(model, 120, 40));
        press(model, "<esc>");
        picture
            .lines()
            .find_map(|line| line.split_once("checkpoint"))
            .unwrap()
            .1
            .trim()
            .to_owned()
    };
    press(&mut model, "j");
    assert_eq!(facts(&mut model), "epoch 10");
    let saved = Checkpoint {
        step: 357,
        epoch: 10,
        best: false,
        bytes: 1,
        seconds: 0.1,
    };
    let records = vec![Record {
        t: 1.0,
        event: Event::Checkpoint(saved),
    }];
    let changes = vec![Change::Events {
        id: id(DONE),
        records,
        damaged: 0,
        restarted: false,
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    assert_eq!(facts(&mut model), "step 357, in epoch 11");
}

fn runs_of(model: &Model) -> usize {
    model.shown_entries().len()
}

#[test]
fn an_experiment_whose_runs_are_all_archived_is_not_one_that_never_ran() {
    let mut model = typical();
    let never = |model: &mut Model| -> Vec<String> {
        press(model, "/status:never<enter>");
        let rows = model.shown_entries().into_iter();
        let stems = rows
            .filter_map(|row| Some(row.file?.stem.clone()))
            .collect();
        press(model, "<esc>");
        stems
    };
    let before = never(&mut model);
    assert!(!before.is_empty());
    annotated(&mut model, DONE, |annotation| annotation.archived = true);
    assert_eq!(never(&mut model), before);
}

#[test]
fn archived_runs_are_hidden_until_requested() {
    let mut model = typical();
    annotated(&mut model, DONE, |annotation| annotation.archived = true);
    press(&mut model, "v");
    assert!(!runs(&model).contains(&DONE));
    press(&mut model, "/is:archived<enter>");
    assert_eq!(runs(&model), [DONE]);
    assert!(text(&drawn(&model, 120, 40)).contains("(away)"));
    press(&mut model, "<esc>.");
    assert!(runs(&model).contains(&DONE));
    press(&mut model, "v.j");
    assert!(
        text(&drawn(&model, 120, 40)).contains("archived"),
        "its experiment says so"
    );
    press(&mut model, "u");
    assert!(says(&model).ends_with("are archived"), "{}", says(&model));
    press(&mut model, "<enter>");
    let shown = text(&drawn(&model, 120, 40));
    assert!(shown.contains("are archived; . shows them."), "{shown}");
    press(&mut model, "<esc>");
    let shown = text(&drawn(&model, 120, 40));
    assert!(
        shown.contains("all runs are archived; r launches it"),
        "{shown}"
    );
    press(&mut model, "vjj");
    let effects = press(&mut model, "A");
    assert!(matches!(
        &effects[..],
        [Effect::Annotate {
            change: AnnotationChange::Archived(true),
            ..
        }]
    ));
}

#[test]
fn what_was_taken_off_a_run_is_not_said_to_be_added() {
    for (keys, past) in [
        ("jt-old<enter>", "untagged"),
        ("jt-old +new<enter>", "tagged"),
        ("jn<enter>", "without a note"),
        ("jnbest<enter>", "noted"),
    ] {
        let effects = press(&mut typical(), keys);
        let [Effect::Annotate { change, .. }] = &effects[..] else {
            panic!("{keys}: {effects:?}")
        };
        assert_eq!(change.past(), past, "{keys}");
    }
}

#[test]
fn archiving_names_the_keys_of_the_settings() {
    let keys = |action: &str, key: &str| (action.to_owned(), Keys(vec![key.to_owned()]));
    let chosen = [keys("archived", "f5"), keys("undo", "f6")];
    let mut model = typical();
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    let archived = Annotation {
        archived: true,
        ..Annotation::default()
    };
    let past = AnnotationChange::Archived(true).past();
    let done = Message::Done {
        undo: Some(Undo::Annotated(vec![Annotated {
            run: id(DONE),
            before: Annotation::default(),
            after: archived.clone(),
        }])),
        changes: vec![Change::Annotation {
            id: id(DONE),
            annotation: archived,
        }],
        report: Report {
            good: true,
            text: format!("{DONE} {past}"),
        },
    };
    update(&mut model, done);
    assert_eq!(
        says(&model),
        format!("{DONE} archived; f5 shows archived runs; f6 undoes it")
    );
}

#[test]
fn deletion_asks_and_can_be_undone() {
    let mut model = typical();
    assert!(press(&mut model, "jjjjD").is_empty());
    assert!(text(&drawn(&model, 80, 24)).contains("Delete Lite0, freeze"));
    assert!(press(&mut model, "n").is_empty());
    let effects = press(&mut model, "Dy");
    assert!(matches!(&effects[..], [Effect::Delete(ids)] if ids[..] == [id(RESUMED)]));
    let trashed = vec![Trashed {
        id: id(RESUMED),
        deleted: 7,
    }];
    let report = Report {
        good: true,
        text: "1 run deleted; U restores it".to_owned(),
    };
    let changes = vec![Change::Removed { id: id(RESUMED) }];
    update(
        &mut model,
        Message::Done {
            undo: Some(Undo::Deleted(trashed.clone())),
            changes,
            report,
        },
    );
    assert!(model.runs.get(&id(RESUMED)).is_none());
    let effects = press(&mut model, "U");
    assert!(matches!(&effects[..], [Effect::Undo(Undo::Deleted(back))] if *back == trashed));
    press(&mut model, "U");
    assert_eq!(says(&model), "there is nothing to undo");
}

#[test]
fn a_broken_file_is_shown_in_the_group_that_it_is_sorted_into() {
    let folder = tempfile::tempdir().unwrap();
    let rest = "dataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
        train: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    for (name, group) in [("a", "east"), ("n", "east"), ("z", "west")] {
        let text = format!("name: {name}\ngroup: {group}\n{rest}");
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    std::fs::write(folder.path().join("m.yaml"), "name: [").unwrap();
    let mut model = empty();
    let catalogue = Catalogue {
        files: experiments(folder.path()).unwrap(),
        error: None,
        missing: std::collections::HashMap::default(),
    };
    update(&mut model, Message::Experiments(catalogue));
    let shown: Vec<(&str, &str)> = model
        .shown_entries()
        .iter()
        .map(|entry| (entry.group, entry.label()))
        .collect();
    assert_eq!(
        shown,
        [("east", "a"), ("east", "m"), ("east", "n"), ("west", "z")]
    );
}

#[test]
fn live_or_needed_run_is_not_deleted() {
    let mut model = typical();
    assert!(press(&mut model, "jjD").is_empty() && model.popup.is_none());
    assert!(
        says(&model).ends_with("is training; stop it first, on gpu-box, where it runs"),
        "{}",
        says(&model)
    );
    // The fine-tuning experiment starts from the only finished run of the frozen experiment.
    let waits = warmstart_runs::queue::Entry {
        after: Some("4-lite0-freeze".to_owned()),
        ..serde_json::from_value(
            serde_json::json!({ "run": "w", "stem": "5-lite0-finetune", "slot": "cpu" }),
        )
        .unwrap()
    };
    let yaml = std::fs::read_to_string(data().join("experiments/quickstart/5-lite0-finetune.yaml"))
        .unwrap();
    let experiment = warmstart_schema::experiment::parse(&yaml, "x")
        .ok()
        .map(Arc::new);
    let info = serde_json::json!({
        "format": 1, "id": "w", "experiment": "Heir", "group": "g", "stem": "5-lite0-finetune", "source": "s.yaml",
        "created": "2026-12-02T00:00:00Z", "device": "cpu",
    });
    let changes = vec![
        Change::Added {
            id: id("w"),
            info: Ok(serde_json::from_value(info).unwrap()),
            experiment,
        },
        Change::Liveness {
            id: id("w"),
            liveness: Liveness::Queued(1),
        },
        Change::Queue(warmstart_runs::queue::Content {
            waiting: vec![waits],
            ..Default::default()
        }),
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    assert!(press(&mut model, "jjD").is_empty() && model.popup.is_none());
    assert!(
        says(&model).contains("Heir (w) is to start from Lite0, freeze"),
        "{}",
        says(&model)
    );
    press(&mut model, "jD");
    assert!(
        says(&model).ends_with("waits in the queue; s takes it out"),
        "{}",
        says(&model)
    );
}

#[test]
fn filter_finds_older_runs_of_experiments_without_file() {
    const OLD: &str = "run-000000";
    let mut model = many(20);
    update(&mut model, Message::Experiments(Catalogue::default()));
    assert!(!runs(&model).contains(&OLD), "only the newest are shown");
    annotated(&mut model, OLD, |annotation| {
        annotation.tags.insert("old".to_owned());
    });
    press(&mut model, "/tag:old<enter>");
    assert_eq!(runs(&model), [OLD]);
}

#[test]
fn keys_act_on_all_marked_runs() {
    let mut model = typical();
    press(&mut model, "v  j ");
    let Screen::Experiments(list) = &model.open else {
        panic!()
    };
    assert_eq!(list.marked.len(), 3);
    assert!(text(&drawn(&model, 80, 24)).contains("3 marked"));
    let effects = press(&mut model, "D");
    assert!(
        effects.is_empty() && says(&model).contains("is training"),
        "one of them is at work: {}",
        says(&model)
    );
    press(&mut model, "s");
    assert!(text(&drawn(&model, 80, 24)).contains("Stop 1 run after saving"));
    assert_eq!(press(&mut model, "y").len(), 1);
    let effects = press(&mut model, "t+x<enter>");
    assert!(matches!(&effects[..], [Effect::Annotate { runs, .. }] if runs.len() == 3));
    press(&mut model, "c");
    let Screen::Compare(view) = &model.open else {
        panic!()
    };
    assert_eq!(view.shown.ids().len(), 3, "those alone are compared");
    press(&mut model, "<esc><esc>");
    assert_eq!(model.targets().len(), 1, "escape lets go of the marks");
    press(&mut model, "*");
    assert_eq!(model.targets().len(), 5);
    press(&mut model, "*");
    assert_eq!(model.targets().len(), 1);
}

fn marked(model: &Model) -> Vec<RunId> {
    let Screen::Experiments(list) = &model.open else {
        panic!()
    };
    list.marked.iter().cloned().collect()
}

#[test]
fn marks_stay_where_no_run_is_shown_to_mark() {
    let mut model = typical();
    press(&mut model, "v  ");
    let before = marked(&model);
    press(&mut model, "/nothing like it<enter>");
    assert!(runs(&model).is_empty());
    press(&mut model, "*");
    assert_eq!(marked(&model), before);
    assert_eq!(says(&model), "there is no run here to mark");
}

#[test]
fn a_run_that_is_gone_keeps_no_mark() {
    let mut model = typical();
    press(&mut model, "v  ");
    let gone = marked(&model);
    assert_eq!(gone.len(), 2);
    // Another process deletes them.
    let changes = gone.into_iter().map(|id| Change::Removed { id }).collect();
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    assert!(marked(&model).is_empty());
}

#[test]
fn runs_that_were_not_deleted_keep_their_marks() {
    let mut model = typical();
    press(&mut model, "v*");
    let mut others = marked(&model);
    others.retain(|other| *other != id(RESUMED));
    assert!(others.len() > 1);
    // The deletion failed after the first run.
    let done = Message::Done {
        undo: Some(Undo::Deleted(vec![Trashed {
            id: id(RESUMED),
            deleted: 7,
        }])),
        changes: vec![Change::Removed { id: id(RESUMED) }],
        report: Report {
            good: false,
            text: "a run has a worker".to_owned(),
        },
    };
    update(&mut model, done);
    assert_eq!(marked(&model), others);
}

#[test]
fn ten_thousand_runs_are_listed_sorted_and_filtered_between_two_frames() {
    let mut model = many(10_000);
    let timed = |model: &mut Model, keys: &str| {
        let began = Instant::now();
        press(model, keys);
        drawn(model, 200, 60);
        began.elapsed()
    };
    timed(&mut model, "v");
    assert_eq!(model.shown_entries().len(), 10_000);
    let mut slowest = Duration::ZERO;
    for keys in ["j", "G", "<pgup>", "g", " ", "j"] {
        slowest = slowest.max(timed(&mut model, keys));
    }
    let sorted = timed(&mut model, "ooooo");
    let filtered = timed(&mut model, "/val_acc>0.99 ");
    println!(
        "10,000 runs: a key {slowest:?}, five sorts {sorted:?}, fourteen keys of a filter {filtered:?}"
    );
    // This limit is for a debug build beside other tests; the benchmark measures a release build.
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    let accuracy = |run: &str| model.runs.get(&id(run)).unwrap().state.epochs[0].val_acc;
    let shown = runs(&model);
    assert!(!shown.is_empty() && shown.into_iter().all(|run| accuracy(run) > 0.99));
}

#[test]
fn curves_of_more_runs_than_the_table_marks_have_different_markers() {
    let mut model = many(210);
    press(&mut model, "c");
    let shown = text(&drawn(&model, 200, 60));
    assert!(shown.contains("210 runs"), "{shown}");
    let legend = shown
        .lines()
        .find(|line| line.contains("validation accuracy by epoch"))
        .unwrap();
    let markers: HashSet<char> = legend
        .chars()
        .filter(|c| ('\u{25a0}'..='\u{27bf}').contains(c))
        .collect();
    assert!(markers.len() > 1, "{legend}");
}

#[test]
fn empty_list_says_why() {
    let mut model = typical();
    model.runs = warmstart_runs::store::Runs::default();
    press(&mut model, "v");
    let shown = text(&drawn(&model, 80, 24));
    assert!(
        shown.contains("No run yet.")
            && shown.contains("v shows the 7 experiments.")
            && !shown.contains("There is no experiment"),
        "{shown}"
    );
    let mut model = empty();
    let error = Some("experiments cannot be read: permission denied".to_owned());
    update(
        &mut model,
        Message::Experiments(Catalogue {
            error,
            ..Catalogue::default()
        }),
    );
    let shown = text(&drawn(&model, 80, 24));
    assert!(
        shown.contains("No experiment can be read: experiments cannot be read"),
        "{shown}"
    );
    update(&mut model, Message::Experiments(Catalogue::default()));
    assert!(text(&drawn(&model, 80, 24)).contains("There is no experiment in experiments yet."));
    press(&mut model, "v");
    assert!(text(&drawn(&model, 80, 24)).contains("No run yet, and no experiment to run."));
    let mut model = typical();
    for run in [FAILED, RESUMED, STOPPED, LIVE, DONE] {
        annotated(&mut model, run, |annotation| annotation.archived = true);
    }
    press(&mut model, "v");
    let shown = text(&drawn(&model, 80, 24));
    assert!(
        shown.contains("5 runs are archived; . shows them."),
        "{shown}"
    );
    press(&mut model, "/nothing like this<enter>");
    assert!(text(&drawn(&model, 80, 24)).contains("Nothing fits \"nothing like this\"."));
    let chosen = [("back".to_owned(), Keys(vec!["f5".to_owned()]))];
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    for keys in ["", "/", " status:nonsense"] {
        press(&mut model, keys);
        let shown = text(&drawn(&model, 80, 24));
        assert!(shown.contains("f5 shows everything again."), "{shown}");
    }
}

#[test]
fn the_rule_above_the_details_names_the_run_at_80_columns() {
    let mut model = typical();
    press(&mut model, "jj");
    let shown = text(&drawn(&model, 80, 24));
    let rule = shown
        .lines()
        .find(|line| line.contains("── 2026"))
        .unwrap_or_else(|| panic!("{shown}"));
    let run = model.run().unwrap();
    assert!(rule.contains(run.id.as_str()), "{rule}");
}
