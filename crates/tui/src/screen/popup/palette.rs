//! ```text
//! ┌ do or go to ─────────────────────────────────────────────┐
//! │ stp                                                      │
//! │ stop        stop the run and keep what it has learnt   s │
//! │ stop-now    stop the run without saving (asks)         S │
//! └ nothing to stop: no run yet ──────────────────── 2 of 64 ┘
//! ```
//! The palette: fuzzy search over the screen's actions, and all experiments and runs.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use warmstart_schema::text;

use super::input;
use crate::available::refusal;
use crate::layout::popup_width;
use crate::model::{Candidate, Model, Palette, Purpose, Target};
use crate::screen::paint;
use crate::theme::THEME;

const HEIGHT: u16 = 20;
/// Largest width of the column of action names, in characters.
const KINDS: usize = 16;
/// Largest width of the column of field paths, in characters.
const PATHS: usize = 34;

pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model, palette: &Palette) {
    let width = u16::try_from(popup_width(area.width) + 4)
        .unwrap_or(u16::MAX)
        .min(area.width);
    let [area] = area.layout(
        &Layout::vertical([Constraint::Length(HEIGHT.min(area.height))]).flex(Flex::Center),
    );
    let [area] = area.layout(&Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center));
    let title = match &palette.purpose {
        Purpose::Run => " do or go to ".to_owned(),
        Purpose::CompareWith(one) => format!(" compare {} with ", model.name_of(one)),
        Purpose::Field(source) => format!(
            " duplicate with one field changed: {} ",
            source.experiment.name
        ),
    };
    let count = format!(" {} of {} ", palette.hits().len(), palette.len());
    let beside_count = width.saturating_sub(u16::try_from(count.len() + 2).unwrap_or(u16::MAX));
    let block = Block::bordered()
        .border_style(THEME.accent)
        .title(title)
        .title_bottom(Line::from(count).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let buf = frame.buffer_mut();
    if let Some(reason) = reason(model, palette) {
        let bottom = Rect {
            x: area.x + 1.min(area.width),
            width: beside_count,
            ..paint::row(area, area.height.saturating_sub(1))
        };
        paint::message(buf, bottom, &reason, THEME.warning);
    }
    let inner = Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    };
    paint::left_line(
        buf,
        paint::row(inner, 0),
        &input::typed(&palette.input, usize::from(inner.width)),
    );
    let list = Rect {
        y: inner.y + 1.min(inner.height),
        height: inner.height.saturating_sub(1),
        ..inner
    };
    if palette.hits().len() == 0 {
        paint::left(buf, paint::row(list, 0), why_empty(palette), THEME.muted);
        return;
    }
    let kinds = palette
        .hits()
        .map(|(candidate, _)| candidate.kind.len())
        .max()
        .unwrap_or(0);
    let kinds = kinds.min(if matches!(palette.purpose, Purpose::Field(_)) {
        PATHS
    } else {
        KINDS
    });
    let rows = usize::from(list.height).max(1);
    let first = (palette.chosen + 1).saturating_sub(rows);
    for ((index, (candidate, letters)), y) in
        palette.hits().enumerate().skip(first).zip(0..list.height)
    {
        let row = paint::row(list, y);
        draw_row(buf, row, candidate, letters, kinds);
        if index == palette.chosen {
            buf.set_style(row, THEME.selected);
        } else if is_idle(model, candidate) {
            buf.set_style(row, THEME.muted);
        }
    }
}

/// Why the list is empty.
fn why_empty(palette: &Palette) -> &'static str {
    if palette.len() == 0 {
        "there is no other experiment or run"
    } else {
        "nothing has these letters in this order"
    }
}

fn draw_row(buf: &mut Buffer, row: Rect, candidate: &Candidate, letters: &[u32], kinds: usize) {
    let aside = u16::try_from(text::columns(&candidate.aside))
        .unwrap_or(u16::MAX)
        .min(row.width / 2);
    let room = row.width.saturating_sub(aside + 2);
    let mut spans = lettered(&candidate.kind, letters, 0, THEME.label);
    spans.push(Span::raw(
        " ".repeat((kinds + 2).saturating_sub(candidate.kind.len())),
    ));
    let before = candidate.kind.chars().count() + Candidate::GAP;
    spans.extend(lettered(&candidate.text, letters, before, THEME.text));
    paint::left_line(buf, Rect { width: room, ..row }, &Line::from(spans));
    paint::right(
        buf,
        Rect {
            x: row.right() - aside,
            width: aside,
            ..row
        },
        &candidate.aside,
        THEME.key,
    );
}

/// A text with its matched letters highlighted; `before` is the index of its first letter in the
/// searched text.
fn lettered(text: &str, letters: &[u32], before: usize, style: Style) -> Vec<Span<'static>> {
    let mut spans: Vec<Span> = Vec::new();
    for (index, c) in text.chars().enumerate() {
        let fits = u32::try_from(before + index)
            .is_ok_and(|number| letters.binary_search(&number).is_ok());
        let style = if fits { THEME.accent } else { style };
        match spans.last_mut().filter(|span| span.style == style) {
            Some(span) => span.content.to_mut().push(c),
            None => spans.push(Span::styled(c.to_string(), style)),
        }
    }
    spans
}

/// Whether the candidate's action is not available.
fn is_idle(model: &Model, candidate: &Candidate) -> bool {
    matches!(candidate.target, Target::Action(command) if refusal(model, command).is_some())
}

/// Why the selected candidate's action is not available.
fn reason(model: &Model, palette: &Palette) -> Option<String> {
    let Target::Action(command) = palette.chosen()?.target else {
        return None;
    };
    refusal(model, command).map(|reason| format!(" {reason} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_does_not_blame_the_typed_letters() {
        let of = |candidates| {
            let one = Target::Experiment("one.yaml".into());
            why_empty(&Palette::new(Purpose::CompareWith(one), candidates))
        };
        let other = Target::Experiment("other.yaml".into());
        let full = of(vec![Candidate::new(
            "experiment",
            "other".to_owned(),
            other,
        )]);
        assert!(full.contains("letters"), "{full}");
        assert!(!of(Vec::new()).contains("letters"));
    }
}
