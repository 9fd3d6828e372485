//! ```text
//!  ▀▀▀▀▀▀▀▀▀▀▀▀▀▀   ▀▀▀▀▀▀▀▀▀▀▀▀▀▀
//!  88 Tiger         42 Leopard
//! ```
//! A page of images with their true labels.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use warmstart_schema::experiment::Labels;
use warmstart_schema::look::Picture;

use super::view::draw_picture;
use crate::model::DatasetView;
use crate::screen::paint;
use crate::theme::THEME;

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &DatasetView) {
    let cells = |number: u32| u16::try_from(number).unwrap_or(1);
    let (columns, rows) = (cells(view.grid.columns), cells(view.grid.rows));
    let (width, height) = (area.width / columns, area.height / rows);
    if height < 2 {
        paint::left(
            buf,
            area,
            "a page of pictures needs more lines",
            THEME.muted,
        );
        return;
    }
    let learnt = view.facts().map_or(Labels::Fine, |facts| facts.labels);
    let end = view
        .page()
        .saturating_add(view.grid.pictures())
        .min(view.images());
    for (index, position) in (0..).zip(view.page()..end) {
        let (x, y) = (
            area.x + index % columns * width,
            area.y + index / columns * height,
        );
        let place = Rect {
            x,
            y,
            width: width.saturating_sub(1),
            height,
        };
        let picture = view.picture(position, None);
        let covered = draw_picture(
            buf,
            Rect {
                height: height - 1,
                ..place
            },
            picture,
        );
        let style = if position == view.position {
            THEME.selected
        } else {
            THEME.text
        };
        let text = picture.map_or_else(String::new, |picture| label(picture, learnt));
        paint::left(
            buf,
            Rect {
                y: covered.bottom().clamp(y, y + height - 1),
                height: 1,
                ..place
            },
            &text,
            style,
        );
    }
}

/// The label that the model learns, with its number; the image's number if it has none.
fn label(picture: &Picture, learnt: Labels) -> String {
    let label = if learnt == Labels::Coarse {
        &picture.coarse
    } else {
        &picture.fine
    };
    label.as_ref().map_or_else(
        || format!("image {}", picture.number),
        |label| format!("{} {}", label.number, label.name),
    )
}
