//! Everything about run folders: locks and checkpoints, the queue, workers and their monitors, watching, the trash, and
//! the files that runs need. It knows neither terminals nor tensors.

pub mod actions;
pub mod change;
pub mod checkpoint;
pub mod event_log;
pub mod failure;
pub mod feature_cache;
pub mod groups;
mod halving;
pub mod heartbeat;
pub mod launcher;
pub mod member;
pub mod monitor;
pub mod names;
pub mod params;
pub mod pictures;
pub mod proposal;
pub mod queue;
pub mod run;
pub mod run_json;
pub mod search_paths;
pub mod shell;
pub mod storage;
pub mod store;
pub mod survey;
pub mod trash;
pub mod verify;
pub mod worker;
