//! Names that look like paths: every name becomes a safe label, and all files stay in the root folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use warmstart_runs::run::{Launch, RunDir, RunId};
use warmstart_runs::survey;
use warmstart_schema::experiment;
use warmstart_schema::seed::SplitMix64;

use crate::strace::has_strace;

/// Parts of hostile names.
const PIECES: [&str; 26] = [
    "..",
    "/",
    "../",
    "./",
    "\\",
    "\0",
    "\n",
    "\r",
    "-rf",
    "--",
    " ",
    "~",
    "$HOME",
    "%2e%2e%2f",
    "%252e",
    "\u{202e}",
    "\u{1b}[2J",
    "…",
    "con",
    "a",
    ".",
    "/etc/passwd",
    "run.json",
    "\u{feff}",
    "ａ",
    ";rm -rf /",
];

fn hostile(random: &mut SplitMix64) -> String {
    let below = |random: &mut SplitMix64, number: usize| {
        usize::try_from(random.below(number as u64)).unwrap()
    };
    if below(random, 20) == 0 {
        return PIECES[below(random, PIECES.len())].repeat(300);
    }
    (0..=below(random, 6))
        .map(|_| PIECES[below(random, PIECES.len())])
        .collect()
}

/// Every file below a folder, with its length and modification time.
fn listing(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        found.insert(entry.path(), (meta.len(), meta.mtime(), meta.mtime_nsec()));
        if meta.is_dir() {
            found.extend(listing(&entry.path()));
        }
    }
    found
}

/// The folder in which a process creates runs while strace watches it.
const ROOT: &str = "WARMSTART_HOSTILE_ROOT";
const NAMES: usize = 2_000;

/// Creates runs with hostile names in a root folder. As ids of runs, the names are refused or lead into this folder.
fn make_runs(root: &Path, number: usize) {
    let yaml = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../experiments/quickstart/4-lite0-freeze.yaml"),
    );
    let good = experiment::parse(&yaml.unwrap(), "x.yaml").unwrap();
    let mut random = SplitMix64::new(17);
    for _ in 0..number {
        let name = hostile(&mut random);
        if let Ok(id) = name.parse::<RunId>() {
            assert_eq!(root.join(id.as_str()).parent(), Some(root), "{name:?}");
            assert!(
                id.as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
                "{name:?}"
            );
        }
        assert!(
            serde_json::from_value::<RunId>(name.clone().into()).is_err()
                || name.parse::<RunId>().is_ok()
        );
        let mut experiment = good.clone();
        (experiment.name, experiment.group) = (name.clone(), name.clone());
        let launch = Launch {
            experiment: &experiment,
            source: Path::new(&name),
            device: &name,
        };
        let (dir, info) = RunDir::create(root, &launch).unwrap();
        assert_eq!(dir.path().parent(), Some(root));
        assert_eq!(
            fs::metadata(dir.path()).unwrap().mode() & 0o7777,
            0o700,
            "{name:?}"
        );
        let read = dir.info().unwrap();
        assert_eq!(read.id, info.id);
        for text in [&read.experiment, &read.group, &read.stem] {
            assert!(
                !text.chars().any(char::is_control) && text.chars().count() <= 81,
                "{text:?}"
            );
        }
    }
}

/// A folder in memory if possible, because two thousand runs on a disk take long.
fn temporary_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

#[test]
fn hostile_names_never_leave_the_folder_of_runs() {
    let outside = temporary_folder();
    let root = outside.path().join("checkpoints");
    fs::create_dir(&root).unwrap();
    fs::write(outside.path().join("canary"), "alive").unwrap();
    let canary = || {
        let all = listing(outside.path()).into_iter();
        all.filter(|(path, _)| !path.starts_with(&root))
            .collect::<Vec<_>>()
    };
    let before = canary();
    make_runs(&root, NAMES);
    assert_eq!(canary(), before);
    assert_eq!(survey::list(&root).unwrap().len(), NAMES);
}

#[test]
fn process_under_strace_makes_runs() {
    if let Some(root) = std::env::var_os(ROOT) {
        make_runs(Path::new(&root), NAMES);
    }
}

/// Checks the system calls: every call that creates, changes or removes a file names a path in the root folder.
#[test]
fn system_calls_never_leave_the_folder_of_runs() {
    const CALLS: &str = "trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,\
                         rmdir,truncate,chmod,fchmodat,mknod,mknodat";
    if !has_strace() {
        return;
    }
    let folder = temporary_folder();
    let (root, trace) = (
        folder.path().join("checkpoints"),
        folder.path().join("trace"),
    );
    fs::create_dir(&root).unwrap();
    let mut strace = Command::new("strace");
    strace
        .args([
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-y",
            "-s",
            "4096",
            "-e",
            CALLS,
            "-o",
        ])
        .arg(&trace);
    strace.arg(std::env::current_exe().unwrap());
    strace
        .args([
            "--exact",
            "names::process_under_strace_makes_runs",
            "--test-threads=1",
        ])
        .env(ROOT, &root);
    assert!(strace.output().unwrap().status.success());
    let is_write = |line: &&str| {
        let opens = line.contains(" open");
        let is_call = line.contains('(') && !line.contains(" resumed>") && !line.contains(" --- ");
        is_call
            && (!opens
                || ["O_WRONLY", "O_RDWR", "O_CREAT"]
                    .iter()
                    .any(|flag| line.contains(flag)))
    };
    let text = fs::read_to_string(&trace).unwrap();
    let writes: Vec<&str> = text.lines().filter(is_write).collect();
    let inside = format!("\"{}/", root.display());
    let below = format!("<{}/", root.display());
    // Each launch creates the root folder, in case it is missing.
    let own = format!("mkdir(\"{}\"", root.display());
    for line in &writes {
        let paths = line.matches("\"/").count();
        let is_inside = line.matches(&inside).count() == paths && !line.contains("/../");
        // The call that removes a folder's files names them relative to the folder.
        let is_inside =
            is_inside && (paths > 0 || line.contains(&below) && !line.contains("\"../"));
        assert!(is_inside || line.contains(&own), "{line}");
    }
    println!(
        "FIGURE D5\t{NAMES} hostile names, calls of {} that make, change or remove a file outside the folder of runs\t0\t0\tok",
        writes.len()
    );
    assert!(writes.len() > 5 * NAMES, "{}", writes.len());
}

#[test]
fn links_to_runs_are_followed_once_and_skipped_folders_reported() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = |folder: &Path| {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("run.json"), "{}").unwrap();
    };
    let here = |name: &str| root.path().join(name);
    run(&here("20260101-000000-0001"));
    run(&elsewhere.path().join("x"));
    symlink(elsewhere.path().join("x"), here("20260101-000000-0000")).unwrap();
    // The same run again: through another link, a link to its neighbour, and a link to that link.
    symlink(elsewhere.path().join("x"), here("again")).unwrap();
    symlink("20260101-000000-0001", here("neighbour")).unwrap();
    symlink("20260101-000000-0000", here("link-to-link")).unwrap();
    symlink("nowhere", here("dangling")).unwrap();
    symlink("loop", here("loop")).unwrap();
    for copy in ["20260101-000000-0001 (copy)", "20260101_copy", "Copy"] {
        run(&here(copy));
    }
    for other in ["exports", "my notes"] {
        fs::create_dir(here(other)).unwrap();
    }
    fs::create_dir(here(".trash")).unwrap();
    fs::write(here("queue.json"), "{}").unwrap();
    let survey = survey::survey(root.path(), |_| false).unwrap();
    let ids: Vec<&str> = survey.ids.iter().map(RunId::as_str).collect();
    assert_eq!(ids, ["20260101-000000-0000", "20260101-000000-0001"]);
    let said = survey.sentence(root.path()).unwrap();
    assert!(said.starts_with("10 folders are skipped"), "{said}");
    for part in [
        "exports, my notes (no run.json)",
        "20260101_copy, Copy (a run",
        "again, link-to-link, neighbour (a link to a run",
        "dangling, loop (a link that leads nowhere)",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_link_is_skipped_only_if_nothing_is_behind_it() {
    let root = tempfile::tempdir().unwrap();
    let here = |name: &str| root.path().join(name);
    // The system refuses to follow it, for root too.
    symlink("x".repeat(300), here("20260101-000000-0000")).unwrap();
    symlink("nowhere", here("20260101-000000-0001")).unwrap();
    symlink("20260101-000000-0002", here("20260101-000000-0002")).unwrap();
    let survey = survey::survey(root.path(), |_| false).unwrap();
    let ids: Vec<&str> = survey.ids.iter().map(RunId::as_str).collect();
    assert_eq!(ids, ["20260101-000000-0000"]);
    let said = survey.sentence(root.path()).unwrap();
    assert!(said.starts_with("2 folders are skipped"), "{said}");
    assert!(said.contains("(a link that leads nowhere)"), "{said}");
}

#[test]
fn damaged_and_too_new_runs_are_distinguished() {
    let root = tempfile::tempdir().unwrap();
    let dir = RunDir::new(root.path());
    for (text, said) in [
        (
            "{\"format\": 9, \"later\": true}",
            "format 9; this version knows up to 1: use a newer warmstart",
        ),
        ("{\"format\": 1", "run.json is damaged"),
        ("", "run.json is damaged"),
    ] {
        fs::write(root.path().join("run.json"), text).unwrap();
        let error = dir.info().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    fs::remove_file(root.path().join("run.json")).unwrap();
    fs::create_dir(root.path().join("run.json")).unwrap();
    assert!(dir.info().is_err());
}
