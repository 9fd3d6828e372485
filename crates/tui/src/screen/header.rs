//! ```text
//!  warmstart ▸ compare      ◐ Lite0, freeze  cpu 97 %  1.2 GB of 8.2 GB  │  queue 2
//! ```
//! The screen's title at the left; the live run and the queue at the right.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use warmstart_schema::event::System;
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::paint;
use crate::format::bytes;
use crate::model::{Model, Screen};
use crate::theme::THEME;
use warmstart_runs::store::Run;

pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model) {
    let place = match &model.open {
        Screen::Experiments(_) => "experiments",
        Screen::Run(_) => "run",
        Screen::Compare(_) => "compare",
        Screen::Machine(_) => "machine",
        Screen::Dataset(_) => "dataset",
    };
    let title = Line::from(vec![
        Span::styled(" warmstart", THEME.title),
        Span::styled(" ▸ ", THEME.muted),
        Span::styled(place, THEME.text),
    ]);
    let buf = frame.buffer_mut();
    let rest = paint::left_line(buf, area, &title);
    let rest = Rect {
        width: rest.width.saturating_sub(1),
        ..rest
    };
    let rest = Rect {
        x: rest.x + 2.min(rest.width),
        width: rest.width.saturating_sub(2),
        ..rest
    };
    // The longest variant that fits.
    let variants = [Detail::Name, Detail::Usage, Detail::Device, Detail::Queue];
    variants
        .into_iter()
        .any(|detail| paint::right_line(buf, rest, &right_side(model, detail)));
}

/// How much the right side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// The queue alone.
    Queue,
    /// The live run's device too.
    Device,
    /// What the run uses of it too.
    Usage,
    /// The run's name too.
    Name,
}

fn right_side(model: &Model, detail: Detail) -> Line<'static> {
    let queue = model.runs.queue();
    let waiting = queue.waiting.len();
    let mut spans: Vec<Span> = Vec::new();
    if detail > Detail::Queue {
        spans.extend(live_runs(model, detail));
    }
    if waiting > 0 {
        if !spans.is_empty() {
            spans.push(Span::styled("  │  ", THEME.rule));
        }
        spans.push(Span::styled(format!("queue {waiting}"), THEME.waiting));
        let paused = queue.paused.is_some();
        spans.extend(paused.then(|| Span::styled(" paused", THEME.warning)));
    }
    Line::from(spans)
}

/// The first live run, and how many others there are.
fn live_runs(model: &Model, detail: Detail) -> Vec<Span<'static>> {
    let mut runs = model.live();
    let Some(run) = runs.next() else {
        return vec![Span::styled("nothing runs", THEME.muted)];
    };
    let (mark, style) = THEME.status(Some(run.status()));
    let mut spans = vec![Span::styled(format!("{mark} "), style)];
    if detail == Detail::Name {
        spans.push(Span::styled(format!("{}  ", run.label()), THEME.text));
    }
    let system = newest_figures(run).filter(|_| detail >= Detail::Usage);
    spans.push(Span::styled(usage(run.device(), system), THEME.text));
    let others = runs.count();
    if others > 0 {
        spans.push(Span::styled(format!("  and {others} more"), THEME.muted));
    }
    spans
}

/// What a run's worker uses. The last figures of a worker that is gone say nothing about now.
pub(super) fn newest_figures(run: &Run) -> Option<&System> {
    let status = run.status();
    let has_worker = status.is_live() && !matches!(status, Status::Waiting | Status::Starting);
    run.state.system.as_ref().filter(|_| has_worker)
}

/// `cuda:0 97 %  61.2 GB of 80.0 GB`, or the same for the CPU.
pub(super) fn usage(device: &str, system: Option<&System>) -> String {
    let device = text::line(device, 40);
    let Some(system) = system else { return device };
    let (percent, used, total) = if device.starts_with("cuda") {
        (system.gpu, system.gpu_memory, system.gpu_memory_total)
    } else {
        (system.cpu, system.memory, system.memory_total)
    };
    let percent = percent.map(|percent| format!(" {percent:.0} %"));
    let memory = match (used, total) {
        (Some(used), Some(total)) => Some(format!("  {} of {}", bytes(used), bytes(total))),
        (Some(used), None) => Some(format!("  {}", bytes(used))),
        (None, _) => None,
    };
    [Some(device), percent, memory]
        .into_iter()
        .flatten()
        .collect()
}
