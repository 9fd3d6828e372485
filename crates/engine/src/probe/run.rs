//! A run that probes: features, a path of strengths, a last fit on training and validation images, neighbours, and the test.

use std::time::Instant;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};
use warmstart_runs::checkpoint::{self, Content};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{
    Checkpoint, Epoch, Event, Level, Neighbours as Reached, Phase, PhaseProgress, Test,
};
use warmstart_schema::experiment::{Evaluate, Monitor, Probe};

use super::classifier::Classifier;
use super::logistic::{Fit, Problem, Tolerance, strengths};
use super::neighbours::Neighbours;
use super::saved;
use crate::data::Features;
use crate::features::Keeper;
use crate::interrupt::Flow;
use crate::train::evaluate::evaluate;
use crate::train::{Ended, Examples, Setup, Views};

/// A probe under way.
#[derive(Debug)]
struct Prober<'a> {
    setup: Setup<'a>,
    probe: &'a Probe,
    strengths: Vec<f64>,
    /// Of the newest strength; the next one begins there.
    at: Classifier,
    last_save: Instant,
}

/// Probes to the end, or saves and stops when interrupted. Also returns the steps done, one for each
/// fit, and the seconds of loading features and fitting.
pub fn probe<'a>(setup: Setup<'a>, probe: &'a Probe) -> Result<(Ended, u64, f64)> {
    let architecture = setup.model.architecture();
    let (classes, width) = (setup.model.spec().classes, architecture.features);
    let like = setup
        .model
        .tensors()
        .first()
        .context("the model has no tensors")?;
    let zero = Classifier::zero(i64::try_from(classes)?, i64::try_from(width)?, &like.tensor)?;
    let at = if setup.state.step > 0 {
        let path = setup.run.checkpoint(setup.state.step);
        let content = checkpoint::read(&Disk, &path).context("reading the probe's checkpoint")?;
        saved::read(&content.optimizer, &zero)?
    } else {
        zero
    };
    let mut prober = Prober {
        setup,
        strengths: strengths(probe.strengths),
        probe,
        at,
        last_save: Instant::now(),
    };
    let ended = prober.run()?;
    let state = &prober.setup.state;
    Ok((ended, state.step, state.train_time))
}

impl Prober<'_> {
    fn run(&mut self) -> Result<Ended> {
        let frozen = self.setup.model.frozen_fingerprint()?;
        if self.keep_features()? == Flow::Interrupted {
            return self.stop();
        }
        self.setup.reporter.phase(Phase::Training);
        if self.setup.state.best_step.is_none()
            && (self.path()? == Flow::Interrupted || self.fit_all()? == Flow::Interrupted)
        {
            return self.stop();
        }
        self.prove_frozen(frozen)?;
        self.setup.reporter.phase(Phase::Testing);
        if self.neighbours()? == Flow::Interrupted || self.test()? == Flow::Interrupted {
            self.setup.reporter.emit(&Event::Stopping);
            return Ok(Ended::Stopped);
        }
        Ok(Ended::Finished {
            stopped_early: false,
        })
    }

    fn is_asked_to_stop(&self) -> bool {
        let Setup {
            interrupt,
            stop_after,
            state,
            ..
        } = &self.setup;
        interrupt.is_requested() || stop_after.is_some_and(|last| state.step >= last)
    }

    /// The features of all images, from the cache or computed.
    fn keep_features(&mut self) -> Result<Flow> {
        let batch_size = self.probe.batch_size as usize;
        let Setup {
            experiment,
            model,
            train,
            validation,
            test,
            state,
            reporter,
            interrupt,
            ..
        } = &mut self.setup;
        let keeper = Keeper::new(experiment, model, &state.conditions, batch_size, reporter);
        let total = train.len() + validation.len() + test.len();
        let (started, mut before) = (Instant::now(), 0);
        let batches = |images: usize| u32::try_from(images / batch_size).unwrap_or(u32::MAX);
        for examples in [train, validation, test] {
            let (len, begun) = (examples.len(), Instant::now());
            let kept = keeper.keep(
                (examples, &Views::plain()),
                model,
                reporter,
                |reporter, done| {
                    if reporter.is_progress_due() {
                        let seconds = begun.elapsed().as_secs_f64().max(1e-9);
                        reporter.progress(&Event::Progress(PhaseProgress {
                            phase: Phase::Loading,
                            epoch: state.epoch,
                            step: state.step,
                            done: batches(before + done),
                            total: batches(total),
                            // Parts from the cache take no time, so they would make the rate too high.
                            images_per_second: done as f64 / seconds,
                            loss: None,
                            accuracy: None,
                        }));
                    }
                    !interrupt.is_requested()
                },
            )?;
            if kept.is_none() {
                return Ok(Flow::Interrupted);
            }
            before += len;
        }
        state.train_time += started.elapsed().as_secs_f64();
        self.setup.report_unreadable()?;
        Ok(Flow::Done)
    }

    fn problem(&self, examples: &[&Examples]) -> Result<Problem> {
        let (features, labels) = together(examples)?;
        Problem::new(&features, &labels, self.setup.model.spec().classes)
    }

    /// Fits at each strength that is left, the smallest C first, each from the one before.
    fn path(&mut self) -> Result<Flow> {
        let train = self.problem(&[&self.setup.train])?.prepared()?;
        let validation = self.problem(&[&self.setup.validation])?;
        while (self.setup.state.epoch as usize) < self.strengths.len() {
            if self.is_asked_to_stop() {
                return Ok(Flow::Interrupted);
            }
            let every = self.setup.experiment.train.checkpoint.every();
            if self.last_save.elapsed() >= every {
                self.save()?;
                self.setup.reporter.phase(Phase::Training);
            }
            let c = self.strengths[self.setup.state.epoch as usize];
            let started = Instant::now();
            let Some(fit) = self.fit(&train, c, &self.at, Tolerance::PATH)? else {
                return Ok(Flow::Interrupted);
            };
            let seconds = started.elapsed().as_secs_f64();
            self.conclude(c, fit, (&train, &validation), seconds)?;
        }
        Ok(Flow::Done)
    }

    /// `None` if the run is asked to stop.
    fn fit(
        &self,
        problem: &Problem,
        c: f64,
        start: &Classifier,
        tolerance: Tolerance,
    ) -> Result<Option<Fit>> {
        let interrupt = self.setup.interrupt;
        problem.fit(c, start, tolerance, || interrupt.is_requested())
    }

    /// Takes in a strength's classifier and logs what it reaches.
    fn conclude(
        &mut self,
        c: f64,
        fit: Fit,
        (train, validation): (&Problem, &Problem),
        seconds: f64,
    ) -> Result<()> {
        let (of_train, of_validation) = (
            train.measure(&fit.classifier)?,
            validation.measure(&fit.classifier)?,
        );
        self.at = fit.classifier;
        let state = &mut self.setup.state;
        state.epoch += 1;
        state.step += 1;
        state.train_time += seconds;
        // Of equally good strengths the first, which penalizes most, stays the best.
        let verdict =
            state
                .progress
                .observe(Monitor::ValAcc, None, state.epoch, of_validation.accuracy);
        let passes = fit.iterations.max(1) as f64;
        let mut figures = Epoch {
            epoch: state.epoch,
            step: state.step,
            train_loss: of_train.loss,
            train_acc: of_train.accuracy,
            val_loss: of_validation.loss,
            val_acc: of_validation.accuracy,
            learning_rate: f64::NAN,
            images_per_second: train.len() as f64 * passes / seconds.max(1e-9),
            train_time: state.train_time,
            best: verdict.is_best,
            ..Epoch::default()
        };
        figures.set(Epoch::STRENGTH.to_owned(), c);
        self.setup.reporter.emit(&Event::Epoch(figures));
        if !fit.converged {
            let text = format!(
                "C = {c:.3e}: the fit did not converge within {} iterations; its figures are those it reached",
                fit.iterations
            );
            self.setup.reporter.note(Level::Info, text);
        }
        Ok(())
    }

    /// Fits on training and validation images at the best strength, and saves that as the best checkpoint.
    fn fit_all(&mut self) -> Result<Flow> {
        let (best, accuracy) = self
            .setup
            .state
            .progress
            .best
            .context("no strength has a validation accuracy")?;
        let c = self.strengths[best as usize - 1];
        let all = self
            .problem(&[&self.setup.train, &self.setup.validation])?
            .prepared()?;
        let started = Instant::now();
        // The path has ended at weights for the weakest penalty, which are far away.
        let start = self.at.zeroed()?;
        let Some(fit) = self.fit(&all, c, &start, Tolerance::PATH)? else {
            return Ok(Flow::Interrupted);
        };
        let Some(closer) = self.fit(&all, c, &fit.classifier, Tolerance::FINAL)? else {
            return Ok(Flow::Interrupted);
        };
        // Halfway to the minimum of a weak penalty, a classifier is no better than the one that validation measured.
        let is_close = closer.converged;
        let fit = if is_close { closer } else { fit };
        self.at = fit.classifier;
        let state = &mut self.setup.state;
        state.step += 1;
        state.train_time += started.elapsed().as_secs_f64();
        state.best_step = Some(state.step);
        let text = format!(
            "the best of {} strengths is number {best}, C = {c:.3e} (validation accuracy {accuracy:.4}); fitted again on {} \
             training and validation images{}",
            self.strengths.len(),
            all.len(),
            if is_close {
                ""
            } else {
                "; with so weak a penalty, the fit stops before the minimum"
            }
        );
        self.setup.reporter.note(Level::Info, text);
        if best == 1 || best as usize == self.strengths.len() {
            let text =
                "the best strength is the first or last of all, so a better one may lie beyond";
            self.setup.reporter.note(Level::Warning, text);
        }
        self.save()?;
        Ok(Flow::Done)
    }

    /// Chooses the number of neighbours on the validation images and measures it on the test images.
    fn neighbours(&mut self) -> Result<Flow> {
        let counts = self.probe.neighbour_counts();
        let (classes, setup) = (self.setup.model.spec().classes, &mut self.setup);
        let [train, validation, test] =
            [&setup.train, &setup.validation, &setup.test].map(features);
        let (train, validation, test) = (train?, validation?, test?);
        if counts.is_empty() {
            return Ok(Flow::Done);
        }
        let known = Neighbours::new(train.features(), train.labels(), classes)?;
        let mut best: Option<(u32, f64)> = None;
        for (&k, found) in counts
            .iter()
            .zip(known.classify(validation.features(), &counts)?)
        {
            let reached = share_right(&found, validation.labels())?;
            if best.is_none_or(|(_, best)| reached > best) {
                best = Some((k, reached));
            }
        }
        if setup.interrupt.is_requested() {
            return Ok(Flow::Interrupted);
        }
        let Some((k, val_acc)) = best else {
            return Ok(Flow::Done);
        };
        let (all, labels) = together(&[&setup.train, &setup.validation])?;
        let known = Neighbours::new(&all, &labels, classes)?;
        let found = known.classify(test.features(), &[k])?;
        let found = found.first().context("no test image was classified")?;
        let test_acc = share_right(found, test.labels())?;
        setup.reporter.emit(&Event::Neighbours(Reached {
            k,
            val_acc,
            test_acc,
        }));
        let text = format!(
            "{k} nearest neighbours: validation accuracy {val_acc:.4}, test accuracy {test_acc:.4}"
        );
        setup.reporter.note(Level::Info, text);
        Ok(Flow::Done)
    }

    /// Measures the last fit on the test images.
    fn test(&mut self) -> Result<Flow> {
        saved::put(&self.setup.model, &self.at)?;
        let Setup {
            format,
            model,
            test,
            reporter,
            interrupt,
            state,
            ..
        } = &mut self.setup;
        let sums = evaluate(
            model,
            test,
            self.probe.batch_size as usize,
            (*format, &Evaluate::PLAIN),
            interrupt,
            None,
            |_, _| Ok(()),
        )?;
        let Some(sums) = sums else {
            return Ok(Flow::Interrupted);
        };
        reporter.emit(&Event::Test(Test {
            epoch: state.progress.best.map_or(state.epoch, |(best, _)| best),
            loss: sums.mean_loss(),
            accuracy: sums.accuracy(),
            views: None,
        }));
        Ok(Flow::Done)
    }

    fn prove_frozen(&mut self, before: String) -> Result<()> {
        let model = &self.setup.model;
        let frozen = model.tensors().iter().filter(|named| named.frozen);
        let event = Event::Frozen {
            tensors: u32::try_from(frozen.count())?,
            before,
            after: model.frozen_fingerprint()?,
        };
        self.setup.reporter.emit(&event);
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        saved::put(&self.setup.model, &self.at)?;
        let Setup {
            experiment,
            model,
            state,
            reporter,
            run,
            ..
        } = &mut self.setup;
        reporter.phase(Phase::Saving);
        let started = Instant::now();
        let content = Content {
            state: state.clone(),
            model: saved::model(model)?,
            optimizer: saved::write(&self.at)?,
        };
        let keep = experiment.train.checkpoint.keep as usize;
        let bytes = checkpoint::save(&Disk, run, &content, keep).context("saving the probe")?;
        reporter.emit(&Event::Checkpoint(Checkpoint {
            step: state.step,
            epoch: state.epoch,
            best: state.best_step == Some(state.step),
            bytes,
            seconds: started.elapsed().as_secs_f64(),
        }));
        self.last_save = Instant::now();
        Ok(())
    }

    fn stop(&mut self) -> Result<Ended> {
        self.setup.reporter.emit(&Event::Stopping);
        self.save().context("stopping")?;
        Ok(Ended::Stopped)
    }
}

fn features(examples: &Examples) -> Result<&Features> {
    examples
        .features()
        .context("the features of a part are not there")
}

/// Features `[n, F]` and class numbers `[n]` of several parts, one after the other.
fn together(examples: &[&Examples]) -> Result<(Tensor, Tensor)> {
    let parts = examples
        .iter()
        .map(|examples| features(examples))
        .collect::<Result<Vec<_>>>()?;
    let cat = |of: fn(&Features) -> &Tensor| {
        let tensors: Vec<&Tensor> = parts.iter().map(|part| of(part)).collect();
        Tensor::f_cat(&tensors, 0)
    };
    Ok((cat(Features::features)?, cat(Features::labels)?))
}

fn share_right(found: &Tensor, labels: &Tensor) -> Result<f64> {
    let right = found
        .f_eq_tensor(labels)?
        .f_to_kind(Kind::Double)?
        .f_mean(Kind::Double)?;
    Ok(f64::try_from(&right)?)
}
