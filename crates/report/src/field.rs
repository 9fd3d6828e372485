//! The facts of a run, one row each in `table`. The dashboard's list, filters, sorting, the comparison and `warmstart runs` and
//! `list` read them: a further column is a further row.

mod table;

use std::borrow::Cow;
use std::sync::LazyLock;

use self::table::FIELDS;
use crate::group::Summary;
use crate::mean::Spread;
use jiff::Timestamp;
use warmstart_runs::params;
use warmstart_runs::store::{ExperimentFile, Run};
use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::metric::{Metric, Unit};

/// The source of a field: a run, or an experiment with its newest run.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub file: Option<&'a ExperimentFile>,
    pub run: Option<&'a Run>,
    /// Whether the experiment has runs that the row does not show, because all are archived.
    pub is_archived: bool,
    pub group: &'a str,
    pub experiment: Option<&'a Experiment>,
    /// The group of the run, where one row shows all of it.
    pub members: Option<&'a Summary>,
}

impl<'a> Subject<'a> {
    /// With the experiment as the run was launched with it, or as its file is now.
    pub fn new(file: Option<&'a ExperimentFile>, run: Option<&'a Run>, group: &'a str) -> Self {
        let of_file = || file.and_then(|file| file.loaded.as_ref().ok());
        let of_run = run.and_then(|run| run.experiment.as_deref());
        Self {
            file,
            run,
            is_archived: false,
            group,
            experiment: of_run.or_else(of_file),
            members: None,
        }
    }

    pub fn of_run(run: &'a Run) -> Self {
        let group = run.info.as_ref().map_or("", |info| info.group.as_str());
        Self::new(None, Some(run), group)
    }

    fn counts(&self) -> Option<ParamCounts> {
        let measured = self.run.and_then(|run| run.state.model.as_ref());
        measured.map(|model| model.counts.total).or_else(|| {
            self.experiment
                .and_then(params::counts)
                .map(|counts| counts.total)
        })
    }
}

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<'a> {
    Text(Cow<'a, str>),
    Texts(Vec<&'a str>),
    Count(u64),
    Figure(f64),
    Time(Timestamp),
}

impl<'a> Fact<'a> {
    #[expect(clippy::unnecessary_wraps, reason = "readers return an option")]
    fn text(text: &'a str) -> Option<Self> {
        Some(Self::Text(text.into()))
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(*count as f64),
            Self::Figure(figure) => Some(*figure),
            Self::Text(_) | Self::Texts(_) | Self::Time(_) => None,
        }
    }

    /// Every text of the value.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::Texts(texts) => texts.clone(),
            Self::Count(_) | Self::Figure(_) | Self::Time(_) => Vec::new(),
        }
    }
}

/// How a field is formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    /// Many words, in which a filter looks for its value.
    Prose,
    State,
    /// Epochs done of those planned.
    Progress,
    Count,
    Parameters,
    Pixels,
    Rate,
    Figure(Unit),
    Date,
}

impl Form {
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Prose | Self::State)
    }

    /// Whether a column of it is aligned at the right.
    pub fn is_figure(self) -> bool {
        !self.is_text() && self != Self::Date
    }
}

/// A field's column in the dashboard's list.
#[derive(Debug, Clone, Copy)]
pub struct ListColumn {
    pub width: u16,
    /// Of two columns the one with the larger number is hidden first; 0 stays.
    pub rank: u8,
    /// Whether it is shown until the user chooses columns.
    pub usual: bool,
}

/// What one value of a field is called, and all possible values.
pub type Values = (&'static str, fn() -> Vec<&'static str>);

type Read = for<'a> fn(&Subject<'a>) -> Option<Fact<'a>>;

#[derive(Debug, Clone, Copy)]
enum Source {
    Metric(Metric),
    Of(Read),
}

/// A fact of a run.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in filters, JSON and CSV.
    pub key: &'static str,
    /// The title of its column.
    pub title: &'static str,
    /// Other names that filters, `--columns` and the settings accept.
    pub aliases: &'static [&'static str],
    pub form: Form,
    /// Whether sorting puts the largest value first.
    pub largest_first: bool,
    pub list: Option<ListColumn>,
    /// The rank of its column in `warmstart runs` and `list`, as [`ListColumn::rank`].
    pub printed: Option<u8>,
    /// The rank of its column in the comparison, of metrics and counts.
    pub compared: Option<u8>,
    /// Whether a filter's bare word is searched in it.
    pub searched: bool,
    /// What a filter compares, if that is more than the value.
    filtered: Option<Read>,
    /// The possible values, if they are limited.
    pub values: Option<Values>,
    source: Source,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Field {}

impl std::hash::Hash for Field {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Field {
    pub fn value<'a>(&self, subject: &Subject<'a>) -> Option<Fact<'a>> {
        match self.source {
            Source::Metric(metric) => {
                if let Some(members) = subject.members {
                    return members.figure(metric).map(|(mean, _)| Fact::Figure(mean));
                }
                let state = &subject.run?.state;
                let (epoch, test) = (state.best_or_last_epoch(), state.test.as_ref());
                metric
                    .of_run(state.train_time(), epoch, test)
                    .map(Fact::Figure)
            }
            Source::Of(read) => read(subject),
        }
    }

    /// Of how many runs the value is the mean, and their standard deviation; none of a single run's value.
    pub fn spread(&self, subject: &Subject) -> Option<Spread> {
        let (_, spread) = subject.members?.figure(self.metric()?)?;
        Some(spread)
    }

    /// What a filter compares.
    pub fn filtered<'a>(&self, subject: &Subject<'a>) -> Option<Fact<'a>> {
        self.filtered
            .map_or_else(|| self.value(subject), |read| read(subject))
    }

    /// A finite value, which JSON can represent.
    pub fn finite(&self, subject: &Subject) -> Option<f64> {
        self.value(subject)?
            .number()
            .filter(|figure| figure.is_finite())
    }

    pub fn metric(&self) -> Option<Metric> {
        match self.source {
            Source::Metric(metric) => Some(metric),
            Source::Of(_) => None,
        }
    }

    /// Whether this is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.key == name || self.aliases.contains(&name)
    }
}

/// Every field; columns of a table have this order. A metric that has no row here comes last.
pub fn fields() -> &'static [Field] {
    static ALL: LazyLock<Vec<Field>> = LazyLock::new(|| {
        let has_row = |metric: &Metric| FIELDS.iter().any(|row| row.metric() == Some(*metric));
        let further = Metric::ALL.iter().filter(|metric| !has_row(metric));
        let further = further.map(|metric| Field::of(*metric).listed(10, 5).compared(11));
        FIELDS.iter().copied().chain(further).collect()
    });
    &ALL
}

/// The field of this name.
pub fn named(name: &str) -> Option<&'static Field> {
    fields().iter().find(|field| field.is_called(name))
}

/// The fields whose columns `warmstart runs` and `list` print.
pub fn printed() -> impl Iterator<Item = &'static Field> {
    fields().iter().filter(|field| field.printed.is_some())
}

/// The metric's field.
pub fn of_metric(metric: Metric) -> Option<&'static Field> {
    fields().iter().find(|field| field.metric() == Some(metric))
}

impl Field {
    /// A field that only filters know.
    const fn new(key: &'static str, form: Form, read: Read) -> Self {
        Self {
            key,
            title: key,
            aliases: &[],
            form,
            largest_first: false,
            list: None,
            printed: None,
            compared: None,
            searched: false,
            filtered: None,
            values: None,
            source: Source::Of(read),
        }
    }

    const fn of(metric: Metric) -> Self {
        Self {
            title: metric.title(),
            largest_first: metric.higher_is_better(),
            source: Source::Metric(metric),
            ..Self::new(metric.key(), Form::Figure(metric.unit()), |_| None)
        }
    }

    const fn titled(self, title: &'static str) -> Self {
        Self { title, ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn listed(self, width: u16, rank: u8) -> Self {
        let list = Some(ListColumn {
            width,
            rank,
            usual: false,
        });
        Self { list, ..self }
    }

    const fn usual(self, width: u16, rank: u8) -> Self {
        let list = Some(ListColumn {
            width,
            rank,
            usual: true,
        });
        Self { list, ..self }
    }

    const fn printed(self, rank: u8) -> Self {
        Self {
            printed: Some(rank),
            ..self
        }
    }

    const fn compared(self, rank: u8) -> Self {
        Self {
            compared: Some(rank),
            ..self
        }
    }

    const fn largest_first(self) -> Self {
        Self {
            largest_first: true,
            ..self
        }
    }

    const fn searched(self) -> Self {
        Self {
            searched: true,
            ..self
        }
    }

    const fn one_of(self, kind: &'static str, values: fn() -> Vec<&'static str>) -> Self {
        Self {
            values: Some((kind, values)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use warmstart_schema::event::Phase;

    use super::table::STATES;
    use super::*;
    use warmstart_schema::state::Status;

    #[test]
    fn no_name_belongs_to_two_fields() {
        let mut seen = HashSet::new();
        for field in fields() {
            for name in field.aliases.iter().chain([&field.key]) {
                assert!(seen.insert(*name), "{name}");
            }
        }
    }

    #[test]
    fn a_file_of_weights_is_named_without_characters_that_a_terminal_obeys() {
        let yaml = "name: x\ndataset: { name: emoji98 }\n\
                    model: { backbone: resnet18, weights: \"/my\\e[2J/own.safetensors\" }\n\
                    train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.1 } }\n";
        let experiment = warmstart_schema::experiment::parse(yaml, "x").unwrap();
        let subject = Subject {
            experiment: Some(&experiment),
            ..Subject::new(None, None, "")
        };
        let weights = named("weights").unwrap().value(&subject).unwrap();
        assert_eq!(weights.texts(), ["/my[2J/own.safetensors"]);
    }

    #[test]
    fn every_state_of_a_run_is_a_value_of_status() {
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
            Status::Waiting,
            Status::Unclear,
            Status::Stalled,
            Status::Hung,
            Status::Suspended,
            Status::Stopping,
            Status::Stopped,
            Status::Paused,
            Status::Halved,
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
