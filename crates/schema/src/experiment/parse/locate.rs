//! Finds a field in a file's text. The parser reports where an error arose, so this raises one there.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Line and column, counted from 1.
pub(super) type Place = (usize, usize);

/// The place of a dotted field's value; for an absent field, the place of its mapping.
pub(super) fn locate(source: &str, path: &str) -> Option<Place> {
    let keys: Vec<&str> = path.split('.').collect();
    locate_keys(source, &keys)
}

/// The place of a value by the keys that lead there, which may contain dots; for an absent value, the place of its mapping.
pub(super) fn locate_keys(source: &str, keys: &[&str]) -> Option<Place> {
    let place = |keys: &[&str]| {
        let error = Seek(keys)
            .deserialize(serde_yaml::Deserializer::from_str(source))
            .err()?;
        error.location().map(|place| (place.line(), place.column()))
    };
    (1..=keys.len()).rev().find_map(|len| place(&keys[..len]))
}

/// The keys that lead to a value from here. Reading the value raises an error there.
struct Seek<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the value that is sought")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((key, rest)) = self.0.split_first() else {
            return Err(A::Error::custom("found"));
        };
        while let Some(name) = map.next_key::<String>()? {
            if name == *key {
                map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("found"))
    }
}

/// A key that appears twice in its mapping.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twice {
    /// Its dotted path, with the positions in lists: `model.unfreeze[0].freeze`.
    pub path: String,
    /// The key alone, which may contain dots.
    pub key: String,
    /// The place of the second one.
    pub place: Place,
}

/// The first key that appears twice in its mapping.
pub(super) fn duplicate(source: &str) -> Option<Twice> {
    let mut twice = None;
    let unique = Unique {
        path: String::new(),
        twice: &mut twice,
    };
    let error = unique
        .deserialize(serde_yaml::Deserializer::from_str(source))
        .err()?;
    let place = error
        .location()
        .map(|place| (place.line(), place.column()))?;
    twice.map(|(path, key)| Twice { path, key, place })
}

/// Line and column of a byte of the text.
pub(super) fn place_of(source: &str, offset: usize) -> Place {
    let before = &source[..offset];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line..].chars().count() + 1,
    )
}

/// The text without the byte order mark with which some editors begin a file, so that columns count what a reader sees.
pub(super) fn without_mark(source: &str) -> &str {
    source.strip_prefix('\u{feff}').unwrap_or(source)
}

/// A value whose mappings may not repeat a key.
struct Unique<'a> {
    path: String,
    /// The path of the repeated key, and the key.
    twice: &'a mut Option<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(path) = map.next_key_seed(Key {
            parent: &self.path,
            seen: &mut seen,
            twice: &mut *self.twice,
        })? {
            map.next_value_seed(Unique {
                path,
                twice: &mut *self.twice,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let element = Unique {
                path: format!("{}[{index}]", self.path),
                twice: &mut *self.twice,
            };
            if seq.next_element_seed(element)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key; the result is its dotted path.
struct Key<'a> {
    parent: &'a str,
    seen: &'a mut HashSet<String>,
    twice: &'a mut Option<(String, String)>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<String, E> {
        let path = if self.parent.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.parent)
        };
        if self.seen.insert(name.to_owned()) {
            return Ok(path);
        }
        *self.twice = Some((path, name.to_owned()));
        Err(E::custom("appears twice"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_block_and_flow_style() {
        let source = "a: 1\nb:\n  c: 2\n  d: { e: x, f: 3 }\n";
        assert_eq!(locate(source, "b.c"), Some((3, 6)));
        assert_eq!(locate(source, "b.d.f"), Some((4, 17)));
    }

    #[test]
    fn second_of_two_equal_keys_is_found_in_its_mapping() {
        for (source, path, key, place) in [
            (
                "name: a\nb:\n  name: 1\n  d: { e: x, name: y, e: 3 }\n",
                "b.d.e",
                "e",
                (4, 23),
            ),
            (
                "name: a\nb:\n  name: 1\n  name: 2\n",
                "b.name",
                "name",
                (4, 3),
            ),
            (
                "a: [1, { b: 1 }, { b: 1, c: 3, b: 2 }]\n",
                "a[2].b",
                "b",
                (1, 32),
            ),
            (
                "a:\n  - b: 1\n    c: [[{ d: 1, d: 2 }]]\n",
                "a[0].c[0][0].d",
                "d",
                (3, 18),
            ),
            (
                "grid:\n  train.epochs: [3]\n  train.epochs: [4]\n",
                "grid.train.epochs",
                "train.epochs",
                (3, 3),
            ),
        ] {
            let (path, key) = (path.to_owned(), key.to_owned());
            assert_eq!(duplicate(source), Some(Twice { path, key, place }));
        }
        assert_eq!(
            duplicate("a: [1, { b: 1 }, { b: 2 }]\nc: ~\nd: 1.5\ne: true\nf: -1\n"),
            None
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place_of("ä\nöü\0", 7), (2, 3));
    }
}
