//! Real disk limits: a full file system, and a limit on the size of files.

use std::fs;
use std::process::Command;

use warmstart_runs::checkpoint;
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::FailureKind;
use warmstart_schema::state::Outcome;

use super::support::{command, finish, log, state};
use super::tiny::{like, new_run, result};

pub(crate) const SHORT: [&str; 2] = ["train.epochs=2", "train.early_stopping=null"];

/// Every file with a final name is complete and readable.
pub(crate) fn assert_whole(run: &RunDir) {
    for step in checkpoint::steps(&Disk, run).unwrap() {
        checkpoint::read(&Disk, &run.checkpoint(step)).unwrap();
    }
    run.info().unwrap();
    run.names(&Disk).unwrap();
}

fn assert_failed_for_the_disk(run: &RunDir, signs: &[&str]) {
    match state(run).outcome {
        Some(Outcome::Failed {
            kind: FailureKind::Disk,
            error,
            help,
        }) => {
            assert!(
                signs.iter().all(|sign| error.contains(sign)) && !help.is_empty(),
                "{error} / {help}"
            );
        }
        other => panic!("{other:?}: {}", log(run)),
    }
}

#[test]
fn a_file_size_limit_fails_the_run_with_the_reason_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (run, whole) = (new_run(root.path(), &SHORT), new_run(root.path(), &SHORT));
    assert!(finish(&whole));
    // The unit of `ulimit -f` is 512 or 1,024 bytes: the limit is 1 or 2 MB, less than the model in a checkpoint.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_warmstart-worker"));
    let worker = command(&run);
    limited.args(worker.get_args());
    like(&mut limited, &worker, &run);
    let status = limited.status().unwrap();
    assert_eq!(status.code(), Some(1), "{status:?}: {}", log(&run));
    assert_failed_for_the_disk(&run, &["checkpoint", "File too large"]);
    assert_whole(&run);
    assert!(finish(&run), "{}", log(&run));
    assert!(result(&run).unwrap().last == result(&whole).unwrap().last);
}

#[test]
fn a_full_disk_fails_the_run_with_the_reason_and_a_larger_disk_resumes_it() {
    let root = tempfile::tempdir().unwrap();
    let mount = root.path().join("disk");
    fs::create_dir(&mount).unwrap();
    let possible = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "-o", "size=2m", "none"])
        .arg(&mount)
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        eprintln!(
            "SKIPPED: no file system of 2 MB can be mounted here (unshare -rm mount -t tmpfs)"
        );
        return;
    }
    let run = new_run(root.path(), &SHORT);
    let name = run.path().file_name().unwrap().to_str().unwrap().to_owned();
    // One mount namespace for all steps; the file system ends with it. The disk is full, then small, then large.
    let script = "
set -e
mount -t tmpfs -o size=2m none \"$DISK\"
cp -r \"$RUN\" \"$DISK/\"
dd if=/dev/zero of=\"$DISK/ballast\" bs=4096 2>/dev/null || true
set +e
\"$WORKER\" train \"$DISK/$NAME\" > \"$OUT/full.log\" 2>&1
echo $? > \"$OUT/full.status\"
rm \"$DISK/ballast\"
\"$WORKER\" train \"$DISK/$NAME\" > \"$OUT/small.log\" 2>&1
echo $? > \"$OUT/small.status\"
cp -r \"$DISK/$NAME\" \"$OUT/small\"
mount -o remount,size=600m \"$DISK\"
\"$WORKER\" train \"$DISK/$NAME\" > \"$OUT/large.log\" 2>&1
echo $? > \"$OUT/large.status\"
cp -r \"$DISK/$NAME\" \"$OUT/large\"
";
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    let worker = command(&run);
    let mut shell = Command::new("unshare");
    shell
        .args(["-rm", "sh", "-c", script])
        .env("WORKER", env!("CARGO_BIN_EXE_warmstart-worker"));
    shell
        .env("DISK", &mount)
        .env("RUN", run.path())
        .env("NAME", name)
        .env("OUT", &out);
    for (name, value) in worker.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    assert!(shell.status().unwrap().success());
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    // No byte is free, so the log cannot hold the error: it is in the worker's output.
    assert_eq!(read("full.status").trim(), "1", "{}", read("full.log"));
    assert!(
        read("full.log").contains("No space left on device"),
        "{}",
        read("full.log")
    );
    assert_eq!(read("small.status").trim(), "1", "{}", read("small.log"));
    let small = RunDir::new(out.join("small"));
    assert_failed_for_the_disk(&small, &["checkpoint", "MiB free on the disk"]);
    assert_whole(&small);
    assert_eq!(checkpoint::steps(&Disk, &small).unwrap().len(), 0);
    assert_eq!(read("large.status").trim(), "0", "{}", read("large.log"));
    assert_eq!(
        state(&RunDir::new(out.join("large"))).outcome,
        Some(Outcome::Finished {
            stopped_early: false
        })
    );
    println!(
        "FIGURE A3\treal disk of 2 MB, full and nearly: reason logged, nothing half-written, continues with room\t3 of 3\tall\tok"
    );
}
