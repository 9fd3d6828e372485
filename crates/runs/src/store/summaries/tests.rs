use serde_json::{Value, json};
use warmstart_schema::event::Record;
use warmstart_schema::experiment::parse_with;

use super::*;

const EXPERIMENT: &str = "{ name: x, dataset: { name: emoji98 }, model: { backbone: resnet18 },
  train: { epochs: 2, batch_size: 4, optimizer: { name: adam, learning_rate: 0.1 } } }";

/// A run of one of three kinds: with a shared experiment and model, with neither, or without epochs.
fn summary(number: usize) -> Summary {
    let epoch = |epoch: u32, wait: Option<f64>| {
        json!({ "event": "epoch", "epoch": epoch, "step": epoch, "train_loss": "inf", "train_acc": 0.5, "val_loss": 0.1 + number as f64,
            "val_acc": 0.5, "learning_rate": 0.1, "images_per_second": 7.0, "train_time": 3.5, "best": epoch == 1, "data_wait": wait,
            "plain": if number.is_multiple_of(7) { json!({ "val_loss": 0.2, "val_acc": 0.4 }) } else { Value::Null },
            "further": if number.is_multiple_of(4) { json!({ "val_margin": "inf" }) } else { json!({}) } })
    };
    let part = |name: &str| json!({ "name": name, "total": 9, "trainable": 4, "frozen": number % 2, "statistics": 1 });
    let counts = json!({ "blocks": [part("stem"), part("head")], "total": part("all") });
    let model = json!({ "event": "model", "backbone": "resnet18", "pixels": 32, "weights": "random", "counts": counts,
        "cached_features": false });
    let test = json!({ "event": "test", "epoch": 1, "loss": 0.25, "accuracy": 0.5 });
    let worker = json!({ "boot_id": "b", "pid": 7, "start_ticks": number });
    let attempt = json!({ "event": "attempt", "number": 1, "worker": worker, "host": "h", "device": "cpu", "device_name": "d",
        "device_reason": "r", "threads": 2, "libtorch": "2.13.0", "epochs": 3, "resumed_from": null });
    let events = [epoch(1, None), epoch(2, Some(0.5)), test, model, attempt]
        .into_iter()
        .skip(if number % 3 == 2 { 2 } else { 0 });
    let record = |(t, mut event): (u32, Value)| {
        event["t"] = json!(t);
        serde_json::from_value::<Record>(event).unwrap()
    };
    let mut state = RunState::fold((0..).zip(events).map(record));
    assert_eq!(
        (state.epochs.len(), state.model.is_some()),
        (if number % 3 == 2 { 0 } else { 2 }, true)
    );
    if number % 3 == 1 {
        state.model = None;
    }
    let changes = [format!("seed={}", number % 2 + number / 1000)];
    let experiment = (number % 3 != 1)
        .then(|| parse_with(EXPERIMENT, "x", &changes).unwrap())
        .map(Arc::new);
    Summary {
        info_stamp: Some(FileStamp {
            inode: 1,
            modified: (2, 3),
            changed: (4, 5),
            bytes: 6,
        }),
        log_stamp: None,
        info: Err("torn".to_owned()),
        experiment,
        state,
    }
}

fn id(number: usize) -> RunId {
    format!("r{number}").parse().unwrap()
}

fn written(root: &Path, runs: usize) {
    let mut summaries = Summaries::open(root);
    (0..runs).for_each(|number| summaries.add(&id(number), &summary(number)));
    summaries.close().unwrap();
}

fn take(summaries: &mut Summaries, number: usize) -> Option<Summary> {
    let Summary {
        info_stamp,
        log_stamp,
        ..
    } = summary(0);
    summaries.take(&id(number), info_stamp, log_stamp)
}

#[test]
fn summaries_return_bit_for_bit_only_for_the_same_files() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), WORTH_RUNS);
    let mut summaries = Summaries::open(root.path());
    for number in [7, 6, 5] {
        assert_eq!(take(&mut summaries, number), Some(summary(number)));
    }
    let [one, other] = [3, 9].map(|number| take(&mut summaries, number).unwrap());
    assert!(
        Arc::ptr_eq(&one.experiment.unwrap(), &other.experiment.unwrap()),
        "one in memory"
    );
    // It had no log.
    let log = summary(8).info_stamp;
    assert_eq!(summaries.take(&id(8), summary(8).info_stamp, log), None);
    assert_eq!(take(&mut summaries, WORTH_RUNS), None);
}

#[test]
fn used_summaries_stay_and_removed_runs_go() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), WORTH_RUNS);
    let mut summaries = Summaries::open(root.path());
    assert!(take(&mut summaries, 7).is_some() && take(&mut summaries, 9).is_some());
    (1000..1000 + WORTH_RUNS).for_each(|number| summaries.add(&id(number), &summary(number)));
    summaries.close().unwrap();
    let mut summaries = Summaries::open(root.path());
    for number in [1199, 7, 1001, 9, 1000] {
        assert_eq!(take(&mut summaries, number), Some(summary(number)));
    }
    assert!(take(&mut summaries, 8).is_none());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn what_a_killed_process_left_is_removed_and_what_another_writes_stays() {
    let root = tempfile::tempdir().unwrap();
    let aside = |process: &str| root.path().join(format!("{FILE}.{process}.new"));
    fs::write(aside("killed"), "").unwrap();
    let writes = File::create(aside("alive")).unwrap();
    writes.lock().unwrap();
    written(root.path(), WORTH_RUNS);
    assert!(!aside("killed").exists() && aside("alive").exists());
}

#[test]
fn few_short_logs_get_no_cache() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), WORTH_RUNS - 1);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_full_cache_keeps_the_newest_runs_and_is_not_written_again() {
    const RUNS: usize = 3 * WORTH_RUNS;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(FILE);
    let all: Vec<Summary> = (0..RUNS).map(summary).collect();
    // Looks at the newest run first, here number 0, and says which runs are in the cache.
    let start = |limit: u64| -> Vec<bool> {
        let mut summaries = Summaries::open(root.path());
        summaries.limit = limit;
        let mut look = |number: usize| {
            let (id, made) = (id(number), &all[number]);
            let kept = summaries.take(&id, made.info_stamp, made.log_stamp);
            match &kept {
                Some(kept) => assert_eq!(kept, made),
                None => summaries.add(&id, made),
            }
            kept.is_some()
        };
        let found = (0..RUNS).map(&mut look).collect();
        summaries.close().unwrap();
        found
    };
    start(MAX_BYTES);
    let limit = fs::metadata(&path).unwrap().len() / 2;
    fs::remove_file(&path).unwrap();
    start(limit);
    let (length, before) = (fs::metadata(&path).unwrap().len(), stamp(&path));
    assert!(length <= limit && length > limit * 9 / 10, "{length}");
    let found = start(limit);
    let kept = found.iter().take_while(|is_kept| **is_kept).count();
    assert!((RUNS / 3..RUNS - WORTH_RUNS).contains(&kept), "{kept}");
    assert!(!found[kept..].contains(&true), "only the newest");
    assert_eq!(stamp(&path), before, "written again");
}

#[test]
fn damaged_caches_never_return_wrong_summaries() {
    let root = tempfile::tempdir().unwrap();
    written(root.path(), WORTH_RUNS);
    let path = root.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let all: Vec<Summary> = (0..WORTH_RUNS).map(summary).collect();
    let all_as_written = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let mut summaries = Summaries::open(root.path());
        (0..WORTH_RUNS)
            .all(|number| take(&mut summaries, number).is_none_or(|kept| kept == all[number]))
    };
    // Nearly all bytes of the index and the shared values, and a sample of the bytes in the blocks.
    for at in (0..8_000)
        .step_by(151)
        .chain((8_000..whole.len()).step_by(3_001))
    {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(all_as_written(&damaged), "byte {at}");
        assert!(all_as_written(&whole[..at]), "cut at {at}");
    }
}

#[test]
fn recently_changed_runs_are_not_cached() {
    let root = tempfile::tempdir().unwrap();
    let mut summaries = Summaries::open(root.path());
    summaries.add(
        &id(1),
        &Summary {
            info_stamp: stamp(root.path()),
            ..summary(1)
        },
    );
    assert!(summaries.rows.is_empty());
}
