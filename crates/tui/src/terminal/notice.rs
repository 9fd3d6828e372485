//! Notices of the terminal: the bell, and OSC 9, which terminals show as a desktop notification.

/// A program between the dashboard and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    Nothing,
    /// It passes wrapped sequences through if its user allows that.
    Tmux,
    Screen,
    /// It only has the bell.
    Plain,
}

impl Between {
    /// Detects it from the environment, which `get` reads.
    pub(super) fn find(get: impl Fn(&str) -> Option<String>) -> Self {
        let term = get("TERM").unwrap_or_default();
        let is_set = |name: &str| get(name).is_some_and(|value| !value.is_empty());
        // SSH passes `TERM` on, but not the variables of the program itself.
        if is_set("TMUX") || term.starts_with("tmux") {
            Self::Tmux
        } else if is_set("STY") || term.starts_with("screen") {
            Self::Screen
        } else if matches!(term.as_str(), "" | "dumb" | "linux") || term.starts_with("vt") {
            Self::Plain
        } else {
            Self::Nothing
        }
    }
}

/// What the terminal must receive: the bell, and `text` if it can show it.
pub(super) fn sequence(text: &str, between: Between) -> String {
    // Sanitize it again: a control character would end the sequence and start another.
    let text = warmstart_schema::text::line(text, 200);
    let message = format!("\u{1b}]9;warmstart: {text}\u{7}");
    match between {
        Between::Nothing => format!("\u{7}{message}"),
        Between::Tmux => format!(
            "\u{7}\u{1b}Ptmux;{}\u{1b}\\",
            message.replace('\u{1b}', "\u{1b}\u{1b}")
        ),
        Between::Screen => format!("\u{7}\u{1b}P{message}\u{1b}\\"),
        Between::Plain => "\u{7}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(variables: &[(&str, &str)]) -> Between {
        Between::find(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn notice_passes_through_multiplexers() {
        for (variables, expected, bytes) in [
            (
                vec![("TERM", "xterm-256color")],
                Between::Nothing,
                "\u{7}\u{1b}]9;warmstart: done\u{7}",
            ),
            (
                vec![
                    ("TERM", "tmux-256color"),
                    ("TMUX", "/tmp/tmux-0/default,1,0"),
                ],
                Between::Tmux,
                "\u{7}\u{1b}Ptmux;\u{1b}\u{1b}]9;warmstart: done\u{7}\u{1b}\\",
            ),
            (
                vec![("TERM", "tmux-256color")],
                Between::Tmux,
                "\u{7}\u{1b}Ptmux;\u{1b}\u{1b}]9;warmstart: done\u{7}\u{1b}\\",
            ),
            (
                vec![("TERM", "xterm-256color"), ("STY", "2112.pts-0.host")],
                Between::Screen,
                "\u{7}\u{1b}P\u{1b}]9;warmstart: done\u{7}\u{1b}\\",
            ),
            (
                vec![("TERM", "screen.xterm")],
                Between::Screen,
                "\u{7}\u{1b}P\u{1b}]9;warmstart: done\u{7}\u{1b}\\",
            ),
            (vec![("TERM", "linux")], Between::Plain, "\u{7}"),
            (vec![("TERM", "vt100")], Between::Plain, "\u{7}"),
            (vec![], Between::Plain, "\u{7}"),
        ] {
            assert_eq!(between(&variables), expected, "{variables:?}");
            assert_eq!(sequence("done", expected), bytes);
        }
    }

    #[test]
    fn run_name_cannot_end_the_sequence() {
        let hostile = "\u{7}\u{1b}]52;c;aGE=\u{7}\u{1b}[2J\u{9c}\u{202e}x\n";
        let sent = sequence(hostile, Between::Nothing);
        let inner = sent
            .strip_prefix("\u{7}\u{1b}]9;")
            .and_then(|rest| rest.strip_suffix('\u{7}'))
            .unwrap();
        assert!(
            inner.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{inner:?}"
        );
        assert!(sequence(&"x".repeat(9000), Between::Nothing).len() < 300);
    }
}
