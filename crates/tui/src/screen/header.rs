//! ```text
//!  warmstart ▸ compare              ◐ Lite0, freeze  cpu 97 %  1.2 GB  │  queue 2
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
    // Use the longest variant that fits: with the run's name, without it, or only the queue.
    let (waiting, first) = (model.runs.queue().waiting.len(), model.live().next());
    let others = model.live().count().saturating_sub(1);
    let paused = model.runs.queue().paused.is_some();
    let choices = [true, false].map(|named| right_side(first, named, others, waiting, paused));
    choices.iter().any(|line| {
        paint::right_line(
            buf,
            Rect {
                x: rest.x + 2.min(rest.width),
                width: rest.width.saturating_sub(2),
                ..rest
            },
            line,
        )
    });
}

fn right_side(
    run: Option<&Run>,
    named: bool,
    others: usize,
    waiting: usize,
    paused: bool,
) -> Line<'static> {
    let mut spans: Vec<Span> = Vec::new();
    if let Some(run) = run {
        let (mark, style) = THEME.status(Some(run.status()));
        spans.push(Span::styled(format!("{mark} "), style));
        if named {
            spans.push(Span::styled(format!("{}  ", run.label()), THEME.text));
        }
        // The last figures of a worker that is gone say nothing about now.
        let system = run.state.system.as_ref();
        let system = system.filter(|_| run.status() != Status::Waiting);
        spans.push(Span::styled(usage(run.device(), system), THEME.text));
        if others > 0 {
            spans.push(Span::styled(format!("  and {others} more"), THEME.muted));
        }
    } else {
        spans.push(Span::styled("nothing runs", THEME.muted));
    }
    if waiting > 0 {
        spans.push(Span::styled("  │  ", THEME.rule));
        spans.push(Span::styled(format!("queue {waiting}"), THEME.waiting));
        spans.extend(paused.then(|| Span::styled(" paused", THEME.warning)));
    }
    Line::from(spans)
}

/// `cuda:0 97 %  61.2/80.0 GB`, or the same for the CPU.
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
