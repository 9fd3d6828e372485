//! Torn, binary and endless logs: a damaged line costs only that line.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use warmstart_runs::event_log::EventReader;
use warmstart_schema::event::Record;
use warmstart_schema::seed::SplitMix64;
use warmstart_schema::state::RunState;

use crate::memory::{grown, is_alone};

/// The events of a log, and the number of its damaged lines.
fn read(path: &Path) -> (Vec<Record>, usize) {
    let (mut reader, mut records, mut damaged) =
        (EventReader::new(path.to_path_buf()), Vec::new(), 0);
    loop {
        let poll = reader.poll().unwrap();
        records.extend(poll.records);
        damaged += poll.damaged;
        if !poll.more {
            return (records, damaged);
        }
    }
}

fn recorded() -> Vec<u8> {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/runs");
    let log = fs::read(runs.join("20261122-104000-a9e0/events.jsonl")).unwrap();
    // The first and last lines of a log: events of many kinds, and short enough to cut at every byte.
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    [&lines[..10], &lines[lines.len() - 6..]].concat().concat()
}

#[test]
fn torn_logs_lose_only_the_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let whole = recorded();
    fs::write(&path, &whole).unwrap();
    let (all, damaged) = read(&path);
    assert_eq!(damaged, 0);
    for cut in 0..whole.len() {
        // Cut at the end, as a crash does; and in the middle, as a bad disk does.
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].split(|&byte| byte == b'\n').count() - 1;
        let (found, damaged) = read(&path);
        assert_eq!((&found[..], damaged), (&all[..lines], 0), "cut at {cut}");
        if cut % 7 == 0 && whole[cut] != b'\n' {
            fs::write(&path, [&whole[..cut], &whole[cut + 1..]].concat()).unwrap();
            let (mut left, damaged) = read(&path);
            assert_eq!(left.len() + damaged, all.len(), "without byte {cut}");
            // The line may still be an event, with another figure.
            if damaged == 0 {
                left.remove(lines);
            }
            let others = [&all[..lines], &all[lines + 1..]].concat();
            assert_eq!(left, others, "without byte {cut}");
        }
    }
    println!(
        "FIGURE D4\tlogs torn at every byte\t{} cuts, each lost its own line at most\t0 more\tok",
        whole.len()
    );
}

#[test]
fn garbage_between_lines_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let whole = recorded();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    fs::write(&path, &whole).unwrap();
    let all = read(&path).0;
    let mut random = SplitMix64::new(3);
    for _ in 0..500 {
        let mut bytes = Vec::new();
        for line in &lines {
            for _ in 0..random.below(3) {
                let length = usize::try_from(random.below(60)).unwrap();
                let garbage =
                    std::iter::repeat_with(|| random.next_u64().to_le_bytes()[0]).take(length);
                bytes.extend(garbage.filter(|&byte| byte != b'\n').collect::<Vec<_>>());
                bytes.extend(if length % 2 == 0 { &b"\n"[..] } else { b"\r\n" });
            }
            bytes.extend(*line);
        }
        fs::write(&path, bytes).unwrap();
        let (found, _) = read(&path);
        assert_eq!(found, all);
        RunState::fold(found);
    }
}

#[test]
fn events_in_any_order_with_absurd_figures_fold_without_panic() {
    let whole = recorded();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let mut random = SplitMix64::new(5);
    for _ in 0..2_000 {
        let pick = |random: &mut SplitMix64| {
            lines[usize::try_from(random.below(lines.len() as u64)).unwrap()]
        };
        let mut state = RunState::default();
        for _ in 0..30 {
            let mut line = String::from_utf8(pick(&mut random).to_vec()).unwrap();
            for digit in ["0", "1", "3"] {
                if random.below(4) == 0 {
                    let absurd = [
                        "-1",
                        "1e308",
                        "\"NaN\"",
                        "4294967295",
                        "18446744073709551615",
                        "null",
                        "{}",
                    ];
                    let absurd =
                        absurd[usize::try_from(random.below(absurd.len() as u64)).unwrap()];
                    line = line.replacen(digit, absurd, 1);
                }
            }
            match Record::parse(line.trim_end().as_bytes()) {
                Ok(record) => state.apply(record),
                Err(_) => state.damaged_lines += 1,
            }
        }
        let _ = (
            state.time_left(),
            state.train_time(),
            state.epochs_planned(),
        );
        // The best epoch is in the list of epochs, and every epoch in the list was logged.
        assert!(state.epochs.len() + state.damaged_lines <= 30);
        assert!(
            state
                .best_epoch()
                .is_none_or(|best| state.epochs.iter().any(|epoch| epoch.epoch == best.epoch))
        );
    }
}

#[test]
fn endless_lines_take_no_memory_and_no_other_lines() {
    if !is_alone("logs::endless_lines_take_no_memory_and_no_other_lines") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"{\"t\":1,\"event\":\"stopping\"}\n")
        .unwrap();
    // A sparse file: it takes no disk space, and a reader sees zeros.
    let length = if std::env::var_os("WARMSTART_MUTATIONS").is_some() {
        1 << 30
    } else {
        256 << 20
    };
    file.set_len(length).unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"\n{\"t\":2,\"event\":\"stopping\"}\n")
        .unwrap();
    let began = Instant::now();
    let ((records, damaged), grown) = grown(|| read(&path));
    let took = began.elapsed().as_secs_f64();
    assert_eq!((records.len(), damaged), (2, 1));
    assert!(grown < 128 << 20, "{grown} bytes more");
    println!(
        "FIGURE D4\ta line of {} MiB in a log\t{took:.1} s, {} MB more\t≤ 128 MB\tok",
        length >> 20,
        grown >> 20
    );
}
