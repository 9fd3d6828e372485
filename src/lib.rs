//! The dashboard and the command line. Nothing here links libtorch: training happens in `warmstart-worker`.

pub mod actions;
pub mod cli;
mod columns;
pub mod compare;
pub mod config;
pub mod dashboard;
pub mod edit;
pub mod failure;
mod files;
pub mod login;
pub mod look;
mod monitor;
pub mod names;
pub mod params;
pub mod pasted;
pub mod predict;
mod probe;
pub mod query;
mod run_json;
pub mod store;
pub mod trash;
pub mod verify;
