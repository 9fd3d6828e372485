//! What a run's charts show: the figures, the x axis, the smoothing, and the cursor.

use std::collections::HashSet;

use warmstart_runs::run::RunId;

use super::{Model, Screen};
use crate::chart::Axis;
pub(crate) use warmstart_report::plot::{ChartKind, Drawn, Line, Role, Smoothing, Times, XAxis};
use warmstart_report::plot::{Curves, Key, begins, end_of};
use warmstart_runs::store::{Run, Runs};

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

impl ChartView {
    /// The default view with this smoothing.
    pub(crate) fn with(detail: Smoothing) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }

    /// The default view of a run in its current state.
    pub(crate) fn of(run: &Run) -> Self {
        let mut view = Self::default();
        view.curves.keep(vec![(
            run.id.clone(),
            Key::of(Drawn::whole(run), view.along, view.detail),
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

    pub(crate) fn lines(&self, drawn: Drawn, quantity: ChartKind) -> &[Line] {
        self.curves
            .lines(drawn, quantity, (self.along, self.detail))
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
    pub(crate) fn whole(&self, runs: &Runs, run: &Run, quantity: ChartKind) -> Axis {
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
    pub(crate) fn axis(&self, runs: &Runs, run: &Run, quantity: ChartKind) -> Axis {
        let whole = self.whole(runs, run, quantity);
        self.window
            .map_or(whole, |(low, high)| self.dressed(Axis::linear(low, high)))
    }

    fn dressed(&self, axis: Axis) -> Axis {
        let axis = axis.in_unit(self.along.unit());
        if self.log_x { axis.logarithmic() } else { axis }
    }

    /// The step at the cursor.
    pub(crate) fn step(&self, run: &Run) -> Option<f64> {
        self.cursor
            .map(|cursor| Times::of(&run.state, self.along).step_at(cursor))
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
        let ids: Vec<(RunId, Key)> = shown
            .map(|drawn| {
                (
                    drawn.run.id.clone(),
                    Key::of(drawn, view.charts.along, view.charts.detail),
                )
            })
            .collect();
        view.charts.curves.keep(ids);
    }
}
