//! ```text
//!  accuracy  ● val 0.6180  · train 0.7310  at epoch 12              by step · smoothed 0.9
//!  ◆ 7f3a 0.6120  ■ 0c21 0.5980  ▼ a9e0 –
//! ```
//! A chart's lines, and their figures at the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};
use unicode_width::UnicodeWidthStr;
use warmstart_schema::text;

use super::super::super::paint;
use super::{Scene, leading, pen, place, under_cursor};
use crate::format::{NOT_YET, bytes, figure, metric, norm, rate};
use crate::model::{ChartKind, Drawn, Line, Others, Role, Smoothing, XAxis};
use crate::theme::THEME;
use warmstart_report::plot::gpu_readings;

/// Formats a figure of a chart.
fn value(quantity: ChartKind, value: Option<f64>) -> String {
    let Some(value) = value else {
        return NOT_YET.to_owned();
    };
    match quantity {
        // A sample lacks what could not be read.
        ChartKind::Usage | ChartKind::Memory if value.is_nan() => NOT_YET.to_owned(),
        ChartKind::Accuracy | ChartKind::Loss => metric(Some(value)),
        ChartKind::LearningRate => rate(value),
        ChartKind::Throughput | ChartKind::Usage => figure(Some(value), 0),
        ChartKind::GradientNorm => norm(value),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bytes, and it saturates"
        )]
        ChartKind::Memory => bytes(value as u64),
    }
}

/// A line's figure under the cursor, and the smoothed one after it.
fn reading(scene: &Scene, line: &Line) -> String {
    let of = |curve| value(scene.quantity, under_cursor(curve, scene.view.cursor));
    match &line.smoothed {
        None => of(&line.curve),
        Some(smoothed) => format!("{} ~{}", of(&line.curve), of(smoothed)),
    }
}

/// A part of a title, drawn whole or not at all. Parts with larger numbers are dropped first.
struct Part {
    order: usize,
    spans: Vec<Span<'static>>,
}

impl Part {
    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

pub(super) fn draw_title(buf: &mut Buffer, row: Rect, ascii: bool, scene: &Scene, is_first: bool) {
    let choices = if is_first {
        choices(scene)
    } else {
        String::new()
    };
    let mut parts = vec![Part {
        order: 0,
        spans: vec![Span::styled(scene.quantity.name(), THEME.title)],
    }];
    parts.extend(line_parts(ascii, scene));
    parts.extend(gpu_part(scene));
    match (place(scene.view), scene.run.state.best_epoch()) {
        // The cursor's position is also shown below the run's name.
        (Some(place), _) => {
            parts.push(Part {
                order: usize::MAX,
                spans: vec![Span::styled(format!("  {place}"), THEME.accent)],
            });
        }
        // The chart also marks the best epoch.
        (None, Some(best)) if scene.quantity.is_by_epoch() => {
            let text = format!("  ▲ best at {}", best.epoch);
            parts.push(Part {
                order: usize::MAX,
                spans: vec![Span::styled(text, THEME.best)],
            });
        }
        _ => {}
    }
    // Nothing else shows these choices.
    let reserved = if choices.is_empty() {
        0
    } else {
        choices.width() + 2
    };
    let room = usize::from(row.width);
    let width = |parts: &[Part]| parts.iter().map(Part::width).sum::<usize>();
    while width(&parts) + reserved > room
        && parts.last().is_some_and(|part| part.order == usize::MAX)
    {
        parts.pop();
    }
    if width(&parts) > room {
        parts[0].spans = vec![Span::styled(scene.quantity.short_name(), THEME.title)];
    }
    while width(&parts) > room && parts.len() > 1 {
        let least = (0..parts.len())
            .max_by_key(|at| parts[*at].order)
            .unwrap_or(0);
        parts.remove(least);
    }
    let line = Text::from(
        parts
            .into_iter()
            .flat_map(|part| part.spans)
            .collect::<Vec<_>>(),
    );
    let rest = paint::left_line(buf, row, &line);
    let room = Rect {
        x: rest.x.saturating_add(2),
        width: rest.width.saturating_sub(2),
        ..rest
    };
    paint::right_line(buf, room, &Text::styled(choices, THEME.muted));
}

/// Marker, name and figure of each line: validation first, then training.
fn line_parts(ascii: bool, scene: &Scene) -> Vec<Part> {
    let is_alone = scene.own.len() == 1;
    let is_training = |line: &&Line| line.role == Role::Train;
    let others = scene.own.iter().filter(|line| !is_training(line));
    let ordered = others.chain(scene.own.iter().filter(is_training));
    let part = |(index, line): (usize, &Line)| {
        let (style, mark, behind) = pen(scene, line.role);
        let style = if line.smoothed.is_none() && mark.is_none() && !is_alone {
            behind
        } else {
            style
        };
        let glyph = mark.unwrap_or(if is_alone {
            ""
        } else if ascii {
            "o"
        } else {
            "·"
        });
        let name = [glyph, line.name]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let space = if name.is_empty() { "" } else { " " };
        let spans = vec![
            Span::styled(format!("  {name}{space}"), style),
            Span::styled(reading(scene, line), THEME.text),
        ];
        Part {
            order: index + 1,
            spans,
        }
    };
    ordered.enumerate().map(part).collect()
}

/// Temperature, power and clock of the GPU, beside its use.
fn gpu_part(scene: &Scene) -> Option<Part> {
    if scene.quantity != ChartKind::Usage {
        return None;
    }
    let readings = gpu_readings(Drawn::whole(scene.run), scene.view.x_axis);
    let figures: Vec<String> = readings
        .iter()
        .filter_map(|(unit, curve)| {
            let value = under_cursor(curve, scene.view.cursor).filter(|value| !value.is_nan())?;
            Some(format!("{} {unit}", figure(Some(value), 0)))
        })
        .collect();
    (!figures.is_empty()).then(|| Part {
        order: usize::MAX,
        spans: vec![Span::styled(
            format!("  {}", figures.join(" · ")),
            THEME.muted,
        )],
    })
}

/// The display options that differ from the defaults.
fn choices(scene: &Scene) -> String {
    let view = scene.view;
    let window = view.window.map(|_| "zoomed".to_owned());
    let parts = [
        (view.x_axis != XAxis::Epoch).then(|| view.x_axis.name().to_owned()),
        (view.smoothing != Smoothing::Epochs).then(|| view.smoothing.name().to_owned()),
        view.log_y.then(|| "log".to_owned()),
        view.log_x.then(|| "log axis".to_owned()),
        window,
        (view.y_halvings > 0).then(|| format!("height ÷{}", 1 << view.y_halvings)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// How the legend names the other runs.
#[derive(Debug, Clone, Copy)]
enum Words {
    Name,
    Id,
    /// Only the marker, which the list and the comparison show too.
    Marker,
}

/// The legend of the other runs, in columns.
#[derive(Debug)]
pub(super) struct Entries {
    texts: Vec<(String, Style)>,
    /// Entries per row, and the width of each.
    a_row: usize,
    widest: usize,
    /// Number of rows.
    pub rows: u16,
}

/// The legend with the longest names that fit into these rows.
pub(super) fn entries(scene: &Scene, width: u16, rows: u16) -> Entries {
    let figure = |other: &Drawn| {
        let line = leading(scene.view.lines(*other, scene.quantity));
        line.map_or_else(|| NOT_YET.to_owned(), |line| reading(scene, line))
    };
    let figures: Vec<String> = scene.others.iter().map(figure).collect();
    let said = |words: Words| {
        let named = scene.others.iter().zip(&figures).map(|(other, figure)| {
            let (mark, style) = THEME.run(other.rank);
            (
                format!("{mark} {}{figure}", name(scene, other, words)),
                style,
            )
        });
        let texts: Vec<(String, Style)> = named.collect();
        let widest = texts
            .iter()
            .map(|(text, _)| text::columns(text) + 2)
            .max()
            .unwrap_or(1);
        // The last entry needs no space after it.
        let a_row = ((usize::from(width) + 2) / widest).max(1);
        let needed = u16::try_from(texts.len().div_ceil(a_row)).unwrap_or(u16::MAX);
        Entries {
            texts,
            a_row,
            widest,
            rows: needed,
        }
    };
    // A name that is cut would hide the figure behind it.
    let fits = |entries: &Entries| entries.rows <= rows && entries.widest <= usize::from(width) + 2;
    let whole = [Words::Name, Words::Id].into_iter().map(said).find(fits);
    let entries = whole.unwrap_or_else(|| said(Words::Marker));
    Entries {
        rows: entries.rows.min(rows),
        ..entries
    }
}

/// The name of a run at this length, with a space after it.
fn name(scene: &Scene, other: &Drawn, words: Words) -> String {
    let tail = other.run.id.as_str().rsplit('-').next().unwrap_or_default();
    match (words, scene.view.others) {
        (Words::Marker, _) => String::new(),
        (Words::Name, Others::Stage) => format!("{} ", other.run.label()),
        (Words::Name, Others::Marked) => format!("{} {tail} ", other.run.label()),
        _ => format!("{tail} "),
    }
}

/// Draws the other runs in columns, and counts those that do not fit.
pub(super) fn draw_others(buf: &mut Buffer, area: Rect, others: &Entries) {
    let Entries {
        texts,
        a_row,
        widest,
        ..
    } = others;
    let most = a_row * usize::from(area.height);
    for (index, (text, style)) in texts.iter().take(most).enumerate() {
        let (Ok(x), Ok(y)) = (
            u16::try_from(index % a_row * widest),
            u16::try_from(index / a_row),
        ) else {
            return;
        };
        let row = paint::row(area, y);
        let cell = Rect {
            x: row.x + x.min(row.width),
            width: row.width.saturating_sub(x),
            ..row
        };
        let is_last = index + 1 == most && texts.len() > most;
        let more = format!("+{} more", texts.len() - most.min(texts.len()) + 1);
        let (text, style) = if is_last {
            (&more, THEME.muted)
        } else {
            (text, *style)
        };
        paint::left(buf, cell, text, style);
    }
}
