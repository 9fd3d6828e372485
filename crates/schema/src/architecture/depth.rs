//! How deep a tensor lies, as timm's layer decay counts: the stem is layer 0, then every block, and the head comes last.

use super::block::{Architecture, Block, Tail};
use super::layer::TensorSpec;

impl Architecture {
    /// Every tensor of the backbone with its layer, in timm's order, and the layer of the head.
    pub fn layers(&self) -> (Vec<(&TensorSpec, u32)>, u32) {
        let (mut layers, mut at, mut last) = (Vec::new(), 0, None);
        for (index, block) in self.blocks.iter().enumerate() {
            let is_after = index > 0 && !has_inner(block);
            for tensor in &block.tensors {
                let place = match (index, step(&tensor.name), inner(block, &tensor.name)) {
                    (_, Some(step), _) => (0, step),
                    (0, None, _) => (0, 0),
                    (_, None, Some(inner)) => (index, inner),
                    (_, None, None) => last.unwrap_or((index, 0)),
                };
                // What follows the last block belongs to it, or to the head.
                if !is_after && last.is_some_and(|last| last != place) {
                    at += 1;
                }
                if !is_after {
                    last = Some(place);
                }
                layers.push((tensor, at + u32::from(is_after && self.tail == Tail::Head)));
            }
        }
        (layers, at + 1)
    }
}

/// Whether the block is one of those that the network repeats.
fn has_inner(block: &Block) -> bool {
    block.name.contains(|letter: char| letter.is_ascii_digit())
}

/// The number of a step in VGG's stages. There timm counts each convolution as a layer, and its normalization as the next.
fn step(name: &str) -> Option<u32> {
    let (number, _) = name.strip_prefix("features.")?.split_once('.')?;
    number.parse().ok()
}

/// The number of a block within a stage. A stage's downsampling belongs to its first block; what is called after no stage, to the
/// block before it.
fn inner(block: &Block, name: &str) -> Option<u32> {
    let rest = name.strip_prefix(block.name.as_str())?;
    let number = |part: &str| {
        let named = ["denselayer", "b"]
            .iter()
            .find_map(|kind| part.strip_prefix(kind));
        named.unwrap_or(part).parse().ok()
    };
    let inner = rest.split('.').find_map(number);
    Some(
        inner
            .filter(|_| !rest.starts_with(".downsample"))
            .unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::architecture::Backbone;

    #[test]
    fn layers_and_tensors_without_decay_equal_timms() {
        let table: Value =
            serde_json::from_str(include_str!("../../tests/data/groups.json")).unwrap();
        let backbones = table["backbones"].as_object().unwrap();
        assert_eq!(backbones.len(), Backbone::ALL.len());
        for (name, expected) in backbones {
            let architecture = Architecture::new(name.parse().unwrap());
            let (layers, head) = architecture.layers();
            let mut begins: Vec<(u32, &str)> = Vec::new();
            for (spec, layer) in layers
                .into_iter()
                .filter(|(spec, _)| !spec.kind.is_statistic())
            {
                if begins.last().is_none_or(|(last, _)| *last != layer) {
                    begins.push((layer, &spec.name));
                }
            }
            let found = serde_json::json!({ "begins": begins, "head": head });
            assert_eq!(found["begins"], expected["begins"], "{name}");
            assert_eq!(found["head"], expected["head"], "{name}");
            let spared: Vec<&str> = architecture
                .tensors()
                .filter(|spec| !spec.kind.is_statistic() && !spec.kind.is_matrix())
                .map(|spec| spec.name.as_str())
                .collect();
            assert_eq!(spared.len(), expected["spared"], "{name}");
            let hash = format!("{:x}", Sha256::digest(spared.join("\n")));
            assert_eq!(hash, expected["sha256"], "{name}: {spared:?}");
        }
    }
}
