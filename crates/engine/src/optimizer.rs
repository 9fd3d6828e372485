//! SGD, Adam, `AdamW` and `RMSprop` as `PyTorch` defines them, with a state that can be saved by name. All but `RMSprop` run on
//! libtorch's fused kernels.

mod adam;
mod adamw;
mod rmsprop;
mod rule;
mod sgd;
mod treatment;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Experiment, Optimizer as Settings};

pub use self::adam::Adam;
use self::adamw::AdamW;
pub use self::rmsprop::RmsProp;
pub use self::rule::Rule;
use self::sgd::Sgd;
pub use self::treatment::{Treatment, Treatments};
use crate::model::{Model, NamedTensor};
use crate::{ffi, parallel};

/// Name of the step count among the state's tensors.
const STEP: &str = "step";
/// Prefix of the counts of steps taken before each later stage: `begun.1` belongs to the first stage after the start.
const BEGUN: &str = "begun.";

/// The rule that an experiment asks for, with `PyTorch`'s constants. A new optimizer is a file and a line here.
pub fn rule(settings: &Settings, params: &[Tensor]) -> Result<Box<dyn Rule>> {
    let decay = settings.weight_decay();
    Ok(match settings {
        Settings::Sgd {
            momentum, nesterov, ..
        } => Box::new(Sgd::new(params, *momentum, *nesterov, decay)?),
        Settings::Adam { .. } => Box::new(Adam::new(params, decay)?),
        Settings::Adamw { .. } => Box::new(AdamW::new(params, decay)?),
        Settings::Rmsprop { .. } => Box::new(RmsProp::new(params, decay)?),
    })
}

/// An optimizer of a list of named parameters, which can grow.
#[derive(Debug)]
pub struct Optimizer {
    params: Vec<Tensor>,
    groups: Vec<Group>,
    /// Steps taken.
    steps: i64,
    /// Steps taken when the parameters of each stage joined: 0 for those of the start, which are the first stage.
    begun: Vec<i64>,
}

/// Parameters that train alike.
#[derive(Debug)]
struct Group {
    names: Vec<String>,
    params: Vec<Tensor>,
    rule: Box<dyn Rule>,
    /// Factor of the learning rate.
    factor: f64,
    /// The stage in which they joined; their own steps count from there.
    stage: usize,
}

/// All parameters in their order, and the same by groups that train alike.
fn groups<'a>(
    settings: &Settings,
    params: impl IntoIterator<Item = (&'a str, &'a Tensor, Treatment)>,
    stage: usize,
) -> Result<(Vec<Tensor>, Vec<Group>)> {
    let (mut all, mut kinds) = (
        Vec::new(),
        Vec::<(Treatment, Vec<String>, Vec<Tensor>)>::new(),
    );
    for (name, param, treatment) in params {
        all.push(param.shallow_clone());
        let at = kinds.iter().position(|(other, ..)| *other == treatment);
        let at = at.unwrap_or_else(|| {
            kinds.push((treatment, Vec::new(), Vec::new()));
            kinds.len() - 1
        });
        kinds[at].1.push(name.to_owned());
        kinds[at].2.push(param.shallow_clone());
    }
    let plain = settings.clone().without_weight_decay();
    let groups = kinds.into_iter().map(|(treatment, names, params)| {
        let settings = if treatment.decays { settings } else { &plain };
        Ok(Group {
            rule: rule(settings, &params)?,
            names,
            params,
            factor: treatment.factor,
            stage,
        })
    });
    Ok((all, groups.collect::<Result<_>>()?))
}

impl Optimizer {
    /// Starts with no step taken; the parameters are shared, not copied.
    pub fn new<'a>(
        settings: &Settings,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self> {
        Self::with_rule(|params| rule(settings, params), params)
    }

    /// As [`Self::new`], with a rule that `rule` makes for the parameters.
    pub fn with_rule<'a>(
        rule: impl FnOnce(&[Tensor]) -> Result<Box<dyn Rule>>,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Self> {
        let (names, params): (Vec<_>, Vec<_>) = params
            .into_iter()
            .map(|(name, param)| (name.to_owned(), param.shallow_clone()))
            .unzip();
        let group = Group {
            rule: rule(&params)?,
            names,
            params: params.iter().map(Tensor::shallow_clone).collect(),
            factor: 1.0,
            stage: 0,
        };
        Ok(Self {
            params,
            groups: vec![group],
            steps: 0,
            begun: vec![0],
        })
    }

    /// Starts with what an experiment says of a model's parameters.
    pub fn of(experiment: &Experiment, model: &Model) -> Result<Self> {
        let treatments = Treatments::new(&experiment.train.groups, model.architecture());
        let params = model
            .tensors()
            .iter()
            .filter(|named| named.trainable)
            .map(|named| {
                let treatment = treatments.of(&named.name, named.kind);
                (named.name.as_str(), &named.tensor, treatment)
            });
        Self::grouped(&experiment.train.optimizer, params)
    }

    /// Starts with parameters of which each trains as said.
    pub fn grouped<'a>(
        settings: &Settings,
        params: impl IntoIterator<Item = (&'a str, &'a Tensor, Treatment)>,
    ) -> Result<Self> {
        let (params, groups) = groups(settings, params, 0)?;
        Ok(Self {
            params,
            groups,
            steps: 0,
            begun: vec![0],
        })
    }

    /// Begins a stage: parameters that train from now on join. Their steps count from 0, as after `PyTorch`'s `add_param_group`.
    pub fn take_in(&mut self, experiment: &Experiment, model: &Model) -> Result<()> {
        let treatments = Treatments::new(&experiment.train.groups, model.architecture());
        let known: BTreeSet<&str> = self
            .groups
            .iter()
            .flat_map(|group| group.names.iter().map(String::as_str))
            .collect();
        let is_new = |named: &&NamedTensor| named.trainable && !known.contains(&*named.name);
        let new = model.tensors().iter().filter(is_new).map(|named| {
            let treatment = treatments.of(&named.name, named.kind);
            (named.name.as_str(), &named.tensor, treatment)
        });
        let (params, groups) = groups(&experiment.train.optimizer, new, self.begun.len())?;
        self.params.extend(params);
        self.groups.extend(groups);
        self.begun.push(self.steps);
        Ok(())
    }

    /// How many stages began after the start.
    pub fn stages(&self) -> usize {
        self.begun.len() - 1
    }

    /// How many stages a saved state has behind it.
    pub fn stages_of(saved: &BTreeMap<String, Tensor>) -> usize {
        saved.keys().filter(|name| name.starts_with(BEGUN)).count()
    }

    /// Steps taken since the start, over all attempts.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Moves every parameter by its gradient. An error where a parameter has no gradient.
    pub fn step(&mut self, learning_rate: f64) -> Result<()> {
        let next = self.steps + 1;
        for group in &mut self.groups {
            let rate = learning_rate * group.factor;
            let own = next - self.begun[group.stage];
            group.rule.step(&group.params, own, rate)?;
        }
        self.steps = next;
        Ok(())
    }

    /// Removes all gradients, as `PyTorch`'s `zero_grad` does.
    pub fn remove_gradients(&self) -> Result<()> {
        ffi::remove_gradients(&self.params)
    }

    /// The gradients of all parameters one after the other, float32 on the parameters' device; zeros for a parameter that has none.
    pub fn flat_gradients(&self) -> Result<Tensor> {
        parallel::flat(&self.gradients()?)
    }

    /// Replaces all gradients by what [`Self::flat_gradients`] has gathered.
    pub fn set_gradients(&self, numbers: &Tensor) -> Result<()> {
        parallel::put_back(numbers, &self.gradients()?)
    }

    /// The gradient of each parameter. One that has none gets zeros, in the memory layout that autograd gives it.
    fn gradients(&self) -> Result<Vec<Tensor>> {
        let gradient = |param: &Tensor| {
            let gradient = param.f_grad()?;
            if gradient.defined() {
                return Ok(gradient);
            }
            tch::with_grad(|| param.f_sum(Kind::Float)?.f_backward())?;
            let mut gradient = param.f_grad()?;
            let _ = tch::no_grad(|| gradient.f_zero_())?;
            Ok(gradient)
        };
        self.params.iter().map(gradient).collect()
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
    /// The norm returned is that before clipping, a scalar on the parameters' device.
    pub fn gradient_norm(&self, clip: Option<f64>) -> Result<Tensor> {
        ffi::gradient_norm(&self.params, clip)
    }

    /// All that a later process needs to resume: `<parameter>.exp_avg`, `.exp_avg_sq`, `.square_avg` or `.momentum_buffer` in float32,
    /// and the counts `step` and `begun.<stage>` as integer scalars. The moments are shared, not copied.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![(STEP.to_owned(), Tensor::from(self.steps))];
        let later = self.begun.iter().enumerate().skip(1);
        state.extend(later.map(|(stage, &steps)| (format!("{BEGUN}{stage}"), Tensor::from(steps))));
        for group in &self.groups {
            for (suffix, tensors) in group.rule.moments() {
                state.extend(
                    group
                        .names
                        .iter()
                        .zip(tensors)
                        .map(|(n, t)| (format!("{n}.{suffix}"), t.shallow_clone())),
                );
            }
        }
        state
    }

    /// Restores what [`Self::state`] gave. Names, shapes and kinds must be this optimizer's, and nothing changes if not.
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
        let mut begun = vec![0];
        for stage in 1..self.begun.len() {
            let at = i64::try_from(&saved[&format!("{BEGUN}{stage}")])?;
            ensure!(
                (0..=steps).contains(&at),
                "saved optimizer: stage {stage} began after {at} of {steps} steps"
            );
            begun.push(at);
        }
        tch::no_grad(|| -> Result<()> {
            let is_count = |name: &str| name == STEP || name.starts_with(BEGUN);
            for (name, mut tensor) in own.into_iter().filter(|(name, _)| !is_count(name)) {
                tensor.f_copy_(&saved[&name])?;
            }
            Ok(())
        })?;
        (self.steps, self.begun) = (steps, begun);
        Ok(())
    }
}
