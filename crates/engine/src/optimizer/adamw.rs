//! `AdamW` (Loshchilov and Hutter 2019): Adam whose weight decay shrinks the weight itself.

use anyhow::Result;
use tch::Tensor;

use super::adam::Adam;
use super::rule::Rule;

#[derive(Debug)]
pub(super) struct AdamW(Adam);

impl AdamW {
    pub(super) fn new(params: &[Tensor], weight_decay: f64) -> Result<Self> {
        let mut adam = Adam::new(params, weight_decay)?;
        adam.decoupled = true;
        Ok(Self(adam))
    }
}

impl Rule for AdamW {
    fn step(&mut self, params: &[Tensor], step: i64, learning_rate: f64) -> Result<()> {
        self.0.step(params, step, learning_rate)
    }

    fn moments(&self) -> Vec<(&'static str, &[Tensor])> {
        self.0.moments()
    }
}
