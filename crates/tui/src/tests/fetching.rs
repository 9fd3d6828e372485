//! A launch downloads missing data without blocking the dashboard, which shows the progress.

use warmstart_schema::event::{Event, Fetch, FetchAction, Phase, Record};

use super::fixtures::{LIVE, id, typical};
use super::{drawn, press, text};
use crate::effect::Effect;
use crate::message::{Catalogue, Message};
use crate::model::Model;
use crate::update::update;
use warmstart_runs::store::Change;

/// The dashboard of [`typical`], with downloads allowed.
fn online() -> Model {
    let mut model = typical();
    let Catalogue {
        files,
        error,
        mut missing,
    } = model.catalogue.take().unwrap();
    for lack in missing.values_mut().flatten() {
        lack.is_fetched = true;
    }
    missing.values_mut().flatten().next().unwrap().text =
        "data: cifar100 is downloaded at launch (169 MB)".to_owned();
    update(
        &mut model,
        Message::Experiments(Catalogue {
            files,
            error,
            missing,
        }),
    );
    model
}

/// The live run during a download.
fn fetching(action: FetchAction, what: &str, done: u64) -> Model {
    let mut model = typical();
    let fetch = Fetch {
        what: what.to_owned(),
        done,
        total: 168_513_733,
        action,
    };
    let events = [
        Event::Phase {
            phase: Phase::Fetching,
        },
        Event::Fetch(fetch),
    ];
    let records = events
        .map(|event| Record {
            t: model.now,
            event,
        })
        .to_vec();
    let changes = vec![Change::Events {
        id: id(LIVE),
        records,
        damaged: 0,
        restarted: false,
    }];
    let now = model.now;
    update(&mut model, Message::Changes { now, changes });
    model
}

#[test]
fn experiment_with_download_launches_alone_and_not_with_all() {
    let mut model = online();
    let screen = text(&drawn(&model, 80, 24));
    assert!(
        screen.contains("never run") && !screen.contains("needs data"),
        "{screen}"
    );
    assert!(
        screen.contains("data: cifar100 is downloaded at launch (169 MB)"),
        "{screen}"
    );
    assert!(
        matches!(&press(&mut model, "r")[..], [Effect::Launch(file)] if file.stem == "7-effnet-freeze")
    );
    let mut model = online();
    let launched = press(&mut model, "ay");
    let stems: Vec<&str> = launched
        .iter()
        .filter_map(|effect| {
            if let Effect::Launch(file) = effect {
                Some(file.stem.as_str())
            } else {
                None
            }
        })
        .collect();
    assert!(
        !stems.is_empty() && !stems.contains(&"7-effnet-freeze"),
        "{stems:?}"
    );
}

#[test]
fn download_estimates_time_from_bytes_since_start() {
    let mut model = fetching(FetchAction::Download, "cifar100", 76_000_000);
    let fetch = Fetch {
        what: "cifar100".to_owned(),
        done: 106_000_000,
        total: 168_513_733,
        action: FetchAction::Download,
    };
    let records = vec![Record {
        t: model.now + 10.0,
        event: Event::Fetch(fetch),
    }];
    let changes = vec![Change::Events {
        id: id(LIVE),
        records,
        damaged: 0,
        restarted: false,
    }];
    let now = model.now + 10.0;
    update(&mut model, Message::Changes { now, changes });
    press(&mut model, "jj<enter>");
    let screen = text(&drawn(&model, 80, 24));
    // 30 MB took ten seconds, so the other 62.5 MB take 20.8 s.
    assert!(screen.contains("21s left"), "{screen}");
}

#[test]
fn download_is_bar_in_run_and_percentage_in_list() {
    let mut model = fetching(FetchAction::Download, "cifar100", 76_000_000);
    let screen = text(&drawn(&model, 80, 24));
    assert!(
        screen.contains("ResNet, resized input      download 45%"),
        "{screen}"
    );
    press(&mut model, "jj<enter>");
    let screen = text(&drawn(&model, 80, 24));
    let line = screen
        .lines()
        .find(|line| line.contains("downloading cifar100 ━"))
        .unwrap_or_else(|| panic!("{screen}"));
    assert!(line.contains("  45 %  76 MB of 169 MB"), "{line}");
    let mut model = fetching(FetchAction::Unpack, "cifar100", 168_513_733);
    assert!(text(&drawn(&model, 80, 24)).contains("download 99%"));
    press(&mut model, "jj<enter>");
    assert!(text(&drawn(&model, 80, 24)).contains(" unpacking cifar100 ━"));
    // The name of a data set says nothing about what happens to it.
    let mut model = fetching(FetchAction::Download, "unpacking", 76_000_000);
    press(&mut model, "jj<enter>");
    assert!(text(&drawn(&model, 80, 24)).contains(" downloading unpacking ━"));
}
