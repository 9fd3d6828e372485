//! The comparison of runs.

pub(crate) mod command;
mod curves;
pub(crate) mod keys;
mod sides;
pub(crate) mod update;
pub(super) mod view;
