//! Pictures of one part of a dataset, batch by batch.

use std::rc::Rc;

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::experiment::Precision;

use crate::data::{OnDevice, indices, rows};
use crate::ffi::Autocast;
use crate::model::{Mode, Model};

/// Optimizer steps in an epoch over `images`: the last batch may be smaller, but a single image makes none, because batch
/// normalization has no variance of one.
pub fn steps_per_epoch(images: usize, batch_size: usize) -> usize {
    images / batch_size + usize::from(images % batch_size > 1)
}

/// What a model is given.
#[derive(Debug)]
pub enum Input {
    /// `[n, 3, H, W]` in 0..1.
    Images(Tensor),
    /// `[n, F]`, of a frozen backbone.
    Features(Tensor),
}

impl Input {
    /// Logits `[n, classes]`.
    pub fn forward(&self, model: &Model, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Images(images) => model.forward(images, mode),
            Self::Features(features) => model.head_forward(features, mode),
        }
    }
}

/// The training, validation or test images of a run.
#[derive(Debug)]
pub struct Examples {
    data: Rc<OnDevice>,
    /// Which of the data's pictures, `[N]`.
    members: Tensor,
    len: usize,
    /// `[N, F]`, once [`Self::keep_features`] computed them.
    features: Option<Tensor>,
}

impl Examples {
    pub fn new(data: Rc<OnDevice>, members: &[u32]) -> Result<Self> {
        let len = members.len();
        Ok(Self { members: indices(members, data.device())?, data, len, features: None })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the backbone's features were kept.
    pub fn has_features(&self) -> bool {
        self.features.is_some()
    }

    /// Positions of these examples in the order given, on the device.
    pub fn positions(&self, order: &[u32]) -> Result<Tensor> {
        indices(order, self.data.device())
    }

    /// Inputs and class numbers of the examples at `positions`.
    pub fn batch(&self, positions: &Tensor) -> Result<(Input, Tensor)> {
        let pictures = self.members.f_index_select(0, positions)?;
        let labels = self.data.labels(&pictures)?;
        let input = match &self.features {
            Some(features) => Input::Features(features.f_index_select(0, positions)?),
            None => Input::Images(self.data.images(&pictures)?),
        };
        Ok((input, labels))
    }

    /// Computes the features of all examples once, in order; a frozen backbone gives the same ones each time. `each` hears how
    /// many are done and says whether to go on; false is returned when it did not.
    pub fn keep_features(
        &mut self,
        model: &Model,
        batch_size: usize,
        precision: Precision,
        mut each: impl FnMut(usize) -> bool,
    ) -> Result<bool> {
        let _autocast = autocast(precision, model)?;
        let mut features = Vec::with_capacity(self.len.div_ceil(batch_size));
        for start in (0..self.len).step_by(batch_size) {
            let end = self.len.min(start + batch_size);
            let images = self.data.images(&rows(&self.members, start, end)?)?;
            features.push(model.features(&images)?);
            if !each(end) {
                return Ok(false);
            }
        }
        self.features = Some(Tensor::f_cat(&features, 0)?);
        Ok(true)
    }
}

/// Lower precision for as long as the guard lives, where the experiment asks for it.
pub fn autocast(precision: Precision, model: &Model) -> Result<Option<Autocast>> {
    match precision {
        Precision::Float32 => Ok(None),
        Precision::Bfloat16 => Autocast::enter(model.device(), tch::Kind::BFloat16).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_left_over_image_makes_no_step() {
        assert_eq!(
            [(64, 32), (65, 32), (66, 32), (31, 32), (2, 32)].map(|(n, batch)| steps_per_epoch(n, batch)),
            [2, 2, 3, 1, 1]
        );
    }
}
