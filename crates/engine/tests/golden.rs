//! Backbones against timm's own numbers: features, gradients and moved statistics, with weights made from a formula that
//! `data/backbones.json` states.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use rstest::rstest;
use serde_json::Value;
use tch::{Kind, Tensor};
use warmstart_engine::backbone::Backbone;
use warmstart_engine::ffi;
use warmstart_engine::layers::{Pass, Tensors};
use warmstart_schema::architecture::{Architecture, Backbone as Name, TensorKind};

fn golden(name: Name) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("data/backbones.json")).unwrap();
    all["models"][name.as_str()].take()
}

/// The file's stream of numbers in [-1, 1): FNV-1a of the name, then `SplitMix64`.
fn formula(name: &str, shape: &[i64]) -> Tensor {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let count = shape.iter().product::<i64>().cast_unsigned();
    let numbers: Vec<f64> = (0..count)
        .map(|i| {
            let mut z = hash.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
        })
        .collect();
    Tensor::from_slice(&numbers).view(shape)
}

fn weights(architecture: &Architecture, trainable: bool) -> Tensors {
    let weight = |spec: &warmstart_schema::architecture::TensorSpec| {
        let u = formula(&spec.name, &spec.shape);
        let values = match spec.kind {
            TensorKind::RunningMean | TensorKind::Bias | TensorKind::NormBias => u * 0.1,
            TensorKind::RunningVar => u * 0.5 + 1.0,
            TensorKind::NormWeight => u * 0.1 + 1.0,
            TensorKind::Weight => u * (6.0 / spec.shape[1..].iter().product::<i64>() as f64).sqrt(),
        };
        let values = values.to_kind(Kind::Float);
        let values = if spec.shape.len() == 4 { ffi::channels_last(&values).unwrap() } else { values };
        (spec.name.clone(), values.set_requires_grad(trainable && !spec.kind.is_statistic()))
    };
    architecture.tensors().map(weight).collect()
}

fn input(count: i64, side: i64) -> Tensor {
    ffi::channels_last(&(formula("input", &[count, 3, side, side]) * 2.0).to_kind(Kind::Float)).unwrap()
}

fn l2(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).norm().double_value(&[])
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-6);
    assert!(error < tolerance, "{what}: {found}, timm says {expected}, relative error {error:.1e}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet50)]
#[case(Name::EfficientnetB0)]
#[case(Name::TfEfficientnetLite0)]
fn features_in_inference_mode_are_timms(#[case] name: Name, #[values(0, usize::MAX)] frozen: usize) {
    let architecture = Architecture::new(name);
    let backbone = Backbone::new(&architecture, &weights(&architecture, false), frozen).unwrap();
    let golden = golden(name);
    for (side, expected) in golden["eval"].as_object().unwrap() {
        let features = backbone.forward(&input(2, side.parse().unwrap()), Pass::INFERENCE).unwrap();
        assert_eq!(features.size(), [2, i64::try_from(architecture.features).unwrap()]);
        for row in 0..2_i64 {
            let (features, at) = (features.get(row), usize::try_from(row).unwrap());
            let scale = number(&expected["l2"][at]);
            assert_close(l2(&features), scale, 1e-4, &format!("{name} {side} l2"));
            let mean = features.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert_close(mean, number(&expected["mean"][at]), 1e-4, &format!("{name} {side} mean"));
            for i in 0..8_i64 {
                let expected = number(&expected["first8"][at][usize::try_from(i).unwrap()]);
                let error = (features.double_value(&[i]) - expected).abs();
                // A feature near zero is a difference of large terms: its error is measured against a typical feature.
                let typical = scale / (architecture.features as f64).sqrt();
                assert!(error < 1e-4 * expected.abs().max(typical), "{name} {side} feature {i}: off by {error:.1e}");
            }
        }
    }
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet50)]
#[case(Name::EfficientnetB0)]
#[case(Name::TfEfficientnetLite0)]
fn a_training_pass_has_timms_gradients_and_statistics(#[case] name: Name) {
    let architecture = Architecture::new(name);
    let tensors = weights(&architecture, true);
    let backbone = Backbone::new(&architecture, &tensors, 0).unwrap();
    let golden = golden(name);
    let expected = &golden["train"]["64"];

    let pass = Pass { batch_statistics: true, recorded: true, folded: false };
    let features = backbone.forward(&input(4, 64), pass).unwrap();
    let cotangent = formula("cotangent", &features.size()).to_kind(Kind::Float);
    (&features * cotangent).sum(Kind::Float).backward();

    for row in 0..4_i64 {
        let expected = number(&expected["l2"][usize::try_from(row).unwrap()]);
        assert_close(l2(&features.get(row)), expected, 1e-4, &format!("{name} row {row}"));
    }
    for (parameter, expected) in expected["grad_l2"].as_object().unwrap() {
        assert_close(l2(&tensors[parameter].grad()), number(expected), 1e-3, &format!("{name} {parameter}"));
    }
    let total = tensors.values().filter(|t| t.requires_grad()).map(|t| l2(&t.grad()).powi(2)).sum::<f64>().sqrt();
    assert_close(total, number(&expected["grad_l2_total"]), 1e-3, &format!("{name} all gradients"));
    let means = tensors.iter().filter(|(name, _)| name.ends_with(".running_mean"));
    let moved = means.map(|(_, t)| l2(t).powi(2)).sum::<f64>().sqrt();
    assert_close(moved, number(&expected["running_mean_l2_after"]), 1e-4, &format!("{name} running means"));
}
