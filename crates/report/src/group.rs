//! A group of runs: its members by settings, and the settings that validation chose. The test figure of a grid is read once: only
//! for the chosen settings, and only when every member has ended.

use std::collections::HashMap;

use warmstart_runs::store::{Run, Runs};
use warmstart_schema::experiment::{Monitor, Setting, in_words};
use warmstart_schema::metric::Metric;
use warmstart_schema::state::Status;

use crate::mean::{Spread, mean};

/// The members with the same settings, which differ only in their seed.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    pub settings: &'a [Setting],
    /// By seed. Of several runs with one seed the newest that is done, or else the newest.
    pub runs: Vec<&'a Run>,
    pub choice: Choice,
}

/// What validation says of the settings of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Its mean of the monitored metric is the best of the group; or its group has no other settings.
    Chosen,
    /// Other settings are better, or none are: no settings have a finite mean, or they monitor different metrics.
    NotChosen,
    /// Members of the group have not ended yet.
    Open,
}

impl<'a> Cell<'a> {
    /// The members that are done; every mean is over these.
    pub fn done(&self) -> Vec<&'a Run> {
        let is_done = |run: &&&Run| run.status() == Status::Finished;
        self.runs.iter().filter(is_done).copied().collect()
    }

    /// `done`, `halved` if halving stopped these settings, or `2/3 done` while members have not ended.
    pub fn state(&self) -> String {
        let halved = self.halved();
        if halved > 0 && halved == self.runs.len() {
            return Status::Halved.as_str().to_owned();
        }
        state(self.done().len(), halved, self.runs.len())
    }

    /// How many members halving stopped.
    fn halved(&self) -> usize {
        let is_halved = |run: &&&Run| run.status() == Status::Halved;
        self.runs.iter().filter(is_halved).count()
    }

    /// The status of the member that most needs a look: a live one, then one that failed, was stopped or is yet to run, then one
    /// that halving stopped, then one that is done.
    pub fn status(&self) -> Option<Status> {
        let rank = |run: &&&Run| match run.status() {
            status if status.is_live() => 0,
            Status::Halved => 2,
            Status::Finished => 3,
            _ => 1,
        };
        self.runs.iter().min_by_key(rank).map(|run| run.status())
    }

    /// Its mean of the monitored metric over the members that are done.
    fn monitored(&self) -> Option<(Monitor, f64)> {
        let done = self.done();
        // They differ only in their seed, so the first experiment that is readable answers for all.
        let experiment = done.iter().find_map(|run| run.experiment.as_deref());
        let monitor = experiment?.monitor();
        let metric = match monitor {
            Monitor::ValLoss => Metric::ValLoss,
            Monitor::ValAcc => Metric::ValAcc,
        };
        let figures: Vec<f64> = done
            .iter()
            .filter_map(|run| metric.of_epoch(run.state.best_or_last_epoch()?))
            .collect();
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        mean.is_finite().then_some((monitor, mean))
    }
}

/// The cells of a group, in the order in which they were first launched.
pub fn cells<'a>(members: impl IntoIterator<Item = &'a Run>) -> Vec<Cell<'a>> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut places: HashMap<&[Setting], usize> = HashMap::new();
    for run in members {
        let Some(member) = run.member() else { continue };
        let place = *places.entry(&member.settings).or_insert(cells.len());
        if place == cells.len() {
            cells.push(Cell {
                settings: &member.settings,
                runs: Vec::new(),
                choice: Choice::Open,
            });
        }
        cells[place].runs.push(run);
    }
    for cell in &mut cells {
        one_of_each_seed(&mut cell.runs);
    }
    choose(&mut cells);
    cells
}

/// The cells of a run's group; none if it has no group.
pub fn cells_of<'a>(runs: &'a Runs, run: &'a Run) -> Vec<Cell<'a>> {
    cells(runs.group_of(run))
}

fn one_of_each_seed(runs: &mut Vec<&Run>) {
    let key = |run: &Run| {
        let created = run.info.as_ref().ok().map(|info| info.created);
        (run.status() == Status::Finished, created, run.id.clone())
    };
    let seed = |run: &Run| run.member().map(|member| member.seed);
    runs.sort_by_cached_key(|run| (seed(run), std::cmp::Reverse(key(run))));
    runs.dedup_by_key(|run| seed(run));
}

fn choose(cells: &mut [Cell]) {
    if let [only] = cells {
        only.choice = Choice::Chosen;
        return;
    }
    let has_ended = |run: &&Run| {
        matches!(
            run.status(),
            Status::Finished | Status::Failed | Status::Halved
        )
    };
    if !cells.iter().flat_map(|cell| &cell.runs).all(has_ended) {
        return;
    }
    let best = best(cells);
    for (index, cell) in cells.iter_mut().enumerate() {
        let is_best = best == Some(index);
        cell.choice = if is_best {
            Choice::Chosen
        } else {
            Choice::NotChosen
        };
    }
}

/// The index of the best cell by the monitored metric, the first of equal ones. None if no cell has a finite mean, or if cells
/// monitor different metrics: a loss and an accuracy cannot be ranked.
fn best(cells: &[Cell]) -> Option<usize> {
    let mut best: Option<(usize, Monitor, f64)> = None;
    for (index, cell) in cells.iter().enumerate() {
        let Some((monitor, figure)) = cell.monitored() else {
            continue;
        };
        if best.is_some_and(|(_, other, _)| other != monitor) {
            return None;
        }
        if best.is_none_or(|(_, _, best)| monitor.improves(figure, best, 0.0)) {
            best = Some((index, monitor, figure));
        }
    }
    best.map(|(index, ..)| index)
}

/// The cell that is [`Choice::Chosen`], if there is one.
pub fn chosen<'c, 'a>(cells: &'c [Cell<'a>]) -> Option<&'c Cell<'a>> {
    cells.iter().find(|cell| cell.choice == Choice::Chosen)
}

/// What one row says of a whole group: the means of its chosen settings, or of the best so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Means over the members that are done, with their spread.
    figures: Vec<(Metric, f64, Spread)>,
    /// Members that are done, and all.
    pub done: usize,
    pub all: usize,
    /// Members that halving stopped.
    pub halved: usize,
    /// The status of a live member, or else of one that is not done and that halving did not stop; then as the members ended.
    pub status: Option<Status>,
    /// The settings of the means, in words; empty without a grid.
    pub settings: String,
    /// Whether the settings are [`Choice::Chosen`]. Otherwise they are the best so far.
    pub is_chosen: bool,
}

impl Summary {
    /// The summary of a run's group; none if it has no group.
    pub fn of(runs: &Runs, run: &Run) -> Option<Self> {
        run.member()?;
        let cells = cells_of(runs, run);
        let shown = chosen(&cells).or_else(|| best(&cells).map(|index| &cells[index]));
        let choice = shown.map_or(Choice::Open, |cell| cell.choice);
        let done = shown.map(Cell::done).unwrap_or_default();
        let metrics = Metric::ALL.iter().copied();
        let figures = metrics
            .filter(|metric| choice == Choice::Chosen || !metric.is_of_test())
            .filter_map(|metric| {
                let of = |run: &&Run| {
                    let state = &run.state;
                    metric.of_run(
                        state.train_time(),
                        state.best_or_last_epoch(),
                        state.test.as_ref(),
                    )
                };
                let figures: Vec<f64> = done.iter().filter_map(of).collect();
                let (mean, spread) = mean(&figures)?;
                Some((metric, mean, spread))
            });
        let open = |cell: &&Cell| {
            let status = cell.status();
            !matches!(status, Some(Status::Finished | Status::Halved))
        };
        let done_cell = |cell: &&Cell| cell.status() == Some(Status::Finished);
        let live = |cell: &&Cell| cell.status().is_some_and(Status::is_live);
        let state = cells.iter().find(live).or_else(|| cells.iter().find(open));
        let state = state.or_else(|| cells.iter().find(done_cell));
        Some(Self {
            figures: figures.collect(),
            done: cells.iter().map(|cell| cell.done().len()).sum(),
            all: cells.iter().map(|cell| cell.runs.len()).sum(),
            halved: cells.iter().map(Cell::halved).sum(),
            status: state.or(cells.first()).and_then(Cell::status),
            settings: shown.map_or_else(String::new, |cell| in_words(cell.settings)),
            is_chosen: choice == Choice::Chosen,
        })
    }

    /// The mean of a metric, with its spread.
    pub fn figure(&self, metric: Metric) -> Option<(f64, Spread)> {
        let found = self.figures.iter().find(|(known, ..)| *known == metric);
        found.map(|(_, mean, spread)| (*mean, *spread))
    }

    /// `done`, `done, 3 halved`, or `2/3 done`.
    pub fn state(&self) -> String {
        state(self.done, self.halved, self.all)
    }
}

/// The state of so many members, of which these are done and those were stopped by halving.
fn state(done: usize, halved: usize, all: usize) -> String {
    if done + halved < all {
        format!("{done}/{all} done")
    } else if halved > 0 {
        format!("{}, {halved} halved", Status::Finished.as_str())
    } else {
        Status::Finished.as_str().to_owned()
    }
}
