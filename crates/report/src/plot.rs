//! Charts of runs as files, for the screen and the command line.

mod axis;
mod curve;
mod drawn;
mod lines;
mod png;
mod smooth;
mod svg;
mod times;

use warmstart_runs::store::Run;

pub use self::axis::{Axis, Unit};
pub use self::curve::{Curve, Extremes, Mean};
pub use self::drawn::{ChartKind, Drawn, Smoothing, XAxis, x_of_checkpoint, x_offset};
use self::lines::lines;
pub use self::lines::{Curves, Key, Line, Role, gpu_readings};
pub use self::png::from_svg as png;
use self::svg::{Panel, SvgSeries, picture};
pub use self::times::{Points, Times};
use crate::format::duration;

/// Okabe and Ito's colours, which most eyes can distinguish; yellow is too light for lines on paper.
const COLOURS: [&str; 7] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// What to draw of runs.
#[derive(Debug, Clone)]
pub struct Plot {
    pub quantities: Vec<ChartKind>,
    pub along: XAxis,
    pub detail: Smoothing,
    pub log_x: bool,
    pub log_y: bool,
    /// The shown part of the axis, if not all of it.
    pub window: Option<(f64, f64)>,
}

impl Plot {
    /// SVG of these runs: for one run training and validation, for several the measured metric.
    pub fn svg(&self, runs: &[Drawn]) -> String {
        let all: Vec<Vec<Vec<Line>>> = self
            .quantities
            .iter()
            .map(|quantity| {
                runs.iter()
                    .map(|run| lines(*run, *quantity, (self.along, self.detail)))
                    .collect()
            })
            .collect();
        let panels: Vec<Panel> = self
            .quantities
            .iter()
            .zip(&all)
            .map(|(quantity, lines)| self.panel(*quantity, runs, lines))
            .collect();
        let labels: Vec<&str> = runs.iter().map(|drawn| drawn.run.label()).collect();
        let is_one = labels.windows(2).all(|pair| pair[0] == pair[1]);
        picture(
            if is_one {
                labels.first().copied().unwrap_or_default()
            } else {
                "warmstart"
            },
            &panels,
        )
    }

    /// The charts that have nothing to draw of a run, each with the run.
    pub fn lacking<'a>(&self, runs: &[Drawn<'a>]) -> Vec<(ChartKind, &'a Run)> {
        let has_line = |drawn: Drawn, quantity: ChartKind| {
            let all = lines(drawn, quantity, (self.along, self.detail));
            all.iter()
                .filter(|line| runs.len() == 1 || is_leading(line, &all))
                .any(|line| line.curve.points().any(|point| point.1.is_finite()))
        };
        self.quantities
            .iter()
            .flat_map(|quantity| runs.iter().map(move |drawn| (*quantity, *drawn)))
            .filter(|(quantity, drawn)| !has_line(*drawn, *quantity))
            .map(|(quantity, drawn)| (quantity, drawn.run))
            .collect()
    }

    fn panel<'a>(&self, quantity: ChartKind, runs: &[Drawn], all: &'a [Vec<Line>]) -> Panel<'a> {
        let alone = if let [drawn] = runs {
            Some(drawn.run)
        } else {
            None
        };
        let mut series = Vec::new();
        for (index, (drawn, lines)) in runs.iter().zip(all).enumerate() {
            for line in lines
                .iter()
                .filter(|line| alone.is_some() || is_leading(line, lines))
            {
                let (colour, dash) = match (alone, line.role) {
                    (None, _) => (
                        COLOURS[index % COLOURS.len()],
                        DASHES[index / COLOURS.len() % DASHES.len()],
                    ),
                    (Some(_), Role::Train | Role::Second) => ("#777777", "7 3"),
                    (Some(_), Role::Third) => ("#D55E00", "2 3"),
                    (Some(_), Role::Validation | Role::First) => ("#0072B2", ""),
                };
                let name = match alone {
                    Some(_) if line.name.is_empty() => quantity.name().to_owned(),
                    Some(_) => line.name.to_owned(),
                    None if drawn.shift > 0.0 => {
                        let after = extent(self.along, drawn.shift);
                        format!("{} {}, after {after}", drawn.run.label(), short(drawn.run))
                    }
                    None => format!("{} {}", drawn.run.label(), short(drawn.run)),
                };
                let marked = line.role == Role::Validation;
                let of = |curve, faint| SvgSeries {
                    name: name.clone(),
                    curve,
                    colour,
                    dash,
                    faint,
                    marked: marked && !faint,
                };
                match &line.smoothed {
                    None => series.push(of(&line.curve, false)),
                    Some(smoothed) => {
                        series.extend(alone.map(|_| of(&line.curve, true)));
                        series.push(of(smoothed, false));
                    }
                }
            }
        }
        let x = self.x(&series);
        let y = self.y(quantity, &series, x);
        let best = alone.and_then(|run| {
            let epoch = run.state.best_epoch()?;
            let at = Times::of(&run.state, self.along).x_of_epoch(epoch);
            match quantity {
                ChartKind::Accuracy => Some((at, epoch.val_acc)),
                ChartKind::Loss => Some((at, epoch.val_loss)),
                _ => None,
            }
        });
        let events = alone.map_or_else(Vec::new, |run| {
            let times = Times::of(&run.state, self.along);
            run.state
                .resumes
                .iter()
                .map(|step| times.x_of_step(*step as f64))
                .collect()
        });
        let title = if alone.is_none() && quantity.is_by_epoch() {
            format!("validation {}", quantity.name())
        } else {
            quantity.name().to_owned()
        };
        Panel {
            title,
            along: match (alone, self.along) {
                (Some(run), XAxis::Epoch) => run.unit().to_owned(),
                (_, along) => along.title().to_owned(),
            },
            series,
            x,
            y,
            events,
            best,
        }
    }

    fn x(&self, series: &[SvgSeries]) -> Axis {
        let ranges = series.iter().filter_map(|series| series.curve.x_range());
        let (low, high) = ranges.fold((f64::INFINITY, 0.0_f64), |(low, high), range| {
            (low.min(range.0), high.max(range.1))
        });
        let whole = if high > low {
            (low, high)
        } else {
            // After one epoch all points have the same x. It must be on the axis.
            (0.0, if high > 0.0 { high } else { 1.0 })
        };
        let (low, high) = self.window.unwrap_or(whole);
        self.along.axis((low, high), self.log_x)
    }

    fn y(&self, quantity: ChartKind, series: &[SvgSeries], x: Axis) -> Axis {
        let ranges = series
            .iter()
            .filter_map(|series| series.curve.y_range_on(x.low, x.high));
        let ends: Vec<f64> = ranges.flat_map(|(low, high)| [low, high]).collect();
        let axis = if self.log_y {
            Axis::around_log(ends)
        } else {
            Axis::around(ends)
        };
        if quantity == ChartKind::Memory {
            axis.in_unit(Unit::Bytes)
        } else {
            axis
        }
    }
}

/// A length of an axis in words, as `2.3 epochs`: a run may start from a checkpoint within an epoch.
fn extent(along: XAxis, length: f64) -> String {
    let counted = |one: &str| {
        let number = ((length * 10.0).round() / 10.0).to_string();
        let ending = if number == "1" { "" } else { "s" };
        format!("{number} {one}{ending}")
    };
    match along {
        XAxis::Epoch => counted("epoch"),
        XAxis::Step => counted("step"),
        XAxis::Time | XAxis::Training => duration(length),
    }
}

/// Whether a chart of several runs shows this one of a run's lines.
fn is_leading(line: &Line, lines: &[Line]) -> bool {
    let leads = |line: &Line| matches!(line.role, Role::Validation | Role::First);
    let none_leads = !lines.iter().any(leads);
    leads(line) || (none_leads && lines.first().is_some_and(|first| first.role == line.role))
}

/// The end of a run's id, which distinguishes the runs of an experiment.
fn short(run: &Run) -> &str {
    run.id.as_str().rsplit('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use warmstart_schema::annotation::Annotation;
    use warmstart_schema::event::{Epoch, Event, Phase, Record};
    use warmstart_schema::state::{Liveness, RunState};

    use super::*;

    /// A run that has logged one epoch.
    fn run_of_one_epoch(epoch: u32) -> Run {
        let loading = Event::Phase {
            phase: Phase::Loading,
        };
        let epoch = Event::Epoch(Epoch {
            epoch,
            step: 119 * u64::from(epoch),
            train_time: 40.0,
            val_acc: 0.5,
            ..Epoch::default()
        });
        let events = [(100.0, loading), (160.0, epoch)];
        let state = RunState::fold(events.map(|(t, event)| Record { t, event }));
        Run {
            id: "20261122-110000-4b12".parse().unwrap(),
            info: Err("no run.json".to_owned()),
            experiment: None,
            state: Box::new(state),
            is_summary: false,
            liveness: Liveness::Free,
            standing: None,
            annotation: Annotation::default(),
        }
    }

    #[test]
    fn a_start_after_one_epoch_or_within_one_is_named_as_it_is() {
        for (along, length, words) in [
            (XAxis::Epoch, 0.5, "0.5 epochs"),
            (XAxis::Epoch, 1.0, "1 epoch"),
            (XAxis::Epoch, 7.0 / 3.0, "2.3 epochs"),
            (XAxis::Epoch, 20.0, "20 epochs"),
            (XAxis::Step, 1.0, "1 step"),
            (XAxis::Step, 1190.0, "1190 steps"),
        ] {
            assert_eq!(extent(along, length), words);
        }
    }

    #[test]
    fn a_single_epoch_lies_on_every_axis() {
        for epoch in [1, 5] {
            let run = run_of_one_epoch(epoch);
            for along in [XAxis::Epoch, XAxis::Step, XAxis::Time, XAxis::Training] {
                for log_x in [false, true] {
                    let plot = Plot {
                        quantities: vec![ChartKind::Accuracy],
                        along,
                        detail: Smoothing::Epochs,
                        log_x,
                        log_y: false,
                        window: None,
                    };
                    let runs = [Drawn::whole(&run)];
                    let all = [lines(runs[0], ChartKind::Accuracy, (along, plot.detail))];
                    let panel = plot.panel(ChartKind::Accuracy, &runs, &all);
                    let validation = panel.series.last().unwrap();
                    let (low, high) = validation.curve.x_range().unwrap();
                    assert!(
                        panel.x.low <= low && high <= panel.x.high,
                        "{epoch} {along:?}: {low} to {high} on {:?}",
                        panel.x
                    );
                }
            }
        }
    }
}
