//! ```text
//!  epoch 12/30 ━━━━━━━━━━━━╸─────  71 %  312 img/s  2m 10s left in epoch  38m 00s left in all
//! ```
//! The progress of a live run or its downloads; the result of a run that ended.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;
use warmstart_schema::event::{Batch, Phase};
use warmstart_schema::state::{Outcome, Status};

use super::super::paint;
use crate::format::{bytes, duration, metric};
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// A shorter bar is useless.
const BAR: u16 = 8;

pub(crate) fn draw(buf: &mut Buffer, row: Rect, run: &Run) {
    let status = run.status();
    match (&run.state.batch, status) {
        (_, Status::Active(Phase::Fetching)) if run.state.fetch.is_some() => {
            draw_fetch(buf, row, run);
        }
        (_, Status::Waiting) => {
            let text = run.whereabouts().unwrap_or_default();
            paint::left(buf, row, &text, THEME.muted);
        }
        (Some(batch), status) if status.is_live() && status != Status::Starting => {
            draw_batch(buf, row, run, batch);
        }
        (None, Status::Active(phase)) => {
            paint::left(buf, row, &waiting_for(phase, run), THEME.muted);
        }
        _ => draw_result(buf, row, run),
    }
}

/// A resumed run with a frozen backbone reads its pictures before it computes their features; its log does not say which it
/// does now.
fn loading(run: &Run) -> &'static str {
    let model = run.state.model.as_ref();
    if model.is_some_and(|model| model.cached_features) {
        "reading pictures, computing features "
    } else {
        "reading pictures "
    }
}

/// What a run without progress is doing.
fn waiting_for(phase: Phase, run: &Run) -> String {
    match phase {
        Phase::Fetching => "looking for data and weights".to_owned(),
        Phase::Loading => "loading data and weights".to_owned(),
        Phase::Testing => "measuring the best checkpoint on the test set".to_owned(),
        Phase::Training | Phase::Validating => {
            let ended = run.state.epochs.last().map_or(0, |epoch| epoch.epoch);
            match run.state.epochs_planned() {
                // A probe fits its last classifier after all strengths.
                Some(planned) if ended >= planned => phase.as_str().to_owned(),
                _ => format!("{} {} {}", phase.as_str(), run.unit(), ended + 1),
            }
        }
        Phase::Saving => phase.as_str().to_owned(),
    }
}

/// A run's result on one line; omits the best epoch if it does not fit.
pub(crate) fn draw_result(buf: &mut Buffer, row: Rect, run: &Run) {
    let whole = result(run, true);
    let fits = whole.width() <= usize::from(row.width);
    paint::left(
        buf,
        row,
        &if fits { whole } else { result(run, false) },
        THEME.muted,
    );
}

fn result(run: &Run, with_best: bool) -> String {
    let state = &run.state;
    let trained = state
        .train_time()
        .map(|seconds| format!("trained for {}", duration(seconds)));
    let best = state.best_epoch().filter(|_| with_best).map(|epoch| {
        format!(
            "val acc {} at best {} {}",
            metric(Some(epoch.val_acc)),
            run.unit(),
            epoch.epoch
        )
    });
    let test = state.test.as_ref().map(|test| {
        let views = test
            .views
            .map_or_else(String::new, |views| format!(" by {views} views"));
        format!(
            "test acc {}{views} with {} {}",
            metric(Some(test.accuracy)),
            run.unit(),
            test.epoch
        )
    });
    let early = matches!(
        state.outcome,
        Some(Outcome::Finished {
            stopped_early: true
        })
    )
    .then(|| "stopped early".to_owned());
    let halving = match run.status() {
        Status::Paused => Some("waits for its group".to_owned()),
        Status::Halved => Some("stopped by halving".to_owned()),
        _ => None,
    };
    let parts: Vec<String> = [halving, test, best, trained, early]
        .into_iter()
        .flatten()
        .collect();
    match run.status() {
        _ if !parts.is_empty() => parts.join(" · "),
        Status::Queued(place) => format!("waits in the queue, place {place}"),
        Status::Starting => run
            .whereabouts()
            .unwrap_or_else(|| "its worker is starting".to_owned()),
        status if status.is_live() => format!("no {} has ended yet", run.unit()),
        _ => format!("it ended before its first {} did", run.unit()),
    }
}

fn draw_batch(buf: &mut Buffer, row: Rect, run: &Run, batch: &Batch) {
    let share = f64::from(batch.batch) / f64::from(batch.batches.max(1));
    let planned = run
        .state
        .epochs_planned()
        .map_or_else(String::new, |planned| format!("/{planned}"));
    let epoch = format!("{} {}{planned} ", run.unit(), batch.epoch);
    let head = match run.status() {
        Status::Stopping => format!("stopping  {epoch}"),
        Status::Active(Phase::Loading) => loading(run).to_owned(),
        Status::Active(Phase::Validating) => format!("validating  {epoch}"),
        Status::Active(Phase::Testing) => "testing the best checkpoint ".to_owned(),
        _ => epoch,
    };
    draw_share(buf, row, &head, share, &pace(run, batch));
}

fn draw_fetch(buf: &mut Buffer, row: Rect, run: &Run) {
    let Some(fetch) = &run.state.fetch else {
        return;
    };
    let sizes = format!("  {} of {}", bytes(fetch.done), bytes(fetch.total));
    let left = run.state.fetch_left().map_or_else(String::new, |seconds| {
        format!("  {} left", duration(seconds))
    });
    let head = format!("{} {} ", fetch.action.as_str(), fetch.what);
    let tails = [format!("{sizes}{left}"), left, sizes].map(|tail| Line::styled(tail, THEME.muted));
    draw_share(buf, row, &head, fetch.share(), &tails);
}

/// The current phase, a bar, and the longest tail that fits.
fn draw_share(buf: &mut Buffer, row: Rect, head: &str, share: f64, tails: &[Line]) {
    let percent = format!(" {:>3.0} %", share * 100.0);
    let rest = paint::left(buf, row, head, THEME.text);
    let room = |line: &Line| {
        rest.width
            .saturating_sub(u16::try_from(line.width()).unwrap_or(u16::MAX))
    };
    let width = u16::try_from(percent.len()).unwrap_or(0);
    let tail = tails.iter().find(|line| room(line) >= BAR + width);
    let bar = Rect {
        width: tail.map_or(rest.width, room).saturating_sub(width).min(48),
        ..rest
    };
    paint::bar(buf, bar, share, THEME.accent);
    let rest = Rect {
        x: bar.right(),
        width: rest.right() - bar.right(),
        ..rest
    };
    let rest = paint::left(buf, rest, &percent, THEME.text);
    if let Some(line) = tail {
        paint::left_line(buf, rest, line);
    }
}

/// Images per second and the time left, from the longest form to the shortest.
fn pace(run: &Run, batch: &Batch) -> [Line<'static>; 3] {
    let speed = format!("  {:.0} img/s", batch.images_per_second);
    let in_epoch = run.state.dataset.as_ref().map(|dataset| {
        let left = 1.0 - f64::from(batch.batch) / f64::from(batch.batches.max(1));
        f64::from(dataset.train) * left / batch.images_per_second
    });
    let in_epoch =
        in_epoch.filter(|seconds| seconds.is_finite() && run.state.phase == Phase::Training);
    let in_epoch = in_epoch.map(|seconds| format!("  {} left in epoch", duration(seconds)));
    let in_all = run
        .state
        .time_left()
        .filter(|_| run.state.phase == Phase::Training)
        .map(|seconds| format!("  {} left in all", duration(seconds)));
    let say = |parts: [Option<String>; 3]| {
        let spans = parts
            .into_iter()
            .flatten()
            .map(|part| Span::styled(part, THEME.muted));
        Line::from(spans.collect::<Vec<_>>())
    };
    [
        say([Some(speed.clone()), in_epoch, in_all.clone()]),
        say([Some(speed), None, in_all.clone()]),
        say([None, None, in_all]),
    ]
}
