//! The study's head, the same on every backbone.

use serde::{Deserialize, Serialize};

use super::{TensorKind, TensorSpec, push_norm};

/// Dropout, dense `hidden` + `ReLU`, batch normalization, dense `classes`; its input are the pooled features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// Width of the pooled features, see [`super::Architecture::features`].
    pub features: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    pub classes: usize,
    /// Probability of zeroing a feature while training.
    pub dropout: f64,
}

impl HeadSpec {
    /// Width of the hidden layer where an experiment names none: the study's.
    pub const DEFAULT_HIDDEN: usize = 256;

    /// The head's eight tensors, in the order of the forward pass.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let [features, hidden, classes] =
            [self.features, self.hidden, self.classes].map(|width| i64::try_from(width).unwrap_or(i64::MAX));
        let mut tensors = Vec::with_capacity(8);
        push_dense("head.fc1", features, hidden, &mut tensors);
        push_norm("head.bn", hidden, &mut tensors);
        push_dense("head.fc2", hidden, classes, &mut tensors);
        tensors
    }
}

fn push_dense(prefix: &str, input: i64, output: i64, tensors: &mut Vec<TensorSpec>) {
    tensors.push(TensorSpec::new(format!("{prefix}.weight"), &[output, input], TensorKind::Weight));
    tensors.push(TensorSpec::new(format!("{prefix}.bias"), &[output], TensorKind::Bias));
}
