//! From text to terms, or to a mistake with its place.

use warmstart_schema::text::closest;

use super::field::{CREATED, MAIN_NUMBERS, MAIN_TEXTS, NUMBERS, Number, TEXTS, Text};
use super::pattern::Pattern;
use super::{Comparison, Mistake, Term, Test};
use crate::edit;

/// A character, where it stands, and whether in quotes.
#[derive(Debug, Clone, Copy)]
struct Character {
    at: usize,
    c: char,
    quoted: bool,
}

/// What can stand between a field and its value, the longer ones first.
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

pub fn terms(source: &str) -> Result<Vec<Term>, Mistake> {
    tokens(source)?.iter().map(|token| term(token)).collect()
}

fn mistake<T>(at: usize, message: impl Into<String>, help: Option<String>) -> Result<T, Mistake> {
    Err(Mistake {
        at,
        message: message.into(),
        help,
    })
}

/// The words between spaces; quotes keep spaces, and are no part of a word.
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
            "this quotation mark has no partner",
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
            Test::Text(Text::Tag, vec![pattern(&rest[1..])])
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

/// The first operator outside quotes: its place, its length and what it means.
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

fn fields() -> String {
    let main = TEXTS[..MAIN_TEXTS].iter().map(|(name, _)| *name);
    let main = main
        .chain(NUMBERS[..MAIN_NUMBERS].iter().map(|(name, _)| *name))
        .chain([CREATED]);
    format!(
        "fields: {}, and every setting such as train.precision",
        main.collect::<Vec<_>>().join(", ")
    )
}

fn names() -> impl Iterator<Item = &'static str> {
    TEXTS
        .iter()
        .map(|(name, _)| *name)
        .chain(NUMBERS.iter().map(|(name, _)| *name))
        .chain([CREATED])
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
    if let Some((_, number)) = NUMBERS.iter().find(|(name, _)| *name == field) {
        let figure = figure(field, *number, value, end)?;
        return Ok(Test::Number(
            *number,
            comparison.unwrap_or(Comparison::Equal),
            figure,
        ));
    }
    if field == CREATED {
        return Ok(Test::Created(
            comparison.unwrap_or(Comparison::Equal),
            day(value, end)?,
        ));
    }
    let Some((_, text)) = TEXTS.iter().find(|(name, _)| *name == field) else {
        if let Some(path) = edit::setting(field) {
            return setting(field, path, comparison, value, end);
        }
        // Of two names of one field the first.
        let known = names()
            .filter(|name| *name != "state")
            .chain(edit::settings().iter().map(String::as_str));
        let help = match closest(field, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!(
                "{}; in \"quotes\" it is searched for as it stands",
                fields()
            ),
        };
        return mistake(
            begin,
            format!("no field is called `{}`", shown(field)),
            Some(help),
        );
    };
    if !matches!(comparison, None | Some(Comparison::Equal)) {
        let sign_text: String = sign.iter().map(|character| character.c).collect();
        let help = format!("write {field}:…, or -{field}:… for what it must not be");
        return mistake(
            sign[0].at,
            format!("{field} is a text; {sign_text} compares figures"),
            Some(help),
        );
    }
    let (mut patterns, mut end) = (Vec::new(), end);
    for value in value.split(|character| character.c == ',' && !character.quoted) {
        patterns.push(one(field, *text, value, end)?);
        // Behind the comma.
        end = value.last().map_or(end, |last| last.at + 2);
    }
    Ok(Test::Text(*text, patterns))
}

/// The test of a setting: figures are compared, texts are what they must be.
fn setting(
    field: &str,
    path: &'static str,
    comparison: Option<Comparison>,
    value: &[Character],
    end: usize,
) -> Result<Test, Mistake> {
    let text: String = value.iter().map(|character| character.c).collect();
    let figure = text.parse::<f64>().ok().filter(|figure| figure.is_finite());
    match (value.first(), comparison) {
        (None, _) => mistake(end, format!("expected a value after {field}"), None),
        (Some(_), None | Some(Comparison::Equal)) => {
            let values = value.split(|character| character.c == ',' && !character.quoted);
            Ok(Test::Setting(
                path,
                values
                    .filter(|value| !value.is_empty())
                    .map(pattern)
                    .collect(),
            ))
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

/// One of a text field's values; of those that a field can have, if it has only some.
fn one(field: &str, text: Text, value: &[Character], end: usize) -> Result<Pattern, Mistake> {
    let known = text.values();
    let Some(first) = value.first() else {
        let help = known.map(|(_, values)| format!("one of {}", values.join(", ")));
        return mistake(end, format!("expected a value after {field}:"), help);
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

/// A figure, with its unit if it has one.
fn figure(field: &str, number: Number, value: &[Character], end: usize) -> Result<f64, Mistake> {
    let text: String = value.iter().map(|character| character.c).collect();
    let units = number.units();
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let example = match names.first() {
        Some(_) => format!("a number, or one with {}", names.join(", ")),
        None => "a number".to_owned(),
    };
    let Some(first) = value.first() else {
        return mistake(
            end,
            format!("expected a number after {field}"),
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
    let is_day =
        text.len() >= 4 && text.len() <= SHAPE.len() && text.chars().zip(SHAPE.chars()).all(fits);
    if is_day {
        Ok(text)
    } else {
        mistake(first.at, format!("`{}` is not a day", shown(&text)), help())
    }
}
