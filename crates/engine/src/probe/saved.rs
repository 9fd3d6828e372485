//! A probe's classifier in a model and in a checkpoint.

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};

use super::classifier::Classifier;
use crate::model::Model;
use crate::weights;

const WEIGHTS: &str = "probe.weights";
const INTERCEPTS: &str = "probe.intercepts";

/// Copies a classifier into the model's head, as float32.
pub(super) fn put(model: &Model, classifier: &Classifier) -> Result<()> {
    for (name, from) in [
        ("head.fc2.weight", &classifier.weights),
        ("head.fc2.bias", &classifier.intercepts),
    ] {
        let named = model.tensors().iter().find(|named| named.name == name);
        let named = named.with_context(|| format!("the model has no {name}"))?;
        let from = from.f_to_kind(Kind::Float)?;
        tch::no_grad(|| named.tensor.shallow_clone().f_copy_(&from))?;
    }
    Ok(())
}

/// The bytes of a checkpoint's model.
pub(super) fn model(model: &Model) -> Result<Vec<u8>> {
    let tensors: Vec<(String, Tensor)> = model
        .tensors()
        .iter()
        .map(|named| (named.name.clone(), named.tensor.shallow_clone()))
        .collect();
    weights::write(&tensors)
}

/// A classifier with every bit. Checkpoints hold float32 and int64, so the float64 are written as the int64 of the same bits.
pub(super) fn write(classifier: &Classifier) -> Result<Vec<u8>> {
    let bits = |tensor: &Tensor| tensor.f_contiguous()?.f_view_dtype(Kind::Int64);
    weights::write(&[
        (WEIGHTS.to_owned(), bits(&classifier.weights)?),
        (INTERCEPTS.to_owned(), bits(&classifier.intercepts)?),
    ])
}

/// What [`write()`] wrote, in the shape and on the device of `like`.
pub(super) fn read(bytes: &[u8], like: &Classifier) -> Result<Classifier> {
    let entries = weights::parse(bytes).context("loading the probe's classifier")?;
    let tensor = |name: &str, like: &Tensor| {
        let entry = entries
            .get(name)
            .with_context(|| format!("the checkpoint has no {name}"))?;
        ensure!(entry.shape == like.size(), "{name} has another shape");
        let tensor = entry.tensor()?.f_view_dtype(Kind::Double)?;
        Ok(tensor.f_to_device(like.device())?)
    };
    Ok(Classifier {
        weights: tensor(WEIGHTS, &like.weights)?,
        intercepts: tensor(INTERCEPTS, &like.intercepts)?,
    })
}
