//! Pictures of one part of a dataset, batch by batch.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_runs::pictures::listed;
use warmstart_schema::experiment::{Augment, Experiment, Labels, NumberFormat, Sampler};
use warmstart_schema::look::Split;
use warmstart_schema::seed::{derive, epoch_order};

use crate::augment;
use crate::data::{Batches, Features, Input, Source, Subset};
use crate::failure::UserError;
use crate::ffi::Autocast;
use crate::model::Model;
use crate::worker_log;

/// Batches in an epoch over `images`: the last one may be smaller, but a single image makes none, because batch normalization
/// has no variance of one.
pub fn batches_per_epoch(images: usize, batch_size: usize) -> usize {
    images / batch_size + usize::from(images % batch_size > 1)
}

/// Optimizer steps in an epoch, each on the gradients of `accumulate` batches; the last may have fewer.
pub fn steps_per_epoch(images: usize, batch_size: usize, accumulate: usize) -> usize {
    batches_per_epoch(images, batch_size).div_ceil(accumulate)
}

/// The batch of a run and the row of this batch in which an epoch first sees the training image at `position`. The epoch counts
/// from 1 and visits `order`. Batches count from 0 at the start of the run, because training draws by this number. `None` if the
/// epoch does not draw the image, or if the image is the single one that makes no batch. A batch without its unreadable pictures
/// has its later rows further up.
pub fn place_in_run(
    experiment: &Experiment,
    epoch: u32,
    position: u32,
    order: &[u32],
) -> Option<(u64, usize)> {
    let (batch_size, accumulate) = (
        experiment.train.batch_size as usize,
        experiment.train.accumulate as usize,
    );
    let images = order.len();
    let place = order.iter().position(|&other| other == position)?;
    let (batch, row) = (place / batch_size, place % batch_size);
    // Training numbers batches by their step, as if every step had all its batches: the last step of an epoch may have fewer.
    let before = u64::from(epoch.checked_sub(1)?)
        * (steps_per_epoch(images, batch_size, accumulate) * accumulate) as u64;
    (batch < batches_per_epoch(images, batch_size)).then_some((before + batch as u64, row))
}

/// The training, validation or test images of a run.
#[derive(Debug)]
pub struct Examples {
    part: Split,
    pictures: Rc<dyn Source>,
    /// In the pictures' place from [`Self::use_features`] to [`Self::use_pictures`]. They are from the cache, or
    /// [`Self::keep_features`] computed them.
    features: Option<StandIn>,
    /// Which pictures, or which of the features of the first view.
    members: Vec<u32>,
    sampling: Option<Sampling>,
    /// SHA-256 over the pictures in their order, where each is known by its content.
    identity: Option<String>,
}

/// The views of each example whose features are kept. Epochs take them in turn.
#[derive(Debug, Clone)]
pub struct Views {
    count: u32,
    augment: Augment,
    seed: u64,
}

impl Views {
    /// Each example as it is.
    pub fn plain() -> Self {
        Self {
            count: 1,
            augment: Augment::NONE,
            seed: 0,
        }
    }

    /// What training sees; none if every epoch sees something else.
    pub fn of_training(experiment: &Experiment) -> Option<Self> {
        let count = experiment.kept_views()?;
        Some(if experiment.augment.is_identity() {
            Self::plain()
        } else {
            Self {
                count,
                augment: experiment.augment.clone(),
                seed: experiment.seed,
            }
        })
    }

    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// What determines the views, in words; none where they are the examples as they are.
    pub fn described(&self) -> Result<Option<String>> {
        if self.augment.is_identity() {
            return Ok(None);
        }
        let augment = serde_json::to_string(&self.augment)?;
        Ok(Some(format!(
            "views {} of seed {}: {augment}",
            self.count, self.seed
        )))
    }

    /// The images `[N, 3, H, W]` of a batch, counted from 0 in the order of the examples, as the view with this number, from 1.
    fn of(&self, images: &Tensor, view: u32, batch: u64) -> Result<Tensor> {
        let draw = |stream| derive(self.seed, stream, u64::from(view), batch);
        augment::augment(images, &self.augment, draw)
    }
}

/// The number of the view that an epoch sees, of `count` kept views. Views and epochs count from 1.
pub fn view_in_epoch(count: u32, epoch: u32) -> u32 {
    epoch.saturating_sub(1) % count.max(1) + 1
}

/// Features in the place of pictures.
#[derive(Debug)]
struct StandIn {
    /// Those of the first view, then those of the next.
    features: Features,
    views: u32,
    /// Which pictures there were, and their classes where epochs draw by them.
    members: Vec<u32>,
    classes: Option<Vec<u32>>,
}

/// How epochs draw from the examples, where they do not visit each once.
#[derive(Debug)]
struct Sampling {
    sampler: Sampler,
    /// The class of each member.
    classes: Vec<u32>,
}

/// The class of each of the pictures; an error where one has none.
pub fn classes(pictures: &dyn Source, members: &[u32], labels: Labels) -> Result<Vec<u32>> {
    let class = |&member: &u32| {
        let class = pictures.described(member).label(labels);
        class.with_context(|| format!("image {member} has no class to draw it by"))
    };
    members.iter().map(class).collect()
}

impl Examples {
    pub fn new(part: Split, Subset { source, members }: Subset) -> Self {
        Self {
            part,
            pictures: source,
            features: None,
            members,
            sampling: None,
            identity: None,
        }
    }

    /// The same, drawn by classes where there is a sampler. An error where pictures do not say their class.
    pub fn sampled(mut self, sampler: Option<Sampler>, labels: Labels) -> Result<Self> {
        if let Some(sampler) = sampler {
            self.sampling = Some(Sampling {
                sampler,
                classes: classes(&*self.pictures, &self.members, labels)?,
            });
        }
        Ok(self)
    }

    /// The positions that an epoch visits, in order: a function of the run's seed and the epoch, counted from 1.
    pub fn order(&self, seed: u64, epoch: u32) -> Vec<u32> {
        match &self.sampling {
            Some(Sampling {
                sampler, classes, ..
            }) => sampler.order(seed, epoch.into(), classes),
            None => epoch_order(seed, epoch.into(), self.len()),
        }
    }

    /// The same examples, known by a hash of their content ([`crate::data::Splits::identity`]).
    #[must_use]
    pub fn identified(self, identity: Option<String>) -> Self {
        Self { identity, ..self }
    }

    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    pub fn part(&self) -> Split {
        self.part
    }

    /// The features that took the pictures' place.
    pub fn features(&self) -> Option<&Features> {
        self.features.as_ref().map(|stand_in| &stand_in.features)
    }

    /// Puts features of all examples, in their order, in the pictures' place: those of the first view, then those of the next.
    pub fn use_features(&mut self, features: Features, views: &Views) -> Result<()> {
        let count = features.len() / views.count().max(1);
        let all = (0..u32::try_from(count)?).collect();
        let classes = match &mut self.sampling {
            // Pictures that could not be read have no features.
            Some(sampling) => {
                let mut classes = features.classes()?;
                classes.truncate(count);
                Some(std::mem::replace(&mut sampling.classes, classes))
            }
            None => None,
        };
        self.features = Some(StandIn {
            features,
            views: views.count,
            members: std::mem::replace(&mut self.members, all),
            classes,
        });
        Ok(())
    }

    /// Puts the pictures back into the place of their features, if these took it.
    pub fn use_pictures(&mut self) {
        let Some(StandIn {
            members, classes, ..
        }) = self.features.take()
        else {
            return;
        };
        self.members = members;
        if let (Some(sampling), Some(classes)) = (&mut self.sampling, classes) {
            sampling.classes = classes;
        }
    }

    /// A function that returns whether the pictures are still as they were when they were listed. It remembers the pictures, so
    /// it can be called after features took their place.
    pub fn unchanged_check(&self) -> impl Fn() -> bool + use<> {
        let (pictures, members) = (Rc::clone(&self.pictures), self.members.clone());
        move || pictures.is_unchanged(&members)
    }

    fn source(&self) -> &dyn Source {
        self.features
            .as_ref()
            .map_or(&*self.pictures, |stand_in| &stand_in.features)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// All examples in batches, in their own order.
    pub fn all(&self, batch_size: usize) -> Result<Batches> {
        self.source().batches(&self.members, batch_size)
    }

    /// The batches that rank `rank` of `size` measures: every `size`-th batch of all examples, from the `rank`-th on.
    pub fn of_rank(&self, batch_size: usize, (rank, size): (usize, usize)) -> Result<Batches> {
        let own: Vec<u32> = self
            .members
            .chunks(batch_size)
            .skip(rank)
            .step_by(size)
            .flatten()
            .copied()
            .collect();
        self.source().batches(&own, batch_size)
    }

    /// What the examples are, by their numbers.
    pub fn members(&self) -> &[u32] {
        &self.members
    }

    /// The examples at the positions that `order` names, in batches, as an epoch sees them, counted from 1.
    pub fn in_order(&self, order: &[u32], epoch: u32, batch_size: usize) -> Result<Batches> {
        let views = self.features.as_ref().map_or(1, |stand_in| stand_in.views);
        let before = (view_in_epoch(views, epoch) - 1) * u32::try_from(self.len())?;
        let order: Vec<u32> = order
            .iter()
            .map(|&position| self.members[position as usize] + before)
            .collect();
        self.source().batches(&order, batch_size)
    }

    /// Pictures that turned out to be unreadable since this was last asked.
    pub fn unreadable(&self) -> Vec<String> {
        self.pictures.unreadable()
    }

    /// The error that none of the pictures could be read. It names the files and the reasons. This takes the files that
    /// [`Self::unreadable`] has not returned yet, and logs each.
    pub fn none_readable(&self) -> anyhow::Error {
        let (count, part, found) = (self.len(), self.part.adjective(), self.unreadable());
        for picture in &found {
            worker_log::line(&format!("left out: {picture}"));
        }
        // After several attempts to read them, an earlier message named them.
        let names = if found.is_empty() {
            "worker.log names them".to_owned()
        } else {
            listed(&found)
        };
        UserError::input(
            format!("none of the {count} {part} images could be read: {names}"),
            "replace or convert them; look at one of them with another program",
        )
    }

    /// Computes the features of all views of all examples once, in order; a frozen backbone gives the same ones each time, so they
    /// take the pictures' place. `each` gets the number of views done so far and returns whether to continue. Returns how long the
    /// model waited for pictures; `None` when it did not continue.
    pub fn keep_features(
        &mut self,
        model: &Model,
        batch_size: usize,
        format: NumberFormat,
        views: &Views,
        mut each: impl FnMut(usize) -> bool,
    ) -> Result<Option<Duration>> {
        let _autocast = autocast(format, model)?;
        let (mut labels, mut waited) = (Vec::new(), Duration::ZERO);
        let mut by_view: Vec<Vec<Tensor>> = (0..views.count()).map(|_| Vec::new()).collect();
        for (batch, number) in self.all(batch_size)?.zip(0..) {
            let batch = batch?;
            waited += batch.waited.unwrap_or_default();
            let begun = self.len().min(number * batch_size);
            let size = self.len().min((number + 1) * batch_size) - begun;
            for (view, features) in (1..).zip(&mut by_view) {
                if let Input::Images(images) = &batch.input
                    && !batch.members.is_empty()
                {
                    features.push(model.features(&views.of(images, view, number as u64)?)?);
                }
                if !each(begun * views.count() + size * view as usize) {
                    return Ok(None);
                }
            }
            if !batch.members.is_empty() {
                labels.push(batch.labels);
            }
        }
        if labels.is_empty() {
            return Err(self.none_readable());
        }
        let labels = Tensor::f_cat(&labels, 0)?.f_repeat([i64::from(views.count)])?;
        let features: Vec<Tensor> = by_view.into_iter().flatten().collect();
        self.use_features(Features::new(&features, &[labels])?, views)?;
        Ok(Some(waited))
    }
}

/// Lower format on a GPU for as long as the guard lives. On the CPU [`crate::device::configure`] sets it.
pub fn autocast(format: NumberFormat, model: &Model) -> Result<Option<Autocast>> {
    match format {
        NumberFormat::Bfloat16 if model.device().is_cuda() => {
            Autocast::enter(model.device(), tch::Kind::BFloat16).map(Some)
        }
        NumberFormat::Float32 | NumberFormat::Tf32 | NumberFormat::Bfloat16 => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use warmstart_schema::experiment::parse;

    use super::*;

    #[test]
    fn every_image_has_one_place_in_an_epoch_except_a_single_remaining_one() {
        let yaml = "name: x\nseed: 5\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
            train: { epochs: 3, batch_size: 4, optimizer: { name: adam, learning_rate: 0.1 } }\n";
        let mut experiment = parse(yaml, "x").unwrap();
        let order = epoch_order(5, 3, 9);
        let places: Vec<_> = (0..9)
            .map(|position| place_in_run(&experiment, 3, position, &order))
            .collect();
        let mut used: Vec<_> = places.iter().flatten().copied().collect();
        used.sort_unstable();
        assert_eq!(
            used,
            [
                (4, 0),
                (4, 1),
                (4, 2),
                (4, 3),
                (5, 0),
                (5, 1),
                (5, 2),
                (5, 3)
            ]
        );
        assert_eq!(
            (places[order[8] as usize], places[order[5] as usize]),
            (None, Some((5, 1)))
        );
        assert_eq!(place_in_run(&experiment, 0, 0, &order), None);
        // A step of three batches counts as three, although the epoch has only two batches.
        experiment.train.accumulate = 3;
        assert_eq!(place_in_run(&experiment, 3, order[5], &order), Some((7, 1)));
    }

    #[test]
    fn a_single_remaining_image_makes_no_batch() {
        assert_eq!(
            [(64, 32), (65, 32), (66, 32), (31, 32), (2, 32)]
                .map(|(n, batch)| batches_per_epoch(n, batch)),
            [2, 2, 3, 1, 1]
        );
        assert_eq!(
            [1, 2, 3, 4].map(|accumulate| steps_per_epoch(66, 32, accumulate)),
            [3, 2, 1, 1]
        );
    }
}
