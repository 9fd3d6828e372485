//! What the status line tells, for how long, and that it can be read again.

use super::fixtures::{LIVE, id, typical};
use super::{drawn, press, text};
use crate::message::{Activity, Message, Report};
use crate::model::status_log::STAYS;
use crate::model::{Model, Popup};
use crate::update::update;
use warmstart_runs::store::Change;

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

/// The clock, so many seconds after the model's time.
fn later(model: &mut Model, seconds: f64) {
    let now = model.now + seconds;
    update(model, Message::Clock(now));
}

#[test]
fn good_news_fade_and_troubles_stay_until_a_key() {
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
fn moving_about_wipes_no_good_news_away_and_doing_something_does() {
    let mut model = typical();
    tell(&mut model, true, "wrote a table");
    press(&mut model, "jk");
    assert!(status(&model).contains("wrote a table"));
    press(&mut model, "M");
    assert!(!status(&model).contains("wrote a table"));
}

#[test]
fn the_same_words_again_are_new_once_the_first_are_gone_and_a_clock_set_back_keeps_none_for_hours()
{
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
fn all_that_was_told_can_be_read_again_the_newest_first() {
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
fn of_several_news_the_trouble_is_shown_and_all_are_kept() {
    let mut model = typical();
    let (now, lost) = (
        model.now,
        Change::Liveness {
            id: id(LIVE),
            liveness: warmstart_schema::state::Liveness::Free,
        },
    );
    update(
        &mut model,
        Message::Changes {
            now,
            changes: vec![lost],
        },
    );
    assert!(
        status(&model).contains("was lost") || status(&model).contains("u resumes it"),
        "{}",
        status(&model)
    );
}

#[test]
fn what_takes_long_shows_its_share_and_what_is_left() {
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
fn the_cause_of_an_error_is_in_the_line_however_long_its_path() {
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
fn a_wrong_setting_is_told_in_the_width_of_a_terminal_and_wholly_on_demand() {
    for (source, cause) in [
        ("bell: false\nthem: dark\n", "them: unknown field"),
        ("columns: [nonsense]\n", "no column is called `nonsense`"),
        (
            "keys: { run.stop: x }\nthem: a\nmouse: 3\n",
            "them: unknown field",
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
        assert!(
            line.contains(cause) && line.contains("config.yaml:") && line.contains("! for all"),
            "{line}"
        );
        assert!(!line.contains('…'), "{line}");
        press(&mut model, "!");
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
fn the_log_is_searched_upwards_and_saved() {
    let mut model = typical();
    press(&mut model, "jjjjj<enter>l/LOSS<enter>");
    let at = |model: &Model| model.report.as_ref().unwrap().text.clone();
    let first = at(&model);
    assert!(first.starts_with("\"LOSS\": line "), "{first}");
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
    // The first way back ends the search, the second leaves the log.
    press(&mut model, "<esc>");
    press(&mut model, "n");
    assert!(
        at(&model).contains("nothing is searched for"),
        "{}",
        at(&model)
    );
}
