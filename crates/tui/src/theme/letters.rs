//! Letters wider than a cell, and letters that some terminals join and others draw side by side.

use ratatui::buffer::Buffer;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Gives each letter of a cluster its own cells, with its combining marks. A terminal that does not
/// join letters (for example Devanagari) draws them so. Otherwise, replacing the cluster later
/// would leave all letters but the first on screen. Letters that something covers, for example a
/// popup's border, are left out.
pub(super) fn separate(buffer: &mut Buffer) {
    for index in 0..buffer.content.len() {
        let symbol = buffer.content[index].symbol();
        if symbol.chars().nth(1).is_none() {
            continue;
        }
        let mut letters: Vec<String> = Vec::new();
        for c in symbol.chars() {
            match letters.last_mut() {
                Some(letter) if c.width().unwrap_or(0) == 0 => letter.push(c),
                _ => letters.push(c.to_string()),
            }
        }
        let (whole, style) = (symbol.width(), buffer.content[index].style());
        let widths: Vec<usize> = letters.iter().map(|letter| letter.width().max(1)).collect();
        // Only if they need the same width as the cluster.
        if letters.len() < 2 || widths.iter().sum::<usize>() != whole {
            continue;
        }
        let covered = (index + 1..index + whole)
            .find(|&at| {
                let cell = buffer.content.get(at);
                cell.is_none_or(|cell| cell.symbol() != " ")
            })
            .unwrap_or(index + whole);
        let mut at = index;
        for (letter, width) in letters.iter().zip(widths) {
            // The first letter replaces the cluster in any case, which would hide the covering cell.
            if at >= covered {
                break;
            }
            buffer.content[at].set_symbol(letter).set_style(style);
            at += width;
        }
    }
}

/// Removes wide letters whose right half is covered, for example by a popup's border: otherwise the
/// terminal would skip the covering cell.
pub(super) fn uncover(buffer: &mut Buffer) {
    let width = usize::from(buffer.area.width.max(1));
    for index in 1..buffer.content.len() {
        let is_covered = index % width != 0 && buffer.content[index].symbol() != " ";
        let left = &mut buffer.content[index - 1];
        if is_covered && left.symbol().len() > 1 && left.symbol().width() > 1 {
            left.set_symbol(" ");
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    use super::*;

    fn written(text: &str, width: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        buffer.set_string(0, 0, text, Style::new().fg(Color::Red));
        buffer
    }

    fn symbols(buffer: &Buffer) -> Vec<&str> {
        buffer
            .content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect()
    }

    #[test]
    fn joined_letters_get_a_cell_each() {
        let mut buffer = written("a\u{915}\u{94d}\u{937}漢e\u{301}z", 7);
        assert_ne!(
            symbols(&buffer)[1],
            "\u{915}\u{94d}",
            "they are joined to begin with"
        );
        separate(&mut buffer);
        assert_eq!(
            symbols(&buffer),
            ["a", "\u{915}\u{94d}", "\u{937}", "漢", " ", "e\u{301}", "z"]
        );
        assert!(buffer.content[..4].iter().all(|cell| cell.fg == Color::Red));
    }

    #[test]
    fn joined_letters_do_not_show_through_what_covers_them() {
        let mut buffer = written("a\u{915}\u{94d}\u{937}z", 4);
        buffer.content[2].set_symbol("│");
        separate(&mut buffer);
        uncover(&mut buffer);
        assert_eq!(symbols(&buffer), ["a", "\u{915}\u{94d}", "│", "z"]);
    }

    #[test]
    fn stacked_marks_are_one_letter() {
        let tower = format!("e{}", "\u{301}".repeat(9));
        let mut buffer = written(&tower, 2);
        separate(&mut buffer);
        assert_eq!(symbols(&buffer), [tower.as_str(), " "]);
    }

    #[test]
    fn half_covered_wide_letter_is_removed() {
        let mut buffer = written("漢字漢", 6);
        buffer.content[3].set_symbol("│");
        uncover(&mut buffer);
        assert_eq!(symbols(&buffer), ["漢", " ", " ", "│", "漢", " "]);
    }
}
