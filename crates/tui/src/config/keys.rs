//! The keys of an action in the settings.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One key or several; an empty list removes the action's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(pub Vec<String>);

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => serializer.serialize_str(one),
            several => serializer.collect_seq(several),
        }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a key like `x`, `ctrl-x` or `enter`, or a list of keys")
            }

            /// The parser reads `y` and `n` as text too, not as yes and no.
            fn visit_str<E: Error>(self, key: &str) -> Result<Keys, E> {
                Ok(Keys(vec![key.to_owned()]))
            }

            /// `0` to `9` are keys too.
            fn visit_u64<E: Error>(self, number: u64) -> Result<Keys, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = list.next_element::<Keys>()? {
                    keys.extend(key.0);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_any(KeysVisitor)
    }
}

impl JsonSchema for Keys {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Keys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A key like `x`, `ctrl-x`, `enter` or `f5`, or a list of keys; an empty list takes them away.",
            "anyOf": [
                { "type": "string" },
                { "type": "integer", "minimum": 0, "maximum": 9 },
                { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "integer" }] } }
            ]
        })
    }
}
