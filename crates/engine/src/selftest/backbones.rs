//! Backbones against timm's own numbers: features, gradients and moved statistics, with weights made of a formula.
//! `tests/reference/backbones.py` writes the table.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::{Architecture, Backbone as Name, Layer, Stem, TensorSpec};

use super::agreement::Agreement;
use super::formula;
use crate::backbone::Backbone;
use crate::ffi;
use crate::layers::{Pass, Statistics, Tensors};

fn table(name: Name) -> Result<Value> {
    let mut all: Value = serde_json::from_str(include_str!("../../tests/data/backbones.json"))?;
    Ok(all["models"][name.as_str()].take())
}

fn weights(architecture: &Architecture, trainable: bool, device: Device) -> Result<Tensors> {
    let weight = |spec: &TensorSpec| {
        let values = formula::value(spec, &spec.name).f_to_device(device)?;
        let values = if spec.shape.len() == 4 {
            ffi::channels_last(&values)?
        } else {
            values
        };
        let is_trained = trainable && !spec.kind.is_statistic();
        Ok((spec.name.clone(), values.f_set_requires_grad(is_trained)?))
    };
    architecture.tensors().map(weight).collect()
}

fn input(count: i64, side: i64, device: Device) -> Result<Tensor> {
    let images = formula::stream("input", &[count, 3, side, side]) * 2.0;
    ffi::channels_last(&images.f_to_kind(Kind::Float)?.f_to_device(device)?)
}

fn l2(tensor: &Tensor) -> Result<f64> {
    Ok(f64::try_from(tensor.f_to_kind(Kind::Double)?.f_norm()?)?)
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("the table lacks a number")
}

/// Whether features in inference mode grow so large with the formula's weights that timm's own in float32 differ from those in
/// float64, by 0.2 % (`regnety_016`) to 87 % (`tf_efficientnetv2_s`). Gradients in training mode have no such growth.
pub fn loses_precision(name: Name) -> bool {
    matches!(
        name,
        Name::Regnety016 | Name::Regnety032 | Name::TfEfficientnetV2S | Name::EfficientnetV2RwS
    )
}

/// Features in inference mode, with that many frozen blocks, against timm's.
pub fn features(name: Name, frozen: usize, device: Device) -> Result<Agreement> {
    inferred(&Architecture::new(name), frozen, &table(name)?, device)
}

/// Features and gradients with a stem for small images, against timm's with the same change. `tests/reference/stem.py` writes the
/// table.
pub fn small_stem(name: Name, device: Device) -> Result<[Agreement; 2]> {
    let all: Value = serde_json::from_str(include_str!("../../tests/reference/stem.json"))?;
    let expected = &all["models"][name.as_str()];
    let architecture = Architecture::with_stem(name, Stem::Small);
    Ok([
        inferred(&architecture, 0, expected, device)?,
        trained(&architecture, (0.0, None), &expected["train"], device)?,
    ])
}

fn inferred(
    architecture: &Architecture,
    frozen: usize,
    table: &Value,
    device: Device,
) -> Result<Agreement> {
    let backbone = Backbone::new(
        architecture,
        &weights(architecture, false, device)?,
        frozen,
        0.0,
    )?;
    let mut agreement = Agreement::default();
    for (side, expected) in table["eval"].as_object().context("no features")? {
        let features = backbone.forward(&input(2, side.parse()?, device)?, Pass::Inference)?;
        for row in 0..2_i64 {
            let (features, at) = (features.f_get(row)?, usize::try_from(row)?);
            let scale = number(&expected["l2"][at])?;
            agreement.relative(l2(&features)?, scale, 1e-4, || format!("{side} px, l2"));
            let mean = f64::try_from(features.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?)?;
            agreement.relative(mean, number(&expected["mean"][at])?, 1e-4, || {
                format!("{side} px, mean")
            });
            // A feature near zero is a difference of large terms: its error is measured against a typical feature.
            let typical = scale / (architecture.features as f64).sqrt();
            for i in 0..8_i64 {
                let expected = number(&expected["first8"][at][usize::try_from(i)?])?;
                let scale = expected.abs().max(typical);
                agreement.absolute(
                    features.f_double_value(&[i])?,
                    expected,
                    (1e-4, scale),
                    || format!("{side} px, feature {i}"),
                );
            }
        }
    }
    Ok(agreement)
}

/// Gradients of a batch that is large enough for cuDNN's depthwise convolutions, against the sum of those that libtorch's own kernels
/// give its parts.
pub fn large_batches(name: Name, device: Device) -> Result<Agreement> {
    const IMAGES: i64 = 64;
    const PART: i64 = 16;
    let architecture = Architecture::new(name);
    let tensors = weights(&architecture, true, device)?;
    let backbone = Backbone::new(&architecture, &tensors, 0, 0.0)?;
    let images = input(IMAGES, 64, device)?;
    let pass = Pass::Train {
        statistics: Statistics::Stored,
        path_seed: None,
    };
    let mut agreement = Agreement::default();
    let gradients = |part: i64| -> Result<Vec<(String, f64, Tensor)>> {
        for first in (0..IMAGES).step_by(usize::try_from(part)?) {
            let features = backbone.forward(&images.f_narrow(0, first, part)?, pass)?;
            let cotangent = formula::stream("cotangent", &[IMAGES, features.size2()?.1])
                .f_narrow(0, first, part)?
                .f_to_kind(Kind::Float)?
                .f_to_device(device)?;
            (&features * cotangent).f_sum(Kind::Float)?.f_backward()?;
        }
        let mut all = Vec::new();
        for (name, tensor) in tensors.iter().filter(|(_, tensor)| tensor.requires_grad()) {
            let gradient = tensor.f_grad()?.f_detach_copy()?;
            tensor.shallow_clone().zero_grad();
            all.push((name.clone(), l2(&gradient)?, gradient));
        }
        Ok(all)
    };
    let (whole, parts) = (gradients(IMAGES)?, gradients(PART)?);
    for ((name, scale, whole), (_, _, part)) in whole.into_iter().zip(parts) {
        // The length of their difference, as a share of the gradient's own length.
        let distance = l2(&whole.f_sub(&part)?)?;
        agreement.absolute(distance, 0.0, (1e-3, scale.max(1e-6)), || {
            format!("distance of the gradients of {name}")
        });
    }
    Ok(agreement)
}

/// Gradients of all parameters and moved statistics after one training pass, against timm's.
pub fn gradients(name: Name, device: Device) -> Result<Agreement> {
    let expected = &table(name)?["train"];
    trained(&Architecture::new(name), (0.0, None), expected, device)
}

/// The same with residual paths that are skipped for some images, against timm's with the same draws. Its rates are compared too.
/// `tests/reference/drop_path.py` writes the table.
pub fn dropped_paths(name: Name, device: Device) -> Result<Agreement> {
    let all: Value = serde_json::from_str(include_str!("../../tests/reference/drop_path.json"))?;
    let (rate, expected) = (number(&all["rate"])?, &all["models"][name.as_str()]);
    let seed = all["seed"].as_u64().context("no seed")?;
    let architecture = Architecture::new(name);
    let mut agreement = trained(
        &architecture,
        (rate, Some(seed)),
        &expected["train"],
        device,
    )?;
    let layers = architecture.blocks.iter().flat_map(|block| &block.layers);
    let shares = layers.filter_map(|layer| match layer {
        Layer::Residual(residual) => Some(residual.drop_share),
        _ => None,
    });
    let rates = expected["rates"].as_array().context("no rates")?;
    let shares: Vec<f64> = shares.collect();
    ensure!(
        shares.len() == rates.len(),
        "expected {} residual paths, found {}",
        rates.len(),
        shares.len()
    );
    for (index, (share, expected)) in shares.into_iter().zip(rates).enumerate() {
        agreement.absolute(rate * share, number(expected)?, (1e-6, 1.0), || {
            format!("rate of residual path {index}")
        });
    }
    Ok(agreement)
}

/// One training pass at a rate of dropped paths and the seed of their draws, against timm's.
fn trained(
    architecture: &Architecture,
    (rate, seed): (f64, Option<u64>),
    expected: &Value,
    device: Device,
) -> Result<Agreement> {
    let tensors = weights(architecture, true, device)?;
    let backbone = Backbone::new(architecture, &tensors, 0, rate)?;
    let pass = Pass::Train {
        statistics: Statistics::Batch,
        path_seed: seed,
    };
    let side = expected["side"].as_i64().context("no side")?;
    let features = backbone.forward(&input(4, side, device)?, pass)?;
    let cotangent = formula::stream("cotangent", &features.size())
        .f_to_kind(Kind::Float)?
        .f_to_device(device)?;
    (&features * cotangent).f_sum(Kind::Float)?.f_backward()?;

    let mut agreement = Agreement::default();
    for row in 0..4_i64 {
        let expected = number(&expected["l2"][usize::try_from(row)?])?;
        agreement.relative(l2(&features.f_get(row)?)?, expected, 1e-4, || {
            format!("features of row {row}")
        });
    }
    // Where rounding moves timm's own gradients by more than a thousandth, it may move ours as well.
    let rounding = number(&expected["float32_error"])?.max(number(&expected["noise_error"])?);
    let tolerance = (2.0 * rounding).max(1e-3);
    ensure!(
        tolerance < 0.02,
        "rounding moves the gradients so far that they cannot be compared"
    );
    for (parameter, expected) in expected["grad_l2"].as_object().context("no gradients")? {
        let gradient = tensors[parameter].f_grad()?;
        agreement.relative(l2(&gradient)?, number(expected)?, tolerance, || {
            format!("gradient of {parameter}")
        });
    }
    let mut total = 0.0;
    for tensor in tensors.values().filter(|tensor| tensor.requires_grad()) {
        total += l2(&tensor.f_grad()?)?.powi(2);
    }
    let all = number(&expected["grad_l2_total"])?;
    agreement.relative(total.sqrt(), all, tolerance, || "all gradients".to_owned());
    for statistic in ["running_mean", "running_var"] {
        let mut moved = 0.0;
        for (_, tensor) in tensors.iter().filter(|(name, _)| name.ends_with(statistic)) {
            moved += l2(tensor)?.powi(2);
        }
        let expected = number(&expected[format!("{statistic}_l2_after")])?;
        agreement.relative(moved.sqrt(), expected, 1e-4, || statistic.to_owned());
    }
    Ok(agreement)
}
