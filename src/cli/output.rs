//! What the commands print. A reader that went away is no error: the program ends quietly.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::Context as _;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use warmstart_schema::experiment::Problem;
use warmstart_schema::queue::Queue;

use super::{Color, Context, Exit};
use crate::failure::{Failure, Kind};
use crate::login::Login;

/// Whoever read the answer has gone.
#[derive(Debug)]
pub struct ClosedPipe;

impl fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the answer any more")
    }
}

impl std::error::Error for ClosedPipe {}

/// Everything that is wrong with some experiment files.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl std::error::Error for Problems {}

/// Writes an answer to stdout.
pub fn answer(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
        other => other.context("the answer cannot be written to stdout"),
    }
}

/// Writes an answer as JSON.
pub fn answer_json(value: &impl Serialize) -> anyhow::Result<()> {
    answer(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Says something beside the answer, unless it should be quiet.
pub fn note(context: &Context, text: &str) {
    if !context.quiet {
        // There is no place left to say that stderr is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// A line of progress.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

pub fn error(context: &Context, text: &str) {
    complain(context, "error", "31", text);
}

pub fn help(context: &Context, text: &str) {
    complain(context, "help", "36", text);
}

pub fn warn(context: &Context, text: &str) {
    complain(context, "warning", "33", text);
}

/// Says what would end runs together with the session that they are launched from.
pub fn warn_of_session(context: &Context) {
    if let Some(hazard) = Login::find().hazard() {
        warn(context, &hazard);
    }
}

/// Says why what was launched does not start, where the queue rests.
pub fn warn_if_paused(context: &Context) {
    let content = Queue::new(&context.checkpoints).content().unwrap_or_default();
    if let Some(reason) = content.paused.filter(|_| !content.waiting.is_empty()) {
        warn(context, &format!("the queue is paused: {reason}; `warmstart queue resume` goes on"));
    }
}

/// Prints an error with what to do about it; the result is the exit code.
pub fn explain(context: &Context, cause: &anyhow::Error) -> Exit {
    if let Some(Problems(problems)) = cause.downcast_ref() {
        for problem in problems {
            error(context, &problem.to_string());
        }
        return Exit::Input;
    }
    let Some(failure) = cause.downcast_ref::<Failure>() else {
        error(context, &format!("{cause:#}"));
        return Exit::RunFailed;
    };
    error(context, &failure.what);
    if let Some(text) = &failure.help {
        help(context, text);
    }
    match failure.kind {
        Kind::Input => Exit::Input,
        Kind::NotFound => Exit::NotFound,
        Kind::Worker => Exit::Worker,
        Kind::Disk => Exit::RunFailed,
    }
}

fn complain(context: &Context, label: &str, color: &str, text: &str) {
    let label = if context.color { format!("\u{1b}[1;{color}m{label}:\u{1b}[0m") } else { format!("{label}:") };
    let _ = writeln!(io::stderr().lock(), "{label} {text}");
}

/// Whether progress and errors may be coloured.
pub fn use_color(choice: Color) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_interactive() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Whether progress can redraw itself.
pub fn is_interactive() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Rows in aligned columns; those from `numbers` on stand to the right.
pub fn columns<const N: usize>(header: [&str; N], rows: Vec<[String; N]>, numbers: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// A figure at the study's precision, or a dash.
pub fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.4}"))
}

/// Seconds for people.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = format!("{seconds:.0}").parse::<u64>().unwrap_or(u64::MAX);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}h {minutes:02}m") } else { format!("{minutes}m {seconds:02}s") }
}
