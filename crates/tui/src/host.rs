//! What the loop needs of the terminal beside drawing.

use std::io;
use std::path::Path;

use super::effect::Ended;

/// What the loop needs of the terminal beside drawing.
pub trait Host {
    /// Whether the terminal has taken the newest frame.
    fn is_ready(&self) -> bool;
    /// Ends when it has.
    async fn ready(&self);
    /// Hands the terminal back to the shell until it is given again; false where there is no shell.
    fn suspend(&mut self) -> io::Result<bool>;
    /// Opens a file in the user's editor and comes back when that ends. The error says why it did not open.
    fn edit(&mut self, path: &Path) -> Result<Ended, String>;
    /// Hands a text to the terminal's clipboard, after the frame on its way.
    fn copy(&mut self, text: &str) -> io::Result<()>;
    /// Rings the bell, and has the terminal show a text if it can, after the frame on its way.
    fn notify(&mut self, text: &str) -> io::Result<()>;
}
