//! The experiments screen: its rows, their order and the marked runs. Rows are rebuilt when their
//! inputs change, never for a key or a frame: there may be ten thousand.

mod rows;
mod sort_key;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use warmstart_runs::run::RunId;

use super::entry::{Entry, Place};
use super::{Filter, Model, Screen, Selection};
use crate::columns::{self as list_columns, ColumnId};
use warmstart_report::query::Query;
use warmstart_runs::store::Run;

pub(crate) use self::rows::Line;
use self::rows::{Group, Key, Rows};

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

impl Listing {
    /// Sets the initial columns and sort order by name; a leading dash reverses the order. No name is the list's own order, and an
    /// unknown one, perhaps of another version, changes nothing.
    pub(crate) fn choose(&mut self, columns: Option<&[String]>, sort: Option<&str>) {
        if let Some(names) = columns {
            self.columns = names
                .iter()
                .filter_map(|name| list_columns::named(name))
                .collect();
            list_columns::arrange(&mut self.columns);
        }
        if let Some(sort) = sort {
            let reversed = sort.strip_prefix('-');
            let name = reversed.unwrap_or(sort);
            let column = list_columns::named(name);
            if column.is_some() || name.is_empty() {
                self.sort = column;
                self.reversed = reversed.is_some();
            }
        }
    }

    /// Whether a row shows a group of runs.
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
}

impl Model {
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
        let run = key.run.as_ref().and_then(|id| self.runs.get(id));
        Entry {
            group: self.group_of(key),
            kind: key.kind,
            file: key.file.and_then(|index| self.files().get(index)),
            run,
            members: key.members.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_column_does_not_change_the_order() {
        let mut list = Listing::default();
        list.choose(None, Some("val_acc"));
        let by_accuracy = list.sort;
        list.choose(None, Some("-a column of tomorrow"));
        assert!(by_accuracy.is_some() && list.sort == by_accuracy && !list.reversed);
        list.choose(None, Some("-"));
        assert!(list.sort.is_none() && list.reversed);
    }
}
