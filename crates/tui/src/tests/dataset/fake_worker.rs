//! A fake worker that answers what the dataset screen asks.

use crossterm::event::Event;
use warmstart_schema::experiment::{Augment, Labels};
use warmstart_schema::look::{
    Answer, Ask, Facts, Label, Picture, Pixels, Split, SplitFacts, Wanted,
};

use crate::effect::Effect;
use crate::message::Message;
use crate::model::Model;
use crate::tests::events;
use crate::tests::fixtures::{data, typical};
use crate::tests::hostile::NASTY;
use crate::update::update;
use warmstart_runs::worker::DatasetResponse;

/// The dataset of the fake worker.
#[derive(Debug, Clone)]
pub(crate) struct DatasetSource {
    /// What it answers when the dataset is opened.
    pub facts: Facts,
    /// The class names in the labels of its pictures.
    names: Vec<String>,
}

impl DatasetSource {
    /// 240 images in nine classes; validation images are numbered from 2000.
    pub(crate) fn typical() -> Self {
        let names = [
            "tiger", "lion", "leopard", "wolf", "bear", "fox", "seal", "whale", "walrus",
        ];
        Self::of(
            names.map(str::to_owned).to_vec(),
            [120, 60, 60],
            &[40, 30, 16, 12, 8, 6, 3, 3, 2],
        )
    }

    /// Hostile names, numbers and sizes.
    pub(crate) fn hostile() -> Self {
        let mut source = Self::of(
            NASTY.map(str::to_owned).to_vec(),
            [u32::MAX, 0, 1],
            &[0, u32::MAX, 1],
        );
        source.facts.dataset = NASTY[1].to_owned();
        source.facts.notes = NASTY.map(str::to_owned).to_vec();
        source
    }

    /// A dataset with these classes.
    pub(crate) fn of_classes(names: &[String]) -> Self {
        Self::of(names.to_vec(), [120, 60, 60], &vec![3; names.len()])
    }

    fn of(names: Vec<String>, images: [u32; 3], by_class: &[u32]) -> Self {
        let part = |images| SplitFacts {
            images,
            by_class: by_class.to_vec(),
        };
        let facts = Facts {
            dataset: "emoji98".to_owned(),
            labels: Labels::Fine,
            classes: names.clone(),
            train: part(images[0]),
            validation: part(images[1]),
            test: part(images[2]),
            augment: Box::new(Augment::EVERY),
            notes: Vec::new(),
            class_weights: None,
            sampler: None,
        };
        Self { facts, names }
    }

    pub(crate) fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Pictures { part, wanted } => {
                let shown = |wanted: &Wanted| Picture {
                    fine: Some(self.label(wanted.position)),
                    coarse: (wanted.position.is_multiple_of(2))
                        .then(|| self.label(wanted.position / 2)),
                    ..picture(*part, wanted.position, wanted.epoch)
                };
                Answer::Pictures {
                    part: *part,
                    pictures: wanted.iter().map(shown).collect(),
                }
            }
            // The numbers that `picture` gives.
            Ask::Number { number, .. } => match number {
                100..220 => Answer::Found {
                    part: Split::Train,
                    position: number - 100,
                },
                2000..2060 => Answer::Found {
                    part: Split::Validation,
                    position: number - 2000,
                },
                _ => Answer::NotThere {
                    error: format!("there is no image {number}"),
                },
            },
        }
    }

    fn label(&self, position: u32) -> Label {
        let number = position % u32::try_from(self.names.len()).unwrap();
        Label {
            number,
            name: self.names[number as usize].clone(),
            exact: None,
        }
    }
}

/// A different image for each position; every tenth one is unreadable.
pub(crate) fn picture(part: Split, position: u32, epoch: Option<u32>) -> Picture {
    let first = if part == Split::Validation { 2000 } else { 100 };
    let side = [32, 1, 7, 112][position as usize % 40 / 10];
    let byte = |at: u32| {
        u8::try_from(
            (at * 5 + position.wrapping_mul(31) % 256 + epoch.unwrap_or(0) % 256 * 77) % 256,
        )
        .unwrap()
    };
    let pixels = (position % 10 != 9)
        .then(|| Pixels::new(side, (0..side * side * 3).map(byte).collect()).unwrap());
    Picture {
        wanted: Wanted { position, epoch },
        number: first + position % 1000,
        fine: None,
        coarse: None,
        file: (position % 3 == 1).then(|| format!("{}/{position}.png", NASTY[3])),
        error: pixels.is_none().then(|| NASTY[1].repeat(4)),
        pixels,
    }
}

/// Presses keys while the worker responds.
pub(crate) fn answering(model: &mut Model, keys: &str, source: &DatasetSource) {
    for event in &events(keys) {
        tell(model, event, source);
    }
}

/// Sends one terminal event while the worker responds.
pub(crate) fn tell(model: &mut Model, event: &Event, source: &DatasetSource) {
    let Some(message) = model.keys.message(model.context(), event) else {
        return;
    };
    let mut effects = update(model, message);
    while let Some(effect) = effects.pop() {
        effects.extend(match effect {
            Effect::ShowDataset { ticket, .. } => {
                hear(model, ticket, Answer::Opened(source.facts.clone()))
            }
            Effect::AskDataset(ask) => hear(model, model.tickets, source.answer(&ask)),
            Effect::ReadExperiment(path) => {
                let text =
                    std::fs::read_to_string(data().join(&path)).map_err(|error| error.to_string());
                update(model, Message::ExperimentRead { path, text })
            }
            _ => Vec::new(),
        });
    }
}

/// Gives the dashboard an answer of the worker.
fn hear(model: &mut Model, ticket: u64, answer: Answer) -> Vec<Effect> {
    update(
        model,
        Message::DatasetResponse {
            ticket,
            response: DatasetResponse::Answer(answer),
        },
    )
}

/// The typical dashboard after some keys.
pub(crate) fn looking(keys: &str, source: &DatasetSource) -> Model {
    let mut model = typical();
    answering(&mut model, keys, source);
    model
}
