//! ```text
//!  Lite0, freeze is done: test accuracy 0.4884
//!  enter open  r run  a run all  c compare  / filter  E export  ? help  q quit
//! ```
//! The newest message, and the keys that work here and now, from the key map.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use warmstart_schema::state::Status;

use super::{filter, paint};
use crate::command::{Command, TrainingCommand};
use crate::format::{duration, path, plural};
use crate::keys::{Binding, Context, first_in_footer};
use crate::message::Activity;
use crate::model::{Filter, Model, Screen, Typing};

use crate::available::refusal;
use crate::mouse::{HitBox, HitMap};
use crate::theme::THEME;
use warmstart_runs::store::Run;

pub(super) fn draw_status(frame: &mut Frame, area: Rect, model: &Model) {
    let buf = frame.buffer_mut();
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    if let Some(Filter::Typing(typing)) = model.filter().filter(|_| model.popup.is_none()) {
        filter::draw(buf, area, &typing.input);
        return;
    }
    if let Some(activity) = model
        .activity
        .as_ref()
        .filter(|_| model.report.as_ref().is_none_or(|report| report.good))
    {
        draw_activity(buf, area, activity);
        return;
    }
    let problem = model
        .catalogue
        .as_ref()
        .and_then(|catalogue| catalogue.error.as_deref())
        .or(model.runs.problem());
    match (&model.report, problem) {
        (Some(report), _) => paint::message(
            buf,
            area,
            &report.text,
            if report.good {
                THEME.text
            } else {
                THEME.warning
            },
        ),
        (None, Some(problem)) => paint::message(buf, area, problem, THEME.error),
        (None, None) => paint::left(buf, area, &summary(model), THEME.muted),
    };
}

/// A long effect: its progress and the time left.
fn draw_activity(buf: &mut Buffer, area: Rect, activity: &Activity) {
    const BAR: u16 = 24;
    let head = format!("{} {} ", activity.what, plural(activity.total, "run"));
    let rest = paint::left(buf, area, &head, THEME.text);
    let bar = Rect {
        width: BAR.min(rest.width),
        ..rest
    };
    paint::bar(buf, bar, activity.share(), THEME.accent);
    let rest = Rect {
        x: bar.right(),
        width: rest.width - bar.width,
        ..rest
    };
    let tail = format!(
        " {:>3.0} %  {} left",
        activity.share() * 100.0,
        duration(activity.left())
    );
    paint::left(buf, rest, &tail, THEME.muted);
}

/// A summary, if there is no message.
fn summary(model: &Model) -> String {
    let Some(catalogue) = &model.catalogue else {
        return format!("reading {} …", path(&model.experiments));
    };
    let tally = model.runs.tally();
    // Jobs of a cluster that have not started.
    let waits = |run: &&Run| run.status() == Status::Waiting;
    let waiting = model.runs.live().filter(waits).count();
    let states = [
        (tally.live.saturating_sub(waiting), "running"),
        (waiting, "waiting"),
        (tally.queued, "queued"),
        (tally.failed_or_lost, "failed or lost"),
    ];
    let mut parts = vec![
        plural(catalogue.files.len(), "experiment"),
        plural(model.runs.len(), "run"),
    ];
    parts.extend(
        states
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}")),
    );
    if let Screen::Experiments(list) = &model.open
        && !list.marked.is_empty()
    {
        parts.insert(0, format!("{} marked", list.marked.len()));
    }
    parts.join(" · ")
}

pub(super) fn draw_keys(frame: &mut Frame, area: Rect, model: &Model, hit_map: &mut HitMap) {
    if let Some(Filter::Typing(
        typing @ Typing {
            mistake: Some(mistake),
            ..
        },
    )) = model.filter().filter(|_| model.popup.is_none())
    {
        filter::draw_mistake(frame.buffer_mut(), area, typing, mistake);
        return;
    }
    let context = model.context();
    // Extending a finished run is rare, so only the help shows it.
    let is_done = model
        .run()
        .is_some_and(|run| run.status() == Status::Finished);
    let is_rare = |binding: &Binding| {
        is_done && binding.command == Command::Training(TrainingCommand::Resume)
    };
    let works = |binding: &&Binding| {
        !binding.word.is_empty() && !is_rare(binding) && refusal(model, binding.command).is_none()
    };
    let mut shown: Vec<&Binding> = model.keys.bindings(context).iter().filter(works).collect();
    shown.sort_by_key(|binding| rank(context, binding.command));
    let is_under = shown.iter().any(|binding| binding.command == Command::Back);
    // If both do not fit, one way out is enough.
    let is_pinned = |binding: &Binding| match binding.command {
        Command::Palette | Command::Help | Command::Back => true,
        Command::Quit => !is_under,
        _ => false,
    };
    let width = |shown: &[&Binding]| keys_line(shown, context).width();
    while width(&shown) > usize::from(area.width) {
        // The help shows the keys that are left out.
        let is_quit = |binding: &&Binding| binding.command == Command::Quit && is_under;
        let quit = shown.iter().position(is_quit);
        let Some(last) = quit.or_else(|| shown.iter().rposition(|binding| !is_pinned(binding)))
        else {
            break;
        };
        shown.remove(last);
    }
    let mut rest = area;
    for binding in shown {
        let before = rest;
        rest = paint::left_line(frame.buffer_mut(), rest, &keys_line(&[binding], context));
        hit_map.add(
            Rect {
                width: rest.x - before.x,
                ..before
            },
            HitBox::Key(binding.command),
        );
    }
}

/// The rank of a key in the footer: keys for new users first. Keys of equal rank keep the table's
/// order.
fn rank(context: Context, command: Command) -> usize {
    let first = first_in_footer(context);
    match command {
        // The palette, help and the ways out are last on every screen.
        Command::Palette => usize::MAX - 3,
        Command::Back => usize::MAX - 2,
        Command::Help => usize::MAX - 1,
        Command::Quit => usize::MAX,
        command => first
            .iter()
            .position(|first| *first == command)
            .unwrap_or(first.len()),
    }
}

fn keys_line(shown: &[&Binding], context: Context) -> Line<'static> {
    let mut spans = Vec::new();
    for binding in shown {
        let word = match (context, binding.command) {
            (Context::Export, Command::Accept) => "write",
            (Context::Filter, Command::Back) => "clear",
            (Context::Prompt, Command::Accept) => "save",
            _ => binding.word,
        };
        let key = binding.label.split(' ').next().unwrap_or_default();
        spans.push(Span::styled(format!(" {key}"), THEME.key));
        spans.push(Span::styled(format!(" {word} "), THEME.muted));
    }
    Line::from(spans)
}
