//! How deep a tensor lies, as timm's layer decay counts: the stem is layer 0, then every block, and the head comes last.

use super::block::{Architecture, Block, Tail};
use super::layer::TensorSpec;

impl Architecture {
    /// Every tensor of the backbone with its layer, in timm's order, and the layer of the head.
    pub fn layers(&self) -> (Vec<(&TensorSpec, u32)>, u32) {
        let (mut layers, mut layer, mut last) = (Vec::new(), 0, None);
        for (index, block) in self.blocks.iter().enumerate() {
            let is_after = index > 0 && !is_numbered(block);
            for tensor in &block.tensors {
                // Two tensors of one place are of one layer.
                let place = match (
                    index,
                    vgg_layer(&tensor.name),
                    block_of_stage(block, &tensor.name),
                ) {
                    (_, Some(number), _) => (0, number),
                    (0, None, _) => (0, 0),
                    (_, None, Some(number)) => (index, number),
                    (_, None, None) => last.unwrap_or((index, 0)),
                };
                // What follows the last block belongs to it, or to the head.
                if !is_after {
                    layer += u32::from(last.is_some_and(|last| last != place));
                    last = Some(place);
                }
                let belongs_to_head = is_after && self.tail == Tail::Head;
                layers.push((tensor, layer + u32::from(belongs_to_head)));
            }
        }
        (layers, layer + 1)
    }
}

/// Whether the block has a number in its name, as stages have; what follows the last of them has none.
fn is_numbered(block: &Block) -> bool {
    block.name.contains(|letter: char| letter.is_ascii_digit())
}

/// The number of a layer in VGG's stages. There timm counts each convolution as a layer, and its normalization as the next.
fn vgg_layer(name: &str) -> Option<u32> {
    let (number, _) = name.strip_prefix("features.")?.split_once('.')?;
    number.parse().ok()
}

/// The number of a tensor's block within its stage. A stage's downsampling belongs to its first block. `None` for a tensor without
/// the stage's name, which belongs to the block before it.
fn block_of_stage(stage: &Block, name: &str) -> Option<u32> {
    let rest = name.strip_prefix(stage.name.as_str())?;
    if rest.starts_with(".downsample") {
        return Some(0);
    }
    let number = |part: &str| {
        let named = ["denselayer", "b"]
            .iter()
            .find_map(|kind| part.strip_prefix(kind));
        named.unwrap_or(part).parse().ok()
    };
    Some(rest.split('.').find_map(number).unwrap_or(0))
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
