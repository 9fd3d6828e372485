//! Brightness, contrast, saturation and hue in random order: torchvision's `ColorJitter`.

use anyhow::Result;
use tch::{Kind, Tensor};
use warmstart_schema::experiment::{Augment, ColorJitter};
use warmstart_schema::seed::SplitMix64;

/// What one image's colours become.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    /// The changes in their order, as places in [`CHANGES`].
    order: [usize; 4],
    /// Factors of brightness, contrast and saturation, and the turn of the hue.
    amounts: [f64; 4],
}

/// Changes pixels `[n, 3, H, W]`, each image by its amount `[n, 1, 1, 1]`.
const CHANGES: [fn(&Tensor, &Tensor) -> Result<Tensor>; 4] =
    [brightness, contrast, saturation, hue];

impl Change {
    /// Draws the same numbers whatever the settings.
    fn draw(settings: &ColorJitter, random: &mut SplitMix64) -> Self {
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        let mut factor = |strength: f64| {
            let (low, high) = ((1.0 - strength).max(0.0), 1.0 + strength);
            low + (high - low) * random.uniform()
        };
        let factors = [
            factor(settings.brightness),
            factor(settings.contrast),
            factor(settings.saturation),
        ];
        let turn = (2.0 * random.uniform() - 1.0) * settings.hue;
        let [brightness, contrast, saturation] = factors;
        Self {
            order,
            amounts: [brightness, contrast, saturation, turn],
        }
    }
}

/// Changes the colours of images `[N, 3, H, W]`, which are the rows of a batch from `first` on.
pub(super) fn apply(
    images: &Tensor,
    augment: &Augment,
    mut random: SplitMix64,
    first: usize,
) -> Result<Tensor> {
    let Some(settings) = &augment.color_jitter else {
        return Ok(images.shallow_clone());
    };
    let rows = first + usize::try_from(images.size4()?.0)?;
    let changes: Vec<Change> = (0..rows)
        .map(|_| Change::draw(settings, &mut random))
        .collect();
    let strengths = [
        settings.brightness,
        settings.contrast,
        settings.saturation,
        settings.hue,
    ];
    changed(
        images,
        &changes[first..],
        strengths.map(|strength| strength > 0.0),
    )
}

fn changed(images: &Tensor, changes: &[Change], wanted: [bool; 4]) -> Result<Tensor> {
    let device = images.device();
    let mut images = images.copy();
    for position in 0..4 {
        for (kind, change) in CHANGES.iter().enumerate().filter(|(kind, _)| wanted[*kind]) {
            let chosen = changes.iter().zip(0_i64..);
            let chosen = chosen.filter(|(change, _)| change.order[position] == kind);
            let (amounts, rows): (Vec<f64>, Vec<i64>) = chosen
                .map(|(change, row)| (change.amounts[kind], row))
                .unzip();
            if rows.is_empty() {
                continue;
            }
            let amounts = Tensor::f_from_slice(&amounts)?
                .f_to_kind(Kind::Float)?
                .f_view([-1, 1, 1, 1])?
                .f_to_device(device)?;
            let rows = Tensor::f_from_slice(&rows)?.f_to_device(device)?;
            let after = change(&images.f_index_select(0, &rows)?, &amounts)?;
            images = images.f_index_copy(0, &rows, &after)?;
        }
    }
    Ok(images)
}

/// `images * amounts + others * (1 - amounts)`, within 0..1.
fn blend(images: &Tensor, others: &Tensor, amounts: &Tensor) -> Result<Tensor> {
    let rest = others.f_mul(&(1.0 - amounts))?;
    Ok(images.f_mul(amounts)?.f_add(&rest)?.f_clamp(0.0, 1.0)?)
}

/// The lightness of each pixel, `[n, 1, H, W]`.
fn gray(images: &Tensor) -> Result<Tensor> {
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
    let mean = gray(images)?.f_mean_dim(&[1_i64, 2, 3][..], true, Kind::Float)?;
    blend(images, &mean, factors)
}

fn saturation(images: &Tensor, factors: &Tensor) -> Result<Tensor> {
    blend(images, &gray(images)?, factors)
}

/// Turns the hue by shares of a full turn, by way of HSV.
fn hue(images: &Tensor, turns: &Tensor) -> Result<Tensor> {
    let [red, green, blue] = [0, 1, 2].map(|index| images.narrow(1, index, 1));
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
    let sector = from_blue
        .f_sub(&from_green)?
        .f_where_self(&is_red, &by_green.f_where_self(&is_green, &by_blue)?)?;
    // A share of a full turn, in 0..1.
    let hue = sector
        .f_div_scalar(6.0)?
        .f_add_scalar(1.0)?
        .f_remainder(1.0)?;
    let turned = hue.f_add(turns)?.f_remainder(1.0)?.f_mul_scalar(6.0)?;
    let whole = turned.f_floor()?;
    let part = turned.f_sub(&whole)?;
    let value = largest;
    let scaled = |share: &Tensor| {
        saturation
            .f_mul(share)?
            .f_neg()?
            .f_add_scalar(1.0)?
            .f_mul(&value)?
            .f_clamp(0.0, 1.0)
    };
    let low = scaled(&one)?;
    let falling = scaled(&part)?;
    let rising = scaled(&(1.0 - &part))?;
    let sector = whole.f_to_kind(Kind::Int64)?.f_remainder(6)?;
    let channel = |of: [&Tensor; 6]| -> Result<Tensor> {
        let all = Tensor::f_cat(&of, 1)?;
        Ok(all.f_gather(1, &sector, false)?)
    };
    let channels = [
        channel([&value, &falling, &low, &low, &rising, &value])?,
        channel([&rising, &value, &value, &falling, &low, &low])?,
        channel([&low, &low, &rising, &value, &value, &falling])?,
    ];
    Ok(Tensor::f_cat(&channels, 1)?)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn each_change_equals_torchvisions() {
        for case in reference::cases("color") {
            let kind = usize::try_from(case["kind"].as_u64().unwrap()).unwrap();
            let amount = case["amount"].as_f64().unwrap();
            let amounts = Tensor::from_slice(&[amount])
                .to_kind(Kind::Float)
                .view([-1, 1, 1, 1]);
            let found = CHANGES[kind](&reference::picture(&case), &amounts).unwrap();
            reference::compare(&found, &case, 1e-5);
        }
    }

    #[test]
    fn each_image_of_a_batch_has_its_own_order_of_changes() {
        let cases = reference::cases("color_jitter");
        let changes: Vec<Change> = cases
            .iter()
            .map(|case| Change {
                order: serde_json::from_value(case["order"].clone()).unwrap(),
                amounts: reference::numbers(&case["amounts"]),
            })
            .collect();
        let pictures: Vec<Tensor> = cases.iter().map(reference::picture).collect();
        let found = changed(&Tensor::cat(&pictures, 0), &changes, [true; 4]).unwrap();
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
        let changes: Vec<Change> = (0..2000)
            .map(|_| Change::draw(&settings, &mut random))
            .collect();
        let range = |index: usize| {
            let amounts = changes.iter().map(|change| change.amounts[index]);
            amounts.fold((f64::MAX, f64::MIN), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        };
        let near = |(low, high): (f64, f64), (least, most): (f64, f64)| {
            low >= least && high <= most && low < least + 0.01 && high > most - 0.01
        };
        assert!(near(range(0), (0.6, 1.4)), "{:?}", range(0));
        // A contrast below 0 has no meaning.
        assert!(near(range(1), (0.0, 2.5)), "{:?}", range(1));
        assert_eq!(range(2), (1.0, 1.0));
        assert!(near(range(3), (-0.1, 0.1)), "{:?}", range(3));
        let orders: std::collections::BTreeSet<_> =
            changes.iter().map(|change| change.order).collect();
        assert_eq!(orders.len(), 24);
    }
}
