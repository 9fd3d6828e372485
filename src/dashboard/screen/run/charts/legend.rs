//! ```text
//!  accuracy  ● val 0.6180  · train 0.7310  at epoch 12              by step · smoothed 0.9
//!  ◆ 7f3a 0.6120  ■ 0c21 0.5980  ▼ a9e0 –
//! ```
//! What a chart's lines are, and their figures under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};
use unicode_width::UnicodeWidthStr;
use warmstart_schema::architecture::BlockCounts;

use super::super::super::paint;
use super::{Scene, leading, pen, place, under_cursor};
use crate::dashboard::format::{NOT_YET, bytes, figure, metric, rate};
use crate::dashboard::model::{Along, Detail, Drawn, Line, Others, Quantity, Role};
use crate::dashboard::theme::THEME;
use crate::store::Run;

/// A figure of a chart, as it is read.
fn value(quantity: Quantity, value: Option<f64>) -> String {
    let Some(value) = value else { return NOT_YET.to_owned() };
    match quantity {
        Quantity::Accuracy | Quantity::Loss => metric(Some(value)),
        Quantity::LearningRate => rate(value),
        Quantity::Throughput | Quantity::Usage => figure(Some(value), 0),
        Quantity::GradientNorm => figure(Some(value), 3),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, and it saturates")]
        Quantity::Memory => bytes(value as u64),
    }
}

/// A line's figure under the cursor, and the smoothed one behind it.
fn reading(scene: &Scene, line: &Line) -> String {
    let of = |curve| value(scene.quantity, under_cursor(curve, scene.view.cursor));
    match &line.smoothed {
        None => of(&line.curve),
        Some(smoothed) => format!("{} ~{}", of(&line.curve), of(smoothed)),
    }
}

pub fn draw_title(buf: &mut Buffer, row: Rect, ascii: bool, scene: &Scene, is_first: bool) {
    let mut spans = vec![Span::styled(scene.quantity.name(), THEME.title)];
    let is_alone = scene.own.len() == 1;
    // What is measured first, then what was trained on.
    let order = |line: &&Line| line.role == Role::Train;
    for line in scene.own.iter().filter(|line| !order(line)).chain(scene.own.iter().filter(order)) {
        let (style, mark, behind) = pen(line.role, is_alone);
        let style = if line.smoothed.is_none() && mark.is_none() && !is_alone { behind } else { style };
        let glyph = mark.unwrap_or(if is_alone {
            ""
        } else if ascii {
            "o"
        } else {
            "·"
        });
        let name = [glyph, line.name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let space = if name.is_empty() { "" } else { " " };
        spans.push(Span::styled(format!("  {name}{space}"), style));
        spans.push(Span::styled(reading(scene, line), THEME.text));
    }
    let choices = if is_first { choices(scene) } else { String::new() };
    match (place(scene.view), scene.run.state.best_epoch()) {
        (Some(place), _) => spans.push(Span::styled(format!("  {place}"), THEME.accent)),
        (None, Some(best)) if scene.quantity.is_by_epoch() => {
            spans.push(Span::styled(format!("  ▲ best at {}", best.epoch), THEME.best));
        }
        _ => {}
    }
    let mut line = Text::from(spans);
    // What was chosen stands nowhere else; the best epoch is marked in the chart.
    let reserved = choices.width() + 2;
    if !choices.is_empty() && scene.view.cursor.is_none() && line.width() + reserved > usize::from(row.width) {
        line.spans.pop();
    }
    // What does not fit whole is left out whole, the least needed first.
    while line.width() > usize::from(row.width) && line.spans.len() > 1 {
        line.spans.pop();
    }
    let rest = paint::left_line(buf, row, &line);
    let room = Rect { x: rest.x.saturating_add(2), width: rest.width.saturating_sub(2), ..rest };
    paint::right_line(buf, room, &Text::styled(choices, THEME.muted));
}

/// What was chosen of how charts are drawn; nothing of what they are anyway.
fn choices(scene: &Scene) -> String {
    let view = scene.view;
    let window = view.window.map(|_| "zoomed".to_owned());
    let parts = [
        (view.along != Along::Epoch).then(|| view.along.name().to_owned()),
        (view.detail != Detail::Epochs).then(|| view.detail.name().to_owned()),
        view.log_y.then(|| "log".to_owned()),
        view.log_x.then(|| "log axis".to_owned()),
        window,
        (view.height > 0).then(|| format!("height ÷{}", 1 << view.height)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Marker, style, name and figure of a run beside the open one.
fn entry(scene: &Scene, other: &Drawn) -> (String, Style) {
    let (mark, style) = THEME.run(other.rank);
    let line = leading(scene.view.lines(*other, scene.quantity));
    let reading = line.map_or_else(|| NOT_YET.to_owned(), |line| reading(scene, line));
    let name = match scene.view.others {
        Others::Stage => other.run.label(),
        _ => other.run.id.as_str().rsplit('-').next().unwrap_or_default(),
    };
    (format!("{mark} {name} {reading}"), style)
}

/// Rows that the other runs' names and figures take.
pub fn height(scene: &Scene, width: u16) -> u16 {
    let widest = scene.others.iter().map(|other| entry(scene, other).0.width() + 2).max().unwrap_or(0);
    let a_row = (usize::from(width) / widest.max(1)).max(1);
    u16::try_from(scene.others.len().div_ceil(a_row)).unwrap_or(u16::MAX)
}

/// The other runs in columns; how many more there are, where they do not fit.
pub fn draw_others(buf: &mut Buffer, area: Rect, scene: &Scene) {
    if area.is_empty() {
        return;
    }
    let entries: Vec<(String, Style)> = scene.others.iter().map(|other| entry(scene, other)).collect();
    let widest = entries.iter().map(|(text, _)| text.width() + 2).max().unwrap_or(1);
    let a_row = (usize::from(area.width) / widest).max(1);
    let most = a_row * usize::from(area.height);
    for (index, (text, style)) in entries.iter().take(most).enumerate() {
        let (Ok(x), Ok(y)) = (u16::try_from(index % a_row * widest), u16::try_from(index / a_row)) else { return };
        let row = paint::row(area, y);
        let cell = Rect { x: row.x + x.min(row.width), width: row.width.saturating_sub(x), ..row };
        let is_last = index + 1 == most && entries.len() > most;
        let more = format!("+{} more", entries.len() - most.min(entries.len()) + 1);
        let (text, style) = if is_last { (&more, THEME.muted) } else { (text, *style) };
        paint::left(buf, cell, text, style);
    }
}

/// How much of a run's backbone gradient descent may move.
fn stage_name(run: &Run) -> &'static str {
    let Some(facts) = &run.state.model else { return "before" };
    let (head, backbone): (Vec<&BlockCounts>, Vec<&BlockCounts>) =
        facts.counts.blocks.iter().partition(|block| block.name == "head");
    let frozen = backbone.iter().filter(|block| block.counts.trainable == 0).count();
    match frozen {
        0 => "fine-tuned",
        _ if frozen == backbone.len() && !head.is_empty() => "frozen",
        _ => "partly frozen",
    }
}

/// The names of two stages on either side of the line between them.
pub fn draw_stages(buf: &mut Buffer, plot: Rect, scene: &Scene) {
    let Some(stage) = scene.others.first() else { return };
    let (row, share) = (paint::row(plot, 0), scene.x.share(0.0));
    if !(0.0..=1.0).contains(&share) {
        return;
    }
    let before = format!("{} ", stage_name(stage.run));
    let after = format!(" {}", stage_name(scene.run));
    // The scale at the left takes at least six columns; names need not be exact to the cell.
    let plot_width = row.width.saturating_sub(6);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a row's width")]
    let column = row.x + 6 + (share * f64::from(plot_width.saturating_sub(1))).round() as u16;
    let width = u16::try_from(before.width()).unwrap_or(0);
    if column >= row.x + 6 + width {
        paint::left(buf, Rect { x: column - width, width, ..row }, &before, THEME.muted);
    }
    let rest = Rect { x: column + 1, width: row.right().saturating_sub(column + 1), ..row };
    if usize::from(rest.width) >= after.width() {
        paint::left(buf, rest, &after, THEME.muted);
    }
}
