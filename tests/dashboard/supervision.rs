//! Runs outlive dashboards, two dashboards agree on the queue, and many starts and stops leave no process or file behind.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use warmstart_runs::event_log::EventReader;
use warmstart_runs::launcher::{self, Request};
use warmstart_runs::queue::{Content, Queue};
use warmstart_runs::run::RunDir;
use warmstart_runs::survey;
use warmstart_schema::event::Event;
use warmstart_schema::state::{Outcome, RunState};

use crate::pty::{Pty, children, data, memory, prepare, scratch};

/// The longest wait of a test.
const PATIENCE: Duration = Duration::from_mins(1);

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// The runs that this test launched.
pub(crate) fn launched(checkpoints: &Path) -> Vec<RunDir> {
    let ids = survey::list(checkpoints).unwrap();
    let recorded = survey::list(&data().join("runs")).unwrap();
    ids.iter()
        .filter(|id| !recorded.contains(id))
        .map(|id| RunDir::of(checkpoints, id))
        .collect()
}

fn state(run: &RunDir) -> RunState {
    RunState::fold(EventReader::new(run.events()).poll().unwrap().records)
}

/// The steps in a run's log, and the lines that it printed.
fn logged(run: &RunDir) -> (Vec<u64>, Vec<u64>) {
    let records = EventReader::new(run.events()).poll().unwrap().records;
    let steps = records.iter().filter_map(|record| {
        if let Event::Batch(batch) = &record.event {
            Some(batch.step)
        } else {
            None
        }
    });
    let printed = fs::read_to_string(run.worker_log()).unwrap_or_default();
    let lines = printed
        .lines()
        .filter_map(|line| line.strip_prefix("line ")?.parse().ok());
    (steps.collect(), lines.collect())
}

fn training(pty: &Pty) -> usize {
    pty.screen()
        .contents()
        .lines()
        .filter(|line| line.contains("training"))
        .count()
}

/// `WARMSTART_KILLS` sets how often a dashboard is killed (default 20; the soak test does 100).
#[test]
fn no_worker_and_no_line_is_lost_when_a_dashboard_is_killed() {
    let kills = number("WARMSTART_KILLS", 20);
    let folders = scratch();
    let checkpoints = folders.path().join("checkpoints");
    Queue::new(&checkpoints).set_slots(4).unwrap();
    let ticks = [("STAND_IN", "ticks")];
    let mut pty = Pty::open(&folders, 100, 30, &ticks);
    pty.wait_for(&["? help", "Lite0, freeze"]);
    pty.press("ay");
    wait("four runs to train", || training(&pty) == 4);
    let runs: Vec<RunDir> = launched(&checkpoints)
        .into_iter()
        .filter(|run| state(run).attempt.is_some())
        .collect();
    assert_eq!(runs.len(), 4);
    let (mut worst, mut slow) = (Duration::ZERO, 0);
    for kill in 0..kills {
        let before: Vec<usize> = runs.iter().map(|run| logged(run).0.len()).collect();
        match kill % 4 {
            0 => pty.signal("KILL"),
            1 => pty.signal("HUP"),
            2 => {
                pty.hang_up();
            }
            _ => pty.wait_until("the panic", |screen| {
                screen.contents().contains("on purpose")
            }),
        }
        // A killed or panicking dashboard has another status.
        pty.exit_status();
        let began = Instant::now();
        // Every fourth dashboard panics after a second.
        pty = if kill % 4 == 2 {
            Pty::open_test(&folders, "stand_in_that_panics")
        } else {
            Pty::open(&folders, 100, 30, &ticks)
        };
        pty.wait_until("all four to be there again", |screen| {
            training(&pty) == 4 || screen.contents().contains("on purpose")
        });
        worst = worst.max(began.elapsed());
        slow += usize::from(began.elapsed() > Duration::from_secs(1));
        for (run, before) in runs.iter().zip(before) {
            assert!(
                launcher::is_alive(&run.info().unwrap().worker.unwrap()),
                "{kill}"
            );
            wait("the run to get on", || logged(run).0.len() > before);
        }
    }
    pty.signal("KILL");
    pty.exit_status();
    let mut lines = 0;
    // The fifth run waits for one of the four. From here on nothing may start it.
    Queue::new(&checkpoints).pause("the test is over").unwrap();
    for run in &runs {
        let worker = run.info().unwrap().worker.unwrap();
        assert!(launcher::ask(&worker, Request::Stop).unwrap());
        wait("the run to stop", || {
            state(run).outcome == Some(Outcome::Stopped)
        });
        let (steps, printed) = logged(run);
        let all: Vec<u64> = (1..=steps.len() as u64).collect();
        assert_eq!(steps, all);
        wait("the last line", || logged(run).1 == all);
        assert_eq!(printed.len(), logged(run).1.len());
        lines += all.len() * 2;
    }
    let verdict = if slow == 0 && kills >= 20 {
        "ok"
    } else {
        "UNDER"
    };
    println!(
        "FIGURE B1\tdashboards killed (SIGKILL, SIGHUP, terminal closed, panic) over 4 workers: 0 workers and 0 of {lines} log lines lost\t{kills}\t{kills}\tok"
    );
    println!(
        "FIGURE B1\tfrom the start of the next dashboard until it shows all four at work, worst\t{:.2} s\t1 s\t{verdict}",
        worst.as_secs_f64()
    );
    // A start takes longer on a busy machine.
    assert!(
        slow * 4 <= kills,
        "{slow} of {kills} took longer than a second, the worst {worst:?}"
    );
    wait("every process to leave", || {
        processes(&checkpoints).is_empty()
    });
}

/// Processes whose arguments contain this folder.
fn processes(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.display().to_string();
    let all = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    all.filter(|path| {
        fs::read_to_string(path.join("cmdline")).is_ok_and(|line| line.contains(&folder))
    })
    .collect()
}

#[test]
fn two_dashboards_agree_on_the_queue_and_both_can_change_it() {
    let folders = scratch();
    let checkpoints = folders.path().join("checkpoints");
    let slow = [("STAND_IN", "slow")];
    let [mut one, mut other] = [(); 2].map(|()| Pty::open(&folders, 100, 30, &slow));
    one.wait_for(&["? help", "Lite0, freeze"]);
    one.press("ay");
    other.wait_for(&["training", "queued"]);
    for pty in [&mut one, &mut other] {
        pty.press("M");
        pty.wait_for(&["1  waits for", "4  waits for"]);
    }
    let order = |pty: &Pty| -> Vec<String> {
        let contents = pty.screen().contents();
        let row = |line: &str| {
            Some(
                line.split_once("  waits for")?
                    .0
                    .chars()
                    .skip(3)
                    .take(22)
                    .collect(),
            )
        };
        contents.lines().filter_map(row).collect()
    };
    let stored = || -> Vec<String> {
        Queue::new(&checkpoints)
            .content()
            .unwrap()
            .waiting
            .iter()
            .map(|entry| entry.stem.clone())
            .collect()
    };
    let before = stored();
    // The first row is the running run.
    one.press("jjjK");
    wait("the third to be the second", || {
        stored() == [&before[0], &before[2], &before[1], &before[3]].map(Clone::clone)
    });
    other.wait_until("the same order", |_| order(&other) == order(&one));
    other.press("jJ");
    wait("the first to be the second", || {
        stored() == [&before[2], &before[0], &before[1], &before[3]].map(Clone::clone)
    });
    one.wait_until("the same order", |_| order(&other) == order(&one));
    other.press("P");
    one.wait_for(&["queue 4 paused"]);
    other.wait_for(&["queue 4 paused", "the queue is paused"]);
    one.press("x");
    one.wait_for(&["out of the queue?", "y yes"]);
    one.press("n");
    one.press("xy");
    for pty in [&one, &other] {
        pty.wait_for(&["queue 3 paused"]);
    }
    assert_eq!(
        stored(),
        [&before[0], &before[1], &before[3]].map(Clone::clone)
    );
    // While the queue is paused, the end of the running run starts nothing.
    let running = launched(&checkpoints)
        .into_iter()
        .find(|run| state(run).attempt.is_some())
        .unwrap();
    assert!(launcher::ask(&running.info().unwrap().worker.unwrap(), Request::Stop).unwrap());
    wait("it to stop", || {
        state(&running).outcome == Some(Outcome::Stopped)
    });
    wait("every process to leave", || {
        processes(&checkpoints).is_empty()
    });
    assert_eq!(stored().len(), 3);
    one.press("P");
    wait("the next to start", || stored().len() == 2);
    // Ends the remaining processes.
    Queue::new(&checkpoints).pause("the test is over").unwrap();
    let Content { active, .. } = Queue::new(&checkpoints).content().unwrap();
    let next = RunDir::of(&checkpoints, &active.last().unwrap().entry.run);
    wait("it to take its run", || state(&next).attempt.is_some());
    let began = Instant::now();
    while state(&next).outcome != Some(Outcome::Stopped) {
        let worker = next.info().unwrap().worker.unwrap();
        let asked = launcher::ask(&worker, Request::Stop);
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{worker:?} was asked: {asked:?}; {:?}",
            state(&next)
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    for mut pty in [one, other] {
        pty.press("q");
        assert!(pty.exit_status().success());
        pty.assert_terminal_restored();
    }
}

/// `WARMSTART_CYCLES` sets the number of cycles (default 20; the soak test does 500).
#[test]
fn starts_and_ends_leave_no_zombie_no_descriptor_and_no_memory_behind() {
    let cycles = number("WARMSTART_CYCLES", 20);
    let folders = scratch();
    let checkpoints = folders.path().join("checkpoints");
    let mut pty = Pty::open(&folders, 100, 30, &[("STAND_IN", "fail")]);
    pty.wait_for(&["? help"]);
    pty.press("/original\r");
    pty.wait_for(&["experiment: original"]);
    pty.press("r");
    wait("a run", || !launched(&checkpoints).is_empty());
    let run = launched(&checkpoints).pop().unwrap();
    let program = pty.program();
    let used = || {
        let status = fs::read_to_string(format!("/proc/{program}/status")).unwrap();
        let threads = status
            .lines()
            .find_map(|line| line.strip_prefix("Threads:"))
            .unwrap()
            .trim()
            .to_owned();
        (
            memory(program),
            fs::read_dir(format!("/proc/{program}/fd")).unwrap().count(),
            threads,
        )
    };
    let attempts = || {
        EventReader::new(run.events())
            .poll()
            .unwrap()
            .records
            .iter()
            .filter(|record| matches!(record.event, Event::Failed { .. }))
            .count()
    };
    let cycle = |pty: &mut Pty, before: usize| {
        let began = Instant::now();
        // The dashboard refuses the key until it has read the end of the previous run.
        while attempts() <= before {
            assert!(began.elapsed() < PATIENCE, "the next end did not come");
            pty.press("u");
            let pressed = Instant::now();
            while attempts() <= before && pressed.elapsed() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        wait("its processes to leave", || children(program).is_empty());
    };
    pty.wait_for(&["failed: no weights"]);
    // By now everything that is allocated only once exists.
    for done in 1..=5 {
        cycle(&mut pty, done);
    }
    let (memory_before, descriptors, threads) = used();
    for done in 6..6 + cycles {
        cycle(&mut pty, done);
    }
    wait("threads to end", || used().2 == threads);
    let (memory_after, descriptors_after, _) = used();
    let grown = (memory_after as f64 - memory_before as f64) / 1024.0;
    println!(
        "FIGURE B4\tstarts and ends from one dashboard: 0 zombies, {descriptors} descriptors then and {descriptors_after} now, memory\t{grown:+.1} MB\t< 5 MB after {cycles}\t{}",
        if grown < 5.0 { "ok" } else { "UNDER" }
    );
    assert_eq!(descriptors, descriptors_after);
    assert!(grown < 5.0, "{memory_before} kB became {memory_after} kB");
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[test]
fn the_end_of_a_run_rings_the_bell_and_notifies_unless_disabled() {
    for (arguments, rings) in [(&[][..], true), (&["--no-bell"][..], false)] {
        let folders = scratch();
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: 30,
                cols: 100,
                ..PtySize::default()
            })
            .unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_warmstart"));
        command.args(arguments);
        prepare(&mut command, folders.path(), &[]);
        let mut program = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (mut keys, mut reader) = (
            pair.master.take_writer().unwrap(),
            pair.master.try_clone_reader().unwrap(),
        );
        let bytes = Arc::new(Mutex::new(Vec::<u8>::new()));
        let shared = Arc::clone(&bytes);
        let reading = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        let came = |text: &str| String::from_utf8_lossy(&bytes.lock().unwrap()).contains(text);
        // The dashboard writes only what changes, which may be a part of a word.
        let shows = |text: &str| {
            let mut screen = vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0);
            screen.process(&bytes.lock().unwrap());
            screen.screen().contents().contains(text)
        };
        wait("the first screen", || {
            shows("quickstart") && shows("0.2946") && shows("quit")
        });
        keys.write_all(b"/original\rr").unwrap();
        wait("the end of the run", || shows("0.4321"));
        keys.write_all(b"q").unwrap();
        assert!(program.wait().unwrap().success());
        drop((keys, pair.master));
        reading.join().unwrap();
        let notice =
            "\u{7}\u{1b}]9;warmstart: ResNet, original input is done: test accuracy 0.4321\u{7}";
        assert_eq!(came(notice), rings);
        assert_eq!(came("\u{7}"), rings, "nothing else rings");
    }
}
