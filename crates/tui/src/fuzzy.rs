//! Fuzzy search by letters, for every list that the user picks from.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Number of best hits that include their matched letters; nobody scrolls further.
const EXPLAINED: usize = 100;

/// A text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Index of the text.
    pub index: usize,
    /// Indices of the matched letters, ascending.
    pub letters: Vec<u32>,
}

/// The texts that contain every word; if there are none, the texts that contain the letters of
/// every word in order. Best first. For an empty query all texts in their order.
pub(crate) fn search<'a>(query: &str, texts: impl Fn(usize) -> Option<&'a str>) -> Vec<Hit> {
    // If a text contains the whole word, one with scattered letters is probably not meant.
    let whole = search_for(query, AtomKind::Substring, &texts);
    if whole.is_empty() {
        search_for(query, AtomKind::Fuzzy, &texts)
    } else {
        whole
    }
}

fn search_for<'a>(
    query: &str,
    kind: AtomKind,
    texts: &impl Fn(usize) -> Option<&'a str>,
) -> Vec<Hit> {
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, kind);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored = Vec::new();
    for index in 0.. {
        let Some(text) = texts(index) else { break };
        if let Some(score) = pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher) {
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
        pattern.indices(
            Utf32Str::new(text, &mut buffer),
            &mut matcher,
            &mut hit.letters,
        );
        hit.letters.sort_unstable();
        hit.letters.dedup();
    }
    hits
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
}
