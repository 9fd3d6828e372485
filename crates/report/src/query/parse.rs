//! Parses text into terms, or finds the mistake and its place.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use warmstart_schema::metric::Unit;
use warmstart_schema::text::closest;

use super::pattern::Pattern;
use super::{Comparison, Mistake, Term, Test};
use crate::edit;
use crate::field::{self, Field, Form};

/// A character of a query.
#[derive(Debug, Clone, Copy)]
struct Character {
    /// Number of characters before it.
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
    // Equality of figures; texts match a pattern.
    (":", None),
];

/// The terms of a query, which must all hold; or its first mistake. Days are of this time zone.
pub(super) fn terms(source: &str, zone: &TimeZone) -> Result<Vec<Term>, Mistake> {
    tokens(source)?
        .iter()
        .map(|token| term(token, zone))
        .collect()
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

/// The term of a word, which is not empty.
fn term(token: &[Character], zone: &TimeZone) -> Result<Term, Mistake> {
    let begins_with = |characters: &[Character], c: char| {
        let first = characters.first();
        first.is_some_and(|first| first.c == c && !first.quoted)
    };
    let negated = begins_with(token, '-');
    let rest = if negated { &token[1..] } else { token };
    let Some(first) = rest.first() else {
        let help = "right behind it, write the term that must not hold".to_owned();
        return mistake(token[0].at, "nothing follows this -", Some(help));
    };
    let test = match operator(rest) {
        // As tags are shown.
        None if rest.len() > 1 && begins_with(rest, '#') => tagged(pattern(&rest[1..])),
        None => Test::Word(pattern(rest)),
        Some((0, length, _)) => {
            let message = format!("expected a field before {}", written(&rest[..length]));
            return mistake(first.at, message, Some(fields()));
        }
        Some((place, length, comparison)) => {
            let field = written(&rest[..place]).to_lowercase();
            let (sign, value) = rest[place..].split_at(length);
            let value_at = sign.last().map_or(first.at, |last| last.at + 1);
            test(&field, first.at, sign, comparison, value, value_at, zone)?
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

/// The characters as one text.
fn written(characters: &[Character]) -> String {
    characters.iter().map(|character| character.c).collect()
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

/// The test of a field. `field_at` and `value_at` are where the field and its value begin.
fn test(
    field: &str,
    field_at: usize,
    sign: &[Character],
    comparison: Option<Comparison>,
    value: &[Character],
    value_at: usize,
    zone: &TimeZone,
) -> Result<Test, Mistake> {
    let Some(known) = field::named(field) else {
        if let Some(path) = edit::setting(field) {
            return setting(field, path, comparison, value, value_at);
        }
        // `state` and `status` are one field; the book writes `status`.
        let names = names()
            .filter(|name| *name != "state")
            .chain(edit::settings().iter().map(String::as_str));
        let help = match closest(field, names) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("{}; in \"quotes\" it is searched for literally", fields()),
        };
        return mistake(
            field_at,
            format!("no field is called `{}`", shown(field)),
            Some(help),
        );
    };
    if known.form == Form::Date {
        let day = day(value, value_at)?;
        let zone = if day.ends_with('Z') {
            TimeZone::UTC
        } else {
            zone.clone()
        };
        let comparison = comparison.unwrap_or(Comparison::Equal);
        return Ok(Test::Created(comparison, day, zone));
    }
    if !known.form.is_text() {
        let figure = figure(field, known, value, value_at)?;
        return Ok(Test::Number(
            known,
            comparison.unwrap_or(Comparison::Equal),
            figure,
        ));
    }
    if !matches!(comparison, None | Some(Comparison::Equal)) {
        let message = format!("{field} is text; {} works only with numbers", written(sign));
        return mistake(sign[0].at, message, Some(instead_of_order(field)));
    }
    let (mut patterns, mut place, mut value_at) = (Vec::new(), 0, value_at);
    for alternative in alternatives(value) {
        patterns.push(text_value(field, known, alternative, value_at)?);
        place += alternative.len();
        // The next alternative begins after the comma. Quotes beside the comma are no part of `value`.
        value_at = value.get(place).map_or(value_at, |comma| comma.at + 1);
        place += 1;
    }
    Ok(Test::Text(known, patterns))
}

/// What to write where `<`, `>` and `!=` have no meaning.
fn instead_of_order(field: &str) -> String {
    format!("write {field}:…, or -{field}:… for what it must not be")
}

/// The values between commas outside quotes.
fn alternatives(value: &[Character]) -> impl Iterator<Item = &[Character]> {
    value.split(|character| character.c == ',' && !character.quoted)
}

/// The test of a setting: figures are compared, texts must match.
fn setting(
    field: &str,
    path: &'static str,
    comparison: Option<Comparison>,
    value: &[Character],
    value_at: usize,
) -> Result<Test, Mistake> {
    let text = written(value);
    let figure = text.parse::<f64>().ok().filter(|figure| figure.is_finite());
    let patterns: Vec<Pattern> = alternatives(value)
        .filter(|value| !value.is_empty())
        .map(pattern)
        .collect();
    match (value.first(), comparison) {
        (Some(_), None | Some(Comparison::Equal)) if !patterns.is_empty() => {
            Ok(Test::Setting(path, patterns))
        }
        (None, _) | (_, None | Some(Comparison::Equal)) => {
            let help = format!("write {field}: and a value, as it is in the experiment's file");
            let at = value.first().map_or(value_at, |first| first.at);
            mistake(at, format!("expected a value after {field}"), Some(help))
        }
        (Some(first), Some(comparison)) => {
            let Some(figure) = figure else {
                let message = format!("`{}` is not a number", shown(&text));
                return mistake(first.at, message, Some(instead_of_order(field)));
            };
            Ok(Test::Figure(path, comparison, figure))
        }
    }
}

/// The pattern of a text field's value. Where the possible values are limited, it must match one.
fn text_value(
    name: &str,
    field: &Field,
    value: &[Character],
    value_at: usize,
) -> Result<Pattern, Mistake> {
    let known = field.values.map(|(kind, values)| (kind, values()));
    let Some(first) = value.first() else {
        let help = known.map(|(_, values)| format!("one of {}", values.join(", ")));
        return mistake(value_at, format!("expected a value after {name}:"), help);
    };
    let pattern = pattern(value);
    let Some((kind, values)) = known else {
        return Ok(pattern);
    };
    if values.iter().any(|known| pattern.is(known)) {
        return Ok(pattern);
    }
    let near = pattern
        .literal()
        .and_then(|literal| closest(&literal, values.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("one of {}", values.join(", ")),
    };
    mistake(
        first.at,
        format!("no {kind} is called `{}`", shown(&written(value))),
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
fn figure(name: &str, field: &Field, value: &[Character], value_at: usize) -> Result<f64, Mistake> {
    let text = written(value);
    let units = units(field.form);
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let example = match names.first() {
        Some(_) => format!("a number, or one with {}", names.join(", ")),
        None => "a number".to_owned(),
    };
    let Some(first) = value.first() else {
        return mistake(
            value_at,
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

/// A day, or a longer or shorter part of `2026-11-22T10:01:07Z`.
fn day(value: &[Character], value_at: usize) -> Result<String, Mistake> {
    /// The first moment, whose end completes a part of another.
    const FIRST: &str = "0000-01-01T00:00:00Z";
    /// Lengths up to the year, month, day, hour, minute and second, and with the `Z`.
    const LENGTHS: [usize; 7] = [4, 7, 10, 13, 16, 19, 20];
    let help = || {
        let text =
            "expected a local day such as 2026-11-22, or 2026-11; a time that ends in Z is in UTC";
        Some(text.to_owned())
    };
    let Some(first) = value.first() else {
        return mistake(value_at, "expected a day after created", help());
    };
    let text = written(value).to_uppercase();
    let fits = |(c, of_first): (char, char)| {
        if of_first.is_ascii_digit() {
            c.is_ascii_digit()
        } else {
            c == of_first
        }
    };
    let has_shape = LENGTHS.contains(&text.len()) && text.chars().zip(FIRST.chars()).all(fits);
    // No run can match `2026-13`, and an empty list would not say why.
    if has_shape
        && format!("{text}{}", &FIRST[text.len()..])
            .parse::<Timestamp>()
            .is_ok()
    {
        return Ok(text);
    }
    mistake(
        first.at,
        format!("`{}` is not a day", shown(&written(value))),
        help(),
    )
}
