//! The dashboard. A key becomes a message, `update` takes it into the model and says what shall be done, `effect` does
//! it, and screens draw the model. Runs are followed by reading their folders; nothing here trains.

mod app;
mod chart;
pub mod columns;
mod command;
pub mod config;
mod effect;
mod executor;
mod folders;
mod fuzzy;
mod help;
mod host;
mod keeper;
pub mod keys;
mod layout;
mod machine;
mod memory;
mod message;
mod model;
mod mouse;
mod paths;
mod screen;
mod still;
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
use self::theme::Look;
use warmstart_runs::launcher::Login;
use warmstart_runs::pasted::FolderOptions;

pub use self::still::Still;
pub use self::terminal::is_there as has_terminal;
pub use self::theme::Theme;
use warmstart_report::format;

/// What the command line says to the dashboard.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of experiment files.
    pub experiments: PathBuf,
    /// The folder of runs.
    pub checkpoints: PathBuf,
    /// What a command needs that is shown to be pasted.
    pub folders: FolderOptions,
    /// Draw with ASCII alone.
    pub ascii: bool,
    /// The user's settings, or what is wrong with them.
    pub settings: config::Loaded,
    /// Take clicks and the wheel.
    pub mouse: bool,
    /// The colours; by default those that suit the terminal.
    pub theme: Option<Theme>,
}

/// A picture as lines for the terminal that stdout is, as large as it fits there.
pub fn printed(pixels: &Pixels, colour: bool) -> String {
    /// Lines that stay free for what is said of it.
    const TEXT: u16 = 5;
    let look = Look::from_env(false, (!colour).then_some(Theme::Mono));
    let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
    screen::printed(pixels, width, height.saturating_sub(TEXT), look)
}

/// Opens the dashboard and comes back when the user or the system asks to leave. Runs go on without it.
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
    let look = Look::from_env(options.ascii || chosen.ascii, theme);
    // Otherwise crossterm goes by NO_COLOR alone, and a theme that was asked for is stronger.
    crossterm::style::force_color_output(look.has_colour());
    let settings = Settings {
        look,
        pasted: options.folders,
        config: options.settings,
        zone: TimeZone::system(),
        hazard: Login::find().hazard(),
        folders: Folders {
            experiments: options.experiments,
            checkpoints: options.checkpoints,
            exports: std::env::current_dir().context("the current folder cannot be found")?,
            state: config::state_file(),
        },
    };
    let farewell = runtime.block_on(async {
        let (session, terminal) = Session::begin(mouse).context("the terminal cannot be used")?;
        let keys = TerminalKeys::new().context("no keys can be read")?;
        let app = App::new(terminal, keys, session, settings);
        terminal::watch_for_loss(app.sender());
        watch_signals(&app.sender())?;
        app.run().await
    });
    // A thread that waits for a disk or a terminal must not hold up the end.
    runtime.shutdown_background();
    if let Some(farewell) = farewell? {
        // Whoever closed the terminal does not read it.
        let _ = writeln!(std::io::stdout(), "{farewell}");
    }
    Ok(())
}

/// Turns signals into messages: those that end the program, ^Z from outside, and the return from a stop.
fn watch_signals(messages: &UnboundedSender<Message>) -> anyhow::Result<()> {
    // Once it is caught, a file that grows beyond its limit is an error like a full disk, and no longer the end.
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
