//! The real terminal: entering and leaving it, frames that never block, and detecting its loss.

mod crash;
mod decoder;
mod editor;
mod foreground;
mod frames;
mod keyboard;
mod lost;
mod notice;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;

use crossterm::Command;
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, getsid};
use ratatui::Terminal;

pub(crate) use self::frames::{Frames, QuietBackend};
pub(crate) use self::keyboard::{Keyboard, TerminalKeys};
pub(crate) use self::lost::watch as watch_for_loss;
use self::notice::Between;
use super::effect::Ended;
use super::host::Host;

/// Whether there is a terminal to draw on and to read keys from. A dumb or unnamed terminal does
/// not count: it would print escape sequences as text.
pub fn is_there() -> bool {
    let can_place_text =
        std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    can_place_text
        && io::stdout().is_terminal()
        && (io::stdin().is_terminal() || std::fs::File::open("/dev/tty").is_ok())
}

/// Owns the terminal. Restores it when dropped and on any panic.
#[derive(Debug)]
pub(crate) struct Session {
    frames: Frames,
    mouse: bool,
}

impl Session {
    /// Enters the terminal. With `mouse`, the terminal reports clicks and the wheel; selecting text
    /// then needs shift.
    pub(crate) fn begin(mouse: bool) -> io::Result<(Self, Terminal<QuietBackend>)> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            leave();
            before(info);
            // End after a panic in any thread: without that thread, the dashboard would show wrong
            // data.
            std::process::exit(101);
        }));
        crash::watch();
        let frames = Frames::start();
        let terminal = Terminal::new(QuietBackend::new(frames.clone()))?;
        // If entering fails half way, dropping the session restores the terminal.
        let session = Self { frames, mouse };
        enter(mouse)?;
        Ok((session, terminal))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A frame in flight would appear on the shell's screen.
        self.frames.settle();
        leave();
    }
}

impl Host for Session {
    fn is_ready(&self) -> bool {
        self.frames.is_free()
    }

    async fn ready(&self) {
        self.frames.freed().await;
    }

    fn suspend(&mut self) -> io::Result<bool> {
        if !can_be_continued() {
            return Ok(false);
        }
        self.frames.settle();
        leave();
        // Stop the whole process group, as ^Z does: otherwise a parent `make` waits forever.
        // SIGTSTP would only ask the dashboard to suspend again.
        let stopped = kill(Pid::from_raw(0), Signal::SIGSTOP);
        enter(self.mouse)?;
        stopped.map(|()| true).map_err(Into::into)
    }

    fn edit(&mut self, path: &Path) -> Result<Ended, String> {
        let mut command = editor::command(path)?;
        let terminal = foreground::controlling_terminal().map_err(|error| {
            format!(
                "the editor needs a controlling terminal: {error}; start the dashboard from a shell's prompt"
            )
        })?;
        self.frames.settle();
        leave();
        let ended = foreground::run(&mut command, &terminal);
        let name = command.get_program().to_string_lossy();
        let entered =
            enter(self.mouse).map_err(|error| format!("the terminal does not come back: {error}"));
        let ended = ended.map_err(|error| {
            format!(
                "the editor `{name}` cannot be started: {error}; EDITOR or VISUAL names another"
            )
        });
        entered.and(ended)
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut sequence = String::new();
        CopyToClipboard::to_clipboard_from(text)
            .write_ansi(&mut sequence)
            .map_err(io::Error::other)?;
        self.frames.send(sequence.into_bytes())
    }

    fn notify(&mut self, text: &str) -> io::Result<()> {
        let between = Between::find(|name| std::env::var(name).ok());
        self.frames
            .send(notice::sequence(text, between).into_bytes())
    }
}

/// Whether a shell can continue this program after a stop. A shell with job control gives each job a
/// process group of its own. In the group of the session's leader, a stop would also stop the
/// leader, and nobody would continue either: for example below `ssh -t HOST make run`.
fn can_be_continued() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpgrp())
}

fn enter(mouse: bool) -> io::Result<()> {
    let leaving = sequences(&LEAVING).map_err(io::Error::other)?;
    crash::taking(&leaving, || {
        enable_raw_mode()?;
        send(&[
            &EnterAlternateScreen,
            &Clear(ClearType::All),
            &Hide,
            &EnableBracketedPaste,
        ])?;
        if mouse { send(&[&Mouse(true)]) } else { Ok(()) }
    })
}

/// Reports clicks and the wheel but not movements, which are many and unused. Uses SGR coordinates,
/// which have no limit at column 223.
struct Mouse(bool);

impl Command for Mouse {
    fn write_ansi(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        out.write_str(if self.0 {
            "\x1b[?1000h\x1b[?1006h"
        } else {
            "\x1b[?1006l\x1b[?1000l"
        })
    }
}

/// Restores the terminal.
const LEAVING: [&dyn AnsiCommand; 4] = [
    &Mouse(false),
    &DisableBracketedPaste,
    &LeaveAlternateScreen,
    &Show,
];

/// Ignores errors: a terminal that is gone needs no restoring.
fn leave() {
    let _ = send(&LEAVING);
    let _ = disable_raw_mode();
    crash::given_back();
}

fn send(commands: &[&dyn AnsiCommand]) -> io::Result<()> {
    write_all(sequences(commands).map_err(io::Error::other)?.as_bytes())
}

fn sequences(commands: &[&dyn AnsiCommand]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for command in commands {
        command.append(&mut text)?;
    }
    Ok(text)
}

/// A trait object for crossterm's commands, so that one list can hold them.
trait AnsiCommand {
    fn append(&self, text: &mut String) -> std::fmt::Result;
}

impl<C: Command> AnsiCommand for C {
    fn append(&self, text: &mut String) -> std::fmt::Result {
        self.write_ansi(text)
    }
}

/// Writes without `std`'s stdout lock: a thread that waits for a slow terminal may hold it.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let stdout = io::stdout();
    while !bytes.is_empty() {
        match nix::unistd::write(stdout.as_fd(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(nix::errno::Errno::EINTR) => {}
            // Another program left the terminal in non-blocking mode.
            Err(nix::errno::Errno::EAGAIN) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
