//! A backbone as blocks of layers.

use super::layer::{Layer, TensorSpec};

/// A backbone up to and including pooling: blocks run in order and return `features` numbers per image.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Width of the pooled output.
    pub features: usize,
    /// The blocks that "freeze the first N blocks" counts: the stem, one per stage, and the last convolution or normalization if
    /// there is one.
    pub blocks: Vec<Block>,
    pub(super) tail: Tail,
}

/// Where timm's layer decay counts the layers that follow the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    LastBlock,
    Head,
}

impl Architecture {
    /// All tensors in timm's order, without `num_batches_tracked`.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorSpec> {
        self.blocks.iter().flat_map(|block| &block.tensors)
    }
}

/// A freezable part of a backbone.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// `stem`, `layer1`, `blocks.0`, `conv_head`, ….
    pub name: String,
    /// What the forward pass does, in order.
    pub layers: Vec<Layer>,
    /// What the layers hold, in timm's order.
    pub tensors: Vec<TensorSpec>,
}

impl Block {
    pub(super) fn new(name: impl Into<String>, layers: Vec<Layer>) -> Self {
        let mut tensors = Vec::new();
        for layer in &layers {
            layer.push_tensors(&mut tensors);
        }
        Self {
            name: name.into(),
            layers,
            tensors,
        }
    }
}
