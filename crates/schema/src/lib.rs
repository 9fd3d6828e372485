//! The data that dashboard and worker share: experiments, events, the state after a log, the structure of models, and pure
//! policies (schedule, early stopping, splits).

pub mod annotation;
pub mod architecture;
pub mod catalog;
mod dataset_name;
pub mod event;
pub mod exit;
pub mod experiment;
pub mod exported;
mod failure;
pub mod finding;
pub mod identity;
pub mod look;
mod measured;
pub mod metric;
pub mod policy;
pub mod prediction;
pub mod prefetch;
pub mod preparation;
mod real;
pub mod run_id;
pub mod seed;
pub mod selftest;
pub mod slurm;
pub mod state;
pub mod text;
