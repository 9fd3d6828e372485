//! What a weights file says about itself: its backbone, and how the pictures that it was trained on were prepared. Its tensors
//! cannot always tell the backbone: a `tf_` backbone and its plain twin have tensors of the same names and shapes. They differ by
//! padding and the epsilon of their normalization.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use warmstart_schema::architecture::{Backbone, Pretrained};
use warmstart_schema::experiment::Interpolation;
use warmstart_schema::preparation::FileMetadata;

use super::metadata;

/// A configuration takes a few hundred bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The backbone that a file names, and how far to trust that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidOf {
    /// The file's header, or the hub's `config.json` next to it. Both are trusted.
    Surely(Backbone, &'static str),
    /// Its name, which anybody may have chosen.
    Perhaps(Backbone),
}

impl SaidOf {
    pub fn backbone(self) -> Backbone {
        match self {
            Self::Surely(backbone, _) | Self::Perhaps(backbone) => backbone,
        }
    }
}

/// The backbone that the file at `path` names: in its header, which `bytes` begin with, else in a configuration beside it, else by
/// its own name.
pub fn stated(path: &Path, bytes: &[u8]) -> Option<SaidOf> {
    let in_header = || {
        let backbone = known(metadata(bytes).get("architecture")?)?;
        Some(SaidOf::Surely(backbone, "its header"))
    };
    let beside = || in_config(path).map(|(backbone, words)| SaidOf::Surely(backbone, words));
    let in_name = || named(path).map(SaidOf::Perhaps);
    in_header().or_else(beside).or_else(in_name)
}

/// The backbone of one of timm's names, with or without the tag that follows a dot. Looks for name and tag together first, because
/// timm publishes a few weights below the name of another backbone.
fn known(name: &str) -> Option<Backbone> {
    let name = name.trim_end_matches(".safetensors");
    let is_of = |backbone: &Backbone| {
        let hub = Pretrained::of(*backbone).hub;
        hub.strip_prefix("timm/") == Some(name)
    };
    Backbone::ALL
        .into_iter()
        .find(is_of)
        .or_else(|| name.split('.').next()?.parse().ok())
}

/// The backbone that a configuration beside the file names, and what that file is called.
fn in_config(path: &Path) -> Option<(Backbone, &'static str)> {
    configs(path).into_iter().find_map(|(config, place)| {
        let backbone = config.backbone().filter(|_| place.is_its_own(path))?;
        Some((backbone, place.words()))
    })
}

/// A configuration as the hub keeps it: timm's own facts below `pretrained_cfg`, in older ones at the top.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    pretrained_cfg: Option<Map<String, Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Config {
    /// The backbone that it names, by name and tag.
    fn backbone(&self) -> Option<Backbone> {
        let name = self.architecture.as_deref()?;
        match self.fact("tag").and_then(Value::as_str) {
            Some(tag) if !name.contains('.') => known(&format!("{name}.{tag}")),
            _ => known(name),
        }
    }

    fn fact(&self, key: &str) -> Option<&Value> {
        self.pretrained_cfg
            .as_ref()
            .and_then(|facts| facts.get(key))
            .or_else(|| self.rest.get(key))
    }
}

/// Where a configuration lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// It has the file's name, as `export` writes it.
    SameName,
    /// `config.json`, which may belong to another file of the folder.
    Folder,
}

impl Beside {
    fn is_its_own(self, path: &Path) -> bool {
        self == Self::SameName
            || path
                .file_name()
                .is_some_and(|name| name == "model.safetensors")
    }

    fn words(self) -> &'static str {
        match self {
            Self::SameName => "the .config.json of the same name",
            Self::Folder => "the config.json beside it",
        }
    }
}

/// The configurations next to a file.
fn configs(path: &Path) -> Vec<(Config, Beside)> {
    let read = |path: &Path| {
        let is_small = std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_CONFIG_BYTES);
        let text = is_small.then(|| std::fs::read(path).ok()).flatten()?;
        serde_json::from_slice::<Config>(&text).ok()
    };
    [
        (path.with_extension("config.json"), Beside::SameName),
        (path.with_file_name("config.json"), Beside::Folder),
    ]
    .into_iter()
    .filter_map(|(path, place)| Some((read(&path)?, place)))
    .collect()
}

/// The preprocessing that the file at `path` states: from its header, or else from a configuration next to it.
pub fn stated_preparation(path: &Path, backbone: Backbone) -> FileMetadata {
    let header = header(path);
    // The header of a safetensors file holds only texts, so lists and numbers are JSON in a text.
    let in_header = |key: &str| {
        header
            .get(key)
            .and_then(|text| serde_json::from_str(text).ok())
    };
    let plain = |key: &str| header.get(key).map(|text| Value::from(text.as_str()));
    let own = gathered("its header", |key| in_header(key).or_else(|| plain(key)));
    let nothing = FileMetadata {
        by: own.by.clone(),
        ..FileMetadata::default()
    };
    if own != nothing {
        return own;
    }
    let is_of = |config: &Config, place: Beside| {
        let found = config.backbone();
        let tag = config.fact("tag").and_then(Value::as_str);
        let is_other_tag = tag
            .zip(tag_of(path))
            .is_some_and(|(theirs, own)| !theirs.is_empty() && theirs != own);
        match config.architecture {
            Some(_) => found == Some(backbone) && (place.is_its_own(path) || !is_other_tag),
            None => place.is_its_own(path) || !is_other_tag,
        }
    };
    let config = configs(path)
        .into_iter()
        .find(|(config, place)| is_of(config, *place));
    config
        .map(|(config, place)| gathered(place.words(), |key| config.fact(key).cloned()))
        .unwrap_or_default()
}

/// timm's tag in a file's name, where a backbone's name precedes it. `mine-v1.2.safetensors` has none.
fn tag_of(path: &Path) -> Option<&str> {
    let (name, tag) = path.file_stem()?.to_str()?.split_once('.')?;
    name.parse::<Backbone>().is_ok().then_some(tag)
}

/// The facts below timm's keys, without those that cannot be right.
fn gathered(by: &str, fact: impl Fn(&str) -> Option<Value>) -> FileMetadata {
    let numbers =
        |key: &str| fact(key).and_then(|value| serde_json::from_value::<[f32; 3]>(value).ok());
    let sides = fact("input_size").and_then(|value| serde_json::from_value::<[u32; 3]>(value).ok());
    let is_centre = fact("crop_mode").is_none_or(|mode| mode == "center");
    FileMetadata {
        mean: numbers("mean"),
        std: numbers("std"),
        interpolation: fact("interpolation").and_then(|name| Interpolation::named(name.as_str()?)),
        crop_pct: fact("crop_pct")
            .and_then(|share| share.as_f64())
            .filter(|_| is_centre),
        side: sides
            .filter(|[channels, height, width]| *channels == 3 && height == width)
            .map(|sides| sides[1]),
        by: by.to_owned(),
    }
    .sound()
}

/// The texts of a file's header, without its tensors.
fn header(path: &Path) -> BTreeMap<String, String> {
    let read = || {
        // Opening a pipe would wait for its writer.
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut file = std::fs::File::open(path).ok()?;
        let mut bytes = vec![0; 8];
        file.read_exact(&mut bytes).ok()?;
        let length = u64::from_le_bytes(bytes[..8].try_into().ok()?);
        file.take(length.min(MAX_CONFIG_BYTES))
            .read_to_end(&mut bytes)
            .ok()?;
        Some(metadata(&bytes))
    };
    read().unwrap_or_default()
}

/// The file is called after a backbone, or lies in the hub's cache of a repository that is.
fn named(path: &Path) -> Option<Backbone> {
    let in_cache = |name: &str| {
        name.strip_prefix("models--")
            .and_then(|rest| known(rest.split_once("--")?.1))
    };
    let own = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(known);
    own.or_else(|| {
        path.ancestors()
            .filter_map(|folder| folder.file_name()?.to_str())
            .find_map(in_cache)
    })
}
