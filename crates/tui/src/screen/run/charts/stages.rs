//! ```text
//!  0.8 ┤ frozen │ fine-tuned        0.8 ┤      │ 4 frozen  │ all trains
//! ```
//! Names beside the marks of stages: of the run before, and of blocks that begin to train.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;
use warmstart_schema::architecture::BlockCounts;

use super::super::super::paint;
use super::Scene;
use crate::chart::Chart;
use crate::model::Times;
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// The part of a run's backbone that trained in the epoch that this step belongs to; `None` before the log tells.
fn stage_name(run: &Run, step: u64) -> Option<&'static str> {
    let facts = run.state.model.as_ref()?;
    let (head, backbone): (Vec<&BlockCounts>, Vec<&BlockCounts>) = facts
        .counts
        .blocks
        .iter()
        .partition(|block| block.name == "head");
    let stages = &run.state.stages;
    let frozen = match stages.iter().rev().find(|stage| stage.step < step) {
        Some(stage) => stage.frozen_blocks,
        None if stages.is_empty() => backbone
            .iter()
            .filter(|block| block.counts.trainable == 0)
            .count(),
        // The counts are those after the newest step of unfreezing.
        None => {
            let model = &run.experiment.as_ref()?.model;
            model.freeze.frozen_blocks(backbone.len())
        }
    };
    Some(match frozen {
        0 => "fine-tuned",
        _ if frozen == backbone.len() && !head.is_empty() => "frozen",
        _ => "partly frozen",
    })
}

/// The columns of the steps of unfreezing that are in sight, with what trains from there on.
fn unfreezing(area: Rect, chart: &Chart, scene: &Scene) -> Vec<(u16, String)> {
    let times = Times::of(&scene.run.state, scene.view.x_axis);
    let stages = scene.run.state.stages.iter();
    stages
        .filter_map(|stage| {
            let column = chart.column(area, times.x_of_step(stage.step as f64))?;
            Some((column, stage.name()))
        })
        .collect()
}

/// Draws the names of two stages on both sides of the line between them.
pub(super) fn draw_stages(buf: &mut Buffer, area: Rect, chart: &Chart, scene: &Scene) {
    let Some(stage) = scene.others.first() else {
        return;
    };
    let Some(column) = chart.column(area, 0.0) else {
        return;
    };
    let row = paint::row(chart.plot(area), 0);
    let ended = stage_name(stage.run, stage.until.unwrap_or(u64::MAX));
    let before = format!("{} ", ended.unwrap_or("before"));
    let after = format!(" {}", stage_name(scene.run, 0).unwrap_or("this run"));
    let width = u16::try_from(before.width()).unwrap_or(0);
    if column >= row.x + width {
        paint::left(
            buf,
            Rect {
                x: column - width,
                width,
                ..row
            },
            &before,
            THEME.muted,
        );
    }
    let marks = unfreezing(area, chart, scene);
    let next = marks.iter().find(|(mark, _)| *mark > column);
    let end = next.map_or(row.right(), |(mark, _)| *mark);
    let rest = Rect {
        x: column + 1,
        width: end.saturating_sub(column + 1),
        ..row
    };
    if usize::from(rest.width) >= after.width() {
        paint::left(buf, rest, &after, THEME.muted);
    }
}

/// Draws what trains beside each mark of a step of unfreezing, where there is room before the next.
pub(super) fn draw_unfreezing(buf: &mut Buffer, area: Rect, chart: &Chart, scene: &Scene) {
    let row = paint::row(chart.plot(area), 0);
    let marks = unfreezing(area, chart, scene);
    for (index, (column, name)) in marks.iter().enumerate() {
        let end = marks.get(index + 1).map_or(row.right(), |next| next.0);
        let rest = Rect {
            x: column + 2,
            width: end.saturating_sub(column + 2),
            ..row
        };
        if usize::from(rest.width) >= name.width() {
            paint::left(buf, rest, name, THEME.muted);
        }
    }
}
