//! Weights and inputs made of the formula that `reference/formula.py` states, so that no file needs to travel.

use tch::{Kind, Tensor};
use warmstart_schema::architecture::{TensorKind, TensorSpec};

/// Numbers in [-1, 1), float64: FNV-1a of the name, then `SplitMix64`.
pub fn stream(name: &str, shape: &[i64]) -> Tensor {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
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

/// What the formula gives a tensor like `spec` under this name, float32.
pub fn value(spec: &TensorSpec, name: &str) -> Tensor {
    let u = stream(name, &spec.shape);
    let values = match spec.kind {
        TensorKind::RunningMean
        | TensorKind::Bias
        | TensorKind::PatchBias { .. }
        | TensorKind::NormBias
        | TensorKind::Embedding => u * 0.1,
        TensorKind::RunningVar => u * 0.5 + 1.0,
        TensorKind::NormWeight | TensorKind::Scale | TensorKind::ResponseWeight => u * 0.1 + 1.0,
        TensorKind::Weight
        | TensorKind::GroupedWeight { .. }
        | TensorKind::SmallWeight
        | TensorKind::PatchWeight => {
            u * (6.0 / spec.shape[1..].iter().product::<i64>() as f64).sqrt()
        }
    };
    values.to_kind(Kind::Float)
}
