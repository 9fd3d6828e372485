//! Names that want to be paths: whatever a text says, it becomes a label, and what is written lies below its root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use warmstart_schema::experiment;
use warmstart_schema::run::{self, Launch, RunDir, RunId};
use warmstart_schema::seed::SplitMix64;

/// Pieces of which hostile names are made.
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
    let below = |random: &mut SplitMix64, number: usize| usize::try_from(random.below(number as u64)).unwrap();
    if below(random, 20) == 0 {
        return PIECES[below(random, PIECES.len())].repeat(300);
    }
    (0..=below(random, 6)).map(|_| PIECES[below(random, PIECES.len())]).collect()
}

/// Every file below a folder with its length and the time of its last change.
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

#[test]
fn no_name_leads_out_of_the_folder_of_runs() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("checkpoints");
    fs::create_dir(&root).unwrap();
    fs::write(outside.path().join("canary"), "alive").unwrap();
    let canary =
        || listing(outside.path()).into_iter().filter(|(path, _)| !path.starts_with(&root)).collect::<Vec<_>>();
    let before = canary();
    let yaml = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/quickstart/4-lite0-freeze.yaml"),
    );
    let good = experiment::parse(&yaml.unwrap(), "x.yaml").unwrap();
    let mut random = SplitMix64::new(17);
    for number in 0..2_000 {
        let name = hostile(&mut random);
        if let Ok(id) = name.parse::<RunId>() {
            assert_eq!(root.join(id.as_str()).parent(), Some(root.as_path()), "{name:?}");
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name:?}");
        }
        assert!(serde_json::from_value::<RunId>(name.clone().into()).is_err() || name.parse::<RunId>().is_ok());
        // Writing waits for the disk: one name in ten is enough.
        if number % 10 == 0 {
            let mut experiment = good.clone();
            (experiment.name, experiment.group) = (name.clone(), name.clone());
            let launch = Launch { experiment: &experiment, source: Path::new(&name), device: &name };
            let (dir, info) = RunDir::create(&root, &launch).unwrap();
            assert_eq!(dir.path().parent(), Some(root.as_path()));
            assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o700, "{name:?}");
            let read = dir.info().unwrap();
            assert_eq!(read.id, info.id);
            for text in [&read.experiment, &read.group, &read.stem] {
                assert!(!text.chars().any(char::is_control) && text.chars().count() <= 81, "{text:?}");
            }
        }
    }
    // The folder's own times change with its content.
    let changed = |all: Vec<(PathBuf, _)>| all.into_iter().filter(|(path, _)| path != &root).collect::<Vec<_>>();
    assert_eq!(changed(canary()), changed(before));
    println!("FIGURE D5\t2,000 hostile names\t0 writes outside the folder of runs\t0\tok");
}

#[test]
fn a_link_in_the_folder_of_runs_is_no_run() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(elsewhere.path().join("run.json"), "{}").unwrap();
    symlink(elsewhere.path(), root.path().join("20260101-000000-0000")).unwrap();
    fs::create_dir(root.path().join("20260101-000000-0001")).unwrap();
    let ids: Vec<String> = run::list(root.path()).unwrap().into_iter().map(String::from).collect();
    assert_eq!(ids, ["20260101-000000-0001"]);
}
