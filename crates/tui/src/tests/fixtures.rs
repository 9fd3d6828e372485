//! The runs that tests draw: five runs like the quickstart's, as event logs in `tests/data/runs`.
//! `cargo test -p warmstart-tui --lib write_the_runs -- --ignored` writes them from the schema's types.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use warmstart_runs::run::{RunDir, RunId, RunInfo};
use warmstart_runs::search_paths::MissingFile;
use warmstart_schema::event::{
    Attempt, Batch, Checkpoint, ClassFacts, DatasetFacts, Epoch, Event, FailureKind, Level,
    ModelFacts, Phase, Record, StartedFrom, System, Test,
};
use warmstart_schema::experiment::{Experiment, parse};
use warmstart_schema::identity::{Handle, Identity};
use warmstart_schema::state::Liveness;

use crate::message::{Catalogue, Message};
use crate::model::Model;
use crate::theme::{Appearance, Palette, Theme};
use crate::update::update;
use warmstart_runs::params::counts;
use warmstart_runs::store::{Change, Watcher, experiments};

/// 2026-11-22 10:01:07 UTC.
const START: f64 = 1_795_341_667.0;

pub(crate) const DONE: &str = "20261122-100107-7f3a";
pub(crate) const LIVE: &str = "20261122-101500-0c21";
pub(crate) const STOPPED: &str = "20261122-104000-a9e0";
pub(crate) const RESUMED: &str = "20261122-110000-4b12";
pub(crate) const FAILED: &str = "20261122-120000-e77d";

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

pub(crate) fn id(name: &str) -> RunId {
    name.parse().unwrap()
}

/// An empty dashboard.
pub(crate) fn empty() -> Model {
    let appearance = Appearance {
        ascii: false,
        theme: Theme::Dark,
        palette: Palette::True,
    };
    Model::new("experiments".into(), appearance, TimeZone::UTC)
}

/// The dashboard with the five runs, one of them live.
pub(crate) fn typical() -> Model {
    let mut model = empty();
    let mut files = experiments(&data().join("experiments")).unwrap();
    for file in &mut files {
        // Make the path relative to the project's root.
        file.path = file.path.strip_prefix(data()).unwrap().to_path_buf();
        if let Err(problems) = &mut file.loaded {
            for problem in problems {
                problem.file = file.path.display().to_string();
            }
        }
    }
    let missing = files
        .iter()
        .filter(|file| file.stem == "7-effnet-freeze")
        .map(|file| {
            let lacks = [
                "data: cifar100 is not in /nowhere/cifar-100-binary",
                "weights: /nowhere/efficientnet_b0.safetensors is not there",
            ];
            (
                file.path.clone(),
                lacks
                    .map(|text| MissingFile {
                        text: text.to_owned(),
                        is_fetched: false,
                    })
                    .to_vec(),
            )
        });
    let catalogue = Catalogue {
        missing: missing.collect(),
        files,
        error: None,
    };
    update(&mut model, Message::Experiments(catalogue));
    let mut changes = Vec::new();
    let mut watcher = Watcher::new(&data().join("runs"));
    // No thread polls in a test, so poll until no change is left.
    watcher.want([DONE, LIVE, STOPPED, RESUMED, FAILED].map(id));
    loop {
        let found = watcher.poll();
        if found.is_empty() && watcher.unread() == 0 {
            break;
        }
        changes.extend(found);
    }
    update(
        &mut model,
        Message::Changes {
            now: START + 12_000.0,
            changes,
        },
    );
    let now = model.runs.get(&id(LIVE)).unwrap().state.last_event.unwrap();
    let held = vec![Change::Liveness {
        id: id(LIVE),
        liveness: Liveness::Held,
    }];
    update(
        &mut model,
        Message::Changes {
            now: now + 2.0,
            changes: held,
        },
    );
    model.report = None;
    model
}

/// Builds the log of a run. Each event moves the log's clock.
struct LogBuilder {
    experiment: Experiment,
    now: f64,
    steps_per_epoch: u32,
    step: u64,
    train_seconds: f64,
    images_per_second: f64,
    records: Vec<Record>,
}

impl LogBuilder {
    fn new(stem: &str, offset: f64, images_per_second: f64) -> Self {
        let path = data().join(format!("experiments/quickstart/{stem}.yaml"));
        let experiment = parse(&std::fs::read_to_string(path).unwrap(), stem).unwrap();
        let mut log = Self {
            experiment,
            now: START + offset,
            steps_per_epoch: 34,
            step: 0,
            train_seconds: 0.0,
            images_per_second,
            records: Vec::new(),
        };
        log.push(
            0.0,
            Event::Header {
                format: 1,
                software: "warmstart 0.1.0".to_owned(),
            },
        );
        log
    }

    fn push(&mut self, after: f64, event: Event) {
        self.now += after;
        self.records.push(Record {
            t: (self.now * 1000.0).round() / 1000.0,
            event,
        });
    }

    fn phase(&mut self, phase: Phase) {
        self.push(0.01, Event::Phase { phase });
    }

    fn attempt(&mut self, number: u32, resumed_from: Option<u64>, not_exact: &[&str]) {
        let worker = Handle::Local(Identity {
            boot_id: "recorded".to_owned(),
            pid: 4711,
            start_ticks: 1,
        });
        let epochs = self.experiment.train.epochs;
        self.push(
            0.4,
            Event::Attempt(Attempt {
                number,
                worker,
                host: "gpu-box".to_owned(),
                device: "cpu".to_owned(),
                device_name: "2 cores".to_owned(),
                device_reason: "no CUDA device".to_owned(),
                threads: 2,
                devices: 1,
                precision: None,
                libtorch: "2.13.0".to_owned(),
                cudnn: None,
                epochs,
                resumed_from,
                not_exact: not_exact.iter().map(|&reason| reason.to_owned()).collect(),
                heartbeat: None,
            }),
        );
        self.phase(Phase::Loading);
        self.push(
            0.6,
            Event::Dataset(DatasetFacts {
                name: "emoji98".to_owned(),
                train: 2127,
                validation: 911,
                test: 774,
                classes: 98,
                steps_per_epoch: self.steps_per_epoch,
                smallest: Some(ClassFacts {
                    name: "keycap".to_owned(),
                    images: 9,
                    exact: None,
                }),
                largest: Some(ClassFacts {
                    name: "country-flag".to_owned(),
                    images: 217,
                    exact: None,
                }),
                sets: None,
            }),
        );
        let experiment = &self.experiment;
        let facts = ModelFacts {
            backbone: experiment.model.backbone.to_string(),
            pixels: experiment.pixels(),
            weights: experiment.model.weights.to_string(),
            started_from: experiment.init.as_ref().map(|_| StartedFrom {
                run: id(RESUMED),
                step: 578,
            }),
            counts: counts(experiment).unwrap(),
            cached_features: false,
            preparation: None,
        };
        self.push(0.3, Event::Model(facts));
    }

    fn batches(&mut self, epoch: u32, until: u32, loss: f64, accuracy: f64) {
        self.phase(Phase::Training);
        for batch in (4..=until).step_by(6) {
            let (share, seconds) = (
                f64::from(batch) / f64::from(self.steps_per_epoch),
                6.0 * 64.0 / self.images_per_second,
            );
            let event = Batch {
                epoch,
                step: self.step + u64::from(batch),
                batch,
                batches: self.steps_per_epoch,
                loss: round(loss * (1.15 - 0.15 * share)),
                accuracy: round(accuracy * (0.85 + 0.15 * share)),
                learning_rate: self.rate(epoch),
                images_per_second: round(self.images_per_second + 3.0 * share),
                gradient_norm: round(1.0 + loss / 4.0),
            };
            self.push(seconds, Event::Batch(event));
        }
        self.push(
            0.1,
            Event::System(System {
                cpu: Some(97.0),
                memory: Some(1_234_000_000),
                memory_total: Some(8_200_000_000),
                ..System::default()
            }),
        );
    }

    fn rate(&self, epoch: u32) -> f64 {
        let share = f64::from(epoch) / f64::from(self.experiment.train.epochs);
        round(self.experiment.train.optimizer.learning_rate() * (1.0 - 0.9 * share) * 1e6) / 1e6
    }

    fn epoch(&mut self, epoch: u32, figures: [f64; 4], best: bool) {
        let [train_loss, train_acc, val_loss, val_acc] = figures.map(round);
        self.batches(epoch, self.steps_per_epoch, train_loss, train_acc);
        self.step += u64::from(self.steps_per_epoch);
        self.train_seconds += 2127.0 / self.images_per_second;
        self.phase(Phase::Validating);
        self.push(
            911.0 / self.images_per_second / 3.0,
            Event::Epoch(Epoch {
                epoch,
                step: self.step,
                train_loss,
                train_acc,
                val_loss,
                val_acc,
                learning_rate: self.rate(epoch),
                images_per_second: round(self.images_per_second),
                train_time: round(self.train_seconds),
                best,
                ..Epoch::default()
            }),
        );
        self.phase(Phase::Saving);
        self.push(
            0.05,
            Event::Checkpoint(Checkpoint {
                step: self.step,
                epoch,
                best,
                bytes: 41_234_567,
                seconds: 0.05,
            }),
        );
    }

    /// Adds epochs. Validation accuracy approaches `limit` (0 to 1), is best at epoch `peak`, and falls after it.
    fn learn(&mut self, epochs: std::ops::RangeInclusive<u32>, limit: f64, peak: u32) {
        for epoch in epochs {
            let x = f64::from(epoch);
            let train_acc = limit * 1.25 * (1.0 - (-x / 4.0).exp());
            let over = f64::from(epoch.saturating_sub(peak));
            let val_acc = limit * (1.0 - (-x.min(f64::from(peak)) / 3.0).exp()) - 0.004 * over
                + 0.006 * (x * 1.7).sin();
            let (train_loss, val_loss) = (
                4.4 * (-x / 5.0).exp() + 0.4,
                3.2 * (-x / 5.0).exp() + 1.4 + 0.05 * over,
            );
            let figures = [
                train_loss,
                train_acc.min(0.99),
                val_loss + 0.03 * (x * 2.3).sin(),
                val_acc,
            ];
            self.epoch(epoch, figures, epoch <= peak);
        }
    }

    fn test_and_finish(&mut self, epoch: u32, accuracy: f64) {
        self.phase(Phase::Testing);
        self.push(
            0.8,
            Event::Test(Test {
                epoch,
                loss: 1.5,
                accuracy: round(accuracy),
                views: None,
            }),
        );
        let train_time = round(self.train_seconds);
        self.push(
            0.1,
            Event::Finished {
                train_time,
                stopped_early: false,
            },
        );
    }

    fn write(self, name: &str, stem: &str) {
        let folder = data().join("runs").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let info = RunInfo {
            format: 1,
            id: id(name),
            experiment: self.experiment.name.clone(),
            exact: None,
            group: self.experiment.group.clone(),
            stem: stem.to_owned(),
            source: format!("experiments/quickstart/{stem}.yaml").into(),
            file: None,
            sha256: None,
            init_file: None,
            member: None,
            cwd: None,
            created: jiff::Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(
                self.records[0].t,
            ))
            .unwrap(),
            device: "auto".to_owned(),
            worker: None,
        };
        RunDir::new(&folder).write_info(&info).unwrap();
        std::fs::write(
            folder.join("experiment.yaml"),
            self.experiment.to_yaml().unwrap(),
        )
        .unwrap();
        let lines: String = self
            .records
            .iter()
            .map(|record| serde_json::to_string(record).unwrap() + "\n")
            .collect();
        std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    }
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[test]
#[ignore = "rewrites tests/data/runs"]
fn write_the_runs() {
    let mut done = LogBuilder::new("1-resnet-original", 0.0, 410.0);
    done.attempt(1, None, &[]);
    done.learn(1..=10, 0.31, 8);
    done.test_and_finish(8, 0.2946);
    done.write(DONE, "1-resnet-original");

    let mut live = LogBuilder::new("2-resnet-resized", 833.0, 96.0);
    live.attempt(1, None, &[]);
    live.learn(1..=7, 0.41, 4);
    live.batches(8, 22, 1.1, 0.42);
    live.write(LIVE, "2-resnet-resized");

    let mut stopped = LogBuilder::new("3-lite0-resized", 2333.0, 58.0);
    stopped.attempt(1, None, &[]);
    stopped.learn(1..=3, 0.47, 12);
    stopped.push(1.0, Event::Stopping);
    stopped.push(
        0.3,
        Event::Stopped {
            step: 102,
            train_time: round(stopped.train_seconds),
        },
    );
    stopped.write(STOPPED, "3-lite0-resized");

    let mut resumed = LogBuilder::new("4-lite0-freeze", 3533.0, 505.0);
    resumed.attempt(1, None, &[]);
    resumed.learn(1..=6, 0.48, 17);
    resumed.batches(7, 10, 1.3, 0.5);
    resumed.push(
        900.0,
        Event::Note {
            level: Level::Info,
            text: "resumed from step 204".to_owned(),
        },
    );
    resumed.attempt(2, Some(204), &["4 threads instead of 2"]);
    resumed.learn(7..=20, 0.48, 17);
    let hash = "9f2c4e".repeat(8);
    resumed.push(
        0.2,
        Event::Frozen {
            tensors: 245,
            before: hash.clone(),
            after: hash,
        },
    );
    resumed.test_and_finish(17, 0.4884);
    resumed.write(RESUMED, "4-lite0-freeze");

    let mut failed = LogBuilder::new("5-lite0-finetune", 7133.0, 61.0);
    failed.attempt(1, None, &[]);
    failed.push(
        0.1,
        Event::Note {
            level: Level::Warning,
            text: "3 of 2,127 images could not be read and are left out".to_owned(),
        },
    );
    failed.learn(1..=2, 0.5, 2);
    failed.epoch(3, [f64::NAN, 0.0102, f64::NAN, 0.0102], false);
    failed.push(
        0.2,
        Event::Failed {
            kind: FailureKind::NonFinite,
            error: "the loss is not a number since step 78".to_owned(),
            help: "Try a lower learning rate, or float32 instead of bfloat16.".to_owned(),
        },
    );
    failed.write(FAILED, "5-lite0-finetune");
}
