//! ```text
//!  cpu      AMD EPYC 7B13, 8 cores            ━━━━━━━━━━━───  87 %
//!  memory   3.1 GB of 33.7 GB                 ━─────────────   9 %
//!  disk     412.0 GB of 1000.2 GB             ━━━━━━────────  41 %
//!  gpu 0    NVIDIA H100  61.2 GB of 80.0 GB   ━━━━━━━━━━━━━━  97 %   64 °C 512 W of 700 W
//! ────────────────────────────────────────────────────────────────────────────
//!    run                      slot      cpu     memory   on gpu  state
//! ▐◐ ResNet, resized input    cuda:0   104 %    3.2 GB  61.0 GB  training
//!  ◌ EffNet, freeze           cuda:0       –         –        –  1  waits for cuda:0
//! ```
//! The machine's resources, and their use by each run; then the queue, and what each run in it
//! waits for.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::command::{Command, QueueCommand};
use crate::format::{NOT_YET, bytes, plural};
use crate::machine::{Gpu, Machine};
use crate::model::{MachineView, Model};
use crate::mouse::{HitBox, HitMap};
use crate::screen::paint;
use crate::screen::table::{self, Column, Place};
use crate::theme::THEME;
use warmstart_runs::store::Run;
use warmstart_schema::text;

const LABEL: u16 = 9;
/// Width of a bar, and the largest width of the text before it.
const BAR: u16 = 20;
const WORDS: u16 = 48;
/// The greatest width of the slots' column, and its index.
const MOST_SLOT: u16 = 12;
const SLOT: usize = 0;
const COLUMNS: [Column; 5] = [
    column("slot", 7, false, 2),
    column("cpu", 6, true, 1),
    column("memory", 8, true, 3),
    column("on gpu", 8, true, 4),
    column("state", 23, false, 0),
];

const fn column(title: &'static str, width: u16, is_figure: bool, drop_rank: u8) -> Column {
    Column {
        title,
        width,
        is_figure,
        drop_rank,
    }
}

pub(in crate::screen) fn draw(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    view: &MachineView,
    hit_map: &mut HitMap,
) {
    let buf = frame.buffer_mut();
    let lines = view.machine.as_ref().map_or(1, |machine| {
        3 + machine.gpus.as_ref().map_or(1, |gpus| gpus.len().max(1))
    });
    // Keep half of the screen for the runs, even with many GPUs. A few runs need less: their rows, the rule, the titles, the note.
    let needed = model.working_and_waiting().len().max(1) + 3;
    let free = area
        .height
        .saturating_sub(u16::try_from(needed).unwrap_or(u16::MAX));
    let height = u16::try_from(lines)
        .unwrap_or(u16::MAX)
        .min(free.max(area.height / 2));
    let [machine, rule, runs] = area.layout(&Layout::vertical([
        Constraint::Length(height),
        Constraint::Length(1),
        Constraint::Fill(1),
    ]));
    match &view.machine {
        Some(reading) => draw_machine(buf, paint::inset(machine), reading),
        None => drop(paint::left(
            buf,
            paint::inset(machine),
            "looking at the machine …",
            THEME.muted,
        )),
    }
    paint::rule(buf, rule);
    hit_map.add(runs, HitBox::Scroll);
    draw_runs(buf, runs, model, view, hit_map);
}

fn draw_machine(buf: &mut Buffer, area: Rect, machine: &Machine) {
    let used = |of: Option<(u64, u64)>| {
        of.map_or_else(
            || NOT_YET.to_owned(),
            |(used, all)| format!("{} of {}", bytes(used), bytes(all)),
        )
    };
    let share = |of: Option<(u64, u64)>| {
        of.filter(|of| of.1 > 0)
            .map(|(used, all)| used as f64 / all as f64)
    };
    let processor = processor(machine);
    let rows = [
        ("cpu", processor, machine.cpu.map(|cpu| cpu / 100.0)),
        ("memory", used(machine.memory), share(machine.memory)),
        ("disk", used(machine.disk), share(machine.disk)),
    ];
    for ((label, words, share), y) in rows.iter().zip(0..) {
        draw_gauge(buf, paint::row(area, y), label, words, *share, "");
    }
    match &machine.gpus {
        Err(reason) => draw_gauge(buf, paint::row(area, 3), "gpu", reason, None, ""),
        Ok(gpus) if gpus.is_empty() => {
            draw_gauge(buf, paint::row(area, 3), "gpu", "none here", None, "");
        }
        Ok(gpus) => {
            let room = usize::from(area.height.saturating_sub(3));
            // Without room for all, the last row names those that are not drawn.
            let drawn = if gpus.len() > room {
                room.saturating_sub(1)
            } else {
                gpus.len()
            };
            for (gpu, y) in gpus.iter().take(drawn).zip(3..) {
                let (row, label) = (paint::row(area, y), format!("gpu {}", gpu.index));
                if gpu.hidden {
                    let words = format!("hidden by CUDA_VISIBLE_DEVICES: {}", gpu.name);
                    draw_gauge(buf, row, &label, &words, None, "");
                    continue;
                }
                let words = format!("{}  {}", gpu.name, used(gpu.memory));
                let share = gpu.busy.map(|busy| busy / 100.0);
                draw_gauge(buf, row, &label, &words, share, &heat(gpu));
            }
            if let (Some(first), Some(last)) = (gpus.get(drawn), gpus.last()) {
                let words = format!("{} to {}: enlarge the terminal", first.index, last.index);
                let row = paint::row(area, area.height.saturating_sub(1).max(3));
                draw_gauge(buf, row, "gpu", &words, None, "");
            }
        }
    }
}

/// The processor's model and cores, as far as the system reports them.
fn processor(machine: &Machine) -> String {
    let model = Some(machine.processor.clone()).filter(|model| !model.is_empty());
    let cores = (machine.cores > 0).then(|| plural(machine.cores, "core"));
    let known: Vec<String> = model.into_iter().chain(cores).collect();
    if known.is_empty() {
        NOT_YET.to_owned()
    } else {
        known.join(", ")
    }
}

/// Temperature and power, if the driver reports them.
fn heat(gpu: &Gpu) -> String {
    let temperature = gpu.temperature.map(|degrees| format!("{degrees} °C"));
    let power = gpu.power.map(|(watts, limit)| match limit {
        Some(limit) => format!("{watts:.0} W of {limit:.0} W"),
        None => format!("{watts:.0} W"),
    });
    temperature
        .into_iter()
        .chain(power)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A label, a text, a bar with its share, and `after` 3 characters behind it. Without a share the text gets the whole row.
fn draw_gauge(
    buf: &mut Buffer,
    row: Rect,
    label: &str,
    words: &str,
    share: Option<f64>,
    after: &str,
) {
    if row.is_empty() {
        return;
    }
    paint::left(
        buf,
        Rect {
            width: LABEL.min(row.width),
            ..row
        },
        label,
        THEME.label,
    );
    let rest = Rect {
        x: row.x + LABEL.min(row.width),
        width: row.width.saturating_sub(LABEL),
        ..row
    };
    let Some(share) = share else {
        paint::left(buf, rest, words, THEME.text);
        return;
    };
    // Without space beside the bar, `after` takes its place. The words give up what it needs more, so that no unit is cut.
    let wanted = u16::try_from(text::columns(after)).unwrap_or(u16::MAX);
    let is_beside = rest.width.saturating_sub(WORDS + 2 + BAR + 6 + 3) >= wanted;
    let more = if is_beside {
        0
    } else {
        wanted.saturating_sub(BAR).min(WORDS)
    };
    let split = [
        Constraint::Max(WORDS - more),
        Constraint::Length(2),
        Constraint::Length(BAR + more),
        Constraint::Length(6),
    ];
    let [before, _, bar, percent] = rest.layout(&Layout::horizontal(split));
    paint::left(buf, before, words, THEME.text);
    paint::bar(
        buf,
        bar,
        share,
        if share > 0.95 {
            THEME.warning
        } else {
            THEME.accent
        },
    );
    paint::right(buf, percent, &format!("{:.0} %", share * 100.0), THEME.text);
    let beside = Rect {
        x: percent.right() + 3,
        width: row.right().saturating_sub(percent.right() + 3),
        ..row
    };
    if is_beside {
        paint::left(buf, beside, after, THEME.text);
    } else if !after.is_empty() {
        let covering = format!("{after:<width$}", width = usize::from(bar.width));
        paint::left(buf, bar, &covering, THEME.text);
    }
}

fn draw_runs(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    view: &MachineView,
    hit_map: &mut HitMap,
) {
    let [head, body, note] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ]));
    let inner = Rect {
        x: area.x + 3,
        width: area.width.saturating_sub(4),
        ..area
    };
    let mut columns = COLUMNS;
    columns[SLOT].width = slot_width(model);
    let table::Fitted {
        name,
        columns: places,
    } = table::fit(&columns, inner, 18..=36, 2);
    paint::left(
        buf,
        Rect {
            y: head.y,
            height: head.height,
            ..name
        },
        "run",
        THEME.label,
    );
    for place in &places {
        let column = &COLUMNS[place.column];
        table::cell(buf, head, *place, column, column.title, THEME.label);
    }
    let ids = model.working_and_waiting();
    let queue = model.runs.queue();
    let of_queue = match &queue.paused {
        Some(reason) => {
            let resume = model.key_hint(Command::Queue(QueueCommand::Pause), "resumes it");
            format!("The queue is paused: {reason}{resume}.")
        }
        None if queue.slots != 1 => format!("A device takes {} runs at a time.", queue.slots),
        None => String::new(),
    };
    if ids.is_empty() {
        paint::left(buf, paint::inset(note), &of_queue, THEME.muted);
        let row = Rect {
            x: inner.x,
            width: inner.width,
            ..paint::row(body, 0)
        };
        paint::left(buf, row, "Nothing runs and nothing waits.", THEME.muted);
        return;
    }
    let selected = view.selection.index(&ids);
    let chosen =
        selected.and_then(|index| queue.waiting.iter().find(|entry| entry.run == ids[index]));
    let said = chosen
        .filter(|_| queue.paused.is_none())
        .map(|entry| model.runs.waits_for(entry).sentence)
        .or_else(|| model.runs.get(&ids[selected?])?.whereabouts());
    paint::left(
        buf,
        paint::inset(note),
        &said.unwrap_or(of_queue),
        THEME.muted,
    );
    let offset = table::offset(selected.unwrap_or(0), ids.len(), usize::from(body.height));
    for ((index, id), y) in ids.iter().enumerate().skip(offset).zip(0..body.height) {
        let row = paint::row(body, y);
        let Some(run) = model.runs.get(id) else {
            continue;
        };
        draw_run(
            buf,
            row,
            Rect {
                y: row.y,
                height: row.height,
                ..name
            },
            &places,
            model,
            view,
            run,
        );
        hit_map.add(row, HitBox::Row(index));
        if selected == Some(index) {
            paint::mark_selected(buf, row);
        }
    }
}

/// The width of the slots' column: more than usual where a run has several GPUs, such as `cuda:0-3`.
fn slot_width(model: &Model) -> u16 {
    let working = model.live().map(|run| model.runs.slot_of(run));
    let waiting = model.runs.queue().waiting.iter();
    let slots = working.chain(waiting.map(|entry| entry.slot.as_str()));
    let widest = slots.map(text::columns).max().unwrap_or(0);
    u16::try_from(widest)
        .unwrap_or(u16::MAX)
        .clamp(COLUMNS[SLOT].width, MOST_SLOT)
}

fn draw_run(
    buf: &mut Buffer,
    row: Rect,
    name: Rect,
    places: &[Place],
    model: &Model,
    view: &MachineView,
    run: &Run,
) {
    let (mark, style) = THEME.status(Some(run.status()));
    paint::left(
        buf,
        Rect {
            x: row.x + 1,
            width: 1,
            ..row
        },
        mark,
        style,
    );
    paint::left(buf, name, run.label(), THEME.text);
    let process = view
        .machine
        .as_ref()
        .and_then(|machine| machine.processes.get(&run.id));
    let waiting = model
        .runs
        .queue()
        .waiting
        .iter()
        .enumerate()
        .find(|(_, entry)| entry.run == run.id);
    for place in places {
        let (text, style): (String, Style) = match COLUMNS[place.column].title {
            "slot" => (
                waiting.map_or_else(
                    || model.runs.slot_of(run).to_owned(),
                    |(_, entry)| entry.slot.clone(),
                ),
                THEME.text,
            ),
            "cpu" => shown(
                process
                    .and_then(|process| process.cpu)
                    .map(|cpu| format!("{cpu:.0} %")),
            ),
            "memory" => shown(process.map(|process| bytes(process.memory))),
            "on gpu" => shown(process.and_then(|process| process.gpu_memory).map(bytes)),
            _ => continue,
        };
        table::cell(buf, row, *place, &COLUMNS[place.column], &text, style);
    }
    // The state is the last column, so it may fill the row.
    if let Some(place) = places
        .iter()
        .find(|place| COLUMNS[place.column].title == "state")
    {
        let rest = Rect {
            x: place.x,
            width: row.right().saturating_sub(place.x + 1),
            ..row
        };
        let line = match waiting {
            Some((index, entry)) => Line::from(vec![
                Span::styled(format!("{}  ", index + 1), THEME.waiting),
                Span::styled(
                    format!("waits for {}", model.runs.waits_for(entry).word),
                    THEME.text,
                ),
            ]),
            None => Line::from(Span::styled(run.status().as_str(), THEME.text)),
        };
        paint::left_line(buf, rest, &line);
    }
}

fn shown(figure: Option<String>) -> (String, Style) {
    figure.map_or_else(
        || (NOT_YET.to_owned(), THEME.muted),
        |figure| (figure, THEME.text),
    )
}
