//! Padding on all sides, then a cut of the image's size at a random place: the usual crop of small images.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Augment, PaddingFill};

use super::area::place;
use super::axis::Axis;
use super::draws::Draws;

/// Shifts images `[N, 3, H, W]`.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    let Some(settings) = &augment.padding_crop else {
        return Ok(images.shallow_clone());
    };
    let padding = i64::from(settings.pixels);
    let shifts = draws.of_each(|random| {
        let down = place(random, 2 * padding) - padding;
        (down, place(random, 2 * padding) - padding)
    });
    shifted(images, &shifts, padding, settings.fill)
}

/// Images as they are seen from a window that is shifted down and to the right.
fn shifted(
    images: &Tensor,
    shifts: &[(i64, i64)],
    padding: i64,
    fill: PaddingFill,
) -> Result<Tensor> {
    let (_, _, height, width) = images.size4()?;
    ensure!(
        padding < height.min(width),
        "augment.padding_crop: expected padding below the images' side of {}, found {padding}",
        height.min(width)
    );
    let rows: Vec<i64> = shifts.iter().map(|shift| shift.0).collect();
    let columns: Vec<i64> = shifts.iter().map(|shift| shift.1).collect();
    let images = moved(images, Axis::Rows, height, &rows, fill)?;
    moved(&images, Axis::Columns, width, &columns, fill)
}

fn moved(
    images: &Tensor,
    axis: Axis,
    side: i64,
    shifts: &[i64],
    fill: PaddingFill,
) -> Result<Tensor> {
    let (mut sources, mut inside) = (Vec::new(), Vec::new());
    for shift in shifts {
        for at in 0..side {
            let source = at + shift;
            inside.push((0..side).contains(&source));
            // Mirrored at the border pixel, which is not repeated.
            sources.push((side - 1 - (side - 1 - source.abs()).abs()).abs());
        }
    }
    let device = images.device();
    let upload = |numbers: &Tensor| axis.upload_along(numbers, shifts.len(), device);
    let images = axis.pick(images, &upload(&Tensor::f_from_slice(&sources)?)?)?;
    match fill {
        PaddingFill::Reflect => Ok(images),
        PaddingFill::Zeros => {
            let inside = upload(&Tensor::f_from_slice(&inside)?)?;
            Ok(images.f_mul(&inside.f_to_kind(Kind::Float)?)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn shifts_equal_torchvisions_padding_and_crop() {
        for case in reference::cases("padding_crop") {
            let [padding, top, left] = reference::integers(&case["shift"]);
            let fill = if case["fill"] == "reflect" {
                PaddingFill::Reflect
            } else {
                PaddingFill::Zeros
            };
            let shift = (top - padding, left - padding);
            let found = shifted(&reference::picture(&case), &[shift], padding, fill).unwrap();
            reference::compare(&found, &case, 1e-6);
        }
    }
}
