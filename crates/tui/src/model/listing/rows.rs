//! The rows of the list, rebuilt when their inputs change.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use warmstart_report::group::Summary;
use warmstart_report::query::Subject;
use warmstart_runs::run::RunId;
use warmstart_runs::store::{ExperimentFile, ExperimentKey, Run};

use super::super::entry::{Entry, Kind, Place, WITHOUT_FILE};
use super::super::{Model, Screen};
use super::Listing;
use super::sort_key::{sort, sort_key};
use crate::columns::ColumnId;

/// The group title of the flat list.
const ALL_RUNS: &str = "all runs, the newest first";
const SORTED_RUNS: &str = "all runs";

/// Rows and the inputs that they were built from.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) keys: Vec<Key>,
    pub(super) places: Vec<Place>,
    pub(super) lines: Vec<Line>,
    /// The line of each row.
    pub(super) line_of: Vec<usize>,
    pub(super) selected: Option<usize>,
    pub(super) has_groups: bool,
    pub(super) made_from: Option<MadeFrom>,
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
pub(super) struct Key {
    pub(super) group: Group,
    pub(super) kind: Kind,
    /// Index of the file in the catalogue.
    pub(super) file: Option<usize>,
    pub(super) run: Option<RunId>,
    /// As [`Entry::members`].
    pub(super) members: Option<Arc<Summary>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Group {
    /// Index of a file in the group.
    Of(usize),
    Text(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct MadeFrom {
    runs: u64,
    catalogue: u64,
    filter: String,
    expanded: HashSet<PathBuf>,
    flat: bool,
    archived: bool,
    reversed: bool,
    sort: Option<ColumnId>,
}

impl Listing {
    fn made_from(&self, runs: u64, catalogue: u64) -> MadeFrom {
        MadeFrom {
            runs,
            catalogue,
            filter: self.filter.text().to_owned(),
            expanded: self.expanded.clone(),
            flat: self.flat,
            archived: self.archived,
            reversed: self.reversed,
            sort: self.sort,
        }
    }
}

impl Model {
    /// Rebuilds the open list's rows if an input changed. A run that is gone keeps no mark.
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
            list.marked.retain(|id| self.runs.get(id).is_some());
            list.selection.follow(&places);
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

    /// The rows of the flat list.
    fn flat(&self, list: &Listing) -> Vec<Key> {
        let by_experiment: HashMap<ExperimentKey, usize> = self
            .files()
            .iter()
            .enumerate()
            .map(|(index, file)| (file.experiment_key(), index))
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
                .experiment_key(run)
                .and_then(|key| by_experiment.get(key).copied()),
            run: Some(run.id.clone()),
            members: None,
        };
        runs.into_iter().map(key).collect()
    }

    /// Sorts runs by the list's column.
    fn arrange(list: &Listing, runs: &mut [&Run]) {
        if let Some(column) = list.sort {
            sort(runs, column, list.reversed, |run| {
                sort_key(
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

    /// The rows of the tree: each file with its newest run, its runs below it if expanded, then runs without a file.
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
            keys.extend(self.group_rows(list, begin..begin + length));
            begin += length.max(1);
        }
        keys.extend(self.rows_without_file(list, files));
        keys
    }

    /// The rows of the files of one group, sorted by the list's column.
    fn group_rows(&self, list: &Listing, files: Range<usize>) -> Vec<Key> {
        let mut heads: Vec<(Key, Vec<&Run>)> = files
            .filter_map(|index| self.experiment(list, index))
            .collect();
        if let Some(column) = list.sort {
            sort(&mut heads, column, list.reversed, |(key, _)| {
                sort_key(column, &self.entry_of(key))
            });
        } else if list.reversed {
            heads.reverse();
        }
        let mut keys = Vec::new();
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
        keys
    }

    /// A row for every experiment whose file is gone, and for every unreadable run.
    fn rows_without_file(&self, list: &Listing, files: &[ExperimentFile]) -> Vec<Key> {
        let known: HashSet<ExperimentKey> =
            files.iter().map(ExperimentFile::experiment_key).collect();
        let gone = self
            .runs
            .experiment_keys()
            .filter(|key| !known.contains(*key))
            .filter_map(|key| self.row_without_file(list, self.runs.all_of(key).rev()));
        let unreadable = self
            .runs
            .iter()
            .filter(|run| run.info.is_err())
            .filter_map(|run| self.row_without_file(list, std::iter::once(run)));
        let mut keys: Vec<Key> = gone.chain(unreadable).collect();
        keys.sort_unstable_by(|a, b| b.run.cmp(&a.run));
        if let Some(column) = list.sort {
            sort(&mut keys, column, list.reversed, |key| {
                sort_key(column, &self.entry_of(key))
            });
        } else if list.reversed {
            keys.reverse();
        }
        keys
    }

    /// The row of one experiment without a file, whose runs come newest first. It shows the newest run and its group. If the
    /// filter matches only an older run, it shows that run alone.
    fn row_without_file<'a>(
        &self,
        list: &Listing,
        runs: impl Iterator<Item = &'a Run>,
    ) -> Option<Key> {
        let mut visible = runs.filter(|run| list.may_show(run)).peekable();
        let newest = *visible.peek()?;
        let members = Summary::of(&self.runs, newest);
        let subject = |run| Subject::new(None, Some(run), WITHOUT_FILE);
        let fits = list.filter.matches(&Subject {
            members: members.as_ref(),
            ..subject(newest)
        });
        let (run, members) = if fits {
            (newest, members)
        } else {
            let older = visible.find(|&run| list.filter.matches(&subject(run)))?;
            (older, None)
        };
        Some(Key {
            group: Group::Text(WITHOUT_FILE),
            kind: Kind::Experiment,
            file: None,
            run: Some(run.id.clone()),
            members: members.map(Arc::new),
        })
    }

    /// The rows of a file and of the runs below it, newest first; empty if the filter hides all of
    /// them.
    fn experiment<'a>(&'a self, list: &Listing, index: usize) -> Option<(Key, Vec<&'a Run>)> {
        let file = self.files().get(index)?;
        let group = self.groups.get(index).map_or("", String::as_str);
        let subject = |run| Subject::new(Some(file), run, group);
        let key = file.experiment_key();
        let mut visible = self
            .runs
            .all_of(&key)
            .rev()
            .filter(|run| list.may_show(run))
            .peekable();
        let newest = visible.peek().copied();
        let members = newest.and_then(|run| Summary::of(&self.runs, run));
        let fits = list.filter.matches(&Subject {
            members: members.as_ref(),
            is_archived: newest.is_none() && self.has_run(file),
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
