//! ```text
//!    experiment                backbone   px  state      epoch  val acc  test acc     time
//!  study
//!  ● ResNet, original input    resnet50   32  done       30/30   0.0724    0.0697   7m 19s
//! ▐◐ ResNet, resized input     resnet50  224  training   12/30   0.6180         –  21m 04s
//!  quickstart
//!  ✗ broken.yaml               line 3: train.epochs: expected a whole number
//! ─────────────────────────────────────────────────────────────────────────────────────────
//!  the selected one: its question, its curve, its parameters, its progress
//! ```
//! Every experiment with the state of its newest run, and all of its runs below it if the user expands it; or runs alone. If the
//! width is too small, the usual columns go in this order: creation, backbone, pixels, time, test accuracy, epoch, validation
//! accuracy.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use warmstart_schema::event::{Level, Phase};
use warmstart_schema::experiment::in_words;
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::detail;
use crate::columns::ColumnId;
use crate::command::{Command, ListCommand};
use crate::format::{NOT_YET, duration, metric, path, plural, rate};
use crate::keys::Context;
use crate::model::{Entry, Filter, Kind, ListLine, Listing, Model, Typing};
use crate::mouse::{HitBox, HitMap};
use crate::screen::paint;
use crate::screen::table::{self, Column};
use crate::theme::THEME;
use warmstart_report::field::{Fact, Form};
use warmstart_runs::store::{ExperimentFile, Run};
use warmstart_schema::metric::Unit;

/// How a column is drawn.
fn column(id: ColumnId) -> Column {
    Column {
        title: id.title,
        width: id.list.map_or(0, |list| list.width),
        is_figure: id.form.is_figure(),
        drop_rank: id.list.map_or(0, |list| list.rank),
    }
}

/// Characters of `0.7123 ±0.0058`.
const SPREAD: u16 = 14;
/// Characters that a name gets at least, and at most.
const NAME: (u16, u16) = (20, 48);

pub(in crate::screen) fn draw(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    list: &Listing,
    hits: &mut HitMap,
) {
    let wanted = detail::height(area.height);
    let [table, rule, foot] = area.layout(&Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(wanted.min(1)),
        Constraint::Length(wanted),
    ]));
    if list.is_empty() {
        draw_nothing(frame.buffer_mut(), table, model, list);
        return;
    }
    hits.add(table, HitBox::Scroll);
    draw_list(frame.buffer_mut(), table, model, list, hits);
    if let Some(entry) = model.selected_entry().filter(|_| !foot.is_empty()) {
        paint::rule(frame.buffer_mut(), rule);
        if let Some(run) = entry.run {
            let id = Line::styled(format!(" {} ", run.id), THEME.muted);
            paint::right_line(
                frame.buffer_mut(),
                Rect {
                    width: rule.width.saturating_sub(1),
                    ..rule
                },
                &id,
            );
        }
        detail::draw(frame.buffer_mut(), foot, model, &entry);
    }
}

fn draw_nothing(buf: &mut Buffer, area: Rect, model: &Model, list: &Listing) {
    let width = usize::from(area.width.saturating_sub(6));
    let lines = why_nothing(model, list);
    let lines = lines.iter().flat_map(|line| paint::wrap(line, width));
    for (line, y) in lines.zip(1..) {
        let row = paint::row(area, y);
        paint::left(
            buf,
            Rect {
                x: row.x + 3,
                width: row.width.saturating_sub(3),
                ..row
            },
            &line,
            THEME.muted,
        );
    }
}

/// Why the list has no row, and what to do.
fn why_nothing(model: &Model, list: &Listing) -> Vec<String> {
    let Some(catalogue) = &model.catalogue else {
        return vec!["Reading the experiments …".to_owned()];
    };
    let filter = list.filter.text();
    let context = match list.filter {
        Filter::Typing(_) => Context::Filter,
        Filter::Off | Filter::Set(_) => Context::Experiments,
    };
    let everything = model.keys.label(context, Command::Back).map(|label| {
        let key = label.split(' ').next().unwrap_or(label);
        format!("{key} shows everything again.")
    });
    if matches!(
        list.filter,
        Filter::Typing(Typing {
            mistake: Some(_),
            ..
        })
    ) {
        let mut lines = vec!["The filter has a mistake.".to_owned()];
        lines.extend(everything);
        return lines;
    }
    let archived = model
        .runs
        .iter()
        .filter(|run| run.annotation.archived)
        .count();
    let hides_archived = !list.archived && archived > 0;
    let key = |command, what: &str| {
        let sentence = model.key_sentence(Command::List(command), what);
        sentence.map(|sentence| sentence + ".")
    };
    let hidden = || {
        let show = model.key_hint(Command::List(ListCommand::Archived), "shows them");
        format!("{} archived{show}.", count_are(archived))
    };
    if !filter.is_empty() {
        let mut lines = vec![format!("Nothing fits \"{filter}\".")];
        lines.extend(hides_archived.then(hidden));
        lines.extend(everything);
        return lines;
    }
    let folder = path(&model.experiments);
    let experiments = plural(catalogue.files.len(), "experiment");
    match (list.flat, model.runs.is_empty()) {
        (true, true) if catalogue.files.is_empty() => {
            vec![
                "No run yet, and no experiment to run.".to_owned(),
                format!("Each *.yaml in {folder} is an experiment."),
            ]
        }
        (true, true) => {
            let show = format!("shows the {experiments}");
            let mut lines = vec!["No run yet.".to_owned()];
            lines.extend(key(ListCommand::Flat, &show));
            lines
        }
        (true, false) => {
            let mut lines = vec![hidden()];
            lines.extend(key(ListCommand::Flat, "shows the experiments"));
            lines
        }
        (false, _) => {
            let mut lines = match &catalogue.error {
                Some(error) => vec![format!("No experiment can be read: {error}")],
                None => vec![
                    format!("There is no experiment in {folder} yet."),
                    "An experiment is a YAML file there; each *.yaml becomes a row here."
                        .to_owned(),
                ],
            };
            lines.extend(key(ListCommand::New, "writes one for a folder of pictures"));
            lines.extend(hides_archived.then(hidden));
            lines
        }
    }
}

/// `1 run is`, `2 runs are`
fn count_are(runs: usize) -> String {
    format!(
        "{} {}",
        plural(runs, "run"),
        if runs == 1 { "is" } else { "are" }
    )
}

/// Only the lines in view are made.
fn draw_list(buf: &mut Buffer, area: Rect, model: &Model, list: &Listing, hits: &mut HitMap) {
    let head = paint::row(area, 0);
    let inner = Rect {
        x: head.x + 3,
        width: head.width.saturating_sub(4),
        ..head
    };
    let mut columns: Vec<Column> = list.columns.iter().copied().map(column).collect();
    if list.has_groups() {
        for (column, id) in columns.iter_mut().zip(&list.columns) {
            if id.metric().is_some() {
                column.width = column.width.max(SPREAD);
            }
        }
    }
    let table::Fitted {
        name,
        columns: places,
    } = table::fit(&columns, inner, NAME.0..=NAME.1, 2);
    let what = if list.flat { "run" } else { "experiment" };
    let filter = list.filter.text();
    // A filter that is longer than names has a separate row.
    let is_long =
        !filter.is_empty() && what.len() + 2 + text::columns(filter) > usize::from(name.width);
    let title = if filter.is_empty() || is_long {
        what.to_owned()
    } else {
        format!("{what}: {filter}")
    };
    let rest = paint::left(buf, name, &title, THEME.label);
    let above = 1 + u16::from(is_long && !matches!(list.filter, Filter::Typing(_)));
    if above > 1 {
        paint::left(
            buf,
            Rect {
                x: inner.x,
                width: inner.width,
                ..paint::row(area, 1)
            },
            filter,
            THEME.label,
        );
    }
    let body = Rect {
        y: area.y + above.min(area.height),
        height: area.height.saturating_sub(above),
        ..area
    };
    // Where its column had to go, the name's title says what rows are sorted by.
    if let Some(id) = list
        .sort
        .filter(|id| places.iter().all(|place| list.columns[place.column] != *id))
    {
        paint::left(
            buf,
            rest,
            &format!(" {} {}", arrow(list, id), id.title),
            THEME.accent,
        );
    }
    for place in &places {
        draw_title(
            buf,
            head,
            *place,
            &columns[place.column],
            list,
            list.columns[place.column],
        );
        hits.add(place.within(head), HitBox::Title(place.column));
    }
    let selected = list.selected().unwrap_or(0);
    let offset = table::offset(
        list.line_of(selected),
        list.lines().len(),
        usize::from(body.height),
    );
    let grid = Grid {
        name,
        columns: &columns,
        places: &places,
    };
    for (line, y) in list.lines()[offset..].iter().zip(0..body.height) {
        let row = paint::row(body, y);
        match line {
            ListLine::Group(below) => {
                let group = model.entry(*below).map_or("", |entry| entry.group);
                paint::left(
                    buf,
                    Rect {
                        x: row.x + 1,
                        width: row.width.saturating_sub(1),
                        ..row
                    },
                    group,
                    THEME.title,
                );
            }
            ListLine::Row(index) => {
                let Some(entry) = model.entry(*index) else {
                    continue;
                };
                draw_entry(buf, row, &grid, &entry, model, list);
                hits.add(row, HitBox::Row(*index));
                if selected == *index {
                    paint::mark_selected(buf, row);
                }
            }
        }
    }
}

/// Where a row's name and columns are drawn.
struct Grid<'a> {
    name: Rect,
    columns: &'a [Column],
    places: &'a [table::Place],
}

/// A column's title, with an arrow where rows are sorted by it.
fn draw_title(
    buf: &mut Buffer,
    head: Rect,
    place: table::Place,
    column: &Column,
    list: &Listing,
    id: ColumnId,
) {
    if list.sort != Some(id) {
        table::cell(buf, head, place, column, column.title, THEME.label);
        return;
    }
    // The arrow is in the gap before the column.
    let before = Rect {
        x: place.x.saturating_sub(1),
        width: 1,
        ..head
    };
    paint::left(buf, before, arrow(list, id), THEME.accent);
    table::cell(buf, head, place, column, column.title, THEME.accent);
}

/// Which way the rows are sorted by this column.
fn arrow(list: &Listing, id: ColumnId) -> &'static str {
    if id.largest_first == list.reversed {
        "▲"
    } else {
        "▼"
    }
}

fn draw_entry(
    buf: &mut Buffer,
    row: Rect,
    grid: &Grid,
    entry: &Entry,
    model: &Model,
    list: &Listing,
) {
    let is_broken = entry.problems().is_some();
    let (mark, style) = if is_broken {
        ("✗", THEME.error)
    } else {
        THEME.status(entry.status())
    };
    paint::left(
        buf,
        Rect {
            x: row.x + 1,
            width: 1,
            ..row
        },
        mark,
        style,
    );
    if entry.run.is_some_and(|run| list.marked.contains(&run.id)) {
        paint::left(
            buf,
            Rect {
                x: row.x + 2,
                width: 1,
                ..row
            },
            "+",
            THEME.accent,
        );
    }
    let name = Rect {
        y: row.y,
        height: row.height,
        ..grid.name
    };
    if let Some(Err(problems)) = entry.file.map(|file| &file.loaded).filter(|_| is_broken) {
        let label = entry
            .file
            .map_or_else(String::new, ExperimentFile::file_name);
        paint::left(buf, name, &label, THEME.text);
        let problem = problems
            .first()
            .map_or_else(String::new, super::detail::short_problem);
        let x = grid.places.first().map_or(name.right(), |place| place.x);
        paint::message(
            buf,
            Rect {
                x,
                width: row.right().saturating_sub(x + 1),
                ..row
            },
            &problem,
            THEME.error,
        );
        return;
    }
    draw_name(buf, name, entry);
    for place in grid.places {
        let (text, style) = figure(entry, model, list.columns[place.column]);
        table::cell(buf, row, *place, &grid.columns[place.column], &text, style);
    }
}

/// The name of a row and its tags: an experiment has its name, a run below one its id, a run in the list of all runs both.
fn draw_name(buf: &mut Buffer, name: Rect, entry: &Entry) {
    let id = entry.run.map_or("", |run| run.id.as_str());
    let rest = match entry.kind {
        Kind::Experiment => paint::left(buf, name, entry.label(), THEME.text),
        Kind::RunBelow => {
            let member = member(entry.run);
            if member.is_empty() {
                paint::left(buf, name, &format!("  {id}"), THEME.text)
            } else {
                let rest = paint::left(buf, name, &format!("  {member}"), THEME.text);
                paint::left(buf, rest, &format!(" {id}"), THEME.muted)
            }
        }
        Kind::Run => {
            let label = entry.run.map_or("", Run::label);
            paint::left(
                buf,
                name,
                &format!("{} {label}", id.rsplit('-').next().unwrap_or_default()),
                THEME.text,
            )
        }
    };
    let Some(run) = entry.run else { return };
    let away = if run.annotation.archived {
        " (away)"
    } else {
        ""
    };
    let tags = paint::hash_tags(run);
    if rest.width > 1 && (!tags.is_empty() || !away.is_empty()) {
        paint::left(buf, rest, &format!("{away}{tags}"), THEME.muted);
    }
}

/// Which member of its group a run is: `seed 2, learning_rate 0.1`.
fn member(run: Option<&Run>) -> String {
    let Some(member) = run.and_then(Run::member) else {
        return String::new();
    };
    let settings = in_words(&member.settings);
    let comma = if settings.is_empty() { "" } else { ", " };
    format!("seed {}{comma}{settings}", member.seed)
}

fn figure(entry: &Entry, model: &Model, column: ColumnId) -> (String, Style) {
    let text = match (column.form, column.value(&entry.subject())) {
        (Form::State, _) => return state(entry, model),
        (Form::Progress, _) if entry.members.is_some() => NOT_YET.to_owned(),
        (Form::Progress, _) => entry.run.map_or_else(|| NOT_YET.to_owned(), epochs),
        (form, None) if form.is_text() || form == Form::Pixels => String::new(),
        (_, None) => NOT_YET.to_owned(),
        (_, Some(fact)) => {
            let text = written(column.form, &fact, model);
            let deviation = column
                .spread(&entry.subject())
                .and_then(|spread| spread.deviation);
            match deviation.map(|deviation| written(column.form, &Fact::Figure(deviation), model)) {
                Some(deviation) => format!("{text} ±{deviation}"),
                None => text,
            }
        }
    };
    let style = if text == NOT_YET {
        THEME.muted
    } else {
        THEME.text
    };
    (text, style)
}

fn written(form: Form, fact: &Fact, model: &Model) -> String {
    match (fact, form) {
        (Fact::Figure(seconds), Form::Figure(Unit::Seconds)) => duration(*seconds),
        (Fact::Figure(figure), Form::Rate) => rate(*figure),
        (Fact::Figure(figure), _) => metric(Some(*figure)),
        (Fact::Count(count), _) => count.to_string(),
        (Fact::Time(time), _) => time
            .to_zoned(model.zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        (Fact::Text(text), Form::Prose) => text.to_string(),
        (Fact::Text(text), _) => text::line(text, 100),
        (Fact::Texts(texts), _) => texts.join(" "),
    }
}

/// `12/30`: the epoch at work while there is one, else those done.
pub(in crate::screen) fn epochs(run: &Run) -> String {
    let done = run.state.epochs.last().map_or(0, |epoch| epoch.epoch);
    let at = run
        .state
        .batch
        .as_ref()
        .map_or(done, |batch| batch.epoch.max(done));
    run.state
        .epochs_planned()
        .map_or_else(|| NOT_YET.to_owned(), |planned| format!("{at}/{planned}"))
}

/// The state in a word or two, or what prevents a launch.
fn state(entry: &Entry, model: &Model) -> (String, Style) {
    let style = THEME.status(entry.status()).1;
    if let Some(members) = entry.members {
        return (members.state(), style);
    }
    let text = match entry.status() {
        Some(Status::Queued(place)) => format!("queued {place}"),
        Some(status @ Status::Active(Phase::Fetching)) => {
            let fetch = entry.run.and_then(|run| run.state.fetch.as_ref());
            fetch.map_or_else(
                || status.as_str().to_owned(),
                |fetch| format!("download {:.0}%", fetch.share() * 99.0),
            )
        }
        Some(Status::Active(Phase::Loading))
            if entry.run.is_some_and(|run| run.state.batch.is_some()) =>
        {
            let batch = entry.run.and_then(|run| run.state.batch.as_ref());
            let share = batch.map_or(0.0, |batch| {
                f64::from(batch.batch) / f64::from(batch.batches.max(1))
            });
            format!("loading {:.0}%", share * 99.0)
        }
        Some(status) => {
            let alerts = entry.run.map_or_else(Vec::new, |run| model.alerts(run));
            if status.is_live() && alerts.iter().any(|alert| alert.level != Level::Info) {
                return (format!("{} ⚠", status.as_str()), THEME.warning);
            }
            status.as_str().to_owned()
        }
        None if entry.file.is_some_and(|file| model.has_run(file)) => {
            return ("archived".to_owned(), THEME.muted);
        }
        None => {
            let lacks = entry
                .file
                .map_or_else(Vec::new, |file| model.obstacles(file));
            let lacks_data = lacks.iter().any(|text| text.starts_with("data: "));
            let word = if lacks_data {
                "needs data"
            } else if lacks.is_empty() {
                "never run"
            } else {
                "needs weights"
            };
            return (
                word.to_owned(),
                if lacks.is_empty() {
                    THEME.muted
                } else {
                    THEME.warning
                },
            );
        }
    };
    (text, style)
}
