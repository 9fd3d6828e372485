//! The experiments screen: its rows, their order and the marked runs. Rows are rebuilt when their
//! inputs change, never for a key or a frame: there may be ten thousand.

mod columns;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use warmstart_runs::run::RunId;

use super::entry::{Entry, Kind, Place, WITHOUT_FILE};
use super::{Filter, Model, Screen, Selection};
use crate::columns::{self as list_columns, ColumnId};
use warmstart_report::group::Summary;
use warmstart_report::query::{Query, Subject};
use warmstart_runs::store::{ExperimentFile, Home, Run};

use self::columns::SortKey;

/// The group title of the flat list.
const ALL_RUNS: &str = "all runs, the newest first";
const SORTED_RUNS: &str = "all runs";

/// The state of the list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub selection: Selection<Place>,
    pub filter: Filter,
    /// Experiments whose runs are shown below them.
    pub expanded: HashSet<PathBuf>,
    /// Show only runs, of all experiments together.
    pub flat: bool,
    /// Show archived runs.
    pub archived: bool,
    pub sort: Option<ColumnId>,
    pub reversed: bool,
    /// The columns to draw, if they fit.
    pub columns: Vec<ColumnId>,
    /// Marked runs: keys act on all of them.
    pub marked: BTreeSet<RunId>,
    /// The resulting rows.
    rows: Rows,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            filter: Filter::default(),
            expanded: HashSet::new(),
            flat: false,
            archived: false,
            sort: None,
            reversed: false,
            columns: list_columns::usual(),
            marked: BTreeSet::new(),
            rows: Rows::default(),
        }
    }
}

/// Rows and the inputs that they were built from.
#[derive(Debug, Default)]
struct Rows {
    keys: Vec<Key>,
    places: Vec<Place>,
    lines: Vec<Line>,
    /// The line of each row.
    line_of: Vec<usize>,
    selected: Option<usize>,
    has_groups: bool,
    made_from: Option<MadeFrom>,
}

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// The title of the group that starts with this row.
    Group(usize),
    Row(usize),
}

/// A row in the cache; its content is looked up for drawing.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    group: Group,
    kind: Kind,
    /// Index of the file in the catalogue.
    file: Option<usize>,
    run: Option<RunId>,
    /// The group of that run, where the row stands for all of it.
    members: Option<Arc<Summary>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Group {
    /// Index of a file in the group.
    Of(usize),
    Text(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
struct MadeFrom {
    runs: u64,
    catalogue: u64,
    filter: String,
    expanded: HashSet<PathBuf>,
    flags: (bool, bool, bool),
    sort: Option<ColumnId>,
}

impl Listing {
    /// Sets the initial columns and sort order by name; a leading dash reverses the order.
    pub(crate) fn choose(&mut self, columns: Option<&[String]>, sort: Option<&str>) {
        if let Some(names) = columns {
            self.columns = names
                .iter()
                .filter_map(|name| list_columns::named(name))
                .collect();
            list_columns::arrange(&mut self.columns);
        }
        if let Some(sort) = sort {
            let name = sort.strip_prefix('-');
            self.sort = list_columns::named(name.unwrap_or(sort));
            self.reversed = name.is_some();
        }
    }

    /// Whether a row stands for a group of runs.
    pub(crate) fn has_groups(&self) -> bool {
        self.rows.has_groups
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.keys.is_empty()
    }

    /// Index of the selected row.
    pub(crate) fn selected(&self) -> Option<usize> {
        self.rows.selected
    }

    /// The rows and group titles in display order.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.rows.lines
    }

    /// The line of a row.
    pub(crate) fn line_of(&self, row: usize) -> usize {
        self.rows.line_of.get(row).copied().unwrap_or(0)
    }

    /// Moves the selection by `by` rows.
    pub(crate) fn step(&mut self, by: isize) {
        if let Some(index) = self.rows.selected {
            self.select(index.saturating_add_signed(by));
        }
    }

    pub(crate) fn select(&mut self, index: usize) {
        self.selection.select(&self.rows.places, index);
        self.rows.selected = self.selection.index(&self.rows.places);
    }

    /// Selects a row; returns false if it is not in the list.
    pub(crate) fn select_place(&mut self, place: &Place) -> bool {
        let index = self.rows.places.iter().position(|other| other == place);
        index.map(|index| self.select(index)).is_some()
    }

    /// Sorts by the next shown column; after the last one restores the list's own order.
    pub(crate) fn sort_by_next(&mut self) {
        let at = self
            .sort
            .and_then(|sort| self.columns.iter().position(|column| *column == sort));
        self.sort = self.columns.get(at.map_or(0, |at| at + 1)).copied();
        self.reversed = false;
    }

    /// Shows or hides a column; columns keep their order.
    pub(crate) fn toggle(&mut self, column: ColumnId) {
        if self.columns.contains(&column) {
            self.columns.retain(|other| *other != column);
            if self.sort == Some(column) {
                self.sort = None;
                self.reversed = false;
            }
        } else {
            self.columns.push(column);
            list_columns::arrange(&mut self.columns);
        }
    }

    /// Whether the list may show a run: archived runs are hidden by default.
    fn may_show(&self, run: &Run) -> bool {
        let asked = || self.filter.query().is_some_and(Query::asks_for_archived);
        !run.annotation.archived || self.archived || asked()
    }

    fn made_from(&self, runs: u64, catalogue: u64) -> MadeFrom {
        MadeFrom {
            runs,
            catalogue,
            filter: self.filter.text().to_owned(),
            expanded: self.expanded.clone(),
            flags: (self.flat, self.archived, self.reversed),
            sort: self.sort,
        }
    }
}

impl Model {
    /// Rebuilds the open list's rows if an input changed.
    pub(crate) fn refresh_list(&mut self) {
        let Screen::Experiments(list) = &self.open else {
            return;
        };
        let made_from = list.made_from(self.runs.revision(), self.catalogue_revision);
        if list.rows.made_from.as_ref() == Some(&made_from) {
            return;
        }
        let keys = if list.flat {
            self.flat(list)
        } else {
            self.tree(list)
        };
        let places: Vec<Place> = keys
            .iter()
            .filter_map(|key| self.entry_of(key).place())
            .collect();
        let selected = list.selection.index(&places);
        let has_groups = keys.iter().any(|key| key.members.is_some());
        let (mut lines, mut line_of) = (Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| keys.get(before));
            if before.is_none_or(|before| self.group_of(before) != self.group_of(key)) {
                lines.push(Line::Group(index));
            }
            line_of.push(lines.len());
            lines.push(Line::Row(index));
        }
        if let Screen::Experiments(list) = &mut self.open {
            list.rows = Rows {
                keys,
                places,
                lines,
                line_of,
                selected,
                has_groups,
                made_from: Some(made_from),
            };
        }
    }

    /// The row at an index of the open list.
    pub(crate) fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let Screen::Experiments(list) = &self.open else {
            return None;
        };
        list.rows.keys.get(index).map(|key| self.entry_of(key))
    }

    /// Every row of the open list.
    pub(crate) fn shown_entries(&self) -> Vec<Entry<'_>> {
        let Screen::Experiments(list) = &self.open else {
            return Vec::new();
        };
        list.rows
            .keys
            .iter()
            .map(|key| self.entry_of(key))
            .collect()
    }

    pub(crate) fn selected_entry(&self) -> Option<Entry<'_>> {
        let Screen::Experiments(list) = &self.open else {
            return None;
        };
        self.entry(list.selected()?)
    }

    /// The runs that a key acts on: the marked runs, else the selected one.
    pub(crate) fn targets(&self) -> Vec<&Run> {
        let marked: Vec<&Run> = match &self.open {
            Screen::Experiments(list) => list
                .marked
                .iter()
                .filter_map(|id| self.runs.get(id))
                .collect(),
            _ => Vec::new(),
        };
        if marked.is_empty() {
            self.run().into_iter().collect()
        } else {
            marked
        }
    }

    fn group_of(&self, key: &Key) -> &str {
        match key.group {
            Group::Text(text) => text,
            Group::Of(index) => self.groups.get(index).map_or("", String::as_str),
        }
    }

    fn entry_of<'a>(&'a self, key: &'a Key) -> Entry<'a> {
        let files = self
            .catalogue
            .as_ref()
            .map_or(&[][..], |catalogue| &catalogue.files);
        let run = key.run.as_ref().and_then(|id| self.runs.get(id));
        Entry {
            group: self.group_of(key),
            kind: key.kind,
            file: key.file.and_then(|index| files.get(index)),
            run,
            members: key.members.as_deref(),
        }
    }

    /// The rows of the flat list.
    fn flat(&self, list: &Listing) -> Vec<Key> {
        let files = self
            .catalogue
            .as_ref()
            .map_or(&[][..], |catalogue| &catalogue.files);
        let by_home: HashMap<Home, usize> = files
            .iter()
            .enumerate()
            .map(|(index, file)| (file.home(), index))
            .collect();
        let group = Group::Text(if list.sort.is_none() && !list.reversed {
            ALL_RUNS
        } else {
            SORTED_RUNS
        });
        let fits = |run: &&Run| list.may_show(run) && list.filter.matches(&Subject::of_run(run));
        let mut runs: Vec<&Run> = self.runs.iter().rev().filter(fits).collect();
        if list.sort.is_none() {
            runs.sort_by_key(|run| {
                std::cmp::Reverse(run.info.as_ref().ok().map(|info| info.created))
            });
        }
        Self::arrange(list, &mut runs);
        let key = |run: &Run| Key {
            group,
            kind: Kind::Run,
            file: self
                .runs
                .home(run)
                .and_then(|home| by_home.get(home).copied()),
            run: Some(run.id.clone()),
            members: None,
        };
        runs.into_iter().map(key).collect()
    }

    /// Sorts runs by the list's column.
    fn arrange(list: &Listing, runs: &mut [&Run]) {
        if let Some(column) = list.sort {
            sort(runs, column, list.reversed, |run| {
                columns::sort_key(
                    column,
                    &Entry {
                        group: "",
                        kind: Kind::Run,
                        file: None,
                        run: Some(run),
                        members: None,
                    },
                )
            });
        } else if list.reversed {
            runs.reverse();
        }
    }

    /// The rows of the tree: each file with its newest run, its runs below it if expanded, then
    /// runs without a file.
    fn tree(&self, list: &Listing) -> Vec<Key> {
        let Some(catalogue) = &self.catalogue else {
            return Vec::new();
        };
        let files = &catalogue.files;
        let mut keys = Vec::new();
        let mut begin = 0;
        while begin < files.len() {
            // Files of one group are adjacent.
            let group = self.groups.get(begin);
            let length = (begin..files.len())
                .take_while(|&index| self.groups.get(index) == group)
                .count();
            let mut heads: Vec<(Key, Vec<&Run>)> = (begin..begin + length)
                .filter_map(|index| self.experiment(list, index))
                .collect();
            if let Some(column) = list.sort {
                sort(&mut heads, column, list.reversed, |(key, _)| {
                    columns::sort_key(column, &self.entry_of(key))
                });
            } else if list.reversed {
                heads.reverse();
            }
            for (key, runs) in heads {
                let below = Key {
                    kind: Kind::RunBelow,
                    members: None,
                    ..key.clone()
                };
                keys.push(key);
                keys.extend(runs.into_iter().map(|run| Key {
                    run: Some(run.id.clone()),
                    ..below.clone()
                }));
            }
            begin += length.max(1);
        }
        let homes: HashSet<Home> = files.iter().map(ExperimentFile::home).collect();
        let gone = self
            .runs
            .latest()
            .filter(|run| self.runs.home(run).is_none_or(|home| !homes.contains(home)));
        let fits = |run: &&Run| {
            let subject = Subject::new(None, Some(run), WITHOUT_FILE);
            list.may_show(run) && list.filter.matches(&subject)
        };
        let mut gone: Vec<&Run> = gone.filter(fits).collect();
        gone.sort_unstable_by(|a, b| b.id.cmp(&a.id));
        Self::arrange(list, &mut gone);
        let group = Group::Text(WITHOUT_FILE);
        let key = |run: &Run| Key {
            group,
            kind: Kind::Experiment,
            file: None,
            run: Some(run.id.clone()),
            members: Summary::of(&self.runs, run).map(Arc::new),
        };
        keys.extend(gone.into_iter().map(key));
        keys
    }

    /// The rows of a file and of the runs below it, newest first; empty if the filter hides all of
    /// them.
    fn experiment<'a>(&'a self, list: &Listing, index: usize) -> Option<(Key, Vec<&'a Run>)> {
        let file = self.catalogue.as_ref()?.files.get(index)?;
        let group = self.groups.get(index).map_or("", String::as_str);
        let subject = |run| Subject::new(Some(file), run, group);
        let home = file.home();
        let mut visible = self
            .runs
            .all_of(&home)
            .rev()
            .filter(|run| list.may_show(run))
            .peekable();
        let newest = visible.peek().copied();
        let members = newest.and_then(|run| Summary::of(&self.runs, run));
        let fits = list.filter.matches(&Subject {
            members: members.as_ref(),
            ..subject(newest)
        });
        let is_expanded = list.expanded.contains(&file.path);
        let mut runs: Vec<&Run> = Vec::new();
        // If only an older run matches, show that run below its experiment.
        if is_expanded || !fits {
            runs.extend(visible.filter(|run| list.filter.matches(&subject(Some(run)))));
            Self::arrange(list, &mut runs);
        }
        let run = newest.map(|run| run.id.clone());
        let key = Key {
            group: Group::Of(index),
            kind: Kind::Experiment,
            file: Some(index),
            run,
            members: members.map(Arc::new),
        };
        (fits || !runs.is_empty()).then_some((key, runs))
    }
}

/// Sorts by a column, best or first on top. Rows without a value are last in both directions.
fn sort<T>(rows: &mut [T], column: ColumnId, reversed: bool, worth: impl Fn(&T) -> SortKey) {
    let order = |a: &SortKey, b: &SortKey| match (a, b) {
        (SortKey::Nothing, SortKey::Nothing) => Ordering::Equal,
        (SortKey::Nothing, _) | (SortKey::Text(_), SortKey::Figure(_)) => Ordering::Greater,
        (_, SortKey::Nothing) | (SortKey::Figure(_), SortKey::Text(_)) => Ordering::Less,
        (SortKey::Figure(a), SortKey::Figure(b)) if column.largest_first != reversed => {
            b.total_cmp(a)
        }
        (SortKey::Figure(a), SortKey::Figure(b)) => a.total_cmp(b),
        (SortKey::Text(a), SortKey::Text(b)) if reversed => b.cmp(a),
        (SortKey::Text(a), SortKey::Text(b)) => a.cmp(b),
    };
    // Compute each sort key once, not once per comparison.
    rows.sort_by_cached_key(|row| Keyed(worth(row), order));
}

struct Keyed<F>(SortKey, F);

impl<F: Fn(&SortKey, &SortKey) -> Ordering> Ord for Keyed<F> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.1)(&self.0, &other.0)
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> PartialOrd for Keyed<F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> PartialEq for Keyed<F> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<F: Fn(&SortKey, &SortKey) -> Ordering> Eq for Keyed<F> {}
