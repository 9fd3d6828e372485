//! Keys of the charts, and what the charts show afterwards.

use std::sync::Arc;

use ratatui::style::Modifier;
use rstest::rstest;

use super::fixtures::{FAILED, RESUMED, data, id, typical};
use super::{drawn, press, says, text};
use crate::config::Keys;
use crate::keys::Keymap;
use crate::message::Message;
use crate::model::{ChartView, Model, Screen};
use crate::theme::{Appearance, Palette, Theme};
use crate::update::update;
use warmstart_report::plot::{ChartKind, Curves, Drawn, Key, Smoothing, XAxis};
use warmstart_runs::store::{Change, Watcher};
use warmstart_schema::event::{Event, Record, Unfrozen};
use warmstart_schema::experiment::Freeze;

/// The run with twenty epochs of 34 steps; it was resumed after the sixth epoch.
fn after(keys: &str) -> Model {
    let mut model = typical();
    press(&mut model, "jjjj<enter>");
    press(&mut model, keys);
    model
}

fn charts(model: &Model) -> &ChartView {
    let Screen::Run(view) = &model.open else {
        panic!("no run is open")
    };
    &view.charts
}

fn window(model: &Model) -> Option<(f64, f64)> {
    charts(model).window.map(|(low, high)| {
        (
            (low * 1000.0).round() / 1000.0,
            (high * 1000.0).round() / 1000.0,
        )
    })
}

#[rstest]
// The whole range is 0 to 20; accuracy starts at the first epoch.
#[case("", None)]
#[case("+", Some((5.75, 15.25)))]
#[case("++", Some((8.125, 12.875)))]
#[case("++-", Some((5.75, 15.25)))]
#[case("+--", None)]
#[case("+0", None)]
#[case("+>", Some((8.125, 17.625)))]
#[case("+<", Some((3.375, 12.875)))]
#[case("+<<<<", Some((0.0, 9.5)))]
#[case("+>>>>", Some((10.5, 20.0)))]
// The zoom is around the cursor, which keeps its position on the screen.
#[case("<home>+", Some((1.0, 10.5)))]
#[case("<left>+", Some((10.0, 19.5)))]
fn zoom_and_pan(#[case] keys: &str, #[case] expected: Option<(f64, f64)>) {
    assert_eq!(window(&after(keys)), expected);
}

#[test]
fn zoom_is_limited_and_pan_needs_zoom() {
    let mut model = after(&"+".repeat(60));
    let (low, high) = charts(&model).window.unwrap();
    assert!(high - low > 20.0 * 0.9e-5 && high > low, "{low} {high}");
    assert!(says(&model).contains("as close as it gets"));
    press(&mut model, &"-".repeat(60));
    assert_eq!(window(&model), None);
    press(&mut model, ">");
    assert!(says(&model).contains("+ zooms in"));
}

#[test]
fn pan_without_zoom_names_the_key_of_the_settings() {
    let mut model = after("");
    let chosen = [("zoom-in".to_owned(), Keys(vec!["f7".to_owned()]))];
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    press(&mut model, ">");
    assert!(says(&model).ends_with("; f7 zooms in"), "{}", says(&model));
}

#[rstest]
#[case("<left>", Some(19.0))]
#[case("<left><left><right>", Some(19.0))]
#[case("<left><right><right>", None)]
#[case("<right>", None)]
#[case("[", Some(10.0))]
#[case("[[[", Some(1.0))]
#[case("[]]", None)]
#[case("<home>", Some(1.0))]
#[case("<home><end>", None)]
#[case("<left><left><esc>", None)]
fn cursor_moves_by_epochs(#[case] keys: &str, #[case] expected: Option<f64>) {
    assert_eq!(charts(&after(keys)).cursor, expected);
}

#[test]
fn cursor_moves_the_visible_range() {
    let model = after("++<home>");
    let (low, high) = window(&model).unwrap();
    assert!(low <= 1.0 && high > 1.0 && high < 8.0, "{low} {high}");
}

#[test]
fn every_chart_shows_figures_at_the_cursor() {
    let model = after("<left><left>");
    let state = &model.runs.get(&id(RESUMED)).unwrap().state;
    let epoch = &state.epochs[17];
    let picture = text(&drawn(&model, 200, 60));
    // Once in each chart, and once in the run's title.
    assert_eq!(picture.matches("at epoch 18").count(), 7 + 1, "{picture}");
    for figure in [
        epoch.val_acc,
        epoch.train_acc,
        epoch.val_loss,
        epoch.train_loss,
    ] {
        assert!(
            picture.contains(&format!("{figure:.4}")),
            "{figure}: {picture}"
        );
    }
    let batches = state.batches.iter().map(|progress| &progress.batch);
    let batch = batches
        .min_by_key(|batch| batch.step.abs_diff(epoch.step))
        .unwrap();
    assert!(
        picture.contains(&format!("gradient norm  {:.3}", batch.gradient_norm)),
        "{picture}"
    );
}

#[test]
fn usage_chart_shows_temperature_power_and_clock_at_the_cursor() {
    let mut model = after("");
    let line = "{\"t\":1795342500,\"event\":\"system\",\"gpu\":98.0,\"gpu_temperature\":61,\"gpu_power\":412.3,\"gpu_clock\":1980}";
    let changes = vec![Change::Events {
        id: id(RESUMED),
        records: vec![serde_json::from_str(line).unwrap()],
        damaged: 0,
        restarted: false,
    }];
    let now = model.now;
    let _ = update(&mut model, Message::Changes { now, changes });
    let picture = text(&drawn(&model, 200, 60));
    assert!(picture.contains("61 °C · 412 W · 1980 MHz"), "{picture}");
    // A missing value in the newest sample is not drawn as a number.
    assert!(
        picture.contains("cpu –  61") && !picture.contains("NaN"),
        "{picture}"
    );
    // The first epoch has no GPU samples.
    press(&mut model, "<home>");
    let picture = text(&drawn(&model, 200, 60));
    assert!(!picture.contains("MHz"), "{picture}");
}

#[test]
fn cursor_keeps_its_step_on_every_axis() {
    let mut model = after("<left><left><left>");
    for place in [
        "at step 578",
        "at 16m 34s",
        "after 1m 12s of training",
        "at epoch 17",
    ] {
        press(&mut model, "x");
        let picture = text(&drawn(&model, 120, 40));
        assert!(
            picture.contains(place) && picture.contains("0.4748"),
            "{place}: {picture}"
        );
    }
}

#[test]
fn smoothing_shows_raw_points_dimmed() {
    let model = after("mmm1");
    let buffer = drawn(&model, 120, 40);
    let picture = text(&buffer);
    assert!(
        picture.contains("smoothed 0.9") && picture.contains(" ~0."),
        "{picture}"
    );
    let braille = |cell: &&ratatui::buffer::Cell| {
        ('\u{2801}'..='\u{28ff}').contains(&cell.symbol().chars().next().unwrap())
    };
    let (faint, plain): (Vec<_>, Vec<_>) = buffer
        .content
        .iter()
        .filter(braille)
        .partition(|cell| cell.modifier.contains(Modifier::DIM));
    assert!(
        faint.len() > 20 && plain.len() > 60,
        "{} {}",
        faint.len(),
        plain.len()
    );
}

#[test]
fn unsmoothed_chart_shows_every_point() {
    let count = |keys: &str| {
        let model = after(keys);
        let view = charts(&model);
        let drawn_run = crate::model::Drawn::whole(model.runs.get(&id(RESUMED)).unwrap());
        view.lines(drawn_run, crate::model::ChartKind::Loss)[0]
            .curve
            .points()
            .len()
    };
    let batches = typical()
        .runs
        .get(&id(RESUMED))
        .unwrap()
        .state
        .batches
        .len();
    assert_eq!((count(""), count("m")), (20, batches));
}

#[test]
fn chosen_chart_is_shown_alone() {
    for (keys, title) in [
        ("3", "learning rate"),
        ("<tab><tab>", "loss"),
        ("7", "memory"),
        ("5<tab>", "use, %"),
    ] {
        let picture = text(&drawn(&after(keys), 80, 24));
        assert!(
            picture.contains(&format!(" {title}  ")) && !picture.contains(" accuracy  "),
            "{picture}"
        );
    }
    assert!(text(&drawn(&after("33"), 80, 24)).contains(" accuracy  "));
    assert!(text(&drawn(&after("3<esc>"), 80, 24)).contains(" accuracy  "));
}

/// Copies of a run, so that its experiment has several runs.
fn with_siblings(count: usize, keys: &str) -> Model {
    let mut model = typical();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let name = format!("20261123-1{number:05}-{number:04x}");
        let to = folder.path().join(&name);
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(data().join("runs").join(RESUMED)).unwrap() {
            let file = file.unwrap();
            let content = std::fs::read_to_string(file.path())
                .unwrap()
                .replace(RESUMED, &name);
            // Each copy has a slightly better validation accuracy.
            let content = content.replace(
                "\"val_acc\":0.4",
                &format!("\"val_acc\":0.{}", 5 + number % 4),
            );
            std::fs::write(to.join(file.file_name()), content).unwrap();
        }
    }
    let mut watcher = Watcher::new(folder.path());
    let mut changes: Vec<Change> = Vec::new();
    loop {
        changes.extend(watcher.poll());
        if watcher.unread() == 0 {
            break;
        }
    }
    let changes = changes
        .into_iter()
        .filter(|change| change.run().is_some())
        .collect();
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "jjjj<enter>");
    press(&mut model, keys);
    model
}

#[test]
fn cursor_shows_figures_of_all_runs_of_an_experiment() {
    let mut model = with_siblings(3, "o<left><left>");
    let picture = text(&drawn(&model, 120, 40));
    for entry in ["4b12 0.4", "0000 0.5", "0001 0.6"] {
        assert!(picture.contains(entry), "{entry}: {picture}");
    }
    let marks = |buffer: &ratatui::buffer::Buffer| -> std::collections::BTreeSet<String> {
        let is_mark = |symbol: &&str| "●◆▲■▼★✚✖".contains(*symbol);
        buffer
            .content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .filter(is_mark)
            .map(str::to_owned)
            .collect()
    };
    assert!(marks(&drawn(&model, 120, 40)).len() >= 4);
    model.appearance = Appearance {
        ascii: true,
        theme: Theme::Mono,
        palette: Palette::True,
    };
    assert!(text(&drawn(&model, 80, 24)).is_ascii());
    press(&mut model, "o");
    assert!(!text(&drawn(&model, 120, 40)).contains("0001 0.6"));
}

#[test]
fn runs_that_do_not_fit_are_counted() {
    let picture = text(&drawn(&with_siblings(50, "o1"), 80, 24));
    assert!(picture.contains(" more"), "{picture}");
}

#[test]
fn continued_run_is_drawn_after_its_parent() {
    let mut model = typical();
    press(&mut model, "jjjjj<enter>o");
    let picture = text(&drawn(&model, 120, 40));
    assert!(
        picture.contains("frozen ┊ fine-tuned") || picture.contains("frozen │ fine-tuned"),
        "{picture}"
    );
    assert!(picture.contains("Lite0, freeze 0."), "{picture}");
    // The previous stage is left of 0, with its checkpoint at 0.
    assert!(
        picture.contains(" -15 ") || picture.contains(" -10 "),
        "{picture}"
    );
}

#[test]
fn stages_are_named_after_what_trained_where_they_meet() {
    let mut model = typical();
    let unfrozen = |name: &str, epoch: u32| {
        let run = model.runs.get(&id(name)).unwrap();
        let mut counts = run.state.model.as_ref().unwrap().counts.clone();
        for block in &mut counts.blocks {
            block.counts.trainable = 1;
        }
        let event = Event::Unfrozen(Unfrozen {
            epoch,
            step: u64::from(epoch - 1) * 34,
            counts,
        });
        Change::Events {
            id: id(name),
            records: vec![Record {
                t: model.now,
                event,
            }],
            damaged: 0,
            restarted: false,
        }
    };
    let mut experiment = model.runs.get(&id(FAILED)).unwrap().experiment.clone();
    Arc::make_mut(experiment.as_mut().unwrap()).model.freeze = Freeze::Backbone;
    let changes = vec![
        // The second run begins from the first one's checkpoint after 17 epochs.
        unfrozen(RESUMED, 19),
        Change::Experiment {
            id: id(FAILED),
            experiment,
        },
        unfrozen(FAILED, 3),
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "jjjjj<enter>o2");
    let picture = text(&drawn(&model, 200, 60));
    assert!(
        picture.contains("frozen ┊ frozen") && !picture.contains("fine-tuned"),
        "{picture}"
    );
}

#[test]
fn a_run_whose_model_is_not_known_yet_is_not_called_before() {
    let mut model = typical();
    let mut state = model.runs.get(&id(FAILED)).unwrap().state.clone();
    state.model = None;
    let changes = vec![Change::State {
        id: id(FAILED),
        state,
        is_summary: false,
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "jjjjj<enter>o2");
    let picture = text(&drawn(&model, 200, 60));
    assert!(picture.contains("frozen ┊ this run"), "{picture}");
}

#[test]
fn a_name_that_does_not_fit_gives_way_to_the_figure() {
    let mut model = typical();
    let mut info = model.runs.get(&id(RESUMED)).unwrap().info.clone().unwrap();
    info.experiment = "An experiment whose name is longer than half a terminal is wide".to_owned();
    let changes = vec![Change::Info {
        id: id(RESUMED),
        info: Ok(info),
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "jjjjj<enter>o");
    let picture = text(&drawn(&model, 80, 24));
    assert!(picture.contains("4b12 0."), "{picture}");
}

#[test]
fn a_run_that_was_drawn_up_to_its_checkpoint_is_drawn_whole_afterwards() {
    let model = typical();
    let run = model.runs.get(&id(RESUMED)).unwrap();
    let whole = Drawn::whole(run);
    let up_to_checkpoint = Drawn {
        until: Some(run.state.epochs[1].step),
        ..whole
    };
    let (along, detail) = (XAxis::Epoch, Smoothing::Epochs);
    let mut curves = Curves::default();
    let mut points = |drawn: Drawn| {
        curves.keep(vec![(run.id.clone(), Key::of(drawn, along, detail))]);
        let lines = curves.lines(drawn, ChartKind::Accuracy, (along, detail));
        let val = lines.iter().find(|line| line.name == "val").unwrap();
        val.curve.points().count()
    };
    assert_eq!(points(up_to_checkpoint), 2);
    assert_eq!(points(whole), run.state.epochs.len());
}

/// The run's accuracy, after the log named stages: their first epoch, the steps before it, and the blocks that are still frozen.
fn with_stages(stages: &[(u32, u64, usize)]) -> String {
    let mut model = after("1");
    let run = model.runs.get(&id(RESUMED)).unwrap();
    let mut counts = run.state.model.as_ref().unwrap().counts.clone();
    let mut records = Vec::new();
    for &(epoch, step, frozen) in stages {
        for (index, block) in counts.blocks.iter_mut().enumerate() {
            block.counts.trainable = u64::from(index >= frozen);
        }
        let counts = counts.clone();
        records.push(Record {
            t: model.now,
            event: Event::Unfrozen(Unfrozen {
                epoch,
                step,
                counts,
            }),
        });
    }
    let changes = vec![Change::Events {
        id: id(RESUMED),
        records,
        damaged: 0,
        restarted: false,
    }];
    let now = model.now;
    let _ = update(&mut model, Message::Changes { now, changes });
    text(&drawn(&model, 120, 40))
}

#[test]
fn steps_of_unfreezing_are_marked_and_named_where_they_begin() {
    // Twenty epochs of 34 steps; the resume after the sixth epoch has a mark too.
    let picture = with_stages(&[(4, 102, 2), (11, 340, 0)]);
    let lines: Vec<&str> = picture.lines().collect();
    let foot = lines.iter().position(|line| line.contains('└')).unwrap();
    // The curves are above the last row of the plot.
    let marks: Vec<usize> = lines[foot - 1]
        .chars()
        .enumerate()
        .filter_map(|(column, symbol)| (symbol == '┊').then_some(column))
        .collect();
    let [third, sixth, tenth] = marks[..] else {
        panic!("{marks:?}: {picture}")
    };
    // A column lies up to half a cell beside its place.
    let (near, far) = ((sixth - third) as f64, (tenth - third) as f64);
    assert!((near / 3.0 - far / 7.0).abs() < 0.5, "{marks:?}: {picture}");
    let named = |name: &str| {
        let before = lines.iter().find_map(|line| line.split_once(name));
        before.unwrap().0.chars().count()
    };
    assert_eq!(
        [named("2 frozen"), named("all trains")],
        [third + 2, tenth + 2],
        "{picture}"
    );
}

#[test]
fn a_step_of_unfreezing_without_room_before_the_next_has_no_name() {
    let picture = with_stages(&[(4, 102, 2), (5, 136, 0)]);
    assert!(
        picture.contains("all trains") && !picture.contains("2 frozen"),
        "{picture}"
    );
}

#[test]
fn shown_charts_can_be_saved() {
    let mut model = with_siblings(2, "o2");
    let effects = press(&mut model, "P");
    let [crate::effect::Effect::ExportCharts(charts)] = &effects[..] else {
        panic!("{effects:?}")
    };
    let svg = charts.svg();
    // The single chart, with three runs.
    assert!(
        svg.starts_with("<svg ") && !svg.contains(">validation accuracy<"),
        "{svg}"
    );
    for name in ["4b12", "0000", "0001"] {
        assert!(
            svg.contains(&format!(">Lite0, freeze {name}<")),
            "{name}: {svg}"
        );
    }
}

#[test]
fn pictures_of_charts() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let shot = |keys: &str| text(&drawn(&after(keys), width, height));
        insta::assert_snapshot!(
            format!("charts-smoothed-by-step-{width}x{height}"),
            shot("xmmm[+")
        );
        insta::assert_snapshot!(format!("charts-siblings-{width}x{height}"), {
            text(&drawn(&with_siblings(3, "o2<left>"), width, height))
        });
        let model = Model {
            appearance: Appearance {
                ascii: true,
                theme: Theme::Mono,
                palette: Palette::True,
            },
            ..after("gmm2[")
        };
        let picture = text(&drawn(&model, width, height));
        assert!(picture.is_ascii(), "{picture}");
        insta::assert_snapshot!(format!("charts-ascii-{width}x{height}"), picture);
    }
}
