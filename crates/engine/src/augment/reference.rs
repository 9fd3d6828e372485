//! Pictures as torchvision changes them: `tests/reference/augment.py` writes the table.

use serde_json::Value;
use tch::{Kind, Tensor};

use super::area::Frame;
use crate::selftest::formula;

/// The cases of one operation.
pub(super) fn cases(of: &str) -> Vec<Value> {
    let table: Value =
        serde_json::from_str(include_str!("../../tests/reference/augment.json")).unwrap();
    let cases = table[of].as_array().unwrap().clone();
    assert!(cases.len() > 1, "{of}");
    cases
}

pub(super) fn numbers<const N: usize>(value: &Value) -> [f64; N] {
    let numbers: Vec<f64> = serde_json::from_value(value.clone()).unwrap();
    numbers.try_into().unwrap()
}

pub(super) fn integers<const N: usize>(value: &Value) -> [i64; N] {
    let numbers: Vec<i64> = serde_json::from_value(value.clone()).unwrap();
    numbers.try_into().unwrap()
}

/// The picture `[1, 3, 9, 11]` that a case changes.
pub(super) fn picture(case: &Value) -> Tensor {
    let name = case["picture"].as_str().unwrap();
    let pixels = formula::stream(name, &[1, 3, 9, 11]).to_kind(Kind::Float);
    (pixels + 1.0) / 2.0
}

/// Fails where a picture differs from torchvision's by more than the tolerance.
pub(super) fn compare(found: &Tensor, case: &Value, tolerance: f64) {
    let pixels: Vec<f32> = serde_json::from_value(case["pixels"].clone()).unwrap();
    let expected = Tensor::from_slice(&pixels).view([1, 3, 9, 11]);
    let away = (found - &expected).abs().max().double_value(&[]);
    assert!(away < tolerance + 5e-7, "{away} from torchvision's {case}");
}

/// Fails where the means of places and sides differ from those of a case.
pub(super) fn compare_frames(frames: &[Frame], case: &Value) {
    let mean = |of: &dyn Fn(&Frame) -> i64| {
        frames.iter().map(|frame| of(frame) as f64).sum::<f64>() / frames.len() as f64
    };
    let found = [
        mean(&|frame| frame.top),
        mean(&|frame| frame.left),
        mean(&|frame| frame.height),
        mean(&|frame| frame.width),
        mean(&|frame| frame.height * frame.height).sqrt(),
        mean(&|frame| frame.width * frame.width).sqrt(),
    ];
    let expected: [f64; 6] = numbers(&case["means"]);
    let [height, width] = integers(&case["size"]).map(|side: i64| side as f64);
    for ((found, expected), side) in found
        .into_iter()
        .zip(expected)
        .zip([height, width, height, width, height, width])
    {
        // Three standard errors of a mean over thousands of draws stay below this share of the side.
        assert!(
            (found - expected).abs() < 0.012 * side,
            "{found} for {expected}: {case}"
        );
    }
}
