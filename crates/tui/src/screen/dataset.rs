//! The images of a dataset.

pub(crate) mod available;
mod classes;
pub(crate) mod command;
pub(crate) mod keys;
mod one;
mod page;
pub(crate) mod update;
pub(super) mod view;
