//! Applies chart keys: cursor, zoom and pan, axes, smoothing, and which charts are shown.

use crate::chart::Axis;
use crate::command::{ChartCommand, Command};
use crate::effect::{Charts, Effect};
use crate::format::plural;
use crate::keys::{Context, Keymap};
use crate::message::Report;
use crate::model::{
    ChartKind, ChartView, Drawn, Model, Others, Screen, Smoothing, Times, stage_of,
};
use warmstart_report::plot::Plot;
use warmstart_runs::store::{Run, Runs};

/// Cursor steps per screen width, unless it moves by epochs.
const STEPS: f64 = 100.0;
/// If more epochs than this are visible, the cursor moves by a share of the width.
const SINGLE_EPOCHS: usize = 200;
/// The smallest share of the x axis that zoom can show.
const CLOSEST: f64 = 1e-5;
/// How many times the y range can be halved.
const FLATTEST: u8 = 12;

/// Runs a command on the charts of the open run.
pub(crate) fn change(model: &mut Model, command: ChartCommand) -> Vec<Effect> {
    let Screen::Run(view) = &mut model.open else {
        return Vec::new();
    };
    let Some(run) = model.runs.get(&view.id) else {
        return Vec::new();
    };
    let (charts, runs) = (&mut view.charts, &model.runs);
    // A visible change needs no message.
    let mut said = None;
    match command {
        ChartCommand::Cursor(by) => move_cursor(charts, runs, run, by),
        ChartCommand::ToFirst => jump(charts, runs, run),
        ChartCommand::ToNewest => charts.cursor = None,
        ChartCommand::ZoomIn => said = zoom(charts, runs, run, 0.5),
        ChartCommand::ZoomOut => said = zoom(charts, runs, run, 2.0),
        ChartCommand::PanLeft => said = pan(charts, runs, run, -0.25, &model.keys),
        ChartCommand::PanRight => said = pan(charts, runs, run, 0.25, &model.keys),
        ChartCommand::HalfHeight => charts.y_halvings = (charts.y_halvings + 1).min(FLATTEST),
        ChartCommand::DoubleHeight => charts.y_halvings = charts.y_halvings.saturating_sub(1),
        ChartCommand::Whole => (charts.window, charts.y_halvings) = (None, 0),
        ChartCommand::XAxis => said = Some(turn(charts, run)),
        ChartCommand::LogX => {
            charts.log_x = !charts.log_x;
            charts.window = None;
            said = Some(format!("from left to right: {}", kind(charts.log_x)));
        }
        ChartCommand::LogY => {
            charts.log_y = !charts.log_y;
            said = Some(format!("from bottom to top: {}", kind(charts.log_y)));
        }
        ChartCommand::Smooth => {
            charts.smoothing = charts.smoothing.next();
            model.detail = charts.smoothing;
            let name = if charts.smoothing == Smoothing::Epochs {
                "a figure an epoch"
            } else {
                charts.smoothing.name()
            };
            said = Some(name.to_owned());
        }
        ChartCommand::Others => said = Some(next_others(charts, runs, run)),
        ChartCommand::Next => charts.single = neighbour(charts.single, true),
        ChartCommand::Previous => charts.single = neighbour(charts.single, false),
        ChartCommand::Save => return vec![Effect::ExportCharts(shown(charts, runs, run))],
        ChartCommand::Alone(number) => {
            let chosen = usize::from(number)
                .checked_sub(1)
                .and_then(|index| ChartKind::ALL.get(index))
                .copied();
            charts.single = chosen.filter(|_| chosen != charts.single);
        }
    }
    if let Some(text) = said {
        model.report = Some(Report { good: true, text });
    }
    Vec::new()
}

/// The chart that is shown alone, or accuracy and loss. The open run is drawn last, on top.
fn shown(charts: &ChartView, runs: &Runs, run: &Run) -> Charts {
    let plot = Plot {
        quantities: charts
            .single
            .map_or_else(|| ChartKind::ALL[..2].to_vec(), |quantity| vec![quantity]),
        along: charts.x_axis,
        detail: charts.smoothing,
        log_x: charts.log_x,
        log_y: charts.log_y,
        window: charts.window,
    };
    let others = charts.others(runs, run).into_iter();
    let drawn = others.chain([Drawn::whole(run)]);
    Charts {
        plot,
        runs: drawn
            .map(|drawn| (drawn.run.clone(), drawn.shift, drawn.until))
            .collect(),
    }
}

fn kind(log: bool) -> &'static str {
    if log { "logarithmic" } else { "linear" }
}

/// The chart whose x axis the cursor and the zoom use.
fn leading(charts: &ChartView) -> ChartKind {
    charts.single.unwrap_or(ChartKind::Accuracy)
}

fn neighbour(alone: Option<ChartKind>, next: bool) -> Option<ChartKind> {
    let order = || std::iter::once(None).chain(ChartKind::ALL.map(Some));
    let count = ChartKind::ALL.len() + 1;
    let at = order().position(|quantity| quantity == alone).unwrap_or(0);
    order()
        .nth((at + if next { 1 } else { count - 1 }) % count)
        .flatten()
}

/// Moves the cursor to a position, or to the nearest epoch if it moves by epochs.
pub(crate) fn point_at(model: &mut Model, x: f64) {
    let Screen::Run(view) = &mut model.open else {
        return;
    };
    let Some(run) = model.runs.get(&view.id) else {
        return;
    };
    let charts = &mut view.charts;
    let times = Times::of(&run.state, charts.x_axis);
    let epochs = run.state.epochs.iter().map(|epoch| times.x_of_epoch(epoch));
    let nearest = epochs.min_by(|a, b| (a - x).abs().total_cmp(&(b - x).abs()));
    charts.cursor = if charts.smoothing == Smoothing::Epochs {
        nearest.or(Some(x))
    } else {
        Some(x)
    };
}

/// Zooms around a position, which stays in place.
pub(crate) fn zoom_at(model: &mut Model, x: f64, closer: bool) {
    let Screen::Run(view) = &mut model.open else {
        return;
    };
    let Some(run) = model.runs.get(&view.id) else {
        return;
    };
    let (charts, runs) = (&mut view.charts, &model.runs);
    let axis = charts.axis(runs, run, leading(charts));
    zoom_about(charts, runs, run, axis, if closer { 0.5 } else { 2.0 }, x);
}

/// Moves by epochs, or by shares of the visible range. Past the newest figure, the cursor
/// disappears and the screen follows the run.
fn move_cursor(charts: &mut ChartView, runs: &Runs, run: &Run, by: i8) {
    let axis = charts.axis(runs, run, leading(charts));
    let times = Times::of(&run.state, charts.x_axis);
    let epochs: Vec<f64> = run
        .state
        .epochs
        .iter()
        .map(|epoch| times.x_of_epoch(epoch))
        .collect();
    let last = charts.whole(runs, run, leading(charts)).high;
    let newest = epochs.last().copied().unwrap_or(0.0);
    let in_sight = epochs
        .iter()
        .filter(|x| (axis.low..=axis.high).contains(x))
        .count();
    let to =
        if charts.smoothing == Smoothing::Epochs && !epochs.is_empty() && in_sight <= SINGLE_EPOCHS
        {
            let from = charts.cursor.unwrap_or(newest);
            by_epochs(&epochs, from, isize::from(by)).filter(|_| charts.cursor.is_some() || by < 0)
        } else {
            let from = charts.cursor.unwrap_or(last.min(axis.high));
            let moved = axis.at(axis.share(from) + f64::from(by) / STEPS);
            (moved <= last).then_some(moved.max(charts.whole(runs, run, leading(charts)).low))
        };
    charts.cursor = to.filter(|to| to.is_finite());
    follow(charts, runs, run);
}

/// The epoch `by` places away; `None` past the newest.
fn by_epochs(epochs: &[f64], from: f64, by: isize) -> Option<f64> {
    let after = epochs.partition_point(|x| *x < from);
    let is_on_one = epochs.get(after).is_some_and(|x| *x <= from);
    // Between two epochs, the first step goes to the nearest epoch in its direction.
    let at = if by > 0 && !is_on_one {
        after.checked_add_signed(by - 1)
    } else {
        after.checked_add_signed(by)
    };
    match at {
        None => epochs.first().copied(),
        Some(at) => epochs.get(at).copied(),
    }
}

fn jump(charts: &mut ChartView, runs: &Runs, run: &Run) {
    let first = run
        .state
        .epochs
        .first()
        .map(|epoch| Times::of(&run.state, charts.x_axis).x_of_epoch(epoch));
    let low = charts.whole(runs, run, leading(charts)).low;
    charts.cursor = first
        .filter(|_| charts.smoothing == Smoothing::Epochs)
        .or(Some(low));
    follow(charts, runs, run);
}

/// Moves the visible range so that it contains the cursor.
fn follow(charts: &mut ChartView, runs: &Runs, run: &Run) {
    let Some((cursor, _)) = charts.cursor.zip(charts.window) else {
        return;
    };
    let axis = charts.axis(runs, run, leading(charts));
    let share = axis.share(cursor);
    let by = if share < 0.0 {
        share
    } else {
        (share - 1.0).max(0.0)
    };
    if by != 0.0 {
        set_window(charts, runs, run, axis.panned(by));
    }
}

/// The range of all figures of a run.
fn limits(charts: &ChartView, runs: &Runs, run: &Run) -> Axis {
    let [by_epoch, all] = [ChartKind::Loss, ChartKind::LearningRate]
        .map(|quantity| charts.whole(runs, run, quantity));
    Axis {
        low: all.low.min(by_epoch.low),
        high: all.high.max(by_epoch.high),
        ..all
    }
}

fn set_window(charts: &mut ChartView, runs: &Runs, run: &Run, wanted: Axis) {
    let whole = limits(charts, runs, run);
    let axis = wanted.within(whole);
    // Charts that start at the first step show a larger range only without zoom.
    let all = charts.whole(runs, run, leading(charts));
    let is_all = axis.low <= all.low && axis.high >= all.high;
    charts.window = (!is_all).then_some((axis.low, axis.high));
}

/// Zooms around the cursor; else around the newest figure of a live run, or the middle.
fn zoom(charts: &mut ChartView, runs: &Runs, run: &Run, factor: f64) -> Option<String> {
    let axis = charts.axis(runs, run, leading(charts));
    let about = match charts.cursor {
        Some(cursor) if (axis.low..=axis.high).contains(&cursor) => cursor,
        _ if run.status().is_live() => axis.high,
        _ => axis.at(0.5),
    };
    zoom_about(charts, runs, run, axis, factor, about)
}

fn zoom_about(
    charts: &mut ChartView,
    runs: &Runs,
    run: &Run,
    axis: Axis,
    factor: f64,
    about: f64,
) -> Option<String> {
    let zoomed = axis.zoomed(factor, about);
    let whole = limits(charts, runs, run);
    let shown = whole.share(zoomed.high) - whole.share(zoomed.low);
    if shown >= CLOSEST || factor > 1.0 {
        set_window(charts, runs, run, zoomed);
        return None;
    }
    Some("this is as close as it gets".to_owned())
}

/// Moves the visible range by a share of its width. Without zoom, says so, with the user's key.
fn pan(charts: &mut ChartView, runs: &Runs, run: &Run, by: f64, keys: &Keymap) -> Option<String> {
    if charts.window.is_none() {
        let key = keys.first_key(Context::Run, Command::Chart(ChartCommand::ZoomIn));
        let hint = key.map_or_else(String::new, |key| format!("; {key} zooms in"));
        return Some(format!("all of it is shown{hint}"));
    }
    let panned = charts.axis(runs, run, leading(charts)).panned(by);
    set_window(charts, runs, run, panned);
    None
}

/// Selects the next x axis. The cursor keeps its step; the zoom is reset, because a range has no
/// meaning on another axis.
fn turn(charts: &mut ChartView, run: &Run) -> String {
    let step = charts.step(run);
    charts.x_axis = charts.x_axis.next();
    charts.cursor = step.map(|step| Times::of(&run.state, charts.x_axis).x_of_step(step));
    charts.window = None;
    charts.x_axis.name().to_owned()
}

fn next_others(charts: &mut ChartView, runs: &Runs, run: &Run) -> String {
    let siblings = runs.all_like(run).count().saturating_sub(1);
    let stage = stage_of(runs, run);
    charts.window = None;
    charts.others = match charts.others {
        Others::None if stage.is_some() => Others::Stage,
        Others::None | Others::Stage if siblings > 0 => Others::Experiment,
        Others::None | Others::Stage | Others::Experiment if !charts.marked.is_empty() => {
            Others::Marked
        }
        _ => Others::None,
    };
    match (charts.others, stage) {
        (Others::Stage, Some((stage, _))) => {
            format!("with the stage before: {} ({})", stage.label(), stage.id)
        }
        (Others::Experiment, _) => format!("with {siblings} more of this experiment's runs"),
        (Others::Marked, _) => format!("with {} marked", plural(charts.marked.len(), "run")),
        (_, None) if siblings == 0 => {
            "this experiment has no other run, and no stage before it".to_owned()
        }
        _ => "this run alone".to_owned(),
    }
}
