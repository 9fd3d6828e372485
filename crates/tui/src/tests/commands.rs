//! Commands: their effects, their questions, and the reasons for refusals.

use std::sync::Arc;

use warmstart_runs::queue::{Content, Entry};
use warmstart_runs::run::RunId;
use warmstart_schema::experiment::{EarlyStopping, Monitor};
use warmstart_schema::state::{Liveness, Outcome};

use super::fixtures::{DONE, LIVE, RESUMED, STOPPED, id, typical};
use super::{drawn, press, says, text};
use crate::command::Command;
use crate::config::Keys;
use crate::effect::Effect;
use crate::keys::Keymap;
use crate::message::{Catalogue, Message};
use crate::model::{Filter, InputPrompt, Model, PathPurpose, Popup, Screen};
use crate::update::update;
use warmstart_runs::store::{Change, Run};

fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::Launch(file) => format!("launch {}", file.stem),
        Effect::StartOver(run) => format!("start over {}", run.id),
        Effect::Resume { run, changes } => format!("resume {} {}", run.id, changes.join(" "))
            .trim_end()
            .to_owned(),
        Effect::Queue(change) => format!("queue {change:?}"),
        Effect::Notice(text) => format!("notice {text}"),
        Effect::Stop { run, now } => format!("stop {} {now}", run.id),
        Effect::Advance => "advance".to_owned(),
        Effect::Export { extension, .. } => format!("export {extension}"),
        Effect::ExportCharts(_) => "export charts".to_owned(),
        Effect::SaveLog { id, .. } => format!("save log {id}"),
        Effect::ReadWorkerLog(id) => format!("read {id}"),
        Effect::ReadMachine(workers) => format!("read the machine and {} workers", workers.len()),
        Effect::Copy(text) => format!("copy {text}"),
        Effect::Annotate { runs, change } => format!("{change:?} {}", runs.len()),
        Effect::Delete(runs) => format!(
            "delete {}",
            runs.iter().map(RunId::as_str).collect::<Vec<_>>().join(" ")
        ),
        Effect::Undo(undo) => format!("take back {undo:?}"),
        Effect::ShowDataset { source, .. } => format!("look {source:?}"),
        Effect::AskDataset(ask) => format!("ask {ask:?}"),
        Effect::CloseDataset => "end look".to_owned(),
        Effect::Predict { run, subject, .. } => format!("predict {run} {subject:?}"),
        Effect::NewExperiment(folder) => format!("new experiment for {}", folder.display()),
        Effect::CompletePath {
            typed,
            only_folders: false,
        } => format!("complete {typed}"),
        Effect::CompletePath {
            typed,
            only_folders: true,
        } => format!("complete folder {typed}"),
        Effect::ReadExperiment(path) => format!("read {}", path.display()),
        Effect::WriteExperiment(writing) => format!("write {:?}", writing.stem),
        Effect::Edit(path) => format!("edit {}", path.display()),
        Effect::Edited { path, ended } => format!("edited {} {ended:?}", path.display()),
        Effect::Remember(_) => "remember".to_owned(),
        Effect::Suspend => "suspend".to_owned(),
        Effect::Repaint => "repaint".to_owned(),
        Effect::Leave => "leave".to_owned(),
    };
    effects.iter().map(name).collect()
}

fn effects_of(keys: &str) -> Vec<String> {
    names(&press(&mut typical(), keys))
}

#[test]
fn lost_checkpoints_lead_to_a_question_that_closes_no_other_popup() {
    let mut model = typical();
    let run = model.runs.get(&id(STOPPED)).unwrap().clone();
    let gone = |run: &Run| Message::Gone {
        run: Box::new(run.clone()),
        why: "no checkpoint is left".to_owned(),
    };
    press(&mut model, "?");
    update(&mut model, gone(&run));
    assert!(matches!(model.popup, Some(Popup::Help { .. })));
    assert_eq!(says(&model), "no checkpoint is left");
    press(&mut model, "<esc>");
    update(&mut model, gone(&run));
    assert_eq!(
        names(&press(&mut model, "y")),
        [format!("start over {STOPPED}")]
    );
}

#[test]
fn lost_checkpoints_lead_to_no_question_while_a_filter_is_typed() {
    let mut model = typical();
    let run = model.runs.get(&id(STOPPED)).unwrap().clone();
    let gone = Message::Gone {
        run: Box::new(run),
        why: "no checkpoint is left".to_owned(),
    };
    press(&mut model, "/");
    update(&mut model, gone);
    assert!(press(&mut model, "y").is_empty());
    assert_eq!(model.filter().unwrap().text(), "y");
    press(&mut model, "<enter>");
    assert_eq!(says(&model), "no checkpoint is left");
}

#[test]
fn going_back_to_a_run_reads_its_worker_log_again() {
    let mut model = typical();
    press(&mut model, &format!("j<enter>:{RESUMED}<enter>"));
    assert_eq!(names(&press(&mut model, "<esc>")), [format!("read {DONE}")]);
    assert!(press(&mut model, "<esc>").is_empty());
}

#[test]
fn stop_now_needs_confirmation() {
    assert!(
        effects_of("jjs").is_empty()
            && effects_of("jjsn").is_empty()
            && effects_of("jjs<esc>").is_empty()
    );
    assert_eq!(effects_of("jjsy"), [format!("stop {LIVE} false")]);
    assert_eq!(effects_of("jjSy"), [format!("stop {LIVE} true")]);
    assert_eq!(
        effects_of("jj<enter>sy")[1..],
        [format!("stop {LIVE} false")]
    );
}

#[test]
fn unavailable_command_is_refused_with_reason() {
    for (keys, reason) in [
        ("js", "nothing to stop: ResNet, original input is done"),
        ("s", "nothing to stop: EffNet, freeze has no run yet"),
        ("h", "this is the first screen"),
        ("Gr", "6-typo.yaml has a mistake"),
    ] {
        let mut model = typical();
        assert!(press(&mut model, keys).is_empty());
        assert!(says(&model).contains(reason), "{keys}: {}", says(&model));
    }
}

#[test]
fn an_experiment_is_not_called_absent_where_its_folder_is_unreadable() {
    for keys in ["r", "a", "<enter>e"] {
        let mut model = typical();
        let error = "the disk does not answer";
        update(
            &mut model,
            Message::Experiments(Catalogue {
                error: Some(error.to_owned()),
                ..Catalogue::default()
            }),
        );
        press(&mut model, keys);
        assert_eq!(says(&model), error, "{keys}");
    }
}

#[test]
fn a_mistake_is_reported_under_the_whole_name_of_its_file() {
    let mut model = typical();
    for file in &mut model.catalogue.as_mut().unwrap().files {
        file.path.set_extension("yml");
    }
    let shown = text(&drawn(&model, 120, 40));
    assert!(shown.contains("6-typo.yml"), "{shown}");
    press(&mut model, "Gr");
    assert!(says(&model).contains("6-typo.yml has"), "{}", says(&model));
}

#[test]
fn a_search_that_never_began_names_the_key_of_the_settings() {
    let mut model = typical();
    let chosen = [("search".to_owned(), Keys(vec!["f7".to_owned()]))];
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    press(&mut model, "j<enter>ln");
    assert!(says(&model).contains("; f7 "), "{}", says(&model));
}

#[test]
fn a_mistake_in_a_file_names_the_key_that_shows_it() {
    let mut model = typical();
    press(&mut model, "Gd");
    assert!(
        says(&model).ends_with("; enter shows it"),
        "{}",
        says(&model)
    );
    let chosen = [("open".to_owned(), Keys(vec!["f7".to_owned()]))];
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    press(&mut model, "Gd");
    assert!(says(&model).ends_with("; f7 shows it"), "{}", says(&model));
}

#[test]
fn an_unreadable_run_is_not_said_to_lack_a_checkpoint() {
    let mut model = typical();
    let changes = vec![
        Change::State {
            id: id(DONE),
            state: Box::default(),
            is_summary: false,
        },
        Change::Liveness {
            id: id(DONE),
            liveness: Liveness::Unknown,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "j<enter>p");
    let run = model.runs.get(&id(DONE)).unwrap();
    let trouble = run.trouble(now).unwrap();
    assert!(says(&model).ends_with(&trouble.what), "{}", says(&model));
}

#[test]
fn refusals_and_questions_name_the_keys_of_the_settings() {
    let keys = |action: &str, key: &str| (action.to_owned(), Keys(vec![key.to_owned()]));
    let chosen = [keys("back", "f5"), keys("yes", "Y"), keys("quit", "ctrl-q")];
    let mut model = typical();
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    update(&mut model, Message::Command(Command::Back));
    assert_eq!(says(&model), "this is the first screen; ctrl-q quits");
    for (line, effects, answers, reason) in [
        (
            "word ".repeat(2000),
            vec![Effect::Leave],
            None,
            "the question is cut off; f5 goes back",
        ),
        (
            "nothing is here".to_owned(),
            Vec::new(),
            Some("│ f5 back"),
            "there is nothing to say yes to; f5 goes back",
        ),
        (
            "really?".to_owned(),
            vec![Effect::Leave],
            Some("│ Y yes   f5 no"),
            "",
        ),
    ] {
        let lines = vec![line];
        model.popup = Some(Popup::Question { lines, effects });
        let shown = text(&drawn(&model, 80, 24));
        assert!(
            answers.is_none_or(|answers| shown.contains(answers)),
            "{shown}"
        );
        update(&mut model, Message::Command(Command::Yes));
        assert_eq!(says(&model), reason);
    }
}

#[test]
fn new_experiment_asks_for_a_folder() {
    assert!(effects_of("N<enter>").is_empty(), "nothing is typed");
    assert_eq!(effects_of("Nmy pets<tab>"), ["complete folder my pets"]);
    assert_eq!(effects_of("Npets<enter>"), ["new experiment for pets"]);
    assert!(effects_of("Npets<esc>").is_empty());
}

#[test]
fn one_marked_run_is_stopped_and_not_the_selected_one() {
    // The cursor leaves the marked run.
    let mut model = typical();
    press(&mut model, "jj jj");
    assert_ne!(model.run().map(|run| run.id.as_str()), Some(LIVE));
    assert_eq!(
        names(&press(&mut model, "sy")),
        [format!("stop {LIVE} false")]
    );
}

#[test]
fn launch_asks_only_if_something_is_unusual() {
    assert_eq!(effects_of("jr"), ["launch 1-resnet-original"]);
    assert!(effects_of("r").is_empty(), "its data is missing");
    assert_eq!(effects_of("ry"), ["launch 7-effnet-freeze"]);
    assert!(effects_of("jjr").is_empty(), "it runs already");
}

#[test]
fn launch_all_orders_experiments_by_dependency() {
    assert!(effects_of("a").is_empty());
    let expected = [
        "launch 1-resnet-original",
        "launch 3-lite0-resized",
        "launch 4-lite0-freeze",
        "launch 5-lite0-finetune",
    ];
    assert_eq!(effects_of("ay"), expected);
    assert_eq!(
        effects_of("/fine-tune<enter>ay"),
        ["launch 5-lite0-finetune"]
    );
}

#[test]
fn filter_applies_while_typing_and_ignores_mistakes() {
    let mut model = typical();
    let labels = |model: &Model| -> Vec<String> {
        model
            .shown_entries()
            .iter()
            .map(|entry| entry.label().to_owned())
            .collect()
    };
    press(&mut model, "/backbone:resnet* ");
    assert_eq!(
        labels(&model),
        ["ResNet, original input", "ResNet, resized input"]
    );
    press(&mut model, "stat");
    assert!(labels(&model).is_empty());
    press(&mut model, "us:runing<enter>");
    assert!(
        labels(&model).is_empty() && matches!(model.filter(), Some(Filter::Typing(_))),
        "enter takes no mistake"
    );
    press(&mut model, "<left><left><left>n<enter>");
    assert_eq!(labels(&model), ["ResNet, resized input"]);
    press(&mut model, "<esc>");
    press(&mut model, "c/val_acc>25%<enter>");
    let Screen::Compare(view) = &model.open else {
        panic!()
    };
    let acc = |id| {
        model
            .runs
            .get(id)
            .and_then(|run| run.state.best_epoch())
            .map(|epoch| epoch.val_acc)
    };
    assert!(view.shown.ids().iter().all(|id| acc(id) > Some(0.25)));
    assert_eq!(view.shown.ids().len(), 4);
}

#[test]
fn stopped_run_resumes_at_once() {
    assert_eq!(effects_of("jjju"), [format!("resume {STOPPED}")]);
}

#[test]
fn finished_run_is_extended_to_a_checked_number_of_epochs() {
    let mut model = typical();
    assert!(press(&mut model, "ju").is_empty());
    let shown = |model: &Model| text(&drawn(model, 80, 24));
    assert!(
        shown(&model).contains("extend to how many epochs in all?"),
        "{}",
        shown(&model)
    );
    for wrong in ["", "x", "10", "-1", "1.5", "100001", "99999999999"] {
        press(&mut model, &format!("{wrong}<enter>"));
        let screen = shown(&model);
        assert!(
            screen.contains("a whole number from 11 to 100000; it is 10 now"),
            "{wrong:?}: {screen}"
        );
        press(&mut model, &"<backspace>".repeat(wrong.len()));
    }
    press(&mut model, "12");
    assert!(shown(&model).contains("2 epochs more"), "{}", shown(&model));
    assert_eq!(
        names(&press(&mut model, "<enter>")),
        [format!("resume {DONE} train.epochs=12")]
    );
    assert!(model.popup.is_none());
    assert!(effects_of("ju12<esc>").is_empty());
    // The same keys work on the run's screen.
    assert_eq!(
        effects_of("j<enter>u20<enter>").last().unwrap(),
        &format!("resume {DONE} train.epochs=20")
    );
}

#[test]
fn extension_counts_the_epochs_after_those_that_were_trained() {
    let mut model = typical();
    let run = model.runs.get(&id(DONE)).unwrap();
    let mut experiment = run.experiment.clone().unwrap();
    // By hand, after the run ended at its tenth epoch.
    Arc::make_mut(&mut experiment).train.epochs = 20;
    let changes = vec![Change::Experiment {
        id: id(DONE),
        experiment: Some(experiment),
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "ju25");
    let screen = text(&drawn(&model, 80, 24));
    assert!(screen.contains("15 epochs more"), "{screen}");
}

/// The runs, of which the finished one stopped early; its experiment allows `epochs`.
fn with_early_stop(epochs: u32) -> Model {
    let mut model = typical();
    let run = model.runs.get(&id(DONE)).unwrap();
    let (mut experiment, mut state) = (run.experiment.clone().unwrap(), run.state.clone());
    let train = &mut Arc::make_mut(&mut experiment).train;
    train.epochs = epochs;
    train.early_stopping = Some(EarlyStopping {
        monitor: Monitor::ValLoss,
        patience: 4,
        min_delta: 0.0,
    });
    state.outcome = Some(Outcome::Finished {
        stopped_early: true,
    });
    let changes = vec![
        Change::Experiment {
            id: id(DONE),
            experiment: Some(experiment),
        },
        Change::State {
            id: id(DONE),
            state,
            is_summary: false,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    model
}

#[test]
fn run_that_stopped_early_in_its_last_epoch_needs_two_numbers() {
    let mut model = with_early_stop(10);
    assert!(press(&mut model, "ju").is_empty());
    assert!(model.popup.is_none());
    let screen = text(&drawn(&model, 80, 24));
    assert!(
        screen.contains("needs more epochs and more patience"),
        "{screen}"
    );
}

#[test]
fn early_stopped_run_is_extended_with_more_patience() {
    let mut model = with_early_stop(20);
    press(&mut model, "ju4<enter>");
    assert!(text(&drawn(&model, 80, 24)).contains("a whole number from 5"));
    assert_eq!(
        names(&press(&mut model, "<backspace>6<enter>")),
        [format!("resume {DONE} train.early_stopping.patience=6")]
    );
}

#[test]
fn end_of_run_rings_bell_and_manual_stop_does_not() {
    let end = |event: &str| {
        let mut model = typical();
        let record =
            serde_json::from_str(&format!("{{\"t\":{},\"event\":{event}}}", model.now)).unwrap();
        let changes = vec![
            Change::Events {
                id: id(LIVE),
                records: vec![record],
                damaged: 0,
                restarted: false,
            },
            Change::Liveness {
                id: id(LIVE),
                liveness: Liveness::Free,
            },
        ];
        let now = model.now;
        names(&update(&mut model, Message::Changes { now, changes }))
    };
    assert_eq!(
        end("\"failed\",\"kind\":\"not_a_number\",\"error\":\"the loss is NaN\",\"help\":\"\""),
        ["notice ResNet, resized input failed: the loss is NaN"]
    );
    assert_eq!(
        end("\"finished\",\"train_time\":1,\"stopped_early\":false")[0],
        "notice ResNet, resized input is done: test accuracy –"
    );
    assert!(end("\"stopped\",\"step\":1,\"train_time\":1").is_empty());
    // Only the first skipped step is reported.
    let mut model = typical();
    let skip = |step: u64| {
        let line = format!(
            "{{\"t\":1795342500,\"event\":\"skipped\",\"step\":{step},\"in_a_row\":1,\"loss\":\"NaN\"}}"
        );
        vec![Change::Events {
            id: id(LIVE),
            records: vec![serde_json::from_str(&line).unwrap()],
            damaged: 0,
            restarted: false,
        }]
    };
    let now = model.now;
    let first = names(&update(
        &mut model,
        Message::Changes {
            now,
            changes: skip(300),
        },
    ));
    assert!(
        first[0].starts_with("notice ResNet, resized input: a step was left out"),
        "{first:?}"
    );
    assert!(
        names(&update(
            &mut model,
            Message::Changes {
                now,
                changes: skip(301)
            }
        ))
        .is_empty()
    );
}

#[test]
fn first_launch_warns_if_session_end_kills_runs() {
    let mut model = typical();
    model.hazard = Some("Runs end with this connection.".to_owned());
    assert!(press(&mut model, "jr").is_empty());
    assert!(text(&drawn(&model, 80, 24)).contains("Runs end with this connection."));
    assert_eq!(names(&press(&mut model, "y")), ["launch 1-resnet-original"]);
    assert_eq!(
        names(&press(&mut model, "r")),
        ["launch 1-resnet-original"],
        "reported once"
    );
}

#[test]
fn a_request_to_a_cluster_is_shown_before_it_is_sent() {
    let mut model = typical();
    let mut asked = warmstart_runs::launcher::SlurmRequest::default();
    asked.settings.set("partition=gpu").unwrap();
    asked.settings.set("time=2:00:00").unwrap();
    model.launcher = warmstart_runs::launcher::Choice::Slurm(Box::new(asked));
    let request = "Slurm gets a job with --partition=gpu --time=2:00:00";
    for (key, question, effect) in [
        (
            "jr",
            "Send ResNet, original input?",
            "launch 1-resnet-original",
        ),
        ("a", "Launch", "launch 1-resnet-original"),
    ] {
        assert!(press(&mut model, key).is_empty());
        let shown = text(&drawn(&model, 100, 24));
        assert!(
            shown.contains(request) && shown.contains(question),
            "{shown}"
        );
        assert!(press(&mut model, "n").is_empty(), "nothing is sent");
        press(&mut model, &key[key.len() - 1..]);
        assert!(names(&press(&mut model, "y")).contains(&effect.to_owned()));
    }
}

#[test]
fn exports_offer_every_format() {
    let extensions = ["csv", "md", "tex", "json", "html", "txt"];
    for (down, extension) in extensions.iter().enumerate() {
        let keys = format!("E{}<enter>", "j".repeat(down));
        assert_eq!(effects_of(&keys), [format!("export {extension}")]);
    }
    assert!(effects_of("E<esc>").is_empty());
}

#[test]
fn quit_and_suspend_are_one_key_from_every_screen() {
    for keys in ["", "jj<enter>", "c", "jj<enter>l"] {
        assert_eq!(effects_of(&format!("{keys}q")).last().unwrap(), "leave");
    }
    for keys in ["", "jjs", "/x", "?", "E"] {
        assert_eq!(
            effects_of(&format!("{keys}<ctrl-z>")).last().unwrap(),
            "suspend"
        );
    }
}

#[test]
fn back_closes_one_level_at_a_time() {
    let mut model = typical();
    press(&mut model, "cj<enter>l?");
    for _ in 0..3 {
        press(&mut model, "<esc>");
    }
    assert!(matches!(model.open, Screen::Compare(_)));
    press(&mut model, "<esc>");
    assert!(matches!(model.open, Screen::Experiments(_)));
}

#[test]
fn end_of_run_is_reported_in_a_sentence() {
    let mut model = typical();
    let free = Change::Liveness {
        id: id(LIVE),
        liveness: Liveness::Free,
    };
    let now = model.now + 1.0;
    update(
        &mut model,
        Message::Changes {
            now,
            changes: vec![free],
        },
    );
    assert!(
        says(&model).contains("ResNet, resized input was lost"),
        "{}",
        says(&model)
    );
}

#[test]
fn queue_advances_after_killed_worker_but_not_on_startup() {
    let waiting = || {
        let entry = Entry {
            run: id(DONE),
            stem: "x".to_owned(),
            slot: "cpu".to_owned(),
            after: None,
            file: None,
            after_file: None,
        };
        Change::Queue(Content {
            waiting: vec![entry],
            ..Content::default()
        })
    };
    let free = |id: &str| Change::Liveness {
        id: super::fixtures::id(id),
        liveness: Liveness::Free,
    };
    let at = |model: &mut Model, seconds: f64, changes: Vec<Change>| {
        let now = model.now + seconds;
        let effects = names(&update(model, Message::Changes { now, changes }));
        effects
            .into_iter()
            .filter(|effect| !effect.starts_with("notice"))
            .collect::<Vec<_>>()
    };
    let mut seen = typical();
    assert!(at(&mut seen, 1.0, vec![waiting()]).is_empty());
    assert!(
        at(&mut seen, 1.0, vec![free(LIVE)]).is_empty(),
        "its worker may yet start the next"
    );
    let later = seen.now + 2.0;
    assert_eq!(
        names(&update(&mut seen, Message::Clock(later))),
        ["advance"]
    );

    let mut unseen = typical();
    unseen.queue_watch = crate::model::QueueWatch::Unseen;
    at(&mut unseen, 0.0, vec![free(LIVE), waiting()]);
    assert!(at(&mut unseen, 9.0, Vec::new()).is_empty());
}

#[test]
fn completion_is_refused_where_no_path_is_typed() {
    let mut model = typical();
    let input = tui_input::Input::default();
    model.popup = Some(Popup::Input(InputPrompt::Search { input }));
    let reason = crate::available::refusal(&model, Command::Complete).unwrap();
    assert!(
        reason.contains("path") && !reason.contains("number"),
        "a search takes a text: {reason}"
    );
    let path = InputPrompt::path(PathPurpose::NewExperiment);
    model.popup = Some(Popup::Input(path));
    assert_eq!(crate::available::refusal(&model, Command::Complete), None);
}
