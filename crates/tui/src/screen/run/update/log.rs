//! Searches and saves the log of a run.

use tui_input::Input;

use crate::command::{Command, LogCommand};
use crate::effect::Effect;
use crate::message::Report;
use crate::model::log;
use crate::model::{InputPrompt, Model, Pane, Popup, Screen};

pub(crate) fn run_command(model: &mut Model, command: LogCommand) -> Vec<Effect> {
    match command {
        LogCommand::Find => {
            model.popup = Some(Popup::Input(InputPrompt::Search {
                input: Input::default(),
            }));
        }
        LogCommand::Before => step(model, true),
        LogCommand::After => step(model, false),
        LogCommand::Save => return save(model),
    }
    Vec::new()
}

/// Searches upwards from the bottom line, so the newest match comes first.
pub(crate) fn accept(model: &mut Model) {
    let Some(Popup::Input(InputPrompt::Search { input })) = &model.popup else {
        return;
    };
    let wanted = input.value().trim().to_owned();
    model.popup = None;
    let Screen::Run(view) = &mut model.open else {
        return;
    };
    // An empty text ends the search.
    view.searched = Some(wanted).filter(|wanted| !wanted.is_empty());
    if view.searched.is_some() {
        go(model, |lines, at| {
            lines
                .iter()
                .rposition(|line| *line <= at)
                .or(lines.len().checked_sub(1))
        });
    }
}

fn step(model: &mut Model, before: bool) {
    go(model, |lines, at| {
        if before {
            lines
                .iter()
                .rposition(|line| *line < at)
                .or(lines.len().checked_sub(1))
        } else {
            lines
                .iter()
                .position(|line| *line > at)
                .or((!lines.is_empty()).then_some(0))
        }
    });
}

/// Scrolls to one of the matching lines. `choose` gets the matches and the bottom line, and returns an index into the matches.
fn go(model: &mut Model, choose: impl Fn(&[usize], usize) -> Option<usize>) {
    let lines = log_lines(model);
    let keys = hint(model);
    let Screen::Run(view) = &mut model.open else {
        return;
    };
    let Pane::Log { up } = &mut view.pane else {
        return;
    };
    let Some(wanted) = &view.searched else { return };
    let last = lines.len().saturating_sub(1);
    let bottom = last.saturating_sub(*up);
    let found: Vec<usize> = (0..lines.len())
        .filter(|line| log::has(&lines[*line], wanted))
        .collect();
    let text = match choose(&found, bottom) {
        Some(chosen) => {
            *up = last - found[chosen];
            format!(
                "\"{wanted}\": match {} of {}{keys}",
                chosen + 1,
                found.len()
            )
        }
        None => format!("\"{wanted}\" is not in the log"),
    };
    model.report = Some(Report {
        good: !found.is_empty(),
        text,
    });
}

/// `; n older, N newer`, with the user's keys; empty if there are none.
fn hint(model: &Model) -> String {
    let keys = [(LogCommand::Before, "older"), (LogCommand::After, "newer")]
        .into_iter()
        .filter_map(|(command, word)| model.key_sentence(Command::Log(command), word));
    let keys = keys.collect::<Vec<_>>().join(", ");
    if keys.is_empty() {
        keys
    } else {
        format!("; {keys}")
    }
}

fn log_lines(model: &Model) -> Vec<String> {
    model
        .run()
        .map_or_else(Vec::new, |run| log::texts(model, run))
}

fn save(model: &Model) -> Vec<Effect> {
    let Some(run) = model.run() else {
        return Vec::new();
    };
    vec![Effect::SaveLog {
        id: run.id.clone(),
        text: log::whole(model, run),
    }]
}
