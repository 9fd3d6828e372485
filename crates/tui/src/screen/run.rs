//! One run: its charts, parameters, facts and log.

pub(crate) mod available;
pub(super) mod charts;
pub(crate) mod command;
mod facts;
pub(crate) mod keys;
mod log;
mod parameters;
pub(super) mod progress;
pub(crate) mod update;
pub(super) mod view;
