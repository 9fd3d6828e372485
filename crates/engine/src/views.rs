//! Several views of each image, whose logits are averaged: torchvision's `FiveCrop` and `TenCrop`.

use anyhow::{Context as _, Result};
use tch::Tensor;
use warmstart_schema::experiment::Evaluate;

use crate::model::{Mode, Model};

/// The logits `[N, classes]` of images `[N, 3, H, W]` in 0..1, averaged over the views that `settings` asks for.
pub fn logits(model: &Model, images: &Tensor, settings: &Evaluate) -> Result<Tensor> {
    if *settings == Evaluate::PLAIN {
        return model.forward(images, Mode::Eval);
    }
    let (_, _, height, width) = images.size4()?;
    let views = views(images, settings)?;
    let mut sum: Option<Tensor> = None;
    for view in &views {
        // The model itself enlarges to its input, where it has one.
        let view = match model.spec().input_size {
            Some(_) => view.shallow_clone(),
            None => model.resized(view, (height, width))?,
        };
        let logits = model.forward(&view, Mode::Eval)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&logits)?,
            None => logits,
        });
    }
    let sum = sum.context("an image without a view")?;
    Ok(sum.f_div_scalar(views.len() as f64)?)
}

/// The views in torchvision's order: top left, top right, bottom left, bottom right, centre, then those of the mirrored image.
fn views(images: &Tensor, settings: &Evaluate) -> Result<Vec<Tensor>> {
    let mut views = crops(images, settings.five_crops)?;
    if settings.flip {
        views.extend(crops(&images.f_flip([3])?, settings.five_crops)?);
    }
    Ok(views)
}

fn crops(images: &Tensor, share: Option<f64>) -> Result<Vec<Tensor>> {
    let Some(share) = share else {
        return Ok(vec![images.shallow_clone()]);
    };
    let (_, _, height, width) = images.size4()?;
    let (high, wide) = (kept(height, share), kept(width, share));
    let (bottom, right) = (height - high, width - wide);
    let places = [
        (0, 0),
        (0, right),
        (bottom, 0),
        (bottom, right),
        (half(bottom), half(right)),
    ];
    let crop = |(top, left)| {
        Ok(images
            .f_narrow(2, top, high)?
            .f_narrow(3, left, wide)?
            .f_contiguous()?)
    };
    places.into_iter().map(crop).collect()
}

/// Pixels of a side that a crop keeps.
fn kept(side: i64, share: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a share of an image's side"
    )]
    let kept = (side as f64 * share).round() as i64;
    kept.clamp(1, side)
}

/// Half of the pixels, an odd one rounded to the even neighbour, as in Python.
fn half(pixels: i64) -> i64 {
    pixels / 2 + i64::from(pixels % 4 == 3)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tch::{Device, Kind};
    use warmstart_schema::architecture::{Backbone, Stem};
    use warmstart_schema::experiment::Interpolation;

    use super::*;
    use crate::model::ModelSpec;
    use crate::selftest::formula;

    fn picture(name: &str, side: i64) -> Tensor {
        let pixels = formula::stream(name, &[1, 3, side, side]).to_kind(Kind::Float);
        (pixels + 1.0) / 2.0
    }

    #[test]
    fn views_are_torchvisions_five_and_ten_crops() {
        let table: Value =
            serde_json::from_str(include_str!("../tests/reference/views.json")).unwrap();
        let cases = table["cases"].as_array().unwrap();
        assert!(cases.len() > 2);
        for case in cases {
            let settings = Evaluate {
                flip: case["flip"] == true,
                five_crops: case["share"].as_f64(),
            };
            let image = picture("views", case["side"].as_i64().unwrap());
            let found = views(&image, &settings).unwrap();
            let expected = case["views"].as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            assert_eq!(settings.views() as usize, expected.len());
            for (found, expected) in found.iter().zip(expected) {
                let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
                let expected = Tensor::from_slice(&expected).view_as(found);
                let away = (found - expected).abs().max().double_value(&[]);
                assert!(away < 1e-6, "{away}: {settings}");
            }
        }
    }

    #[test]
    fn logits_are_the_mean_of_those_of_the_views() {
        for input_size in [None, Some(32)] {
            let spec = ModelSpec {
                backbone: Backbone::Resnet18,
                stem: Stem::Original,
                classes: 3,
                hidden: 4,
                dropout: 0.5,
                drop_path: 0.5,
                frozen_blocks: 0,
                norm_inference: false,
                input_size,
                interpolation: Interpolation::Bilinear,
                mean: [0.5; 3],
                std: [0.25; 3],
            };
            let model = Model::new(&spec, 1, Device::Cpu).unwrap();
            let images = Tensor::cat(&[picture("one", 32), picture("two", 32)], 0);
            let settings = Evaluate {
                flip: true,
                five_crops: Some(0.75),
            };
            let mut sum = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
            for mirrored in [images.shallow_clone(), images.flip([3])] {
                for (top, left) in [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)] {
                    let crop = mirrored.narrow(2, top, 24).narrow(3, left, 24);
                    let grown = crop.upsample_bilinear2d([32, 32], false, None, None);
                    sum += model.forward(&grown, Mode::Eval).unwrap();
                }
            }
            let found = logits(&model, &images, &settings).unwrap();
            assert!(found.allclose(&(sum / 10.0), 1e-4, 1e-5, false), "{found}");
            let plain = logits(&model, &images, &Evaluate::PLAIN).unwrap();
            assert_eq!(plain, model.forward(&images, Mode::Eval).unwrap());
            assert!(!found.allclose(&plain, 1e-4, 1e-5, false));
        }
    }
}
