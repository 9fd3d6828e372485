//! Sanitizes text from outside (experiment names, log lines, class names, paths) once, where it enters.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer};
use unicode_width::UnicodeWidthChar;

/// How many combining marks to keep after one base character; more only overflow a terminal cell.
const MARKS_PER_CHARACTER: usize = 3;

/// The text as one printable line of at most `max_chars` characters, and a `…` if more follow. Drops control characters (C0, C1,
/// escape sequences' introducer), bidirectional overrides and zero-width characters; any white space becomes one space. Flags
/// become their letters and emoji lose their modifiers, so that every terminal gives the text as many columns as this module counts.
pub fn line(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars * 4));
    let (mut count, mut marks) = (0, 0);
    for c in text.chars() {
        let c = match c {
            c if c.is_whitespace() => ' ',
            '\u{1f1e6}'..='\u{1f1ff}' => {
                char::from_u32(u32::from('A') + u32::from(c) - 0x1_f1e6).unwrap_or(' ')
            }
            c => c,
        };
        // A space at the limit is left out: if nothing but space follows, nothing was cut.
        if c == ' ' && (out.is_empty() || out.ends_with(' ') || count == max_chars)
            || is_hidden(c)
            || is_stray(c, out.chars().next_back())
        {
            continue;
        }
        if c.width() == Some(0) {
            marks += 1;
            if marks > MARKS_PER_CHARACTER || out.is_empty() {
                continue;
            }
        } else {
            marks = 0;
        }
        if count == max_chars {
            out.push('…');
            break;
        }
        out.push(c);
        count += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// How many columns of the screen a text takes: the sum over its characters. `UnicodeWidthStr` counts letters that a font may
/// join, such as Arabic lam and alef, as one column. The screen draws each of them in its own cell.
pub fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// Breaks a text at its spaces into lines of at most `width` columns; breaks a longer word anywhere. Keeps indentation.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split_inclusive(' ') {
        if used > 0 && used + columns(word.trim_end()) > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width {
                if c == ' ' {
                    continue;
                }
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

/// The text in at most `most` columns: `…` replaces the middle of a longer one, because both ends distinguish it.
pub fn middle(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(1) else {
        return String::new();
    };
    let end = behind(text, room / 2);
    let begin = ahead(text, room - columns(end));
    format!(
        "{}…{}",
        begin.trim_end_matches(is_loose),
        end.trim_start_matches(is_loose)
    )
}

/// Two texts for columns of this width, which cut a longer text at its end. Where that would hide how they differ, `…` replaces
/// most of their common beginning.
pub fn apart(texts: [&str; 2], width: usize) -> [String; 2] {
    let [one, other] = texts;
    let shared: usize = one
        .chars()
        .zip(other.chars())
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let (common, _) = one.split_at(shared);
    let is_cut = texts.iter().any(|text| columns(text) > width);
    // The last column of a cut text shows that more follows.
    if one == other || !is_cut || columns(common) + 1 < width {
        return texts.map(str::to_owned);
    }
    let kept = behind(common, width / 3).trim_start_matches(is_loose);
    texts.map(|text| format!("…{kept}{}", &text[shared..]))
}

/// Whether a character beside an ellipsis says nothing: a space, or a zero-width one, which would join with it.
fn is_loose(c: char) -> bool {
    c == ' ' || c.width().unwrap_or(0) == 0
}

/// The beginning of a text in at most so many columns.
fn ahead(text: &str, most: usize) -> &str {
    let mut used = 0;
    let is_beyond = |(_, c): &(usize, char)| {
        used += c.width().unwrap_or(0);
        used > most
    };
    let at = text
        .char_indices()
        .find(is_beyond)
        .map_or(text.len(), |(at, _)| at);
    &text[..at]
}

/// The end of a text in at most so many columns.
fn behind(text: &str, most: usize) -> &str {
    let mut used = 0;
    let fits = |(_, c): &(usize, char)| {
        used += c.width().unwrap_or(0);
        used <= most
    };
    let at = text
        .char_indices()
        .rev()
        .take_while(fits)
        .last()
        .map_or(text.len(), |(at, _)| at);
    &text[at..]
}

/// A message for a line of so many columns. Shortens its paths, the longest first: folders go before a file's name is cut, so
/// that the cause stays visible. The result may still be too long.
pub fn fitted(message: &str, most: usize) -> String {
    /// The shortest length of a path.
    const LEAST: usize = 16;
    let mut fitted = message.to_owned();
    let steps: [fn(&str) -> String; 4] = [
        with_parent,
        without_folders,
        |path| middle(path, 2 * LEAST),
        |path| middle(path, LEAST),
    ];
    for shorten in steps {
        while columns(&fitted) > most {
            let long = paths(&fitted).into_iter().filter_map(|range| {
                let short = shorten(&fitted[range.clone()]);
                let width = columns(&fitted[range.clone()]);
                (width > LEAST && columns(&short) < width).then_some((width, range, short))
            });
            let Some((_, range, short)) = long.max_by_key(|(width, ..)| *width) else {
                break;
            };
            fitted.replace_range(range, &short);
        }
    }
    fitted
}

/// `…/folder/file`
fn with_parent(path: &str) -> String {
    let mut parts = path.rsplitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(folder), Some(_)) => format!("…/{folder}/{name}"),
        _ => path.to_owned(),
    }
}

/// `…/file`
fn without_folders(path: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(|| path.to_owned(), |(_, name)| format!("…/{name}"))
}

/// The paths of a message, without a place in the file and punctuation. Folders may have spaces in their names: a word with a
/// slash that follows a folder belongs to its path.
fn paths(message: &str) -> Vec<std::ops::Range<usize>> {
    let is_apart = |c: char| c == ' ' || "`\"'()[]{}<>,;".contains(c);
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    let mut from = 0;
    for token in message.split_inclusive(is_apart) {
        let start = from;
        from += token.len();
        let word = token.trim_end_matches(is_apart);
        let Some(slash) = word.rfind('/') else {
            continue;
        };
        // `file.yaml:3:5:`
        let end = start
            + word[slash..]
                .find(':')
                .map_or(word.len(), |colon| slash + colon);
        match found.last_mut() {
            Some(last)
                if continues_path(&message[last.clone()], &message[last.end..start], word) =>
            {
                last.end = end;
            }
            _ => found.push(start..end),
        }
    }
    found
}

/// Whether a word with a slash continues the path before it.
fn continues_path(path: &str, between: &str, word: &str) -> bool {
    let is_file = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains('.'));
    let is_plain = between.chars().all(|c| c == ' ' || c.is_alphanumeric())
        && between.split_whitespace().count() <= 1;
    path.starts_with(['/', '~', '.', '…'])
        && !is_file
        && is_plain
        && word.starts_with(char::is_alphabetic)
}

/// Sanitized names, made distinct: if two are equal, the later ones get a number.
pub fn distinct<'a>(names: impl IntoIterator<Item = &'a str>, max_chars: usize) -> Vec<String> {
    let mut taken = HashSet::new();
    // Where the next equal name continues: from 2 for each, many equal names would take for ever.
    let mut last_numbers: HashMap<String, u32> = HashMap::new();
    let shown = |name: &str| {
        let name = match line(name, max_chars) {
            empty if empty.is_empty() => "?".to_owned(),
            name => name,
        };
        if taken.insert(name.clone()) {
            return name;
        }
        let number = last_numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let numbered = format!("{name} ({number})");
            if taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    };
    names.into_iter().map(shown).collect()
}

/// Whether a name is short and has no control or hidden character, so that a cell of a table can hold it unchanged.
pub fn is_cell(name: &str) -> bool {
    name.len() <= 1000
        && !name
            .chars()
            .any(|c| is_hidden(c) || (c.is_whitespace() && c != ' '))
}

/// JSON with its control and hidden characters escaped: a program reads the same text, and a terminal obeys nothing. `serde_json`
/// writes newlines only between values, so they stay.
pub fn escaped_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_hidden(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // A text cannot fail to grow.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The word closest to `found`, at most two single-character changes away; two letters swapped are one change.
pub fn closest<'a>(found: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = words
        .into_iter()
        .map(|word| (strsim::osa_distance(word, found), word))
        .filter(|(distance, _)| *distance <= 2);
    // The first of several equally close words.
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The `count` words closest to `found`, the closest first.
pub fn nearest<'a>(found: &str, words: &[&'a str], count: usize) -> Vec<&'a str> {
    let mut words = words.to_vec();
    words.sort_by_cached_key(|word| strsim::levenshtein(word, found));
    words.truncate(count);
    words
}

/// Parses a text, or several, from JSON, each as one printable line.
pub(crate) fn read<'de, D: Deserializer<'de>, T: Deserialize<'de> + Foreign>(
    from: D,
) -> Result<T, D::Error> {
    T::deserialize(from).map(T::sanitized)
}

/// Something that is or contains text from outside.
pub(crate) trait Foreign {
    fn sanitized(self) -> Self;
}

impl Foreign for String {
    fn sanitized(self) -> Self {
        line(&self, 2000)
    }
}

impl<T: Foreign> Foreign for Option<T> {
    fn sanitized(self) -> Self {
        self.map(T::sanitized)
    }
}

impl<T: Foreign> Foreign for Vec<T> {
    fn sanitized(self) -> Self {
        self.into_iter().map(T::sanitized).collect()
    }
}

/// Parts of a Hangul syllable that follow nothing they could join; they have no width.
fn is_stray(c: char, before: Option<char>) -> bool {
    match c {
        '\u{1160}'..='\u{11a7}' => !matches!(
            before,
            Some('\u{1100}'..='\u{115e}' | '\u{1161}'..='\u{11a7}')
        ),
        '\u{11a8}'..='\u{11ff}' => !matches!(
            before,
            Some('\u{1161}'..='\u{11ff}' | '\u{ac00}'..='\u{d7a3}')
        ),
        _ => false,
    }
}

/// Characters that draw nothing themselves but change their neighbours, or that only some terminals give a width.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{20e3}')
        || matches!(
            c,
            '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}'
        )
        || matches!(c, '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn escape_sequences_lose_their_introducer() {
        assert_eq!(line("a\u{1b}[31mred\u{9b}0m\u{7}", 80), "a[31mred0m");
    }

    #[test]
    fn escaped_json_reads_as_the_same_text() {
        let texts = [
            "a\u{9b}31m\u{202e}b",
            "\u{e0041}\u{7f}",
            "漢 \"\\\u{9b}\"\n",
        ];
        let json = serde_json::to_string_pretty(&texts).unwrap();
        let escaped = escaped_json(&json);
        let acts = |c: char| c != '\n' && is_hidden(c);
        assert!(json.contains(acts) && !escaped.contains(acts), "{escaped}");
        let read: [String; 3] = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read, texts);
    }

    #[test]
    fn bidi_overrides_and_zero_width_characters_are_dropped() {
        assert_eq!(line("ab\u{202e}cd\u{200b}e\u{feff}", 80), "abcde");
    }

    #[test]
    fn characters_of_uncertain_width_are_replaced() {
        assert_eq!(
            line("👍🏽 🇩🇪 ☎\u{fe0f} 1\u{fe0f}\u{20e3} a\u{3164}b", 80),
            "👍 DE ☎ 1 ab"
        );
        assert_eq!(
            line("\u{1100}\u{11a8} \u{1100}\u{1161}\u{11a8} \u{1161}", 80),
            "\u{1100} \u{1100}\u{1161}\u{11a8}"
        );
        for text in [
            "👩\u{200d}👩\u{200d}👧",
            "👍🏽",
            "🇩🇪🇫🇷",
            "☎\u{fe0f}",
            "e\u{301}",
            "漢字",
            "क\u{94d}षि",
        ] {
            let line = line(text, 80);
            assert_eq!(
                line.width(),
                line.chars()
                    .filter_map(UnicodeWidthChar::width)
                    .sum::<usize>(),
                "{line}"
            );
        }
    }

    #[test]
    fn white_space_of_any_kind_becomes_one_space() {
        assert_eq!(line("  a\r\n\t b\u{a0}c  ", 80), "a b c");
    }

    #[test]
    fn stacked_combining_marks_are_cut() {
        let tower = format!("e{}", "\u{301}".repeat(100_000));
        assert_eq!(line(&tower, 80).chars().count(), 1 + MARKS_PER_CHARACTER);
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("  in", 10), ["  in"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn texts_that_differ_differ_in_their_columns_too() {
        let shown = |texts: [&str; 2], width| {
            apart(texts, width).map(|text| ahead(&text, width - 1).to_owned())
        };
        let pictures = ["/data/pictures/birds-2024", "/data/pictures/birds-2025"];
        for texts in [
            pictures,
            ["/data/pictures/birds", "/data/pictures/birds-2024"],
            ["漢字漢字漢字漢字漢字漢字", "漢字漢字漢字漢字漢字漢"],
        ] {
            for width in 6..20 {
                let [one, other] = shown(texts, width);
                assert_ne!(one, other, "{width}");
            }
        }
        // Texts that fit, or whose difference shows, stay as they are.
        assert_eq!(apart(pictures, 25), pictures);
        let early = ["/data/birds/pictures", "/home/birds/pictures"];
        assert_eq!(apart(early, 8), early);
        assert_eq!(apart([pictures[0]; 2], 8), [pictures[0]; 2]);
    }

    #[test]
    fn text_cut_in_its_middle_keeps_both_ends() {
        assert_eq!(middle("20260101-000000-aaaa", 11), "20260…-aaaa");
        assert_eq!(middle("漢字漢字漢字", 6), "漢…字");
        assert_eq!(middle("abc", 3), "abc");
        assert_eq!(
            (middle("abc", 1), middle("abc", 0)),
            ("…".to_owned(), String::new())
        );
        for columns in 0..20 {
            assert!(middle("a漢b字c漢d字e\u{301}f", columns).width() <= columns);
        }
    }

    #[test]
    fn letters_that_a_font_may_join_take_a_column_each() {
        let lam_alef = "\u{644}\u{627}";
        assert_eq!((lam_alef.width(), columns(lam_alef)), (1, 2));
        assert_eq!(columns("a漢e\u{301}"), 4);
        let name = lam_alef.repeat(10);
        assert_eq!(middle(&name, 20), name);
        assert_eq!(middle(&name, 10).chars().count(), 10);
        assert_eq!(wrap(&name, 10).len(), 2);
    }

    #[test]
    fn paths_are_cut_before_the_cause() {
        let deep = "/home/someone/very/deep/folder/of/folders/experiments/mine.yaml";
        let message = format!("{deep}:3:5: train.epochs: expected a whole number, found `x`");
        assert_eq!(fitted(&message, 200), message);
        assert_eq!(
            fitted(&message, 80),
            "…/experiments/mine.yaml:3:5: train.epochs: expected a whole number, found `x`"
        );
        assert_eq!(
            fitted(&message, 70),
            "…/mine.yaml:3:5: train.epochs: expected a whole number, found `x`"
        );
        // A path in the middle, in quotes, twice, with spaces, and without a folder.
        assert_eq!(
            fitted(&format!("cannot copy `{deep}` to /x/y"), 30),
            "cannot copy `…/mine.yaml` to /x/y"
        );
        let spaced = "/media/My Pictures of/all years/2025/part one/list.csv cannot be read: permission denied";
        assert_eq!(
            fitted(spaced, 60),
            "…/part one/list.csv cannot be read: permission denied"
        );
        let long = format!("/data/{}.safetensors: not found", "x".repeat(100));
        assert!(
            fitted(&long, 60).width() <= 60
                && fitted(&long, 60).ends_with(".safetensors: not found")
        );
        assert_eq!(
            fitted("12/30 epochs at 100 img/s and no path", 10),
            "12/30 epochs at 100 img/s and no path"
        );
    }

    #[test]
    fn closest_word_is_at_most_two_changes_away() {
        let words = ["epochs", "batch_size", "epoch"];
        assert_eq!(closest("epocs", words), Some("epochs"));
        assert_eq!(closest("epochss", words), Some("epochs"));
        assert_eq!(closest("kitten", ["sitting"]), None);
    }

    #[test]
    fn equal_names_get_numbers() {
        let names = [
            "two  spaces",
            "two spaces",
            "\u{1f1e9}\u{1f1ea}",
            "DE",
            "\u{feff}",
            "\u{200b}",
        ];
        assert_eq!(
            distinct(names, 80),
            ["two spaces", "two spaces (2)", "DE", "DE (2)", "?", "? (2)"]
        );
        assert_eq!(
            distinct(["a", "a (2)", "a", "a", "a (2)"], 80),
            ["a", "a (2)", "a (3)", "a (4)", "a (2) (2)"]
        );
    }

    #[test]
    fn many_equal_names_are_numbered_in_time_that_grows_as_they_do() {
        // To try all numbers for each name would take more than ten thousand million attempts.
        let names = distinct(std::iter::repeat_n("same", 200_000), 80);
        assert_eq!(names.last().unwrap(), "same (200000)");
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(line("abc", 3), "abc");
    }

    #[test]
    fn space_that_ends_a_text_counts_as_nothing_that_was_cut() {
        assert_eq!(line("abc\n", 3), "abc");
        assert_eq!(line("abc \u{7}\t", 3), "abc");
        assert_eq!(line("abc d", 3), "abc…");
        assert_eq!(line("abc d", 5), "abc d");
    }
}
