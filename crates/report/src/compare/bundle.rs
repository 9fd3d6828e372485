//! Which runs make a row: a run, runs merged by seed, or the members of a group with the same settings.

use std::collections::{HashMap, HashSet};

use warmstart_runs::run::RunId;
use warmstart_runs::store::{ExperimentKey, Run, Runs};
use warmstart_schema::experiment::Setting;
use warmstart_schema::metric::Metric;

use super::{Figures, FiguresOf, Selection, seeds};
use crate::group::{self, Cell, Choice, chosen};
use crate::paired::{NoTest, TTest, t_test};

/// The runs of one row.
pub(super) enum Bundle<'a> {
    Run(&'a Run),
    /// Runs that are done and differ only in their seed.
    Seeds(Vec<&'a Run>),
    /// Members of a group.
    Cell(Cell<'a>),
}

impl<'a> Bundle<'a> {
    /// The runs of its figures: of a cell those that are done, or else its first.
    pub(super) fn runs(&self) -> Vec<&'a Run> {
        match self {
            Self::Run(run) => vec![run],
            Self::Seeds(runs) => runs.clone(),
            Self::Cell(cell) => {
                let done = cell.done();
                if done.is_empty() {
                    cell.runs.iter().take(1).copied().collect()
                } else {
                    done
                }
            }
        }
    }
}

/// Makes rows of runs. Members of a group become one row for each of its settings, at the place of the first, except where runs
/// are named one by one.
pub(super) fn bundles<'a>(
    all: &'a Runs,
    chosen: Vec<&'a Run>,
    selection: &Selection,
    merge_seeds: bool,
) -> Vec<Bundle<'a>> {
    let place: HashMap<&RunId, usize> = chosen.iter().map(|run| &run.id).zip(0..).collect();
    // The settings of the shown members: a filter may leave some of a group's cells.
    let mut wanted: HashMap<(&ExperimentKey, &str), HashSet<&[Setting]>> = HashMap::new();
    let (mut placed, mut alone, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for run in chosen {
        let group = all.experiment_key(run).zip(run.member());
        let Some((key, member)) = group.filter(|_| !matches!(selection, Selection::Runs(_))) else {
            alone.push(run);
            continue;
        };
        let settings = wanted.entry((key, &member.group)).or_insert_with(|| {
            groups.push((run, key, member));
            HashSet::new()
        });
        settings.insert(&member.settings);
    }
    for (run, key, member) in groups {
        let settings = &wanted[&(key, member.group.as_str())];
        let cells = group::cells_of(all, run).into_iter();
        let cells = cells.filter(|cell| settings.contains(cell.settings));
        placed.extend(cells.map(|cell| (place[&run.id], Bundle::Cell(cell))));
    }
    let merged = if merge_seeds {
        seeds::group(alone)
    } else {
        alone.into_iter().map(|run| vec![run]).collect()
    };
    for runs in merged {
        let first = runs.iter().filter_map(|run| place.get(&run.id)).min();
        let first = first.copied().unwrap_or(usize::MAX);
        let bundle = match runs[..] {
            [run] => Bundle::Run(run),
            _ => Bundle::Seeds(runs),
        };
        placed.push((first, bundle));
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, bundle)| bundle).collect()
}

/// The paired comparison of two groups, by the settings that validation chose of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// The name of the group whose figures are subtracted.
    pub over: String,
    /// The name of the group from whose figures they are subtracted.
    pub of: String,
    pub seeds: Vec<u64>,
    /// The differences of each metric, or why there is no test.
    pub tests: Vec<(Metric, Result<TTest, NoTest>)>,
}

/// What the paired comparison of two groups says.
#[derive(Debug, Clone, PartialEq)]
pub enum Pairing {
    Tested(Paired),
    /// Not every member of a group has ended.
    Open(String),
    /// All members of a group have ended, and none is done.
    NoneDone(String),
    /// Members of a group are done, and the monitored metric of none of its settings can be compared.
    NoneChosen(String),
}

const TESTED: [Metric; 3] = [Metric::ValAcc, Metric::ValLoss, Metric::TestAcc];

/// Compares two groups by equal seeds.
pub(super) fn pairing(a: &[Cell], b: &[Cell], figures: FiguresOf) -> Option<Pairing> {
    let name = |cells: &[Cell]| Some(cells.first()?.runs.first()?.label().to_owned());
    let (first, second) = (name(a)?, name(b)?);
    let (Some(a), Some(b)) = (chosen(a), chosen(b)) else {
        let (cells, name) = match chosen(a) {
            None => (a, first),
            Some(_) => (b, second),
        };
        let is_open = cells.iter().any(|cell| cell.choice == Choice::Open);
        return Some(if is_open {
            Pairing::Open(name)
        } else if cells.iter().all(|cell| cell.done().is_empty()) {
            Pairing::NoneDone(name)
        } else {
            Pairing::NoneChosen(name)
        });
    };
    let by_seed: HashMap<u64, &Run> = a
        .done()
        .into_iter()
        .filter_map(|run| Some((run.member()?.seed, run)))
        .collect();
    let pairs: Vec<(u64, Figures, Figures)> = b
        .done()
        .into_iter()
        .filter_map(|run| {
            let seed = run.member()?.seed;
            let other = by_seed.get(&seed)?;
            let figures = |run: &Run| Figures::of(&run.state, figures);
            Some((seed, figures(other), figures(run)))
        })
        .collect();
    let test = |metric: Metric| {
        let both = |(_, a, b): &(u64, Figures, Figures)| Some((a.get(metric)?, b.get(metric)?));
        t_test(&pairs.iter().filter_map(both).collect::<Vec<_>>())
    };
    Some(Pairing::Tested(Paired {
        over: a.runs.first()?.label().to_owned(),
        of: b.runs.first()?.label().to_owned(),
        seeds: pairs.iter().map(|(seed, ..)| *seed).collect(),
        tests: TESTED.map(|metric| (metric, test(metric))).to_vec(),
    }))
}

impl Pairing {
    /// In sentences, for the note below a table.
    pub fn in_words(&self) -> String {
        let Paired {
            over,
            of,
            seeds,
            tests,
        } = match self {
            Self::Tested(paired) => paired,
            Self::Open(name) => {
                return format!("no paired t-test yet: not every member of {name} has ended");
            }
            Self::NoneDone(name) => {
                return format!("no paired t-test: no member of {name} is done");
            }
            Self::NoneChosen(name) => {
                return format!(
                    "no paired t-test: the monitored metric of {name} is missing or not finite, so validation cannot choose"
                );
            }
        };
        if seeds.len() < 2 {
            return format!(
                "no paired t-test: it needs two seeds that are done in both, found {}",
                seeds.len()
            );
        }
        let tests: Vec<String> = tests
            .iter()
            .map(|(metric, test)| said(*metric, *test))
            .collect();
        format!(
            "paired t-test, two-sided, by {} equal seeds, {of} − {over}: {}",
            seeds.len(),
            tests.join("; ")
        )
    }
}

fn said(metric: Metric, test: Result<TTest, NoTest>) -> String {
    let title = metric.title();
    match test {
        Ok(TTest {
            n,
            mean,
            deviation,
            t,
            df,
            p,
        }) => {
            let p = if p < 1e-4 {
                "p < 0.0001".to_owned()
            } else {
                format!("p = {p:.4}")
            };
            format!(
                "{title} {} ± {}, t({df}) = {t:.3}, {p}, n = {n}",
                metric.format_difference(mean),
                metric.format(deviation)
            )
        }
        Err(NoTest::TooFew(n)) => format!("{title} no test, n = {n}"),
        Err(NoTest::Constant) => format!("{title} no test, all differences are equal"),
        Err(NoTest::NotFinite) => format!("{title} no test, a figure is not finite"),
    }
}

impl Choice {
    /// Why a row of a grid has no test figure; none if it has one.
    pub(super) fn withholds(self) -> Option<&'static str> {
        match self {
            Self::Chosen => None,
            Self::NotChosen => {
                Some("test figures are read once: only for the settings that validation chose")
            }
            Self::Open => Some(
                "test figures are read once: when every member has ended and validation has chosen",
            ),
        }
    }
}
