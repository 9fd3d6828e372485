//! What its commands change.

pub(crate) mod charts;
pub(crate) mod log;
