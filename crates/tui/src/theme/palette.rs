//! The colours of images and themes, reduced to those that the terminal has.

use ratatui::buffer::Cell;
use ratatui::style::Color;

/// Upper half: the foreground is the pixel above, the background the one below.
pub(crate) const HALF: &str = "▀";
/// From dark to bright, on a dark background.
const RAMP: &[u8; 10] = b" .:-=+*#%@";
/// The sixteen colours of xterm, which most terminals use by default.
const SIXTEEN: [([u8; 3], Color); 16] = [
    ([0, 0, 0], Color::Black),
    ([205, 0, 0], Color::Red),
    ([0, 205, 0], Color::Green),
    ([205, 205, 0], Color::Yellow),
    ([0, 0, 238], Color::Blue),
    ([205, 0, 205], Color::Magenta),
    ([0, 205, 205], Color::Cyan),
    ([229, 229, 229], Color::Gray),
    ([127, 127, 127], Color::DarkGray),
    ([255, 0, 0], Color::LightRed),
    ([0, 255, 0], Color::LightGreen),
    ([255, 255, 0], Color::LightYellow),
    ([92, 92, 255], Color::LightBlue),
    ([255, 0, 255], Color::LightMagenta),
    ([0, 255, 255], Color::LightCyan),
    ([255, 255, 255], Color::White),
];
/// Terminals with all colours whose `TERM` does not say so. SSH passes `TERM` on, but not `COLORTERM`.
const TRUE: [&str; 5] = [
    "alacritty",
    "foot",
    "wezterm",
    "xterm-ghostty",
    "xterm-kitty",
];
/// The steps of the 6×6×6 cube in the 256 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The number of colours of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    True,
    Indexed,
    Sixteen,
}

impl Palette {
    /// From `COLORTERM` and `TERM`.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default().to_ascii_lowercase();
        Self::of(&var("COLORTERM"), &var("TERM"))
    }

    fn of(colorterm: &str, term: &str) -> Self {
        let has_all = term.ends_with("-direct") || TRUE.contains(&term);
        if ["truecolor", "24bit"].contains(&colorterm) || has_all {
            Self::True
        } else if term.contains("256") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    /// The nearest available colour.
    pub fn nearest(self, colour: Color) -> Color {
        let Some(rgb) = rgb(colour) else {
            return colour;
        };
        match self {
            Self::True => colour,
            Self::Indexed if matches!(colour, Color::Indexed(_)) => colour,
            Self::Indexed => Color::Indexed(indexed(rgb)),
            Self::Sixteen => {
                let nearest = SIXTEEN
                    .iter()
                    .min_by_key(|(known, _)| distance(*known, rgb));
                nearest.map_or(colour, |(_, colour)| *colour)
            }
        }
    }
}

/// The RGB value of a colour; `None` for colours that differ between terminals.
pub(super) fn rgb(colour: Color) -> Option<[u8; 3]> {
    match colour {
        Color::Rgb(red, green, blue) => Some([red, green, blue]),
        Color::Indexed(number @ 16..=231) => {
            let cube = number - 16;
            Some([cube / 36, cube / 6 % 6, cube % 6].map(|step| STEPS[usize::from(step)]))
        }
        Color::Indexed(number @ 232..) => Some([8 + 10 * (number - 232); 3]),
        _ => None,
    }
}

/// The nearest of the 6×6×6 cube and the 24 greys. Terminals draw the first sixteen differently.
fn indexed(rgb: [u8; 3]) -> u8 {
    let step = |value: u8| {
        (0_u8..6)
            .min_by_key(|&step| STEPS[usize::from(step)].abs_diff(value))
            .unwrap_or(0)
    };
    let steps = rgb.map(step);
    let cube = (
        16 + 36 * steps[0] + 6 * steps[1] + steps[2],
        steps.map(|step| STEPS[usize::from(step)]),
    );
    let grey = |index: u8| (232 + index, [8 + 10 * index; 3]);
    let all = std::iter::once(cube).chain((0..24).map(grey));
    all.min_by_key(|(_, known)| distance(*known, rgb))
        .map_or(16, |(index, _)| index)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

/// Replaces a cell of an image by a character of the same brightness; leaves other cells unchanged.
pub(super) fn without_colour(cell: &mut Cell) {
    if let (HALF, Color::Rgb(..), Color::Rgb(..)) = (cell.symbol(), cell.fg, cell.bg) {
        let brightness = u32::midpoint(luminance(cell.fg), luminance(cell.bg));
        let ramp = usize::try_from(brightness).unwrap_or(0) * RAMP.len() / 256;
        cell.set_char(char::from(RAMP[ramp.min(RAMP.len() - 1)]));
        (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
    }
}

/// Luminance from 0 to 255, with the weights of Rec. 709.
fn luminance(colour: Color) -> u32 {
    let Color::Rgb(red, green, blue) = colour else {
        return 0;
    };
    (2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue)) / 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_determines_number_of_colours() {
        for (colorterm, term, expected) in [
            ("truecolor", "xterm", Palette::True),
            ("24bit", "", Palette::True),
            ("", "xterm-direct", Palette::True),
            // Over SSH from kitty and from Alacritty.
            ("", "xterm-kitty", Palette::True),
            ("", "alacritty", Palette::True),
            ("", "screen-256color", Palette::Indexed),
            ("yes", "xterm", Palette::Sixteen),
            ("", "linux", Palette::Sixteen),
        ] {
            assert_eq!(Palette::of(colorterm, term), expected, "{colorterm} {term}");
        }
    }

    #[test]
    fn nearest_colour_is_used() {
        let nearest =
            |palette: Palette, rgb: [u8; 3]| palette.nearest(Color::Rgb(rgb[0], rgb[1], rgb[2]));
        assert_eq!(nearest(Palette::True, [1, 2, 3]), Color::Rgb(1, 2, 3));
        for (rgb, index, sixteen) in [
            ([0, 0, 0], 16, Color::Black),
            ([255, 255, 255], 231, Color::White),
            ([250, 10, 0], 196, Color::LightRed),
            ([128, 128, 128], 244, Color::DarkGray),
            ([95, 135, 175], 67, Color::DarkGray),
            ([0, 0, 230], 20, Color::Blue),
        ] {
            assert_eq!(
                nearest(Palette::Indexed, rgb),
                Color::Indexed(index),
                "{rgb:?}"
            );
            assert_eq!(nearest(Palette::Sixteen, rgb), sixteen, "{rgb:?}");
        }
        assert_eq!(Palette::Sixteen.nearest(Color::Cyan), Color::Cyan);
        // A terminal with 256 colours shows each of them unchanged.
        assert_eq!(
            Palette::Indexed.nearest(Color::Indexed(75)),
            Color::Indexed(75)
        );
        assert_eq!(
            Palette::Sixteen.nearest(Color::Indexed(196)),
            Color::LightRed
        );
        assert_eq!(
            (rgb(Color::Indexed(214)), rgb(Color::Indexed(255))),
            (Some([255, 175, 0]), Some([238; 3]))
        );
    }

    #[test]
    fn brightness_becomes_characters_in_images_only() {
        let mut shown = String::new();
        for grey in [0, 30, 128, 255] {
            let mut cell = Cell::new(HALF);
            (cell.fg, cell.bg) = (Color::Rgb(grey, grey, grey), Color::Rgb(grey, grey, grey));
            without_colour(&mut cell);
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
            shown.push_str(cell.symbol());
        }
        assert_eq!(shown, " .+@");
        let mut other = Cell::new("●");
        other.fg = Color::Cyan;
        without_colour(&mut other);
        assert_eq!((other.symbol(), other.fg), ("●", Color::Cyan));
    }
}
