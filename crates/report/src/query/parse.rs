//! Parses text into terms, or finds the mistake and its place.

use warmstart_schema::text::closest;

use super::pattern::Pattern;
use super::{Comparison, Mistake, Term, Test};
use crate::edit;
use crate::field::{self, Field, Form};
use warmstart_schema::metric::Unit;

/// A character, its place, and whether it is quoted.
#[derive(Debug, Clone, Copy)]
struct Character {
    at: usize,
    c: char,
    quoted: bool,
}

/// The operators between a field and its value, the longer ones first.
const OPERATORS: [(&str, Option<Comparison>); 7] = [
    ("<=", Some(Comparison::AtMost)),
    (">=", Some(Comparison::AtLeast)),
    ("!=", Some(Comparison::Unequal)),
    ("<", Some(Comparison::Less)),
    (">", Some(Comparison::More)),
    ("=", Some(Comparison::Equal)),
    // Whatever suits the field.
    (":", None),
];

pub(super) fn terms(source: &str) -> Result<Vec<Term>, Mistake> {
    tokens(source)?.iter().map(|token| term(token)).collect()
}

fn mistake<T>(at: usize, message: impl Into<String>, help: Option<String>) -> Result<T, Mistake> {
    Err(Mistake {
        at,
        message: message.into(),
        help,
    })
}

/// The words between spaces; quotes keep spaces, and are not part of a word.
fn tokens(source: &str) -> Result<Vec<Vec<Character>>, Mistake> {
    let (mut tokens, mut token, mut quote) = (Vec::new(), Vec::new(), None);
    for (at, c) in source.chars().enumerate() {
        match c {
            '"' if quote.is_some() => quote = None,
            '"' => quote = Some(at),
            c if c.is_whitespace() && quote.is_none() => tokens.push(std::mem::take(&mut token)),
            c => token.push(Character {
                at,
                c,
                quoted: quote.is_some(),
            }),
        }
    }
    if let Some(at) = quote {
        return mistake(
            at,
            "this quotation mark is never closed",
            Some("end the text with \"".to_owned()),
        );
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    Ok(tokens)
}

fn term(token: &[Character]) -> Result<Term, Mistake> {
    let negated = matches!(
        token,
        [
            Character {
                c: '-',
                quoted: false,
                ..
            },
            ..
        ]
    );
    let rest = if negated { &token[1..] } else { token };
    let Some(first) = rest.first() else {
        let help = "write the term that must not hold right behind it".to_owned();
        return mistake(token[0].at, "nothing follows this -", Some(help));
    };
    let test = match operator(rest) {
        // As tags are shown.
        None if matches!(
            rest,
            [
                Character {
                    c: '#',
                    quoted: false,
                    ..
                },
                _,
                ..
            ]
        ) =>
        {
            tagged(pattern(&rest[1..]))
        }
        None => Test::Word(pattern(rest)),
        Some((0, length, _)) => {
            let sign: String = rest[..length].iter().map(|character| character.c).collect();
            return mistake(
                first.at,
                format!("expected a field before {sign}"),
                Some(fields()),
            );
        }
        Some((place, length, comparison)) => {
            let field: String = rest[..place]
                .iter()
                .flat_map(|character| character.c.to_lowercase())
                .collect();
            let end = rest[place + length - 1].at + 1;
            test(
                &field,
                first.at,
                &rest[place..place + length],
                comparison,
                &rest[place + length..],
                end,
            )?
        }
    };
    Ok(Term { negated, test })
}

/// The first operator outside quotes: its place, its length and its meaning.
fn operator(token: &[Character]) -> Option<(usize, usize, Option<Comparison>)> {
    (0..token.len()).find_map(|place| {
        let behind = &token[place..];
        let is = |sign: &str| {
            let same = |(c, character): (char, &Character)| !character.quoted && character.c == c;
            behind.len() >= sign.len() && sign.chars().zip(behind).all(same)
        };
        OPERATORS
            .iter()
            .find(|(sign, _)| is(sign))
            .map(|(sign, comparison)| (place, sign.len(), *comparison))
    })
}

fn pattern(characters: &[Character]) -> Pattern {
    Pattern::new(
        &characters
            .iter()
            .map(|character| (character.c, character.quoted))
            .collect::<Vec<_>>(),
    )
}

fn tagged(pattern: Pattern) -> Test {
    match field::named("tags") {
        Some(tags) => Test::Text(tags, vec![pattern]),
        None => Test::Word(pattern),
    }
}

fn fields() -> String {
    let keys: Vec<&str> = field::fields().iter().map(|field| field.key).collect();
    format!(
        "fields: {}, and every setting such as train.precision",
        keys.join(", ")
    )
}

fn names() -> impl Iterator<Item = &'static str> {
    field::fields()
        .iter()
        .flat_map(|field| field.aliases.iter().copied().chain([field.key]))
}

/// The test of a field; `end` is where its value begins.
fn test(
    field: &str,
    begin: usize,
    sign: &[Character],
    comparison: Option<Comparison>,
    value: &[Character],
    end: usize,
) -> Result<Test, Mistake> {
    let Some(known) = field::named(field) else {
        if let Some(path) = edit::setting(field) {
            return setting(field, path, comparison, value, end);
        }
        // `state` is an alias of `status`; suggest the canonical name.
        let known = names()
            .filter(|name| *name != "state")
            .chain(edit::settings().iter().map(String::as_str));
        let help = match closest(field, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("{}; in \"quotes\" it is searched for literally", fields()),
        };
        return mistake(
            begin,
            format!("no field is called `{}`", shown(field)),
            Some(help),
        );
    };
    if known.form == Form::Date {
        return Ok(Test::Created(
            comparison.unwrap_or(Comparison::Equal),
            day(value, end)?,
        ));
    }
    if !known.form.is_text() {
        let figure = figure(field, known, value, end)?;
        return Ok(Test::Number(
            known,
            comparison.unwrap_or(Comparison::Equal),
            figure,
        ));
    }
    if !matches!(comparison, None | Some(Comparison::Equal)) {
        let sign_text: String = sign.iter().map(|character| character.c).collect();
        let help = format!("write {field}:…, or -{field}:… for what it must not be");
        return mistake(
            sign[0].at,
            format!("{field} is text; {sign_text} works only with numbers"),
            Some(help),
        );
    }
    let (mut patterns, mut end) = (Vec::new(), end);
    for value in value.split(|character| character.c == ',' && !character.quoted) {
        patterns.push(one(field, known, value, end)?);
        // After the comma.
        end = value.last().map_or(end, |last| last.at + 2);
    }
    Ok(Test::Text(known, patterns))
}

/// The test of a setting: figures are compared, texts must match.
fn setting(
    field: &str,
    path: &'static str,
    comparison: Option<Comparison>,
    value: &[Character],
    end: usize,
) -> Result<Test, Mistake> {
    let text: String = value.iter().map(|character| character.c).collect();
    let figure = text.parse::<f64>().ok().filter(|figure| figure.is_finite());
    let values = value.split(|character| character.c == ',' && !character.quoted);
    let patterns: Vec<Pattern> = values
        .filter(|value| !value.is_empty())
        .map(pattern)
        .collect();
    match (value.first(), comparison) {
        (Some(_), None | Some(Comparison::Equal)) if !patterns.is_empty() => {
            Ok(Test::Setting(path, patterns))
        }
        (None, _) | (_, None | Some(Comparison::Equal)) => {
            let help = format!("write {field}: and a value, as it is in the experiment's file");
            let at = value.first().map_or(end, |first| first.at);
            mistake(at, format!("expected a value after {field}"), Some(help))
        }
        (Some(first), Some(comparison)) => {
            let Some(figure) = figure else {
                let help = format!("write {field}:…, or -{field}:… for what it must not be");
                return mistake(
                    first.at,
                    format!("`{}` is not a number", shown(&text)),
                    Some(help),
                );
            };
            Ok(Test::Figure(path, comparison, figure))
        }
    }
}

/// One of a text field's values; if its values are limited, one of those.
fn one(name: &str, field: &Field, value: &[Character], end: usize) -> Result<Pattern, Mistake> {
    let known = field.values.map(|(kind, values)| (kind, values()));
    let Some(first) = value.first() else {
        let help = known.map(|(_, values)| format!("one of {}", values.join(", ")));
        return mistake(end, format!("expected a value after {name}:"), help);
    };
    let pattern = pattern(value);
    let Some((kind, values)) = known else {
        return Ok(pattern);
    };
    if values.iter().any(|known| pattern.is(known)) {
        return Ok(pattern);
    }
    let written: String = value.iter().map(|character| character.c).collect();
    let near = pattern
        .literal()
        .and_then(|literal| closest(&literal, values.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("one of {}", values.join(", ")),
    };
    mistake(
        first.at,
        format!("no {kind} is called `{}`", shown(&written)),
        Some(help),
    )
}

fn shown(text: &str) -> String {
    warmstart_schema::text::line(text, 40)
}

/// A unit's suffix, and its conversion to the base unit.
type Suffix = (&'static str, fn(f64) -> f64);

/// What may follow a value.
fn units(form: Form) -> &'static [Suffix] {
    match form {
        Form::Figure(Unit::Share) => &[("%", |share| share / 100.0)],
        Form::Figure(Unit::Seconds) => &[
            ("s", |s| s),
            ("m", |m| m * 60.0),
            ("h", |h| h * 3600.0),
            ("d", |d| d * 86400.0),
        ],
        Form::Parameters => &[("k", |k| k * 1e3), ("K", |k| k * 1e3), ("M", |m| m * 1e6)],
        _ => &[],
    }
}

/// A figure, with its unit if it has one.
fn figure(name: &str, field: &Field, value: &[Character], end: usize) -> Result<f64, Mistake> {
    let text: String = value.iter().map(|character| character.c).collect();
    let units = units(field.form);
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let example = match names.first() {
        Some(_) => format!("a number, or one with {}", names.join(", ")),
        None => "a number".to_owned(),
    };
    let Some(first) = value.first() else {
        return mistake(
            end,
            format!("expected a number after {name}"),
            Some(example),
        );
    };
    let unit = units.iter().find(|(name, _)| text.ends_with(name));
    let digits = unit.map_or(text.as_str(), |(name, _)| &text[..text.len() - name.len()]);
    match digits.parse::<f64>() {
        Ok(figure) if figure.is_finite() => Ok(unit.map_or(figure, |(_, scaled)| scaled(figure))),
        _ => mistake(
            first.at,
            format!("`{}` is not a number", shown(&text)),
            Some(format!("expected {example}")),
        ),
    }
}

/// A day in UTC, or a longer or shorter part of `2026-11-22T10:01:07Z`.
fn day(value: &[Character], end: usize) -> Result<String, Mistake> {
    const SHAPE: &str = "0000-00-00T00:00:00Z";
    // A year, a month, a day, an hour, a minute, a second.
    const WHOLE: [usize; 7] = [4, 7, 10, 13, 16, 19, 20];
    let typed: String = value.iter().map(|character| character.c).collect();
    let text: String = value
        .iter()
        .flat_map(|character| character.c.to_uppercase())
        .collect();
    let help = || Some("expected a day in UTC, such as 2026-11-22, or 2026-11".to_owned());
    let Some(first) = value.first() else {
        return mistake(end, "expected a day after created", help());
    };
    let fits = |(c, shape): (char, char)| {
        if shape == '0' {
            c.is_ascii_digit()
        } else {
            c == shape
        }
    };
    let is_day = WHOLE.contains(&text.len()) && text.chars().zip(SHAPE.chars()).all(fits);
    if is_day {
        Ok(text)
    } else {
        mistake(
            first.at,
            format!("`{}` is not a day", shown(&typed)),
            help(),
        )
    }
}
