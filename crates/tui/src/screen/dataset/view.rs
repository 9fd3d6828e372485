//! ```text
//!  Lite0, freeze ▸ emoji98              ▸training 2,127  validation 911  test 774
//!  one picture, a page of them, or the classes
//! ```
//! The data that an experiment trains on and is evaluated on.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use warmstart_schema::look::{Facts, Picture, Split};

use super::{classes, one, page};
use crate::format::count;
use crate::model::{DatasetPane, DatasetView, Opened};
use crate::screen::{paint, picture};
use crate::theme::THEME;

pub(in crate::screen) fn draw(frame: &mut Frame, area: Rect, view: &DatasetView) {
    let buf = frame.buffer_mut();
    let [title, body] = paint::inset(area).layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
    ]));
    match &view.state {
        Opened::NotYet => {
            paint::left(buf, title, &view.label, THEME.title);
            paint::left(
                buf,
                paint::row(body, 0),
                "reading the dataset …",
                THEME.muted,
            );
        }
        Opened::No(why) => {
            paint::left(buf, title, &view.label, THEME.title);
            for (line, y) in paint::wrap(why, usize::from(body.width))
                .iter()
                .zip(0..body.height)
            {
                paint::left(buf, paint::row(body, y), line, THEME.warning);
            }
        }
        Opened::Yes(facts) => {
            draw_title(buf, title, view, facts);
            let body = draw_notes(buf, body, view, facts);
            match view.pane {
                DatasetPane::Classes => classes::draw(buf, body, view, facts),
                _ if view.images() == 0 => {
                    let text = format!("There are no {} images.", view.part.adjective());
                    paint::left(buf, paint::row(body, 0), &text, THEME.muted);
                }
                DatasetPane::One => one::draw(buf, body, view, facts),
                DatasetPane::Page => page::draw(buf, body, view),
            }
        }
    }
}

/// Draws the notes on odd or skipped images: all of them above the classes, elsewhere only the
/// first. Returns the free area.
fn draw_notes(buf: &mut Buffer, area: Rect, view: &DatasetView, facts: &Facts) -> Rect {
    let notes = &facts.notes;
    let lines: Vec<String> = match (view.pane, &notes[..]) {
        (_, []) => return area,
        (DatasetPane::Classes, _) => notes
            .iter()
            .flat_map(|note| paint::wrap(note, usize::from(area.width)))
            .collect(),
        (_, [one]) => vec![one.clone()],
        (_, [first, rest @ ..]) => vec![format!("{} more above the classes · {first}", rest.len())],
    };
    // Keep at least half of the screen for its content.
    let rows = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .min(area.height / 2);
    for (line, y) in lines.iter().zip(0..rows) {
        paint::left(buf, paint::row(area, y), line, THEME.warning);
    }
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

fn draw_title(buf: &mut Buffer, area: Rect, view: &DatasetView, facts: &Facts) {
    let images = |part: Split| count(u64::from(facts.part(part).images));
    let mut spans = Vec::new();
    for part in Split::ALL {
        let (mark, style) = if part == view.part {
            ("▸", THEME.accent)
        } else {
            (" ", THEME.muted)
        };
        spans.push(Span::styled(
            format!(" {mark}{} {}", part.adjective(), images(part)),
            style,
        ));
    }
    let line = Line::from(spans);
    let width = u16::try_from(line.width())
        .unwrap_or(u16::MAX)
        .min(area.width);
    paint::left_line(
        buf,
        Rect {
            x: area.right() - width,
            width,
            ..area
        },
        &line,
    );
    let rest = Rect {
        width: area.width - width,
        ..area
    };
    let rest = paint::left(buf, rest, &view.label, THEME.title);
    paint::left(buf, rest, &format!(" ▸ {}", facts.dataset), THEME.muted);
}

/// Draws an image. Draws a text until it is loaded, or where it cannot be read. Returns the covered
/// area.
pub(super) fn draw_picture(buf: &mut Buffer, area: Rect, picture: Option<&Picture>) -> Rect {
    let (text, style) = match picture {
        Some(Picture {
            pixels: Some(pixels),
            ..
        }) => return picture::draw(buf, area, pixels),
        Some(Picture { error, .. }) => {
            (error.as_deref().unwrap_or("cannot be read"), THEME.warning)
        }
        None => ("loading …", THEME.muted),
    };
    // Until the size is known, assume a small image.
    let mut covered = picture::place(area, 32);
    for (line, y) in paint::wrap(text, usize::from(area.width))
        .iter()
        .zip(0..area.height)
    {
        let rest = paint::left(buf, paint::row(area, y), line, style);
        covered.width = covered.width.max(rest.x - area.x);
        covered.height = covered.height.max(y + 1);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use warmstart_schema::look::Wanted;

    #[test]
    fn nothing_else_is_drawn_over_a_long_error() {
        let whole = Rect::new(0, 0, 70, 40);
        let area = Rect::new(3, 2, 60, 30);
        let mut buf = Buffer::empty(whole);
        let picture = Picture {
            wanted: Wanted {
                position: 0,
                epoch: None,
            },
            number: 0,
            fine: None,
            coarse: None,
            file: None,
            pixels: None,
            error: Some("x".repeat(60 * 20)),
        };
        let covered = draw_picture(&mut buf, area, Some(&picture));
        assert_eq!(covered, area.intersection(covered));
        let drawn: Vec<_> = whole
            .positions()
            .filter(|position| buf[*position].symbol() != " ")
            .collect();
        assert_eq!(drawn.len(), 60 * 20);
        assert!(drawn.iter().all(|position| covered.contains(*position)));
    }
}
