//! Brightness, contrast, saturation and hue in random order: torchvision's `ColorJitter`.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Augment, ColorJitter};
use warmstart_schema::seed::SplitMix64;

use super::draws::Draws;
use crate::device::upload;

/// One of the changes of an image's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transform {
    Brightness,
    Contrast,
    Saturation,
    Hue,
}

impl Transform {
    const ALL: [Self; 4] = [
        Self::Brightness,
        Self::Contrast,
        Self::Saturation,
        Self::Hue,
    ];

    /// The largest change that the settings allow; 0 leaves this transform out.
    fn strength(self, settings: &ColorJitter) -> f64 {
        match self {
            Self::Brightness => settings.brightness,
            Self::Contrast => settings.contrast,
            Self::Saturation => settings.saturation,
            Self::Hue => settings.hue,
        }
    }

    /// Changes pixels `[n, 3, H, W]`, each image by its amount `[n, 1, 1, 1]`.
    fn apply(self, images: &Tensor, amounts: &Tensor) -> Result<Tensor> {
        match self {
            Self::Brightness => brightness(images, amounts),
            Self::Contrast => contrast(images, amounts),
            Self::Saturation => saturation(images, amounts),
            Self::Hue => hue(images, amounts),
        }
    }
}

/// The changes of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Jitter {
    order: [Transform; 4],
    /// This and the next two are factors: 1 changes nothing.
    brightness: f64,
    contrast: f64,
    saturation: f64,
    /// The turn of the hue, a share of a full turn.
    hue: f64,
}

impl Jitter {
    /// Draws the same numbers whatever the settings, so that a change of one strength changes no other draw.
    fn draw(settings: &ColorJitter, random: &mut SplitMix64) -> Self {
        let mut order = Transform::ALL;
        random.shuffle(&mut order);
        let mut factor = |strength: f64| {
            let (low, high) = ((1.0 - strength).max(0.0), 1.0 + strength);
            low + (high - low) * random.uniform()
        };
        Self {
            order,
            brightness: factor(settings.brightness),
            contrast: factor(settings.contrast),
            saturation: factor(settings.saturation),
            hue: (2.0 * random.uniform() - 1.0) * settings.hue,
        }
    }

    fn amount(&self, transform: Transform) -> f64 {
        match transform {
            Transform::Brightness => self.brightness,
            Transform::Contrast => self.contrast,
            Transform::Saturation => self.saturation,
            Transform::Hue => self.hue,
        }
    }
}

/// Changes the colours of images `[N, 3, H, W]`.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    let Some(settings) = &augment.color_jitter else {
        return Ok(images.shallow_clone());
    };
    let jitters = draws.of_each(|random| Jitter::draw(settings, random));
    jitter(images, &jitters, settings)
}

/// Changes each image in its own order; all images whose next transform is the same are changed together.
fn jitter(images: &Tensor, jitters: &[Jitter], settings: &ColorJitter) -> Result<Tensor> {
    let device = images.device();
    let mut images = images.copy();
    let is_wanted = |transform: &Transform| transform.strength(settings) > 0.0;
    for position in 0..Transform::ALL.len() {
        for transform in Transform::ALL.into_iter().filter(is_wanted) {
            let (amounts, rows): (Vec<f64>, Vec<i64>) = jitters
                .iter()
                .zip(0_i64..)
                .filter(|(jitter, _)| jitter.order[position] == transform)
                .map(|(jitter, row)| (jitter.amount(transform), row))
                .unzip();
            if rows.is_empty() {
                continue;
            }
            let amounts = Tensor::f_from_slice(&amounts)?
                .f_to_kind(Kind::Float)?
                .f_view([-1, 1, 1, 1])?;
            let amounts = upload(&amounts, device)?;
            let rows = upload(&Tensor::f_from_slice(&rows)?, device)?;
            let changed = transform.apply(&images.f_index_select(0, &rows)?, &amounts)?;
            let _ = images.f_index_copy_(0, &rows, &changed)?;
        }
    }
    Ok(images)
}

/// `images * amounts + others * (1 - amounts)`, within 0..1.
fn blend(images: &Tensor, others: &Tensor, amounts: &Tensor) -> Result<Tensor> {
    let rest = others.f_mul(&(1.0 - amounts))?;
    Ok(images.f_mul(amounts)?.f_add(&rest)?.f_clamp(0.0, 1.0)?)
}

/// The luma of each pixel, `[n, 1, H, W]`, by ITU-R BT.601.
fn luma(images: &Tensor) -> Result<Tensor> {
    let channel = |index| images.f_narrow(1, index, 1);
    Ok(channel(0)?
        .f_mul_scalar(0.2989)?
        .f_add(&channel(1)?.f_mul_scalar(0.587)?)?
        .f_add(&channel(2)?.f_mul_scalar(0.114)?)?)
}

fn brightness(images: &Tensor, factors: &Tensor) -> Result<Tensor> {
    Ok(images.f_mul(factors)?.f_clamp(0.0, 1.0)?)
}

fn contrast(images: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let mean = luma(images)?.f_mean_dim(&[1_i64, 2, 3][..], true, Kind::Float)?;
    blend(images, &mean, factors)
}

fn saturation(images: &Tensor, factors: &Tensor) -> Result<Tensor> {
    blend(images, &luma(images)?, factors)
}

/// Turns the hue by shares of a full turn.
fn hue(images: &Tensor, turns: &Tensor) -> Result<Tensor> {
    let hsv = rgb_to_hsv(images)?;
    let hue = hsv.hue.f_add(turns)?.f_remainder(1.0)?;
    hsv_to_rgb(&Hsv { hue, ..hsv })
}

/// Hue as a share of a full turn, saturation and value, each `[n, 1, H, W]` in 0..1.
struct Hsv {
    hue: Tensor,
    saturation: Tensor,
    value: Tensor,
}

/// Of pixels `[n, 3, H, W]` in 0..1; the hue and saturation of gray are 0.
fn rgb_to_hsv(images: &Tensor) -> Result<Hsv> {
    let channel = |index| images.f_narrow(1, index, 1);
    let (red, green, blue) = (channel(0)?, channel(1)?, channel(2)?);
    let (largest, smallest) = (images.f_amax([1], true)?, images.f_amin([1], true)?);
    let range = largest.f_sub(&smallest)?;
    let is_gray = range.f_eq(0.0)?;
    let one = Tensor::f_ones_like(&range)?;
    let saturation = range.f_div(&one.f_where_self(&is_gray, &largest)?)?;
    let divisor = one.f_where_self(&is_gray, &range)?;
    let distance = |channel: &Tensor| largest.f_sub(channel)?.f_div(&divisor);
    let (from_red, from_green, from_blue) = (distance(&red)?, distance(&green)?, distance(&blue)?);
    let is_red = largest.f_eq_tensor(&red)?;
    let is_green = largest
        .f_eq_tensor(&green)?
        .f_logical_and(&is_red.f_logical_not()?)?;
    let by_blue = from_green.f_sub(&from_red)?.f_add_scalar(4.0)?;
    let by_green = from_red.f_sub(&from_blue)?.f_add_scalar(2.0)?;
    let sixths = from_blue
        .f_sub(&from_green)?
        .f_where_self(&is_red, &by_green.f_where_self(&is_green, &by_blue)?)?;
    let hue = sixths
        .f_div_scalar(6.0)?
        .f_add_scalar(1.0)?
        .f_remainder(1.0)?;
    Ok(Hsv {
        hue,
        saturation,
        value: largest,
    })
}

/// Pixels `[n, 3, H, W]` in 0..1.
fn hsv_to_rgb(hsv: &Hsv) -> Result<Tensor> {
    let sixths = hsv.hue.f_mul_scalar(6.0)?;
    let whole = sixths.f_floor()?;
    let part = sixths.f_sub(&whole)?;
    let value = &hsv.value;
    let scaled = |share: &Tensor| {
        hsv.saturation
            .f_mul(share)?
            .f_neg()?
            .f_add_scalar(1.0)?
            .f_mul(value)?
            .f_clamp(0.0, 1.0)
    };
    let low = &scaled(&Tensor::f_ones_like(value)?)?;
    let falling = &scaled(&part)?;
    let rising = &scaled(&(1.0 - &part))?;
    let sector = whole.f_to_kind(Kind::Int64)?.f_remainder(6)?;
    let channel = |of: [&Tensor; 6]| -> Result<Tensor> {
        let all = Tensor::f_cat(&of, 1)?;
        Ok(all.f_gather(1, &sector, false)?)
    };
    let channels = [
        channel([value, falling, low, low, rising, value])?,
        channel([rising, value, value, falling, low, low])?,
        channel([low, low, rising, value, value, falling])?,
    ];
    Ok(Tensor::f_cat(&channels, 1)?)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    /// By its number in torchvision's `ColorJitter`, as the fixtures have it.
    fn transform(number: &serde_json::Value) -> Transform {
        Transform::ALL[usize::try_from(number.as_u64().unwrap()).unwrap()]
    }

    #[test]
    fn each_transform_equals_torchvisions() {
        for case in reference::cases("color") {
            let amount = case["amount"].as_f64().unwrap();
            let amounts = Tensor::from_slice(&[amount])
                .to_kind(Kind::Float)
                .view([-1, 1, 1, 1]);
            let found = transform(&case["kind"])
                .apply(&reference::picture(&case), &amounts)
                .unwrap();
            reference::compare(&found, &case, 1e-5);
        }
    }

    #[test]
    fn each_image_of_a_batch_has_its_own_order_of_transforms() {
        let cases = reference::cases("color_jitter");
        let jitters: Vec<Jitter> = cases
            .iter()
            .map(|case| {
                let order = case["order"].as_array().unwrap();
                let [brightness, contrast, saturation, hue] = reference::numbers(&case["amounts"]);
                Jitter {
                    order: [0, 1, 2, 3].map(|position| transform(&order[position])),
                    brightness,
                    contrast,
                    saturation,
                    hue,
                }
            })
            .collect();
        let pictures: Vec<Tensor> = cases.iter().map(reference::picture).collect();
        let all = ColorJitter {
            brightness: 1.0,
            contrast: 1.0,
            saturation: 1.0,
            hue: 0.5,
        };
        let found = jitter(&Tensor::cat(&pictures, 0), &jitters, &all).unwrap();
        for (row, case) in (0..).zip(&cases) {
            reference::compare(&found.narrow(0, row, 1), case, 2e-5);
        }
    }

    #[test]
    fn factors_stay_in_range_and_all_orders_occur() {
        let settings = ColorJitter {
            brightness: 0.4,
            contrast: 1.5,
            saturation: 0.0,
            hue: 0.1,
        };
        let mut random = SplitMix64::new(8);
        let jitters: Vec<Jitter> = (0..2000)
            .map(|_| Jitter::draw(&settings, &mut random))
            .collect();
        let range = |transform: Transform| {
            let amounts = jitters.iter().map(|jitter| jitter.amount(transform));
            amounts.fold((f64::MAX, f64::MIN), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        };
        let fills = |transform: Transform, (least, most): (f64, f64)| {
            let (low, high) = range(transform);
            let is_in = low >= least && high <= most;
            assert!(
                is_in && low < least + 0.01 && high > most - 0.01,
                "{low} {high}"
            );
        };
        fills(Transform::Brightness, (0.6, 1.4));
        // A contrast below 0 has no meaning.
        fills(Transform::Contrast, (0.0, 2.5));
        assert_eq!(range(Transform::Saturation), (1.0, 1.0));
        fills(Transform::Hue, (-0.1, 0.1));
        let orders: std::collections::BTreeSet<_> =
            jitters.iter().map(|jitter| jitter.order).collect();
        assert_eq!(orders.len(), 24);
    }
}
