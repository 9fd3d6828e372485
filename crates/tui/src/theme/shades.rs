//! The themes: a colour for each role. The dark and light themes use the 256 colours, which nearly
//! every terminal has: they look the same everywhere and take few bytes. `ansi` uses the sixteen
//! colours that the user's terminal defines.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier};

use super::Palette;
use super::role::Role;
use crate::config::Theme as Choice;

/// Which colours the dashboard has. Those of runs can be told apart by colour-blind people too, and each has a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// For dark backgrounds
    Dark,
    /// For light backgrounds
    Light,
    /// The terminal's own sixteen colours
    #[value(name = "16")]
    Ansi,
    /// No colours
    Mono,
}

impl Theme {
    /// The theme for a terminal: no colours if not wanted; the terminal's own if it has only
    /// sixteen; else by its background. Few terminals report it, and most are dark.
    pub fn of(no_colour: bool, palette: Palette, colorfgbg: &str, term: &str) -> Self {
        let background = colorfgbg
            .rsplit(';')
            .next()
            .and_then(|number| number.parse::<u8>().ok());
        if no_colour || term == "dumb" {
            Self::Mono
        } else if palette == Palette::Sixteen {
            Self::Ansi
        } else if background
            .is_some_and(|background| background == 7 || (9..=15).contains(&background))
        {
            Self::Light
        } else {
            Self::Dark
        }
    }

    /// The theme from the settings; `None` for `auto`.
    pub fn chosen(choice: Choice) -> Option<Self> {
        match choice {
            Choice::Auto => None,
            Choice::Dark => Some(Self::Dark),
            Choice::Light => Some(Self::Light),
            Choice::Sixteen => Some(Self::Ansi),
            Choice::Mono => Some(Self::Mono),
        }
    }

    /// A role's colour and weight.
    pub fn shade(self, role: Role) -> (Color, Modifier) {
        match self {
            Self::Dark => (Color::Indexed(dark(role)), Modifier::empty()),
            Self::Light => (Color::Indexed(light(role)), Modifier::empty()),
            Self::Ansi => ansi(role),
            Self::Mono => (Color::Reset, ansi(role).1),
        }
    }
}

fn dark(role: Role) -> u8 {
    match role {
        Role::Quiet => 247,
        Role::Rule => 240,
        Role::Accent => 80,
        Role::Train => 249,
        Role::Validation | Role::FirstRun => 75,
        Role::Best | Role::Good => 78,
        Role::Busy | Role::Warning | Role::SecondRun => 214,
        Role::Waiting => 111,
        Role::Error => 203,
        Role::ThirdRun => 35,
        Role::FourthRun => 229,
        Role::FifthRun => 175,
    }
}

fn light(role: Role) -> u8 {
    match role {
        Role::Quiet => 241,
        Role::Rule => 250,
        Role::Accent => 24,
        Role::Train => 240,
        Role::Validation | Role::FirstRun | Role::Waiting => 26,
        Role::Best | Role::Good => 22,
        Role::Busy | Role::Warning | Role::SecondRun => 94,
        Role::Error => 124,
        Role::ThirdRun => 23,
        Role::FourthRun => 234,
        Role::FifthRun => 54,
    }
}

fn ansi(role: Role) -> (Color, Modifier) {
    let colour = match role {
        // Use dim, not grey: some palettes (Solarized) define bright black as the background's
        // colour.
        Role::Quiet | Role::Rule | Role::Train => return (Color::Reset, Modifier::DIM),
        Role::Accent => Color::Cyan,
        Role::Validation | Role::FirstRun => Color::LightBlue,
        Role::Best | Role::Good | Role::ThirdRun => Color::Green,
        Role::Busy | Role::Warning | Role::SecondRun => Color::Yellow,
        Role::Waiting => Color::Blue,
        Role::Error | Role::FourthRun => Color::Red,
        Role::FifthRun => Color::Magenta,
    };
    (colour, Modifier::empty())
}

#[cfg(test)]
mod tests {
    use super::super::palette::rgb;
    use super::super::role::RUN_COLOURS;
    use super::*;

    /// The lightest common background of dark terminals (One Dark's), and the darkest one of light terminals.
    const GROUNDS: [(Theme, [u8; 3]); 2] = [
        (Theme::Dark, [0x28, 0x2c, 0x34]),
        (Theme::Light, [0xee, 0xee, 0xee]),
    ];
    /// Smallest colour difference between runs, in CIE 1976 units, with any colour vision.
    const APART: f64 = 24.0;
    /// Protanopia and deuteranopia in linear RGB: Machado, Oliveira and Fernandes (2009), severity
    /// 1.
    const PROTANOPIA: [[f64; 3]; 3] = [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ];
    const DEUTERANOPIA: [[f64; 3]; 3] = [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ];
    const AS_IT_IS: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    /// The inverse of sRGB's transfer function.
    fn linear(rgb: [u8; 3]) -> [f64; 3] {
        rgb.map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    fn times(matrix: [[f64; 3]; 3], [red, green, blue]: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row[0] * red + row[1] * green + row[2] * blue)
    }

    /// The contrast ratio of two colours, by WCAG 2's relative luminance.
    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let luminance = |rgb| times([[0.2126, 0.7152, 0.0722]; 3], linear(rgb))[0];
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// CIE L*a*b*, D65.
    fn lab(linear: [f64; 3]) -> [f64; 3] {
        let to_xyz = [
            [
                0.412_456 / 0.950_47,
                0.357_576 / 0.950_47,
                0.180_437 / 0.950_47,
            ],
            [0.212_673, 0.715_152, 0.072_175],
            [
                0.019_334 / 1.088_83,
                0.119_192 / 1.088_83,
                0.950_304 / 1.088_83,
            ],
        ];
        let [x, y, z] = times(to_xyz, linear.map(|value| value.clamp(0.0, 1.0))).map(|t| {
            if t > 216.0 / 24389.0 {
                t.cbrt()
            } else {
                (24389.0 / 27.0 * t + 16.0) / 116.0
            }
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn colour(theme: Theme, role: Role) -> [u8; 3] {
        rgb(theme.shade(role).0).expect("dark and light themes name their colours")
    }

    #[test]
    fn formulas_give_published_values() {
        assert!((contrast([0, 0, 0], [255, 255, 255]) - 21.0).abs() < 1e-9);
        // WCAG's example: the lightest grey with enough contrast on white.
        assert!((contrast([0x76, 0x76, 0x76], [255, 255, 255]) - 4.54).abs() < 0.01);
        let red = lab(linear([255, 0, 0]));
        assert!(
            red.iter()
                .zip([53.24, 80.09, 67.20])
                .all(|(a, b)| (a - b).abs() < 0.05),
            "{red:?}"
        );
    }

    #[test]
    fn text_is_legible_in_every_role() {
        for (theme, ground) in GROUNDS {
            // Rules are lines, not text. The selection shows the background colour on the accent colour: the same contrast.
            for role in Role::ALL.into_iter().filter(|role| *role != Role::Rule) {
                let contrast = contrast(colour(theme, role), ground);
                assert!(contrast >= 4.5, "{theme:?} {role:?}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn rules_are_visible_and_less_prominent_than_text() {
        for (theme, ground) in GROUNDS {
            let [rule, quiet] =
                [Role::Rule, Role::Quiet].map(|role| contrast(colour(theme, role), ground));
            assert!(
                rule > 1.4 && rule < quiet,
                "{theme:?}: {rule:.2} {quiet:.2}"
            );
        }
    }

    #[test]
    fn runs_differ_for_colour_blind_people_too() {
        for (theme, _) in GROUNDS {
            for (name, seen) in [
                ("as it is", AS_IT_IS),
                ("protanopia", PROTANOPIA),
                ("deuteranopia", DEUTERANOPIA),
            ] {
                let labs = RUN_COLOURS.map(|role| lab(times(seen, linear(colour(theme, role)))));
                for (index, a) in labs.iter().enumerate() {
                    for (other, b) in labs.iter().enumerate().skip(index + 1) {
                        let apart = a
                            .iter()
                            .zip(b)
                            .map(|(a, b)| (a - b).powi(2))
                            .sum::<f64>()
                            .sqrt();
                        assert!(
                            apart >= APART,
                            "{theme:?} {name}: runs {index} and {other} differ by {apart:.1}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn environment_selects_theme() {
        for (no_colour, palette, colorfgbg, term, expected) in [
            (false, Palette::True, "", "xterm-256color", Theme::Dark),
            (
                false,
                Palette::Indexed,
                "15;0",
                "xterm-256color",
                Theme::Dark,
            ),
            (
                false,
                Palette::Indexed,
                "0;15",
                "rxvt-unicode-256color",
                Theme::Light,
            ),
            (
                false,
                Palette::Indexed,
                "0;default;7",
                "xterm-256color",
                Theme::Light,
            ),
            (false, Palette::Sixteen, "0;15", "xterm", Theme::Ansi),
            (true, Palette::True, "0;15", "xterm-256color", Theme::Mono),
            (false, Palette::Sixteen, "", "dumb", Theme::Mono),
        ] {
            assert_eq!(
                Theme::of(no_colour, palette, colorfgbg, term),
                expected,
                "{palette:?} {colorfgbg} {term}"
            );
        }
    }
}
