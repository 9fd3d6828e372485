//! Optimizers against a table that `PyTorch`'s own wrote: `reference/optimizers.py`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use warmstart_engine::optimizer::{self, Adam, Optimizer, RmsProp, Rule};
use warmstart_engine::weights;

const PARAMETERS: [&str; 2] = ["a.weight", "b.bias"];

fn table() -> Value {
    serde_json::from_str(include_str!("reference/optimizers.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(floats).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn tensor(value: &Value) -> Tensor {
    let flat = Tensor::from_slice(&floats(value)).to_kind(Kind::Float);
    if value[0].is_array() {
        flat.view([2, -1])
    } else {
        flat
    }
}

/// The rule of a case, with its constants.
fn rule(case: &Value, params: &[Tensor]) -> anyhow::Result<Box<dyn Rule>> {
    let options = &case["options"];
    let option = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let decay = option("weight_decay", 0.0);
    Ok(match case["name"].as_str().unwrap() {
        "adam" => {
            let mut adam = Adam::new(params, decay)?;
            if let Some(betas) = options.get("betas").map(floats) {
                (adam.beta1, adam.beta2) = (betas[0], betas[1]);
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
                "weight_decay": decay,
            });
            optimizer::rule(&serde_json::from_value(settings)?, params)?
        }
    })
}

/// The table's parameters under training.
struct Training {
    params: Vec<Tensor>,
    targets: Vec<Tensor>,
    optimizer: Optimizer,
}

impl Training {
    fn start(table: &Value, case: &Value) -> Self {
        let params: Vec<_> = PARAMETERS
            .iter()
            .map(|name| tensor(&table["start"][name]).set_requires_grad(true))
            .collect();
        let targets = PARAMETERS
            .iter()
            .map(|name| tensor(&table["target"][name]))
            .collect();
        let optimizer = Optimizer::with_rule(
            |params| rule(case, params),
            PARAMETERS.into_iter().zip(&params),
        )
        .unwrap();
        Self {
            params,
            targets,
            optimizer,
        }
    }

    /// The loss whose gradient is the table's: parameter * target + 0.1.
    fn step(&mut self, rate: f64) {
        self.optimizer.zero_grad();
        for (param, target) in self.params.iter().zip(&self.targets) {
            (param * param * target * 0.5 + param * 0.1)
                .sum(Kind::Float)
                .backward();
        }
        self.optimizer.step(rate).unwrap();
    }
}

fn assert_close(found: &Tensor, expected: &Value, what: &str) {
    let found = Vec::<f64>::try_from(found.detach().flatten(0, -1).to_kind(Kind::Double)).unwrap();
    for (found, expected) in found.into_iter().zip(floats(expected)) {
        assert!(
            (found - expected).abs() < 2e-5 * expected.abs().max(0.1),
            "{what}: {found}, PyTorch has {expected}"
        );
    }
}

#[test]
fn every_step_of_every_optimizer_is_pytorchs() {
    let table = table();
    for case in table["cases"].as_array().unwrap() {
        let mut training = Training::start(&table, case);
        let what = format!("{} {}", case["name"], case["options"]);
        for (step, rate) in floats(&case["rates"]).into_iter().enumerate() {
            training.step(rate);
            for (name, param) in PARAMETERS.iter().zip(&training.params) {
                assert_close(
                    param,
                    &case["trace"][step][name],
                    &format!("{what}, step {step}, {name}"),
                );
            }
        }
        let state: BTreeMap<_, _> = training.optimizer.state().into_iter().collect();
        assert_eq!(i64::try_from(&state["step"]).unwrap(), 12, "{what}");
        let moments = case["state"].as_object().unwrap();
        assert_eq!(state.len(), moments.len() + 1, "{what}");
        for (name, expected) in moments {
            assert_close(&state[name], expected, &format!("{what}, {name}"));
        }
    }
}

#[test]
fn a_state_that_went_through_a_file_goes_on_bit_for_bit() {
    let table = table();
    for case in table["cases"].as_array().unwrap() {
        let rates = floats(&case["rates"]);
        let mut unbroken = Training::start(&table, case);
        for &rate in &rates {
            unbroken.step(rate);
        }

        let mut first = Training::start(&table, case);
        for &rate in &rates[..5] {
            first.step(rate);
        }
        let file = weights::write(&first.optimizer.state()).unwrap();

        let mut second = Training::start(&table, case);
        tch::no_grad(|| {
            second
                .params
                .iter_mut()
                .zip(&first.params)
                .for_each(|(to, from)| to.copy_(from));
        });
        let saved = weights::parse(&file).unwrap();
        let saved = saved
            .iter()
            .map(|(name, entry)| (name.clone(), entry.tensor().unwrap()))
            .collect();
        second.optimizer.load_state(&saved).unwrap();
        assert_eq!(second.optimizer.steps(), 5);
        for &rate in &rates[5..] {
            second.step(rate);
        }
        assert_eq!(
            unbroken.params, second.params,
            "{} {}",
            case["name"], case["options"]
        );
    }
}

#[test]
fn a_state_of_another_optimizer_is_refused_and_changes_nothing() {
    let table = table();
    let cases = table["cases"].as_array().unwrap();
    let (momentum, adam) = (&cases[2], &cases[3]);
    let mut training = Training::start(&table, adam);
    training.step(0.1);
    let before: Vec<_> = training
        .optimizer
        .state()
        .iter()
        .map(|(_, tensor)| tensor.copy())
        .collect();

    let mut foreign = Training::start(&table, momentum);
    foreign.step(0.1);
    let mut refuse = |state: Vec<(String, Tensor)>, reason: &str| {
        let error = training
            .optimizer
            .load_state(&state.into_iter().collect())
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
        let after: Vec<_> = training
            .optimizer
            .state()
            .into_iter()
            .map(|(_, tensor)| tensor)
            .collect();
        assert_eq!(before, after);
    };
    refuse(foreign.optimizer.state(), "a.weight.exp_avg");
    let own = || Training::start(&table, adam).optimizer.state();
    refuse(
        own()
            .into_iter()
            .chain([("c.exp_avg".to_owned(), Tensor::from(1.0_f32))])
            .collect(),
        "c.exp_avg",
    );
    let reshaped = |(name, tensor): (String, Tensor)| {
        (
            name.clone(),
            if name == "b.bias.exp_avg" {
                tensor.view([1, 2])
            } else {
                tensor
            },
        )
    };
    refuse(own().into_iter().map(reshaped).collect(), "b.bias.exp_avg");
    let negative = |(name, tensor): (String, Tensor)| {
        (
            name.clone(),
            if name == "step" {
                Tensor::from(-1_i64)
            } else {
                tensor
            },
        )
    };
    refuse(own().into_iter().map(negative).collect(), "-1 steps");
}

#[test]
fn a_parameter_without_gradient_is_an_error() {
    let param = Tensor::from_slice(&[1.0_f32]).set_requires_grad(true);
    let table = table();
    for case in table["cases"].as_array().unwrap() {
        let mut optimizer =
            Optimizer::with_rule(|params| rule(case, params), [("p", &param)]).unwrap();
        let error = optimizer.step(0.1).unwrap_err().to_string();
        assert!(error.contains("no gradient"), "{error}");
        assert_eq!((optimizer.steps(), param.double_value(&[0])), (0, 1.0));
    }
}

#[test]
fn the_norm_is_over_all_gradients_and_clipping_scales_them_to_it() {
    let params = [[3.0_f32, 0.0], [0.0, 4.0]]
        .map(|values| Tensor::from_slice(&values).set_requires_grad(true));
    for param in &params {
        (param * param * 0.5).sum(Kind::Float).backward();
    }
    let settings = warmstart_schema::experiment::Optimizer::Sgd {
        learning_rate: 0.1,
        momentum: 0.0,
        weight_decay: 0.0,
    };
    let optimizer = Optimizer::new(&settings, ["p", "q"].into_iter().zip(&params)).unwrap();
    let norm = |clip| optimizer.gradient_norm(clip).unwrap();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(norm(None), 5.0) && close(norm(Some(10.0)), 5.0));
    assert!(
        close(norm(Some(1.0)), 5.0),
        "the norm before clipping is what is reported"
    );
    assert!(close(norm(None), 1.0) && close(params[1].grad().double_value(&[1]), 0.8));
}
