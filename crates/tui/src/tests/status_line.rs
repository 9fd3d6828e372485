//! The messages of the status line: which one is shown, for how long, and how to read them again.

use ratatui::layout::Size;

use super::fixtures::{FAILED, LIVE, STOPPED, id, typical};
use super::{drawn, press, says, text};
use crate::config::Keys;
use crate::keys::Keymap;
use crate::message::{Activity, Message, Report};
use crate::model::status_log::STAYS;
use crate::model::{Model, Popup};
use crate::update::update;
use warmstart_runs::store::Change;
use warmstart_schema::event::{Epoch, Event, FailureKind, Record};
use warmstart_schema::state::Liveness;

fn tell(model: &mut Model, good: bool, words: &str) {
    update(
        model,
        Message::Report(Report {
            good,
            text: words.to_owned(),
        }),
    );
}

fn status(model: &Model) -> String {
    text(&drawn(model, 80, 24))
        .lines()
        .nth(22)
        .unwrap_or_default()
        .to_owned()
}

/// Moves the clock to `seconds` after the model's time.
fn later(model: &mut Model, seconds: f64) {
    let now = model.now + seconds;
    update(model, Message::Clock(now));
}

#[test]
fn success_messages_disappear_and_errors_stay_until_a_key() {
    let mut model = typical();
    tell(&mut model, true, "wrote a table");
    assert!(model.wants_clock() && status(&model).contains("wrote a table"));
    later(&mut model, 0.0);
    assert!(!model.wants_clock() && model.fades().is_some());
    later(&mut model, STAYS - 0.5);
    assert!(status(&model).contains("wrote a table"));
    later(&mut model, 1.0);
    assert!(!status(&model).contains("wrote a table") && model.fades().is_none());

    tell(&mut model, false, "the disk is full");
    later(&mut model, 0.0);
    later(&mut model, 10.0 * STAYS);
    assert!(status(&model).contains("the disk is full") && model.fades().is_none());
    press(&mut model, "j");
    assert!(!status(&model).contains("the disk is full"));
}

#[test]
fn movement_keeps_success_message_and_action_clears_it() {
    let mut model = typical();
    tell(&mut model, true, "wrote a table");
    press(&mut model, "jk");
    assert!(status(&model).contains("wrote a table"));
    press(&mut model, "M");
    assert!(!status(&model).contains("wrote a table"));
}

#[test]
fn error_that_comes_while_a_filter_is_typed_is_shown_after_it() {
    for end in ["<enter>", "<esc>"] {
        let mut model = typical();
        press(&mut model, "/lite");
        tell(&mut model, false, "the disk is full");
        assert!(!status(&model).contains("the disk is full"), "{end}");
        press(&mut model, end);
        assert!(status(&model).contains("the disk is full"), "{end}");
        press(&mut model, "j");
        assert!(!status(&model).contains("the disk is full"), "{end}");
    }
}

#[test]
fn repeated_message_is_shown_again_and_clock_set_back_does_not_keep_it() {
    let mut model = typical();
    tell(&mut model, true, "wrote a table");
    later(&mut model, 0.0);
    later(&mut model, -3600.0);
    assert!(!status(&model).contains("wrote a table"));
    tell(&mut model, true, "wrote a table");
    assert!(status(&model).contains("wrote a table"));
    press(&mut model, "!");
    assert_eq!(
        text(&drawn(&model, 80, 24))
            .matches("wrote a table")
            .count(),
        2
    );
}

#[test]
fn messages_can_be_read_again_newest_first() {
    let mut model = typical();
    press(&mut model, "!");
    assert!(text(&drawn(&model, 80, 24)).contains("No messages yet."));
    press(&mut model, "<esc>");
    tell(&mut model, true, "the first");
    later(&mut model, 1.0);
    tell(&mut model, false, "the second");
    later(&mut model, 1.0);
    press(&mut model, "!");
    let picture = text(&drawn(&model, 80, 24));
    let at = |words: &str| picture.find(words).unwrap_or_else(|| panic!("{picture}"));
    assert!(at("✗ the second") < at("the first"), "{picture}");
}

#[test]
fn error_is_shown_first_and_all_messages_are_kept() {
    let mut model = typical();
    let changes = vec![
        Change::Liveness {
            id: id(LIVE),
            liveness: Liveness::Free,
        },
        // No error, and behind the other in the order of the ids.
        Change::Liveness {
            id: id(STOPPED),
            liveness: Liveness::Held,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    assert!(says(&model).contains("was lost"), "{}", says(&model));
    press(&mut model, "!");
    let Some(Popup::Text { lines, .. }) = &model.popup else {
        panic!("{:?}", model.popup)
    };
    for news in ["was lost", "is starting"] {
        assert!(lines.iter().any(|line| line.contains(news)), "{lines:?}");
    }
}

#[test]
fn several_errors_at_once_are_counted_and_kept() {
    let mut model = typical();
    let changes = vec![
        Change::Liveness {
            id: id(LIVE),
            liveness: Liveness::Free,
        },
        Change::Events {
            id: id(STOPPED),
            records: vec![Record {
                t: model.now,
                event: Event::Failed {
                    kind: FailureKind::NotStarted,
                    error: "the worker did not start".to_owned(),
                    help: String::new(),
                },
            }],
            damaged: 0,
            restarted: false,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    let shown = says(&model);
    assert!(
        shown.starts_with("2 runs have trouble (! for all): "),
        "{shown}"
    );
    press(&mut model, "!");
    let Some(Popup::Text { lines, .. }) = &model.popup else {
        panic!("{:?}", model.popup)
    };
    for news in ["was lost", "did not start"] {
        assert!(lines.iter().any(|line| line.contains(news)), "{lines:?}");
    }
}

#[test]
fn a_message_about_ignored_folders_is_kept_beside_news_of_a_run() {
    let mut model = typical();
    let changes = vec![
        Change::IgnoredFolders {
            text: "1 folder is skipped: exports (no run.json)".to_owned(),
        },
        Change::Liveness {
            id: id(LIVE),
            liveness: Liveness::Free,
        },
    ];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    let shown = status(&model);
    assert!(!shown.contains("folder is skipped"), "{shown}");
    press(&mut model, "!");
    let picture = text(&drawn(&model, 80, 24));
    assert!(picture.contains("1 folder is skipped"), "{picture}");
}

#[test]
fn long_effect_shows_progress_and_time_left() {
    let mut model = typical();
    let activity = Activity {
        what: "deleting",
        done: 300,
        total: 1200,
        seconds: 5.0,
    };
    update(&mut model, Message::Activity(Some(activity)));
    let line = status(&model);
    assert!(
        line.contains("deleting 1200 runs ━") && line.contains("25 %") && line.contains("15s left"),
        "{line}"
    );
    update(&mut model, Message::Activity(None));
    assert!(!status(&model).contains("deleting"));
}

#[test]
fn error_line_shows_cause_despite_long_path() {
    for (words, cause) in [
        (
            format!(
                "{}/run.json cannot be written: no space left on device",
                "/scratch/somebody/of/many".repeat(6)
            ),
            "no space left",
        ),
        (
            format!(
                "cannot read `/home/{}/x.yaml`: permission denied",
                "deep/".repeat(60)
            ),
            "permission denied",
        ),
        (
            format!("{}.safetensors: is not there", "/data/w".repeat(40)),
            "is not there",
        ),
    ] {
        let mut model = typical();
        tell(&mut model, false, &words);
        assert!(status(&model).contains(cause), "{}", status(&model));
        press(&mut model, "!");
        let Some(Popup::Text { lines, .. }) = &model.popup else {
            panic!("{:?}", model.popup)
        };
        assert!(lines.iter().any(|line| line.ends_with(&words)), "{lines:?}");
    }
}

#[test]
fn wrong_setting_fits_the_line_and_is_shown_in_full_on_demand() {
    for (source, cause, key) in [
        ("bell: false\nthem: dark\n", "them: unknown field", "!"),
        (
            "columns: [nonsense]\n",
            "no column is called `nonsense`",
            "!",
        ),
        (
            "keys: { run.stop: x }\nthem: a\nmouse: 3\n",
            "them: unknown field",
            "!",
        ),
        (
            "keys: { messages: X }\nthem: a\n",
            "them: unknown field",
            "X",
        ),
    ] {
        let file = "/home/somebody/with/a/long/path/to/.config/warmstart/config.yaml";
        let (config, problems) = crate::config::parse(source, file);
        let count = problems.len();
        let loaded = crate::config::Loaded {
            config,
            path: Some(file.into()),
            is_there: true,
            problems,
        };
        let mut model = typical().with_config(loaded);
        let line = status(&model);
        let all = format!("; {key} for all)");
        assert!(
            line.contains(cause) && line.contains("config.yaml:") && line.contains(&all),
            "{line}"
        );
        assert!(!line.contains('…'), "{line}");
        press(&mut model, key);
        let Some(Popup::Text { lines, .. }) = &model.popup else {
            panic!("{:?}", model.popup)
        };
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.ends_with("left out"))
                .count(),
            count,
            "{lines:?}"
        );
    }
}

#[test]
fn a_broken_file_of_settings_is_said_to_be_left_out_as_a_whole() {
    for (source, is_whole) in [("bell: false\nmouse: [\n", true), ("them: dark\n", false)] {
        let (config, problems) = crate::config::parse(source, "config.yaml");
        let loaded = crate::config::Loaded {
            config,
            path: None,
            is_there: true,
            problems,
        };
        let mut model = typical().with_config(loaded);
        press(&mut model, "!");
        let Some(Popup::Text { lines, .. }) = &model.popup else {
            panic!("{:?}", model.popup)
        };
        let says_whole = lines.iter().any(|line| line.contains("all settings"));
        assert_eq!(says_whole, is_whole, "{lines:?}");
    }
}

#[test]
fn messages_of_several_lines_are_scrolled_to_their_end_and_back_at_once() {
    let mut model = typical();
    // Six lines each at 80 columns.
    for message in 0..10 {
        let words: Vec<String> = (0..40).map(|word| format!("{message}word{word}")).collect();
        tell(&mut model, false, &words.join(" "));
        later(&mut model, 0.0);
    }
    press(&mut model, "!");
    let picture = |model: &Model| text(&drawn(model, 80, 24));
    let sides = ["0word0 ", "9word0 "];
    let seen = |picture: &str| sides.map(|word| picture.contains(word));
    let first = seen(&picture(&model));
    assert_ne!(first[0], first[1], "all of it does not fit");
    press(&mut model, "G");
    let end = picture(&model);
    assert_eq!(seen(&end), [first[1], first[0]], "{end}");
    press(&mut model, "k");
    assert_ne!(picture(&model), end);
}

#[test]
fn help_scrolls_back_from_its_end_at_once() {
    let mut model = typical();
    press(&mut model, "?G");
    let end = text(&drawn(&model, 80, 24));
    press(&mut model, "k");
    assert_ne!(text(&drawn(&model, 80, 24)), end);
}

#[test]
fn log_scrolls_back_from_its_beginning_at_once() {
    let mut model = typical();
    press(&mut model, "jjjjj<enter>l");
    let id = model.run().unwrap().id.clone();
    let lines = (0..100).map(|number| format!("line {number}")).collect();
    update(&mut model, Message::WorkerLog { id, lines });
    let picture = |model: &Model| text(&drawn(model, 80, 24));
    press(&mut model, "gk");
    let beginning = picture(&model);
    press(&mut model, "j");
    assert_ne!(picture(&model), beginning);
}

#[test]
fn scrolled_log_keeps_its_lines_in_view_when_new_ones_come() {
    let train = |model: &mut Model, epochs: std::ops::RangeInclusive<u32>| {
        let now = model.now;
        let record = |epoch: u32| Record {
            t: now,
            event: Event::Epoch(Epoch {
                epoch,
                step: u64::from(epoch) * 100,
                ..Epoch::default()
            }),
        };
        let change = Change::Events {
            id: id(LIVE),
            records: epochs.map(record).collect(),
            damaged: 0,
            restarted: false,
        };
        let changes = vec![change];
        update(model, Message::Changes { now, changes });
    };
    let print = |model: &mut Model, lines: usize| {
        let lines = (1..=lines).map(|number| format!("said {number}")).collect();
        update(
            model,
            Message::WorkerLog {
                id: id(LIVE),
                lines,
            },
        );
    };
    let shown = |model: &Model| -> Vec<String> {
        let picture = text(&drawn(model, 80, 24));
        let lines = picture
            .lines()
            .filter(|line| line.contains("train loss") || line.starts_with(" worker "));
        lines.map(str::to_owned).collect()
    };
    let mut model = typical();
    press(&mut model, "jj<enter>l");
    print(&mut model, 3);
    train(&mut model, 8..=40);
    // Epochs and the output of the worker are in view.
    press(&mut model, "k");
    let before = shown(&model);
    train(&mut model, 41..=41);
    let after = shown(&model);
    assert_eq!(after.first(), before.first(), "{after:#?}");
    // Only epochs are in view.
    press(&mut model, "<pageup>");
    let before = shown(&model);
    train(&mut model, 42..=44);
    print(&mut model, 5);
    assert_eq!(shown(&model), before);
    // The match of a search stays at the bottom.
    press(&mut model, "/said 2<enter>");
    train(&mut model, 45..=45);
    print(&mut model, 6);
    let after = shown(&model);
    assert!(after.last().unwrap().ends_with("said 2"), "{after:#?}");
    // At its end the log follows the run.
    press(&mut model, "G");
    print(&mut model, 7);
    let after = shown(&model);
    assert!(after.last().unwrap().ends_with("said 7"), "{after:#?}");
}

#[test]
fn help_and_log_scroll_back_at_once_after_the_terminal_has_grown() {
    let moves = |model: &mut Model, key: &str| {
        update(model, Message::Resized(Size::new(80, 40)));
        let before = text(&drawn(model, 80, 40));
        press(model, key);
        text(&drawn(model, 80, 40)) != before
    };
    let mut model = typical();
    press(&mut model, "?G");
    assert!(moves(&mut model, "k"));
    let mut model = typical();
    press(&mut model, "jjjjj<enter>l");
    let lines = (0..100).map(|number| format!("line {number}")).collect();
    update(
        &mut model,
        Message::WorkerLog {
            id: id(FAILED),
            lines,
        },
    );
    press(&mut model, "g");
    assert!(moves(&mut model, "j"));
}

#[test]
fn a_found_line_names_the_keys_of_the_settings() {
    let said = |model: &mut Model| {
        press(model, "jjjjj<enter>l/loss<enter>");
        model.report.as_ref().unwrap().text.clone()
    };
    let mut model = typical();
    let usual = said(&mut model);
    assert!(usual.ends_with("; n older, N newer"), "{usual}");
    let keys = |action: &str, key: &str| (action.to_owned(), Keys(vec![key.to_owned()]));
    let chosen = [keys("older-match", "f5"), keys("newer-match", "f6")];
    let mut model = typical();
    model.keys = Keymap::rebound(&chosen.into()).unwrap();
    let other = said(&mut model);
    assert!(other.ends_with("; f5 older, f6 newer"), "{other}");
}

#[test]
fn log_is_searched_upwards_and_saved() {
    let mut model = typical();
    press(&mut model, "jjjjj<enter>l/LOSS<enter>");
    let at = |model: &Model| model.report.as_ref().unwrap().text.clone();
    let first = at(&model);
    assert!(first.starts_with("\"LOSS\": match "), "{first}");
    press(&mut model, "n");
    assert_ne!(at(&model), first);
    press(&mut model, "N");
    assert_eq!(at(&model), first, "and back");
    press(&mut model, "/no such words<enter>");
    assert!(at(&model).contains("is not in the log"));
    let saved = press(&mut model, "w");
    let [crate::effect::Effect::SaveLog { text: whole, id }] = &saved[..] else {
        panic!("{saved:?}")
    };
    assert!(
        whole.contains(id.as_str()) && whole.contains("epoch 1") && whole.contains("val loss"),
        "{whole}"
    );
    // The first `back` ends the search, the second closes the log.
    press(&mut model, "<esc>");
    press(&mut model, "n");
    assert!(
        at(&model).contains("nothing is searched for"),
        "{}",
        at(&model)
    );
}

#[test]
fn epoch_numbers_of_any_length_are_apart_from_the_figures() {
    let mut model = typical();
    let record = |epoch: u32| Record {
        t: model.now,
        event: Event::Epoch(Epoch {
            epoch,
            step: u64::from(epoch) * 100,
            ..Epoch::default()
        }),
    };
    let change = Change::Events {
        id: id(LIVE),
        records: vec![record(999), record(1000), record(100_000)],
        damaged: 0,
        restarted: false,
    };
    let now = model.now;
    let changes = vec![change];
    update(&mut model, Message::Changes { now, changes });
    let saved = press(&mut model, "jj<enter>lw");
    let Some(crate::effect::Effect::SaveLog { text: whole, .. }) = saved.last() else {
        panic!("{saved:?}")
    };
    let shown = text(&drawn(&model, 80, 24));
    for line in [
        "epoch 999 train loss",
        "epoch 1000 train loss",
        "epoch 100000 train loss",
    ] {
        assert!(
            shown.contains(line) && whole.contains(line),
            "{shown}\n{whole}"
        );
    }
}
