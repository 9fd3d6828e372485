//! The output of the commands. If its reader is gone, the program ends without an error.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use warmstart_report::fit::{self, Column};
use warmstart_report::format::plural;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::launcher::{self, Choice, Login};
use warmstart_runs::queue::Queue;
use warmstart_runs::storage;
use warmstart_schema::event::Attempt;
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::text;

use super::{Color, Context, Exit, shown};

/// The reader of stdout is gone.
#[derive(Debug)]
pub(super) struct ClosedPipe;

impl fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader closed the pipe")
    }
}

impl std::error::Error for ClosedPipe {}

/// All mistakes of experiment files.
#[derive(Debug)]
pub(super) struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl std::error::Error for Problems {}

/// Writes an answer to stdout.
pub(super) fn answer(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
        other => other.context("the answer cannot be written to stdout"),
    }
}

/// Writes an answer as JSON. A text may contain control characters; they are escaped.
pub(super) fn answer_json(value: &impl Serialize) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    answer(&(text::escaped_json(&json) + "\n"))
}

/// A path as text for JSON. Bytes that are no UTF-8 are replaced, because JSON cannot represent them.
pub(super) fn json_path(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

/// What to do about a file that exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Overwrite {
    /// Replace it as a whole.
    Yes,
    /// Fail with this advice.
    No { help: &'static str },
}

impl Overwrite {
    /// As `--overwrite` says.
    pub(super) fn of_flag(overwrite: bool) -> Self {
        if overwrite {
            Self::Yes
        } else {
            let help = "name another file, or add --overwrite to replace it";
            Self::No { help }
        }
    }
}

/// Writes a whole file.
pub(super) fn write_file(path: &Path, bytes: &[u8], overwrite: Overwrite) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", shown(path));
    let help = match overwrite {
        Overwrite::Yes => return storage::overwrite(path, bytes).with_context(cannot),
        Overwrite::No { help } => help,
    };
    match storage::create(path, bytes) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", shown(path));
            Err(Failure::new(Kind::Input, what).help(help).into())
        }
        written => written.with_context(cannot),
    }
}

/// Prints a message on stderr, unless `--quiet` is set.
pub(super) fn note(context: &Context, text: &str) {
    if !context.quiet {
        // If stderr is gone, there is no place to report it.
        let said = context.folders.in_commands(text);
        let lines = width().map_or_else(
            || vec![said.clone()],
            |width| {
                let lines = said.lines();
                lines.flat_map(|line| text::wrap(line, width)).collect()
            },
        );
        let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
    }
}

/// A line of progress.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

pub(super) fn error(context: &Context, text: &str) {
    complain(context, "error", "31", text);
}

pub(super) fn help(context: &Context, text: &str) {
    complain(context, "help", "36", text);
}

pub(super) fn warn(context: &Context, text: &str) {
    complain(context, "warning", "33", text);
}

/// Warns if the end of the login session would end its runs.
pub(super) fn warn_of_session(context: &Context) {
    // Jobs of a cluster belong to no login.
    let is_job = matches!(launcher::chosen(), Choice::Slurm(_));
    if let Some(hazard) = Login::find().hazard().filter(|_| !is_job) {
        warn(context, &hazard);
    }
}

/// Says what the job of a run asks for, before it is sent.
pub(super) fn note_job(context: &Context, label: &str, experiment: Option<&Experiment>) {
    if let Some(request) = launcher::chosen().request(experiment) {
        note(context, &format!("{label}: {request}"));
    }
}

/// Says why launched runs do not start, if the queue is paused.
pub(super) fn warn_if_paused(context: &Context) {
    let content = Queue::new(&context.checkpoints)
        .content()
        .unwrap_or_default();
    if let Some(reason) = content.paused.filter(|_| !content.waiting.is_empty()) {
        warn(
            context,
            &format!("the queue is paused: {reason}; `warmstart queue resume` resumes it"),
        );
    }
}

/// Prints an error with its help. Returns the exit code.
pub(super) fn explain(context: &Context, cause: &anyhow::Error) -> Exit {
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
        Kind::Input | Kind::CheckpointsGone => Exit::Input,
        Kind::NotFound => Exit::NotFound,
        Kind::Worker => Exit::Worker,
        Kind::Disk | Kind::RunFailed => Exit::RunFailed,
    }
}

fn complain(context: &Context, label: &str, color: &str, text: &str) {
    let label = if context.color {
        format!("\u{1b}[1;{color}m{label}:\u{1b}[0m")
    } else {
        format!("{label}:")
    };
    let _ = writeln!(
        io::stderr().lock(),
        "{label} {}",
        context.folders.in_commands(text)
    );
}

/// Whether what is written to `stream` may be coloured.
pub(super) fn use_color(choice: Color, stream: &impl IsTerminal) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            knows_sequences(stream)
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// Whether progress can redraw itself.
pub(super) fn is_interactive() -> bool {
    knows_sequences(&io::stderr())
}

/// Whether `stream` is a terminal that knows escape sequences.
fn knows_sequences(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// The terminal's width in characters; none if stdout is no terminal.
pub(super) fn width() -> Option<usize> {
    let size = io::stdout().is_terminal().then(crossterm::terminal::size);
    size?
        .ok()
        .map(|(width, _)| width.into())
        .filter(|width| *width > 0)
}

/// Rows in aligned columns. If the terminal is too narrow, it hides columns by their rank and says which.
pub(super) fn table<const N: usize>(columns: &[Column; N], rows: Vec<[String; N]>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    written(columns, &rows, "widen the terminal")
}

/// As [`table`], with the columns that the user asked for, or all.
pub(super) fn chosen(
    columns: &[Column],
    rows: &[Vec<String>],
    asked: &ColumnsArgument,
) -> anyhow::Result<String> {
    if asked.columns.is_empty() {
        return Ok(written(
            columns,
            rows,
            "widen the terminal, or choose with --columns",
        ));
    }
    let places = asked
        .columns
        .iter()
        .map(|name| place(columns, name))
        .collect::<Result<Vec<usize>, Failure>>()?;
    let columns: Vec<Column> = places.iter().map(|place| columns[*place].clone()).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| places.iter().map(|place| row[*place].clone()).collect())
        .collect();
    Ok(written(&columns, &rows, "widen the terminal"))
}

fn written(columns: &[Column], rows: &[Vec<String>], remedy: &str) -> String {
    let fitted = fit::fitted(columns, rows, width());
    let note = fit::note(&fitted.hidden, remedy, width().map(|width| width - 1));
    let lines = fitted
        .lines
        .into_iter()
        .chain(note.into_iter().map(|line| format!(" {line}")));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Which columns to print.
#[derive(Debug, Default, Args)]
pub(super) struct ColumnsArgument {
    /// These columns, in this order; without it all that the terminal has room for
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
}

/// The name of a column in `--columns`: `val_acc` for the title `val acc`.
pub(super) fn key(title: &str) -> String {
    title.trim().replace([' ', '-'], "_").to_lowercase()
}

/// The column of this name, `val acc` or `val_acc`.
fn place(columns: &[Column], name: &str) -> Result<usize, Failure> {
    let keys: Vec<String> = columns.iter().map(|column| key(&column.title)).collect();
    keys.iter()
        .position(|known| *known == key(name))
        .ok_or_else(|| {
            let name = text::line(name, 80);
            let near = text::closest(&key(&name), keys.iter().map(String::as_str));
            let help = near.map_or_else(
                || format!("known are {}", keys.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Failure::new(Kind::Input, format!("no column is called `{name}`")).help(help)
        })
}

/// A name and its value, which wraps if the terminal is narrow.
pub(super) fn field(name: &str, value: &str) -> String {
    const NAME: usize = 12;
    // Nobody can read narrower text.
    let room = width().map_or(usize::MAX, |width| width.saturating_sub(NAME + 1).max(20));
    let lines = value.lines().flat_map(|line| text::wrap(line, room));
    let lines = lines.collect::<Vec<_>>().join(&format!("\n{:NAME$} ", ""));
    format!("{name:<NAME$} {lines}")
}

/// The device of a run; `warmstart doctor` says why it was chosen.
pub(super) fn device(attempt: &Attempt) -> String {
    let Attempt {
        device,
        device_name,
        threads,
        devices,
        ..
    } = attempt;
    let name = text::line(device_name, 40);
    let threads = plural(*threads as usize, "thread");
    match (&**device, *devices) {
        ("cpu", 1) => format!("cpu, {threads}"),
        ("cpu", devices) => format!("cpu, {devices} processes of {threads}"),
        (device, devices) => {
            let device = text::line(device, 40);
            let first = if name.is_empty() {
                device
            } else {
                format!("{device} ({name})")
            };
            if devices == 1 {
                first
            } else {
                format!("{devices} GPUs from {first} on")
            }
        }
    }
}

/// A metric with the study's precision, or a dash.
pub(super) fn figure(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.4}"))
}

/// A duration in units that people read.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    // From here on, one decimal would round to 60 seconds.
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    let whole = format!("{seconds:.0}").parse::<u64>().unwrap_or(u64::MAX);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}h {minutes:02}m")
    } else {
        format!("{minutes}m {seconds:02}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_never_shows_sixty_seconds() {
        for (seconds, expected) in [
            (59.94, "59.9s"),
            (59.96, "1m 00s"),
            (60.0, "1m 00s"),
            (119.6, "2m 00s"),
            (3599.6, "1h 00m"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }
}
