//! The training worker: the only crate that knows tensors.

pub mod augment;
mod backbone;
pub mod best;
pub mod check;
pub mod data;
pub mod device;
pub mod doctor;
mod edition;
pub mod export;
pub mod failure;
pub mod fetch;
pub mod ffi;
mod heartbeat;
pub mod initial;
pub mod interrupt;
pub mod layers;
pub mod look;
pub mod model;
pub mod optimizer;
pub mod predict;
pub mod prefetch;
pub mod report;
pub mod selftest;
pub mod train;
pub mod usage;
pub mod weights;
pub mod worker;
