//! What the dashboard and the worker agree on: experiment files, events, the run folder, and the policies that decide
//! without doing (schedule, early stopping, splits, queue). Neither terminals nor tensors.

pub mod annotation;
pub mod architecture;
pub mod catalog;
pub mod change;
pub mod checkpoint;
pub mod dataset_name;
pub mod event;
pub mod exit;
pub mod experiment;
pub mod exported;
pub mod failure;
pub mod finding;
pub mod launch;
pub mod look;
pub mod metric;
pub mod pictures;
pub mod places;
pub mod policy;
pub mod prediction;
pub mod prefetch;
pub mod preparation;
pub mod process;
pub mod pulse;
pub mod queue;
pub mod run;
pub mod run_id;
pub mod seed;
pub mod state;
pub mod storage;
pub mod text;
