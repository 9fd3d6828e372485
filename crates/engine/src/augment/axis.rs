//! Picking rows or columns of images, another choice for each image.

use anyhow::Result;
use tch::{Device, Tensor};

use crate::device::upload;

/// A dimension of images `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Rows,
    Columns,
}

impl Axis {
    fn dimension(self) -> i64 {
        match self {
            Self::Rows => 2,
            Self::Columns => 3,
        }
    }

    /// Reshapes `images` × L numbers so that they broadcast over `[images, C, H, W]` along this axis.
    pub(super) fn broadcast(
        self,
        numbers: &Tensor,
        images: usize,
        device: Device,
    ) -> Result<Tensor> {
        let images = i64::try_from(images)?;
        let shape = match self {
            Self::Rows => [images, 1, -1, 1],
            Self::Columns => [images, 1, 1, -1],
        };
        upload(&numbers.f_view(shape)?, device)
    }

    /// The rows or columns of each image `[N, C, H, W]` that the indices name; they have the shape that [`Self::broadcast`] gives.
    pub(super) fn pick(self, images: &Tensor, indices: &Tensor) -> Result<Tensor> {
        let (count, channels, height, width) = images.size4()?;
        let shape = match self {
            Self::Rows => [count, channels, indices.size()[2], width],
            Self::Columns => [count, channels, height, indices.size()[3]],
        };
        let indices = indices.f_expand(shape, false)?;
        Ok(images.f_gather(self.dimension(), &indices, false)?)
    }
}
