//! A run that is killed again and again, a third of the times in the middle of a save, ends with the bits of one that never was.
//! `WARMSTART_KILLS` says how often (40; the soak test asks for 1,000).

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::support::{finish, log, new_run, start, state};
use warmstart_schema::checkpoint::{self, Content};
use warmstart_schema::run::RunDir;
use warmstart_schema::storage::Disk;

/// Two steps an epoch of a small network, so that a save is never far.
const CHANGES: [&str; 3] = [
    "dataset={name: emoji98, validation: 0.3, labels: coarse, limit: 100}",
    "model.backbone=tf_efficientnet_lite0",
    "train.epochs=12",
];

/// What must be equal: the last checkpoint but for its clock, every epoch's figures, and the test's.
fn outcome(run: &RunDir) -> (Content, Vec<[u64; 5]>, u64) {
    let mut content = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    content.state.train_time = 0.0;
    let state = state(run);
    let figures = state.epochs.iter().map(|epoch| {
        [epoch.train_loss, epoch.train_acc, epoch.val_loss, epoch.val_acc, epoch.learning_rate].map(f64::to_bits)
    });
    (content, figures.collect(), state.test.unwrap().loss.to_bits())
}

fn is_saving(run: &RunDir) -> bool {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else { return false };
    entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "new"))
}

/// Lets a worker live for `life`, or until it is in the middle of a save, and kills it. False when it ended before; whether the
/// kill hit a save comes second.
fn kill(run: &RunDir, child: &mut Child, life: Duration, in_save: bool) -> (bool, bool) {
    let began = Instant::now();
    while began.elapsed() < life && !(in_save && is_saving(run)) {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{}", log(run));
            return (false, false);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let killed = !child.wait().unwrap().success();
    (killed, killed && is_saving(run))
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_bits_of_one_that_never_was() {
    let wanted: usize = std::env::var("WARMSTART_KILLS").map_or(40, |kills| kills.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let straight = new_run(root.path(), &CHANGES).0;
    let began = Instant::now();
    assert!(finish(&straight), "{}", log(&straight));
    let whole = began.elapsed();
    let expected = outcome(&straight);
    fs::remove_dir_all(straight.path()).unwrap();

    let (mut kills, mut in_saves, mut runs, mut random) = (0, 0, 0, 0x2545_f491_4f6c_dd1d_u64);
    while kills < wanted {
        let run = new_run(root.path(), &CHANGES).0;
        runs += 1;
        while !is_finished(&run) {
            let mut child = start(&run);
            if kills >= wanted {
                assert!(child.wait().unwrap().success(), "{}", log(&run));
                continue;
            }
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (was_killed, in_save) =
                kill(&run, &mut child, whole.mul_f64((random % 1000) as f64 / 2000.0), random % 3 == 0);
            kills += usize::from(was_killed);
            in_saves += usize::from(in_save);
        }
        assert_eq!(outcome(&run), expected, "after {kills} kills: {}", log(&run));
        assert_left_clean(run.path());
        fs::remove_dir_all(run.path()).unwrap();
    }
    println!(
        "FIGURE A1\trandom kills, {in_saves} of them in a save, {runs} runs ended bitwise equal\t{kills}\t{wanted}\tok"
    );
    assert!(in_saves * 4 >= kills, "only {in_saves} of {kills} kills hit a save");
}

fn is_finished(run: &RunDir) -> bool {
    run.events().exists() && state(run).outcome.is_some()
}

/// Nothing of an interrupted save is left.
fn assert_left_clean(run: &Path) {
    let entries =
        fs::read_dir(run.join("ckpt")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = entries.filter(|name| !name.starts_with("step-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
