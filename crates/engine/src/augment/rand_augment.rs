//! A few random changes of each image, as timm's `rand-m9-mstd0.5-inc1` makes them (Cubuk et al. 2020): Pillow's operations on
//! bytes, to the last bit. They run on the CPU, an image at a time, on as many threads as libtorch has.

mod enhance;
mod geometry;
mod lookup;
mod picture;

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use warmstart_schema::experiment::{Augment, RandAugment};
use warmstart_schema::seed::SplitMix64;

use self::geometry::Affine;
use self::picture::Picture;
use super::draws::Draws;
use crate::device::upload;

/// The magnitude at which an operation changes an image the most.
const LARGEST: f64 = 10.0;

/// What can happen to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
}

impl Operation {
    /// In timm's order.
    const ALL: [Self; 15] = [
        Self::AutoContrast,
        Self::Equalize,
        Self::Invert,
        Self::Rotate,
        Self::Posterize,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Color,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];
}

/// One change of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Change {
    operation: Operation,
    /// From 0 to [`LARGEST`].
    magnitude: f64,
    /// Turns the other way, or takes away instead of adding.
    is_negative: bool,
    /// Whether positions between pixels are interpolated bicubically, else bilinearly.
    is_cubic: bool,
}

impl Change {
    /// `None` where nothing happens. Draws the same numbers whatever the outcome.
    fn draw(settings: &RandAugment, random: &mut SplitMix64) -> Option<Self> {
        let choice = random.below(Operation::ALL.len() as u64);
        let happens = random.uniform() < settings.probability;
        // Normal, by Box and Muller 1958; one minus a number below one is never zero.
        let radius = (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.uniform()).cos();
        let magnitude = settings.magnitude + settings.deviation * normal;
        let change = Self {
            operation: Operation::ALL[usize::try_from(choice).unwrap_or(0)],
            magnitude: magnitude.clamp(0.0, LARGEST),
            is_negative: random.uniform() < 0.5,
            is_cubic: random.uniform() < 0.5,
        };
        happens.then_some(change)
    }

    /// The magnitude as a share of the largest.
    fn share(self) -> f64 {
        self.magnitude / LARGEST
    }

    fn signed(self, amount: f64) -> f64 {
        if self.is_negative { -amount } else { amount }
    }

    /// A factor of 1 changes nothing.
    fn factor(self) -> f64 {
        (1.0 + self.signed(self.share() * 0.9)).max(0.1)
    }

    /// A share of a whole number, rounded down.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 256"
    )]
    fn whole(self, of: u16) -> u16 {
        (self.share() * f64::from(of)) as u16
    }

    fn apply(self, picture: &mut Picture) {
        let affine = |matrix| Affine {
            matrix,
            is_cubic: self.is_cubic,
        };
        let (width, height) = (picture.width() as f64, picture.height() as f64);
        match self.operation {
            Operation::AutoContrast => lookup::auto_contrast(picture),
            Operation::Equalize => lookup::equalize(picture),
            Operation::Invert => lookup::apply_table(picture, |value| 255 - value),
            Operation::Posterize => lookup::posterize(picture, 4 - self.whole(4)),
            Operation::Solarize => lookup::solarize(picture, 256 - self.whole(256)),
            Operation::SolarizeAdd => lookup::solarize_add(picture, self.whole(110)),
            Operation::Color => enhance::color(picture, self.factor()),
            Operation::Contrast => enhance::contrast(picture, self.factor()),
            Operation::Brightness => enhance::brightness(picture, self.factor()),
            Operation::Sharpness => enhance::sharpness(picture, self.factor()),
            Operation::Rotate => {
                let degrees = self.signed(self.share() * 30.0);
                let matrix = geometry::rotation(degrees, width, height);
                affine(matrix).apply(picture);
            }
            Operation::ShearX => {
                let shear = self.signed(self.share() * 0.3);
                affine([1.0, shear, 0.0, 0.0, 1.0, 0.0]).apply(picture);
            }
            Operation::ShearY => {
                let shear = self.signed(self.share() * 0.3);
                affine([1.0, 0.0, 0.0, shear, 1.0, 0.0]).apply(picture);
            }
            Operation::TranslateX => {
                let pixels = self.signed(self.share() * 0.45) * width;
                affine([1.0, 0.0, pixels, 0.0, 1.0, 0.0]).apply(picture);
            }
            Operation::TranslateY => {
                let pixels = self.signed(self.share() * 0.45) * height;
                affine([1.0, 0.0, 0.0, 0.0, 1.0, pixels]).apply(picture);
            }
        }
    }
}

/// Changes images `[N, 3, H, W]`. Pixels of changed images become whole 255ths.
pub(super) fn apply(images: &Tensor, augment: &Augment, draws: Draws) -> Result<Tensor> {
    let Some(settings) = &augment.rand_augment else {
        return Ok(images.shallow_clone());
    };
    let all = draws.of_each(|random| {
        let changes = (0..settings.operations).filter_map(|_| Change::draw(settings, random));
        changes.collect::<Vec<Change>>()
    });
    changed(images, &all)
}

fn changed(images: &Tensor, changes: &[Vec<Change>]) -> Result<Tensor> {
    let chosen = (0_i64..).zip(changes).filter(|(_, all)| !all.is_empty());
    let (rows, changes): (Vec<i64>, Vec<&Vec<Change>>) = chosen.unzip();
    if rows.is_empty() {
        return Ok(images.shallow_clone());
    }
    let (_, channels, height, width) = images.size4()?;
    let rows = upload(&Tensor::f_from_slice(&rows)?, images.device())?;
    let bytes = images
        .f_index_select(0, &rows)?
        .f_mul_scalar(255.0)?
        .f_round()?
        .f_clamp(0.0, 255.0)?
        .f_to_kind(Kind::Uint8)?
        .f_to_device(Device::Cpu)?
        .f_contiguous()?;
    let mut pixels = vec![0_u8; bytes.numel()];
    bytes.f_copy_data(&mut pixels, bytes.numel())?;
    let size = (usize::try_from(height)?, usize::try_from(width)?);
    change_all(&mut pixels, size, &changes);
    let shape = [i64::try_from(changes.len())?, channels, height, width];
    let after = Tensor::f_from_slice(&pixels)?.f_view(shape)?;
    let after = upload(&after, images.device())?
        .f_to_kind(Kind::Float)?
        .f_div_scalar(255.0)?;
    Ok(images.f_index_copy(0, &rows, &after)?)
}

/// Changes pictures that lie one behind the other. Each is changed alone, so the number of threads does not matter.
fn change_all(pixels: &mut [u8], (height, width): (usize, usize), changes: &[&Vec<Change>]) {
    let each = 3 * height * width;
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let share = changes.len().div_ceil(threads).max(1);
    let change = |pixels: &mut [u8], changes: &[&Vec<Change>]| {
        for (bytes, changes) in pixels.chunks_exact_mut(each).zip(changes) {
            let mut picture = Picture::new(bytes, (height, width));
            changes.iter().for_each(|one| one.apply(&mut picture));
        }
    };
    std::thread::scope(|scope| {
        let parts = pixels.chunks_mut(each * share).zip(changes.chunks(share));
        for (pixels, changes) in parts {
            scope.spawn(move || change(pixels, changes));
        }
    });
}

#[cfg(test)]
mod tests;
