//! A saved checkpoint is never lost: power loss at every change, an error at every call, every byte flipped, every length cut.
//! If the writer skips any one of its precautions, the test must see a lost checkpoint.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "checkpoint/simulated.rs"]
mod simulated;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;
use simulated::{Fault, Simulated, Watcher};
use warmstart_runs::checkpoint::{self, Conditions, Content, Error, State, Sums};
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::{Disk, Storage, fingerprint};

const RUN: &str = "/run";
/// The default of `train.checkpoint.keep`.
const KEEP: usize = 2;

/// The checkpoint at a step; `batch` distinguishes two saves at the same step.
fn content(step: u64, batch: u32, best_step: u64) -> Content {
    let bytes = |salt: u64| {
        (0..40)
            .map(|i| u8::try_from((step * 7 + u64::from(batch) + salt * i) % 251).unwrap())
            .collect()
    };
    Content {
        state: State {
            step,
            epoch: u32::try_from(step / 5).unwrap(),
            batch,
            sums: Sums {
                loss: 1.25,
                metrics: [(Sums::CORRECT.to_owned(), 3.0)].into(),
                images: batch,
            },
            best_step: Some(best_step),
            train_time: 2.5,
            conditions: Conditions {
                threads: 2,
                ..Conditions::default()
            },
            ..State::default()
        },
        model: bytes(3),
        optimizer: bytes(5),
    }
}

/// The saves of a run: the best one changes, old ones are removed, and one step is saved twice (during and after an evaluation).
fn saves_of_a_run() -> Vec<Content> {
    [
        (5, 0, 5),
        (10, 0, 5),
        (15, 0, 15),
        (20, 0, 15),
        (25, 0, 15),
        (30, 5, 15),
        (30, 0, 30),
        (35, 0, 30),
        (40, 0, 40),
    ]
    .map(|(step, batch, best)| content(step, batch, best))
    .into()
}

/// What is wrong with a disk after `acknowledged` finished saves, while the next save may be in progress.
fn wrong(disk: &Simulated, saves: &[Content], acknowledged: usize) -> Option<String> {
    let run = RunDir::new(RUN);
    let found = match checkpoint::newest(disk, &run) {
        Ok((found, _)) => found,
        Err(error) => return Some(error.to_string()),
    };
    let under_way = saves.get(acknowledged);
    let last = acknowledged.checked_sub(1).map(|index| &saves[index]);
    if found.as_ref() != last && (found.is_none() || found.as_ref() != under_way) {
        return Some(format!(
            "found {:?} instead of {:?}",
            found.map(|found| found.state.step),
            last.map(|last| last.state.step)
        ));
    }
    let named = match run.names(disk) {
        Ok(names) => names,
        Err(error) => return Some(format!("names.json: {error}")),
    };
    let expected = [last, under_way].map(|save| save.map(|save| save.state.step));
    if !expected.contains(&named.last) {
        return Some(format!(
            "names.json names {:?} instead of one of {expected:?}",
            named.last
        ));
    }
    let best = found.as_ref().and_then(|found| found.state.best_step);
    for step in [named.last, named.best, best].into_iter().flatten() {
        if let Err(error) = checkpoint::read(disk, &run.checkpoint(step)) {
            return Some(format!("named, but: {error}"));
        }
    }
    let newer = checkpoint::steps(disk, &run)
        .unwrap()
        .into_iter()
        .filter(|step| last.is_none_or(|last| *step > last.state.step));
    newer
        .into_iter()
        .find_map(|step| checkpoint::read(disk, &run.checkpoint(step)).err())
        .map(|error| error.to_string())
}

/// What is wrong with a disk after the next attempt has recovered it.
fn wrong_after_recovery(
    disk: &Simulated,
    saves: &[Content],
    acknowledged: usize,
) -> Option<String> {
    let run = RunDir::new(RUN);
    if let Err(error) = checkpoint::recover(disk, &run) {
        return Some(error.to_string());
    }
    let names = disk.names(&run.checkpoints()).unwrap();
    if names.iter().any(|name| name.starts_with('.')) {
        return Some(format!("recovery left {names:?}"));
    }
    wrong(disk, saves, acknowledged)
}

/// Like [`wrong_after_recovery`], but a power loss interrupts the recovery before each of its changes, and the recovery runs
/// again.
fn wrong_after_interrupted_recovery(
    disk: &mut Simulated,
    saves: &[Content],
    acknowledged: usize,
) -> Option<String> {
    let interrupted = Rc::new(RefCell::new(None));
    disk.watcher = Some(Watcher({
        let (interrupted, saves) = (Rc::clone(&interrupted), saves.to_vec());
        Rc::new(move |disk: &Simulated| {
            for is_kept in [false, true] {
                let after = disk.after_power_loss(|_| is_kept, 0);
                let found = wrong_after_recovery(&after, &saves, acknowledged);
                let mut interrupted = interrupted.borrow_mut();
                *interrupted = interrupted.take().or(found);
            }
        })
    }));
    let found = wrong_after_recovery(disk, saves, acknowledged);
    disk.watcher = None;
    interrupted.take().or(found)
}

/// What the power losses during saves left behind.
#[derive(Default)]
struct Losses {
    /// Finished saves so far.
    acknowledged: Cell<usize>,
    /// Number of disks that were checked.
    images: Cell<usize>,
    first_wrong: RefCell<Option<String>>,
}

/// Makes the disk check, before each of its changes, what a power loss at that moment leaves.
fn watch(disk: &mut Simulated, saves: &Rc<Vec<Content>>) -> Rc<Losses> {
    let losses = Rc::new(Losses::default());
    let (seen, saves) = (Rc::clone(&losses), Rc::clone(saves));
    disk.watcher = Some(Watcher(Rc::new(move |disk: &Simulated| {
        if seen.first_wrong.borrow().is_some() {
            return;
        }
        let acknowledged = seen.acknowledged.get();
        let replaces = acknowledged > 0
            && saves
                .get(acknowledged)
                .is_some_and(|next| next.state.step == saves[acknowledged - 1].state.step);
        for (subset, torn) in outcomes(disk.pending()) {
            let mut after = disk.after_power_loss(|index| subset >> (index % 64) & 1 == 1, torn);
            seen.images.set(seen.images.get() + 1);
            // If the disk can swap folders, a checkpoint never leaves its place, so no recovery is needed.
            let at_once = if disk.without_exchange || disk.is_faulty() {
                None
            } else {
                wrong(&after, &saves, acknowledged)
            };
            let found = at_once.or_else(|| {
                if replaces {
                    wrong_after_interrupted_recovery(&mut after, &saves, acknowledged)
                } else {
                    wrong_after_recovery(&after, &saves, acknowledged)
                }
            });
            if let Some(what) = found {
                *seen.first_wrong.borrow_mut() =
                    Some(format!("after {acknowledged} saves: {what}"));
                return;
            }
        }
    })));
    losses
}

/// Runs all saves and checks what a power loss before each change leaves. Returns the number of checks, and the first failure.
fn power_losses(mut disk: Simulated) -> (usize, Option<String>) {
    let saves = Rc::new(saves_of_a_run());
    let losses = watch(&mut disk, &saves);
    let run = RunDir::new(RUN);
    for save in saves.iter() {
        disk.mark();
        checkpoint::save(&disk, &run, save, KEEP).unwrap();
        losses.acknowledged.set(losses.acknowledged.get() + 1);
    }
    (losses.images.get(), losses.first_wrong.take())
}

/// The ways in which a power loss can end: which pending changes survive, and how much of the lost content.
fn outcomes(pending: usize) -> Vec<(u64, usize)> {
    let torn = |subset| [0, 1].map(|torn| (subset, torn));
    subsets(pending).into_iter().flat_map(torn).collect()
}

/// Which pending changes survive: all subsets of up to seven changes, and a sample of the subsets of more.
fn subsets(pending: usize) -> Vec<u64> {
    if pending <= 7 {
        return (0..1 << pending).collect();
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let drawn = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    });
    [0, u64::MAX].into_iter().chain(drawn.take(126)).collect()
}

#[test]
fn sums_of_no_image_keep_the_format_of_earlier_versions() {
    let json = serde_json::to_string(&Sums::default()).unwrap();
    assert_eq!(json, r#"{"loss":0.0,"correct":0.0,"images":0}"#);
    assert_eq!(
        serde_json::from_str::<Sums>(&json).unwrap(),
        Sums::default()
    );
}

#[test]
fn power_loss_keeps_acknowledged_checkpoints() {
    let (images, wrong) = power_losses(Simulated::new(Path::new(RUN)));
    assert_eq!(wrong, None);
    println!(
        "FIGURE A4\tdisks after a power loss from which what was acknowledged loads\t{images}\t10,000\tok"
    );
    assert!(images >= 10_000, "{images}");
}

#[test]
fn power_loss_keeps_acknowledged_checkpoints_where_folders_cannot_be_swapped() {
    let (images, wrong) = power_losses(Simulated::new(Path::new(RUN)).without_exchange());
    assert_eq!(wrong, None);
    assert!(images >= 10_000, "{images}");
}

#[test]
fn every_sync_is_needed() {
    let healthy = Simulated::new(Path::new(RUN));
    power_losses(healthy.clone());
    let syncs = healthy.syncs();
    // Four files and the folder of a checkpoint, the folder of all checkpoints, the run folder twice, and names.json.
    assert_eq!(syncs.len(), 9, "{syncs:#?}");
    for sync in syncs {
        let forgetful = Simulated::new(Path::new(RUN)).that_forgets(sync.clone());
        assert!(
            power_losses(forgetful).1.is_some(),
            "nothing is lost without the sync of {sync}"
        );
    }
}

#[test]
fn the_rename_is_needed() {
    let direct = Simulated::new(Path::new(RUN)).without_rename();
    assert!(power_losses(direct).1.is_some());
}

/// `ENOSPC`, `EIO`, `EDQUOT`, `EROFS`, `EACCES`, `EMFILE`.
const ERRORS: [i32; 6] = [28, 5, 122, 30, 13, 24];
/// `EINTR`, which is not a disk error.
const EINTR: i32 = 4;
/// The disk cannot read or write.
const EIO: i32 = 5;

/// An empty disk that can swap folders, and one that cannot.
fn disks() -> [Simulated; 2] {
    let disk = || Simulated::new(Path::new(RUN));
    [disk(), disk().without_exchange()]
}

/// The disk after these saves.
fn disk_after(disk: Simulated, saves: &[Content]) -> Simulated {
    for save in saves {
        checkpoint::save(&disk, &RunDir::new(RUN), save, KEEP).unwrap();
    }
    disk
}

/// Checks a save in which one call fails, or all calls from it on. Returns false if the save makes fewer calls.
fn with_fault(disk: Simulated, hit: usize, fault: Fault) -> bool {
    let (run, saves) = (RunDir::new(RUN), saves_of_a_run());
    let disk = disk_after(disk, &saves[..hit]);
    disk.fail(&[fault]);
    let saved = checkpoint::save(&disk, &run, &saves[hit], KEEP);
    let reached = disk.calls() >= fault.call;
    disk.fail(&[]);
    let acknowledged = hit + usize::from(saved.is_ok());
    let case = format!("{fault:?} of save {hit}: {saved:?}");
    if !disk.without_exchange {
        assert_eq!(wrong(&disk, &saves, acknowledged), None, "{case}");
    }
    if let Err(Error::Io { source, path, .. }) = &saved {
        assert!(
            source.raw_os_error() == Some(fault.errno) && path.starts_with(RUN),
            "{case}"
        );
    }
    if saved.is_err() && !fault.persistent {
        let names = disk.names(&run.checkpoints()).unwrap();
        assert!(
            !names.iter().any(|name| name.starts_with('.')),
            "{case}: {names:?}"
        );
    }
    // A short write is allowed.
    assert!(fault.errno != Fault::SHORT || saved.is_ok(), "{case}");
    // The next save uses a healthy disk, like the next attempt of the run.
    let found = wrong_after_recovery(&disk, &saves, acknowledged);
    assert_eq!(found, None, "{case}");
    for save in &saves[acknowledged..=hit + 1] {
        checkpoint::save(&disk, &run, save, KEEP).unwrap();
    }
    assert_eq!(wrong(&disk, &saves, hit + 2), None, "{case}");
    reached
}

#[test]
fn errors_at_any_call_lose_only_that_save() {
    let both = |errno| [(errno, false), (errno, true)];
    let kinds: Vec<(i32, bool)> = ERRORS
        .into_iter()
        .chain([Fault::SHORT])
        .flat_map(both)
        .chain([(EINTR, false)])
        .collect();
    let mut tried = 0;
    for &(errno, persistent) in &kinds {
        for (hit, disk) in [0, 3, 6]
            .into_iter()
            .flat_map(|hit| disks().map(|disk| (hit, disk)))
        {
            let fault = |call| Fault {
                call,
                errno,
                persistent,
            };
            // No save makes 1,000 calls.
            tried += (1..1000)
                .take_while(|&call| with_fault(disk.copy(), hit, fault(call)))
                .count();
        }
    }
    println!(
        "FIGURE A3\tcalls of a save that fail (ENOSPC, EIO, EDQUOT, EROFS, EACCES, EMFILE, EINTR) or write less, once and for good: no more is lost than that save\t{tried}\tall\tok"
    );
    assert!(tried > 1000, "{tried}");
}

#[test]
fn older_checkpoints_go_after_the_new_one_is_durable_and_read_back() {
    let (run, saves) = (RunDir::new(RUN), saves_of_a_run());
    let mut disk = disk_after(Simulated::new(Path::new(RUN)), &saves[..3]);
    let seen = Rc::new(RefCell::new(Vec::new()));
    disk.watcher = Some(Watcher({
        let (seen, run) = (Rc::clone(&seen), run.clone());
        Rc::new(move |disk: &Simulated| {
            let (old, new) = (run.checkpoint(5), run.checkpoint(20));
            let is_durable = checkpoint::read(&disk.after_power_loss(|_| false, 0), &new).is_ok();
            let is_whole = ["manifest.json", "state.json", checkpoint::MODEL]
                .iter()
                .all(|file| disk.exists(&old.join(file)).unwrap());
            seen.borrow_mut()
                .push((is_whole, is_durable, disk.reads_below(&new)));
        })
    }));
    checkpoint::save(&disk, &run, &saves[3], KEEP).unwrap();
    // Checkpoint 10 needed its best one, checkpoint 5. Both remaining checkpoints have checkpoint 15 as their best.
    assert_eq!(checkpoint::steps(&disk, &run).unwrap(), [15, 20]);
    let seen = seen.borrow();
    let removal = seen.iter().rposition(|(is_whole, ..)| *is_whole).unwrap();
    let (_, is_durable, reads) = seen[removal];
    // The save reads back manifest, state, model and optimizer.
    assert!(is_durable && reads >= 4, "{seen:?}");
    assert!(!seen[0].1 && seen.len() > removal + 1, "{seen:?}");
}

#[test]
fn an_old_checkpoint_that_cannot_be_removed_does_not_keep_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    fs::create_dir(run.checkpoints()).unwrap();
    // Removing it as a folder fails.
    fs::write(run.checkpoint(1), "a file").unwrap();
    for step in [5, 10, 15, 20] {
        checkpoint::save(&Disk, &run, &content(step, 0, step), KEEP).unwrap();
    }
    assert_eq!(checkpoint::steps(&Disk, &run).unwrap(), [1, 15, 20]);
}

#[test]
fn damaged_newer_checkpoints_do_not_cost_a_resumed_run_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    for step in [5, 10, 15] {
        checkpoint::save(&Disk, &run, &content(step, 0, 5), KEEP).unwrap();
    }
    for step in [10, 15] {
        fs::write(run.checkpoint(step).join(checkpoint::MODEL), b"").unwrap();
    }
    let (found, skipped) = checkpoint::newest(&Disk, &run).unwrap();
    assert_eq!((found, skipped.len()), (Some(content(5, 0, 5)), 2));
    // Stopped before it reached the damaged ones.
    let stopped = content(7, 2, 5);
    checkpoint::save(&Disk, &run, &stopped, KEEP).unwrap();
    let (found, _) = checkpoint::newest(&Disk, &run).unwrap();
    assert_eq!(found, Some(stopped));
    for step in [10, 15, 20] {
        checkpoint::save(&Disk, &run, &content(step, 0, 5), KEEP).unwrap();
    }
    assert_eq!(checkpoint::steps(&Disk, &run).unwrap(), [5, 15, 20]);
}

#[test]
fn corrupt_writes_are_noticed_before_the_older_checkpoint_goes() {
    let (run, saves) = (RunDir::new(RUN), saves_of_a_run());
    let mut noticed = 0;
    // A new checkpoint, and one that replaces another of the same step.
    for (hit, call) in [1, 6]
        .into_iter()
        .flat_map(|hit| (1..60).map(move |call| (hit, call)))
    {
        let disk = disk_after(Simulated::new(Path::new(RUN)), &saves[..hit]);
        disk.fail(&[corrupt(call)]);
        let saved = checkpoint::save(&disk, &run, &saves[hit], KEEP);
        disk.fail(&[]);
        noticed += usize::from(matches!(saved, Err(Error::Damaged { .. })));
        // names.json is written last, and has a separate error if it is unreadable.
        let wrong = wrong(&disk, &saves, hit + usize::from(saved.is_ok()));
        let is_fine = wrong
            .as_ref()
            .is_none_or(|wrong| wrong.starts_with("names.json"));
        assert!(is_fine, "save {hit}, call {call}: {wrong:?}, {saved:?}");
    }
    assert_eq!(noticed, 8, "each file of both checkpoints");
}

/// A write that silently changes its data.
fn corrupt(call: usize) -> Fault {
    Fault {
        call,
        errno: Fault::SILENT,
        persistent: false,
    }
}

/// The save that replaces another one of the same step.
const REPLACES: usize = 6;

/// Disks before that save, each with a write call whose corruption the save notices.
fn noticed_corruptions() -> Vec<(Simulated, usize)> {
    let saves = saves_of_a_run();
    let is_noticed = |(disk, call): &(Simulated, usize)| {
        let disk = disk.copy();
        disk.fail(&[corrupt(*call)]);
        let saved = checkpoint::save(&disk, &RunDir::new(RUN), &saves[REPLACES], KEEP);
        matches!(saved, Err(Error::Damaged { .. }))
    };
    let noticed: Vec<_> = disks()
        .map(|disk| disk_after(disk, &saves[..REPLACES]))
        .into_iter()
        .flat_map(|disk| (1..60).map(move |call| (disk.copy(), call)))
        .filter(is_noticed)
        .collect();
    assert_eq!(noticed.len(), 2 * 4, "each file on both disks");
    noticed
}

#[test]
fn power_loss_during_rollbacks_keeps_the_replaced_checkpoint() {
    let saves = Rc::new(saves_of_a_run());
    for (mut disk, call) in noticed_corruptions() {
        let losses = watch(&mut disk, &saves);
        losses.acknowledged.set(REPLACES);
        disk.fail(&[corrupt(call)]);
        checkpoint::save(&disk, &RunDir::new(RUN), &saves[REPLACES], KEEP).unwrap_err();
        assert_eq!(losses.first_wrong.take(), None, "call {call}, {disk:?}");
    }
}

#[test]
fn failed_rollbacks_keep_the_replaced_checkpoint() {
    let (run, saves) = (RunDir::new(RUN), saves_of_a_run());
    let mut tried = 0;
    for (healthy, call) in noticed_corruptions() {
        for (error, persistent) in (call + 1..100).flat_map(|call| [(call, false), (call, true)]) {
            let error = Fault {
                call: error,
                errno: EIO,
                persistent,
            };
            let case = format!(
                "without exchange: {}, call {call} corrupt, {error:?}",
                healthy.without_exchange
            );
            let disk = healthy.copy();
            disk.fail(&[corrupt(call), error]);
            checkpoint::save(&disk, &run, &saves[REPLACES], KEEP).unwrap_err();
            if disk.calls() < error.call {
                break;
            }
            tried += 1;
            for (subset, torn) in outcomes(disk.pending()) {
                let mut after =
                    disk.after_power_loss(|index| subset >> (index % 64) & 1 == 1, torn);
                let found = wrong_after_interrupted_recovery(&mut after, &saves, REPLACES);
                assert_eq!(found, None, "{case}");
            }
            // The same process saves again, and fails again.
            disk.fail(&[corrupt(call)]);
            let again = checkpoint::save(&disk, &run, &saves[REPLACES], KEEP);
            disk.fail(&[]);
            let acknowledged = REPLACES + usize::from(again.is_ok());
            let found = wrong_after_recovery(&disk, &saves, acknowledged);
            assert_eq!(found, None, "{case}, then {again:?}");
            checkpoint::save(&disk, &run, &saves[REPLACES], KEEP).unwrap();
            assert_eq!(wrong(&disk, &saves, REPLACES + 1), None, "{case}");
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn recovery_keeps_intact_copies_of_missing_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    checkpoint::save(&Disk, &run, &content(5, 0, 5), KEEP).unwrap();
    for suffix in ["old", "new"] {
        let aside = run.checkpoints().join(format!(".step-00000005.{suffix}"));
        fs::rename(run.checkpoint(5), &aside).unwrap();
        checkpoint::recover(&Disk, &run).unwrap();
        let (found, _) = checkpoint::newest(&Disk, &run).unwrap();
        assert_eq!(found, Some(content(5, 0, 5)), "{suffix}");
        assert!(!aside.exists());
    }
}

#[test]
fn checkpoints_that_cannot_be_looked_at_do_not_count_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    // Nobody can follow a link to itself.
    std::os::unix::fs::symlink("ckpt", run.checkpoints()).unwrap();
    checkpoint::put_aside(&Disk, &run).unwrap_err();
    assert!(run.checkpoints().is_symlink());
    // The same for an error at any call.
    let run = RunDir::new(RUN);
    for call in 1..20 {
        let disk = disk_after(Simulated::new(Path::new(RUN)), &saves_of_a_run());
        disk.fail(&[Fault {
            call,
            errno: EIO,
            persistent: false,
        }]);
        let aside = checkpoint::put_aside(&disk, &run);
        assert!(!matches!(aside, Ok(None)), "call {call}");
    }
}

#[test]
fn a_folder_that_spells_its_step_otherwise_is_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    for step in [5, 10] {
        checkpoint::save(&Disk, &run, &content(step, 0, 5), KEEP).unwrap();
    }
    for name in ["step-20", "step-10", "step-+0000010", "step-000000010"] {
        fs::create_dir(run.checkpoints().join(name)).unwrap();
    }
    assert_eq!(checkpoint::steps(&Disk, &run).unwrap(), [5, 10]);
    let found = checkpoint::newest(&Disk, &run).unwrap();
    assert_eq!(found, (Some(content(10, 0, 5)), Vec::new()));
}

/// Fails each call of a recovery once, in turn, where the intact checkpoint lies aside and `damage` has been done in its place. The
/// next recovery must find the checkpoint.
fn fail_each_call_of_a_recovery(damage: impl Fn(&Simulated, &RunDir)) {
    let run = RunDir::new(RUN);
    for suffix in ["old", "new"] {
        let mut tried = 0;
        loop {
            let disk = Simulated::new(Path::new(RUN));
            checkpoint::save(&disk, &run, &content(5, 0, 5), KEEP).unwrap();
            let aside = run.checkpoints().join(format!(".step-00000005.{suffix}"));
            disk.rename(&run.checkpoint(5), &aside).unwrap();
            damage(&disk, &run);
            disk.fail(&[Fault {
                call: tried,
                errno: EIO,
                persistent: false,
            }]);
            let recovered = checkpoint::recover(&disk, &run);
            let is_past_the_end = disk.calls() < tried;
            disk.fail(&[]);
            checkpoint::recover(&disk, &run).unwrap();
            let (found, _) = checkpoint::newest(&disk, &run).unwrap();
            assert_eq!(
                found,
                Some(content(5, 0, 5)),
                "{suffix}, call {tried}: {recovered:?}"
            );
            if is_past_the_end {
                break;
            }
            tried += 1;
        }
        assert!(tried > 5, "{tried}");
    }
}

#[test]
fn a_read_that_fails_once_during_recovery_loses_no_copy() {
    fail_each_call_of_a_recovery(|_, _| ());
}

#[test]
fn a_read_that_fails_once_loses_no_copy_of_a_damaged_checkpoint() {
    // A folder without files is a damaged checkpoint.
    fail_each_call_of_a_recovery(|disk, run| disk.create_dir(&run.checkpoint(5)).unwrap());
}

#[test]
fn the_best_is_found_while_a_worker_replaces_checkpoints() {
    let run = RunDir::new(RUN);
    // The manifest, the state, the model or the optimizer of the first one is read when the worker saves.
    for at in 0..4 {
        let worker = Simulated::new(Path::new(RUN));
        checkpoint::save(&worker, &run, &content(5, 0, 5), 1).unwrap();
        let mut reader = worker.clone();
        let reads = Cell::new(0);
        reader.on_read = Some(Watcher(Rc::new({
            let run = run.clone();
            move |_: &Simulated| {
                if reads.replace(reads.get() + 1) == at {
                    checkpoint::save(&worker, &run, &content(10, 0, 10), 1).unwrap();
                }
            }
        })));
        let found = checkpoint::best(&reader, &run).unwrap();
        assert_eq!(found, Some(content(10, 0, 10)), "read {at}");
    }
}

#[test]
fn flipped_bytes_and_cuts_fall_back_to_the_checkpoint_before() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    let [older, newer] = [content(5, 0, 5), content(10, 0, 5)];
    for save in [&older, &newer] {
        checkpoint::save(&Disk, &run, save, KEEP).unwrap();
    }
    let files: BTreeMap<_, _> = fs::read_dir(run.checkpoint(10))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert_eq!(files.len(), 4);
    let falls_back = |what: &str| {
        let (found, skipped) = checkpoint::newest(&Disk, &run).unwrap();
        // White space in the manifest has no meaning, so the content can still equal the saved one.
        if found.as_ref() != Some(&newer) || !what.starts_with("manifest") {
            assert_eq!(found.as_ref(), Some(&older), "{what}");
            assert!(
                skipped.len() == 1 && skipped[0].contains("step-00000010"),
                "{what}: {skipped:?}"
            );
        }
    };
    for (path, bytes) in &files {
        let name = path.file_name().unwrap().to_string_lossy();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(path, changed).unwrap();
            falls_back(&format!("{name}, byte {at} flipped"));
            fs::write(path, &bytes[..at]).unwrap();
            falls_back(&format!("{name}, cut to {at} bytes"));
        }
        fs::remove_file(path).unwrap();
        falls_back(&format!("{name} is gone"));
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(
        checkpoint::newest(&Disk, &run).unwrap(),
        (Some(newer), Vec::new())
    );
    let bytes: usize = files.values().map(Vec::len).sum();
    println!(
        "FIGURE A6\tflipped bytes and cut lengths noticed, the checkpoint before taken\t{}\tall\tok",
        2 * bytes
    );
}

#[test]
fn runs_without_intact_checkpoint_do_not_start_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    assert_eq!(checkpoint::newest(&Disk, &run).unwrap(), (None, Vec::new()));
    for step in [5, 10] {
        checkpoint::save(&Disk, &run, &content(step, 0, step), KEEP).unwrap();
        fs::write(run.checkpoint(step).join(checkpoint::MODEL), b"").unwrap();
    }
    let error = checkpoint::newest(&Disk, &run).unwrap_err().to_string();
    assert!(
        error.starts_with("none of this run's checkpoints is readable")
            && error.contains("model.safetensors has 0 bytes, and "),
        "{error}"
    );
}

#[test]
fn checkpoints_of_other_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    checkpoint::save(&Disk, &run, &content(5, 0, 5), KEEP).unwrap();
    let manifest = run.checkpoint(5).join("manifest.json");
    let same_fields = fs::read_to_string(&manifest)
        .unwrap()
        .replace("\"format\": 1", "\"format\": 7");
    for text in [same_fields.as_str(), r#"{ "format": 7, "parts": [] }"#] {
        fs::write(&manifest, text).unwrap();
        let error = checkpoint::newest(&Disk, &run).unwrap_err().to_string();
        assert!(
            error.contains("format 7") && error.contains("format 1"),
            "{error}"
        );
    }
}

#[test]
fn what_a_foreign_checkpoint_holds_is_quoted_without_its_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    checkpoint::save(&Disk, &run, &content(5, 0, 5), KEEP).unwrap();
    let [state, manifest] =
        ["state.json", "manifest.json"].map(|name| run.checkpoint(5).join(name));
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut changed = json(&state);
    changed["machine"]["precision"] = "\u{1b}[31mcrimson".into();
    let bytes = changed.to_string().into_bytes();
    let mut listed = json(&manifest);
    listed["files"]["state.json"] =
        serde_json::json!({ "bytes": bytes.len(), "sha256": fingerprint(&bytes) });
    fs::write(&state, bytes).unwrap();
    fs::write(&manifest, listed.to_string()).unwrap();
    let error = checkpoint::newest(&Disk, &run).unwrap_err().to_string();
    assert!(error.contains("crimson"), "{error:?}");
    assert!(!error.contains(char::is_control), "{error:?}");
}

#[test]
fn checkpoints_under_the_name_of_another_step_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path());
    checkpoint::save(&Disk, &run, &content(5, 0, 5), KEEP).unwrap();
    fs::rename(run.checkpoint(5), run.checkpoint(6)).unwrap();
    assert!(matches!(
        checkpoint::read(&Disk, &run.checkpoint(6)),
        Err(Error::Damaged { .. })
    ));
}
