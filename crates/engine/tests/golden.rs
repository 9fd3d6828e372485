//! Backbones against timm's own numbers: features, gradients and moved statistics, with weights made from a formula.
//! `reference/backbones.py` writes `data/backbones.json`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/formula.rs"]
mod formula;

use rstest::rstest;
use serde_json::Value;
use tch::{Kind, Tensor};
use warmstart_engine::backbone::Backbone;
use warmstart_engine::ffi;
use warmstart_engine::layers::{Pass, Tensors};
use warmstart_schema::architecture::{Architecture, Backbone as Name, TensorSpec};

fn golden(name: Name) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("data/backbones.json")).unwrap();
    all["models"][name.as_str()].take()
}

fn weights(architecture: &Architecture, trainable: bool) -> Tensors {
    let weight = |spec: &TensorSpec| {
        let values = formula::value(spec, &spec.name);
        let values = if spec.shape.len() == 4 {
            ffi::channels_last(&values).unwrap()
        } else {
            values
        };
        (
            spec.name.clone(),
            values.set_requires_grad(trainable && !spec.kind.is_statistic()),
        )
    };
    architecture.tensors().map(weight).collect()
}

fn input(count: i64, side: i64) -> Tensor {
    ffi::channels_last(
        &(formula::stream("input", &[count, 3, side, side]) * 2.0).to_kind(Kind::Float),
    )
    .unwrap()
}

fn l2(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).norm().double_value(&[])
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs().max(1e-6);
    assert!(
        error < tolerance,
        "{what}: {found}, timm says {expected}, relative error {error:.1e}"
    );
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet34)]
#[case(Name::Resnet50)]
#[case(Name::Resnet101)]
#[case(Name::EfficientnetB0)]
#[case(Name::EfficientnetB1)]
#[case(Name::EfficientnetB2)]
#[case(Name::EfficientnetB3)]
#[case(Name::TfEfficientnetB0)]
#[case(Name::TfEfficientnetB1)]
#[case(Name::TfEfficientnetB2)]
#[case(Name::TfEfficientnetB3)]
#[case(Name::EfficientnetLite0)]
#[case(Name::TfEfficientnetLite0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
fn features_in_inference_mode_are_timms(
    #[case] name: Name,
    #[values(0, usize::MAX)] frozen: usize,
) {
    let architecture = Architecture::new(name);
    let backbone = Backbone::new(&architecture, &weights(&architecture, false), frozen).unwrap();
    let golden = golden(name);
    for (side, expected) in golden["eval"].as_object().unwrap() {
        let features = backbone
            .forward(&input(2, side.parse().unwrap()), Pass::INFERENCE)
            .unwrap();
        assert_eq!(
            features.size(),
            [2, i64::try_from(architecture.features).unwrap()]
        );
        for row in 0..2_i64 {
            let (features, at) = (features.get(row), usize::try_from(row).unwrap());
            let scale = number(&expected["l2"][at]);
            assert_close(l2(&features), scale, 1e-4, &format!("{name} {side} l2"));
            let mean = features
                .to_kind(Kind::Double)
                .mean(Kind::Double)
                .double_value(&[]);
            assert_close(
                mean,
                number(&expected["mean"][at]),
                1e-4,
                &format!("{name} {side} mean"),
            );
            for i in 0..8_i64 {
                let expected = number(&expected["first8"][at][usize::try_from(i).unwrap()]);
                let error = (features.double_value(&[i]) - expected).abs();
                // A feature near zero is a difference of large terms: its error is measured against a typical feature.
                let typical = scale / (architecture.features as f64).sqrt();
                assert!(
                    error < 1e-4 * expected.abs().max(typical),
                    "{name} {side} feature {i}: off by {error:.1e}"
                );
            }
        }
    }
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet34)]
#[case(Name::Resnet50)]
#[case(Name::Resnet101)]
#[case(Name::EfficientnetB0)]
#[case(Name::EfficientnetB1)]
#[case(Name::EfficientnetB2)]
#[case(Name::EfficientnetB3)]
#[case(Name::TfEfficientnetB0)]
#[case(Name::TfEfficientnetB1)]
#[case(Name::TfEfficientnetB2)]
#[case(Name::TfEfficientnetB3)]
#[case(Name::EfficientnetLite0)]
#[case(Name::TfEfficientnetLite0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
fn a_training_pass_has_timms_gradients_and_statistics(#[case] name: Name) {
    let architecture = Architecture::new(name);
    let tensors = weights(&architecture, true);
    let backbone = Backbone::new(&architecture, &tensors, 0).unwrap();
    let expected = &golden(name)["train"];

    let pass = Pass {
        batch_statistics: true,
        recorded: true,
        folded: false,
    };
    let features = backbone
        .forward(&input(4, expected["side"].as_i64().unwrap()), pass)
        .unwrap();
    let cotangent = formula::stream("cotangent", &features.size()).to_kind(Kind::Float);
    (&features * cotangent).sum(Kind::Float).backward();

    for row in 0..4_i64 {
        let expected = number(&expected["l2"][usize::try_from(row).unwrap()]);
        assert_close(
            l2(&features.get(row)),
            expected,
            1e-4,
            &format!("{name} row {row}"),
        );
    }
    // Where timm's own float32 misses its float64 by more than a thousandth, ours may as well.
    let tolerance = (2.0 * number(&expected["float32_error"])).max(1e-3);
    for (parameter, expected) in expected["grad_l2"].as_object().unwrap() {
        assert_close(
            l2(&tensors[parameter].grad()),
            number(expected),
            tolerance,
            &format!("{name} {parameter}"),
        );
    }
    let total = tensors
        .values()
        .filter(|t| t.requires_grad())
        .map(|t| l2(&t.grad()).powi(2))
        .sum::<f64>()
        .sqrt();
    assert_close(
        total,
        number(&expected["grad_l2_total"]),
        tolerance,
        &format!("{name} all gradients"),
    );
    for statistic in ["running_mean", "running_var"] {
        let of = tensors.iter().filter(|(name, _)| name.ends_with(statistic));
        let moved = of.map(|(_, t)| l2(t).powi(2)).sum::<f64>().sqrt();
        let expected = number(&expected[format!("{statistic}_l2_after")]);
        assert_close(moved, expected, 1e-4, &format!("{name} {statistic}"));
    }
}
