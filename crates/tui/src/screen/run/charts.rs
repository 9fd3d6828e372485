//! ```text
//!  accuracy  ● val 0.6180  · train 0.7310  ▲ best at 11            by step · smoothed 0.9
//!  0.8 ┤                                       ⢀⣀⠤⠒⠉
//!  loss  ● val 1.4370  · train 0.9800  ▲ best at 11
//!  4.0 ┤⠢⣀
//! ```
//! The charts of a run with one cursor: all seven if they fit, else accuracy and loss side by side
//! or stacked, else accuracy; or the chart that the user chose.

mod legend;
mod stages;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;

use super::super::paint;
use crate::chart::{Axis, Chart, Curve, Series, Unit};
use crate::model::{ChartKind, ChartView, Drawn, Line, Model, Others, Role, Times, XAxis};
use crate::mouse::{HitBox, HitMap};
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// From this size on, all charts fit.
const ROOM_FOR_ALL: (u16, u16) = (110, 30);

/// The lines of one chart.
struct Scene<'a> {
    quantity: ChartKind,
    view: &'a ChartView,
    run: &'a Run,
    own: &'a [Line],
    others: &'a [Drawn<'a>],
    /// Selects the open run's marker and colour, if other runs are shown.
    rank: Option<usize>,
    x: Axis,
}

pub(crate) fn draw(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    run: &Run,
    view: &ChartView,
    hit_map: &mut HitMap,
) {
    let others = view.others(&model.runs, run);
    let rank = model
        .runs
        .iter()
        .position(|other| other.id == run.id)
        .filter(|_| !others.is_empty());
    for (index, (quantity, area)) in arranged(area, view.single).into_iter().enumerate() {
        let scene = Scene {
            quantity,
            view,
            run,
            own: view.lines(Drawn::whole(run), quantity),
            others: &others,
            rank,
            x: view.axis(&model.runs, run, quantity),
        };
        draw_one(buf, area, model, &scene, index == 0, hit_map);
    }
}

/// The charts to show, with their areas.
fn arranged(area: Rect, alone: Option<ChartKind>) -> Vec<(ChartKind, Rect)> {
    let side_by_side = |row: Rect, quantities: &[ChartKind]| -> Vec<(ChartKind, Rect)> {
        let columns = Layout::horizontal(quantities.iter().map(|_| Constraint::Fill(1))).spacing(2);
        quantities
            .iter()
            .copied()
            .zip(columns.split(row).iter().copied())
            .collect()
    };
    let [accuracy, loss, rest @ ..] = ChartKind::ALL;
    if let Some(quantity) = alone {
        vec![(quantity, area)]
    } else if area.width >= ROOM_FOR_ALL.0 && area.height >= ROOM_FOR_ALL.1 {
        let rows = Layout::vertical([
            Constraint::Fill(3),
            Constraint::Fill(2),
            Constraint::Fill(2),
        ]);
        let [first, second, third] = area.layout(&rows);
        let rows = [
            (first, &[accuracy, loss][..]),
            (second, &rest[..3]),
            (third, &rest[3..]),
        ];
        rows.into_iter()
            .flat_map(|(row, quantities)| side_by_side(row, quantities))
            .collect()
    } else if area.width >= area.height.saturating_mul(5) && area.width >= 56 {
        side_by_side(area, &[accuracy, loss])
    } else if area.height >= 12 {
        let [upper, lower] = area.layout(&Layout::vertical([
            Constraint::Fill(1),
            Constraint::Fill(1),
        ]));
        vec![(accuracy, upper), (loss, lower)]
    } else {
        vec![(accuracy, area)]
    }
}

fn draw_one(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    scene: &Scene,
    is_first: bool,
    hit_map: &mut HitMap,
) {
    let most = if scene.view.single.is_some() {
        4
    } else {
        1 + u16::from(area.height >= 12)
    };
    let others = legend::entries(scene, area.width, most.min(area.height.saturating_sub(5)));
    let rows = [
        Constraint::Length(1),
        Constraint::Length(others.rows),
        Constraint::Fill(1),
    ];
    let [title, names, plot] = area.layout(&Layout::vertical(rows));
    legend::draw_title(buf, title, model.appearance.ascii, scene, is_first);
    legend::draw_others(buf, names, &others);
    let series = series(scene);
    if series.iter().all(|series| series.curve.x_range().is_none()) {
        let row = paint::row(plot, plot.height / 2);
        let words = if scene.run.status().is_live() {
            "no figures yet"
        } else {
            "no figures"
        };
        paint::left(buf, row, words, THEME.muted);
        return;
    }
    let (events, best) = (events(scene), best(scene));
    let chart = Chart {
        series: &series,
        x: scene.x,
        y: y_axis(scene, &series),
        best: best.as_slice(),
        events: &events,
        cursor: scene.view.cursor,
        ascii: model.appearance.ascii,
    };
    hit_map.add(chart.plot(plot), HitBox::Chart(scene.x));
    chart.render(plot, buf);
    if scene.view.others == Others::Stage {
        stages::draw_stages(buf, plot, &chart, scene);
    }
    if scene.quantity == ChartKind::Accuracy {
        stages::draw_unfreezing(buf, plot, &chart, scene);
    }
}

/// How to draw a line of the open run: its style, its marker, and the style of the raw points
/// behind a smoothed line.
fn pen(scene: &Scene, role: Role) -> (Style, Option<&'static str>, Style) {
    let is_alone = scene.own.len() == 1;
    // With other runs, use the same marker and colour as on every screen.
    let (mark, style) = scene
        .rank
        .map_or(("●", THEME.validation), |rank| THEME.run(rank));
    let faint = style.add_modifier(Modifier::DIM);
    match role {
        Role::Train | Role::Second => (THEME.text, None, THEME.train),
        Role::Validation => (style, Some(mark), faint),
        Role::First => (
            style,
            (!is_alone || scene.rank.is_some()).then_some(mark),
            faint,
        ),
        Role::Third => (
            THEME.busy,
            Some("×"),
            THEME.busy.add_modifier(Modifier::DIM),
        ),
    }
}

/// The line that represents another run: validation, or the first of equal lines.
fn leading(lines: &[Line]) -> Option<&Line> {
    lines
        .iter()
        .find(|line| matches!(line.role, Role::Validation | Role::First))
        .or(lines.first())
}

fn series<'a>(scene: &'a Scene) -> Vec<Series<'a>> {
    let mut series = Vec::new();
    for other in scene.others {
        let (mark, style) = THEME.run(other.rank);
        if let Some(line) = leading(scene.view.lines(*other, scene.quantity)) {
            series.push(Series {
                curve: line.smoothed.as_ref().unwrap_or(&line.curve),
                style,
                mark: Some(mark),
                faint: false,
            });
        }
    }
    for line in scene.own {
        let (style, mark, behind) = pen(scene, line.role);
        if let Some(curve) = &line.smoothed {
            series.push(Series {
                curve: &line.curve,
                style: behind,
                mark: None,
                faint: true,
            });
            series.push(Series {
                curve,
                style,
                mark,
                faint: false,
            });
        } else {
            // In a single run, the training line is less prominent than validation.
            let style = if matches!(line.role, Role::Train | Role::Second) {
                behind
            } else {
                style
            };
            series.push(Series {
                curve: &line.curve,
                style,
                mark,
                faint: false,
            });
        }
    }
    series
}

fn best(scene: &Scene) -> Option<(f64, f64)> {
    let epoch = scene.run.state.best_epoch()?;
    let x = Times::of(&scene.run.state, scene.view.x_axis).x_of_epoch(epoch);
    let y = match scene.quantity {
        ChartKind::Accuracy => epoch.val_acc,
        ChartKind::Loss => epoch.val_loss,
        _ => return None,
    };
    (scene.x.low..=scene.x.high).contains(&x).then_some((x, y))
}

/// The positions of resumes, of the steps of unfreezing, and of the end of the previous stage.
fn events(scene: &Scene) -> Vec<f64> {
    let times = Times::of(&scene.run.state, scene.view.x_axis);
    let resumes = scene
        .run
        .state
        .resumes
        .iter()
        .map(|step| times.x_of_step(*step as f64));
    let stages = scene.run.state.stages.iter();
    resumes
        .chain(stages.map(|stage| times.x_of_step(stage.step as f64)))
        .chain((scene.view.others == Others::Stage).then_some(0.0))
        .collect()
}

/// The y range of all visible data, or a part of it around the figure under the cursor.
fn y_axis(scene: &Scene, series: &[Series]) -> Axis {
    let ranges = series
        .iter()
        .filter_map(|series| series.curve.y_range_on(scene.x.low, scene.x.high));
    let fixed = match scene.quantity {
        ChartKind::Usage => Some((0.0, 100.0)),
        // Start at 0, so that a decrease is visible relative to the total.
        ChartKind::Memory | ChartKind::Throughput => Some((0.0, 0.0)),
        _ => None,
    };
    let fixed = fixed.filter(|_| !scene.view.log_y);
    let ends: Vec<f64> = ranges
        .chain(fixed)
        .flat_map(|(low, high)| [low, high])
        .collect();
    let mut axis = if scene.view.log_y {
        let high = ends.iter().copied().fold(0.0, f64::max);
        // Values near 0 are drawn three decades below the top.
        Axis::around_log(
            ends.iter()
                .map(|end| if *end > 0.0 { *end } else { high / 1000.0 }),
        )
    } else {
        Axis::around(ends)
    };
    if scene.quantity == ChartKind::Memory {
        axis = axis.in_unit(Unit::Bytes);
    }
    let line = leading(scene.own).map(|line| line.smoothed.as_ref().unwrap_or(&line.curve));
    match line
        .and_then(|curve| under_cursor(curve, scene.view.cursor))
        .filter(|y| y.is_finite())
    {
        Some(about) if scene.view.y_halvings > 0 => {
            axis.zoomed(0.5_f64.powi(i32::from(scene.view.y_halvings)), about)
        }
        _ => axis,
    }
}

/// The figure under the cursor, or the newest without a cursor.
fn under_cursor(curve: &Curve, cursor: Option<f64>) -> Option<f64> {
    let point = match cursor {
        Some(x) => curve.nearest(x),
        None => curve.points().next_back(),
    };
    point.map(|point| point.1)
}

/// Describes the cursor's position.
pub(crate) fn place(view: &ChartView) -> Option<String> {
    use crate::format::{count, duration};
    let at = view.cursor?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of steps, and it saturates"
    )]
    let step = at.abs().round() as u64;
    let sign = if at < 0.0 { "−" } else { "" };
    Some(match view.x_axis {
        XAxis::Epoch if (at - at.round()).abs() < 1e-9 => format!("at epoch {at:.0}"),
        XAxis::Epoch => format!("at epoch {at:.2}"),
        XAxis::Step => format!("at step {sign}{}", count(step)),
        XAxis::Time => format!("at {sign}{}", duration(at.abs())),
        XAxis::Training => format!("after {sign}{} of training", duration(at.abs())),
    })
}
