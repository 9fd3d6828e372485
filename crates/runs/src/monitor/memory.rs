//! How often the kernel killed a process for lack of memory. This tells its SIGKILL from another one, unless it killed another
//! process of the group meanwhile.

use std::fs;
use std::path::Path;

/// The kernel's count for the control group of this process, which the worker shares, or else for the whole machine; 0 if neither
/// is known.
pub(super) fn killed() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    of_group(&groups, Path::new("/sys/fs/cgroup"))
        .or_else(|| counter(&fs::read_to_string("/proc/vmstat").ok()?))
        .unwrap_or(0)
}

fn of_group(groups: &str, root: &Path) -> Option<u64> {
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        let (hierarchy, name) = match controllers {
            "" => (root.to_path_buf(), "memory.events"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.oom_control")
            }
            _ => return None,
        };
        // A container may see its own group as the root, but the path that the host knows.
        [hierarchy.join(path), hierarchy]
            .iter()
            .find_map(|group| counter(&fs::read_to_string(group.join(name)).ok()?))
    })
}

/// The line `oom_kill N`, which all three files have.
fn counter(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_found_in_both_cgroup_hierarchies() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "a/b/memory.events",
                "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
            ),
            (
                "memory/docker/x/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
            ),
            ("memory/memory.oom_control", "under_oom 0\noom_kill 4\n"),
        ] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        assert_eq!(of_group("0::/a/b\n", root.path()), Some(2));
        assert_eq!(
            of_group(
                "12:cpu,cpuacct:/\n9:memory:/docker/x\n0::/none\n",
                root.path()
            ),
            Some(5)
        );
        assert_eq!(of_group("0::/\n", root.path()), None);
        assert_eq!(
            of_group("9:memory:/docker/of-the-host\n", root.path()),
            Some(4),
            "a container that has only its own group"
        );
    }
}
