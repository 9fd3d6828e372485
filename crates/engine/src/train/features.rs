//! Features of a frozen backbone, computed once; and pictures that cannot be read.

use std::time::{Duration, Instant};

use anyhow::Result;
use warmstart_runs::pictures::listed;
use warmstart_schema::event::{Event, Level, Phase, PhaseProgress};
use warmstart_schema::look::Split;

use super::clock::count;
use super::{Examples, Setup, Trainer, Views};
use crate::features::Keeper;
use crate::interrupt::Flow;
use crate::worker_log;

/// The features that the model computed of pictures that were decoded for it. Those from the cache take no time of the model, and
/// those of a dataset in memory need no decoding: neither count.
#[derive(Debug, Default)]
struct Computed {
    images: usize,
    time: Duration,
    /// How long the model waited for pictures.
    waited: Duration,
}

impl Computed {
    /// Counts the images of a part, unless none of them had to be decoded.
    fn add(&mut self, images: usize, time: Duration, waited: Duration) {
        if !waited.is_zero() {
            self.images += images;
            self.time += time;
            self.waited += waited;
        }
    }

    /// Images per second, with those of a part that is not done yet.
    fn rate(&self, images: usize, time: Duration) -> f64 {
        (self.images + images) as f64 / (self.time + time).as_secs_f64()
    }

    /// What the log says in the end; `None` if the model waited for no pictures.
    fn note(&self) -> Option<String> {
        let (time, waited) = (self.time.as_secs_f64(), self.waited.as_secs_f64());
        (!self.waited.is_zero()).then(|| {
            format!(
                "features of {} images in {time:.1} s, {:.1} % of it waiting for pictures",
                self.images,
                waited / time * 100.0
            )
        })
    }
}

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
        let (mut before, mut computed) = (0, Computed::default());
        for (examples, views) in all {
            let len = examples.len() * views.count();
            let is_training = examples.part() == Split::Train;
            let begun = Instant::now();
            let kept = keeper.keep((examples, &views), model, reporter, |reporter, done| {
                if reporter.is_progress_due() {
                    reporter.progress(&Event::Progress(PhaseProgress {
                        phase: Phase::Loading,
                        epoch: state.epoch,
                        step: state.step,
                        done: count((before + done) / batch_size),
                        total: count(total / batch_size),
                        images_per_second: computed.rate(done, begun.elapsed()),
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
            computed.add(len, begun.elapsed(), wait);
            before += len;
        }
        if let Some(text) = computed.note() {
            reporter.note(Level::Info, text);
        }
        self.setup.report_unreadable()?;
        Ok(Flow::Done)
    }
}

impl Setup<'_> {
    /// Logs the pictures that some process of the run could not read: a few in a note, all in the worker's log.
    pub(crate) fn report_unreadable(&mut self) -> Result<()> {
        let Self {
            train,
            validation,
            test,
            reporter,
            rank,
            ..
        } = self;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_from_the_cache_count_as_no_work_of_the_model() {
        let mut computed = Computed::default();
        computed.add(10_000, Duration::from_millis(10), Duration::ZERO);
        assert_eq!(computed.note(), None);
        let rate = computed.rate(100, Duration::from_secs(1));
        assert!((rate - 100.0).abs() < 1e-9, "{rate}");
        computed.add(200, Duration::from_secs(2), Duration::from_millis(500));
        let note = computed.note().unwrap();
        assert!(
            note.starts_with("features of 200 images in 2.0 s, 25.0 %"),
            "{note}"
        );
    }
}
