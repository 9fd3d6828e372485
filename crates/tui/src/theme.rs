//! Every colour and glyph. Screens draw in Unicode and in roles, which name a purpose and not a
//! colour. A theme gives each role its colour. After drawing, this module replaces what the
//! terminal cannot show.

mod letters;
mod palette;
mod role;
mod shades;

use ratatui::buffer::Buffer;
use ratatui::style::Color;

pub(crate) use self::palette::{HALF, Palette};
use self::role::Role;
pub(crate) use self::role::THEME;
pub use self::shades::Theme;

/// Bytes that a cell may have. Family emoji need 25; a stack of combining marks has no limit.
const HEAVIEST: usize = 32;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appearance {
    pub ascii: bool,
    pub theme: Theme,
    /// The number of colours, for images too.
    pub palette: Palette,
}

impl Appearance {
    /// Uses the options; the default comes from the environment: `NO_COLOR`, the number of colours,
    /// the background in `COLORFGBG`, a locale that is not UTF-8, and terminals whose font has no
    /// Braille.
    pub(crate) fn from_env(ascii: bool, theme: Option<Theme>) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(var);
        // No locale says nothing about the terminal; most terminals behind SSH know UTF-8.
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let plain_font = ["linux", "dumb"].contains(&term.as_str()) || term.starts_with("vt");
        let palette = Palette::from_env();
        let background = var("COLORFGBG").unwrap_or_default();
        let theme = theme
            .unwrap_or_else(|| Theme::of(var("NO_COLOR").is_some(), palette, &background, &term));
        Self {
            ascii: ascii || !utf8 || plain_font,
            theme,
            palette,
        }
    }

    pub(crate) fn has_colour(self) -> bool {
        self.theme != Theme::Mono
    }

    /// Adapts a finished frame to what the terminal can show.
    pub(crate) fn translate(self, buffer: &mut Buffer) {
        letters::separate(buffer);
        letters::uncover(buffer);
        for cell in &mut buffer.content {
            if cell.symbol().len() > HEAVIEST {
                cell.set_char(cell.symbol().chars().next().unwrap_or(' '));
            }
        }
        for cell in &mut buffer.content {
            if let Some(role) = Role::of(cell.fg) {
                let (colour, weight) = self.theme.shade(role);
                cell.fg = colour;
                cell.modifier |= weight;
            }
        }
        if self.ascii || !self.has_colour() {
            buffer.content.iter_mut().for_each(palette::without_colour);
        }
        if self.palette != Palette::True {
            for cell in &mut buffer.content {
                (cell.fg, cell.bg) = (self.palette.nearest(cell.fg), self.palette.nearest(cell.bg));
            }
        }
        if self.ascii {
            for cell in &mut buffer.content {
                if !cell.symbol().is_ascii() {
                    cell.set_char(ascii(cell.symbol()));
                }
            }
        }
        if !self.has_colour() {
            // Under NO_COLOR, crossterm sends a colour as a full reset, which would also remove
            // bold and reverse.
            for cell in &mut buffer.content {
                (cell.fg, cell.bg, cell.underline_color) =
                    (Color::Reset, Color::Reset, Color::Reset);
            }
        }
    }
}

fn ascii(symbol: &str) -> char {
    match symbol.chars().next().unwrap_or(' ') {
        '─' | '–' | '—' | '┴' | '┬' | '╌' | '○' | '▄' | '▅' | '−' => '-',
        '│' | '┤' | '├' | '┊' | '▐' => '|',
        '┼' | '└' | '┌' | '┐' | '┘' | '†' => '+',
        // `†`, `‡`, `§` and `¶` mark footnotes, which must differ.
        '●' | '‡' => '*',
        '◆' | '§' => '#',
        '★' | '¶' => '&',
        '■' => '%',
        '✚' => '$',
        '✖' => '@',
        '±' | '◒' => '~',
        'Δ' => 'd',
        '◐' | '◔' | '◑' | '▸' | '→' | '╸' => '>',
        '◌' | '·' | '…' => '.',
        '░' => ':',
        '÷' | '½' => '/',
        '✗' | '×' => 'x',
        '‖' | '█' | '━' => '=',
        '←' => '<',
        '▲' | '↑' | '▆' | '▇' => '^',
        '▼' | '↓' => 'v',
        '⚠' => '!',
        // A degree: `64 °C`.
        '°' => ' ',
        '▁' | '▂' | '▃' => '_',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Modifier;
    use warmstart_schema::state::Status;

    #[test]
    fn statuses_that_a_user_must_tell_apart_differ_in_ascii_too() {
        use warmstart_schema::event::Phase;
        let states = [
            None,
            Some(Status::Queued(1)),
            Some(Status::Finished),
            Some(Status::Active(Phase::Training)),
            Some(Status::Stopped),
            Some(Status::Halved),
            Some(Status::Stalled),
            Some(Status::Failed),
            Some(Status::Lost),
            Some(Status::Unreadable),
        ];
        let shapes: Vec<&str> = states
            .iter()
            .map(|status| THEME.status(*status).0)
            .collect();
        let mut plain: Vec<char> = shapes
            .iter()
            .map(|shape| if shape.is_ascii() { '!' } else { ascii(shape) })
            .collect();
        plain.sort_unstable();
        plain.dedup();
        assert_eq!(plain.len(), states.len(), "{plain:?}");
    }

    #[test]
    fn footnotes_differ_and_degrees_are_no_question_in_ascii() {
        let mut plain: Vec<char> = ["†", "‡", "§", "¶", "°", "é"].map(ascii).to_vec();
        plain.sort_unstable();
        plain.dedup();
        assert_eq!(plain.len(), 6, "{plain:?}");
    }

    #[test]
    fn mono_keeps_only_bold_and_reverse() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        buffer.set_string(0, 0, "sel", THEME.selected);
        Appearance {
            ascii: false,
            theme: Theme::Mono,
            palette: Palette::True,
        }
        .translate(&mut buffer);
        assert!(
            buffer
                .content
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        assert!(buffer[(0, 0)].modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn ascii_frame_has_only_ascii() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "●◐◌✗‖○ é漢–", THEME.text);
        Appearance {
            ascii: true,
            theme: Theme::Dark,
            palette: Palette::True,
        }
        .translate(&mut buffer);
        let text: String = buffer
            .content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        assert_eq!(text, "*>.x=- ?? - ");
    }
}
