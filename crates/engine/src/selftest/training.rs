//! A small training: a new model, Adam, and steps on synthetic images.

use anyhow::Result;
use tch::{Device, Tensor};
use warmstart_schema::experiment::{self, NumberFormat};

use crate::model::{Mode, Model, ModelSpec, TrainingPass};
use crate::optimizer::Optimizer;
use crate::train::autocast;
use crate::train::evaluate::cross_entropy;

const LEARNING_RATE: f64 = 1e-3;

/// A model and its optimizer.
pub(super) struct Training {
    pub model: Model,
    optimizer: Optimizer,
    format: NumberFormat,
}

impl Training {
    /// With the initial weights of `seed`.
    pub(super) fn new(
        spec: &ModelSpec,
        seed: u64,
        device: Device,
        format: NumberFormat,
    ) -> Result<Self> {
        let model = Model::new(spec, seed, device)?;
        let adam = experiment::Optimizer::Adam {
            learning_rate: 0.0,
            weight_decay: 0.0,
        };
        let optimizer = Optimizer::new(&adam, model.trainable())?;
        Ok(Self {
            model,
            optimizer,
            format,
        })
    }

    /// One step on images `[N, 3, H, W]` of the classes `[N]`. Returns the loss, which is computed when it is read.
    pub(super) fn step(&mut self, images: &Tensor, labels: &Tensor) -> Result<Tensor> {
        self.optimizer.remove_gradients()?;
        let loss = {
            let _autocast = autocast(self.format, &self.model)?;
            cross_entropy(
                &self
                    .model
                    .forward(images, Mode::Train(TrainingPass::default()))?,
                labels,
            )?
        };
        loss.f_backward()?;
        self.optimizer.step(LEARNING_RATE)?;
        Ok(loss.f_detach()?)
    }
}
