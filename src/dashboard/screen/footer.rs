//! ```text
//!  Lite0, freeze is done: test accuracy 0.4884
//!  enter open  r run  a run all  c compare  / filter  ? help  q quit
//! ```
//! What just happened, in words; and the keys that work here and now, from the one table of keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{filter, paint};
use crate::dashboard::format::{path, plural};
use crate::dashboard::keys::{Binding, Context};
use crate::dashboard::message::Command;
use crate::dashboard::model::{Filter, Model, Screen, Typing};

use crate::dashboard::theme::THEME;
use crate::dashboard::update::refusal;

pub fn draw_status(frame: &mut Frame, area: Rect, model: &Model) {
    let buf = frame.buffer_mut();
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    if let Some(Filter::Typing(typing)) = model.filter().filter(|_| model.popup.is_none()) {
        filter::draw(buf, area, &typing.input);
        return;
    }
    let problem = model.catalogue.as_ref().and_then(|catalogue| catalogue.error.as_deref()).or(model.runs.problem());
    match (&model.report, problem) {
        (Some(report), _) => paint::left(buf, area, &report.text, if report.good { THEME.text } else { THEME.warning }),
        (None, Some(problem)) => paint::left(buf, area, problem, THEME.error),
        (None, None) => paint::left(buf, area, &summary(model), THEME.muted),
    };
}

/// What there is, when nothing happened.
fn summary(model: &Model) -> String {
    let Some(catalogue) = &model.catalogue else { return format!("reading {} …", path(&model.experiments)) };
    let tally = model.runs.tally();
    let states = [(tally.live, "running"), (tally.queued, "queued"), (tally.failed_or_lost, "failed or lost")];
    let mut parts = vec![plural(catalogue.files.len(), "experiment"), plural(model.runs.len(), "run")];
    parts.extend(states.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
    if let Screen::Experiments(list) = &model.open
        && !list.marked.is_empty()
    {
        parts.insert(0, format!("{} marked", list.marked.len()));
    }
    parts.join(" · ")
}

pub fn draw_keys(frame: &mut Frame, area: Rect, model: &Model) {
    if let Some(Filter::Typing(typing @ Typing { mistake: Some(mistake), .. })) =
        model.filter().filter(|_| model.popup.is_none())
    {
        filter::draw_mistake(frame.buffer_mut(), area, typing, mistake);
        return;
    }
    let context = model.context();
    let works = |binding: &&Binding| !binding.word.is_empty() && refusal(model, binding.command).is_none();
    let mut shown: Vec<&Binding> = model.keys.bindings(context).iter().filter(works).collect();
    let is_pinned = |binding: &Binding| matches!(binding.command, Command::Palette | Command::Help | Command::Quit);
    let width = |shown: &[&Binding]| keys_line(shown, context).width();
    while width(&shown) > usize::from(area.width) {
        // The help has them all.
        let Some(last) = shown.iter().rposition(|binding| !is_pinned(binding)) else { break };
        shown.remove(last);
    }
    paint::left_line(frame.buffer_mut(), area, &keys_line(&shown, context));
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
