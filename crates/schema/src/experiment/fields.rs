//! Fields whose YAML is one scalar but whose meaning is a choice. Errors begin like serde's `unknown variant`, which the parser
//! rewords with the closest word.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The frozen part of the backbone: nothing, all of it, or its first blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freeze {
    #[default]
    None,
    Backbone,
    Blocks(u32),
}

impl Freeze {
    /// How many of `blocks` backbone blocks are frozen, counted from the input.
    pub fn frozen_blocks(self, blocks: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Backbone => blocks,
            Self::Blocks(n) => blocks.min(usize::try_from(n).unwrap_or(usize::MAX)),
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Backbone => f.write_str("backbone"),
            Self::Blocks(1) => f.write_str("1 block"),
            Self::Blocks(n) => write!(f, "{n} blocks"),
        }
    }
}

impl Serialize for Freeze {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Backbone => serializer.serialize_str("backbone"),
            Self::Blocks(n) => serializer.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Freeze {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FreezeVisitor;
        impl Visitor<'_> for FreezeVisitor {
            type Value = Freeze;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`none`, `backbone`, or how many of the first blocks to freeze")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Freeze, E> {
                match text {
                    "none" => Ok(Freeze::None),
                    "backbone" => Ok(Freeze::Backbone),
                    _ => Err(E::custom(format_args!(
                        "unknown variant `{text}`, expected `none`, `backbone`, or a number of blocks"
                    ))),
                }
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Freeze, E> {
                let blocks = u32::try_from(n)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(n), &self))?;
                Ok(if blocks == 0 {
                    Freeze::None
                } else {
                    Freeze::Blocks(blocks)
                })
            }
        }
        deserializer.deserialize_any(FreezeVisitor)
    }
}

impl JsonSchema for Freeze {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Freeze".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The frozen part of the backbone: `none`, `backbone`, or how many of its first blocks.",
            "anyOf": [{ "enum": ["none", "backbone"] }, { "type": "integer", "minimum": 0 }]
        })
    }
}

/// The source of the backbone's first weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Weights {
    /// The published weights that `warmstart models` lists first, whatever they were trained on.
    #[default]
    Imagenet,
    Random,
    /// Published weights of the backbone by timm's tag, such as `tv_in1k`.
    Tag(String),
    /// A `.safetensors` file with timm's tensor names.
    File(PathBuf),
}

/// Whether a word can be one of timm's tags. Whether the backbone has it, validation says.
fn is_tag(word: &str) -> bool {
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    !word.is_empty() && word.bytes().all(is_plain)
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imagenet => f.write_str("imagenet"),
            Self::Random => f.write_str("random"),
            Self::Tag(tag) => f.write_str(tag),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // An error where it is not UTF-8: as text for people it would be the path of another file.
            Self::File(path) => path.serialize(serializer),
            Self::Imagenet | Self::Random | Self::Tag(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WeightsVisitor;
        impl Visitor<'_> for WeightsVisitor {
            type Value = Weights;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "`imagenet`, `random`, one of timm's tags, or the path of a .safetensors file",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Weights, E> {
                match text {
                    "imagenet" => Ok(Weights::Imagenet),
                    "random" => Ok(Weights::Random),
                    tag if is_tag(tag) => Ok(Weights::Tag(tag.to_owned())),
                    path if path.ends_with(".safetensors") => Ok(Weights::File(path.into())),
                    path if [".pt", ".pth", ".ot", ".bin", ".ckpt"]
                        .iter()
                        .any(|end| path.ends_with(end)) =>
                    {
                        Err(E::custom(
                            "a pickled checkpoint can run code when it is loaded, so it is never opened; expected a \
                         .safetensors file (in Python: `safetensors.torch.save_file(model.state_dict(), \"model.safetensors\")`)",
                        ))
                    }
                    _ => Err(E::custom(format_args!(
                        "unknown variant `{text}`, expected `imagenet`, `random`, a .safetensors file, or a tag of the backbone"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(WeightsVisitor)
    }
}

impl JsonSchema for Weights {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weights".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`imagenet` for the published weights that `warmstart models` lists, whatever they were trained on; the tag of other weights in that list, such as `tv_in1k`; `random`; or the path of a .safetensors file with timm's tensor names.",
            "anyOf": [{ "enum": ["imagenet", "random"] }, { "type": "string", "pattern": "^[a-z0-9_]+$|\\.safetensors$" }]
        })
    }
}

/// What to do about a step whose loss or gradients are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// End the run; its last checkpoint is from before the step.
    #[default]
    Stop,
    /// Skip the step: weights and statistics stay unchanged. Ten skipped steps in a row end the run. Checking every step costs a
    /// GPU some speed.
    Skip,
}

impl OnNan {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
