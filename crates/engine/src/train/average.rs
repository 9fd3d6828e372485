//! Weights averaged over the steps, statistics of normalization included: timm's `ModelEmaV3`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_schema::experiment::Ema;

use crate::model::Model;

/// Prefix of the plain weights' names beside the optimizer's state.
const PLAIN: &str = "plain.";

/// The average of all tensors that training moves.
#[derive(Debug)]
pub struct Average {
    settings: Ema,
    tensors: Vec<Averaged>,
}

#[derive(Debug)]
struct Averaged {
    name: String,
    /// The model's own tensor.
    plain: Tensor,
    average: Tensor,
}

impl Average {
    /// Starts with the model as it is.
    pub fn new(settings: Ema, model: &Model) -> Result<Self> {
        let mut average = Self {
            settings,
            tensors: Vec::new(),
        };
        average.take_in(model)?;
        Ok(average)
    }

    /// Starts the average of tensors that were frozen until now. They did not move, so it is as if it had begun with the others.
    pub fn take_in(&mut self, model: &Model) -> Result<()> {
        let mut known: BTreeMap<String, Averaged> = std::mem::take(&mut self.tensors)
            .into_iter()
            .map(|one| (one.name.clone(), one))
            .collect();
        let moving = model.tensors().iter().filter(|named| !named.frozen);
        let tensors = moving.map(|named| {
            if let Some(one) = known.remove(&named.name) {
                return Ok(one);
            }
            Ok(Averaged {
                name: named.name.clone(),
                plain: named.tensor.shallow_clone(),
                average: named.tensor.f_detach_copy()?,
            })
        });
        self.tensors = tensors.collect::<Result<_>>()?;
        Ok(())
    }

    /// Takes in the weights after optimizer step `step`, counted from 1.
    pub fn update(&mut self, step: u64) -> Result<()> {
        let share = 1.0 - self.settings.kept(step);
        tch::no_grad(|| {
            for Averaged { plain, average, .. } in &mut self.tensors {
                let _ = average.f_lerp_(plain, share)?;
            }
            Ok(())
        })
    }

    /// Exchanges the model's weights and the average, bit for bit. A second call undoes it.
    pub fn swap(&mut self) -> Result<()> {
        tch::no_grad(|| {
            for Averaged { plain, average, .. } in &mut self.tensors {
                let before = plain.f_detach_copy()?;
                plain.f_copy_(average)?;
                average.f_copy_(&before)?;
            }
            Ok(())
        })
    }

    /// The average of the tensor of this name; `None` for one that is frozen.
    pub fn of(&self, name: &str) -> Option<&Tensor> {
        let found = self.tensors.iter().find(|one| one.name == name);
        found.map(|one| &one.average)
    }

    /// The plain weights, as they are saved beside the optimizer's state.
    pub fn plain(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.tensors
            .iter()
            .map(|one| (format!("{PLAIN}{}", one.name), one.plain.shallow_clone()))
    }

    /// Takes the plain weights out of what was saved beside the optimizer's state, and puts them into the model.
    pub fn restore(&mut self, saved: &mut BTreeMap<String, Tensor>) -> Result<()> {
        tch::no_grad(|| {
            for Averaged { name, plain, .. } in &mut self.tensors {
                let tensor = saved
                    .remove(&format!("{PLAIN}{name}"))
                    .with_context(|| format!("the checkpoint has no plain weights of `{name}`"))?;
                plain.f_copy_(&tensor)?;
            }
            Ok(())
        })
    }
}
