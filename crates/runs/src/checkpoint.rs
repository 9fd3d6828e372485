//! Checkpoints. Each is a new folder, and reading takes the newest intact one. This module sees bytes only; the engine knows the
//! tensors in them.

mod format;
mod read;
mod recover;
mod save;
mod state;

pub use self::format::{Content, Error, MODEL, OPTIMIZER};
pub use self::read::{best, missing, newest, read, steps};
pub use self::recover::{put_aside, recover};
pub use self::save::{HEADROOM, save};
pub use self::state::{Conditions, Devices, Skipped, State, Sums};
