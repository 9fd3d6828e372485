//! The table of fields.

use warmstart_runs::store::{ExperimentFile, Run};
use warmstart_schema::architecture::Backbone;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::{self, Experiment, Freeze, RunKind};
use warmstart_schema::metric::Metric;
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::{Fact, Field, Form, Subject};

pub(super) static FIELDS: &[Field] = &[
    Field::new("backbone", Form::Text, |subject| {
        Fact::text(subject.experiment?.model.backbone.as_str())
    })
    .also(&["model.backbone"])
    .usual(21, 6)
    .searched()
    .one_of("backbone", || Backbone::ALL.map(Backbone::as_str).to_vec()),
    Field::new("px", Form::Pixels, |subject| {
        // Of a folder's pictures, the weights file may state the size.
        let measured = subject.run.and_then(|run| run.state.model.as_ref());
        let pixels = measured
            .map(|model| model.pixels)
            .or_else(|| subject.experiment.map(Experiment::pixels))?;
        Some(Fact::Count(pixels.into()))
    })
    .usual(4, 5),
    Field {
        filtered: Some(states),
        ..Field::new("state", Form::State, |subject| {
            Fact::text(subject.run?.status().as_str())
        })
        .also(&["status"])
        .usual(12, 0)
        .searched()
        .one_of("state", || STATES.to_vec())
    },
    Field::new("epoch", Form::Progress, |subject| {
        let last = subject.run?.state.epochs.last()?;
        Some(Fact::Count(last.epoch.into()))
    })
    .usual(7, 2)
    .largest_first(),
    Field::of(Metric::ValAcc).usual(7, 1).printed(3).compared(2),
    Field::of(Metric::TestAcc)
        .usual(8, 3)
        .printed(4)
        .compared(1),
    Field::of(Metric::TrainTime)
        .titled("time")
        .also(&["time"])
        .usual(7, 4)
        .printed(5)
        .compared(7),
    Field::of(Metric::TrainAcc).listed(9, 3).compared(9),
    Field::of(Metric::ValLoss).listed(8, 3).compared(6),
    Field::of(Metric::TrainLoss).listed(10, 4).compared(10),
    Field::new("learning_rate", Form::Rate, |subject| {
        let RunKind::Train(train) = subject.experiment?.kind() else {
            return None;
        };
        Some(Fact::Figure(train.optimizer.learning_rate()))
    })
    .titled("rate")
    .also(&["lr", "rate", "train.optimizer.learning_rate"])
    .listed(8, 5),
    Field::new("seed", Form::Count, |subject| {
        Some(Fact::Count(subject.experiment?.seed))
    })
    .listed(6, 5),
    Field::new("settings", Form::Text, |subject| {
        let of_run = || {
            let member = subject.run?.member()?;
            Some(experiment::in_words(&member.settings))
        };
        let of_group = subject.members.map(|members| members.settings.clone());
        let words = of_group.or_else(of_run).filter(|words| !words.is_empty())?;
        Some(Fact::Text(words.into()))
    })
    .listed(24, 5)
    .searched(),
    Field::new("members", Form::Text, |subject| {
        let members = subject.members?;
        Some(Fact::Text(
            format!("{}/{}", members.done, members.all).into(),
        ))
    })
    .listed(7, 5),
    Field::new("device", Form::Text, |subject| {
        Fact::text(subject.run?.device())
    })
    .listed(7, 6),
    Field::new("created", Form::Date, |subject| {
        Some(Fact::Time(subject.run?.info.as_ref().ok()?.created))
    })
    .usual(16, 7)
    .largest_first(),
    Field::new("run", Form::Text, |subject| {
        Fact::text(subject.run?.id.as_str())
    })
    .listed(20, 6)
    .searched(),
    Field::new("tags", Form::Text, |subject| {
        let tags = subject.run?.annotation.tags.iter();
        Some(Fact::Texts(tags.map(String::as_str).collect()))
    })
    .also(&["tag"])
    .listed(16, 4)
    .searched(),
    Field::new("note", Form::Prose, |subject| {
        let note = subject.run?.annotation.note.as_str();
        Fact::text(note).filter(|_| !note.is_empty())
    })
    .listed(24, 6)
    .searched(),
    Field::new("experiment", Form::Prose, |subject| {
        let of_run = || subject.run.map(Run::label);
        Fact::text(subject.file.map(ExperimentFile::label).or_else(of_run)?)
    })
    .also(&["name"])
    .searched(),
    Field::new("group", Form::Text, |subject| Fact::text(subject.group)).searched(),
    Field::new("file", Form::Text, |subject| {
        let of_file = subject.file.map(|file| file.stem.as_str());
        Fact::text(of_file.or_else(|| subject.run?.stem())?)
    })
    .searched(),
    Field::new("dataset", Form::Text, |subject| {
        Fact::text(subject.experiment?.dataset.name().as_str())
    })
    .also(&["dataset.name"])
    .one_of("dataset", || {
        let published = DatasetName::ALL.into_iter();
        let all = published.chain([DatasetName::ImageFolder]);
        all.map(DatasetName::as_str).collect()
    }),
    Field::new("weights", Form::Text, |subject| {
        // A file of weights is a path, which may hold any character.
        let weights = text::line(&subject.experiment?.model.weights.to_string(), 4096);
        Some(Fact::Text(weights.into()))
    })
    .also(&["model.weights"]),
    Field::new("optimizer", Form::Text, |subject| {
        let RunKind::Train(train) = subject.experiment?.kind() else {
            return Fact::text("l-bfgs");
        };
        Some(Fact::Text(train.optimizer.name().into()))
    })
    .also(&["train.optimizer.name"]),
    Field::new("is", Form::Text, kinds)
        .one_of("kind of run", || KINDS.map(|(name, _)| name).to_vec()),
    Field::new("epochs", Form::Count, |subject| {
        let RunKind::Train(train) = subject.experiment?.kind() else {
            return None;
        };
        Some(Fact::Count(train.epochs.into()))
    })
    .also(&["train.epochs"]),
    Field::new("batch_size", Form::Count, |subject| {
        Some(Fact::Count(subject.experiment?.train.batch_size.into()))
    })
    .also(&["train.batch_size"]),
    Field::new("total_params", Form::Parameters, |subject| {
        Some(Fact::Count(subject.counts()?.total))
    })
    .titled("total")
    .also(&["params", "total"])
    .compared(13),
    Field::new("trainable_params", Form::Parameters, |subject| {
        Some(Fact::Count(subject.counts()?.trainable))
    })
    .titled("trainable")
    .also(&["trainable"])
    .compared(11),
    Field::new("non_trainable_params", Form::Parameters, |subject| {
        Some(Fact::Count(subject.counts()?.non_trainable()))
    })
    .titled("non-trainable")
    .also(&["non_trainable"])
    .compared(14),
];

/// The values of `status:` besides the states of a run: every state at work, and two states of an experiment.
const RUNNING: &str = "running";
const NEVER: &str = "never";
const BROKEN: &str = "broken";
pub(super) const STATES: [&str; 25] = [
    RUNNING,
    "queued",
    "starting",
    "waiting",
    "downloading",
    "loading",
    "training",
    "validating",
    "saving",
    "testing",
    "stalled",
    "hung",
    "suspended",
    "unknown",
    "stopping",
    "stopped",
    "paused",
    "halved",
    "done",
    "finished",
    "failed",
    "lost",
    "unreadable",
    NEVER,
    BROKEN,
];

#[expect(clippy::unnecessary_wraps, reason = "a reader returns an option")]
fn states<'a>(subject: &Subject<'a>) -> Option<Fact<'a>> {
    // A mistake in a file hides no run that was launched from it.
    let is_broken = subject.file.is_some_and(|file| file.loaded.is_err());
    let of_file = if is_broken {
        Some(BROKEN)
    } else {
        (subject.run.is_none() && !subject.is_archived).then_some(NEVER)
    };
    let status = subject.run.map(Run::status);
    let other = match status {
        Some(status) if status.is_live() => Some(RUNNING),
        Some(Status::Finished) => Some("finished"),
        _ => None,
    };
    let texts = [status.map(Status::as_str), other, of_file];
    Some(Fact::Texts(texts.into_iter().flatten().collect()))
}

type Is = fn(&Subject) -> bool;

/// The values of `is:`.
const KINDS: [(&str, Is); 5] = [
    ("archived", |subject| {
        subject.run.is_some_and(|run| run.annotation.archived)
    }),
    ("resumed", |subject| {
        subject.run.is_some_and(|run| !run.state.resumes.is_empty())
    }),
    ("tagged", |subject| {
        subject
            .run
            .is_some_and(|run| !run.annotation.tags.is_empty())
    }),
    ("member", |subject| {
        subject.run.is_some_and(|run| run.member().is_some())
    }),
    ("frozen", |subject| {
        let experiment = subject.experiment;
        experiment.is_some_and(|experiment| experiment.model.freeze != Freeze::default())
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "a reader returns an option")]
fn kinds<'a>(subject: &Subject<'a>) -> Option<Fact<'a>> {
    let kinds = KINDS.into_iter().filter(|(_, is)| is(subject));
    Some(Fact::Texts(kinds.map(|(name, _)| name).collect()))
}
