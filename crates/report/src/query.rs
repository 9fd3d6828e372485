//! The filter language: `status:running backbone:resnet* val_acc>0.6 -tag:old "two words"`. All terms must match; `-` before a
//! term negates it; a comma between values means either.
//!
//! A bare word is searched in all names of a row; `#good` is the tag `good`. Every setting of an experiment is a field too, by
//! its path or an end of it: `train.batch_size:64`, `dropout>0.2`. `name:` and `note:` contain their value, other texts equal it.
//! `*` matches any characters and `?` any one. Figures are compared by `<`, `<=`, `>`, `>=`, `=` and `!=`. Case never matters.

mod filter;
mod parse;
mod pattern;

use std::fmt;

use jiff::tz::TimeZone;

pub use self::filter::FilterOption;
use self::pattern::Pattern;
use crate::edit;
pub use crate::field::Subject;
use crate::field::{Field, Form, fields};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_schema::text;

/// The conditions of a filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    source: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// One of the row's names contains it.
    Word(Pattern),
    /// One of the field's texts matches one of the patterns.
    Text(&'static Field, Vec<Pattern>),
    Number(&'static Field, Comparison, f64),
    /// A setting of the experiment, by its path, matches one of the patterns.
    Setting(&'static str, Vec<Pattern>),
    /// A setting that is a number.
    Figure(&'static str, Comparison, f64),
    /// The time of creation in a time zone, compared to the precision of the value: a day, or a part of one.
    Created(Comparison, String, TimeZone),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

impl Comparison {
    fn holds<T: PartialOrd + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::More => a > b,
            Self::AtLeast => a >= b,
            Self::Equal => a == b,
            Self::Unequal => a != b,
        }
    }
}

/// A mistake in a query, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Number of characters before it.
    pub at: usize,
    pub message: String,
    pub help: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl Mistake {
    /// The mistake as the command line prints it: the place, the query with a mark below it, and what to do.
    pub fn explain(&self, source: &str) -> Failure {
        /// The most characters of a filter that an error shows.
        const SHOWN: usize = 300;
        // The filter is shown sanitized, so the mark's column follows from what is left of the text before it.
        let before: String = source.chars().take(self.at).collect();
        let column = text::columns(&text::line(&format!("{before}^"), SHOWN));
        let what = format!(
            "the filter has a mistake at character {}: {}\n  {}\n  {:>column$}",
            self.at + 1,
            self.message,
            text::line(source, SHOWN),
            '^',
        );
        let failure = Failure::new(Kind::Input, what);
        match &self.help {
            Some(help) => failure.help(help.clone()),
            None => failure,
        }
    }
}

impl Query {
    /// Parses a query; the error has the mistake and its place. Days are local, as the screen shows them.
    pub fn parse(source: &str) -> Result<Self, Mistake> {
        Self::parse_in(source, &TimeZone::system())
    }

    fn parse_in(source: &str, zone: &TimeZone) -> Result<Self, Mistake> {
        Ok(Self {
            source: source.to_owned(),
            terms: parse::terms(source, zone)?,
        })
    }

    /// The query as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether all terms hold.
    pub fn matches(&self, subject: &Subject) -> bool {
        self.terms
            .iter()
            .all(|term| term.test.holds(subject) != term.negated)
    }

    /// Whether it mentions archived runs, which are hidden otherwise.
    pub fn asks_for_archived(&self) -> bool {
        self.terms
            .iter()
            .any(|term| matches!(&term.test, Test::Text(field, patterns) if field.key == "is" && patterns.iter().any(|pattern| pattern.is("archived"))))
    }
}

impl Test {
    fn holds(&self, subject: &Subject) -> bool {
        match self {
            Self::Word(pattern) => fields()
                .iter()
                .filter(|field| field.searched)
                .any(|field| any_text(field, subject, |text| pattern.is_within(text))),
            Self::Text(field, patterns) => any_text(field, subject, |text| {
                patterns.iter().any(|pattern| {
                    if field.form == Form::Prose {
                        pattern.is_within(text)
                    } else {
                        pattern.is(text)
                    }
                })
            }),
            Self::Number(field, comparison, wanted) => field
                .value(subject)
                .and_then(|fact| fact.number())
                .is_some_and(|value| comparison.holds(&value, wanted)),
            Self::Setting(path, patterns) => setting(subject, path).is_some_and(|value| {
                // A file may write 0.1 as `0.10`.
                let number = value.parse::<f64>().ok();
                let same = |pattern: &Pattern| {
                    pattern.literal().and_then(|text| text.parse().ok()) == number
                };
                patterns
                    .iter()
                    .any(|pattern| pattern.is(&value) || number.is_some() && same(pattern))
            }),
            Self::Figure(path, comparison, wanted) => {
                let value = setting(subject, path).and_then(|value| value.parse::<f64>().ok());
                value.is_some_and(|value| comparison.holds(&value, wanted))
            }
            Self::Created(comparison, wanted, zone) => {
                created(subject, zone).is_some_and(|created| {
                    let part = created.get(..wanted.len()).unwrap_or(&created);
                    comparison.holds(part, wanted.as_str())
                })
            }
        }
    }
}

fn any_text(field: &Field, subject: &Subject, passes: impl FnMut(&str) -> bool) -> bool {
    let fact = field.filtered(subject);
    fact.is_some_and(|fact| fact.texts().into_iter().any(passes))
}

/// The experiment's value of a setting, its default included.
fn setting(subject: &Subject, path: &str) -> Option<String> {
    let yaml = serde_yaml::to_value(subject.experiment?).ok()?;
    edit::scalar_at(&yaml, path)
}

/// `2026-11-22T10:01:07Z`; only values in UTC reach as far as the `Z`.
fn created(subject: &Subject, zone: &TimeZone) -> Option<String> {
    let info = subject.run?.info.as_ref().ok()?;
    let created = info.created.to_zoned(zone.clone());
    Some(created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests;
