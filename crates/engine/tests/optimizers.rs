//! Optimizers against a table that `PyTorch` computed: `reference/optimizers.py`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use warmstart_engine::optimizer::{Optimizer, Treatment};
use warmstart_engine::selftest::optimizers::{self, Training, rates, rule};
use warmstart_engine::weights;

fn table() -> Value {
    optimizers::table().unwrap()
}

fn start(table: &Value, case: &Value) -> Training {
    Training::start(table, case, Device::Cpu).unwrap()
}

#[test]
fn every_step_of_every_optimizer_equals_pytorch() {
    let table = table();
    let cases = optimizers::cases(&table).unwrap();
    assert!(cases.len() >= 8, "{} cases", cases.len());
    for case in cases {
        let agreement = optimizers::trace(&table, case, Device::Cpu).unwrap();
        let what = format!("{} {}", case["name"], case["options"]);
        assert!(agreement.holds(), "{what}: {agreement}");
        let mut training = start(&table, case);
        for rate in rates(case) {
            training.step(rate).unwrap();
        }
        assert_eq!(training.optimizer.steps(), 12, "{what}");
    }
}

#[test]
fn a_state_loaded_from_a_file_continues_bit_for_bit() {
    let table = table();
    for case in table["cases"].as_array().unwrap() {
        let rates = rates(case);
        let mut unbroken = start(&table, case);
        for &rate in &rates {
            unbroken.step(rate).unwrap();
        }

        let mut first = start(&table, case);
        for &rate in &rates[..5] {
            first.step(rate).unwrap();
        }
        let file = weights::write(&first.optimizer.state()).unwrap();

        let mut second = start(&table, case);
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
            second.step(rate).unwrap();
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
    let mut training = start(&table, adam);
    training.step(0.1).unwrap();
    let before: Vec<_> = training
        .optimizer
        .state()
        .iter()
        .map(|(_, tensor)| tensor.copy())
        .collect();

    let mut foreign = start(&table, momentum);
    foreign.step(0.1).unwrap();
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
    let own = || start(&table, adam).optimizer.state();
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
        nesterov: false,
        weight_decay: 0.0,
    };
    let optimizer = Optimizer::new(&settings, ["p", "q"].into_iter().zip(&params)).unwrap();
    let norm = |clip| f64::try_from(optimizer.gradient_norm(clip).unwrap()).unwrap();
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(norm(None), 5.0) && close(norm(Some(10.0)), 5.0));
    assert!(
        close(norm(Some(1.0)), 5.0),
        "the norm before clipping is what is reported"
    );
    assert!(close(norm(None), 1.0) && close(params[1].grad().double_value(&[1]), 0.8));
}

#[test]
fn each_group_equals_an_optimizer_with_its_rate_and_decay() {
    let yaml = [
        "{ name: sgd, learning_rate: 1, nesterov: true, weight_decay: 0.1 }",
        "{ name: adam, learning_rate: 1, weight_decay: 0.1 }",
        "{ name: adamw, learning_rate: 1, weight_decay: 0.1 }",
        "{ name: rmsprop, learning_rate: 1, weight_decay: 0.1 }",
    ];
    let treatments = [(1.0, true), (0.25, false), (1.0, true), (0.25, true)]
        .map(|(factor, decays)| Treatment { factor, decays });
    let start = || -> Vec<Tensor> {
        (1..=4_u8)
            .map(|n| Tensor::from_slice(&[f32::from(n), -0.5]).set_requires_grad(true))
            .collect()
    };
    let descend = |params: &[Tensor], optimizer: &mut Optimizer, rate: f64| {
        optimizer.remove_gradients().unwrap();
        for param in params {
            (param * param * 0.3 + param * 0.1)
                .sum(Kind::Float)
                .backward();
        }
        optimizer.step(rate).unwrap();
    };
    let names = ["a", "b", "c", "d"];
    for text in yaml {
        let settings = settings(text);
        let together = start();
        let params = names.into_iter().zip(&together).zip(treatments);
        let params = params.map(|((name, param), treatment)| (name, param, treatment));
        let mut optimizer = Optimizer::grouped(&settings, params).unwrap();
        let alone = start();
        for rate in [0.1, 0.05, 0.2] {
            descend(&together, &mut optimizer, rate);
        }
        for ((name, param), treatment) in names.into_iter().zip(&alone).zip(treatments) {
            let settings = if treatment.decays {
                settings.clone()
            } else {
                settings.clone().without_weight_decay()
            };
            let mut optimizer = Optimizer::new(&settings, [(name, param)]).unwrap();
            for rate in [0.1, 0.05, 0.2] {
                let one = std::slice::from_ref(param);
                descend(one, &mut optimizer, rate * treatment.factor);
            }
        }
        assert_eq!(together, alone, "{text}");
        assert_ne!(together, start());
        // The moments of four parameters, and the step count.
        let moments = if text.contains("adam") { 2 } else { 1 };
        assert_eq!(optimizer.state().len(), 4 * moments + 1);
    }
}

fn settings(text: &str) -> warmstart_schema::experiment::Optimizer {
    let yaml = format!(
        "name: x\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: resnet18 }}\n\
         train: {{ epochs: 1, batch_size: 2, optimizer: {text} }}\n"
    );
    let experiment = warmstart_schema::experiment::parse(&yaml, "x.yaml").unwrap();
    experiment.train.optimizer
}
