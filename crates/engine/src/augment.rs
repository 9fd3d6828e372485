//! Random changes of a whole batch, on its device. The draws depend on the seed alone, so CPU and GPU see the same images. One
//! file per operation.

mod affine;
mod area;
mod axis;
mod color_jitter;
mod draws;
mod erasing;
mod padding_crop;
mod rand_augment;
#[cfg(test)]
mod reference;
mod resized_crop;

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::experiment::Augment;
use warmstart_schema::seed::SplitMix64;

use self::draws::Draws;

struct Operation {
    /// The name of the random stream: `augment.<name>`, or `augment` for the affine map, whose stream is the oldest. Each operation has
    /// its own, so that a new one does not change what the others draw.
    stream: &'static str,
    apply: fn(&Tensor, &Augment, Draws) -> Result<Tensor>,
}

/// In the order in which they are applied. A new operation is a file and a row here.
const OPERATIONS: [Operation; 6] = [
    Operation {
        stream: "augment.resized_crop",
        apply: resized_crop::apply,
    },
    Operation {
        stream: "augment.padding_crop",
        apply: padding_crop::apply,
    },
    Operation {
        stream: "augment",
        apply: affine::apply,
    },
    Operation {
        stream: "augment.rand_augment",
        apply: rand_augment::apply,
    },
    Operation {
        stream: "augment.color_jitter",
        apply: color_jitter::apply,
    },
    Operation {
        stream: "augment.erasing",
        apply: erasing::apply,
    },
];

/// Augments float32 images `[N, 3, H, W]`, each by its own draw; an error for another kind. `seed` gives the seed of each random
/// stream by its name.
pub fn augment(
    images: &Tensor,
    settings: &Augment,
    seed: impl Fn(&'static str) -> u64,
) -> Result<Tensor> {
    rows(images, settings, seed, 0)
}

/// Augments one float32 image `[1, 3, H, W]` as it would be in place `row` of a batch, counted from 0.
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

/// Augments float32 images `[n, 3, H, W]` as they would be in a batch from row `first` on, counted from 0.
pub(crate) fn rows(
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
    let (count, ..) = images.size4()?;
    let count = usize::try_from(count)?;
    OPERATIONS
        .iter()
        .try_fold(images.shallow_clone(), |images, operation| {
            let draws = Draws {
                random: SplitMix64::new(seed(operation.stream)),
                first,
                images: count,
            };
            (operation.apply)(&images, settings, draws)
        })
}

#[cfg(test)]
mod tests {
    use warmstart_schema::experiment::RandAugment;

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

    /// All operations except the affine map and `RandAugment`.
    fn all_crops() -> Augment {
        let settings = serde_json::json!({
            "resized_crop": {},
            "padding_crop": { "pixels": 3, "fill": "reflect" },
            "color_jitter": { "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1 },
            "erasing": { "probability": 0.5, "fill": "black" },
        });
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn each_operation_has_its_own_random_stream() {
        let images = Tensor::rand([6, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
        let mut streams: Vec<&str> = OPERATIONS.iter().map(|one| one.stream).collect();
        streams.sort_unstable();
        streams.dedup();
        assert_eq!(streams.len(), OPERATIONS.len());
        // Erasing comes last, so the erased pixels are visible after all other changes.
        let erased = |settings: &Augment| {
            let seed = |stream| u64::from(stream == "augment.erasing") + 7;
            let pixels = augment(&images, settings, seed).unwrap();
            pixels.eq(0.0).all_dim(1, true)
        };
        let erasing = Augment {
            erasing: all_crops().erasing,
            ..Augment::NONE
        };
        let alone = erased(&erasing);
        assert!(alone.any().int64_value(&[]) == 1);
        let jittered = Augment {
            horizontal_flip: true,
            resized_crop: all_crops().resized_crop,
            ..erasing
        };
        assert_eq!(erased(&jittered), alone);
        // It may make other pixels black.
        let randomized = Augment {
            rand_augment: Some(RandAugment::default()),
            ..jittered
        };
        let both = erased(&randomized).logical_and(&alone);
        assert_eq!(both, alone);
    }

    #[test]
    fn images_change_like_in_their_batch_alone_or_together() {
        let images = Tensor::rand([6, 3, 8, 8], (Kind::Float, tch::Device::Cpu));
        for settings in [
            Augment::EVERY,
            all_crops(),
            Augment {
                rand_augment: Some(RandAugment::default()),
                ..all_crops()
            },
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
            for (first, count) in [(0, 2), (2, 4), (3, 2)] {
                let some = images.narrow(0, first, count);
                let part = rows(&some, &settings, |_| 9, usize::try_from(first).unwrap());
                assert_eq!(part.unwrap(), batch.narrow(0, first, count), "{settings:?}");
            }
        }
    }
}
