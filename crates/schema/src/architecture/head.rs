//! The study's head, the same on every backbone.

use serde::{Deserialize, Serialize};

use super::layer::{TensorKind, TensorSpec, push_dense, push_norm};

/// Dropout, dense `hidden` + `ReLU`, batch normalization, dense `classes`; its input is the pooled features. The head of a probe is the
/// last dense layer alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// Width of the pooled features, see [`super::Architecture::features`].
    pub features: usize,
    /// Width of the hidden layer; 0 if the head is the last dense layer alone.
    pub hidden: usize,
    pub classes: usize,
    /// Probability of zeroing a feature while training.
    pub dropout: f64,
}

impl HeadSpec {
    /// The prefix of its tensors' names.
    pub const PREFIX: &str = "head.";

    /// Whether the head has a tensor of this name: timm calls the last normalization of some backbones `head.norm`.
    pub fn owns(name: &str) -> bool {
        name.strip_prefix(Self::PREFIX).is_some_and(|name| {
            ["fc1.", "bn.", "fc2."]
                .iter()
                .any(|part| name.starts_with(part))
        })
    }

    /// Whether it is one dense layer.
    pub fn is_linear(&self) -> bool {
        self.hidden == 0
    }

    /// The name of a linear head's tensor in a model whose `classifier` is a dense layer; `None` for other tensors.
    pub fn linear_name(name: &str, classifier: &str) -> Option<String> {
        let rest = name.strip_prefix(Self::PREFIX)?.strip_prefix("fc2.")?;
        Some(format!("{classifier}.{rest}"))
    }

    /// The name of a head's tensor in a model whose `classifier` is a `Sequential` of dense layer, `ReLU`, normalization and
    /// dense layer; `None` for a tensor that is not the head's.
    pub fn sequential_name(name: &str, classifier: &str) -> Option<String> {
        let (layer, rest) = name.strip_prefix(Self::PREFIX)?.split_once('.')?;
        let place = match layer {
            "fc1" => 0,
            "bn" => 2,
            "fc2" => 3,
            _ => return None,
        };
        Some(format!("{classifier}.{place}.{rest}"))
    }

    /// The head's tensors, eight or two, in the order of the forward pass.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let [features, hidden, classes] = [self.features, self.hidden, self.classes]
            .map(|width| i64::try_from(width).unwrap_or(i64::MAX));
        let mut tensors = Vec::with_capacity(8);
        if self.is_linear() {
            push_dense(
                "head.fc2",
                (features, classes),
                TensorKind::Weight,
                &mut tensors,
            );
            return tensors;
        }
        push_dense(
            "head.fc1",
            (features, hidden),
            TensorKind::Weight,
            &mut tensors,
        );
        push_norm("head.bn", hidden, &mut tensors);
        push_dense(
            "head.fc2",
            (hidden, classes),
            TensorKind::Weight,
            &mut tensors,
        );
        tensors
    }
}
