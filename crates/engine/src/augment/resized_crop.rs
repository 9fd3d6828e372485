//! A random rectangle of each image, enlarged to the image's size: torchvision's `RandomResizedCrop`.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use warmstart_schema::experiment::{Augment, ResizedCrop};
use warmstart_schema::seed::SplitMix64;

use super::area::{Frame, Range, rounded};

/// Crops images `[N, 3, H, W]`, which are the rows of a batch from `first` on.
pub(super) fn apply(
    images: &Tensor,
    augment: &Augment,
    mut random: SplitMix64,
    first: usize,
) -> Result<Tensor> {
    let Some(settings) = &augment.resized_crop else {
        return Ok(images.shallow_clone());
    };
    let (count, _, height, width) = images.size4()?;
    let frames: Vec<Frame> = (0..first + usize::try_from(count)?)
        .map(|_| draw(settings, (height, width), &mut random))
        .collect();
    cropped(images, &frames[first..])
}

fn draw(settings: &ResizedCrop, (height, width): (i64, i64), random: &mut SplitMix64) -> Frame {
    let range = Range {
        min_area: settings.min_area,
        max_area: settings.max_area,
        max_aspect: settings.max_aspect,
    };
    let found = range.draw((height, width), random, |high, wide| {
        high <= height && wide <= width
    });
    found.unwrap_or_else(|| central(settings.max_aspect, (height, width)))
}

/// The largest rectangle in the middle that is not too long.
fn central(max_aspect: f64, (height, width): (i64, i64)) -> Frame {
    let aspect = width as f64 / height as f64;
    let (high, wide) = if aspect < 1.0 / max_aspect {
        (rounded(width as f64 * max_aspect), width)
    } else if aspect > max_aspect {
        (height, rounded(height as f64 * max_aspect))
    } else {
        (height, width)
    };
    Frame {
        top: (height - high) / 2,
        left: (width - wide) / 2,
        height: high,
        width: wide,
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
    let images = stretched(images, 2, height, &rows)?;
    stretched(&images, 3, width, &columns)
}

/// Stretches a part of each image to `side` pixels along a dimension; the parts have a start and a length.
fn stretched(images: &Tensor, dim: i64, side: i64, parts: &[(i64, i64)]) -> Result<Tensor> {
    let (mut low, mut high, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for &(start, length) in parts {
        for at in 0..side {
            let source = (at as f64 + 0.5) * length as f64 / side as f64 - 0.5;
            let source = source.max(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a position within an image"
            )]
            let before = source.floor() as i64;
            low.push(start + before);
            high.push(start + (before + 1).min(length - 1));
            shares.push(source - before as f64);
        }
    }
    let device = images.device();
    let shares = along(&Tensor::f_from_slice(&shares)?, dim, parts.len(), device)?;
    let shares = shares.f_to_kind(Kind::Float)?;
    let pick = |indices: &[i64]| {
        taken(
            images,
            dim,
            &along(&Tensor::f_from_slice(indices)?, dim, parts.len(), device)?,
        )
    };
    Ok(pick(&low)?.f_lerp_tensor(&pick(&high)?, &shares)?)
}

/// Numbers of each image, one for each place along a dimension, in a shape that fits images.
pub(super) fn along(numbers: &Tensor, dim: i64, images: usize, device: Device) -> Result<Tensor> {
    let mut shape = [i64::try_from(images)?, 1, 1, 1];
    shape[usize::try_from(dim)?] = -1;
    Ok(numbers.f_view(shape)?.f_to_device(device)?)
}

/// The rows or columns of each image that the indices name.
pub(super) fn taken(images: &Tensor, dim: i64, indices: &Tensor) -> Result<Tensor> {
    let (count, channels, height, width) = images.size4()?;
    let side = indices.size()[usize::try_from(dim)?];
    let shape = if dim == 2 {
        [count, channels, side, width]
    } else {
        [count, channels, height, side]
    };
    Ok(images.f_gather(dim, &indices.f_expand(shape, false)?, false)?)
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
