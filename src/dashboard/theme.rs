//! Every colour and every glyph. Screens draw in Unicode and in the sixteen colours that every terminal has; what a
//! terminal cannot show is translated here, once, after drawing.

mod palette;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use warmstart_schema::event::Level;
use warmstart_schema::state::Status;

pub use self::palette::{HALF, Palette};
use crate::config::Theme as Choice;

/// Bytes that one cell may hold. Families of emoji need 25; a tower of combining marks has no end.
const HEAVIEST: usize = 32;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub ascii: bool,
    pub colour: bool,
    /// What pictures are drawn in.
    pub palette: Palette,
}

impl Look {
    /// As the environment says: `NO_COLOR`, a locale that is not UTF-8, and terminals without Braille in their font.
    pub fn from_env(ascii: bool) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let term = var("TERM").unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(var);
        // No locale at all says nothing of the terminal; most of those at the other end of an SSH session know UTF-8.
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let plain_font = ["linux", "dumb"].contains(&term.as_str()) || term.starts_with("vt");
        let palette = Palette::from_env();
        Self { ascii: ascii || !utf8 || plain_font, colour: var("NO_COLOR").is_none(), palette }
    }

    /// With the colours that somebody chose; what the terminal cannot show stays hidden.
    pub fn with_theme(self, theme: Choice) -> Self {
        match theme {
            Choice::Mono => Self { colour: false, ..self },
            Choice::Sixteen => Self { palette: Palette::Sixteen, ..self },
            Choice::Auto | Choice::Dark | Choice::Light => self,
        }
    }

    /// Translates a finished frame into what the terminal can show.
    pub fn translate(self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if cell.symbol().len() > HEAVIEST {
                cell.set_char(cell.symbol().chars().next().unwrap_or(' '));
            }
        }
        if self.ascii || !self.colour {
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
        if !self.colour {
            // crossterm sends colours as a full reset under NO_COLOR, which would wipe bold and reverse with them.
            for cell in &mut buffer.content {
                (cell.fg, cell.bg, cell.underline_color) = (Color::Reset, Color::Reset, Color::Reset);
            }
        }
    }
}

fn ascii(symbol: &str) -> char {
    match symbol.chars().next().unwrap_or(' ') {
        '─' | '–' | '—' | '┴' | '┬' | '╌' | '○' | '▄' | '▅' | '−' => '-',
        '│' | '┤' | '├' | '┊' => '|',
        '┼' | '└' | '┌' | '┐' | '┘' | '†' => '+',
        '●' => '*',
        '◆' => '#',
        '★' => '&',
        '■' => '%',
        '✚' => '$',
        '✖' => '@',
        '±' | '◒' => '~',
        'Δ' => 'd',
        '◐' | '◔' | '◑' | '▐' | '▸' | '→' | '╸' => '>',
        '◌' | '·' | '…' => '.',
        '░' => ':',
        '÷' => '/',
        '✗' | '×' => 'x',
        '‖' | '█' | '━' => '=',
        '←' => '<',
        '▲' | '↑' | '▆' | '▇' => '^',
        '▼' | '↓' => 'v',
        '⚠' => '!',
        '▁' | '▂' | '▃' => '_',
        _ => '?',
    }
}

/// All styles.
#[derive(Debug)]
pub struct Theme {
    /// The program's name and other headings.
    pub title: Style,
    pub text: Style,
    /// Units, hints, and figures that are not ours.
    pub muted: Style,
    pub rule: Style,
    /// Names of columns and fields.
    pub label: Style,
    /// The one accent: what is selected.
    pub selected: Style,
    pub accent: Style,
    pub key: Style,
    pub best: Style,
    pub train: Style,
    pub validation: Style,
    pub good: Style,
    pub busy: Style,
    pub waiting: Style,
    pub warning: Style,
    pub error: Style,
}

pub const THEME: Theme = Theme {
    title: Style::new().add_modifier(Modifier::BOLD),
    text: Style::new(),
    // Dim rather than grey: some palettes (Solarized) give bright black the colour of the background.
    muted: Style::new().add_modifier(Modifier::DIM),
    rule: Style::new().add_modifier(Modifier::DIM),
    label: Style::new().add_modifier(Modifier::DIM),
    selected: Style::new()
        .fg(Color::Cyan)
        .bg(Color::Reset)
        .add_modifier(Modifier::REVERSED)
        .remove_modifier(Modifier::DIM.union(Modifier::BOLD)),
    accent: Style::new().fg(Color::Cyan),
    key: Style::new().add_modifier(Modifier::BOLD),
    best: Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
    train: Style::new().add_modifier(Modifier::DIM),
    // Not bold: bold faces often lack Braille.
    validation: Style::new().fg(Color::LightBlue),
    good: Style::new().fg(Color::Green),
    busy: Style::new().fg(Color::Yellow),
    waiting: Style::new().fg(Color::Blue),
    warning: Style::new().fg(Color::Yellow),
    error: Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
};

impl Theme {
    /// How a state is marked: by shape and by colour, so that either is enough. `None` is an experiment that never ran.
    pub fn status(&self, status: Option<Status>) -> (&'static str, Style) {
        match status {
            None => ("○", self.muted),
            Some(Status::Queued(_)) => ("◌", self.waiting),
            Some(Status::Starting) => ("◔", self.busy),
            Some(Status::Active(_)) => ("◐", self.busy),
            Some(Status::Stalled | Status::Hung | Status::Suspended) => ("◒", self.warning),
            Some(Status::Stopping) => ("◑", self.warning),
            Some(Status::Stopped) => ("‖", self.waiting),
            Some(Status::Finished) => ("●", self.good),
            Some(Status::Failed) => ("✗", self.error),
            Some(Status::Lost) => ("!", self.error),
        }
    }

    /// The marker and the colour of a run, which are its own on every screen: by how many runs are older.
    #[expect(clippy::unused_self, reason = "asked for as every other style is")]
    pub fn run(&self, rank: usize) -> (&'static str, Style) {
        const MARKERS: [&str; 8] = ["●", "◆", "▲", "■", "▼", "★", "✚", "✖"];
        // Seven colours and eight markers: fifty-six runs differ in one or the other.
        const COLOURS: [Color; 7] =
            [Color::LightBlue, Color::Yellow, Color::Magenta, Color::Green, Color::Red, Color::LightCyan, Color::Blue];
        (MARKERS[rank % MARKERS.len()], Style::new().fg(COLOURS[rank % COLOURS.len()]))
    }

    pub fn level(&self, level: Level) -> Style {
        match level {
            Level::Info => self.text,
            Level::Warning => self.warning,
            Level::Error => self.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn every_state_has_a_shape_of_its_own_in_both_alphabets() {
        use warmstart_schema::event::Phase;
        let states = [
            None,
            Some(Status::Queued(1)),
            Some(Status::Finished),
            Some(Status::Active(Phase::Training)),
            Some(Status::Stopped),
            Some(Status::Stalled),
            Some(Status::Failed),
            Some(Status::Lost),
        ];
        let shapes: Vec<&str> = states.iter().map(|status| THEME.status(*status).0).collect();
        let mut plain: Vec<char> =
            shapes.iter().map(|shape| if shape.is_ascii() { '!' } else { ascii(shape) }).collect();
        plain.sort_unstable();
        plain.dedup();
        assert_eq!(plain.len(), states.len(), "{plain:?}");
    }

    #[test]
    fn without_colour_only_bold_and_reverse_remain() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        buffer.set_string(0, 0, "sel", THEME.selected);
        Look { ascii: false, colour: false, palette: Palette::True }.translate(&mut buffer);
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        assert!(buffer[(0, 0)].modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn in_ascii_nothing_else_remains() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "●◐◌✗‖○ é漢–", THEME.text);
        Look { ascii: true, colour: true, palette: Palette::True }.translate(&mut buffer);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "*>.x=- ?? - ");
    }
}
