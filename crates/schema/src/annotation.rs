//! What people note about a run: tags, a sentence, and whether it is archived. The worker neither reads nor writes this file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::text;

/// The most tags of a run.
const MOST_TAGS: usize = 32;
/// The most characters of a tag, and of a note.
const TAG: usize = 32;
const NOTE: usize = 500;

/// `annotation.json`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Annotation {
    #[serde(default)]
    pub tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Hidden from lists by default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// An invalid tag, or one too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    #[error(
        "`{0}` is not a tag; expected 1 to 32 letters, digits, - _ . or /, and no - at its start"
    )]
    Name(String),
    #[error("a run has at most 32 tags; remove one first")]
    TooMany,
    #[error("`{0}` begins with neither + nor -; expected +TAG to add a tag or -TAG to remove it")]
    Sign(String),
}

/// A change of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    pub tag: String,
    /// Whether to add it or remove it.
    pub add: bool,
}

impl TagChange {
    /// `+a` adds, `-a` removes.
    pub fn parse(text: &str) -> Result<Self, BadTag> {
        let (add, tag) = match text.strip_prefix('+') {
            Some(tag) => (true, tag),
            None => (
                false,
                text.strip_prefix('-')
                    .ok_or_else(|| BadTag::Sign(text::line(text, 40)))?,
            ),
        };
        if is_tag(tag) {
            Ok(Self {
                tag: tag.to_owned(),
                add,
            })
        } else {
            Err(BadTag::Name(text::line(tag, 40)))
        }
    }
}

/// A word that needs no quotes anywhere.
fn is_tag(tag: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    // Some letters are blank, as Hangul's filler.
    let is_visible = tag.chars().all(allowed) && text::is_cell(tag);
    (1..=TAG).contains(&tag.chars().count()) && is_visible && !tag.starts_with('-')
}

impl Annotation {
    /// Adds and removes tags in order; a tag that is there already, or not there, stays so. Only the tags that result count against
    /// the limit. An error changes none.
    pub fn change_tags(&mut self, changes: &[TagChange]) -> Result<(), BadTag> {
        let mut tags = self.tags.clone();
        for change in changes {
            if change.add {
                tags.insert(change.tag.clone());
            } else {
                tags.remove(&change.tag);
            }
        }
        if tags.len() > MOST_TAGS {
            return Err(BadTag::TooMany);
        }
        self.tags = tags;
        Ok(())
    }

    /// Sets the note; an empty text removes it.
    pub fn set_note(&mut self, note: &str) {
        self.note = text::line(note, NOTE);
    }

    /// The sanitized annotation, because the folder may be a copy from anywhere.
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        self.tags = self
            .tags
            .into_iter()
            .filter(|tag| is_tag(tag))
            .take(MOST_TAGS)
            .collect();
        self.note = text::line(&self.note, NOTE);
        self
    }
}

/// Changes of tags as a user types them: words that begin with + or -.
pub fn tag_changes(text: &str) -> Result<Vec<TagChange>, BadTag> {
    text.split_whitespace().map(TagChange::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(annotation: &mut Annotation, text: &str) -> Result<(), BadTag> {
        annotation.change_tags(&[TagChange::parse(text)?])
    }

    #[test]
    fn tags_are_added_and_removed() {
        let mut annotation = Annotation::default();
        for text in ["+good", "+paper/v1", "+good", "-bad", "+ä_1"] {
            change(&mut annotation, text).unwrap();
        }
        change(&mut annotation, "-good").unwrap();
        assert_eq!(
            annotation
                .tags
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            ["paper/v1", "ä_1"]
        );
    }

    #[test]
    fn invalid_tags_are_refused_with_the_reason() {
        let mut annotation = Annotation::default();
        for text in [
            "+",
            "+two words",
            "+a,b",
            "+\u{1b}[31m",
            "+a:b",
            "+-x",
            "+\u{202e}x",
            "+\u{3164}x",
            &format!("+{}", "a".repeat(33)),
        ] {
            assert!(
                matches!(change(&mut annotation, text), Err(BadTag::Name(_))),
                "{text:?}"
            );
        }
        assert!(matches!(
            change(&mut annotation, "good"),
            Err(BadTag::Sign(_))
        ));
        for number in 0..32 {
            change(&mut annotation, &format!("+t{number}")).unwrap();
        }
        assert_eq!(change(&mut annotation, "+one-more"), Err(BadTag::TooMany));
        assert_eq!(change(&mut annotation, "+t3"), Ok(()));
    }

    #[test]
    fn a_tag_may_take_the_place_of_another_in_any_order() {
        let mut annotation = Annotation::default();
        let all: Vec<String> = (0..MOST_TAGS).map(|number| format!("+t{number}")).collect();
        let all = tag_changes(&all.join(" ")).unwrap();
        assert_eq!(annotation.change_tags(&all), Ok(()));
        let full = annotation.clone();
        for text in ["+new -t0", "-new +t0"] {
            let changes = tag_changes(text).unwrap();
            assert_eq!(annotation.change_tags(&changes), Ok(()), "{text}");
        }
        assert_eq!(annotation, full);
        let changes = tag_changes("-t0 +a +b").unwrap();
        assert_eq!(annotation.change_tags(&changes), Err(BadTag::TooMany));
        assert_eq!(annotation, full);
    }

    #[test]
    fn foreign_files_are_sanitized() {
        let json =
            r#"{"tags":["ok","\u001b[31mred","two words"],"note":"a\u001b[2Jb\nc","unknown":1}"#;
        let annotation: Annotation = serde_json::from_str(json).unwrap();
        let annotation = annotation.sanitized();
        assert_eq!(annotation.tags.into_iter().collect::<Vec<_>>(), ["ok"]);
        assert_eq!(annotation.note, "a[2Jb c");
        assert!(!annotation.archived);
    }
}
