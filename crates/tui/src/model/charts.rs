//! What a run's charts show: the figures, the x axis, the smoothing, and the cursor.

use std::collections::{HashMap, HashSet};

pub(crate) use warmstart_report::plot::{ChartKind, Drawn, Line, Role, Smoothing, Times, XAxis};
use warmstart_report::plot::{Curves, Key, Points, x_of_checkpoint, x_offset};
use warmstart_runs::run::RunId;
use warmstart_runs::store::{Run, Runs};

use super::{Model, Screen};
use crate::chart::Axis;

/// Which runs are drawn beside the open one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Others {
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
pub(crate) struct ChartView {
    /// The cursor's position on the x axis.
    pub cursor: Option<f64>,
    pub x_axis: XAxis,
    pub log_x: bool,
    pub log_y: bool,
    pub smoothing: Smoothing,
    pub others: Others,
    /// The runs that were marked when this run was opened, except this run.
    pub marked: Vec<RunId>,
    /// The only chart that is shown; `None` shows all.
    pub single: Option<ChartKind>,
    /// The visible range of the x axis; `None` for all of it.
    pub window: Option<(f64, f64)>,
    /// How many times the y range was halved around the figure under the cursor.
    pub y_halvings: u8,
    curves: Curves,
}

impl ChartView {
    /// The default view with this smoothing.
    pub(crate) fn with(smoothing: Smoothing) -> Self {
        Self {
            smoothing,
            ..Self::default()
        }
    }

    /// The default view of a run in its current state.
    pub(crate) fn of(run: &Run) -> Self {
        let mut view = Self::default();
        view.curves.keep(vec![(
            run.id.clone(),
            Key::of(Drawn::whole(run), view.x_axis, view.smoothing),
        )]);
        view
    }

    /// The same view with the marked runs, if any.
    #[must_use]
    pub(crate) fn beside(self, marked: Vec<RunId>) -> Self {
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

    /// The lines of one run in one chart, from the cache where it has them.
    pub(crate) fn lines(&self, drawn: Drawn, kind: ChartKind) -> &[Line] {
        self.curves
            .lines(drawn, kind, (self.x_axis, self.smoothing))
    }

    /// The runs to draw with the open one, oldest first.
    pub(crate) fn others<'a>(&self, runs: &'a Runs, run: &'a Run) -> Vec<Drawn<'a>> {
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
        if self.others != Others::Stage {
            self.align(&mut others, runs, run);
        }
        rank(&mut others, runs);
        others
    }

    /// Shifts each run that continues a drawn one, so that it starts where that one's checkpoint is.
    fn align(&self, others: &mut [Drawn], runs: &Runs, run: &Run) {
        let drawn: HashSet<RunId> = others
            .iter()
            .map(|other| other.run.id.clone())
            .chain([run.id.clone()])
            .collect();
        let find = |id: &RunId| runs.get(id).filter(|_| drawn.contains(id));
        let own = x_offset(run, &find, self.x_axis);
        for other in others {
            other.shift = x_offset(other.run, &find, self.x_axis) - own;
        }
    }

    /// The run before this one, moved so that its checkpoint is where this run starts.
    fn stage<'a>(&self, runs: &'a Runs, run: &Run) -> Option<Drawn<'a>> {
        let (stage, step) = stage_of(runs, run)?;
        let end = x_of_checkpoint(stage, step, self.x_axis);
        Some(Drawn {
            shift: -end,
            until: Some(step),
            ..Drawn::whole(stage)
        })
    }

    /// The full x range. Per-epoch figures start at the first epoch, others at the first step.
    pub(crate) fn whole(&self, runs: &Runs, run: &Run, kind: ChartKind) -> Axis {
        let points = if kind.is_by_epoch() && self.smoothing == Smoothing::Epochs {
            Points::PerEpoch
        } else {
            Points::PerStep
        };
        let own = Times::of(&run.state, self.x_axis).extent(run, points);
        let (low, high) = self
            .others(runs, run)
            .iter()
            .fold(own, |(low, high), other| {
                let extent = Times::of(&other.run.state, self.x_axis).extent(other.run, points);
                let end = if other.until.is_some() {
                    0.0
                } else {
                    extent.1 + other.shift
                };
                (low.min(extent.0 + other.shift), high.max(end))
            });
        self.x_axis.axis((low, high), self.log_x)
    }

    /// The visible x range.
    pub(crate) fn axis(&self, runs: &Runs, run: &Run, kind: ChartKind) -> Axis {
        let whole = self.whole(runs, run, kind);
        self.window
            .map_or(whole, |window| self.x_axis.axis(window, self.log_x))
    }

    /// The step at the cursor.
    pub(crate) fn step(&self, run: &Run) -> Option<f64> {
        self.cursor
            .map(|cursor| Times::of(&run.state, self.x_axis).step_at(cursor))
    }

    /// The epoch nearest to the cursor.
    pub(crate) fn epoch(&self, run: &Run) -> Option<u32> {
        let step = self.step(run)?;
        let epochs = &run.state.epochs;
        let distance = |epoch: &&warmstart_schema::event::Epoch| (epoch.step as f64 - step).abs();
        epochs
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .map(|epoch| epoch.epoch)
    }
}

/// The run whose checkpoint a run started from, while it is here, and that checkpoint's step.
pub(crate) fn stage_of<'a>(runs: &'a Runs, run: &Run) -> Option<(&'a Run, u64)> {
    let from = run.state.started_from.as_ref()?;
    Some((runs.get(&from.run)?, from.step))
}

/// Numbers the drawn runs by their place among all runs.
fn rank(drawn: &mut [Drawn], runs: &Runs) {
    if drawn.is_empty() {
        return;
    }
    // One look-up for each run: thousands of runs may be drawn, and this happens for every frame.
    let mut by_id: HashMap<&RunId, &mut Drawn> = drawn
        .iter_mut()
        .map(|one| {
            let run = one.run;
            (&run.id, one)
        })
        .collect();
    for (rank, run) in runs.iter().enumerate() {
        if let Some(one) = by_id.get_mut(&run.id) {
            one.rank = rank;
        }
    }
}

impl Model {
    /// Drops cached curves that changed or that no open chart shows.
    pub(crate) fn refresh_curves(&mut self) {
        let Screen::Run(view) = &mut self.open else {
            return;
        };
        let Some(run) = self.runs.get(&view.id) else {
            return;
        };
        let others = view.charts.others(&self.runs, run);
        let shown = others.into_iter().chain([Drawn::whole(run)]);
        let keys: Vec<(RunId, Key)> = shown
            .map(|drawn| {
                (
                    drawn.run.id.clone(),
                    Key::of(drawn, view.charts.x_axis, view.charts.smoothing),
                )
            })
            .collect();
        view.charts.curves.keep(keys);
    }
}
