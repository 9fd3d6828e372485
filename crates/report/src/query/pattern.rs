//! A text with `*` for any characters and `?` for any one; case never matters.

/// What a text must be or contain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

/// A character of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    Any,
    One,
    /// As [`without_case`] returns it.
    Just(char),
}

impl Pattern {
    /// From characters, each with whether it is in quotes: there `*` and `?` mean themselves.
    pub(super) fn new(characters: &[(char, bool)]) -> Self {
        let piece = |&(c, quoted): &(char, bool)| match c {
            '*' if !quoted => Piece::Any,
            '?' if !quoted => Piece::One,
            c => Piece::Just(without_case(c)),
        };
        Self(characters.iter().map(piece).collect())
    }

    /// The text itself, if it has no wildcard.
    pub(super) fn literal(&self) -> Option<String> {
        let just = |piece: &Piece| {
            if let Piece::Just(c) = piece {
                Some(*c)
            } else {
                None
            }
        };
        self.0.iter().map(just).collect()
    }

    /// Whether the whole text fits.
    pub(super) fn is(&self, text: &str) -> bool {
        fits(&self.0, text, false)
    }

    /// Whether a part of the text fits.
    pub(super) fn is_within(&self, text: &str) -> bool {
        fits(&self.0, text, true)
    }
}

/// A character without its case. It stays one character, so that a `?` fits it: the lower case of `İ` has two. `Σ` has two small
/// letters, which are the same here.
fn without_case(c: char) -> char {
    if c == 'ς' {
        'σ'
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

/// Walks through both at once; where they differ, the last `*` takes one character more. `floating` adds a `*` before and after
/// the pattern.
fn fits(pieces: &[Piece], text: &str, floating: bool) -> bool {
    let lower: Vec<char> = if text.is_ascii() {
        text.bytes()
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect()
    } else {
        text.chars().map(without_case).collect()
    };
    let (mut at, mut piece) = (0, 0);
    // Where to retry if the part after the last `*` does not match: that part, and the next character.
    let mut retry = floating.then_some((0, 0));
    loop {
        if piece == pieces.len() && (floating || at == lower.len()) {
            return true;
        }
        let fits = match pieces.get(piece) {
            Some(Piece::Any) => {
                piece += 1;
                retry = Some((piece, at));
                continue;
            }
            Some(Piece::One) => at < lower.len(),
            Some(Piece::Just(c)) => lower.get(at) == Some(c),
            None => false,
        };
        if fits {
            (at, piece) = (at + 1, piece + 1);
        } else {
            let Some((from, next)) = retry.filter(|(_, next)| *next < lower.len()) else {
                return false;
            };
            retry = Some((from, next + 1));
            (at, piece) = (next + 1, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(&text.chars().map(|c| (c, false)).collect::<Vec<_>>())
    }

    #[test]
    fn stars_and_question_marks_are_wildcards() {
        for (wanted, text, is, is_within) in [
            ("resnet*", "resnet50", true, true),
            ("RESNET?", "resnet50", false, true),
            ("resnet??", "ResNet50", true, true),
            ("*net*", "efficientnet_b0", true, true),
            ("*a*b*c", "xaxbxbxc", true, true),
            ("*a*b*c", "xaxbxbx", false, false),
            ("a*a", "a", false, false),
            ("", "", true, true),
            ("", "x", false, true),
            ("*", "", true, true),
            ("?", "", false, false),
            ("ÄÖ", "xäöx", false, true),
            ("漢?", "漢字", true, true),
            ("?zmir", "İzmir", true, true),
            ("izmir", "İZMİR", true, true),
            ("İ*", "izmir", true, true),
            ("λόγος", "ΛΌΓΟΣ", true, true),
            ("ΛΌΓΟΣ?", "λόγος", false, false),
            ("aab", "aaab", false, true),
        ] {
            assert_eq!(
                (pattern(wanted).is(text), pattern(wanted).is_within(text)),
                (is, is_within),
                "{wanted} {text}"
            );
        }
    }

    #[test]
    fn wildcards_in_quotes_are_literal() {
        let quoted = Pattern::new(&[('a', false), ('*', true)]);
        assert!(quoted.is("a*") && !quoted.is("ab"));
        assert_eq!(quoted.literal().as_deref(), Some("a*"));
        assert_eq!(pattern("a*").literal(), None);
    }

    #[test]
    fn a_hostile_pattern_is_matched_quickly() {
        let began = std::time::Instant::now();
        assert!(!pattern(&"*a".repeat(200)).is(&"a".repeat(190)));
        assert!(!pattern(&format!("{}b", "*a".repeat(30))).is_within(&"a".repeat(2000)));
        assert!(began.elapsed().as_secs() < 5);
    }
}
