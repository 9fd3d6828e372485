//! The dashboard. A key becomes a message, `update` changes the model and returns effects, the
//! executor runs them, and screens draw the model. The dashboard reads run folders; it trains
//! nothing itself.

mod app;
mod available;
mod chart;
mod choices;
mod columns;
mod command;
pub mod config;
mod effect;
mod executor;
mod folders;
mod fuzzy;
mod headless;
mod help;
mod host;
pub mod keys;
mod layout;
mod machine;
mod memory;
mod message;
mod model;
mod mouse;
mod paths;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod watch;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;
use warmstart_schema::look::Pixels;

use self::app::{App, Settings};
use self::command::Command;
use self::folders::Folders;
use self::message::Message;
use self::terminal::{Session, TerminalKeys};
use self::theme::Appearance;
use warmstart_runs::launcher::{self, Login};
use warmstart_runs::shell::FolderOptions;

pub use self::headless::HeadlessDashboard;
pub use self::terminal::is_there as has_terminal;
pub use self::theme::Theme;
use warmstart_report::format;

/// Options from the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of experiment files.
    pub experiments: PathBuf,
    /// The folder of runs.
    pub checkpoints: PathBuf,
    /// Folder options for the commands that users copy and paste.
    pub folders: FolderOptions,
    /// Draw with ASCII characters only.
    pub ascii: bool,
    /// The user's settings, or the problems in them.
    pub settings: config::Loaded,
    /// Handle clicks and the wheel.
    pub mouse: bool,
    /// The colour theme; `None` takes that of the settings, or else one that suits the terminal.
    pub theme: Option<Theme>,
}

/// A picture as text lines for the terminal on stdout, as large as fits.
pub fn printed(pixels: &Pixels, colour: bool) -> String {
    /// Lines to leave free for the text around the picture.
    const TEXT: u16 = 5;
    // A picture has its own colours, so any theme with colours will do.
    let theme = if colour { Theme::Ansi } else { Theme::Mono };
    let appearance = Appearance::from_env(false, Some(theme));
    // Without this, crossterm reads NO_COLOR only and would overrule an explicit choice.
    crossterm::style::force_color_output(colour);
    let (width, height) = usable_size(crossterm::terminal::size().ok());
    screen::printed(pixels, width, height.saturating_sub(TEXT), appearance)
}

/// The size of the terminal, or the usual one if it is unknown. A terminal whose size nobody set says 0 × 0, as that of `ssh -tt`
/// from a script.
fn usable_size(size: Option<(u16, u16)>) -> (u16, u16) {
    size.filter(|(width, height)| *width > 0 && *height > 0)
        .unwrap_or((80, 24))
}

/// Opens the dashboard and returns when the user or the system asks to leave. Runs continue without
/// it.
pub fn run(options: Options) -> anyhow::Result<()> {
    anyhow::ensure!(
        terminal::is_there(),
        "the dashboard needs a terminal; `warmstart runs` prints the same as text"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the event loop does not start")?;
    let chosen = &options.settings.config;
    let mouse = options.mouse && chosen.mouse;
    let theme = options.theme.or(Theme::chosen(chosen.theme));
    let appearance = Appearance::from_env(options.ascii || chosen.ascii, theme);
    // Without this, crossterm reads NO_COLOR only and would overrule an explicit theme.
    crossterm::style::force_color_output(appearance.has_colour());
    let launcher = launcher::chosen().clone();
    let settings = Settings {
        appearance,
        folder_options: options.folders,
        config: options.settings,
        zone: TimeZone::system(),
        // A job belongs to no login.
        hazard: Login::find()
            .hazard()
            .filter(|_| launcher.request(None).is_none()),
        launcher,
        folders: Folders {
            experiments: options.experiments,
            checkpoints: options.checkpoints,
            exports: std::env::current_dir().context("the current folder cannot be found")?,
            state: config::state_file(),
        },
    };
    let note = runtime.block_on(async {
        let (session, terminal) = Session::begin(mouse).context("the terminal cannot be used")?;
        let keys = TerminalKeys::new().context("no keys can be read")?;
        let app = App::new(terminal, keys, session, settings);
        terminal::watch_for_loss(app.sender());
        watch_signals(&app.sender())?;
        app.run().await
    });
    // Do not wait for a thread that blocks on a disk or a terminal.
    runtime.shutdown_background();
    if let Some(note) = note? {
        // If the terminal is closed, nobody reads this, so ignore the error.
        let _ = writeln!(std::io::stdout(), "{note}");
    }
    Ok(())
}

/// Turns signals into messages: the ones that end the program, a ^Z from outside, and continuing
/// after a stop.
fn watch_signals(messages: &UnboundedSender<Message>) -> anyhow::Result<()> {
    // Once this signal is caught, a file over the size limit is an error like a full disk and does
    // not end the program.
    let too_large = SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32);
    drop(signal(too_large).context("signals cannot be received")?);
    let kinds: [(SignalKind, fn() -> Message); 6] = [
        (SignalKind::terminate(), || Message::Leave),
        (SignalKind::hangup(), || Message::Leave),
        (SignalKind::interrupt(), || Message::Leave),
        (SignalKind::quit(), || Message::Leave),
        (
            SignalKind::from_raw(nix::sys::signal::Signal::SIGTSTP as i32),
            || Message::Command(Command::Suspend),
        ),
        (
            SignalKind::from_raw(nix::sys::signal::Signal::SIGCONT as i32),
            || Message::Repaint,
        ),
    ];
    for (kind, message) in kinds {
        let mut received = signal(kind).context("signals cannot be received")?;
        let messages = messages.clone();
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                if messages.send(message()).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
