//! What a run's charts show: the figures, the x axis, the smoothing, and the cursor.

mod curves;
mod times;

use std::collections::HashSet;

use warmstart_runs::run::RunId;

pub use self::curves::{Curves, Line, Role, lines};
pub use self::times::Times;
use super::{Model, Screen};
use crate::chart::{Axis, Unit};
use warmstart_runs::store::{Run, Runs};

/// A chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    Accuracy,
    Loss,
    LearningRate,
    Throughput,
    GradientNorm,
    Usage,
    Memory,
}

impl ChartKind {
    /// In display order; a small screen shows the first ones.
    pub const ALL: [Self; 7] = [
        Self::Accuracy,
        Self::Loss,
        Self::LearningRate,
        Self::Throughput,
        Self::GradientNorm,
        Self::Usage,
        Self::Memory,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
            Self::LearningRate => "learning rate",
            Self::Throughput => "images/s",
            Self::GradientNorm => "gradient norm",
            Self::Usage => "use, %",
            Self::Memory => "memory",
        }
    }

    /// A short name for narrow places.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Accuracy => "acc",
            Self::LearningRate => "rate",
            Self::GradientNorm => "grad",
            Self::Loss | Self::Throughput | Self::Usage | Self::Memory => self.name(),
        }
    }

    /// Whether validation measures it once an epoch.
    pub fn is_by_epoch(self) -> bool {
        matches!(self, Self::Accuracy | Self::Loss)
    }
}

/// The x axis of the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XAxis {
    #[default]
    Epoch,
    Step,
    /// Seconds since the run's first event.
    Time,
    /// Seconds of training only, without validation, loading or waiting.
    Training,
}

impl XAxis {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Epoch => Self::Step,
            Self::Step => Self::Time,
            Self::Time => Self::Training,
            Self::Training => Self::Epoch,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "by epoch",
            Self::Step => "by step",
            Self::Time => "by time",
            Self::Training => "by training time",
        }
    }

    /// The name of the axis on exported charts.
    pub fn counts(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
            Self::Time => "time since the start",
            Self::Training => "training time",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Epoch | Self::Step => Unit::Whole,
            Self::Time | Self::Training => Unit::Seconds,
        }
    }
}

/// How much detail within epochs the charts show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    /// One figure for each epoch.
    #[default]
    Epochs,
    /// Every recorded figure.
    Points,
    Light,
    Medium,
    Strong,
}

impl Smoothing {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Epochs => Self::Points,
            Self::Points => Self::Light,
            Self::Light => Self::Medium,
            Self::Medium => Self::Strong,
            Self::Strong => Self::Epochs,
        }
    }

    /// The weight of earlier figures in the moving average.
    pub fn weight(self) -> Option<f64> {
        match self {
            Self::Epochs | Self::Points => None,
            Self::Light => Some(0.6),
            Self::Medium => Some(0.9),
            Self::Strong => Some(0.97),
        }
    }

    /// The name in the state file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Epochs => "epochs",
            Self::Points => "points",
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }

    /// The variant with this name.
    pub fn named(key: &str) -> Option<Self> {
        [
            Self::Epochs,
            Self::Points,
            Self::Light,
            Self::Medium,
            Self::Strong,
        ]
        .into_iter()
        .find(|detail| detail.key() == key)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Epochs => "",
            Self::Points => "every point",
            Self::Light => "smoothed 0.6",
            Self::Medium => "smoothed 0.9",
            Self::Strong => "smoothed 0.97",
        }
    }
}

/// Which runs are drawn together with the open run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Others {
    #[default]
    None,
    /// The run that this run's initial weights come from, up to that checkpoint.
    Stage,
    /// All runs of this experiment.
    Experiment,
    /// The runs that are marked in the list.
    Marked,
}

/// The state of a run's charts.
#[derive(Debug, Default)]
pub struct ChartView {
    /// The cursor's position on the x axis.
    pub cursor: Option<f64>,
    pub along: XAxis,
    pub log_x: bool,
    pub log_y: bool,
    pub detail: Smoothing,
    pub others: Others,
    /// The runs that were marked when this run was opened, except this run.
    pub marked: Vec<RunId>,
    /// The chart that is shown alone.
    pub alone: Option<ChartKind>,
    /// The visible range of the x axis; `None` for all of it.
    pub window: Option<(f64, f64)>,
    /// How many times the y range was halved around the figure under the cursor.
    pub height: u8,
    curves: Curves,
}

/// A run to draw, and its offset on the x axis.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    pub run: &'a Run,
    /// Number of older runs; it selects the marker and the colour.
    pub rank: usize,
    pub shift: f64,
    /// Draw nothing after this step.
    pub until: Option<u64>,
}

impl<'a> Drawn<'a> {
    /// A whole run without an offset.
    pub fn whole(run: &'a Run) -> Self {
        Self {
            run,
            rank: 0,
            shift: 0.0,
            until: None,
        }
    }

    /// Runs to draw. A run that continues another one starts at its checkpoint, unless `apart`.
    pub fn continued(runs: &[&'a Run], along: XAxis, apart: bool) -> Vec<Self> {
        let find = |id: &RunId| {
            runs.iter()
                .copied()
                .find(|run| run.id == *id)
                .filter(|_| !apart)
        };
        runs.iter()
            .map(|run| Self {
                shift: begins(run, &find, along),
                ..Self::whole(run)
            })
            .collect()
    }
}

impl ChartView {
    /// The default view with this smoothing.
    pub fn with(detail: Smoothing) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }

    /// The default view of a run in its current state.
    pub fn of(run: &Run) -> Self {
        let mut view = Self::default();
        view.curves.keep(vec![(
            run.id.clone(),
            curves::Key::of(Drawn::whole(run), view.along, view.detail),
        )]);
        view
    }

    /// The same view with the marked runs, if any.
    #[must_use]
    pub fn beside(self, marked: Vec<RunId>) -> Self {
        let others = if marked.is_empty() {
            self.others
        } else {
            Others::Marked
        };
        Self {
            others,
            marked,
            ..self
        }
    }

    pub fn lines(&self, drawn: Drawn, quantity: ChartKind) -> &[Line] {
        self.curves
            .lines(drawn, quantity, (self.along, self.detail))
    }

    /// The runs to draw with the open one, oldest first.
    pub fn others<'a>(&self, runs: &'a Runs, run: &'a Run) -> Vec<Drawn<'a>> {
        let mut others: Vec<Drawn> = match self.others {
            Others::None => Vec::new(),
            Others::Stage => self.stage(runs, run).into_iter().collect(),
            Others::Experiment => runs
                .all_like(run)
                .filter(|other| other.id != run.id)
                .map(Drawn::whole)
                .collect(),
            Others::Marked => self
                .marked
                .iter()
                .filter_map(|id| runs.get(id))
                .map(Drawn::whole)
                .collect(),
        };
        // A run that continues another one is drawn after it.
        if self.others != Others::Stage {
            let drawn: HashSet<&RunId> = others
                .iter()
                .map(|other| &other.run.id)
                .chain([&run.id])
                .collect();
            let find = |id: &RunId| runs.get(id).filter(|_| drawn.contains(id));
            let own = begins(run, &find, self.along);
            let shifts: Vec<f64> = others
                .iter()
                .map(|other| begins(other.run, &find, self.along) - own)
                .collect();
            others
                .iter_mut()
                .zip(shifts)
                .for_each(|(other, shift)| other.shift = shift);
        }
        if !others.is_empty() {
            for (rank, any) in runs.iter().enumerate() {
                others
                    .iter_mut()
                    .filter(|other| other.run.id == any.id)
                    .for_each(|other| other.rank = rank);
            }
        }
        others
    }

    /// The run before this one, moved so that its checkpoint is where this run starts.
    fn stage<'a>(&self, runs: &'a Runs, run: &Run) -> Option<Drawn<'a>> {
        let (stage, step) = stage_of(runs, run)?;
        let end = end_of(stage, step, self.along);
        Some(Drawn {
            shift: -end,
            until: Some(step),
            ..Drawn::whole(stage)
        })
    }

    /// The full x range. Per-epoch figures start at the first epoch, others at the first step.
    pub fn whole(&self, runs: &Runs, run: &Run, quantity: ChartKind) -> Axis {
        let by_epoch = quantity.is_by_epoch() && self.detail == Smoothing::Epochs;
        let own = Times::of(&run.state, self.along).extent(run, by_epoch);
        let (low, high) = self
            .others(runs, run)
            .iter()
            .fold(own, |(low, high), other| {
                let extent = Times::of(&other.run.state, self.along).extent(other.run, by_epoch);
                let end = if other.until.is_some() {
                    0.0
                } else {
                    extent.1 + other.shift
                };
                (low.min(extent.0 + other.shift), high.max(end))
            });
        let low = if self.log_x && low <= 0.0 {
            high / 1000.0
        } else {
            low
        };
        self.dressed(Axis::linear(low, high))
    }

    /// The visible x range.
    pub fn axis(&self, runs: &Runs, run: &Run, quantity: ChartKind) -> Axis {
        let whole = self.whole(runs, run, quantity);
        self.window
            .map_or(whole, |(low, high)| self.dressed(Axis::linear(low, high)))
    }

    fn dressed(&self, axis: Axis) -> Axis {
        let axis = axis.in_unit(self.along.unit());
        if self.log_x { axis.logarithmic() } else { axis }
    }

    /// The step at the cursor.
    pub fn step(&self, run: &Run) -> Option<f64> {
        self.cursor
            .map(|cursor| Times::of(&run.state, self.along).step_at(cursor))
    }

    /// The epoch nearest to the cursor.
    pub fn epoch(&self, run: &Run) -> Option<u32> {
        let step = self.step(run)?;
        let epochs = &run.state.epochs;
        let distance = |epoch: &&warmstart_schema::event::Epoch| (epoch.step as f64 - step).abs();
        epochs
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .map(|epoch| epoch.epoch)
    }
}

/// The x offset of a run that continues another drawn run: the position of that run's checkpoint.
/// `drawn` returns the drawn run of an id.
pub fn begins<'a>(run: &'a Run, drawn: &dyn Fn(&RunId) -> Option<&'a Run>, along: XAxis) -> f64 {
    /// Limits the chain, because files may claim that two runs start from each other.
    const STAGES: usize = 32;
    let (mut at, mut run) = (0.0, run);
    for _ in 0..STAGES {
        let Some(from) = &run.state.started_from else {
            break;
        };
        let Some(origin) = drawn(&from.run) else {
            break;
        };
        at += end_of(origin, from.step, along);
        run = origin;
    }
    at
}

/// The x position of a run's checkpoint.
fn end_of(run: &Run, step: u64, along: XAxis) -> f64 {
    let times = Times::of(&run.state, along);
    let epoch = run.state.epochs.iter().find(|epoch| epoch.step == step);
    epoch.map_or_else(|| times.at(step as f64), |epoch| times.epoch(epoch))
}

/// The run and the checkpoint's step that a run started from, if that run is present.
pub fn stage_of<'a>(runs: &'a Runs, run: &Run) -> Option<(&'a Run, u64)> {
    let from = run.state.started_from.as_ref()?;
    Some((runs.get(&from.run)?, from.step))
}

impl Model {
    /// Drops cached curves that changed or that no open chart shows.
    pub fn refresh_curves(&mut self) {
        let Screen::Run(view) = &mut self.open else {
            return;
        };
        let Some(run) = self.runs.get(&view.id) else {
            return;
        };
        let others = view.charts.others(&self.runs, run);
        let shown = others.into_iter().chain([Drawn::whole(run)]);
        let ids: Vec<(RunId, curves::Key)> = shown
            .map(|drawn| {
                (
                    drawn.run.id.clone(),
                    curves::Key::of(drawn, view.charts.along, view.charts.detail),
                )
            })
            .collect();
        view.charts.curves.keep(ids);
    }
}
