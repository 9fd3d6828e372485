//! How many cores this process may use.

use std::num::NonZero;
use std::thread::available_parallelism;

/// The cores of this process, at least 1. Without a limit by cgroups a job of Slurm sees all cores of its node, also those of other
/// jobs.
pub fn cores() -> usize {
    let seen = available_parallelism().map_or(1, NonZero::get);
    let allotted = allotted(|name| std::env::var(name).ok());
    allotted.map_or(seen, |cores| cores.clamp(1, seen))
}

/// The CPUs of a task of Slurm where the job names them, else all of the job's on its node; none outside of Slurm.
fn allotted(variable: impl Fn(&str) -> Option<String>) -> Option<usize> {
    let names = ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"];
    names.iter().find_map(|name| variable(name)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpus_of_a_task_come_before_those_of_its_node() {
        let allotted = |task: &'static str, node: &'static str| {
            allotted(move |name| {
                let value = if name == "SLURM_CPUS_PER_TASK" {
                    task
                } else {
                    node
                };
                (!value.is_empty()).then(|| value.to_owned())
            })
        };
        assert_eq!(allotted("4", "16"), Some(4));
        assert_eq!(allotted("", "16"), Some(16));
        assert_eq!(allotted("many", "16"), Some(16));
        assert_eq!(allotted("", ""), None);
        assert!(cores() >= 1);
    }
}
