//! Training: epochs of batches, validation after each, checkpoints, and one measurement on the test set at the end.

mod accumulation;
mod average;
mod batches;
mod clock;
pub mod evaluate;
mod features;
mod guard;
pub mod loss;
mod mix;
mod notes;
mod saving;
mod setup;
pub(crate) mod stages;
mod step;
mod together;

use std::time::Instant;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_runs::checkpoint::{self, Content, Sums};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Epoch, Event, Level, Phase, Plain, Test};
use warmstart_schema::experiment::{Evaluate, Monitor, NumberFormat};
use warmstart_schema::policy;

use self::accumulation::Accumulated;
pub use self::average::Average;
pub use self::batches::{
    Examples, Views, autocast, batches_per_epoch, classes, place_in_run, steps_per_epoch,
    view_in_epoch,
};
use self::clock::{Clock, count, evaluation_progress};
use self::evaluate::evaluate;
use self::guard::Guard;
pub use self::setup::{Ended, Setup};
use crate::interrupt::Flow;
use crate::metric;
use crate::parallel::Decision;
use crate::weights::{self, LoadPolicy};

/// Training under way.
#[derive(Debug)]
struct Trainer<'a> {
    setup: Setup<'a>,
    /// Unweighted loss and metrics of the epoch so far, as float64 on the device, so that no step waits for them.
    sums: Tensor,
    accumulated: Accumulated,
    guard: Guard,
    last_save: Instant,
    failed_saves: u32,
    /// The fingerprint of the frozen blocks, since training or its stage began; `None` where there are none.
    frozen: Option<String>,
    /// The best checkpoint, while it waits for a disk that takes it.
    unsaved_best: Option<Content>,
}

/// Trains to the end, or saves and stops when interrupted. Also returns the steps done and the seconds of training.
pub fn train(setup: Setup) -> Result<(Ended, u64, f64)> {
    let sums = metric::to_tensor(&setup.state.sums)?.f_to_device(setup.model.device())?;
    let mut trainer = Trainer {
        setup,
        sums,
        accumulated: Accumulated::default(),
        guard: Guard::default(),
        last_save: Instant::now(),
        failed_saves: 0,
        frozen: None,
        unsaved_best: None,
    };
    let ended = trainer.run()?;
    Ok((
        ended,
        trainer.setup.state.step,
        trainer.setup.state.train_time,
    ))
}

impl Trainer<'_> {
    fn run(&mut self) -> Result<Ended> {
        self.frozen = self.fingerprint()?;
        self.explain_recipe();
        // A resume between two stages needs no features of the first.
        self.unfreeze()?;
        if self.keep_features()? == Flow::Interrupted {
            return self.stop();
        }
        while self.setup.state.epoch < self.epochs() && !self.setup.state.stopped_early {
            if self.pauses() {
                return self.wait_for_group();
            }
            if self.epoch()? == Flow::Interrupted {
                return self.stop();
            }
        }
        self.prove_frozen()?;
        if self.test()? == Flow::Interrupted {
            return Ok(Ended::Stopped);
        }
        Ok(Ended::Finished {
            stopped_early: self.setup.state.stopped_early,
        })
    }

    fn format(&self) -> NumberFormat {
        self.setup.format
    }

    fn epochs(&self) -> u32 {
        self.setup.experiment.train.epochs
    }

    fn batch_size(&self) -> usize {
        self.setup.experiment.train.batch_size as usize
    }

    fn batches_per_epoch(&self) -> usize {
        batches_per_epoch(self.setup.train.len(), self.batch_size())
    }

    fn accumulate(&self) -> usize {
        self.setup.experiment.train.accumulate as usize
    }

    fn steps_per_epoch(&self) -> u64 {
        steps_per_epoch(self.setup.train.len(), self.batch_size(), self.accumulate()) as u64
    }

    /// The planned step of the batch with this index, from 0. A batch that could not be read makes no step, but the plan of the
    /// epoch stays.
    fn position(&self, index: usize) -> u64 {
        u64::from(self.setup.state.epoch) * self.steps_per_epoch()
            + (index / self.accumulate()) as u64
    }

    /// The learning rate at a position of the plan.
    fn learning_rate(&self, position: u64) -> f64 {
        let (setup, train) = (&self.setup, &self.setup.experiment.train);
        let (base, steps) = (train.optimizer.learning_rate(), self.steps_per_epoch());
        policy::learning_rate(
            &train.schedule,
            base,
            position,
            steps,
            train.epochs,
            setup.state.plateau,
        )
    }

    fn is_asked_to_stop(&self) -> bool {
        self.setup.interrupt.is_requested()
            || self
                .setup
                .stop_after
                .is_some_and(|last| self.setup.state.step >= last)
    }

    /// Whether the run waits for its group here. The other processes of a run end when rank 0 does.
    fn pauses(&self) -> bool {
        let last = self.setup.pause_after;
        last.is_some_and(|last| self.setup.state.epoch >= last) && !self.is_asked_to_stop()
    }

    /// Trains the rest of an epoch, validates, saves.
    fn epoch(&mut self) -> Result<Flow> {
        self.unfreeze()?;
        let epoch = self.setup.state.epoch + 1;
        let count = self.batches_per_epoch();
        let order = self.setup.train.order(self.setup.experiment.seed, epoch);
        let (begin, batch_size) = (
            self.setup.state.batch as usize * self.batch_size(),
            self.batch_size(),
        );
        // A single left-over image makes no batch.
        let end = order.len().min(count * batch_size);
        let (own, own_size) = self.own_images(&order[begin.min(end)..end]);
        let mut batches = self.setup.train.in_order(&own, epoch, own_size)?;
        self.setup.reporter.phase(Phase::Training);
        let mut clock = Clock::start();
        let save_every = self.setup.experiment.train.checkpoint.every();
        while (self.setup.state.batch as usize) < count {
            let asked = self.is_asked_to_stop();
            // Checkpoints hold no gradients, so they are made between steps only.
            let is_between = (self.setup.state.batch as usize).is_multiple_of(self.accumulate());
            if is_between {
                let next = if asked {
                    Decision::Stop
                } else if self.last_save.elapsed() >= save_every {
                    Decision::Save
                } else {
                    Decision::Proceed
                };
                match self.decision(next)? {
                    Decision::Proceed => {}
                    Decision::Save => {
                        self.pause(&mut clock)?;
                        self.save(false)?;
                        self.setup.reporter.phase(Phase::Training);
                        clock = Clock::start();
                    }
                    Decision::Stop => {
                        self.pause(&mut clock)?;
                        return Ok(Flow::Interrupted);
                    }
                }
            }
            let images = end.saturating_sub(self.setup.state.batch as usize * batch_size);
            let shard = self.setup.shard(images.min(batch_size));
            let batch = if shard.is_empty() {
                None
            } else {
                let batch = batches.next();
                Some(batch.context("an epoch has fewer batches than planned")??)
            };
            self.batch(epoch, (batch, shard.start), &mut clock)?;
        }
        self.broadcast_statistics()?;
        let pace = clock.pace();
        self.pause(&mut clock)?;
        if self.setup.state.sums.images == 0 {
            let skipped = self.setup.state.skipped.in_a_row > 0;
            return Err(if skipped {
                guard::nothing_but_skipped_steps(&self.setup)
            } else {
                self.setup.train.none_readable()
            });
        }
        let Some(reached) = self.validate(epoch)? else {
            return Ok(Flow::Interrupted);
        };
        self.setup.report_unreadable()?;
        self.conclude(epoch, &reached, pace)?;
        Ok(Flow::Done)
    }

    /// Stops the clock of training once the device has finished its work.
    fn pause(&mut self, clock: &mut Clock) -> Result<()> {
        let sums = self.read_sums()?;
        self.setup.state.sums = sums;
        self.setup.state.train_time += clock.started.elapsed().as_secs_f64();
        clock.started = Instant::now();
        Ok(())
    }

    fn read_sums(&self) -> Result<Sums> {
        let state = &self.setup.state;
        let sums = metric::from_tensor(&self.sums, state.sums.images as usize)?;
        if sums.loss.is_finite() {
            return Ok(sums);
        }
        Err(guard::non_finite_loss(&self.setup, sums.loss))
    }

    /// Loss and accuracy on the validation images: those that count, and those of plain weights beside averaged ones. `None`
    /// when it was interrupted.
    fn validate(&mut self, epoch: u32) -> Result<Option<(Sums, Option<Sums>)>> {
        self.setup.reporter.phase(Phase::Validating);
        let Some(plain) = self.measure(epoch)? else {
            return Ok(None);
        };
        let Some(average) = &mut self.setup.average else {
            return Ok(Some((plain, None)));
        };
        average.swap()?;
        let averaged = self.measure(epoch);
        if let Some(average) = &mut self.setup.average {
            average.swap()?;
        }
        Ok(averaged?.map(|averaged| (averaged, Some(plain))))
    }

    /// Loss and accuracy of the model as it is on the validation images; `None` when it was interrupted.
    fn measure(&mut self, epoch: u32) -> Result<Option<Sums>> {
        let (batch_size, format) = (self.batch_size(), self.format());
        let Setup {
            model,
            validation,
            reporter,
            interrupt,
            state,
            rank,
            ..
        } = &mut self.setup;
        let (step, batches, started) = (
            state.step,
            validation.len().div_ceil(batch_size),
            Instant::now(),
        );
        evaluate(
            model,
            validation,
            batch_size,
            (format, &Evaluate::PLAIN),
            interrupt,
            rank.as_mut(),
            |sums, done| {
                if reporter.is_progress_due() {
                    reporter.progress(&evaluation_progress(
                        Phase::Validating,
                        (epoch, step),
                        (&sums()?, done),
                        (done.div_ceil(batch_size), batches),
                        started,
                    ));
                }
                Ok(())
            },
        )
    }

    /// Updates the state with an epoch's figures, logs them and saves.
    fn conclude(
        &mut self,
        epoch: u32,
        (validation, plain): &(Sums, Option<Sums>),
        (images_per_second, data_wait): (f64, Option<f64>),
    ) -> Result<()> {
        // The rate of the epoch's last step, before the plateau schedule sees the figure.
        let learning_rate =
            self.learning_rate(self.position(self.batches_per_epoch().saturating_sub(1)));
        let setup = &mut self.setup;
        let (monitor, train) = (setup.experiment.monitor(), &setup.experiment.train);
        let figure = match monitor {
            Monitor::ValLoss => validation.mean_loss(),
            Monitor::ValAcc => validation.accuracy(),
        };
        let state = &mut setup.state;
        let verdict = state
            .progress
            .observe(monitor, train.early_stopping.as_ref(), epoch, figure);
        state.plateau.observe(monitor, &train.schedule, figure);
        let sums = std::mem::take(&mut state.sums);
        (state.epoch, state.batch, state.stopped_early) = (epoch, 0, verdict.should_stop);
        if verdict.is_best {
            state.best_step = Some(state.step);
        }
        let mut figures = Epoch {
            epoch,
            step: state.step,
            train_loss: sums.mean_loss(),
            val_loss: validation.mean_loss(),
            learning_rate,
            images_per_second,
            train_time: state.train_time,
            best: verdict.is_best,
            data_wait,
            plain: plain.as_ref().map(|plain| Plain {
                val_loss: plain.mean_loss(),
                val_acc: plain.accuracy(),
            }),
            ..Epoch::default()
        };
        for (key, value) in metric::means("train", &sums).chain(metric::means("val", validation)) {
            figures.set(key, value);
        }
        setup.reporter.emit(&Event::Epoch(figures));
        self.sums = self.sums.f_zeros_like()?;
        self.save(verdict.is_best)
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        let has_frozen = self.setup.model.spec().frozen_blocks > 0;
        (has_frozen && self.setup.is_first())
            .then(|| self.setup.model.frozen_fingerprint())
            .transpose()
    }

    /// Logs whether any frozen tensor moved.
    fn prove_frozen(&mut self) -> Result<()> {
        let (Some(before), Some(after)) = (self.frozen.take(), self.fingerprint()?) else {
            return Ok(());
        };
        let tensors = count(
            self.setup
                .model
                .tensors()
                .iter()
                .filter(|named| named.frozen)
                .count(),
        );
        if before != after {
            self.setup.reporter.note(
                Level::Error,
                "frozen weights have moved; this is a bug in warmstart, please report it",
            );
        }
        self.setup.reporter.emit(&Event::Frozen {
            tensors,
            before,
            after,
        });
        Ok(())
    }

    /// Measures the best checkpoint on the test images, once.
    fn test(&mut self) -> Result<Flow> {
        self.save_pending()?;
        // The best checkpoint is whole from here on.
        self.barrier()?;
        self.setup.reporter.phase(Phase::Testing);
        let (batch_size, format) = (self.batch_size(), self.format());
        let Setup {
            model,
            test,
            reporter,
            interrupt,
            state,
            run,
            experiment,
            rank,
            ..
        } = &mut self.setup;
        let step = state.best_step.unwrap_or(state.step);
        let best = checkpoint::read(&Disk, &run.checkpoint(step))
            .context("reading the best checkpoint for the test")?;
        weights::load_bytes(model, &best.model, LoadPolicy::Exact)?;
        let (epoch, batches, started) = (
            best.state.epoch,
            test.len().div_ceil(batch_size),
            Instant::now(),
        );
        let sums = evaluate(
            model,
            test,
            batch_size,
            (format, &experiment.evaluate),
            interrupt,
            rank.as_mut(),
            |sums, done| {
                if reporter.is_progress_due() {
                    reporter.progress(&evaluation_progress(
                        Phase::Testing,
                        (epoch, step),
                        (&sums()?, done),
                        (done.div_ceil(batch_size), batches),
                        started,
                    ));
                }
                Ok(())
            },
        )?;
        let Some(sums) = sums else {
            return Ok(Flow::Interrupted);
        };
        self.setup.report_unreadable()?;
        self.setup.reporter.emit(&Event::Test(Test {
            epoch,
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            views: Some(self.setup.experiment.evaluate.views()).filter(|&views| views > 1),
        }));
        Ok(Flow::Done)
    }
}
