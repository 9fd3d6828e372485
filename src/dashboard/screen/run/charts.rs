//! ```text
//!  accuracy   ● val 0.6180  ▲ best at 11  · train 0.7310
//!  0.8 ┤                                       ⢀⣀⠤⠒⠉
//!  loss       ● val 1.4370  ▲ best at 11  · train 0.9800
//!  4.0 ┤⠢⣀
//! ```
//! Accuracy and loss of training and validation by epoch: side by side where that is wider than high, else one above the
//! other. Before the first epoch ends the training curve within it is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use warmstart_schema::event::{Batch, Epoch};
use warmstart_schema::state::RunState;

use super::super::paint;
use crate::dashboard::chart::{Axis, Chart, Curve, Series, Unit};
use crate::dashboard::format::metric;
use crate::dashboard::model::Model;
use crate::dashboard::theme::THEME;
use crate::store::Run;

/// One chart's figures, as functions of what a run knows.
struct Figures {
    name: &'static str,
    train: fn(&Epoch) -> f64,
    validation: fn(&Epoch) -> f64,
    batch: fn(&Batch) -> f64,
}

const ACCURACY: Figures = Figures {
    name: "accuracy",
    train: |epoch| epoch.train_acc,
    validation: |epoch| epoch.val_acc,
    batch: |batch| batch.accuracy,
};
const LOSS: Figures = Figures {
    name: "loss",
    train: |epoch| epoch.train_loss,
    validation: |epoch| epoch.val_loss,
    batch: |batch| batch.loss,
};

/// Points drawn of the progress within the first epoch.
const POINTS: usize = 400;

pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, run: &Run, cursor: Option<u32>) {
    let is_wide = area.width >= area.height.saturating_mul(5);
    if is_wide && area.width >= 56 {
        let split = Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Fill(1)]);
        let [left, _, right] = area.layout(&split);
        draw_one(buf, left, model, run, cursor, &ACCURACY);
        draw_one(buf, right, model, run, cursor, &LOSS);
    } else if area.height >= 12 {
        let [upper, lower] = area.layout(&Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]));
        draw_one(buf, upper, model, run, cursor, &ACCURACY);
        draw_one(buf, lower, model, run, cursor, &LOSS);
    } else {
        draw_one(buf, area, model, run, cursor, &ACCURACY);
    }
}

fn draw_one(buf: &mut Buffer, area: Rect, model: &Model, run: &Run, cursor: Option<u32>, figures: &Figures) {
    let [title, plot] = area.layout(&Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]));
    let state = &run.state;
    draw_title(buf, title, model, state, cursor, figures);
    let validation: Vec<_> =
        state.epochs.iter().map(|epoch| (f64::from(epoch.epoch), (figures.validation)(epoch))).collect();
    let train = train_points(state, figures);
    if train.is_empty() && validation.is_empty() {
        let row = paint::row(plot, plot.height / 2);
        paint::left(buf, row, "no figures yet", THEME.muted);
        return;
    }
    let best: Vec<_> =
        state.best_epoch().into_iter().map(|epoch| (f64::from(epoch.epoch), (figures.validation)(epoch))).collect();
    let per_epoch = state.dataset.as_ref().map_or(1.0, |dataset| f64::from(dataset.steps_per_epoch.max(1)));
    let resumes: Vec<f64> = state.resumes.iter().map(|step| *step as f64 / per_epoch).collect();
    let x = epochs_axis(run, &train).in_unit(Unit::Whole);
    let y = Axis::around(train.iter().chain(&validation).map(|point| point.1));
    let (train, validation) = (Curve::new(train), Curve::new(validation));
    let chart = Chart {
        x,
        y,
        series: &[
            Series { curve: &train, style: THEME.train, mark: None, faint: false },
            Series { curve: &validation, style: THEME.validation, mark: Some("●"), faint: false },
        ],
        best: &best,
        events: &resumes,
        cursor: cursor.map(f64::from),
        ascii: model.look.ascii,
    };
    chart.render(plot, buf);
}

/// A value for each epoch, and one for the epoch at work; within the first epoch its own curve.
fn train_points(state: &RunState, figures: &Figures) -> Vec<(f64, f64)> {
    let within = |batch: &Batch| {
        f64::from(batch.epoch - 1.min(batch.epoch)) + f64::from(batch.batch) / f64::from(batch.batches.max(1))
    };
    if state.epochs.is_empty() {
        let every = state.batches.len().div_ceil(POINTS).max(1);
        return state.batches.iter().step_by(every).map(|batch| (within(batch), (figures.batch)(batch))).collect();
    }
    let mut points: Vec<_> =
        state.epochs.iter().map(|epoch| (f64::from(epoch.epoch), (figures.train)(epoch))).collect();
    let last = points.last().map_or(0.0, |point| point.0);
    let at_work = state.batches.last().map(|batch| (within(batch), (figures.batch)(batch)));
    points.extend(at_work.filter(|point| point.0 > last));
    points
}

/// All planned epochs while the run goes on and at least an eighth is done, so that the axis rests; else what there is.
fn epochs_axis(run: &Run, train: &[(f64, f64)]) -> Axis {
    let state = &run.state;
    if state.epochs.is_empty() {
        return Axis::linear(0.0, 1.0);
    }
    let (first, done) = (f64::from(state.epochs[0].epoch), train.last().map_or(1.0, |point| point.0).ceil());
    let planned = state.epochs_planned().map_or(done, f64::from);
    let high = match run.status().is_live() {
        true if done * 8.0 >= planned => planned.max(done),
        true => (done * 4.0).min(planned.max(done)),
        false => done,
    };
    if high > first { Axis::linear(first, high) } else { Axis::linear(first - 1.0, first + 1.0) }
}

fn draw_title(buf: &mut Buffer, row: Rect, model: &Model, state: &RunState, cursor: Option<u32>, figures: &Figures) {
    let at = cursor.and_then(|cursor| state.epochs.iter().find(|epoch| epoch.epoch == cursor));
    let shown = at.or(state.epochs.last());
    let running =
        state.batch.as_ref().filter(|_| at.is_none() && state.phase == warmstart_schema::event::Phase::Training);
    let train = running.map(|batch| (figures.batch)(batch)).or(shown.map(|epoch| (figures.train)(epoch)));
    let mut spans = vec![
        Span::styled(figures.name, THEME.title),
        Span::styled("  ● val ", THEME.validation),
        Span::styled(metric(shown.map(|epoch| (figures.validation)(epoch))), THEME.text),
        Span::styled(if model.look.ascii { "  o train " } else { "  · train " }, THEME.train),
        Span::styled(metric(train), THEME.text),
    ];
    match (at, state.best_epoch()) {
        (Some(epoch), _) => spans.push(Span::styled(format!("  at epoch {}", epoch.epoch), THEME.accent)),
        (None, Some(best)) => spans.push(Span::styled(format!("  ▲ best at {}", best.epoch), THEME.best)),
        (None, None) => {}
    }
    let mut line = Line::from(spans);
    // What does not fit whole is left out whole, the least needed first.
    while line.width() > usize::from(row.width) && line.spans.len() > 1 {
        line.spans.pop();
    }
    paint::left_line(buf, row, &line);
}
