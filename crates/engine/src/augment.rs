//! Random changes of a whole batch, on its device. The draws depend on the seed alone, so CPU and GPU see the same images. One
//! file per operation.

mod affine;

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::experiment::Augment;
use warmstart_schema::seed::SplitMix64;

struct Operation {
    /// The name of the random stream, `augment.<name>`. Each operation has another, so that a new one does not change the others.
    stream: &'static str,
    /// Changes images that are the rows of a batch from a given one on.
    apply: fn(&Tensor, &Augment, SplitMix64, usize) -> Result<Tensor>,
}

/// In the order in which they are applied. A new operation is a file and a row here.
const OPERATIONS: [Operation; 1] = [Operation {
    stream: "augment",
    apply: affine::apply,
}];

/// Augments float images `[N, 3, H, W]`, each by its own draw. `seed` gives the seed of each random stream by its name.
pub fn augment(
    images: &Tensor,
    settings: &Augment,
    seed: impl Fn(&'static str) -> u64,
) -> Result<Tensor> {
    rows(images, settings, seed, 0)
}

/// Augments one float image `[1, 3, H, W]` as it would be in place `row` of a batch, counted from 0.
pub fn augment_alone(
    image: &Tensor,
    settings: &Augment,
    seed: impl Fn(&'static str) -> u64,
    row: usize,
) -> Result<Tensor> {
    let (count, ..) = image.size4()?;
    ensure!(count == 1, "expected one image, found {count}");
    rows(image, settings, seed, row)
}

fn rows(
    images: &Tensor,
    settings: &Augment,
    seed: impl Fn(&'static str) -> u64,
    first: usize,
) -> Result<Tensor> {
    ensure!(
        images.kind() == Kind::Float,
        "images to augment must be float32, not {:?}",
        images.kind()
    );
    OPERATIONS
        .iter()
        .try_fold(images.shallow_clone(), |images, operation| {
            let random = SplitMix64::new(seed(operation.stream));
            (operation.apply)(&images, settings, random, first)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_identity_changes_nothing() {
        let images = Tensor::rand([6, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
        let settings = Augment::EVERY;
        let run = |seed| augment(&images, &settings, |_| seed).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert_ne!(run(1), images);
        assert_eq!(
            augment(&images, &Augment::default(), |_| 1).unwrap(),
            images
        );
    }

    #[test]
    fn an_image_alone_changes_as_it_does_in_its_batch() {
        let images = Tensor::rand([6, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
        for settings in [
            Augment::EVERY,
            Augment {
                horizontal_flip: true,
                ..Augment::default()
            },
            Augment::default(),
        ] {
            let batch = augment(&images, &settings, |_| 9).unwrap();
            for row in 0..6 {
                let alone = augment_alone(
                    &images.narrow(0, row, 1),
                    &settings,
                    |_| 9,
                    usize::try_from(row).unwrap(),
                );
                assert_eq!(alone.unwrap(), batch.narrow(0, row, 1), "{settings:?}");
            }
        }
    }
}
