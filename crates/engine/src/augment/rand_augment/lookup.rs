//! Point operations of Pillow's `ImageOps`: each new byte depends only on the old one.

use super::picture::Picture;

/// Replaces every byte by the value of `of`, through a table.
pub(super) fn apply_table(picture: &mut Picture, of: impl Fn(u8) -> u8) {
    let table: Vec<u8> = (0..=u8::MAX).map(of).collect();
    for byte in picture.bytes_mut() {
        *byte = table[usize::from(*byte)];
    }
}

/// Keeps the `bits` highest bits of each byte.
pub(super) fn posterize(picture: &mut Picture, bits: u16) {
    let dropped = 8 - u32::from(bits.min(8));
    let mask = u8::MAX.checked_shl(dropped).unwrap_or(0);
    apply_table(picture, |value| value & mask);
}

/// Inverts the values from a threshold on.
pub(super) fn solarize(picture: &mut Picture, threshold: u16) {
    apply_table(picture, |value| {
        if u16::from(value) < threshold {
            value
        } else {
            255 - value
        }
    });
}

/// Adds to the darker half of the values.
pub(super) fn solarize_add(picture: &mut Picture, add: u16) {
    apply_table(picture, |value| {
        if value < 128 {
            u8::try_from(u16::from(value) + add).unwrap_or(u8::MAX)
        } else {
            value
        }
    });
}

fn histogram(plane: &[u8]) -> [usize; 256] {
    let mut counts = [0; 256];
    for &byte in plane {
        counts[usize::from(byte)] += 1;
    }
    counts
}

/// Stretches each plane so that its darkest value is 0 and its lightest 255.
pub(super) fn auto_contrast(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let (Some(&low), Some(&high)) = (plane.iter().min(), plane.iter().max()) else {
            continue;
        };
        if high <= low {
            continue;
        }
        let scale = 255.0 / f64::from(high - low);
        let offset = -f64::from(low) * scale;
        for byte in plane {
            let value = f64::from(*byte) * scale + offset;
            *byte = truncated(value);
        }
    }
}

/// Makes all values of each plane about equally frequent.
pub(super) fn equalize(picture: &mut Picture) {
    for plane in picture.planes_mut() {
        let counts = histogram(plane);
        let Some(&last) = counts.iter().rev().find(|&&count| count > 0) else {
            continue;
        };
        let step = (plane.len() - last) / 255;
        if step == 0 {
            continue;
        }
        let mut sum = step / 2;
        let table = counts.map(|count| {
            let value = u8::try_from(sum / step).unwrap_or(u8::MAX);
            sum += count;
            value
        });
        for byte in plane {
            *byte = table[usize::from(*byte)];
        }
    }
}

/// A number within the range of bytes, without its fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the range"
)]
pub(super) fn truncated(value: f64) -> u8 {
    value.clamp(0.0, 255.0) as u8
}
