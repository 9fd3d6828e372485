//! Hostile data: names with every kind of character, figures that are NaN or infinite, runs in odd states.

use std::sync::Arc;

use warmstart_runs::search_paths::MissingFile;
use warmstart_schema::event::{Batch, Epoch, Event, Level, Phase, Record, System};
use warmstart_schema::experiment::Problem;
use warmstart_schema::state::Liveness;

use super::fixtures::{data, empty, id};
use crate::message::{Catalogue, Message};
use crate::model::Model;
use crate::update::update;
use warmstart_runs::store::{Change, ExperimentFile};

pub(super) const NASTY: [&str; 8] = [
    "",
    "\u{202e}gnp.exe\u{202c} and \u{1b}[31mred\u{1b}[0m\u{7}",
    "漢字かな交じり文の実験名は幅が二倍になります漢字かな交じり文",
    "👩‍👩‍👧‍👦 family 👍🏽 flags 🇩🇪🇫🇷",
    "e\u{301}\u{301}\u{301}\u{301} zal\u{334}\u{321}go\u{334}",
    "tab\tnew\nline\r\0nul",
    "&<>|\\{}$_%#~^`*[]=cmd|' /C calc'!A0",
    "a very long name that goes on and on and on and on until nobody can read it any more, and then some",
];

fn epoch(number: u32, value: f64) -> Event {
    Event::Epoch(Epoch {
        epoch: number,
        step: u64::from(number) * 10,
        train_loss: value,
        train_acc: value,
        val_loss: -value,
        val_acc: value,
        learning_rate: value,
        images_per_second: value,
        train_time: value,
        best: number.is_multiple_of(3),
        ..Epoch::default()
    })
}

fn batch(batch: u32, batches: u32, value: f64) -> Event {
    Event::Batch(Batch {
        epoch: batch % 4,
        step: u64::MAX,
        batch,
        batches,
        loss: value,
        accuracy: -value,
        learning_rate: value,
        images_per_second: value,
        gradient_norm: value,
    })
}

/// The events of one odd run.
fn story(kind: usize) -> Vec<Event> {
    let extremes = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
        0.5,
        1e300,
    ];
    let training = Event::Phase {
        phase: Phase::Training,
    };
    match kind % 6 {
        0 => Vec::new(),
        1 => extremes
            .iter()
            .zip(1..)
            .map(|(value, number)| epoch(number, *value))
            .collect(),
        2 => vec![
            training,
            batch(0, 0, f64::NAN),
            batch(u32::MAX, 1, f64::INFINITY),
        ],
        3 => vec![epoch(u32::MAX, 0.1), training, batch(1, 3, 0.0)],
        4 => {
            let note = |text: &str| Event::Note {
                level: Level::Error,
                text: text.repeat(20),
            };
            NASTY.iter().map(|text| note(text)).collect()
        }
        _ => vec![
            Event::System(System {
                cpu: Some(f64::NAN),
                memory: Some(u64::MAX),
                memory_total: Some(0),
                ..System::default()
            }),
            Event::Frozen {
                tensors: 0,
                before: "a".to_owned(),
                after: "b".to_owned(),
            },
            Event::Failed {
                kind: warmstart_schema::event::FailureKind::Internal,
                error: NASTY[3].repeat(40),
                help: NASTY[2].repeat(40),
            },
        ],
    }
}

/// A dashboard with hostile data.
pub(super) fn hostile() -> Model {
    let mut model = empty();
    model.experiments = NASTY[1].into();
    let problem = |text: &str| Problem {
        file: text.to_owned(),
        at: Some((usize::MAX, 0)),
        field: text.to_owned(),
        message: text.repeat(9),
        help: Some(text.to_owned()),
        excerpt: None,
    };
    let yaml =
        std::fs::read_to_string(data().join("experiments/quickstart/4-lite0-freeze.yaml")).unwrap();
    let experiment = warmstart_schema::experiment::parse(&yaml, "x").unwrap();
    let file = |(index, text): (usize, &&str)| {
        let mut named = experiment.clone();
        named.name = (*text).to_owned();
        named.group = NASTY[index / 3].to_owned();
        named.question = Some(text.repeat(5));
        let loaded = if index % 3 == 2 {
            Err(vec![problem(text)])
        } else {
            Ok(named)
        };
        ExperimentFile::new(format!("{index}{text}.yaml").into(), loaded)
    };
    let files: Vec<ExperimentFile> = NASTY.iter().enumerate().map(file).collect();
    let missing = files
        .iter()
        .map(|file| {
            (
                file.path.clone(),
                vec![MissingFile {
                    text: NASTY[1].repeat(9),
                    is_fetched: false,
                }],
            )
        })
        .take(2)
        .collect();
    update(
        &mut model,
        Message::Experiments(Catalogue {
            files,
            error: None,
            missing,
        }),
    );
    let mut changes = Vec::new();
    let tower = format!("e{}", "\u{301}".repeat(2_000));
    let states = [
        Liveness::Held,
        Liveness::Free,
        Liveness::Queued(usize::MAX),
        Liveness::Started,
    ];
    for index in 0..24_usize {
        let name = id(&format!("{index:064}"));
        let device = if index % 8 == 4 {
            tower.clone()
        } else {
            NASTY[index % 8].to_owned()
        };
        let info = serde_json::json!({
            "format": 1, "id": name, "experiment": NASTY[index % 8], "group": "g", "stem": format!("s{}", index % 12),
            "source": "s.yaml", "created": "2026-01-02T00:00:00Z", "device": device,
        });
        let info = if index % 7 == 6 {
            Err(NASTY[index % 8].to_owned())
        } else {
            Ok(serde_json::from_value(info).unwrap())
        };
        let experiment = (index % 2 == 0).then(|| Arc::new(experiment.clone()));
        changes.push(Change::Added {
            id: name.clone(),
            info,
            experiment,
        });
        let records = story(index)
            .into_iter()
            .map(|event| Record { t: f64::NAN, event })
            .collect();
        changes.push(Change::Events {
            id: name.clone(),
            records,
            damaged: index,
            restarted: false,
        });
        changes.push(Change::Liveness {
            id: name,
            liveness: states[index % 4],
        });
    }
    update(
        &mut model,
        Message::Changes {
            now: f64::INFINITY,
            changes,
        },
    );
    model
}
