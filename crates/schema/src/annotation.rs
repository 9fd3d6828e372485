//! What people note of a run: tags, a sentence, and that it is put away. A file of its own in the run's folder, which the
//! worker neither reads nor writes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::text;

/// Tags that a run can have.
const MOST_TAGS: usize = 32;
/// Characters of a tag, and of a note.
const TAG: usize = 32;
const NOTE: usize = 500;

/// `annotation.json`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Annotation {
    #[serde(default)]
    pub tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Hidden unless it is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

/// A tag that cannot be one, or one too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    #[error("`{0}` is not a tag; expected 1 to 32 letters, digits, - _ . or /")]
    Name(String),
    #[error("a run has at most 32 tags; take one off first")]
    TooMany,
    #[error("`{0}` says neither + nor -; expected +TAG to add a tag or -TAG to take it off")]
    Sign(String),
}

/// A change of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    pub tag: String,
    /// Whether it is added, or taken off.
    pub add: bool,
}

impl TagChange {
    /// `+a` adds, `-a` takes off.
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
    (1..=TAG).contains(&tag.chars().count()) && tag.chars().all(allowed) && !tag.starts_with('-')
}

impl Annotation {
    /// Adds a tag or takes it off; one that is there or not there already stays so.
    pub fn change(&mut self, change: &TagChange) -> Result<(), BadTag> {
        if !change.add {
            self.tags.remove(&change.tag);
        } else if self.tags.len() >= MOST_TAGS && !self.tags.contains(&change.tag) {
            return Err(BadTag::TooMany);
        } else {
            self.tags.insert(change.tag.clone());
        }
        Ok(())
    }

    /// Sets the note; an empty text takes it away.
    pub fn set_note(&mut self, note: &str) {
        self.note = text::line(note, NOTE);
    }

    /// As it may be shown: the folder may have been copied from anywhere.
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

/// What is typed as tags: words that begin with + or -.
pub fn tag_changes(text: &str) -> Result<Vec<TagChange>, BadTag> {
    text.split_whitespace().map(TagChange::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(annotation: &mut Annotation, text: &str) -> Result<(), BadTag> {
        annotation.change(&TagChange::parse(text)?)
    }

    #[test]
    fn tags_are_added_and_taken_off() {
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
    fn what_is_no_tag_is_refused_in_words() {
        let mut annotation = Annotation::default();
        for text in [
            "+",
            "+two words",
            "+a,b",
            "+\u{1b}[31m",
            "+a:b",
            "+-x",
            "+\u{202e}x",
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
    fn a_foreign_file_is_made_harmless() {
        let json =
            r#"{"tags":["ok","\u001b[31mred","two words"],"note":"a\u001b[2Jb\nc","unknown":1}"#;
        let annotation: Annotation = serde_json::from_str(json).unwrap();
        let annotation = annotation.sanitized();
        assert_eq!(annotation.tags.into_iter().collect::<Vec<_>>(), ["ok"]);
        assert_eq!(annotation.note, "a[2Jb c");
        assert!(!annotation.archived);
    }
}
