//! The box around a popup.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph};
use warmstart_schema::text;

use crate::screen::paint;
use crate::theme::THEME;

/// Draws lines in a centred box, scrolled down by `down` lines if it can scroll.
pub(super) fn draw_box(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    lines: Vec<Line>,
    down: Option<usize>,
) {
    let cells = |size: usize| u16::try_from(size).unwrap_or(u16::MAX);
    let widest = lines.iter().map(paint::columns).max().unwrap_or(0);
    let text = Text::from(lines);
    let width = cells(widest.max(text::columns(title) + 4))
        .saturating_add(4)
        .min(area.width);
    let rows = cells(text.height());
    let height = rows.saturating_add(2).min(area.height);
    let [area] = area.layout(&Layout::vertical([Constraint::Length(height)]).flex(Flex::Center));
    let [area] = area.layout(&Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center));
    let below = rows.saturating_sub(height.saturating_sub(2));
    let hint = if below > 0 && down.is_some() {
        " ↑↓ "
    } else {
        ""
    };
    let block = Block::bordered()
        .border_style(THEME.accent)
        .title(format!(" {title} "))
        .title_bottom(Line::from(hint).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let inner = Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    };
    frame.render_widget(
        Paragraph::new(text).scroll((cells(down.unwrap_or(0)).min(below), 0)),
        inner,
    );
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn letters_that_a_font_may_join_fit_into_the_box() {
        let joined = "\u{644}\u{627}".repeat(6);
        let mut terminal = Terminal::new(TestBackend::new(40, 3)).unwrap();
        terminal
            .draw(|frame| {
                let area = frame.area();
                draw_box(frame, area, "", vec![Line::raw(joined.as_str())], None);
            })
            .unwrap();
        let cells = terminal.backend().buffer().content.iter();
        let shown: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        assert!(shown.contains(&joined), "{shown}");
    }
}
