//! ```text
//!  Does matching the input to the base matter?            24,058,788 trainable  53,632 not
//!  val acc ▁▃▄▆▇█ 0.6180  0.6240 at best epoch 11         published † val 0.6329  test 0.6214
//!  epoch 12 ━━━━━━━━━━━━━━━━━━╸───── 71 %  312 img/s  2m 10s left in epoch, 38m in all
//! ```
//! The lower part of the experiments screen: a summary of the selected experiment, with charts if
//! they fit.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use warmstart_schema::event::Level;
use warmstart_schema::experiment::Problem;
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::super::paint;
use super::super::run::{charts, progress};
use crate::command::{Command, ExperimentCommand, TrainingCommand};
use crate::format::{self, count, metric, path};
use crate::model::{ChartView, Entry, Model};
use crate::mouse::HitMap;
use crate::theme::THEME;
use warmstart_runs::store::Run;

const RESUME: Command = Command::Training(TrainingCommand::Resume);
const LAUNCH: Command = Command::Training(TrainingCommand::Launch);
/// From this width on, whole words fit.
const WIDE: u16 = 90;
/// Lines of text above the charts.
const LINES: u16 = 3;

/// Height of this area: 0 on a low terminal, with charts on a high one.
pub(super) fn height(body: u16) -> u16 {
    match body {
        0..9 => 0,
        9..32 => LINES,
        _ => (body / 2).min(22),
    }
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, model: &Model, entry: &Entry) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let space = u16::from(area.height > LINES);
    let [text, _, chart] = area.layout(&Layout::vertical([
        Constraint::Length(LINES),
        Constraint::Length(space),
        Constraint::Fill(1),
    ]));
    if let Some(problems) = entry.problems() {
        draw_problems(buf, area, problems);
        return;
    }
    draw_purpose(buf, paint::row(text, 0), model, entry);
    let Some(run) = entry.run else {
        let below = Rect {
            y: text.y + 1.min(text.height),
            height: text.height.saturating_sub(1),
            ..text
        };
        draw_plans(buf, below, model, entry);
        return;
    };
    draw_result(buf, paint::row(text, 1), entry, run);
    draw_run_state(buf, paint::row(text, 2), model, run);
    if chart.height >= 6 {
        charts::draw(
            buf,
            chart,
            model,
            run,
            &ChartView::of(run),
            &mut HitMap::default(),
        );
    }
}

/// A file's problem on one line.
pub(super) fn short_problem(problem: &Problem) -> String {
    let at = problem
        .at
        .map(|(line, _)| format!("line {line}: "))
        .unwrap_or_default();
    let field = if problem.field.is_empty() {
        String::new()
    } else {
        format!("{}: ", problem.field)
    };
    format!("{at}{field}{}", problem.message)
}

fn draw_problems(buf: &mut Buffer, area: Rect, problems: &[Problem]) {
    let lines = format::problem_lines(problems).into_iter();
    for (line, y) in lines.zip(0..area.height) {
        paint::message(
            buf,
            paint::row(area, y),
            &line,
            if y == 0 { THEME.error } else { THEME.text },
        );
    }
}

fn changed(model: &Model) -> String {
    let show = Command::Experiment(ExperimentCommand::Difference);
    let key = model.key_sentence(show, "shows how");
    key.map_or_else(
        || "changed since this run".to_owned(),
        |key| format!("changed since this run, {key}"),
    )
}

/// The run's note, or else the experiment's question; and the number of trainable parameters.
fn draw_purpose(buf: &mut Buffer, row: Rect, model: &Model, entry: &Entry) {
    let counts = entry.counts().map(|counts| {
        let (trains, rests) = (counts.total.trainable, counts.total.non_trainable());
        Line::from(vec![
            Span::styled(count(trains), THEME.text),
            Span::styled(" trainable  ", THEME.label),
            Span::styled(count(rests), THEME.text),
            Span::styled(" not", THEME.label),
        ])
    });
    let width = counts
        .as_ref()
        .map_or(0, |line| u16::try_from(line.width()).unwrap_or(0) + 2);
    let question = entry
        .experiment()
        .and_then(|experiment| experiment.question.as_deref());
    let source = entry.file.map(|file| path(&file.path)).unwrap_or_default();
    let (text, style) = question.map_or((source, THEME.muted), |question| {
        (question.to_owned(), THEME.text)
    });
    let is_changed = entry
        .file
        .zip(entry.run)
        .is_some_and(|(file, run)| run.is_changed_since(file));
    let (text, style) = if is_changed {
        (format!("{} · {text}", changed(model)), THEME.warning)
    } else {
        (text, style)
    };
    if let Some(line) = &counts {
        paint::right_line(buf, row, line);
    }
    let rest = Rect {
        width: row.width.saturating_sub(width),
        ..row
    };
    match entry.run.map(|run| run.annotation.note.as_str()) {
        None | Some("") => paint::left(buf, rest, &text, style),
        Some(note) => {
            let rest = paint::left(buf, rest, "note ", THEME.label);
            paint::left(buf, rest, note, THEME.text)
        }
    };
}

/// Draws the published figures at the right; returns the free area.
fn draw_published(buf: &mut Buffer, row: Rect, entry: &Entry) -> Rect {
    let Some(reference) = entry
        .experiment()
        .and_then(|experiment| experiment.reference.as_ref())
    else {
        return row;
    };
    let (val, test) = (metric(reference.val_acc), metric(reference.test_acc));
    let word = if row.width >= WIDE { "published " } else { "" };
    let line = Line::styled(format!("{word}† val {val}  test {test}"), THEME.muted);
    let used = if paint::right_line(buf, row, &line) {
        line.width() + 2
    } else {
        0
    };
    Rect {
        width: row
            .width
            .saturating_sub(u16::try_from(used).unwrap_or(u16::MAX)),
        ..row
    }
}

fn draw_result(buf: &mut Buffer, row: Rect, entry: &Entry, run: &Run) {
    const LABEL: &str = "val acc ";
    let rest = draw_published(buf, row, entry);
    if run.state.epochs.is_empty() {
        let none = format!("val acc  no {} has ended yet", run.unit());
        paint::left(buf, rest, &none, THEME.muted);
        return;
    }
    let accuracies: Vec<f64> = run.state.epochs.iter().map(|epoch| epoch.val_acc).collect();
    let newest = format!(" {}", metric(accuracies.last().copied()));
    let best = run.state.best_epoch();
    let best = best.map_or_else(String::new, |best| {
        format!(
            "  {} at best {} {}",
            metric(Some(best.val_acc)),
            run.unit(),
            best.epoch
        )
    });
    // The sparkline shrinks first.
    let room = usize::from(rest.width).saturating_sub(LABEL.len() + newest.len() + best.len());
    let spans = vec![
        Span::styled(LABEL, THEME.label),
        Span::styled(
            paint::sparkline(&accuracies, room.clamp(4, 24)),
            THEME.validation,
        ),
        Span::styled(newest, THEME.text),
        Span::styled(best, THEME.muted),
    ];
    paint::left_line(buf, rest, &Line::from(spans));
}

/// For an experiment whose row has no run: what prevents a launch or how to launch, and the published
/// figures.
fn draw_plans(buf: &mut Buffer, area: Rect, model: &Model, entry: &Entry) {
    let obstacles = entry
        .file
        .map_or_else(Vec::new, |file| model.obstacles(file));
    for (text, y) in obstacles.iter().zip(0..) {
        paint::message(buf, paint::row(area, y), text, THEME.warning);
    }
    if !obstacles.is_empty() {
        return;
    }
    let runs = if entry.file.is_some_and(|file| model.has_run(file)) {
        "all runs are archived"
    } else {
        "never run"
    };
    let text = match entry
        .experiment()
        .and_then(|experiment| experiment.init.as_ref())
    {
        Some(init)
            if model
                .runs
                .all_named(&init.from)
                .any(|run| run.status() == Status::Finished) =>
        {
            format!(
                "{runs}; starts from the best weights of {}{}",
                text::line(&init.from, 80),
                model.key_hint(LAUNCH, "launches it")
            )
        }
        Some(init) => format!(
            "{runs}; needs a finished run of {}",
            text::line(&init.from, 80)
        ),
        None => format!("{runs}{}", model.key_hint(LAUNCH, "launches it")),
    };
    let rest = draw_published(buf, paint::row(area, 0), entry);
    let fetched = entry
        .file
        .map_or(&[][..], |file| model.missing(file))
        .iter()
        .map(|lack| lack.text.as_str());
    paint::left(
        buf,
        rest,
        &fetched.collect::<Vec<_>>().join("; "),
        THEME.muted,
    );
    paint::left(buf, paint::row(area, 1), &text, THEME.muted);
}

fn draw_run_state(buf: &mut Buffer, row: Rect, model: &Model, run: &Run) {
    let alert = model.alerts(run).into_iter().next();
    match (run.status(), alert) {
        (_, Some(alert)) if alert.level == Level::Error => {
            paint::message(buf, row, &alert.text, THEME.level(alert.level));
        }
        (Status::Active(_) | Status::Stopping, _) => progress::draw(buf, row, run),
        (Status::Queued(place), _) => {
            let queue = model.runs.queue();
            let entry = queue.waiting.iter().find(|entry| entry.run == run.id);
            let hint = if model.live().next().is_none() && queue.paused.is_none() {
                model.key_hint(RESUME, "starts it")
            } else {
                String::new()
            };
            let why = entry.map_or_else(String::new, |entry| {
                format!(" {}", model.runs.waits_for(entry).sentence)
            });
            let text = format!("waits in the queue, place {place}{hint}.{why}");
            paint::left(buf, row, &text, THEME.muted);
        }
        (Status::Starting, _) | (Status::Waiting, None) => {
            let text = run.whereabouts();
            let text = text.as_deref().unwrap_or("its worker is starting");
            paint::left(buf, row, text, THEME.muted);
        }
        (Status::Stopped, _) => {
            let text = if run.state.has_unsaved_steps() {
                model.key_hint(RESUME, "continues it from its last checkpoint")
            } else {
                model.key_hint(RESUME, "resumes it where it stopped")
            };
            paint::left(buf, row, &format!("stopped{text}"), THEME.muted);
        }
        (Status::Paused, _) => {
            let text = model.runs.waits_for_group(run).unwrap_or_else(|| {
                format!(
                    "its group lets it continue{}",
                    model.key_hint(RESUME, "resumes it")
                )
            });
            paint::left(buf, row, &text, THEME.muted);
        }
        (Status::Halved, _) => {
            let place = run.state.halvings.last().map(ToString::to_string);
            let text = format!("stopped by halving: {}", place.unwrap_or_default());
            paint::left(buf, row, &text, THEME.muted);
        }
        (status, Some(alert))
            if alert.level == Level::Warning
                || status.is_stuck()
                || matches!(status, Status::Waiting | Status::Unclear) =>
        {
            paint::message(buf, row, &alert.text, THEME.level(alert.level));
        }
        _ => {
            progress::draw_result(buf, row, run);
        }
    }
}
