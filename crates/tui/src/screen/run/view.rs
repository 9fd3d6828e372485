//! ```text
//!  ResNet, resized input ▸ 20261122-100107-7f3a                                   ◐ training
//!  epoch 12/30 ━━━━━━━━━━━━╸─────  71 %  312 img/s  2m 10s left in epoch  38m 00s left in all
//! ─────────────────────────────────────────────────────────┬────────────────────────────────
//!  accuracy  ● val 0.6180  · train 0.7310  ▲ best at 11     │ parameters           24,112,420
//!  charts                                                   │ by block, and what it runs on
//! ─────────────────────────────────────────────────────────┴────────────────────────────────
//!  what is wrong, if anything; below it the end of the log
//! ```
//! One run. On narrow terminals the parameters are below the charts. With less height, first the
//! log is hidden, then the parameters, then the second chart.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use warmstart_schema::event::Level;

use super::{charts, facts, log, parameters, progress};
use crate::model::{Model, Pane, RunView};
use crate::mouse::{HitBox, HitMap};
use crate::screen::paint;
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// From this width on, the parameters are beside the charts.
const WIDE: u16 = 100;
const SIDE: u16 = 38;

pub(in crate::screen) fn draw(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    view: &RunView,
    hit_map: &mut HitMap,
) {
    let buf = frame.buffer_mut();
    let Some(run) = model.runs.get(&view.id) else {
        let text = format!("The folder of run {} is gone.", view.id);
        paint::left(buf, paint::row(area, 1), &text, THEME.warning);
        return;
    };
    let [title, rule, body] = area.layout(&Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Fill(1),
    ]));
    draw_title(buf, title, run, view);
    paint::rule(buf, rule);
    match view.pane {
        Pane::Log { up } => {
            hit_map.add(body, HitBox::Scroll);
            log::draw(
                buf,
                paint::inset(body),
                model,
                run,
                up,
                view.searched.as_deref(),
            );
        }
        Pane::Charts if area.width >= WIDE => draw_wide(buf, body, model, run, view, hit_map),
        Pane::Charts => draw_narrow(buf, body, model, run, view, hit_map),
    }
}

fn draw_title(buf: &mut Buffer, area: Rect, run: &Run, view: &RunView) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let first = paint::row(area, 0);
    let (mark, style) = THEME.status(Some(run.status()));
    let state = format!("{mark} {}", run.status().as_str());
    let width = u16::try_from(state.chars().count()).unwrap_or(0) + 2;
    paint::right(buf, first, &state, style);
    let rest = paint::left(
        buf,
        Rect {
            width: first.width.saturating_sub(width),
            ..first
        },
        run.label(),
        THEME.title,
    );
    let rest = paint::left(buf, rest, " ▸ ", THEME.muted);
    let rest = paint::left(buf, rest, run.id.as_str(), THEME.muted);
    let rest = paint::left(buf, rest, &paint::hash_tags(run), THEME.muted);
    if !run.annotation.note.is_empty() && rest.width > 4 {
        paint::left(buf, rest, &format!("  {}", run.annotation.note), THEME.text);
    }
    let second = paint::row(area, 1);
    // The charts' titles show it only where they have space.
    let place = charts::place(&view.charts)
        .filter(|_| view.pane == Pane::Charts)
        .unwrap_or_default();
    paint::right(buf, second, &place, THEME.accent);
    let taken = u16::try_from(place.chars().count())
        .map_or(0, |width| if width > 0 { width + 2 } else { 0 });
    progress::draw(
        buf,
        Rect {
            width: second.width.saturating_sub(taken),
            ..second
        },
        run,
    );
}

fn draw_wide(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    run: &Run,
    view: &RunView,
    hit_map: &mut HitMap,
) {
    let log_height = if area.height >= 14 {
        (area.height / 4).clamp(4, 12)
    } else {
        0
    };
    let [upper, rule, log] = area.layout(&Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(log_height.min(1)),
        Constraint::Length(log_height),
    ]));
    let [main, border, side] = upper.layout(&Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(SIDE),
    ]));
    charts::draw(buf, paint::inset(main), model, run, &view.charts, hit_map);
    paint::divide(buf, border);
    let blocks = run
        .state
        .model
        .as_ref()
        .map_or(0, |measured| measured.counts.blocks.len());
    let counts_height = u16::try_from(blocks)
        .unwrap_or(u16::MAX)
        .saturating_add(parameters::ROWS_BESIDE_BLOCKS)
        .min(side.height.saturating_sub(facts::HEIGHT));
    let [counts, facts] = side.layout(&Layout::vertical([
        Constraint::Length(counts_height),
        Constraint::Fill(1),
    ]));
    parameters::draw(buf, paint::inset(counts), run);
    facts::draw(buf, paint::inset(facts), model, run, view.charts.epoch(run));
    if log.is_empty() {
        draw_first_alert(buf, upper, model, run);
    } else {
        paint::rule(buf, rule);
        draw_alerts_and_log(buf, log, model, run);
    }
}

fn draw_narrow(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    run: &Run,
    view: &RunView,
    hit_map: &mut HitMap,
) {
    // A single chart gets all the space; the facts return with the other charts.
    let has_strip = area.height >= 12 && view.charts.single.is_none();
    let strip_height = if has_strip {
        4 + u16::from(area.height >= 24)
    } else {
        0
    };
    let log_height = if area.height >= 14 {
        (area.height / 5).clamp(2, 8)
    } else {
        0
    };
    let [main, rule, strip, second_rule, log] = area.layout(&Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(strip_height.min(1)),
        Constraint::Length(strip_height),
        Constraint::Length(log_height.min(1)),
        Constraint::Length(log_height),
    ]));
    charts::draw(buf, paint::inset(main), model, run, &view.charts, hit_map);
    if !strip.is_empty() {
        paint::rule(buf, rule);
        let [counts, border, facts] = strip.layout(&Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(1),
            Constraint::Fill(1),
        ]));
        parameters::draw(buf, paint::inset(counts), run);
        paint::divide(buf, border);
        facts::draw(buf, paint::inset(facts), model, run, view.charts.epoch(run));
    }
    if log.is_empty() {
        draw_first_alert(buf, area, model, run);
    } else {
        paint::rule(buf, second_rule);
        draw_alerts_and_log(buf, log, model, run);
    }
}

/// All alerts that fit, then the end of the log. A low terminal shows no remarks.
fn draw_alerts_and_log(buf: &mut Buffer, area: Rect, model: &Model, run: &Run) {
    let area = paint::inset(area);
    let mut y = 0;
    let is_low = area.height < 5;
    for alert in model
        .alerts(run)
        .into_iter()
        .filter(|alert| !is_low || alert.level != Level::Info)
    {
        // A remark is not an alarm.
        let mark = if alert.level == Level::Info {
            "·"
        } else {
            "⚠"
        };
        for line in paint::wrap(&format!("{mark} {}", alert.text), usize::from(area.width)) {
            paint::left(buf, paint::row(area, y), &line, THEME.level(alert.level));
            y += 1;
        }
    }
    let y = y.min(area.height);
    log::draw_tail(
        buf,
        Rect {
            y: area.y + y,
            height: area.height - y,
            ..area
        },
        model,
        run,
    );
}

/// Where no log is shown, the worst alert covers the last row.
fn draw_first_alert(buf: &mut Buffer, area: Rect, model: &Model, run: &Run) {
    if let Some(alert) = model
        .alerts(run)
        .first()
        .filter(|alert| alert.level != Level::Info)
    {
        let row = paint::inset(paint::row(area, area.height.saturating_sub(1)));
        ratatui::widgets::Widget::render(ratatui::widgets::Clear, row, buf);
        paint::message(
            buf,
            row,
            &format!("⚠ {}", alert.text),
            THEME.level(alert.level),
        );
    }
}
