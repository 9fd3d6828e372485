//! What can be asked for by name: texts, and figures.

use warmstart_schema::architecture::Backbone;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::Status;

use crate::edit;
use warmstart_runs::params;
use warmstart_runs::store::{ExperimentFile, Run};

/// What a query is asked of: a run, or an experiment with its newest run.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub file: Option<&'a ExperimentFile>,
    pub run: Option<&'a Run>,
    pub group: &'a str,
}

/// A field that holds text, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Status,
    Backbone,
    Group,
    Tag,
    Name,
    File,
    Run,
    Device,
    Dataset,
    Weights,
    Optimizer,
    Note,
    Is,
}

/// A field that holds a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    ValAcc,
    TrainAcc,
    TestAcc,
    ValLoss,
    TrainLoss,
    TrainTime,
    Epoch,
    Epochs,
    Pixels,
    Seed,
    LearningRate,
    BatchSize,
    Trainable,
    Params,
}

/// Every field by its name; a second name for one follows it.
pub const TEXTS: [(&str, Text); 20] = [
    ("status", Text::Status),
    ("state", Text::Status),
    ("backbone", Text::Backbone),
    ("group", Text::Group),
    ("tag", Text::Tag),
    ("name", Text::Name),
    ("file", Text::File),
    ("run", Text::Run),
    ("device", Text::Device),
    ("dataset", Text::Dataset),
    ("weights", Text::Weights),
    ("optimizer", Text::Optimizer),
    ("note", Text::Note),
    ("is", Text::Is),
    // As columns and files have them.
    ("tags", Text::Tag),
    ("experiment", Text::Name),
    ("model.backbone", Text::Backbone),
    ("model.weights", Text::Weights),
    ("dataset.name", Text::Dataset),
    ("train.optimizer.name", Text::Optimizer),
];
/// How many of them are named where all are.
pub const MAIN_TEXTS: usize = 14;
pub const NUMBERS: [(&str, Number); 22] = [
    ("val_acc", Number::ValAcc),
    ("train_acc", Number::TrainAcc),
    ("test_acc", Number::TestAcc),
    ("val_loss", Number::ValLoss),
    ("train_loss", Number::TrainLoss),
    ("train_time", Number::TrainTime),
    ("time", Number::TrainTime),
    ("epoch", Number::Epoch),
    ("epochs", Number::Epochs),
    ("px", Number::Pixels),
    ("seed", Number::Seed),
    ("learning_rate", Number::LearningRate),
    ("lr", Number::LearningRate),
    ("batch_size", Number::BatchSize),
    ("trainable", Number::Trainable),
    ("params", Number::Params),
    ("trainable_params", Number::Trainable),
    ("total_params", Number::Params),
    ("rate", Number::LearningRate),
    ("train.epochs", Number::Epochs),
    ("train.batch_size", Number::BatchSize),
    ("train.optimizer.learning_rate", Number::LearningRate),
];
pub const MAIN_NUMBERS: usize = 16;
pub const CREATED: &str = "created";

/// What `status:` can be, beside the names of states: all that run, and an experiment's own two.
const RUNNING: &str = "running";
const NEVER: &str = "never";
const BROKEN: &str = "broken";
const STATES: [&str; 21] = [
    RUNNING,
    "queued",
    "starting",
    "fetching",
    "loading",
    "training",
    "validating",
    "saving",
    "testing",
    "stalled",
    "hung",
    "suspended",
    "stopping",
    "stopped",
    "done",
    "finished",
    "failed",
    "lost",
    "unreadable",
    NEVER,
    BROKEN,
];
const KINDS: [&str; 4] = ["archived", "resumed", "tagged", "frozen"];

impl Text {
    /// What a word without a field is searched for in.
    pub const NAMES: [Self; 8] = [
        Self::Name,
        Self::Group,
        Self::Backbone,
        Self::File,
        Self::Run,
        Self::Status,
        Self::Tag,
        Self::Note,
    ];

    /// Whether it is a text of many words, in which a value is looked for.
    pub fn is_prose(self) -> bool {
        matches!(self, Self::Name | Self::Note)
    }

    /// The only values it can have, and what such a value is called.
    pub fn values(self) -> Option<(&'static str, Vec<&'static str>)> {
        match self {
            Self::Status => Some(("state", STATES.to_vec())),
            Self::Backbone => Some(("backbone", Backbone::ALL.map(Backbone::as_str).to_vec())),
            Self::Dataset => {
                let all = DatasetName::ALL
                    .into_iter()
                    .chain([DatasetName::ImageFolder]);
                Some(("dataset", all.map(DatasetName::as_str).collect()))
            }
            Self::Is => Some(("kind of run", KINDS.to_vec())),
            _ => None,
        }
    }

    /// Whether one of its texts passes.
    pub fn any(self, subject: &Subject, passes: &mut dyn FnMut(&str) -> bool) -> bool {
        let (file, run, experiment) = (subject.file, subject.run, subject.experiment());
        let mut one = |text: Option<&str>| text.is_some_and(&mut *passes);
        match self {
            Self::Status => status(subject, passes),
            Self::Backbone => one(experiment.map(|experiment| experiment.model.backbone.as_str())),
            Self::Group => one(Some(subject.group)),
            Self::Tag => run.is_some_and(|run| run.annotation.tags.iter().any(|tag| passes(tag))),
            Self::Name => one(file
                .map(ExperimentFile::label)
                .or_else(|| run.map(Run::label))),
            Self::File => one(file
                .map(|file| file.stem.as_str())
                .or_else(|| run.and_then(Run::stem))),
            Self::Run => one(run.map(|run| run.id.as_str())),
            Self::Device => one(run.map(Run::device)),
            Self::Dataset => one(experiment.map(|experiment| experiment.dataset.name.as_str())),
            Self::Weights => {
                let weights = experiment.map(|experiment| experiment.model.weights.to_string());
                one(weights.as_deref())
            }
            Self::Optimizer => one(experiment.map(|experiment| experiment.train.optimizer.name())),
            Self::Note => one(run
                .map(|run| run.annotation.note.as_str())
                .filter(|note| !note.is_empty())),
            Self::Is => kinds(subject).into_iter().any(passes),
        }
    }
}

fn status(subject: &Subject, passes: &mut dyn FnMut(&str) -> bool) -> bool {
    if subject.file.is_some_and(|file| file.loaded.is_err()) {
        return passes(BROKEN);
    }
    let Some(run) = subject.run else {
        return passes(NEVER);
    };
    let status = run.status();
    let other = match status {
        status if status.is_live() => Some(RUNNING),
        Status::Finished => Some("finished"),
        _ => None,
    };
    passes(status.as_str()) || other.is_some_and(passes)
}

fn kinds(subject: &Subject) -> Vec<&'static str> {
    let run = |is: fn(&Run) -> bool| subject.run.is_some_and(is);
    let is_frozen = subject.experiment().is_some_and(|experiment| {
        experiment.model.freeze != warmstart_schema::experiment::Freeze::default()
    });
    let all = [
        run(|run| run.annotation.archived),
        run(|run| !run.state.resumes.is_empty()),
        run(|run| !run.annotation.tags.is_empty()),
        is_frozen,
    ];
    KINDS
        .into_iter()
        .zip(all)
        .filter(|(_, is)| *is)
        .map(|(kind, _)| kind)
        .collect()
}

impl Number {
    /// What may follow a value, and what the value then amounts to.
    pub fn units(self) -> &'static [Unit] {
        match self {
            Self::ValAcc | Self::TrainAcc | Self::TestAcc => &[("%", |share| share / 100.0)],
            Self::TrainTime => &[
                ("s", |s| s),
                ("m", |m| m * 60.0),
                ("h", |h| h * 3600.0),
                ("d", |d| d * 86400.0),
            ],
            Self::Trainable | Self::Params => {
                &[("k", |k| k * 1e3), ("K", |k| k * 1e3), ("M", |m| m * 1e6)]
            }
            _ => &[],
        }
    }

    /// The subject's figure, where it has one. Accuracies and losses are those of the best epoch.
    pub fn of(self, subject: &Subject) -> Option<f64> {
        let state = subject.run.map(|run| &run.state);
        let epoch = state.and_then(|state| state.best_epoch().or(state.epochs.last()));
        let experiment = subject.experiment();
        match self {
            Self::ValAcc => epoch.map(|epoch| epoch.val_acc),
            Self::TrainAcc => epoch.map(|epoch| epoch.train_acc),
            Self::TestAcc => state?.test.as_ref().map(|test| test.accuracy),
            Self::ValLoss => epoch.map(|epoch| epoch.val_loss),
            Self::TrainLoss => epoch.map(|epoch| epoch.train_loss),
            Self::TrainTime => state?.train_time(),
            Self::Epoch => state?.epochs.last().map(|epoch| f64::from(epoch.epoch)),
            Self::Epochs => experiment.map(|experiment| f64::from(experiment.train.epochs)),
            Self::Pixels => experiment.map(|experiment| f64::from(experiment.pixels())),
            Self::Seed => experiment.map(|experiment| experiment.seed as f64),
            Self::LearningRate => {
                experiment.map(|experiment| experiment.train.optimizer.learning_rate())
            }
            Self::BatchSize => experiment.map(|experiment| f64::from(experiment.train.batch_size)),
            Self::Trainable => subject.counts().map(|counts| counts.trainable as f64),
            Self::Params => subject.counts().map(|counts| counts.total as f64),
        }
    }
}

impl<'a> Subject<'a> {
    /// A run by itself.
    pub fn of_run(run: &'a Run) -> Self {
        let group = run.info.as_ref().map_or("", |info| info.group.as_str());
        Self {
            file: None,
            run: Some(run),
            group,
        }
    }

    /// The experiment as the run was launched with it, or as its file says it now.
    fn experiment(&self) -> Option<&'a Experiment> {
        let of_file = || self.file.and_then(|file| file.loaded.as_ref().ok());
        self.run
            .and_then(|run| run.experiment.as_deref())
            .or_else(of_file)
    }

    /// What the experiment says of a setting, its defaults included.
    pub fn setting(&self, path: &str) -> Option<String> {
        let yaml = serde_yaml::to_value(self.experiment()?).ok()?;
        edit::scalar_at(&yaml, path)
    }

    fn counts(&self) -> Option<warmstart_schema::architecture::ParamCounts> {
        let told = self
            .run
            .and_then(|run| run.state.model.as_ref())
            .map(|model| model.counts.total);
        told.or_else(|| {
            self.experiment()
                .and_then(params::counts)
                .map(|counts| counts.total)
        })
    }

    /// `2026-11-22T10:01:07Z`
    pub fn created(&self) -> Option<String> {
        let info = self.run?.info.as_ref().ok()?;
        Some(info.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// A unit's name, and what makes its figures those that are compared.
pub type Unit = (&'static str, fn(f64) -> f64);

#[cfg(test)]
mod tests {
    use warmstart_schema::event::Phase;

    use super::*;

    #[test]
    fn every_state_that_a_run_can_have_can_be_filtered_by() {
        let phases = [
            Phase::Fetching,
            Phase::Loading,
            Phase::Training,
            Phase::Validating,
            Phase::Saving,
            Phase::Testing,
        ];
        let others = [
            Status::Queued(1),
            Status::Starting,
            Status::Stalled,
            Status::Hung,
            Status::Suspended,
            Status::Stopping,
            Status::Stopped,
            Status::Finished,
            Status::Failed,
            Status::Lost,
            Status::Unreadable,
        ];
        for status in phases.map(Status::Active).into_iter().chain(others) {
            assert!(STATES.contains(&status.as_str()), "{}", status.as_str());
        }
    }
}
