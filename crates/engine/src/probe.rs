//! A probe: what a frozen backbone's features tell about the classes, measured by a linear classifier and by nearest neighbours.

pub mod logistic;
pub mod neighbours;
mod run;
mod saved;

pub use run::probe;
