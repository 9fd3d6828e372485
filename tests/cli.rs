//! The real program in temporary folders: answers, exit codes, following runs, linked libraries. A shell script replaces the
//! worker, so no test needs libtorch.
//!
//! Each module has `#[cfg(test)]`: by that, clippy knows that its helpers may unwrap and panic.

#[cfg(test)]
#[path = "cli/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "cli/book.rs"]
mod book;
#[cfg(test)]
#[path = "cli/cache.rs"]
mod cache;
#[cfg(test)]
#[path = "cli/compare.rs"]
mod compare;
#[cfg(test)]
#[path = "cli/completions.rs"]
mod completions;
#[cfg(test)]
#[path = "cli/debug_log.rs"]
mod debug_log;
#[cfg(test)]
#[path = "cli/groups.rs"]
mod groups;
#[cfg(test)]
#[path = "cli/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "cli/identity.rs"]
mod identity;
#[cfg(test)]
#[path = "cli/install.rs"]
mod install;
#[cfg(test)]
#[path = "cli/mistakes.rs"]
mod mistakes;
#[cfg(test)]
#[path = "cli/pictures.rs"]
mod pictures;
#[cfg(test)]
#[path = "cli/place.rs"]
mod place;
#[cfg(test)]
#[path = "cli/plot.rs"]
mod plot;
#[cfg(test)]
#[path = "cli/prefetch.rs"]
mod prefetch;
#[cfg(test)]
#[path = "cli/queue.rs"]
mod queue;
#[cfg(test)]
#[path = "cli/settings.rs"]
mod settings;
#[cfg(test)]
#[path = "cli/slurm.rs"]
mod slurm;
#[cfg(test)]
#[path = "support/hostile.rs"]
mod texts;
#[cfg(test)]
#[path = "cli/training.rs"]
mod training;
#[cfg(test)]
#[path = "cli/width.rs"]
mod width;
