//! Weights of a backbone's own first convolution for a model that has another one.

use warmstart_schema::architecture::{Architecture, Backbone, Stem, TensorSpec};

use super::Entry;

/// Which tensors of `backbone` have another shape with its own stem, and that shape.
pub(super) fn replaced(backbone: Backbone, stem: Stem) -> Vec<TensorSpec> {
    let ours = Architecture::with_stem(backbone, stem);
    let own = Architecture::new(backbone);
    let differs = |(own, ours): (&TensorSpec, &TensorSpec)| {
        (own.name == ours.name && own.shape != ours.shape).then(|| own.clone())
    };
    own.tensors()
        .zip(ours.tensors())
        .filter_map(differs)
        .collect()
}

/// Whether an entry is a tensor that another one replaces, so that the model keeps its new weights.
pub(super) fn is_replaced(replaced: &[TensorSpec], name: &str, entry: &Entry<'_>) -> bool {
    replaced
        .iter()
        .any(|own| own.name == name && entry.shape == own.shape)
}
