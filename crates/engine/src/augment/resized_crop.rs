//! A random rectangle of each image, enlarged to the image's size: torchvision's `RandomResizedCrop`.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Augment, ResizedCrop};
use warmstart_schema::seed::SplitMix64;

use super::area::{Frame, Range, rounded};
use super::axis::Axis;
use super::draws::Draws;

/// Crops images `[N, 3, H, W]`.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    let Some(settings) = &augment.resized_crop else {
        return Ok(images.shallow_clone());
    };
    let (_, _, height, width) = images.size4()?;
    let frames = draws.of_each(|random| draw(settings, (height, width), random));
    cropped(images, &frames)
}

/// Draws the frame of one image; the central one where none was found that fits.
fn draw(settings: &ResizedCrop, (height, width): (i64, i64), random: &mut SplitMix64) -> Frame {
    let range = Range {
        min_area: settings.min_area,
        max_area: settings.max_area,
        max_aspect: settings.max_aspect,
    };
    let fits = |crop_height, crop_width| crop_height <= height && crop_width <= width;
    let found = range.draw((height, width), random, fits);
    found.unwrap_or_else(|| central(settings.max_aspect, (height, width)))
}

/// The largest rectangle in the middle whose aspect ratio is allowed.
fn central(max_aspect: f64, (height, width): (i64, i64)) -> Frame {
    let aspect = width as f64 / height as f64;
    let (crop_height, crop_width) = if aspect < 1.0 / max_aspect {
        (rounded(width as f64 * max_aspect), width)
    } else if aspect > max_aspect {
        (height, rounded(height as f64 * max_aspect))
    } else {
        (height, width)
    };
    Frame {
        top: (height - crop_height) / 2,
        left: (width - crop_width) / 2,
        height: crop_height,
        width: crop_width,
    }
}

/// Each image's frame, enlarged to the image's size with bilinear interpolation.
fn cropped(images: &Tensor, frames: &[Frame]) -> Result<Tensor> {
    let (_, _, height, width) = images.size4()?;
    let rows: Vec<(i64, i64)> = frames
        .iter()
        .map(|frame| (frame.top, frame.height))
        .collect();
    let columns: Vec<(i64, i64)> = frames
        .iter()
        .map(|frame| (frame.left, frame.width))
        .collect();
    let images = stretched(images, Axis::Rows, height, &rows)?;
    stretched(&images, Axis::Columns, width, &columns)
}

/// Resizes one range (start, length) of each image to `side` pixels along an axis, with linear interpolation. No range is longer than
/// `side`, so antialiasing would change nothing.
fn stretched(images: &Tensor, axis: Axis, side: i64, parts: &[(i64, i64)]) -> Result<Tensor> {
    let (mut left, mut right, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for &(start, length) in parts {
        for at in 0..side {
            let source = (at as f64 + 0.5) * length as f64 / side as f64 - 0.5;
            let source = source.max(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a position within an image"
            )]
            let before = source.floor() as i64;
            left.push(start + before);
            right.push(start + (before + 1).min(length - 1));
            weights.push(source - before as f64);
        }
    }
    let device = images.device();
    let upload = |numbers: &Tensor| axis.upload_along(numbers, parts.len(), device);
    let weights = upload(&Tensor::f_from_slice(&weights)?)?.f_to_kind(Kind::Float)?;
    let pick = |indices: &[i64]| axis.pick(images, &upload(&Tensor::f_from_slice(indices)?)?);
    Ok(pick(&left)?.f_lerp_tensor(&pick(&right)?, &weights)?)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn crops_equal_torchvisions() {
        for case in reference::cases("resized_crop") {
            let [top, left, height, width] = reference::integers(&case["frame"]);
            let frame = Frame {
                top,
                left,
                height,
                width,
            };
            // The second image keeps its size, even if the crop of the first changes.
            let whole = Frame {
                top: 0,
                left: 0,
                height: 9,
                width: 11,
            };
            let picture = reference::picture(&case);
            let images = Tensor::cat(&[&picture, &picture], 0);
            let found = cropped(&images, &[frame, whole]).unwrap();
            reference::compare(&found.narrow(0, 0, 1), &case, 1e-5);
            assert_eq!(found.narrow(0, 1, 1), picture);
        }
    }

    #[test]
    fn frames_are_distributed_like_torchvisions() {
        for case in reference::cases("resized_crop_draws") {
            let [height, width] = reference::integers(&case["size"]);
            let [min_area, max_area, max_aspect] = reference::numbers(&case["range"]);
            let settings = ResizedCrop {
                min_area,
                max_area,
                max_aspect,
            };
            let mut random = SplitMix64::new(5);
            let frames: Vec<Frame> = (0..20_000)
                .map(|_| draw(&settings, (height, width), &mut random))
                .collect();
            assert!(frames.iter().all(|frame| frame.top >= 0
                && frame.left >= 0
                && frame.top + frame.height <= height
                && frame.left + frame.width <= width));
            reference::compare_frames(&frames, &case);
        }
    }
}
