//! ```text
//!  ResNet, resized input ▸ 20261122-100107-7f3a                                   ◐ training
//!  epoch 12/30 ━━━━━━━━━━━━╸───── 71 %   312 img/s   2m 10s left in epoch, 38m in all
//! ─────────────────────────────────────────────────────────┬────────────────────────────────
//!  accuracy   ● val 0.6180  ▲ best at 11   train 0.7310     │ parameters           24,112,420
//!  charts                                                   │ by block, and what it runs on
//! ─────────────────────────────────────────────────────────┴────────────────────────────────
//!  log                                               what is wrong, if anything, is above it
//! ```
//! One run. On narrow terminals the parameters are below the charts. With less height, first the
//! log is hidden, then the parameters, then the second chart.

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
