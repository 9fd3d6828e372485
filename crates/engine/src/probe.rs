//! A probe: what a frozen backbone's features tell about the classes, measured by a linear classifier and by nearest neighbours.

pub mod classifier;
pub mod logistic;
pub mod neighbours;
mod principal;
mod run;
mod saved;

pub use run::probe;
