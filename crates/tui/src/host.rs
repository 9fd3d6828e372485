//! What the loop needs from the terminal besides drawing.

use std::io;
use std::path::Path;

use super::effect::Ended;

/// What the loop needs from the terminal besides drawing.
pub(crate) trait Host {
    /// Whether the terminal has taken the newest frame.
    fn is_ready(&self) -> bool;
    /// Waits until it has.
    async fn ready(&self);
    /// Suspends the dashboard until the shell continues it; false if there is no shell.
    fn suspend(&mut self) -> io::Result<bool>;
    /// Opens a file in the user's editor and returns when it ends. The error says why it did not
    /// open.
    fn edit(&mut self, path: &Path) -> Result<Ended, String>;
    /// Copies a text to the terminal's clipboard, after the frame in flight.
    fn copy(&mut self, text: &str) -> io::Result<()>;
    /// Rings the bell and lets the terminal show a text if it can, after the frame in flight.
    fn notify(&mut self, text: &str) -> io::Result<()>;
}
