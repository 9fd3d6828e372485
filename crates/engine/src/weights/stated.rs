//! Which backbone a weights file says it is of. Its tensors cannot always tell: a `tf_` backbone and its plain twin have the same
//! names and shapes, and differ by padding and the epsilon of their normalization.

use std::path::Path;

use serde::Deserialize;
use warmstart_schema::architecture::Backbone;

use super::metadata;

/// A configuration takes a few hundred bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// What is said, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stated {
    /// The file's own header, or the hub's `config.json` beside it: to be believed.
    Surely(Backbone, &'static str),
    /// Its name, which anybody may have chosen.
    Perhaps(Backbone),
}

impl Stated {
    pub fn backbone(self) -> Backbone {
        match self {
            Self::Surely(backbone, _) | Self::Perhaps(backbone) => backbone,
        }
    }
}

/// What the file at `path`, which holds `bytes`, says.
pub fn stated(path: &Path, bytes: &[u8]) -> Option<Stated> {
    let own = || metadata(bytes).get("architecture").and_then(|name| known(name));
    let own = || own().map(|backbone| Stated::Surely(backbone, "its header"));
    let beside = || config(path).map(|backbone| Stated::Surely(backbone, "the config.json beside it"));
    own().or_else(beside).or_else(|| named(path).map(Stated::Perhaps))
}

/// timm's name, with or without the tag that follows a dot.
fn known(name: &str) -> Option<Backbone> {
    name.split('.').next()?.parse().ok()
}

/// The configuration that the hub keeps with a repository's `model.safetensors`.
fn config(path: &Path) -> Option<Backbone> {
    #[derive(Deserialize)]
    struct Config {
        architecture: String,
    }
    let config =
        path.file_name().filter(|name| *name == "model.safetensors").map(|_| path.with_file_name("config.json"))?;
    let is_small = std::fs::metadata(&config).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_CONFIG_BYTES);
    let text = is_small.then(|| std::fs::read(&config).ok()).flatten()?;
    known(&serde_json::from_slice::<Config>(&text).ok()?.architecture)
}

/// The file is called after a backbone, or lies in the hub's cache of a repository that is.
fn named(path: &Path) -> Option<Backbone> {
    let in_cache = |name: &str| name.strip_prefix("models--").and_then(|rest| known(rest.split_once("--")?.1));
    let own = path.file_name().and_then(|name| name.to_str()).and_then(known);
    own.or_else(|| path.ancestors().filter_map(|folder| folder.file_name()?.to_str()).find_map(in_cache))
}
