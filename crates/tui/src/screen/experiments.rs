//! The list of experiments and runs.

pub(crate) mod available;
pub(crate) mod command;
mod detail;
pub(crate) mod keys;
pub(crate) mod update;
pub(super) mod view;
