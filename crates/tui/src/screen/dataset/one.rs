//! ```text
//!  image number 34133   coarse class 8 Large_carnivores   fine class 88 Tiger
//!  training image 20 of 35,000                        beside it epochs 1, 2: ±15°, flip
//!  ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀  ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀  ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
//! ```
//! One image with both of its labels; beside it, as many augmented views as fit.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use warmstart_schema::look::{Facts, Label, Picture};

use super::view::draw_picture;
use crate::format::count;
use crate::model::DatasetView;
use crate::screen::paint;
use crate::theme::THEME;

/// Columns between two images.
const GAP: u16 = 2;

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &DatasetView, facts: &Facts) {
    let [labels, place, pictures] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
    ]));
    let picture = view.picture(view.position, None);
    if let Some(picture) = picture {
        draw_labels(buf, labels, picture);
    }
    let epochs = view.epochs();
    // The first image determines the width of the ones beside it.
    let share = if epochs.is_empty() {
        pictures
    } else {
        left_half(pictures)
    };
    let drawn = draw_picture(buf, share, picture);
    let mut rest = pictures;
    let mut seen = Vec::new();
    for epoch in epochs {
        let taken = drawn.width + GAP;
        rest = Rect {
            x: rest.x.saturating_add(taken).min(rest.right()),
            width: rest.width.saturating_sub(taken),
            ..rest
        };
        if rest.width < drawn.width || drawn.width == 0 {
            break;
        }
        draw_picture(
            buf,
            Rect {
                width: drawn.width,
                ..rest
            },
            view.picture(view.position, Some(epoch)),
        );
        seen.push(epoch);
    }
    draw_position(buf, place, view, facts, picture, &seen);
}

/// The left half of an area, less the gap.
fn left_half(area: Rect) -> Rect {
    Rect {
        width: area.width.saturating_sub(GAP) / 2,
        ..area
    }
}

fn draw_labels(buf: &mut Buffer, area: Rect, picture: &Picture) {
    let mut spans = vec![Span::styled(
        format!("image number {}", picture.number),
        THEME.title,
    )];
    for (kind, Label { number, name, .. }) in picture.labels() {
        spans.push(Span::styled(format!("   {kind} {number} "), THEME.label));
        spans.push(Span::styled(name.clone(), THEME.text));
    }
    paint::left_line(buf, area, &Line::from(spans));
}

fn draw_position(
    buf: &mut Buffer,
    area: Rect,
    view: &DatasetView,
    facts: &Facts,
    picture: Option<&Picture>,
    seen: &[u32],
) {
    let at = format!(
        "{} image {} of {}",
        view.part.adjective(),
        count(u64::from(view.position) + 1),
        count(u64::from(view.images()))
    );
    let rest = paint::left(buf, area, &at, THEME.muted);
    let epochs: Vec<String> = seen.iter().map(u32::to_string).collect();
    let text = match (
        epochs.is_empty(),
        picture.and_then(|picture| picture.file.as_ref()),
    ) {
        (false, _) => {
            let word = if epochs.len() == 1 { "epoch" } else { "epochs" };
            format!(
                "   beside it {word} {}: {}",
                epochs.join(", "),
                facts.augment
            )
        }
        (true, Some(file)) => format!("   {file}"),
        (true, None) => String::new(),
    };
    paint::left(buf, rest, &text, THEME.muted);
}
