//! `RMSprop` (Hinton's lecture, 2012); libtorch has no fused kernel for it.

use anyhow::{Result, ensure};
use tch::Tensor;

use super::rule::{Rule, zeros};

#[derive(Debug)]
pub struct RmsProp {
    /// Decay of the mean of squared gradients.
    pub alpha: f64,
    pub eps: f64,
    /// Added to the gradient.
    pub weight_decay: f64,
    square_avgs: Vec<Tensor>,
}

impl RmsProp {
    /// With `PyTorch`'s constants.
    pub fn new(params: &[Tensor], weight_decay: f64) -> Result<Self> {
        Ok(Self {
            alpha: 0.99,
            eps: 1e-8,
            weight_decay,
            square_avgs: zeros(params)?,
        })
    }
}

impl Rule for RmsProp {
    fn step(&mut self, params: &[Tensor], _: i64, learning_rate: f64) -> Result<()> {
        let gradients = params.iter().map(|param| {
            let gradient = param.grad();
            ensure!(gradient.defined(), "a parameter has no gradient");
            Ok(gradient)
        });
        let gradients: Vec<Tensor> = gradients.collect::<Result<_>>()?;
        tch::no_grad(|| {
            for ((param, average), mut gradient) in
                params.iter().zip(&mut self.square_avgs).zip(gradients)
            {
                if self.weight_decay != 0.0 {
                    gradient = gradient.f_add(&param.f_mul_scalar(self.weight_decay)?)?;
                }
                let squared = gradient.f_square()?.f_mul_scalar(1.0 - self.alpha)?;
                let _ = average.f_mul_scalar_(self.alpha)?.f_add_(&squared)?;
                let step = gradient
                    .f_div(&average.f_sqrt()?.f_add_scalar(self.eps)?)?
                    .f_mul_scalar(learning_rate)?;
                let _ = param.shallow_clone().f_sub_(&step)?;
            }
            Ok(())
        })
    }

    fn moments(&self) -> Vec<(&'static str, &[Tensor])> {
        vec![("square_avg", &self.square_avgs)]
    }
}
