//! `train.mixing`: the images of a batch mixed in pairs by mixup (Zhang et al. 2018) or `CutMix` (Yun et al. 2019), as timm does for
//! whole batches. timm calls the settings `mixup_alpha`, `cutmix_alpha`, `prob` and `switch_prob`.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::experiment::Mix;
use warmstart_schema::seed::SplitMix64;

/// How a batch is mixed with itself in reverse order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mixing {
    None,
    /// mixup: keep this share of each image, timm's `lam`.
    Fade(f64),
    /// `CutMix`: replace the rows and columns from the first number up to the second, which is not replaced.
    Paste {
        rows: (i64, i64),
        columns: (i64, i64),
    },
}

/// Mixes images `[N, 3, H, W]`. Also returns the share of each image that stayed its own, which is the share of its label.
pub(super) fn mixed(
    images: &Tensor,
    settings: &Mix,
    mut random: SplitMix64,
) -> Result<(Tensor, f64)> {
    let (_, _, height, width) = images.size4()?;
    apply(images, draw(settings, (height, width), &mut random))
}

fn draw(settings: &Mix, (height, width): (i64, i64), random: &mut SplitMix64) -> Mixing {
    let Mix {
        mixup: mixup_alpha,
        cutmix: cutmix_alpha,
        probability,
        switch: switch_probability,
    } = *settings;
    if random.uniform() >= probability {
        return Mixing::None;
    }
    let pastes = match (mixup_alpha > 0.0, cutmix_alpha > 0.0) {
        (true, true) => random.uniform() < switch_probability,
        (_, pastes) => pastes,
    };
    if !pastes {
        return Mixing::Fade(beta(mixup_alpha, random));
    }
    let side = (1.0 - beta(cutmix_alpha, random)).sqrt();
    Mixing::Paste {
        rows: cut(height, side, random),
        columns: cut(width, side, random),
    }
}

/// The first pixel of a part of a side and the one after its last. The part has about this share of the side, lies around a random
/// pixel, and is cut off at the border.
#[expect(clippy::cast_possible_truncation, reason = "a part of a side")]
fn cut(side: i64, share: f64, random: &mut SplitMix64) -> (i64, i64) {
    let length = (side as f64 * share) as i64;
    let middle = i64::try_from(random.below(side.cast_unsigned())).unwrap_or(0);
    let begin = middle - length / 2;
    (begin.max(0), (begin + length).min(side))
}

fn apply(images: &Tensor, mixing: Mixing) -> Result<(Tensor, f64)> {
    let (_, _, height, width) = images.size4()?;
    let others = images.f_flip([0])?;
    Ok(match mixing {
        Mixing::None => (images.shallow_clone(), 1.0),
        Mixing::Fade(share) => {
            let others = others.f_mul_scalar(1.0 - share)?;
            (images.f_mul_scalar(share)?.f_add(&others)?, share)
        }
        Mixing::Paste { rows, columns } => {
            let (high, wide) = (rows.1 - rows.0, columns.1 - columns.0);
            let mixed = images.copy();
            let part = |images: &Tensor| {
                images
                    .f_narrow(2, rows.0, high)?
                    .f_narrow(3, columns.0, wide)
            };
            part(&mixed)?.f_copy_(&part(&others)?)?;
            let pasted = (high * wide) as f64 / (height * width) as f64;
            (mixed, 1.0 - pasted)
        }
    })
}

/// A number in 0..1 from the distribution Beta(α, α).
fn beta(alpha: f64, random: &mut SplitMix64) -> f64 {
    let (one, other) = (gamma(alpha, random), gamma(alpha, random));
    let sum = one + other;
    // With a tiny α both may be 0; then one side has it all.
    if sum > 0.0 {
        one / sum
    } else if random.uniform() < 0.5 {
        0.0
    } else {
        1.0
    }
}

/// A number from the Gamma distribution of this shape and scale 1 (Marsaglia and Tsang 2000).
fn gamma(shape: f64, random: &mut SplitMix64) -> f64 {
    if shape < 1.0 {
        let factor = (1.0 - random.uniform()).powf(1.0 / shape);
        return gamma(shape + 1.0, random) * factor;
    }
    let scale = shape - 1.0 / 3.0;
    let slope = 1.0 / (9.0 * scale).sqrt();
    loop {
        let x = normal(random);
        let cube = (1.0 + slope * x).powi(3);
        let uniform = 1.0 - random.uniform();
        if cube > 0.0 && uniform.ln() < 0.5 * x * x + scale - scale * cube + scale * cube.ln() {
            return scale * cube;
        }
    }
}

/// A number from the standard normal distribution (Box and Muller 1958).
fn normal(random: &mut SplitMix64) -> f64 {
    let (radius, turn) = (1.0 - random.uniform(), random.uniform());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tch::Kind;

    use super::super::loss::Targets;
    use super::*;
    use crate::selftest::formula;

    fn table() -> Value {
        serde_json::from_str(include_str!("../../tests/reference/mix.json")).unwrap()
    }

    fn floats(value: &Value) -> Vec<f32> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn images_labels_and_loss_equal_timms() {
        let table = table();
        let images = formula::stream("mixed", &[5, 3, 6, 7]).to_kind(Kind::Float);
        let labels: Vec<i64> = serde_json::from_value(table["labels"].clone()).unwrap();
        let labels = Tensor::from_slice(&labels);
        let cases = table["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let mixing = if let Some(share) = case["fade"].as_f64() {
                Mixing::Fade(share)
            } else {
                let [top, bottom, left, right]: [i64; 4] =
                    serde_json::from_value(case["paste"].clone()).unwrap();
                Mixing::Paste {
                    rows: (top, bottom),
                    columns: (left, right),
                }
            };
            let (found, share) = apply(&images, mixing).unwrap();
            let expected = Tensor::from_slice(&floats(&case["images"])).view([5, 3, 6, 7]);
            let away = (found - expected).abs().max().double_value(&[]);
            assert!(away < 2e-6, "{away}: {mixing:?}");
            assert!((share - case["share"].as_f64().unwrap()).abs() < 1e-12);
            let logits = formula::stream("logits", &[5, 4])
                .to_kind(Kind::Float)
                .set_requires_grad(true);
            let targets = Targets {
                labels: &labels,
                smoothing: case["smoothing"].as_f64().unwrap(),
                share,
            };
            let loss = targets.cross_entropy(&logits).unwrap();
            loss.backward();
            assert!((loss.double_value(&[]) - case["loss"].as_f64().unwrap()).abs() < 1e-6);
            let gradient = Tensor::from_slice(&floats(&case["gradient"])).view([5, 4]);
            assert!(logits.grad().allclose(&gradient, 1e-5, 1e-6, false));
            // Equal class weights change nothing, whatever their value.
            let weights = Tensor::full([4], 0.3, (Kind::Float, tch::Device::Cpu));
            let weighted = targets.weighted_cross_entropy(&logits, &weights).unwrap();
            let weighted = (weighted.sum / weighted.weight).double_value(&[]);
            assert!((weighted - loss.double_value(&[])).abs() < 1e-6);
        }
    }

    #[test]
    fn shares_and_rectangles_are_distributed_like_timms() {
        let table = table();
        for case in table["draws"].as_array().unwrap() {
            let settings: Mix = serde_json::from_value(case["settings"].clone()).unwrap();
            let mut random = SplitMix64::new(4);
            let (mut shares, mut pasted, all) = (Vec::new(), 0_u32, 20_000);
            let images = Tensor::zeros([1, 1, 32, 24], (Kind::Float, tch::Device::Cpu));
            for _ in 0..all {
                let mixing = draw(&settings, (32, 24), &mut random);
                pasted += u32::from(matches!(mixing, Mixing::Paste { .. }));
                shares.push(apply(&images, mixing).unwrap().1);
            }
            shares.sort_by(f64::total_cmp);
            let expected: Vec<f64> = serde_json::from_value(case["deciles"].clone()).unwrap();
            for (decile, expected) in (1..).zip(expected) {
                let found = shares[all * decile / 10];
                assert!(
                    (found - expected).abs() < 0.02,
                    "{settings:?}, decile {decile}: {found} for {expected}"
                );
            }
            let share = f64::from(pasted) / all as f64;
            assert!((share - case["pasted"].as_f64().unwrap()).abs() < 0.015);
        }
    }
}
