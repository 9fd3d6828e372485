//! Names of keys in settings and search: `x`, `X`, `ctrl-p`, `enter`, `f1`.

use std::fmt;
use std::str::FromStr;

use crossterm::event::KeyCode;
use warmstart_schema::text;

use super::binding::Key;

/// Keys that are not characters, and the space, which is invisible.
const NAMED: [(KeyCode, &str); 16] = [
    (KeyCode::Char(' '), "space"),
    (KeyCode::Enter, "enter"),
    (KeyCode::Esc, "esc"),
    (KeyCode::Tab, "tab"),
    (KeyCode::BackTab, "shift-tab"),
    (KeyCode::Backspace, "backspace"),
    (KeyCode::Delete, "delete"),
    (KeyCode::Insert, "insert"),
    (KeyCode::Left, "left"),
    (KeyCode::Right, "right"),
    (KeyCode::Up, "up"),
    (KeyCode::Down, "down"),
    (KeyCode::Home, "home"),
    (KeyCode::End, "end"),
    (KeyCode::PageUp, "page-up"),
    (KeyCode::PageDown, "page-down"),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Control(c) => write!(f, "ctrl-{c}"),
            Self::Plain(code) => {
                match (NAMED.into_iter().find(|(other, _)| *other == code), code) {
                    (Some((_, name)), _) => f.write_str(name),
                    (None, KeyCode::Char(c)) => write!(f, "{c}"),
                    (None, KeyCode::F(number)) => write!(f, "f{number}"),
                    (None, other) => write!(f, "{other:?}"),
                }
            }
        }
    }
}

impl Key {
    /// The key's shortest form, for the screen.
    pub fn symbol(self) -> String {
        let arrow = match self {
            Self::Plain(KeyCode::Left) => "←",
            Self::Plain(KeyCode::Right) => "→",
            Self::Plain(KeyCode::Up) => "↑",
            Self::Plain(KeyCode::Down) => "↓",
            other => return other.to_string(),
        };
        arrow.to_owned()
    }
}

impl FromStr for Key {
    type Err = String;

    /// Parses a key's name. The error says why it is none, and the name that may be meant.
    fn from_str(name: &str) -> Result<Self, String> {
        // Footer and help show the key, so it is a character that they can show alone.
        let only = |written: &str| {
            let mut chars = written.chars();
            chars
                .next()
                .filter(|_| chars.next().is_none() && text::line(written, 1) == written)
        };
        if let Some(c) = only(name) {
            return Ok(Self::Plain(KeyCode::Char(c)));
        }
        if let Some(code) = NAMED
            .into_iter()
            .find(|(_, other)| *other == name)
            .map(|(code, _)| code)
        {
            return Ok(Self::Plain(code));
        }
        if let Some(letter) = name.strip_prefix("ctrl-") {
            // Terminals send the others as other keys: ctrl-i as tab, ctrl-m as enter, ctrl-h often
            // as backspace.
            let letter = only(letter).filter(|c| c.is_ascii_lowercase() && !"him".contains(*c));
            return letter
                .map(Self::Control)
                .ok_or_else(|| format!("terminals cannot report `{name}` as a separate key"));
        }
        let number = name
            .strip_prefix('f')
            .and_then(|number| number.parse().ok());
        if let Some(number @ 1..=12) = number {
            return Ok(Self::Plain(KeyCode::F(number)));
        }
        let close = text::closest(name, NAMED.into_iter().map(|(_, name)| name));
        let hint = close.map_or(String::new(), |close| format!("; did you mean `{close}`?"));
        Err(format!("no key is called `{name}`{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Context, Keymap};

    #[test]
    fn every_key_name_parses_back() {
        for context in Context::ALL {
            for key in Keymap::default()
                .bindings(context)
                .iter()
                .flat_map(|binding| binding.keys.iter().copied())
            {
                assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }

    #[test]
    fn invalid_key_name_is_refused_with_suggestion() {
        let error = |name: &str| name.parse::<Key>().unwrap_err();
        assert!(error("entr").contains("did you mean `enter`?"));
        assert!(error("ctrl-i").contains("terminals cannot report"));
        assert!(
            error("").contains("no key")
                && error("f13").contains("no key")
                && error("xy").contains("no key")
        );
    }

    #[test]
    fn a_character_that_the_screen_cannot_show_alone_is_no_key() {
        // It reverses what follows, has no width, belongs to the letter before it, or is invisible.
        for hidden in ["\u{202e}", "\u{200b}", "\u{301}", "\u{3164}", "\t"] {
            assert!(hidden.parse::<Key>().is_err(), "{hidden:?}");
        }
        for shown in ["x", "X", "?", "ü", "漢"] {
            let key: Key = shown.parse().unwrap();
            assert_eq!(key.to_string(), shown);
        }
    }
}
