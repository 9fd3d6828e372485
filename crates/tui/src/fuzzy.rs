//! Fuzzy search by letters, for every list that the user picks from.

use nucleo_matcher::chars::normalize;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use unicode_width::UnicodeWidthChar;

/// Number of best hits that include their matched letters; nobody scrolls further.
const EXPLAINED: usize = 100;

/// A text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Index of the text.
    pub index: usize,
    /// Which characters of the text are matched letters, ascending.
    pub letters: Vec<u32>,
}

/// The texts that contain every word; if there are none, the texts that contain the letters of
/// every word in order. If there are none of these either, accents do not count. Best first. For
/// an empty query all texts in their order.
pub(crate) fn search<'a>(query: &str, texts: impl Fn(usize) -> Option<&'a str>) -> Vec<Hit> {
    // A text may have the accent as a separate character, which is none of its letters.
    let plain: String = query
        .chars()
        .filter(|c| c.width() != Some(0))
        .map(normalize)
        .collect();
    // If a text contains the whole word, one with scattered letters is probably not meant.
    let kinds = [AtomKind::Substring, AtomKind::Fuzzy];
    [query, &*plain]
        .into_iter()
        .flat_map(|query| kinds.map(|kind| (query, kind)))
        .map(|(query, kind)| search_for(query, kind, &texts))
        .find(|hits| !hits.is_empty())
        .unwrap_or_default()
}

fn search_for<'a>(
    query: &str,
    kind: AtomKind,
    texts: &impl Fn(usize) -> Option<&'a str>,
) -> Vec<Hit> {
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, kind);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut letters = Letters::default();
    let mut scored = Vec::new();
    for index in 0.. {
        let Some(text) = texts(index) else { break };
        if let Some(score) = pattern.score(letters.of(text), &mut matcher) {
            scored.push((std::cmp::Reverse(score), index));
        }
    }
    scored.sort_unstable();
    let mut hits: Vec<Hit> = scored
        .into_iter()
        .map(|(_, index)| Hit {
            index,
            letters: Vec::new(),
        })
        .collect();
    for hit in hits.iter_mut().take(EXPLAINED) {
        let text = texts(hit.index).unwrap_or_default();
        pattern.indices(letters.of(text), &mut matcher, &mut hit.letters);
        letters.count_marks(text, &mut hit.letters);
        hit.letters.sort_unstable();
        hit.letters.dedup();
    }
    hits
}

/// The letters of one text at a time. Accents and other marks of no width are left out, so that "cafe" finds "café" also where
/// the accent is a separate character.
#[derive(Default)]
struct Letters {
    letters: Vec<char>,
    /// Which character of the text each letter is.
    places: Vec<u32>,
}

impl Letters {
    /// The letters of a text, for the matcher.
    fn of<'a>(&'a mut self, text: &'a str) -> Utf32Str<'a> {
        if text.is_ascii() {
            return Utf32Str::Ascii(text.as_bytes());
        }
        self.letters.clear();
        self.places.clear();
        for (place, c) in (0..).zip(text.chars()) {
            if c.width() != Some(0) {
                self.letters.push(c);
                self.places.push(place);
            }
        }
        Utf32Str::Unicode(&self.letters)
    }

    /// Turns numbers of letters of the last text into numbers of its characters.
    fn count_marks(&self, text: &str, numbers: &mut [u32]) {
        if text.is_ascii() {
            return;
        }
        for number in numbers {
            let place = usize::try_from(*number).ok();
            if let Some(place) = place.and_then(|at| self.places.get(at)) {
                *number = *place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(query: &str, texts: &[&'a str]) -> Vec<&'a str> {
        search(query, |index| texts.get(index).copied())
            .into_iter()
            .map(|hit| texts[hit.index])
            .collect()
    }

    #[test]
    fn letters_in_order_match_and_whole_words_come_first() {
        let texts = [
            "stop without saving",
            "another smoothing",
            "stop and save",
            "train.schedule.step_epochs",
        ];
        assert_eq!(found("", &texts), texts);
        assert_eq!(found("stop save", &texts), ["stop and save"]);
        assert_eq!(found("smoo", &texts), ["another smoothing"]);
        assert_eq!(found("steps", &texts)[0], "train.schedule.step_epochs");
        assert!(found("xyz", &texts).is_empty());
        let scattered = [
            "stop without saving",
            "s far away t and o then p",
            "restoration of a point",
        ];
        assert_eq!(
            found("stop", &scattered),
            ["stop without saving"],
            "the others have its letters in order"
        );
        assert_eq!(
            found("stoop", &scattered),
            ["restoration of a point"],
            "where no text has the word"
        );
    }

    #[test]
    fn an_accent_is_found_in_either_form_and_counts_where_a_text_has_it() {
        let (composed, separate) = ("caf\u{e9}", "cafe\u{301}");
        for query in [composed, separate] {
            assert_eq!(found(query, &["tea", separate]), [separate], "{query}");
            assert_eq!(found(query, &["tea", "cafe"]), ["cafe"], "{query}");
        }
        assert_eq!(found(composed, &["cafe", composed]), [composed]);
    }

    #[test]
    fn search_returns_matched_letters() {
        let hits = search("ac", |index| ["abc"].get(index).copied());
        assert_eq!(
            hits,
            [Hit {
                index: 0,
                letters: vec![0, 2]
            }]
        );
    }

    #[test]
    fn matched_letters_behind_an_accent_are_counted_as_characters() {
        for text in ["cafe\u{301} x", "\u{e9} cafe\u{301} x"] {
            for query in ["x", "cafe x"] {
                let hits = search(query, |index| [text].get(index).copied());
                let [hit] = &hits[..] else {
                    panic!("{query} in {text}: {hits:?}");
                };
                let last = u32::try_from(text.chars().count() - 1).unwrap();
                assert_eq!(hit.letters.last(), Some(&last), "{query} in {text}");
            }
        }
    }
}
