//! Pillow's `ImageEnhance`: each operation mixes an image with a poorer one, which is gray, of one lightness, black or smooth.

use super::picture::Picture;

/// Replaces a byte of the image by the mix: at a factor of 0 the poorer one's, at 1 the image's, above 1 further away from the
/// poorer one's. Pillow computes in float32.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the range of bytes"
)]
fn blend(byte: &mut u8, poorer: u8, factor: f32) {
    let (from, to) = (f32::from(poorer), f32::from(*byte));
    *byte = (from + factor * (to - from)).clamp(0.0, 255.0) as u8;
}

#[expect(clippy::cast_possible_truncation, reason = "Pillow takes a float32")]
fn single(factor: f64) -> f32 {
    factor as f32
}

/// More or less colourful.
pub(super) fn color(picture: &mut Picture, factor: f64) {
    let gray = picture.gray();
    for plane in picture.planes_mut() {
        for (byte, &gray) in plane.iter_mut().zip(&gray) {
            blend(byte, gray, single(factor));
        }
    }
}

/// More or less contrast around the mean lightness.
pub(super) fn contrast(picture: &mut Picture, factor: f64) {
    let gray = picture.gray();
    let sum: u64 = gray.iter().map(|&byte| u64::from(byte)).sum();
    let mean = super::lookup::truncated(sum as f64 / gray.len().max(1) as f64 + 0.5);
    for byte in picture.bytes_mut() {
        blend(byte, mean, single(factor));
    }
}

/// Lighter or darker.
pub(super) fn brightness(picture: &mut Picture, factor: f64) {
    for byte in picture.bytes_mut() {
        blend(byte, 0, single(factor));
    }
}

/// Sharper or smoother.
pub(super) fn sharpness(picture: &mut Picture, factor: f64) {
    let (height, width) = (picture.height(), picture.width());
    for plane in picture.planes_mut() {
        let smooth = smoothed(plane, height, width);
        for (byte, &smooth) in plane.iter_mut().zip(&smooth) {
            blend(byte, smooth, single(factor));
        }
    }
}

/// Each pixel as a mean of itself, five times, and its eight neighbours; pixels at the border stay.
fn smoothed(plane: &[u8], height: usize, width: usize) -> Vec<u8> {
    let mut smooth = plane.to_vec();
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let at = y * width + x;
            let rows = [at - width, at, at + width];
            let all = rows.iter().flat_map(|&row| &plane[row - 1..=row + 1]);
            let sum: u32 = all.map(|&byte| u32::from(byte)).sum();
            let sum = sum + 4 * u32::from(plane[at]);
            // To the nearest; a half cannot occur.
            smooth[at] = u8::try_from((2 * sum + 13) / 26).unwrap_or(u8::MAX);
        }
    }
    smooth
}
