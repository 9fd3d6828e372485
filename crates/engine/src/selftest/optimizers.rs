//! Optimizers against a table that `PyTorch`'s own wrote: `tests/reference/optimizers.py`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::agreement::Agreement;
use crate::optimizer::{self, Adam, Optimizer, RmsProp, Rule};

const PARAMETERS: [&str; 2] = ["a.weight", "b.bias"];

/// The table of cases and their traces.
pub fn table() -> Result<Value> {
    Ok(serde_json::from_str(include_str!(
        "../../tests/reference/optimizers.json"
    ))?)
}

/// The cases of the table.
pub fn cases(table: &Value) -> Result<&[Value]> {
    Ok(table["cases"]
        .as_array()
        .context("the table has no cases")?)
}

/// The learning rates of a case, step by step.
pub fn rates(case: &Value) -> Vec<f64> {
    floats(&case["rates"])
}

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(floats).collect(),
        number => number.as_f64().into_iter().collect(),
    }
}

fn tensor(value: &Value, device: Device) -> Result<Tensor> {
    let flat = Tensor::f_from_slice(&floats(value))?.f_to_kind(Kind::Float)?;
    let shaped = if value[0].is_array() {
        flat.f_view([2, -1])?
    } else {
        flat
    };
    Ok(shaped.f_to_device(device)?)
}

/// The rule of a case, with its constants.
pub fn rule(case: &Value, params: &[Tensor]) -> Result<Box<dyn Rule>> {
    let options = &case["options"];
    let option = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let decay = option("weight_decay", 0.0);
    Ok(match case["name"].as_str().context("no name")? {
        "adam" => {
            let mut adam = Adam::new(params, decay)?;
            if let Some([beta1, beta2]) = options.get("betas").map(floats).as_deref() {
                (adam.beta1, adam.beta2) = (*beta1, *beta2);
            }
            adam.eps = option("eps", adam.eps);
            Box::new(adam)
        }
        "rmsprop" => {
            let mut rmsprop = RmsProp::new(params, decay)?;
            rmsprop.alpha = option("alpha", rmsprop.alpha);
            rmsprop.eps = option("eps", rmsprop.eps);
            Box::new(rmsprop)
        }
        name => {
            let momentum = (name == "sgd").then(|| option("momentum", 0.0));
            let settings = json!({
                "name": name,
                "learning_rate": 0.1,
                "momentum": momentum.unwrap_or(0.9),
                "nesterov": options["nesterov"] == true,
                "weight_decay": decay,
            });
            optimizer::rule(&serde_json::from_value(settings)?, params)?
        }
    })
}

/// The table's parameters under training.
#[derive(Debug)]
pub struct Training {
    pub params: Vec<Tensor>,
    targets: Vec<Tensor>,
    pub optimizer: Optimizer,
}

impl Training {
    /// The table's parameters as they begin, with the optimizer of a case.
    pub fn start(table: &Value, case: &Value, device: Device) -> Result<Self> {
        let tensors = |of: &Value| {
            PARAMETERS
                .iter()
                .map(|name| tensor(&of[name], device))
                .collect::<Result<Vec<_>>>()
        };
        let params: Vec<Tensor> = tensors(&table["start"])?
            .into_iter()
            .map(|param| param.f_set_requires_grad(true))
            .collect::<Result<_, _>>()?;
        let named = PARAMETERS.into_iter().zip(&params);
        let optimizer = Optimizer::with_rule(|params| rule(case, params), named)?;
        Ok(Self {
            targets: tensors(&table["target"])?,
            optimizer,
            params,
        })
    }

    /// Takes a step at this learning rate. The gradient of the loss is the table's: parameter * target + 0.1.
    pub fn step(&mut self, rate: f64) -> Result<()> {
        self.optimizer.remove_gradients()?;
        for (param, target) in self.params.iter().zip(&self.targets) {
            (param * param * target * 0.5 + param * 0.1)
                .f_sum(Kind::Float)?
                .f_backward()?;
        }
        self.optimizer.step(rate)
    }
}

fn compare(agreement: &mut Agreement, found: &Tensor, expected: &Value, what: &str) -> Result<()> {
    let flat = found
        .f_detach()?
        .f_flatten(0, -1)?
        .f_to_kind(Kind::Double)?;
    let (found, expected) = (Vec::<f64>::try_from(flat)?, floats(expected));
    ensure!(found.len() == expected.len(), "{what} has another shape");
    for (found, expected) in found.into_iter().zip(expected) {
        agreement.absolute(found, expected, (2e-5, expected.abs().max(0.1)), || {
            what.to_owned()
        });
    }
    Ok(())
}

/// Trains a case, and compares the parameters after every step, and the optimizer's state after the last.
pub fn trace(table: &Value, case: &Value, device: Device) -> Result<Agreement> {
    let mut training = Training::start(table, case, device)?;
    let mut agreement = Agreement::default();
    for (step, rate) in rates(case).into_iter().enumerate() {
        training.step(rate)?;
        for (name, param) in PARAMETERS.iter().zip(&training.params) {
            let expected = &case["trace"][step][name];
            compare(
                &mut agreement,
                param,
                expected,
                &format!("{name}, step {step}"),
            )?;
        }
    }
    let state: BTreeMap<_, _> = training.optimizer.state().into_iter().collect();
    let moments = case["state"].as_object().context("no state")?;
    ensure!(
        state.len() == moments.len() + 1,
        "the optimizer's state has other parts"
    );
    for (name, expected) in moments {
        let found = state.get(name).with_context(|| format!("no {name}"))?;
        compare(&mut agreement, found, expected, name)?;
    }
    Ok(agreement)
}
