//! Features of a frozen backbone, computed once; and pictures that cannot be read.

use std::time::{Duration, Instant};

use anyhow::Result;
use warmstart_runs::pictures::listed;
use warmstart_schema::event::{Event, Level, Phase, PhaseProgress};

use super::clock::count;
use super::{Examples, Setup, Trainer, Views};
use crate::features::Keeper;
use crate::interrupt::Flow;
use crate::worker_log;

impl Trainer<'_> {
    /// A backbone that is frozen whole gives the same features of the same image each time. Validation images never change; training
    /// images change in each epoch if they are augmented, unless `train.cache_views` keeps some views of each.
    pub(super) fn keep_features(&mut self) -> Result<Flow> {
        let batch_size = self.batch_size();
        let Setup {
            experiment,
            rank,
            model,
            train,
            validation,
            state,
            reporter,
            interrupt,
            ..
        } = &mut self.setup;
        if model.spec().frozen_blocks < model.architecture().blocks.len() {
            return Ok(Flow::Done);
        }
        if let Some(rank) = rank {
            let text = format!(
                "train.devices: {}: the features of the frozen backbone are not kept, so that each epoch computes them again; \
                 with train.devices: 1 a run computes them once",
                rank.size()
            );
            reporter.note(Level::Info, text);
            return Ok(Flow::Done);
        }
        let keeper = Keeper::new(experiment, model, &state.conditions, batch_size, reporter);
        let mut all = vec![(validation, Views::plain())];
        all.extend(Views::of_training(experiment).map(|views| (train, views)));
        let views_of =
            |(examples, views): &(&mut _, Views)| Examples::len(examples) * views.count();
        let total: usize = all.iter().map(views_of).sum();
        let (started, mut before, mut waited) = (Instant::now(), 0, Duration::ZERO);
        for (examples, views) in all {
            let len = examples.len() * views.count();
            let is_training = before > 0;
            let begun = Instant::now();
            let kept = keeper.keep((examples, &views), model, reporter, |reporter, done| {
                if reporter.is_progress_due() {
                    let rate = (before + done) as f64 / started.elapsed().as_secs_f64();
                    reporter.progress(&Event::Progress(PhaseProgress {
                        phase: Phase::Loading,
                        epoch: state.epoch,
                        step: state.step,
                        done: count((before + done) / batch_size),
                        total: count(total / batch_size),
                        images_per_second: rate,
                        loss: None,
                        accuracy: None,
                    }));
                }
                !interrupt.is_requested()
            })?;
            if is_training {
                state.train_time += begun.elapsed().as_secs_f64();
            }
            let Some(wait) = kept else {
                return Ok(Flow::Interrupted);
            };
            waited += wait;
            before += len;
        }
        if !waited.is_zero() {
            let (seconds, share) = (
                started.elapsed().as_secs_f64(),
                waited.as_secs_f64() / started.elapsed().as_secs_f64(),
            );
            let text = format!(
                "features of {before} images in {seconds:.1} s, {:.1} % of it waiting for pictures",
                share * 100.0
            );
            reporter.note(Level::Info, text);
        }
        self.report_unreadable()?;
        Ok(Flow::Done)
    }

    /// Logs pictures that could not be read by any process: some in a note, all in the worker's log.
    pub(super) fn report_unreadable(&mut self) -> Result<()> {
        let Setup {
            train,
            validation,
            test,
            reporter,
            rank,
            ..
        } = &mut self.setup;
        let mut found: Vec<String> = [train, validation, test]
            .into_iter()
            .flat_map(|part| part.unreadable())
            .collect();
        if let Some(rank) = rank {
            found = rank.gather(found)?;
        }
        for picture in &found {
            worker_log::line(&format!("left out: {picture}"));
        }
        if !found.is_empty() {
            let what = if found.len() == 1 {
                "picture"
            } else {
                "pictures"
            };
            let text = format!(
                "left out {} {what} that cannot be read: {}",
                found.len(),
                listed(&found)
            );
            reporter.note(Level::Warning, text);
        }
        Ok(())
    }
}
