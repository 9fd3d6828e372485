//! Whether a run learns what it is meant to learn.

use warmstart_runs::pictures::UNEVEN;
use warmstart_schema::event::{Epoch, Level, Phase};
use warmstart_schema::experiment::{Experiment, Monitor};
use warmstart_schema::state::{MAX_SKIPPED, Status};

use super::{Action, Alert, Hint, alert};
use crate::format::{figure, plural};
use warmstart_runs::store::Run;

/// Epochs without improvement after which to report it.
const STUCK: u32 = 3;
/// For how many epochs validation must be worse, and by how much of the best loss, before that counts.
const OVERFIT: (usize, f64) = (3, 0.02);
/// A training loss that is this many times its minimum no longer falls.
const DIVERGES: f64 = 1.5;
/// Epochs after which random guessing is no longer normal.
const GUESSES: usize = 3;

fn epochs(count: u32) -> String {
    plural(usize::try_from(count).unwrap_or(usize::MAX), "epoch")
}

pub(super) fn not_a_number(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    // The run's end already reports it.
    if run.status() == Status::Failed {
        return None;
    }
    // Only training has a loss; the computation of features has none.
    let trains = run.status() == Status::Active(Phase::Training);
    let batch = run
        .state
        .batch
        .as_ref()
        .filter(|batch| trains && !batch.loss.is_finite());
    let is_finite = |epoch: &Epoch| epoch.train_loss.is_finite() && epoch.val_loss.is_finite();
    let all = &run.state.epochs;
    let after_finite = all.iter().rposition(is_finite).map_or(0, |last| last + 1);
    let since = all.get(after_finite).map(|epoch| epoch.epoch);
    if let Some(epoch) = since.or(batch.map(|batch| batch.epoch)) {
        return alert(
            Level::Error,
            format!(
                "the loss is not a finite number since epoch {epoch}: try a lower learning rate"
            ),
        );
    }
    // The loss of the newest epoch is finite again.
    let last = all.iter().rfind(|epoch| !is_finite(epoch))?.epoch;
    alert(
        Level::Warning,
        format!("the loss was not a finite number in epoch {last}: try a lower learning rate"),
    )
}

/// Skipped steps, whose loss or gradients were not finite.
pub(super) fn skipped(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let last = run.state.skipped.last()?;
    let steps = match run.state.skipped.len() {
        MAX_SKIPPED => format!("at least {MAX_SKIPPED} steps"),
        count => plural(count, "step"),
    };
    let text = format!(
        "loss or gradients of {steps} were not finite numbers, the last at step {last}; left out, as train.on_nan says: lower \
         train.optimizer.learning_rate"
    );
    alert(Level::Warning, text)
}

/// The minimum over all epochs, and its epoch.
fn least(epochs: &[Epoch], of: fn(&Epoch) -> f64) -> Option<(usize, f64)> {
    let finite = epochs
        .iter()
        .map(of)
        .enumerate()
        .filter(|(_, figure)| figure.is_finite());
    finite.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// Training loss that grows again, as with too high a learning rate.
pub(super) fn diverges(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let all = &run.state.epochs;
    let (at, lowest) = least(all, |epoch| epoch.train_loss)?;
    let last = all.last()?.train_loss;
    let grows = last.is_finite() && last > lowest * DIVERGES && all.len() - at > 2 && lowest > 0.0;
    (run.status().is_live() && grows).then(|| {
        let (lowest, last) = (figure(Some(lowest), 4), figure(Some(last), 4));
        let since = all[at].epoch + 1;
        let text = format!(
            "training loss grows since epoch {since} ({lowest} to {last}): lower train.optimizer.learning_rate, or add \
             warm-up epochs"
        );
        alert(Level::Warning, text)
    })?
}

/// The epoch from which validation loss rises while training loss falls.
pub(super) fn overfits_since(run: &Run) -> Option<u32> {
    let all = &run.state.epochs;
    let (at, best) = least(all, |epoch| epoch.val_loss)?;
    let after = &all[at + 1..];
    let (long, worse) = OVERFIT;
    if after.len() < long {
        return None;
    }
    let recent = &after[after.len() - long..];
    let is_worse = recent
        .iter()
        .all(|epoch| epoch.val_loss > best * (1.0 + worse));
    let still_learns = after.last()?.train_loss < all[at].train_loss;
    (is_worse && still_learns).then(|| all[at].epoch + 1)
}

pub(super) fn overfits(run: &Run, _: f64, hint: Hint<'_>) -> Option<Alert> {
    let since = overfits_since(run)?;
    // The monitored metric may improve while validation loss rises.
    let best = run.state.best_epoch().map(|best| best.epoch);
    let before = best.filter(|best| *best < since);
    let what =
        format!("overfitting since epoch {since}: validation loss rises while training loss falls");
    if run.status().is_live() {
        let best = best.map_or_else(String::new, |best| format!("; best at epoch {best}"));
        let stop = hint(Action::Stop, "stops here");
        let help = "Next time more augmentation, dropout or weight decay, or early stopping";
        return alert(Level::Warning, format!("{what}{best}{stop}. {help}"));
    }
    let kept = "The best checkpoint is from before; fewer epochs, or more augmentation, would save the time";
    let kept = before.map_or_else(String::new, |_| format!(". {kept}"));
    alert(Level::Info, format!("{what}{kept}"))
}

/// No improvement for some epochs; overfitting is reported instead if it applies.
pub(super) fn stuck(run: &Run, _: f64, hint: Hint<'_>) -> Option<Alert> {
    let (best, last) = (run.state.best_epoch()?, run.state.epochs.last()?);
    let since = last.epoch.saturating_sub(best.epoch);
    let monitor = run
        .experiment
        .as_deref()
        .map_or(Monitor::ValLoss, Experiment::monitor);
    let (name, value) = match monitor {
        Monitor::ValLoss => ("loss", best.val_loss),
        Monitor::ValAcc => ("accuracy", best.val_acc),
    };
    let is_said = monitor == Monitor::ValLoss && overfits_since(run).is_some();
    let patience = run
        .experiment
        .as_deref()
        .and_then(|experiment| experiment.train.early_stopping.as_ref());
    let rule = if let Some(rule) = patience {
        format!("; it stops after {}", rule.patience)
    } else {
        let stop = hint(Action::Stop, "stops it");
        format!("{stop}; next time train.early_stopping can do that")
    };
    (run.status().is_live() && since >= STUCK && !is_said).then(|| {
        let best = format!("best {} at {}", figure(Some(value), 4), best.epoch);
        alert(
            Level::Warning,
            format!(
                "validation {name} has not improved for {} ({best}){rule}",
                epochs(since)
            ),
        )
    })?
}

/// Accuracy that is at most three standard deviations above that of random guessing.
pub(super) fn guesses(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let (all, dataset) = (&run.state.epochs, run.state.dataset.as_ref()?);
    if all.len() < GUESSES || dataset.classes < 2 {
        return None;
    }
    let chance = 1.0 / f64::from(dataset.classes);
    let spread = |images: u32| 3.0 * (chance * (1.0 - chance) / f64::from(images.max(1))).sqrt();
    let guessed = all.iter().all(|epoch| {
        epoch.train_acc <= chance + spread(dataset.train)
            && epoch.val_acc <= chance + spread(dataset.validation)
    });
    let last = all.last()?;
    guessed.then(|| {
        let text = format!(
            "accuracy {} is no better than guessing among {} classes, after {}: check labels, learning rate and input size; a \
             frozen backbone needs pretrained weights",
            figure(Some(last.val_acc), 4),
            dataset.classes,
            epochs(last.epoch)
        );
        alert(Level::Warning, text)
    })?
}

/// A learning rate that reached 0 before the last epoch.
pub(super) fn learns_nothing(run: &Run, _: f64, hint: Hint<'_>) -> Option<Alert> {
    let (all, planned) = (&run.state.epochs, run.state.epochs_planned()?);
    let idle = all
        .iter()
        .rev()
        .take_while(|epoch| epoch.learning_rate == 0.0)
        .count();
    let since = all.get(all.len() - idle)?.epoch;
    let is_early = all.last()?.epoch < planned;
    (run.status().is_live() && is_early).then(|| {
        let stop = hint(Action::Stop, "stops it");
        let text = format!(
            "the learning rate is 0 since epoch {since}: nothing is learnt{stop}; look at train.schedule"
        );
        alert(Level::Warning, text)
    })?
}

pub(super) fn uneven(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let dataset = run.state.dataset.as_ref()?;
    let (small, large) = (dataset.smallest.as_ref()?, dataset.largest.as_ref()?);
    let is_weighed = run.experiment.as_deref().is_some_and(|experiment| {
        // A probe has no weights of classes to offer.
        experiment.train.class_weights.is_some()
            || experiment.train.sampler.is_some()
            || experiment.probe.is_some()
    });
    (f64::from(small.images) * UNEVEN <= f64::from(large.images) && !is_weighed).then(|| {
        let text = format!(
            "classes are uneven: {} of {}, {} of {}; train.class_weights: balanced makes up for it, and accuracy says \
             little of the rare ones",
            plural(small.images as usize, "image"),
            small.name,
            large.images,
            large.name
        );
        alert(Level::Info, text)
    })?
}
