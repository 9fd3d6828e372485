//! What processes that train a run together exchange; nothing where one trains it alone.

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_runs::checkpoint::Sums;

use super::Trainer;
use super::accumulation::Accumulated;
use crate::device::upload;
use crate::metric;
use crate::parallel::{self, Decision, Rank};

impl Trainer<'_> {
    /// What this process trains on of `order`, an epoch's images from the beginning of a batch on; and how many of a whole batch.
    pub(super) fn own_images(&self, order: &[u32]) -> (Vec<u32>, usize) {
        let batch_size = self.batch_size();
        let own = order
            .chunks(batch_size)
            .flat_map(|batch| &batch[self.setup.shard(batch.len())]);
        (own.copied().collect(), self.setup.shard(batch_size).len())
    }

    /// What all do next: what this process wants, or with several ranks what rank 0 wants.
    pub(super) fn decision(&mut self, next: Decision) -> Result<Decision> {
        match &mut self.setup.rank {
            Some(rank) => rank.decision(next),
            None => Ok(next),
        }
    }

    /// Waits until all processes are here.
    pub(super) fn barrier(&mut self) -> Result<()> {
        self.setup.rank.as_mut().map_or(Ok(()), Rank::barrier)
    }

    /// The batches that wait in all processes together. The gradients become the sums over all processes.
    pub(super) fn all_reduce(&mut self, own: Accumulated) -> Result<Accumulated> {
        if self.setup.rank.is_none() {
            return Ok(own);
        }
        if own.batches == 0 {
            // Others may have images of this step.
            self.begin_step()?;
        }
        let mut doubles = vec![
            f64::from(own.batches),
            own.images as f64,
            own.weight.as_ref().map_or(Ok(0.0), f64::try_from)?,
            self.guard.loss().unwrap_or(0.0),
        ];
        doubles.extend(match &own.sums {
            Some(sums) => Vec::<f64>::try_from(sums)?,
            None => Vec::<f64>::try_from(metric::to_tensor(&Sums::default())?)?,
        });
        let setup = &mut self.setup;
        let rank = setup.rank.as_mut().context("the rank is gone")?;
        let (gradients, doubles) =
            rank.all_reduce_sum(setup.optimizer.flat_gradients()?, &doubles)?;
        setup.optimizer.set_gradients(&gradients)?;
        let (&[batches, images, weight, loss], sums) = doubles
            .split_first_chunk::<4>()
            .context("fewer sums than numbers")?;
        let (device, images) = (setup.model.device(), parallel::whole(images));
        let weight = setup.class_weights.as_ref().map(|_| weight);
        self.guard.join(loss);
        self.add(&upload(&Tensor::f_from_slice(sums)?, device)?, images)?;
        Ok(Accumulated {
            batches: u32::try_from(parallel::whole(batches))?,
            images,
            weight: weight
                .map(|weight| upload(&Tensor::from(weight), device))
                .transpose()?,
            ..Accumulated::default()
        })
    }

    /// Gives all processes rank 0's statistics of normalization, because each rank has those of its own images. Training does not
    /// read them, so doing this before an evaluation is early enough.
    pub(super) fn broadcast_statistics(&mut self) -> Result<()> {
        let setup = &mut self.setup;
        let Some(rank) = &mut setup.rank else {
            return Ok(());
        };
        let averages = setup.average.as_ref();
        let moving = setup
            .model
            .tensors()
            .iter()
            .filter(|named| named.kind.is_statistic() && !named.frozen);
        let statistics: Vec<Tensor> = moving
            .flat_map(|named| {
                let average = averages.and_then(|averages| averages.of(&named.name));
                [Some(&named.tensor), average]
            })
            .flatten()
            .map(Tensor::shallow_clone)
            .collect();
        let numbers = rank.broadcast(&parallel::flat(&statistics)?)?;
        parallel::put_back(&numbers, &statistics)
    }
}
