//! The content of a chart: its values, x axis, smoothing, and runs.

use warmstart_runs::run::RunId;
use warmstart_runs::store::Run;

use super::{Axis, Times, Unit};

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
    /// In the order of the screen, which shows as many as fit.
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

    /// A short title.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Accuracy => "acc",
            Self::LearningRate => "rate",
            Self::GradientNorm => "grad",
            Self::Loss | Self::Throughput | Self::Usage | Self::Memory => self.name(),
        }
    }

    /// Whether validation measures it, once an epoch.
    pub fn is_by_epoch(self) -> bool {
        matches!(self, Self::Accuracy | Self::Loss)
    }
}

/// The x axis of charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XAxis {
    #[default]
    Epoch,
    Step,
    /// Seconds since the run's first event.
    Time,
    /// Seconds of training, without validation, loading or waiting.
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

    /// The title of the axis in a picture of a chart.
    pub fn title(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
            Self::Time => "time since the start",
            Self::Training => "training time",
        }
    }

    /// The axis from `low` to `high`. A logarithmic one starts above 0: at a thousandth of its end, if it must.
    pub fn axis(self, (low, high): (f64, f64), log: bool) -> Axis {
        let low = if log && low <= 0.0 {
            high / 1000.0
        } else {
            low
        };
        let axis = Axis::linear(low, high).in_unit(self.unit());
        if log { axis.logarithmic() } else { axis }
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::Epoch | Self::Step => Unit::Whole,
            Self::Time | Self::Training => Unit::Seconds,
        }
    }
}

/// How charts show the values within epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Smoothing {
    /// One value for each epoch.
    #[default]
    Epochs,
    /// Every value.
    Points,
    Light,
    Medium,
    Strong,
}

impl Smoothing {
    const ALL: [Self; 5] = [
        Self::Epochs,
        Self::Points,
        Self::Light,
        Self::Medium,
        Self::Strong,
    ];

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

    /// The factor by which the exponential moving average ages earlier values, from 0 to 1; `None` without an average.
    pub fn weight(self) -> Option<f64> {
        match self {
            Self::Epochs | Self::Points => None,
            Self::Light => Some(0.6),
            Self::Medium => Some(0.9),
            Self::Strong => Some(0.97),
        }
    }

    /// Its name in the state file.
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
        Self::ALL
            .into_iter()
            .find(|smoothing| smoothing.key() == key)
    }

    /// Words for the screen; empty for the default.
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

/// A run that is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    pub run: &'a Run,
    /// The number of older runs, which determines its marker and colour.
    pub rank: usize,
    /// Added to every x of the run, in the unit of the axis.
    pub shift: f64,
    /// The last drawn step.
    pub until: Option<u64>,
}

impl<'a> Drawn<'a> {
    /// A run without offset or limit.
    pub fn whole(run: &'a Run) -> Self {
        Self {
            run,
            rank: 0,
            shift: 0.0,
            until: None,
        }
    }

    /// The runs to draw. One that continues another starts at its checkpoint, unless `apart`.
    pub fn continued(runs: &[&'a Run], along: XAxis, apart: bool) -> Vec<Self> {
        let find = |id: &RunId| {
            runs.iter()
                .copied()
                .find(|run| run.id == *id)
                .filter(|_| !apart)
        };
        runs.iter()
            .map(|run| Self {
                shift: x_offset(run, &find, along),
                ..Self::whole(run)
            })
            .collect()
    }
}

/// How far to shift a run so that it begins where the run that it continues was saved: the sum over it and those before it, as far
/// as they are drawn; 0 for another run. `drawn` finds drawn runs.
pub fn x_offset<'a>(run: &'a Run, drawn: &dyn Fn(&RunId) -> Option<&'a Run>, along: XAxis) -> f64 {
    /// Files may say that two runs started from each other.
    const MAX_STAGES: usize = 32;
    let (mut offset, mut run) = (0.0, run);
    for _ in 0..MAX_STAGES {
        let Some(from) = &run.state.started_from else {
            break;
        };
        let Some(origin) = drawn(&from.run) else {
            break;
        };
        offset += x_of_checkpoint(origin, from.step, along);
        run = origin;
    }
    offset
}

/// The x of the checkpoint of a run at `step`, in the unit of the axis.
pub fn x_of_checkpoint(run: &Run, step: u64, along: XAxis) -> f64 {
    let times = Times::of(&run.state, along);
    let epoch = run.state.epochs.iter().find(|epoch| epoch.step == step);
    epoch.map_or_else(
        || times.x_of_step(step as f64),
        |epoch| times.x_of_epoch(epoch),
    )
}
