//! The comparison: the screen and the export build the same table from the same options.

use std::collections::{HashMap, HashSet};

use warmstart_runs::run::RunId;
use warmstart_runs::store::Run;
use warmstart_schema::text;

use super::{Filter, ListView, Model, Screen};
use crate::columns::columns;
use warmstart_report::compare::{
    Baseline, Cell, Column, Columns, Kind, Metric, Options, Selection, Table, table,
};
use warmstart_report::edit;
use warmstart_report::plot::{XAxis, x_offset};

/// The compare screen.
#[derive(Debug)]
pub(crate) struct CompareView {
    pub list: ListView<RunId>,
    /// All options except the filter, which belongs to the list.
    pub options: Options,
    /// Columns scrolled out at the left; in a transposed table, fields scrolled out at the top.
    pub scrolled: usize,
    pub curves: Curves,
    /// Show every run's figures at this epoch.
    pub cursor: Option<u32>,
    /// The resulting table, cached until an input changes.
    pub shown: Shown,
}

impl Default for CompareView {
    fn default() -> Self {
        Self {
            list: ListView::default(),
            options: Options {
                selection: Selection::All,
                baseline: Baseline::Published,
                ..Options::default()
            },
            scrolled: 0,
            curves: Curves::default(),
            cursor: None,
            shown: Shown::default(),
        }
    }
}

impl CompareView {
    /// The table's options with the filter.
    pub(crate) fn options(&self) -> Options {
        let filter = self.list.filter.query().cloned().unwrap_or_default();
        Options {
            filter,
            ..self.options.clone()
        }
    }
}

impl CompareView {
    /// The columns that the table can show besides the run names: its own, then the experiment
    /// settings.
    fn choices() -> Vec<Column> {
        let own = Column::own()
            .into_iter()
            .filter(|column| *column != Column::Experiment);
        own.chain(edit::settings().iter().cloned().map(Column::Config))
            .collect()
    }

    /// Shows or hides a column. Columns keep their standard order.
    pub(crate) fn toggle(&mut self, chosen: usize) {
        let choices = Self::choices();
        let Some(column) = choices.get(chosen) else {
            return;
        };
        let mut columns = self.shown.table().columns.clone();
        if columns.contains(column) {
            columns.retain(|other| other != column);
            if self.options.sort.as_ref() == Some(column) {
                self.options.sort = None;
                self.options.reversed = false;
            }
        } else {
            let order = |column: &Column| choices.iter().position(|choice| choice == column);
            let place = columns
                .iter()
                .position(|other| order(other) > order(column))
                .unwrap_or(columns.len());
            columns.insert(place, column.clone());
        }
        self.options.columns = Columns::Named(columns);
        self.scrolled = 0;
    }
}

/// The chart below the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Curves {
    /// Validation accuracy, if the table leaves enough space.
    #[default]
    Automatic,
    Of(Metric),
    Hidden,
}

impl Curves {
    pub(crate) fn metric(self) -> Option<Metric> {
        match self {
            Self::Automatic => Some(Metric::ValAcc),
            Self::Of(metric) => Some(metric),
            Self::Hidden => None,
        }
    }

    #[must_use]
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Automatic => Self::Of(Metric::ValLoss),
            Self::Of(Metric::ValLoss) => Self::Of(Metric::TrainAcc),
            Self::Of(Metric::TrainAcc) => Self::Of(Metric::TrainLoss),
            Self::Of(Metric::TrainLoss) => Self::Hidden,
            Self::Hidden | Self::Of(_) => Self::Of(Metric::ValAcc),
        }
    }
}

/// The table of the compare screen, and the inputs that it was built from.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    table: Table,
    ids: Vec<RunId>,
    /// Number of older runs, by run; it selects the marker and the colour.
    ranks: HashMap<RunId, usize>,
    widths: Vec<u16>,
    /// Epochs before the start, for each run that continues another shown run.
    after: HashMap<RunId, u32>,
    made_from: Option<(u64, u64, Options)>,
}

impl Shown {
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The run of each row that can be selected; the first run of a row with several.
    pub(crate) fn ids(&self) -> &[RunId] {
        &self.ids
    }

    /// The number of older runs; `None` if too many runs are shown to tell markers apart.
    pub(crate) fn rank(&self, id: &RunId) -> Option<usize> {
        self.ranks.get(id).copied()
    }

    /// Epochs of the shown runs that this run continues, else 0.
    pub(crate) fn after(&self, id: &RunId) -> u32 {
        self.after.get(id).copied().unwrap_or_default()
    }

    /// Width of a column's widest cell in characters.
    pub(crate) fn width(&self, column: usize) -> u16 {
        self.widths.get(column).copied().unwrap_or_default()
    }

    /// Indices of the columns to draw. The name has its own column, the status is a glyph, and the
    /// run's long id is the least important column.
    pub(crate) fn drawn_columns(&self) -> Vec<usize> {
        let all = || self.table.columns.iter().enumerate();
        let is_figure =
            |column: &Column| !matches!(column, Column::Experiment | Column::State | Column::Run);
        let figures = all().filter(|(_, column)| is_figure(column));
        figures
            .chain(all().filter(|(_, column)| **column == Column::Run))
            .map(|(index, _)| index)
            .collect()
    }

    /// Indices of the columns that a transposed table draws as rows. The name is above each run.
    pub(crate) fn fields(&self) -> impl Iterator<Item = usize> {
        let all = self.table.columns.iter().enumerate();
        all.filter(|(_, column)| **column != Column::Experiment)
            .map(|(index, _)| index)
    }

    /// The columns that the sort key cycles through.
    pub(crate) fn sortable(&self) -> Vec<Column> {
        let is_label =
            |column: &&Column| matches!(column, Column::Experiment | Column::Run | Column::State);
        self.table
            .columns
            .iter()
            .filter(|column| !is_label(column))
            .cloned()
            .collect()
    }
}

impl Model {
    /// The columns that the open screen can show, and whether each is shown.
    pub(crate) fn column_choices(&self) -> Vec<(String, bool)> {
        match &self.open {
            Screen::Experiments(list) => columns()
                .map(|column| (column.title.to_owned(), list.columns.contains(&column)))
                .collect(),
            Screen::Compare(view) => {
                let shown = &view.shown.table().columns;
                let choice = |column: &Column| match column {
                    Column::Config(path) => (path.clone(), shown.contains(column)),
                    column => (column.title(), shown.contains(column)),
                };
                CompareView::choices().iter().map(choice).collect()
            }
            Screen::Run(_) | Screen::Machine(_) | Screen::Dataset(_) => Vec::new(),
        }
    }

    /// The options of the open comparison, or of the one that would open from here.
    pub(crate) fn comparison_options(&self) -> Options {
        if let Screen::Compare(view) = &self.open {
            view.options()
        } else {
            self.next_comparison().options()
        }
    }

    /// The comparison to open from this screen. From the list: of the marked runs if there are two
    /// or more, else of the filtered runs. From other screens: of all runs.
    pub(crate) fn next_comparison(&self) -> CompareView {
        let mut view = CompareView::default();
        if let Screen::Experiments(list) = &self.open {
            if list.marked.len() > 1 {
                let marked = self.targets();
                let ids = marked.iter().map(|run| run.id.clone()).collect();
                // The row of a group marks its newest run that is shown.
                let entries = self.shown_entries();
                let rows = entries.iter().filter(|entry| entry.members.is_some());
                let rows: HashSet<&RunId> = rows.filter_map(|entry| Some(&entry.run?.id)).collect();
                let (groups, others): (Vec<&Run>, Vec<&Run>) =
                    marked.iter().partition(|run| rows.contains(&run.id));
                let is_member = |run: &&Run| run.member().is_some();
                view.options.selection = if !groups.is_empty() && !others.iter().any(is_member) {
                    Selection::Groups(ids)
                } else {
                    Selection::Runs(ids)
                };
            } else if let Some(query) = list
                .filter
                .query()
                .filter(|query| !query.source().is_empty())
            {
                view.list.filter = Filter::Set(query.clone());
            }
        }
        view
    }

    /// Builds the table for these options.
    pub(crate) fn comparison(&self, options: &Options) -> Table {
        table(&self.runs, self.files(), options)
    }

    /// Rebuilds the open comparison's table if an input changed.
    pub(crate) fn refresh_comparison(&mut self) {
        let Screen::Compare(view) = &self.open else {
            return;
        };
        let made_from = Some((
            self.runs.revision(),
            self.catalogue_revision,
            view.options(),
        ));
        if view.shown.made_from == made_from {
            return;
        }
        let table = self.comparison(&view.options());
        let measured = table.rows.iter().filter(|row| row.kind == Kind::Measured);
        let ids: Vec<RunId> = measured
            .filter_map(|row| row.runs.first().cloned())
            .collect();
        let drawn: HashSet<&RunId> = table.rows.iter().flat_map(|row| &row.runs).collect();
        let ranks = if drawn.len() > MOST_MARKED {
            HashMap::new()
        } else {
            let all = self
                .runs
                .iter()
                .enumerate()
                .filter(|(_, run)| drawn.contains(&run.id));
            all.map(|(rank, run)| (run.id.clone(), rank)).collect()
        };
        let widths = (0..table.columns.len())
            .map(|column| width(&table, column))
            .collect();
        let find = |id: &RunId| self.runs.get(id).filter(|_| drawn.contains(id));
        let continued = drawn.iter().filter_map(|id| self.runs.get(id)).map(|run| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "epochs, and it saturates"
            )]
            let epochs = x_offset(run, &find, XAxis::Epoch).round() as u32;
            (run.id.clone(), epochs)
        });
        let after = continued.filter(|(_, epochs)| *epochs > 0).collect();
        if let Screen::Compare(view) = &mut self.open {
            view.list.selection.follow(&ids);
            view.shown = Shown {
                table,
                ids,
                ranks,
                widths,
                after,
                made_from,
            };
        }
    }
}

/// With more runs than this, markers cannot be told apart.
const MOST_MARKED: usize = 200;

fn width(table: &Table, column: usize) -> u16 {
    let cells = table.rows.iter().filter_map(|row| row.cells.get(column));
    u16::try_from(cells.map(cell_width).max().unwrap_or(0)).unwrap_or(u16::MAX)
}

/// Characters that a cell takes on the screen, with the sign of the best or the mark of its footnote.
pub(crate) fn cell_width(cell: &Cell) -> usize {
    let sign = match (cell.best, &cell.mark) {
        (true, _) => 1,
        (false, Some(mark)) => text::columns(mark),
        (false, None) => 0,
    };
    sign + cell.value.shown().map_or(1, |text| text::columns(&text))
}
