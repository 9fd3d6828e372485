//! Residual paths that training skips for some images: stochastic depth (Huang et al. 2016), as timm's `DropPath`.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::seed::{SplitMix64, derive};

use crate::device::upload;

/// How often a residual path is skipped.
#[derive(Debug, Clone, Copy)]
pub(super) struct DropPath {
    /// Probability of skipping it, for each image.
    pub rate: f64,
    /// Its place among the model's residual paths, which decides its random stream.
    pub number: u64,
}

impl DropPath {
    /// What multiplies the path's result for the images `x` `[N, …]`, in a shape that fits them: 0, or 1 over the share that is
    /// kept. None where the path is never skipped.
    pub(super) fn factors(self, seed: u64, x: &Tensor) -> Result<Option<Tensor>> {
        if self.rate <= 0.0 {
            return Ok(None);
        }
        let shape = x.size();
        let kept = 1.0 - self.rate;
        let mut random = SplitMix64::new(derive(seed, "path", self.number, 0));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a factor is used in float32 products"
        )]
        let factors: Vec<f32> = (0..shape.first().copied().unwrap_or(0))
            .map(|_| {
                if random.uniform() < kept {
                    (1.0 / kept) as f32
                } else {
                    0.0
                }
            })
            .collect();
        let mut fitting = vec![1; shape.len()];
        if let Some(images) = fitting.first_mut() {
            *images = -1;
        }
        let factors = Tensor::f_from_slice(&factors)?.f_view(fitting.as_slice())?;
        upload(&factors, x.device()).map(Some)
    }
}
