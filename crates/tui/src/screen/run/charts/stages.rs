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
use crate::model::Times;
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// The part of a run's backbone that trains.
fn stage_name(run: &Run) -> &'static str {
    let Some(facts) = &run.state.model else {
        return "before";
    };
    let (head, backbone): (Vec<&BlockCounts>, Vec<&BlockCounts>) = facts
        .counts
        .blocks
        .iter()
        .partition(|block| block.name == "head");
    let frozen = backbone
        .iter()
        .filter(|block| block.counts.trainable == 0)
        .count();
    match frozen {
        0 => "fine-tuned",
        _ if frozen == backbone.len() && !head.is_empty() => "frozen",
        _ => "partly frozen",
    }
}

/// Columns of the y scale; it takes at least these.
const Y_SCALE: u16 = 6;

/// The column of a position in a plot, if it is in sight; it need not be exact to the cell.
fn column(row: Rect, scene: &Scene, at: f64) -> Option<u16> {
    let share = scene.x.share(at);
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    let width = row.width.saturating_sub(Y_SCALE).saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a row's width"
    )]
    let within = (share * f64::from(width)).round() as u16;
    Some(row.x + Y_SCALE + within)
}

/// Draws the names of two stages on both sides of the line between them.
pub(super) fn draw_stages(buf: &mut Buffer, plot: Rect, scene: &Scene) {
    let Some(stage) = scene.others.first() else {
        return;
    };
    let row = paint::row(plot, 0);
    let Some(column) = column(row, scene, 0.0) else {
        return;
    };
    let before = format!("{} ", stage_name(stage.run));
    let after = format!(" {}", stage_name(scene.run));
    let width = u16::try_from(before.width()).unwrap_or(0);
    if column >= row.x + Y_SCALE + width {
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
    let rest = Rect {
        x: column + 1,
        width: row.right().saturating_sub(column + 1),
        ..row
    };
    if usize::from(rest.width) >= after.width() {
        paint::left(buf, rest, &after, THEME.muted);
    }
}

/// Draws what trains beside each mark of a step of unfreezing, where there is room before the next.
pub(super) fn draw_unfreezing(buf: &mut Buffer, plot: Rect, scene: &Scene) {
    let row = paint::row(plot, 0);
    let times = Times::of(&scene.run.state, scene.view.x_axis);
    let stages = scene.run.state.stages.iter();
    let marks: Vec<(u16, String)> = stages
        .filter_map(|stage| {
            Some((
                column(row, scene, times.x_of_step(stage.step as f64))?,
                stage.name(),
            ))
        })
        .collect();
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
