//! The table as a value: one pure function makes it from runs and options.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use warmstart_runs::run::RunId;
use warmstart_schema::experiment::Reference;
use warmstart_schema::state::Status;

use super::column::facts;
use super::line::Line;
use super::{
    Baseline, Column, Columns, Figures, FiguresOf, Gain, Metric, Options, Pairing, Selection,
    Value, bundle, config,
};
use crate::field::{Field, Subject};
use crate::group::{self, Choice};
use warmstart_runs::store::{ExperimentFile, ExperimentKey, Run, Runs};

const MARKS: [&str; 4] = ["†", "‡", "§", "¶"];

/// Rows under the same columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    /// Whether the columns are those that were asked for by name, in that order.
    pub are_columns_named: bool,
    pub rows: Vec<Row>,
    /// Mark and text.
    pub footnotes: Vec<(String, String)>,
    pub transposed: bool,
    pub figures: FiguresOf,
}

/// A value of each metric; unmeasured ones are absent.
pub(super) type Values = BTreeMap<Metric, Value>;

/// The kind of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A run, or runs that differ only in their seed.
    #[default]
    Measured,
    /// A member of the group above.
    Member,
    /// Differences to the initial run of the row above.
    Gain,
    Published,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    pub kind: Kind,
    /// The runs of its figures: one run, several for merged seeds, none for rows that belong to the one above. A group of which no
    /// member is done has its first.
    pub runs: Vec<RunId>,
    pub seeds: Vec<u64>,
    pub experiment: String,
    /// The same for machines.
    pub exact: String,
    pub status: Option<Status>,
    pub reference: Option<Reference>,
    pub gain: Option<Gain>,
    /// Of its footnote.
    pub mark: Option<String>,
    /// One for each column.
    pub cells: Vec<Cell>,
    /// All figures, independent of the chosen columns.
    pub figures: Values,
    pub facts: Vec<(&'static Field, Value)>,
    /// A hash of its test images, if known: do not compare figures of different ones.
    pub test_set: Option<String>,
    /// What validation says of its settings, if it is of a group.
    pub choice: Option<Choice>,
    /// The members of a group with these settings, done or not.
    pub members: Vec<Row>,
    /// The paired test against the group above, if two groups are compared.
    pub pairing: Option<Pairing>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub value: Value,
    /// The best of its column among finished runs.
    pub best: bool,
    /// The mark of the footnote that says why its figure is doubtful or missing.
    pub mark: Option<String>,
}

impl Table {
    /// Runs, or groups of them; published rows do not count.
    pub fn measured(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.kind == Kind::Measured)
    }

    /// Whether two rows of runs have the same name, so that only the runs' ids distinguish them.
    pub fn has_namesakes(&self) -> bool {
        let mut seen = std::collections::HashSet::new();
        self.measured()
            .any(|row| !seen.insert(row.experiment.as_str()))
    }

    pub fn has_best(&self) -> bool {
        self.rows
            .iter()
            .flat_map(|row| &row.cells)
            .any(|cell| cell.best)
    }
}

/// The table for the options. Runs are in the order of their experiments' files, those without a file last, unless the options
/// name or sort them.
pub fn table(runs: &Runs, files: &[ExperimentFile], options: &Options) -> Table {
    let chosen = chosen(runs, files, options);
    let pairing = pairing(runs, &chosen, options);
    let pinned = match &options.baseline {
        Baseline::Run(id) => runs.get(id),
        Baseline::None | Baseline::Published => None,
    };
    let pinned = pinned.map(|run| Figures::to_subtract(runs, run, options));
    let pinned = pinned.unwrap_or_default();
    let mut lines: Vec<Line> =
        bundle::bundles(runs, chosen, &options.selection, options.merge_seeds)
            .into_iter()
            .map(|bundle| Line::of(runs, bundle, options, &pinned))
            .collect();
    if let Some(sort) = &options.sort {
        lines.sort_by(|a, b| a.value(sort).order(&b.value(sort), options.reversed));
    } else if options.reversed {
        lines.reverse();
    }
    let columns = columns(&lines, options);
    let mut table = Table {
        columns,
        are_columns_named: matches!(options.columns, Columns::Named(_)),
        rows: Vec::new(),
        footnotes: Vec::new(),
        transposed: options.transposed,
        figures: options.figures,
    };
    for (index, line) in lines.iter().enumerate() {
        let row = line.row(&table.columns, options);
        let members = if options.members {
            row.members.clone()
        } else {
            Vec::new()
        };
        table.rows.push(row);
        table.rows.extend(members);
        // Experiments' fields have no differences, and publications no experiment.
        if options.columns == Columns::Config {
            continue;
        }
        table.rows.extend(
            line.gain
                .as_ref()
                .map(|gain| gained(line, gain, &table.columns)),
        );
        let next = lines.get(index + 1);
        let same_below = next.is_some_and(|next| {
            runs.experiment_key(next.runs[0]) == runs.experiment_key(line.runs[0])
                && next.reference() == line.reference()
        });
        if let Some(reference) = line.reference().filter(|_| !same_below) {
            let row = published(line, reference, &mut table.footnotes, &table.columns);
            table.rows.push(row);
        }
    }
    mark_other_tests(&mut table, &lines);
    mark_withheld(&mut table);
    if let Some((second, pairing)) = pairing {
        mark_pairing(&mut table, runs, &lines, second, pairing);
    }
    mark_best(&mut table);
    table
}

/// Marks test figures of runs with other test images than the first run; skips runs for which that is unknown.
fn mark_other_tests(table: &mut Table, lines: &[Line]) {
    let mut known = lines
        .iter()
        .filter_map(|line| Some((line.test_set()?, line)));
    let Some((first, of)) = known.next() else {
        return;
    };
    let text = format!(
        "measured on other test images than {} ({}): test figures do not compare",
        of.runs[0].label(),
        of.runs[0].id
    );
    let others: HashSet<&RunId> = known
        .filter(|(set, _)| *set != first)
        .map(|(_, line)| &line.runs[0].id)
        .collect();
    let test = test_columns(table);
    let is_other = |row: &&mut Row| {
        row.kind == Kind::Measured
            && row.runs.first().is_some_and(|run| others.contains(run))
            && row.choice.and_then(Choice::withholds).is_none()
    };
    for row in table.rows.iter_mut().filter(is_other) {
        for &index in &test {
            row.cells[index].mark = Some(footnote(&mut table.footnotes, text.clone()));
        }
    }
}

/// The columns with figures of the test.
fn test_columns(table: &Table) -> Vec<usize> {
    let columns = table.columns.iter().enumerate();
    columns
        .filter(|(_, column)| match column {
            Column::Metric(metric) | Column::Delta(metric) => metric.is_of_test(),
            _ => false,
        })
        .map(|(index, _)| index)
        .collect()
}

/// The paired test of two groups, with a run of the second. None if other runs are compared, or one group is named twice.
fn pairing<'a>(
    runs: &'a Runs,
    chosen: &[&'a Run],
    options: &Options,
) -> Option<(&'a Run, Pairing)> {
    let Selection::Groups(ids) = &options.selection else {
        return None;
    };
    let [a, b] = &ids[..] else { return None };
    let [a, b] = [a, b].map(|id| chosen.iter().find(|run| run.id == *id));
    let (a, b) = (*a?, *b?);
    if runs.group_of(a).any(|run| run.id == b.id) {
        return None;
    }
    let [first, second] = [a, b].map(|run| group::cells_of(runs, run));
    Some((b, bundle::pairing(&first, &second, options.figures)?))
}

/// Says below the table what the paired test says, at the row of the second group, of which `second` is a run.
fn mark_pairing(table: &mut Table, runs: &Runs, lines: &[Line], second: &Run, pairing: Pairing) {
    let members: HashSet<&RunId> = runs.group_of(second).map(|run| &run.id).collect();
    let is_second = |line: &&Line| members.contains(&line.runs[0].id);
    let may_be_chosen = |line: &&Line| {
        let choice = line.cell.as_ref().map(|cell| cell.choice);
        choice != Some(Choice::NotChosen)
    };
    let mut of_second = lines.iter().filter(is_second);
    // Validation chooses no settings where none have a finite mean.
    let Some(line) = of_second
        .clone()
        .find(may_be_chosen)
        .or_else(|| of_second.next())
    else {
        return;
    };
    let mark = footnote(&mut table.footnotes, pairing.in_words());
    let id = &line.runs[0].id;
    let row = table.rows.iter_mut().find(|row| row.runs.contains(id));
    if let Some(row) = row {
        row.mark = Some(row.mark.take().unwrap_or_default() + &mark);
        row.pairing = Some(pairing);
    }
}

/// Says why settings of a grid have no test figure.
fn mark_withheld(table: &mut Table) {
    let test = test_columns(table);
    for row in &mut table.rows {
        let Some(reason) = row.choice.and_then(Choice::withholds) else {
            continue;
        };
        for &index in &test {
            let mark = footnote(&mut table.footnotes, reason.to_owned());
            row.cells[index].mark = Some(mark);
        }
    }
}

fn chosen<'a>(runs: &'a Runs, files: &[ExperimentFile], options: &Options) -> Vec<&'a Run> {
    let mut chosen: Vec<&Run> = match &options.selection {
        Selection::Runs(ids) => ids.iter().filter_map(|id| runs.get(id)).collect(),
        Selection::Groups(ids) => whole(runs, ids.iter().filter_map(|id| runs.get(id))),
        Selection::All => runs.iter().collect(),
        Selection::Newest => whole(runs, runs.iter().filter(|run| is_newest(runs, run))),
    };
    chosen.retain(|run| options.filter.matches(&Subject::of_run(run)));
    if !matches!(options.selection, Selection::Runs(_) | Selection::Groups(_)) {
        let places: HashMap<&Path, usize> = files
            .iter()
            .zip(0..)
            .map(|(file, place)| (file.full_path.as_path(), place))
            .collect();
        let place = |run: &Run| match runs.experiment_key(run) {
            Some(ExperimentKey::File(path)) => {
                places.get(path.as_path()).copied().unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        chosen.sort_by_cached_key(|run| {
            (
                place(run),
                run.stem().unwrap_or_default().to_owned(),
                runs.experiment_key(run).cloned(),
            )
        });
    }
    chosen
}

/// Each run with all others of its group.
fn whole<'a>(runs: &'a Runs, chosen: impl Iterator<Item = &'a Run>) -> Vec<&'a Run> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for run in chosen {
        if !seen.insert(&run.id) {
            continue;
        }
        all.push(run);
        let others = runs.group_of(run).filter(|other| other.id != run.id);
        all.extend(others.filter(|other| seen.insert(&other.id)));
    }
    all
}

fn is_newest(runs: &Runs, run: &Run) -> bool {
    let Some(key) = runs.experiment_key(run) else {
        return true;
    };
    let done = runs
        .all_of(key)
        .rfind(|run| run.status() == Status::Finished);
    done.or_else(|| runs.latest_of(key))
        .is_some_and(|newest| newest.id == run.id)
}

pub(super) fn by_metric(of: impl Fn(Metric) -> Value) -> Values {
    Metric::ALL
        .iter()
        .map(|metric| (*metric, of(*metric)))
        .collect()
}

pub(super) fn figure(figures: &Values, metric: Metric) -> Value {
    figures.get(&metric).cloned().unwrap_or(Value::Absent)
}

fn columns(lines: &[Line], options: &Options) -> Vec<Column> {
    let fields = || {
        let all: Vec<&[(String, String)]> =
            lines.iter().map(|line| line.config.as_slice()).collect();
        config::differing(&all)
            .into_iter()
            .map(Column::Config)
            .collect::<Vec<_>>()
    };
    match &options.columns {
        Columns::Standard => standard(options, Vec::new()),
        Columns::Named(columns) => columns.clone(),
        Columns::Config => [Column::Experiment, Column::Run]
            .into_iter()
            .chain(fields())
            .collect(),
        Columns::Differing => {
            let mut columns = standard(options, fields());
            let differs = |column: &Column| {
                let mut values = lines.iter().map(|line| line.value(column).shown());
                let first = values.next();
                values.any(|value| Some(value) != first)
            };
            columns.retain(|column| {
                lines.len() < 2 || *column == Column::Experiment || differs(column)
            });
            columns
        }
    }
}

fn standard(options: &Options, fields: Vec<Column>) -> Vec<Column> {
    let deltas: &[Metric] = match options.baseline {
        Baseline::None => &[],
        Baseline::Published => &[Metric::TestAcc],
        // A run that is not finished has no test accuracy yet.
        Baseline::Run(_) => &[Metric::ValAcc, Metric::TestAcc],
    };
    let mut columns = vec![Column::Experiment, Column::Run, Column::State];
    columns.extend(Metric::ALL.iter().copied().map(Column::Metric));
    columns.extend(deltas.iter().copied().map(Column::Delta));
    columns.extend(fields);
    columns.extend(facts().map(Column::Fact));
    columns
}

/// The mark of a footnote; each text has one, and none contains another.
fn footnote(footnotes: &mut Vec<(String, String)>, text: String) -> String {
    if let Some((mark, _)) = footnotes.iter().find(|(_, known)| *known == text) {
        return mark.clone();
    }
    let number = footnotes.len();
    let mark = MARKS
        .get(number)
        .map_or_else(|| format!("[{}]", number + 1), |mark| (*mark).to_owned());
    footnotes.push((mark.clone(), text));
    mark
}

/// The published figures, with a footnote for their source and one for what is doubtful of the shown ones.
fn published(
    line: &Line,
    reference: &Reference,
    footnotes: &mut Vec<(String, String)>,
    columns: &[Column],
) -> Row {
    let figures = Figures::published(reference);
    let figures = by_metric(|metric| Value::figure(metric, figures.get(metric)));
    let source = format!("published: {}", reference.source);
    let mark = match &reference.note {
        Some(note) if reference.doubtful.is_empty() => {
            footnote(footnotes, format!("{source}; {note}"))
        }
        _ => footnote(footnotes, source),
    };
    let is_doubtful = |column: &Column| matches!(column, Column::Metric(metric) if reference.doubtful.contains(metric));
    let doubt = reference
        .note
        .clone()
        .filter(|_| columns.iter().any(is_doubtful));
    let doubt = doubt.map(|note| footnote(footnotes, note));
    let mut row = Row {
        reference: Some(reference.clone()),
        mark: Some(mark),
        ..below(Kind::Published, line, "published", figures, columns)
    };
    for (cell, column) in row.cells.iter_mut().zip(columns) {
        if is_doubtful(column) {
            cell.mark.clone_from(&doubt);
        }
    }
    row
}

fn gained(line: &Line, gain: &Gain, columns: &[Column]) -> Row {
    let figures = by_metric(|metric| Value::difference(metric, gain.figures.get(metric)));
    Row {
        gain: Some(gain.clone()),
        ..below(Kind::Gain, line, &gain.title(), figures, columns)
    }
}

/// A row that belongs to the measured one above it.
fn below(kind: Kind, line: &Line, title: &str, figures: Values, columns: &[Column]) -> Row {
    let value = |column: &Column| match column {
        Column::Experiment => Value::text(title),
        Column::Metric(metric) => figure(&figures, *metric),
        Column::Fact(_) => Value::Absent,
        Column::Run | Column::State | Column::Delta(_) | Column::Config(_) => Value::Blank,
    };
    let cells = columns
        .iter()
        .map(|column| Cell {
            value: value(column),
            best: false,
            mark: None,
        })
        .collect();
    Row {
        kind,
        experiment: line.runs[0].label().to_owned(),
        exact: line.runs[0].exact_label().to_owned(),
        cells,
        figures,
        ..Row::default()
    }
}

/// Marks the best figure of each column among the finished runs, if there are at least two. Marks no test figure if some of these
/// runs were tested on other images: such figures do not compare.
fn mark_best(table: &mut Table) {
    let is_finished = |row: &&Row| row.status == Some(Status::Finished);
    let test_sets: BTreeSet<&str> = table
        .measured()
        .filter(is_finished)
        .filter_map(|row| row.test_set.as_deref())
        .collect();
    let tests_differ = test_sets.len() > 1;
    for (index, column) in table.columns.iter().enumerate() {
        let Column::Metric(metric) = column else {
            continue;
        };
        let figure = |row: &Row| match &row.cells[index].value {
            Value::Figure { figure, .. }
                if figure.is_finite()
                    && row.status == Some(Status::Finished)
                    && row.kind == Kind::Measured =>
            {
                Some(*figure)
            }
            _ => None,
        };
        let figures: Vec<f64> = table.rows.iter().filter_map(figure).collect();
        let best = figures
            .iter()
            .copied()
            .reduce(|a, b| metric.better(a, b))
            .filter(|_| figures.len() > 1)
            .filter(|_| !(tests_differ && metric.is_of_test()));
        for row in &mut table.rows {
            let is_best = best.is_some() && figure(row) == best;
            row.cells[index].best = is_best;
        }
    }
}
