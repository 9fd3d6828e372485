//! What is on disk: experiment files, and runs, which [`Watcher`] polls. [`Runs`] folds what it finds, and does no I/O.

mod change;
mod experiment_index;
mod experiments;
mod log_tail;
mod problem;
mod run;
mod runs;
mod summaries;
mod waiting;
mod watch;

pub use self::change::Change;
pub use self::experiment_index::ExperimentKey;
pub use self::experiments::{
    ExperimentFile, experiment_paths, experiments, group_names, init_file,
};
pub(crate) use self::log_tail::log_tail;
pub use self::log_tail::worker_log_tail;
pub use self::problem::RunProblem;
pub use self::run::Run;
pub use self::runs::Runs;
pub use self::waiting::WaitsFor;
pub use self::watch::Watcher;
