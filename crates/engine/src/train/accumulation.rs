//! How batches share an optimizer step if gradients accumulate.

use tch::Tensor;

use super::batches::batches_per_epoch;
use crate::data;

/// A batch's part in its optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// Planned images of the step.
    pub images: usize,
    /// Its place among the batches of the step, from 0.
    pub place: usize,
    pub is_last: bool,
}

/// What divides an epoch into batches and steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Images of an epoch.
    pub images: usize,
    pub batch_size: usize,
    /// Batches of a step.
    pub accumulate: usize,
}

impl Plan {
    /// The part of the batch with this index, from 0, in its step.
    pub(super) fn part(self, index: usize) -> Part {
        let Self {
            images,
            batch_size,
            accumulate,
        } = self;
        let batches = batches_per_epoch(images, batch_size);
        let place = index % accumulate;
        let (first, after) = (index - place, batches.min(index - place + accumulate));
        // A single image that is left over belongs to no batch, so it is not among the images of the last step.
        let in_batches = images.min(batches * batch_size);
        let up_to = |batch: usize| in_batches.min(batch * batch_size);
        Part {
            images: up_to(after) - up_to(first),
            place,
            is_last: index + 1 == after,
        }
    }
}

/// The batches whose gradients wait for the next step.
#[derive(Debug, Default)]
pub(super) struct Accumulated {
    pub batches: u32,
    pub images: usize,
    /// The sum of these images' weights, a scalar on the device; none if all are equal.
    pub weight: Option<Tensor>,
    /// Loss and metrics of these images, float64, until those of other processes join them; none where this one trains alone.
    pub sums: Option<Tensor>,
    /// A batch with only one readable image, which joins the next batch of the step.
    pub alone: Option<data::Batch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_planned_with_the_images_of_its_batches() {
        let plan = |images, accumulate| Plan {
            images,
            batch_size: 4,
            accumulate,
        };
        // 10 images in batches of 4 (4, 4, 2), two batches a step: the second step has only the last batch.
        let parts: Vec<Part> = (0..3).map(|index| plan(10, 2).part(index)).collect();
        let part = |images, place, is_last| Part {
            images,
            place,
            is_last,
        };
        assert_eq!(
            parts,
            [part(8, 0, false), part(8, 1, true), part(2, 0, true)]
        );
        assert_eq!(
            [0, 1, 2].map(|index| plan(10, 3).part(index).images),
            [10; 3]
        );
        // A single remaining image belongs to no batch.
        assert_eq!(plan(9, 2).part(1), part(8, 1, true));
    }
}
