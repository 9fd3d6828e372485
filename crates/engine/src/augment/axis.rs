//! Picks rows or columns of images, by other indices for each image.

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

    /// Uploads `numbers`, L for each of the images, in a shape that broadcasts over `[images, C, H, W]`: `[images, 1, L, 1]` for rows,
    /// `[images, 1, 1, L]` for columns. L is the number of rows or columns of the output.
    pub(super) fn upload_along(
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

    /// Picks L rows or columns of each image `[N, C, H, W]`. The indices have the shape that [`Self::upload_along`] gives.
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
