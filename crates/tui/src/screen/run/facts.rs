//! ```text
//!  learning rate              8.10e-4
//!  images/s                       312
//!  device                    cuda:0 97 %
//!  checkpoint      epoch 11, 40 s ago
//!  frozen         213 tensors unchanged
//! ```
//! The settings and resources that a run trains with. With little space the last ones are hidden.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use warmstart_schema::event::Epoch;
use warmstart_schema::experiment::{NumberFormat, RunKind};
use warmstart_schema::metric::Metric;

use super::super::header::{newest_figures, usage};
use super::super::paint;
use crate::format::{NOT_YET, ago, duration, norm, rate};
use crate::model::Model;
use crate::theme::THEME;
use warmstart_runs::pictures::UNEVEN;
use warmstart_runs::store::Run;

/// Rows that the parameters above leave free. Few runs have more facts.
pub(super) const HEIGHT: u16 = 12;

/// From this share of time on, waiting for images is what slows training down.
const SLOW_DATA: f64 = 0.2;

type Fact = (&'static str, String, Style);

pub(super) fn draw(buf: &mut Buffer, area: Rect, model: &Model, run: &Run, cursor: Option<u32>) {
    let facts = [
        Some(strength(run, cursor).unwrap_or_else(|| learning_rate(run, cursor))),
        Some(speed(run, cursor)),
        Some(device(run)),
        Some(checkpoint(run, model.now)),
        time(run, cursor),
        gradient(run),
        plain(run, cursor),
        frozen(run),
        halving(run),
        optimizer(run),
        data(run),
        classes(run),
        threads(run),
        number_format(run),
        exactness(run),
    ];
    for ((label, value, style), y) in facts.into_iter().flatten().zip(0..area.height) {
        paint::field(buf, paint::row(area, y), label, &value, style);
    }
}

/// The epoch under the cursor of the charts; none without a cursor.
fn epoch_at(run: &Run, cursor: Option<u32>) -> Option<&Epoch> {
    let cursor = cursor?;
    run.state.epochs.iter().find(|epoch| epoch.epoch == cursor)
}

/// The strength under the cursor, or the last one that a probe has tried; none for training.
fn strength(run: &Run, cursor: Option<u32>) -> Option<Fact> {
    let RunKind::Probe(_) = run.experiment.as_deref()?.kind() else {
        return None;
    };
    let epoch = epoch_at(run, cursor).or(run.state.epochs.last());
    let strength = epoch.and_then(Epoch::strength);
    let value = strength.map_or_else(|| NOT_YET.to_owned(), rate);
    Some(("strength C", value, THEME.text))
}

fn learning_rate(run: &Run, cursor: Option<u32>) -> Fact {
    // There is no learning rate while features are computed.
    let at_work = run
        .state
        .batch
        .as_ref()
        .map(|batch| batch.learning_rate)
        .filter(|rate| rate.is_finite());
    let of = |epoch: &Epoch| epoch.learning_rate;
    let now = at_work.or(run.state.epochs.last().map(of));
    let schedule = run
        .experiment
        .as_deref()
        .map_or("", |experiment| experiment.train.schedule.name());
    let value = epoch_at(run, cursor)
        .map(of)
        .or(now)
        .map_or_else(|| NOT_YET.to_owned(), rate);
    (
        "learning rate",
        format!("{value} {schedule}").trim_end().to_owned(),
        THEME.text,
    )
}

/// Images per second. If images are decoded while training, also the share of time that steps
/// waited for them.
fn speed(run: &Run, cursor: Option<u32>) -> Fact {
    let last = run.state.epochs.last();
    let chosen = epoch_at(run, cursor);
    let now = run
        .state
        .batch
        .as_ref()
        .map(|batch| batch.images_per_second);
    let of = |epoch: &Epoch| epoch.images_per_second;
    let speed = chosen.map(of).or(now).or(last.map(of));
    let value = speed.map_or_else(|| NOT_YET.to_owned(), |speed| format!("{speed:.0}"));
    match chosen.or(last).and_then(|epoch| epoch.data_wait) {
        None => ("images/s", value, THEME.text),
        Some(share) => {
            let style = if share > SLOW_DATA {
                THEME.warning
            } else {
                THEME.text
            };
            (
                "images/s",
                format!("{value}, waits {:.0} %", share * 100.0),
                style,
            )
        }
    }
}

fn device(run: &Run) -> Fact {
    let text = usage(run.device(), newest_figures(run));
    ("device", text, THEME.text)
}

fn checkpoint(run: &Run, now: f64) -> Fact {
    let (Some((at, _)), Some(place)) = (&run.state.checkpoint, run.state.checkpoint_place()) else {
        return ("checkpoint", NOT_YET.to_owned(), THEME.muted);
    };
    let when = if run.status().is_live() {
        format!(", {}", ago((now - at).max(0.0)))
    } else {
        String::new()
    };
    ("checkpoint", format!("{place}{when}"), THEME.text)
}

fn time(run: &Run, cursor: Option<u32>) -> Option<Fact> {
    let chosen = epoch_at(run, cursor).map(|epoch| epoch.train_time);
    let seconds = chosen.or(run.state.train_time())?;
    Some(("trained for", duration(seconds), THEME.text))
}

fn gradient(run: &Run) -> Option<Fact> {
    let batch = run.state.batches.last().map(|progress| &progress.batch)?;
    Some(("gradient norm", norm(batch.gradient_norm), THEME.text))
}

/// With averaged weights, what the plain ones reach.
fn plain(run: &Run, cursor: Option<u32>) -> Option<Fact> {
    let epoch = epoch_at(run, cursor).or(run.state.epochs.last())?;
    let plain = epoch.plain?;
    let accuracy = Metric::ValAcc.format(plain.val_acc);
    Some(("not averaged", format!("val acc {accuracy}"), THEME.text))
}

fn frozen(run: &Run) -> Option<Fact> {
    let proof = run.state.frozen.as_ref()?;
    let (word, style) = if proof.unchanged() {
        ("unchanged", THEME.good)
    } else {
        ("CHANGED", THEME.error)
    };
    Some(("frozen", format!("{} tensors {word}", proof.tensors), style))
}

/// The place of its settings in the last round of its group's halving.
fn halving(run: &Run) -> Option<Fact> {
    let place = run.state.halvings.last()?;
    let (epoch, rank) = (place.epoch, place.rank_in_words());
    Some(("halving", format!("epoch {epoch}, {rank}"), THEME.text))
}

fn optimizer(run: &Run) -> Option<Fact> {
    let train = match run.experiment.as_ref()?.kind() {
        RunKind::Train(train) => train,
        RunKind::Probe(_) => return Some(("optimizer", "L-BFGS, float64".to_owned(), THEME.text)),
    };
    let times = if train.accumulate > 1 {
        format!(" x{}", train.accumulate)
    } else {
        String::new()
    };
    let text = format!(
        "{}, batch {}{times}",
        train.optimizer.name(),
        train.batch_size
    );
    Some(("optimizer", text, THEME.text))
}

fn data(run: &Run) -> Option<Fact> {
    let dataset = run.state.dataset.as_ref()?;
    Some((
        "images",
        format!("{} train, {} val", dataset.train, dataset.validation),
        THEME.text,
    ))
}

/// The number of images of the smallest and the largest class.
fn classes(run: &Run) -> Option<Fact> {
    let dataset = run.state.dataset.as_ref()?;
    let (smallest, largest) = (
        dataset.smallest.as_ref()?.images,
        dataset.largest.as_ref()?.images,
    );
    let range = if smallest == largest {
        smallest.to_string()
    } else {
        format!("{smallest} to {largest}")
    };
    // A model may never predict a class that has so few images.
    let style = if f64::from(smallest) * UNEVEN <= f64::from(largest) {
        THEME.warning
    } else {
        THEME.text
    };
    Some((
        "classes",
        format!("{}, {range} images", dataset.classes),
        style,
    ))
}

fn threads(run: &Run) -> Option<Fact> {
    let attempt = run.state.attempt.as_ref()?;
    Some(("threads", attempt.threads.to_string(), THEME.text))
}

/// Only where it is not the usual one: lines are few.
fn number_format(run: &Run) -> Option<Fact> {
    let format = run.state.attempt.as_ref()?.precision?;
    (format != NumberFormat::Float32).then(|| ("precision", format.to_string(), THEME.text))
}

fn exactness(run: &Run) -> Option<Fact> {
    let attempt = run
        .state
        .attempt
        .as_ref()
        .filter(|attempt| attempt.resumed_from.is_some())?;
    let (word, style) = if attempt.not_exact.is_empty() {
        ("exact", THEME.good)
    } else {
        ("not exact", THEME.warning)
    };
    Some(("resumed", word.to_owned(), style))
}

#[cfg(test)]
mod tests {
    use warmstart_schema::state::Liveness;

    use super::*;
    use crate::tests::fixtures::{LIVE, id, typical};

    #[test]
    fn figures_of_a_worker_that_is_gone_are_not_shown() {
        let model = typical();
        let mut run = model.runs.get(&id(LIVE)).unwrap().clone();
        let (_, held, _) = device(&run);
        assert!(held.len() > run.device().len(), "{held}");
        // A cluster is to start the next worker.
        run.liveness = Liveness::Waiting;
        let (_, waiting, _) = device(&run);
        assert_eq!(waiting, run.device());
    }
}
