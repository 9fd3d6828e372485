//! SGD, Adam, `AdamW` and `RMSprop` as `PyTorch` defines them, on libtorch's fused kernels, with a state that can be saved by name.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor};
use warmstart_schema::experiment::OptimizerName;

use crate::ffi::{self, AdamState, AdamStep};

/// Name of the step count among the state's tensors.
const STEP: &str = "step";

/// Which optimizer, with its constants; the learning rate comes with each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerSpec {
    pub name: OptimizerName,
    /// Of SGD; 0 for none.
    pub momentum: f64,
    /// Decay of Adam's mean of gradients.
    pub beta1: f64,
    /// Decay of Adam's mean of squared gradients.
    pub beta2: f64,
    /// Decay of `RMSprop`'s mean of squared gradients.
    pub alpha: f64,
    pub eps: f64,
    /// Added to the gradient in SGD, Adam and `RMSprop`; in `AdamW` (Loshchilov and Hutter 2019) it shrinks the weight itself.
    pub weight_decay: f64,
}

impl OptimizerSpec {
    /// `PyTorch`'s constants without momentum or weight decay.
    pub fn new(name: OptimizerName) -> Self {
        Self {
            name,
            momentum: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

#[derive(Debug)]
enum State {
    /// One buffer per parameter, or none without momentum.
    Sgd { buffers: Vec<Tensor> },
    /// Kingma and Ba 2015.
    Adam(AdamState),
    /// One mean of squared gradients per parameter (Hinton's lecture, 2012).
    Rmsprop { square_avgs: Vec<Tensor> },
}

/// An optimizer of a fixed list of named parameters.
#[derive(Debug)]
pub struct Optimizer {
    spec: OptimizerSpec,
    names: Vec<String>,
    params: Vec<Tensor>,
    state: State,
    /// Steps taken.
    steps: i64,
}

impl Optimizer {
    /// Starts with no step taken; the parameters are shared, not copied.
    pub fn new<'a>(
        spec: OptimizerSpec,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self> {
        let (names, params): (Vec<_>, Vec<_>) = params
            .into_iter()
            .map(|(name, param)| (name.to_owned(), param.shallow_clone()))
            .unzip();
        let zeros = || {
            params
                .iter()
                .map(|p: &Tensor| p.f_detach()?.f_zeros_like())
                .collect::<Result<Vec<_>, _>>()
        };
        let state = match spec.name {
            OptimizerName::Sgd if spec.momentum == 0.0 => State::Sgd {
                buffers: Vec::new(),
            },
            OptimizerName::Sgd => State::Sgd { buffers: zeros()? },
            OptimizerName::Adam | OptimizerName::Adamw => State::Adam(AdamState {
                exp_avgs: zeros()?,
                exp_avg_sqs: zeros()?,
                steps: Vec::new(),
            }),
            OptimizerName::Rmsprop => State::Rmsprop {
                square_avgs: zeros()?,
            },
        };
        Ok(Self {
            spec,
            names,
            params,
            state,
            steps: 0,
        })
    }

    /// Steps taken since the start, over all attempts.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Moves every parameter by its gradient, at learning rate `lr`. An error where one has no gradient.
    pub fn step(&mut self, lr: f64) -> Result<()> {
        let OptimizerSpec {
            name,
            momentum,
            beta1,
            beta2,
            alpha,
            eps,
            weight_decay,
        } = self.spec;
        let next = self.steps + 1;
        match &mut self.state {
            State::Sgd { buffers } => ffi::sgd(&self.params, buffers, lr, momentum, weight_decay)?,
            State::Adam(state) => {
                // The kernel wants a float scalar for each parameter, and only reads it: one will do for all.
                let device = self.params.first().map_or(Device::Cpu, Tensor::device);
                let step = Tensor::f_full([], next as f64, (Kind::Float, device))?;
                state.steps = self.params.iter().map(|_| step.shallow_clone()).collect();
                let decoupled = name == OptimizerName::Adamw;
                ffi::adam(
                    &self.params,
                    state,
                    AdamStep {
                        decoupled,
                        lr,
                        beta1,
                        beta2,
                        weight_decay,
                        eps,
                    },
                )?;
            }
            State::Rmsprop { square_avgs } => {
                rmsprop(&self.params, square_avgs, lr, alpha, eps, weight_decay)?;
            }
        }
        self.steps = next;
        Ok(())
    }

    /// Forgets all gradients.
    pub fn zero_grad(&mut self) {
        self.params.iter_mut().for_each(Tensor::zero_grad);
    }

    /// Multiplies every gradient by a scalar on the parameters' device.
    pub fn scale_gradients(&self, factor: &Tensor) -> Result<()> {
        tch::no_grad(|| {
            for mut gradient in self.params.iter().map(Tensor::grad).filter(Tensor::defined) {
                let _ = gradient.f_mul_(factor)?;
            }
            Ok(())
        })
    }

    /// L2 norm over all gradients; where it exceeds `clip`, they are scaled down to it first (Pascanu et al. 2013).
    /// The norm returned is that before clipping.
    pub fn gradient_norm(&self, clip: Option<f64>) -> Result<f64> {
        ffi::gradient_norm(&self.params, clip)
    }

    /// All that a later process needs to go on: `<parameter>.exp_avg`, `.exp_avg_sq`, `.square_avg` or `.momentum_buffer` in float32,
    /// and the count `step` as an integer scalar. The moments are shared, not copied.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![(STEP.to_owned(), Tensor::from(self.steps))];
        for (suffix, tensors) in self.moments() {
            state.extend(
                self.names
                    .iter()
                    .zip(tensors)
                    .map(|(n, t)| (format!("{n}.{suffix}"), t.shallow_clone())),
            );
        }
        state
    }

    fn moments(&self) -> Vec<(&'static str, &[Tensor])> {
        match &self.state {
            State::Sgd { buffers } => vec![("momentum_buffer", buffers)],
            State::Rmsprop { square_avgs } => vec![("square_avg", square_avgs)],
            State::Adam(state) => vec![
                ("exp_avg", &state.exp_avgs),
                ("exp_avg_sq", &state.exp_avg_sqs),
            ],
        }
    }

    /// Takes up what [`Self::state`] gave. Names, shapes and kinds must be this optimizer's, and nothing changes if not.
    pub fn load_state(&mut self, saved: &BTreeMap<String, Tensor>) -> Result<()> {
        let own = self.state();
        for (name, tensor) in &own {
            let found = saved.get(name).with_context(|| {
                format!("the saved optimizer has no `{name}`: it belongs to another optimizer or another model")
            })?;
            let (expected, found) = ((tensor.kind(), tensor.size()), (found.kind(), found.size()));
            ensure!(
                expected == found,
                "saved optimizer: `{name}` is {found:?}, expected {expected:?}"
            );
        }
        if let Some(name) = saved
            .keys()
            .find(|name| !own.iter().any(|(own, _)| own == *name))
        {
            anyhow::bail!("saved optimizer: `{name}` is not part of this optimizer's state");
        }
        let steps = i64::try_from(&saved[STEP])?;
        ensure!(steps >= 0, "saved optimizer: {steps} steps taken");
        tch::no_grad(|| -> Result<()> {
            for (name, mut tensor) in own.into_iter().filter(|(name, _)| name != STEP) {
                tensor.f_copy_(&saved[&name])?;
            }
            Ok(())
        })?;
        self.steps = steps;
        Ok(())
    }
}

/// One step of `RMSprop` on all parameters; libtorch has no fused kernel for it.
fn rmsprop(
    params: &[Tensor],
    square_avgs: &mut [Tensor],
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
) -> Result<()> {
    let gradients = params.iter().map(|param| {
        let gradient = param.grad();
        ensure!(gradient.defined(), "a parameter has no gradient");
        Ok(gradient)
    });
    let gradients: Vec<Tensor> = gradients.collect::<Result<_>>()?;
    tch::no_grad(|| {
        for ((param, average), mut gradient) in params.iter().zip(square_avgs).zip(gradients) {
            if weight_decay != 0.0 {
                gradient = gradient.f_add(&param.f_mul_scalar(weight_decay)?)?;
            }
            let squared = gradient.f_square()?.f_mul_scalar(1.0 - alpha)?;
            let _ = average.f_mul_scalar_(alpha)?.f_add_(&squared)?;
            let step = gradient
                .f_div(&average.f_sqrt()?.f_add_scalar(eps)?)?
                .f_mul_scalar(lr)?;
            let _ = param.shallow_clone().f_sub_(&step)?;
        }
        Ok(())
    })
}
