//! The exported comparison equals the screen and the command line's output.

use std::sync::Arc;

use warmstart_schema::seed::SplitMix64;
use warmstart_schema::state::Liveness;

use clap::Parser as _;

use super::fixtures::{LIVE, data, id, typical};
use super::{drawn, press, says, text};
use crate::effect::Effect;
use crate::message::{Message, Report};
use crate::model::{Model, Screen};
use crate::update::update;
use warmstart_report::compare::{Column, Format, Metric, ShownArguments, render, table};
use warmstart_runs::run::RunInfo;
use warmstart_runs::store::{Change, Watcher, experiments};

/// The recorded runs; none has a worker.
fn recorded() -> Model {
    let mut model = typical();
    let free = vec![Change::Liveness {
        id: id(LIVE),
        liveness: Liveness::Free,
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes: free });
    press(&mut model, "c");
    model
}

#[test]
fn the_legend_names_the_selected_run_however_long_its_name_is() {
    let mut model = recorded();
    let run = model.run().unwrap();
    let info = RunInfo {
        experiment: format!("first{}last", "-".repeat(70)),
        ..run.info.clone().unwrap()
    };
    let renamed = vec![Change::Info {
        id: run.id.clone(),
        info: Ok(info),
    }];
    let now = model.now;
    update(
        &mut model,
        Message::Changes {
            now,
            changes: renamed,
        },
    );
    press(&mut model, "v");
    let shown = text(&drawn(&model, 80, 24));
    let legend = shown
        .lines()
        .find(|line| line.contains("validation loss by epoch"))
        .unwrap();
    assert!(
        legend.contains("first") && legend.contains("last") && legend.contains("  +"),
        "{legend}"
    );
}

#[test]
fn a_doubtful_published_figure_is_shown_whole() {
    let mut model = typical();
    let mut experiment = model.runs.get(&id(LIVE)).unwrap().experiment.clone();
    let changed = Arc::make_mut(experiment.as_mut().unwrap());
    let reference = changed.reference.as_mut().unwrap();
    let figure = reference.val_loss.unwrap();
    reference.doubtful = vec![Metric::ValLoss];
    reference.note = Some("probably a misprint".to_owned());
    let changes = vec![Change::Experiment {
        id: id(LIVE),
        experiment,
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    // Alone, a run has no best figure, whose sign would make the column wider.
    press(&mut model, &format!("c/{LIVE}<enter>"));
    let picture = text(&drawn(&model, 120, 40));
    assert!(picture.contains(&format!("‡{figure:.4}")), "{picture}");
}

/// The command line's arguments for a comparison.
#[derive(clap::Parser)]
#[command(no_binary_name = true)]
struct Asked {
    #[command(flatten)]
    shown: ShownArguments,
    #[arg(long)]
    format: Option<Format>,
}

/// The command line's output for a copied command, which a shell has parsed.
fn printed_by(command: &str) -> String {
    let words = command.replacen("warmstart", "printf '%s\\0'", 1);
    let output = std::process::Command::new("sh")
        .args(["-c", &words])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let asked = Asked::try_parse_from(words.split_terminator('\0').skip(1))
        .unwrap_or_else(|error| panic!("{command}: {error}"));
    let files = experiments(&data().join("experiments")).unwrap();
    let (_, runs) = Watcher::read_all(&data().join("runs"), &files);
    let options = asked
        .shown
        .options(&runs)
        .unwrap_or_else(|error| panic!("{command}: {error}"));
    render(
        &table(&runs, &files, &options),
        asked.format.unwrap_or(Format::Table),
        None,
    )
}

/// Exports in a format, copies the command, and checks that both give the same text.
fn assert_same(model: &mut Model, format: usize) {
    let down = "j".repeat(format);
    let exported = press(model, &format!("E{down}<enter>"));
    let copied = press(model, &format!("E{down}y"));
    let command = press(model, &format!("E{down}c"));
    let (Effect::Export { text, .. }, Effect::Copy(copied), Effect::Copy(command)) =
        (&exported[0], &copied[0], &command[0])
    else {
        panic!("{exported:?} {command:?}")
    };
    assert_eq!(text, copied);
    assert_eq!(*text, printed_by(command), "{command}");
    let Screen::Compare(view) = &model.open else {
        panic!("the comparison is open")
    };
    assert_eq!(
        *text,
        render(view.shown.table(), Format::ALL[format], None),
        "what is on screen"
    );
}

#[test]
fn export_equals_cli_output_for_every_option_and_format() {
    for keys in [
        "",
        "d",
        "D",
        "t",
        "g",
        "b",
        "bb",
        "p",
        "jjp",
        "w",
        "ooo",
        "oooO",
        "O",
        "dt",
        "oxox",
        "/lite0<enter>",
    ] {
        for format in 0..Format::ALL.len() {
            let mut model = recorded();
            press(&mut model, keys);
            assert_same(&mut model, format);
        }
    }
}

#[test]
fn one_key_scrolls_back_from_the_end() {
    for (view, to_the_end, back) in [("", "<right>", "<left>"), ("t", "j", "k")] {
        let mut model = recorded();
        press(&mut model, view);
        press(&mut model, &to_the_end.repeat(100));
        let end = text(&drawn(&model, 80, 24));
        press(&mut model, back);
        assert_ne!(text(&drawn(&model, 80, 24)), end, "{back}");
    }
}

#[test]
fn the_gain_behind_the_last_run_comes_into_view_with_it() {
    let mut model = recorded();
    press(&mut model, "t");
    assert!(!text(&drawn(&model, 80, 24)).contains("gain over"));
    press(&mut model, &"<right>".repeat(100));
    let shown = text(&drawn(&model, 80, 24));
    assert!(
        shown.contains("Lite0, fine-tune") && shown.contains("gain over"),
        "{shown}"
    );
}

#[test]
fn hiding_without_a_sorted_column_says_why_it_does_nothing() {
    // Not sorted; sorted by a column that is hidden already.
    for keys in ["x", "oxx"] {
        let mut model = recorded();
        press(&mut model, keys);
        let said = says(&model);
        assert!(said.contains("not sorted by a column"), "{keys}: {said}");
    }
}

#[test]
fn copied_command_quotes_the_folders() {
    let mut model = recorded();
    let folders = |experiments: &str, checkpoints: &str| {
        let [experiments, checkpoints] = [experiments, checkpoints].map(std::path::Path::new);
        warmstart_runs::shell::FolderOptions::new(Some(experiments), Some(checkpoints))
    };
    model.folders = folders("my files", "/data/it's/runs");
    press(&mut model, "E");
    let shown = text(&drawn(&model, 200, 60));
    assert!(shown.contains("--experiments 'my files'"), "{shown}");
    let mut model = recorded();
    model.folders = folders("experiments", "/data/my runs");
    let command = press(&mut model, "Ec");
    let Effect::Copy(command) = &command[0] else {
        panic!("{command:?}")
    };
    let words = shell_words::split(command).unwrap();
    assert_eq!(
        words[..4],
        ["warmstart", "compare", "--checkpoints", "/data/my runs"]
    );
    assert!(!command.contains("--experiments"), "{command}");
    // The command in the status line has the folders too.
    let told = Report {
        good: false,
        text: "saved; `warmstart resume x1` continues".to_owned(),
    };
    update(&mut model, Message::Report(told));
    assert_eq!(
        says(&model),
        "saved; `warmstart resume --checkpoints '/data/my runs' x1` continues"
    );
}

#[test]
fn export_equals_cli_output_for_random_options() {
    const KEYS: &[u8] = b"dDtgbpwoOxvjk[]";
    let (mut model, mut random) = (recorded(), SplitMix64::new(11));
    for step in 0..150 {
        let key = char::from(KEYS[usize::try_from(random.below(KEYS.len() as u64)).unwrap()]);
        press(&mut model, &key.to_string());
        assert_same(&mut model, step % Format::ALL.len());
    }
}

#[test]
fn list_opens_comparison_of_marked_or_shown_runs() {
    let runs = |keys: &str| {
        let mut model = recorded();
        press(&mut model, "<esc>");
        press(&mut model, keys);
        // Export from the list, then from the comparison that the list opens.
        let exported = press(&mut model, "E<enter>");
        press(&mut model, "c");
        assert_same(&mut model, 0);
        let Effect::Export { text, .. } = &exported[0] else {
            panic!("{exported:?}")
        };
        let Screen::Compare(view) = &model.open else {
            panic!("the comparison is open")
        };
        assert_eq!(
            *text,
            render(view.shown.table(), Format::ALL[0], None),
            "{keys}"
        );
        view.shown.ids().len()
    };
    assert_eq!(runs(""), 5);
    assert_eq!(runs("/lite0<enter>"), 3);
    assert_eq!(runs("v*"), 5);
    assert_eq!(
        runs("v j /lite0<enter>"),
        2,
        "marks say more than the filter"
    );
    assert_eq!(runs("v /lite0<enter>"), 3, "one mark is none");
}

#[test]
fn screen_shows_every_figure_of_the_table() {
    for keys in ["", "d", "bb", "jp", "t", "D"] {
        let mut model = recorded();
        press(&mut model, keys);
        let picture = text(&drawn(&model, 200, 60));
        let Screen::Compare(view) = &model.open else {
            panic!("the comparison is open")
        };
        let table = view.shown.table();
        for row in &table.rows {
            for (cell, column) in row.cells.iter().zip(&table.columns) {
                let is_figure = matches!(column, Column::Metric(_) | Column::Delta(_));
                if let Some(shown) = cell.value.shown().filter(|_| is_figure) {
                    assert!(picture.contains(&shown), "{keys}: {shown}\n{picture}");
                }
            }
        }
    }
}

#[test]
fn differences_are_relative_to_the_pinned_run() {
    let mut model = recorded();
    press(&mut model, "jp");
    let Screen::Compare(view) = &model.open else {
        panic!("the comparison is open")
    };
    let table = view.shown.table();
    let at = |column: Column| {
        table
            .columns
            .iter()
            .position(|other| *other == column)
            .unwrap()
    };
    let (delta, acc) = (
        at(Column::Delta(Metric::ValAcc)),
        at(Column::Metric(Metric::ValAcc)),
    );
    let figures: Vec<(f64, f64)> = table
        .measured()
        .map(|row| {
            let number = |index: usize| {
                row.cells[index]
                    .value
                    .shown()
                    .unwrap()
                    .parse::<f64>()
                    .unwrap()
            };
            (number(acc), number(delta))
        })
        .collect();
    let pinned = figures[1].0;
    assert!(figures.len() == 5 && figures[1].1.abs() < f64::EPSILON);
    for (acc, delta) in figures {
        assert!((acc - pinned - delta).abs() < 1.1e-4, "{acc} {delta}");
    }
}

#[test]
fn cursor_shows_every_run_at_one_epoch() {
    let mut model = recorded();
    press(&mut model, "]]]");
    let picture = text(&drawn(&model, 120, 40));
    let legend = picture
        .lines()
        .find(|line| line.contains("at epoch 3"))
        .unwrap();
    let mut figures: Vec<&str> = legend
        .split_whitespace()
        .filter(|word| word.starts_with("0."))
        .collect();
    figures.sort_unstable();
    // The run that continues another one had not started at this epoch.
    let from_the_start = model
        .runs
        .iter()
        .filter(|run| run.state.started_from.is_none());
    let mut expected: Vec<String> = from_the_start
        .map(|run| {
            format!(
                "{:.4}",
                run.state
                    .epochs
                    .iter()
                    .find(|epoch| epoch.epoch == 3)
                    .unwrap()
                    .val_acc
            )
        })
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 4);
    assert_eq!(figures, expected, "{legend}");
    press(&mut model, "v");
    assert!(text(&drawn(&model, 120, 40)).contains("validation loss by epoch"));
}

#[test]
fn copy_refuses_large_table_and_suggests_export() {
    let mut model = recorded();
    let changes = (0..900)
        .flat_map(|number| {
            let run = model.runs.get(&id(LIVE)).unwrap();
            let id = id(&format!("20270101-000000-{number:04x}"));
            let mut info = run.info.clone().unwrap();
            info.id = id.clone();
            [Change::Added {
                id,
                info: Ok(info),
                experiment: run.experiment.clone(),
            }]
        })
        .collect();
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    assert!(press(&mut model, "Y").is_empty());
    let said = says(&model);
    assert!(said.contains("E writes a file"), "{said}");
}

#[test]
fn columns_are_chosen_and_equal_names_get_ids_at_80_columns() {
    let mut model = recorded();
    let shown = text(&drawn(&model, 80, 24));
    for id in ["7f3a", "0c21", "a9e0", "4b12", "e77d"] {
        assert!(shown.contains(id), "{id}: {shown}");
    }
    press(&mut model, "|");
    assert!(text(&drawn(&model, 80, 24)).contains("[x] state"));
    // The second row is the status column; the last rows are settings.
    press(&mut model, "j<space>");
    assert_same_after(&mut model, |columns| !columns.contains(&Column::State));
    press(&mut model, "|G<space>");
    assert_same_after(&mut model, |columns| {
        columns
            .iter()
            .any(|column| matches!(column, Column::Config(_)))
    });
}

fn assert_same_after(model: &mut Model, holds: fn(&[Column]) -> bool) {
    press(model, "<esc>");
    let Screen::Compare(view) = &model.open else {
        panic!("the comparison is open")
    };
    assert!(
        holds(&view.shown.table().columns),
        "{:?}",
        view.shown.table().columns
    );
    assert_same(model, 0);
}

#[test]
fn continued_curve_starts_at_the_checkpoint() {
    let model = recorded();
    let Screen::Compare(view) = &model.open else {
        panic!("the comparison is open")
    };
    // The recorded fine-tuning run started from the frozen run's best checkpoint.
    let tuned = model
        .runs
        .iter()
        .find(|run| run.state.started_from.is_some())
        .expect("one of them continues another");
    let from = tuned.state.started_from.as_ref().unwrap();
    let origin = model.runs.get(&from.run).unwrap();
    let epoch = origin
        .state
        .epochs
        .iter()
        .find(|epoch| epoch.step == from.step)
        .unwrap()
        .epoch;
    assert_eq!(view.shown.after(&tuned.id), epoch);
    assert_eq!(view.shown.after(&origin.id), 0);
    let shown = text(&drawn(&model, 200, 60));
    assert!(
        shown.contains(&format!("{} after {epoch}", tuned.label())),
        "{shown}"
    );
    // Without the other run the curve starts at 0.
    let mut alone = recorded();
    press(&mut alone, &format!("/{}<enter>", tuned.id));
    let Screen::Compare(view) = &alone.open else {
        panic!("the comparison is open")
    };
    assert_eq!(view.shown.after(&tuned.id), 0);
}
