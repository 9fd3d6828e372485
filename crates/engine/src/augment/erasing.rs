//! A rectangle of some images, erased: Zhong et al. 2017, with timm's ranges.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Augment, Erasing, ErasingFill};
use warmstart_schema::seed::SplitMix64;

use super::area::{Frame, Range};
use super::draws::Draws;
use crate::device::upload;

/// The mean colour of `ImageNet`.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Erases in images `[N, 3, H, W]`.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    let Some(settings) = &augment.erasing else {
        return Ok(images.shallow_clone());
    };
    let (_, _, height, width) = images.size4()?;
    let frames = draws.of_each(|random| draw(settings, (height, width), random));
    let color = match settings.fill {
        ErasingFill::Mean => MEAN,
        ErasingFill::Black => [0.0; 3],
    };
    erased(images, &frames, color)
}

fn draw(settings: &Erasing, (height, width): (i64, i64), random: &mut SplitMix64) -> Option<Frame> {
    let range = Range {
        min_area: settings.min_area,
        max_area: settings.max_area,
        max_aspect: settings.max_aspect,
    };
    let is_chosen = random.uniform() < settings.probability;
    let frame = range.draw((height, width), random, |high, wide| {
        high < height && wide < width
    });
    frame.filter(|_| is_chosen)
}

fn erased(images: &Tensor, frames: &[Option<Frame>], color: [f32; 3]) -> Result<Tensor> {
    let (_, _, height, width) = images.size4()?;
    let device = images.device();
    // Whether each place along a side lies between a start and an end, `[n, side]`.
    let within = |side: i64, bounds: fn(&Frame) -> (i64, i64)| -> Result<Tensor> {
        let bounds = frames
            .iter()
            .map(|frame| frame.as_ref().map_or((0, 0), bounds));
        let (begins, ends): (Vec<i64>, Vec<i64>) = bounds.unzip();
        let at = Tensor::f_arange(side, (Kind::Int64, device))?;
        let column =
            |numbers: &[i64]| upload(&Tensor::f_from_slice(numbers)?.f_view([-1, 1])?, device);
        let after = at.f_ge_tensor(&column(&begins)?)?;
        Ok(after.f_logical_and(&at.f_lt_tensor(&column(&ends)?)?)?)
    };
    let rows = within(height, |frame| (frame.top, frame.top + frame.height))?;
    let columns = within(width, |frame| (frame.left, frame.left + frame.width))?;
    let inside = rows
        .f_unsqueeze(2)?
        .f_logical_and(&columns.f_unsqueeze(1)?)?
        .f_unsqueeze(1)?;
    let color = upload(&Tensor::f_from_slice(&color)?.f_view([1, 3, 1, 1])?, device)?;
    Ok(color.f_where_self(&inside, images)?)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn erased_rectangles_equal_torchvisions() {
        for case in reference::cases("erasing") {
            let [top, left, height, width] = reference::integers(&case["frame"]);
            let frame = Frame {
                top,
                left,
                height,
                width,
            };
            let color: [f32; 3] = serde_json::from_value(case["color"].clone()).unwrap();
            let picture = reference::picture(&case);
            let images = Tensor::cat(&[&picture, &picture], 0);
            let found = erased(&images, &[Some(frame), None], color).unwrap();
            reference::compare(&found.narrow(0, 0, 1), &case, 1e-6);
            assert_eq!(found.narrow(0, 1, 1), picture);
        }
    }

    #[test]
    fn rectangles_are_distributed_like_timms() {
        for case in reference::cases("erasing_draws") {
            let [height, width] = reference::integers(&case["size"]);
            let settings: Erasing = serde_json::from_value(case["settings"].clone()).unwrap();
            let mut random = SplitMix64::new(6);
            let all = 20_000;
            let frames: Vec<Frame> = (0..all)
                .filter_map(|_| draw(&settings, (height, width), &mut random))
                .collect();
            let share = frames.len() as f64 / f64::from(all);
            assert!(
                (share - case["share"].as_f64().unwrap()).abs() < 0.015,
                "{share}"
            );
            reference::compare_frames(&frames, &case);
        }
    }
}
