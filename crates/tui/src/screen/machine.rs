//! The machine, its runs and the queue.

pub(crate) mod available;
pub(crate) mod command;
pub(crate) mod keys;
pub(crate) mod update;
pub(super) mod view;
