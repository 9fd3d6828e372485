//! For tests: pictures as torchvision changes them, `[1, 3, 9, 11]`, float32 from 0 to 1. `tests/reference/augment.py` writes the table.

use serde_json::Value;
use tch::{Kind, Tensor};

use super::area::Frame;
use crate::selftest::formula;

const SHAPE: [i64; 4] = [1, 3, 9, 11];

/// The cases of one operation.
pub(super) fn cases(operation: &str) -> Vec<Value> {
    let table: Value =
        serde_json::from_str(include_str!("../../tests/reference/augment.json")).unwrap();
    let cases = table[operation].as_array().unwrap().clone();
    assert!(cases.len() > 1, "{operation}");
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

/// The picture that a case changes.
pub(super) fn picture(case: &Value) -> Tensor {
    let name = case["picture"].as_str().unwrap();
    let pixels = formula::stream(name, &SHAPE).to_kind(Kind::Float);
    (pixels + 1.0) / 2.0
}

/// Fails where a picture differs from torchvision's by more than the tolerance.
pub(super) fn compare(found: &Tensor, case: &Value, tolerance: f64) {
    let pixels: Vec<f32> = serde_json::from_value(case["pixels"].clone()).unwrap();
    let expected = Tensor::from_slice(&pixels).view(SHAPE);
    assert_eq!(found.size(), SHAPE, "{case}");
    let difference = (found - &expected).abs().max().double_value(&[]);
    // The table has six decimals.
    assert!(
        difference < tolerance + 5e-7,
        "{difference} from torchvision's {case}"
    );
}

/// Fails where the mean place, or the mean or root mean square side, differs from that of a case by 1.2 % of the picture's side.
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
