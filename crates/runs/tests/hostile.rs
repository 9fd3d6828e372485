//! What others write: experiment files, logs and names made to do harm. Nothing of it panics, is written outside its folder,
//! or goes without an explanation. With `--nocapture` each part prints its figure.

#[cfg(test)]
#[path = "hostile/fields.rs"]
mod fields;
#[cfg(test)]
#[path = "hostile/logs.rs"]
mod logs;
#[cfg(test)]
#[path = "hostile/names.rs"]
mod names;
