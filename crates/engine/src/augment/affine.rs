//! Rotation, zoom and mirroring as one affine map of each image.
//!
//! The three draw from one stream, as they always have: a stream for each would change the pictures of every old seed.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::experiment::Augment;
use warmstart_schema::seed::SplitMix64;

use super::draws::Draws;
use crate::device::upload;

/// The numbers of libtorch's `GridSamplerInterpolation` and `GridSamplerPadding`.
const BILINEAR: i64 = 0;
const REFLECTION: i64 = 2;

/// How one image changes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    /// Radians, counter-clockwise as seen.
    angle: f64,
    /// Above 1 the content becomes smaller, and more of the surroundings shows.
    scale: f64,
    /// Left and right change places.
    mirrored: bool,
}

impl Change {
    /// Draws the same three numbers whatever the settings, so that switching one on leaves the others' draws alone.
    fn draw(augment: &Augment, random: &mut SplitMix64) -> Self {
        let mut symmetric = || 2.0 * random.uniform() - 1.0;
        let (angle, scale) = (
            symmetric() * augment.rotation.to_radians(),
            1.0 + symmetric() * augment.zoom,
        );
        Self {
            angle,
            scale,
            mirrored: random.uniform() < 0.5 && augment.horizontal_flip,
        }
    }

    /// The 2×3 matrix, row by row, that maps each output position to the input position it shows. Positions run from -1 to 1 along each
    /// side, so the ratio of the sides turns angles in pixels into angles between positions.
    fn matrix(self, width: f64, height: f64) -> [f64; 6] {
        let (sin, cos) = self.angle.sin_cos();
        let flip = if self.mirrored { -1.0 } else { 1.0 };
        let Self { scale, .. } = self;
        [
            flip * scale * cos,
            -flip * scale * sin * height / width,
            0.0,
            scale * sin * width / height,
            scale * cos,
            0.0,
        ]
    }
}

/// Turns, mirrors and zooms images `[N, 3, H, W]`. Beyond its border a picture is reflected, as in Keras.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    if augment.rotation == 0.0 && augment.zoom == 0.0 && !augment.horizontal_flip {
        return Ok(images.shallow_clone());
    }
    let changes = draws.of_each(|random| Change::draw(augment, random));
    if augment.rotation == 0.0 && augment.zoom == 0.0 {
        return mirror(images, &changes);
    }
    let (count, channels, height, width) = images.size4()?;
    let theta: Vec<f64> = changes
        .iter()
        .flat_map(|change| change.matrix(width as f64, height as f64))
        .collect();
    let theta = Tensor::f_from_slice(&theta)?
        .f_view([count, 2, 3])?
        .f_to_kind(Kind::Float)?;
    let theta = upload(&theta, images.device())?;
    tch::no_grad(|| {
        let grid =
            Tensor::f_affine_grid_generator(&theta, [count, channels, height, width], false)?;
        Ok(images.f_grid_sampler(&grid, BILINEAR, REFLECTION, false)?)
    })
}

/// Mirroring alone moves whole pixels and needs no interpolation.
fn mirror(images: &Tensor, changes: &[Change]) -> Result<Tensor> {
    let mirrored: Vec<bool> = changes.iter().map(|change| change.mirrored).collect();
    let mirrored = Tensor::f_from_slice(&mirrored)?.f_view([-1, 1, 1, 1])?;
    let mirrored = upload(&mirrored, images.device())?;
    Ok(images.f_flip([3])?.f_where_self(&mirrored, images)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3×3 picture, row by row, repeated in three channels.
    fn picture(pixels: [f32; 9]) -> Tensor {
        Tensor::from_slice(&pixels)
            .view([1, 1, 3, 3])
            .repeat([1, 3, 1, 1])
    }

    fn apply(image: &Tensor, change: Change) -> Tensor {
        let theta = Tensor::from_slice(&change.matrix(3.0, 3.0))
            .view([1, 2, 3])
            .to_kind(Kind::Float);
        let grid = Tensor::affine_grid_generator(&theta, [1, 3, 3, 3], false);
        image.grid_sampler(&grid, BILINEAR, REFLECTION, false)
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.allclose(b, 1e-5, 1e-5, false)
    }

    const PIXELS: [f32; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    const STILL: Change = Change {
        angle: 0.0,
        scale: 1.0,
        mirrored: false,
    };

    #[test]
    fn a_quarter_turn_goes_counter_clockwise() {
        let turned = apply(
            &picture(PIXELS),
            Change {
                angle: std::f64::consts::FRAC_PI_2,
                ..STILL
            },
        );
        assert!(
            close(
                &turned,
                &picture([3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0])
            ),
            "{turned}"
        );
    }

    #[test]
    fn mirroring_through_the_grid_and_by_pixels_agree() {
        let mirrored = Change {
            mirrored: true,
            ..STILL
        };
        let expected = picture([3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0]);
        assert!(close(&apply(&picture(PIXELS), mirrored), &expected));
        assert_eq!(mirror(&picture(PIXELS), &[mirrored]).unwrap(), expected);
        assert_eq!(mirror(&picture(PIXELS), &[STILL]).unwrap(), picture(PIXELS));
    }

    #[test]
    fn zoom_in_magnifies_the_centre_and_zoom_out_reflects_the_border() {
        let point = picture([0.0, 0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
        // Half the field of view: the neighbours are half a pixel from the centre.
        let near = apply(
            &point,
            Change {
                scale: 0.5,
                ..STILL
            },
        );
        assert!(
            close(
                &near,
                &picture([2.0, 4.0, 2.0, 4.0, 8.0, 4.0, 2.0, 4.0, 2.0])
            ),
            "{near}"
        );
        // Twice the field of view: two pixels from the centre is the border pixel again, reflected.
        let far = apply(
            &picture(PIXELS),
            Change {
                scale: 2.0,
                ..STILL
            },
        );
        assert!(close(&far, &picture(PIXELS)), "{far}");
    }

    #[test]
    fn rotation_keeps_its_angle_in_pictures_that_are_not_square() {
        let matrix = Change {
            angle: 0.3,
            ..STILL
        }
        .matrix(40.0, 20.0);
        // One pixel to the right, as a share of half a side; the result is in pixels again.
        let right = 1.0 / 20.0;
        let (across, down) = (matrix[0] * right * 20.0, matrix[3] * right * 10.0);
        assert!((across - 0.3_f64.cos()).abs() < 1e-12 && (down - 0.3_f64.sin()).abs() < 1e-12);
        // One pixel down.
        let below = 1.0 / 10.0;
        let (across, down) = (matrix[1] * below * 20.0, matrix[4] * below * 10.0);
        assert!((across + 0.3_f64.sin()).abs() < 1e-12 && (down - 0.3_f64.cos()).abs() < 1e-12);
    }

    #[test]
    fn draws_stay_in_range_and_are_independent_of_other_settings() {
        let all = Augment {
            rotation: 15.0,
            horizontal_flip: true,
            zoom: 0.1,
            ..Augment::NONE
        };
        let draw = |augment: &Augment| {
            let mut random = SplitMix64::new(3);
            (0..500)
                .map(|_| Change::draw(augment, &mut random))
                .collect::<Vec<_>>()
        };
        let (changes, flips) = (
            draw(&all),
            draw(&Augment {
                rotation: 0.0,
                zoom: 0.0,
                ..all.clone()
            }),
        );
        assert!(
            changes
                .iter()
                .all(|c| c.angle.abs() <= 15_f64.to_radians() && (c.scale - 1.0).abs() <= 0.1)
        );
        assert!(changes.iter().any(|c| c.angle > 0.2) && changes.iter().any(|c| c.angle < -0.2));
        assert!(
            changes
                .iter()
                .zip(&flips)
                .all(|(a, b)| a.mirrored == b.mirrored)
        );
        assert!((200..300).contains(&changes.iter().filter(|c| c.mirrored).count()));
    }
}
