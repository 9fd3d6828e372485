//! Applies the keys of the compare screen.

use crate::command::{Command, ComparisonCommand};
use crate::effect::Effect;
use crate::format::bytes;
use crate::message::Report;
use crate::model::{CompareView, Model, Popup, Screen, Selection};
use warmstart_report::compare::{Baseline, Column, Columns, Format, Selection as Compared, render};

/// Most bytes for the clipboard: xterm and tmux refuse more than this in Base64.
const CLIPBOARD: usize = 74_994;

/// Runs a command of the compare screen.
pub(crate) fn change(model: &mut Model, change: ComparisonCommand) -> Vec<Effect> {
    match change {
        ComparisonCommand::Copy => return copy(model),
        ComparisonCommand::CopyCommand => return copy_command(model),
        ComparisonCommand::NextSelection => next_selection(model),
        _ => {}
    }
    let run = model.run().map(|run| run.id.clone());
    let Screen::Compare(view) = &mut model.open else {
        return Vec::new();
    };
    let options = &mut view.options;
    match change {
        ComparisonCommand::Differing => {
            options.columns = toggled(&options.columns, Columns::Differing);
        }
        ComparisonCommand::Config => {
            options.columns = toggled(&options.columns, Columns::Config);
            options.transposed = options.columns == Columns::Config;
        }
        ComparisonCommand::Pin => {
            let pinned = run.map_or(Baseline::Published, Baseline::Run);
            options.baseline = if options.baseline == pinned {
                Baseline::Published
            } else {
                pinned
            };
        }
        ComparisonCommand::Transpose => options.transposed = !options.transposed,
        ComparisonCommand::Seeds => options.merge_seeds = !options.merge_seeds,
        ComparisonCommand::Members => options.members = !options.members,
        ComparisonCommand::NextFigures => options.figures = options.figures.next(),
        ComparisonCommand::NextChart => view.curves = view.curves.next(),
        ComparisonCommand::Hide => hide(view),
        ComparisonCommand::EpochBefore | ComparisonCommand::EpochAfter => {
            move_cursor(model, change == ComparisonCommand::EpochAfter);
            return Vec::new();
        }
        ComparisonCommand::NextSelection
        | ComparisonCommand::Copy
        | ComparisonCommand::CopyCommand => {}
    }
    if !matches!(
        change,
        ComparisonCommand::NextChart | ComparisonCommand::Pin
    ) {
        view.scrolled = 0;
    }
    Vec::new()
}

fn toggled(columns: &Columns, wanted: Columns) -> Columns {
    if *columns == wanted {
        Columns::Standard
    } else {
        wanted
    }
}

/// Switches between all runs and one run of each experiment. Chosen runs or groups give way to the latter.
fn next_selection(model: &mut Model) {
    let Screen::Compare(view) = &mut model.open else {
        return;
    };
    view.options.selection = match view.options.selection {
        Compared::All | Compared::Runs(_) | Compared::Groups(_) => Compared::Newest,
        Compared::Newest => Compared::All,
    };
}

/// Hides the column that the table is sorted by; the order stays.
fn hide(view: &mut CompareView) {
    let Some(sort) = &view.options.sort else {
        return;
    };
    let kept: Vec<Column> = view
        .shown
        .table()
        .columns
        .iter()
        .filter(|column| *column != sort)
        .cloned()
        .collect();
    view.options.columns = Columns::Named(kept);
}

/// Sorts by the next column of figures; after the last one in the order of the experiments.
pub(crate) fn sort(model: &mut Model) {
    if let Screen::Compare(view) = &mut model.open {
        let columns = view.shown.sortable();
        let next = match &view.options.sort {
            None => 0,
            Some(sort) => columns
                .iter()
                .position(|column| column == sort)
                .map_or(0, |index| index + 1),
        };
        view.options.sort = columns.get(next).cloned();
        view.options.reversed = false;
        view.list.selection = Selection::default();
    }
}

/// Sorts by a column of the table, or reverses its order.
pub(crate) fn sort_by(model: &mut Model, column: usize) {
    let Screen::Compare(view) = &mut model.open else {
        return;
    };
    let Some(column) = view.shown.table().columns.get(column).cloned() else {
        return;
    };
    if !view.shown.sortable().contains(&column) {
        return;
    }
    let is_again = view.options.sort.as_ref() == Some(&column);
    view.options.reversed = is_again && !view.options.reversed;
    view.options.sort = Some(column);
    view.list.selection = Selection::default();
}

/// Moves the cursor to the epoch nearest to a position.
pub(crate) fn point_at(model: &mut Model, x: f64) {
    let Screen::Compare(view) = &mut model.open else {
        return;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an epoch, and it saturates"
    )]
    let epoch = x.round().max(1.0) as u32;
    view.cursor = Some(epoch);
}

pub(crate) fn reverse(model: &mut Model) {
    if let Screen::Compare(view) = &mut model.open {
        view.options.reversed = !view.options.reversed;
        view.list.selection = Selection::default();
    }
}

/// Moves down the rows: runs, or fields in a transposed table.
pub(crate) fn move_down(view: &mut CompareView, by: isize) {
    if view.options.transposed {
        let last = view.shown.fields().count().saturating_sub(1);
        view.scrolled = view.scrolled.saturating_add_signed(by).min(last);
    } else {
        view.list.selection.step(view.shown.ids(), by);
    }
}

pub(crate) fn move_right(view: &mut CompareView, by: isize) {
    if view.options.transposed {
        view.list.selection.step(view.shown.ids(), by);
    } else {
        let last = view.shown.drawn_columns().len().saturating_sub(1);
        view.scrolled = view.scrolled.saturating_add_signed(by).min(last);
    }
}

/// Moves the cursor by one epoch, within the epochs of all shown runs.
fn move_cursor(model: &mut Model, after: bool) {
    let Screen::Compare(view) = &model.open else {
        return;
    };
    // A row may stand for several runs, and the chart draws each.
    let rows = view.shown.table().measured();
    let runs = rows
        .flat_map(|row| &row.runs)
        .filter_map(|id| model.runs.get(id));
    let epochs = runs.flat_map(|run| {
        let after = view.shown.after(&run.id);
        run.state
            .epochs
            .iter()
            .map(move |epoch| epoch.epoch.saturating_add(after))
    });
    let Some((first, last)) = epochs.fold(None, |reach: Option<(u32, u32)>, epoch| {
        Some(reach.map_or((epoch, epoch), |(first, last)| {
            (first.min(epoch), last.max(epoch))
        }))
    }) else {
        return;
    };
    let to = match (view.cursor, after) {
        (None, true) => first,
        (None, false) => last,
        (Some(epoch), true) => epoch.saturating_add(1),
        (Some(epoch), false) => epoch.saturating_sub(1),
    };
    if let Screen::Compare(view) = &mut model.open {
        view.cursor = Some(to.clamp(first, last));
    }
}

/// Exports the open comparison, or the one that would open from here, in the chosen format.
pub(crate) fn export(model: &Model, chosen: usize) -> Vec<Effect> {
    let format = Format::ALL[chosen.min(Format::ALL.len() - 1)];
    vec![Effect::Export {
        text: text(model, format),
        extension: format.extension(),
    }]
}

fn text(model: &Model, format: Format) -> String {
    render(&model.comparison(&model.comparison_options()), format, None)
}

/// Closes the export popup and returns the format that it had selected; Markdown if it was not open.
fn close_export(model: &mut Model) -> Format {
    match model.popup.take() {
        Some(Popup::Export { chosen }) => Format::ALL[chosen.min(Format::ALL.len() - 1)],
        _ => Format::Md,
    }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let format = close_export(model);
    let text = text(model, format);
    let what = format!("the table as {}", format.name());
    to_clipboard(model, text, &what)
}

fn copy_command(model: &mut Model) -> Vec<Effect> {
    let format = close_export(model);
    let command = model.comparison_options().command(format, &model.folders);
    to_clipboard(model, command, "the command")
}

/// Copies a text to the terminal's clipboard, unless it is too large. `what` names it in the report.
fn to_clipboard(model: &mut Model, text: String, what: &str) -> Vec<Effect> {
    let size = bytes(text.len() as u64);
    if text.len() > CLIPBOARD {
        let write = model.key_hint(Command::Export, "writes a file");
        let text = format!("{size} are more than terminals take for their clipboard{write}");
        model.report = Some(Report { good: false, text });
        return Vec::new();
    }
    // The terminal does not report whether it accepted the text.
    let text_of_report = format!(
        "{what} was handed to the terminal's clipboard (in tmux: `set -g set-clipboard on`)"
    );
    model.report = Some(Report {
        good: true,
        text: text_of_report,
    });
    vec![Effect::Copy(text)]
}
