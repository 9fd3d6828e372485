//! The real program in a real pseudo-terminal: it starts, draws, follows the terminal's size, launches workers, and restores the
//! terminal when it ends.

#[cfg(test)]
#[path = "dashboard/editor.rs"]
mod editor;
#[cfg(test)]
#[path = "dashboard/pty.rs"]
mod pty;
#[cfg(test)]
#[path = "dashboard/spoken.rs"]
mod spoken;
#[cfg(test)]
#[path = "dashboard/supervision.rs"]
mod supervision;
#[cfg(test)]
#[path = "dashboard/tail.rs"]
mod tail;

use std::fs;
use std::time::{Duration, Instant};

use pty::{Pty, WITH_JOBS, children, is_alive, memory, scratch};
use rstest::rstest;
use supervision::launched;
use warmstart_runs::event_log::EventReader;
use warmstart_runs::run::RunDir;

#[test]
fn it_opens_follows_the_size_and_quits() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 80, 24, &[]);
    pty.wait_for(&["warmstart", "experiments", "Lite0, freeze", "? help"]);
    assert!(pty.screen().alternate_screen() && pty.screen().hide_cursor());
    pty.resize(120, 40);
    pty.wait_for(&["backbone", "tf_efficientnet_lite0"]);
    pty.resize(30, 8);
    pty.wait_for(&["needs 40×10"]);
    pty.resize(80, 24);
    pty.wait_for(&["? help"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[rstest]
#[case::terminate("TERM")]
#[case::hangup("HUP")]
#[case::interrupt("INT")]
#[case::quit("QUIT")]
fn a_signal_ends_it_and_restores_the_terminal(#[case] signal: &str) {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 80, 24, &[]);
    pty.wait_for(&["? help"]);
    pty.signal(signal);
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[rstest]
#[case::leader_of_its_session("exec \"$PROGRAM\"", false)]
#[case::as_nohup_leaves_it("trap '' HUP; exec \"$PROGRAM\"", false)]
#[case::below_a_shell("\"$PROGRAM\"; exit", true)]
// The shell traps the hangup, so the program gets no signal and must notice that the terminal is closed.
#[case::below_a_shell_that_traps_it("trap : HUP; \"$PROGRAM\"; exit", true)]
fn a_terminal_that_hangs_up_ends_it_and_its_workers_within_a_second(
    #[case] script: &str,
    #[case] is_below: bool,
) {
    let folders = scratch();
    let mut pty = Pty::open_script(&folders, script, is_below);
    pty.wait_for(&["? help"]);
    // The open dataset screen has a worker process.
    pty.press("jjjjd");
    pty.wait_for(&["image number 0"]);
    let program = pty.program();
    let workers = children(program);
    assert_eq!(workers.len(), 1);
    let gone = pty.hang_up();
    let deadline = gone + Duration::from_secs(1);
    for process in workers.into_iter().chain([program]) {
        while is_alive(process) {
            assert!(
                Instant::now() < deadline,
                "still there: {:?}",
                fs::read_to_string(format!("/proc/{process}/stat"))
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn ctrl_z_gives_the_shell_the_terminal_and_fg_restores_the_dashboard() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 80, 24, &[("SHELL_JOBS", "yes")]);
    pty.wait_for(&["? help"]);
    pty.press("\x1a");
    pty.wait_for_stop();
    pty.wait_until("the shell's screen", |screen| {
        !screen.alternate_screen() && !screen.hide_cursor()
    });
    pty.continue_job();
    pty.wait_for(&["? help"]);
    assert!(pty.screen().alternate_screen());
    pty.press("j");
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

/// As below `ssh -t HOST make run`: a stop would stop the shell too, and nobody would continue either.
#[test]
fn ctrl_z_stops_nothing_below_a_shell_without_job_control() {
    let folders = scratch();
    let mut pty = Pty::open_script(&folders, "\"$PROGRAM\"; exit $?", true);
    pty.wait_for(&["? help"]);
    pty.press("\x1a");
    pty.wait_for(&["there is no shell to go back to"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_stop_from_outside_and_a_continuation_restore_the_terminal() {
    let folders = scratch();
    let mut pty = Pty::open_script(&folders, WITH_JOBS, true);
    pty.wait_for(&["? help"]);
    pty.signal("TSTP");
    pty.wait_for_stop();
    pty.assert_terminal_restored();
    pty.continue_job();
    pty.wait_for(&["? help"]);
    assert!(pty.screen().alternate_screen() && pty.screen().hide_cursor());
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

/// The limit of open files rises one by one, so that the start fails at each place in turn, with an error or a panic.
#[test]
fn error_at_start_is_reported_and_restores_the_terminal() {
    let mut ways = std::collections::BTreeMap::new();
    for files in 3..40 {
        let folders = scratch();
        let script = format!("ulimit -n {files}; exec \"$PROGRAM\"");
        let mut pty = Pty::open_script(&folders, &script, false);
        let is_up = pty.shows_before_exit("? help");
        if is_up {
            pty.press("q");
        }
        let code = pty.exit_status().exit_code();
        pty.assert_terminal_restored();
        pty.wait_until("a word about it", |screen| {
            is_up || !screen.contents().trim().is_empty()
        });
        ways.entry((is_up, code))
            .or_insert_with(Vec::new)
            .push(files);
    }
    println!("{ways:?}");
    assert!(
        ways.contains_key(&(true, 0)) && ways.keys().any(|(_, code)| *code == 1),
        "{ways:?}"
    );
}

#[test]
fn a_file_size_limit_is_reported_and_the_dashboard_continues() {
    let folders = scratch();
    let mut pty = Pty::open_script(&folders, "ulimit -f 0; exec \"$PROGRAM\"", false);
    pty.wait_for(&["0.4884", "? help"]);
    pty.press("E\r");
    pty.wait_for(&["File too large", "? help"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn full_disk_is_reported_and_restores_the_terminal() {
    const FULL: &str = "\
mkdir full && mount -t tmpfs -o size=64k none full || exit 77
cp -r experiments checkpoints full/ 2>/dev/null; cat /dev/zero > full/filler 2>/dev/null
cd full && exec \"$PROGRAM\" --experiments ../experiments --checkpoints ../checkpoints";
    let folders = scratch();
    let script = format!("unshare -rm true || exit 77; exec unshare -rm sh -c '{FULL}'");
    let mut pty = Pty::open_script(&folders, &script, false);
    if !pty.shows_before_exit("? help") {
        let code = pty.exit_status().exit_code();
        assert_eq!(code, 77, "{}", pty.screen().contents());
        eprintln!(
            "SKIPPED: no full disk can be made here (unshare -rm mount -t tmpfs): {}",
            pty.screen().contents()
        );
        return;
    }
    pty.wait_for(&["0.4884"]);
    pty.press("E\r");
    pty.wait_for(&["No space", "? help"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_run_is_launched_stopped_and_resumed_and_outlives_the_dashboard() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 100, 30, &[("STAND_IN", "slow")]);
    pty.wait_for(&["Lite0, fine-tune", "? help"]);
    pty.press("/original\r");
    pty.wait_for(&["experiment: original"]);
    pty.press("r");
    pty.wait_for(&["training", "2/3"]);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
    pty.wait_for(&["ResNet, original input continues"]);

    let mut pty = Pty::open(&folders, 100, 30, &[("STAND_IN", "slow")]);
    pty.wait_for(&["ResNet, original input", "training", "2/3"]);
    pty.press("/original\rs");
    pty.wait_for(&["Stop ResNet, original input", "y yes"]);
    pty.press("n");
    pty.wait_for(&["training"]);
    pty.press("sy");
    pty.wait_for(&["stopped"]);
    pty.press("u");
    pty.wait_for(&["done", "3/3", "0.4321"]);
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[test]
fn launch_all_asks_with_the_number_and_runs_one_at_a_time() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 100, 30, &[]);
    pty.wait_for(&["? help"]);
    pty.press("/resnet\ra");
    pty.wait_for(&[
        "Launch 2 experiments of the group quickstart?",
        "Each run waits until its device is free.",
    ]);
    pty.press("y");
    pty.wait_until("both to be done", |screen| {
        screen.contents().matches("3/3").count() == 2
    });
    // The times of the first and the last line of each log.
    let mut times: Vec<(f64, f64)> = launched(&folders.path().join("checkpoints"))
        .iter()
        .map(|run| EventReader::new(run.events()).poll().unwrap().records)
        .map(|records| (records[0].t, records.last().unwrap().t))
        .collect();
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
    assert!(
        times.len() == 2 && times[0].1 <= times[1].0,
        "both ran at once: {times:?}"
    );
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[test]
fn the_dataset_screen_shows_pictures_and_its_worker_ends_with_it() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 100, 30, &[("COLORTERM", "truecolor")]);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    let program = pty.program();
    let workers = || children(program).len();
    pty.press("jjjjd");
    pty.wait_for(&[
        "image number 0",
        "coarse class 8 large_carnivores",
        "fine class 88 tiger",
        "▀▀▀▀",
    ]);
    assert_eq!(workers(), 1);
    // The fake worker's four pixels: red and green above, blue and white below.
    let colours = |screen: &vt100::Screen| {
        let cell = (0..30)
            .flat_map(|y| (0..100).map(move |x| (y, x)))
            .find_map(|(y, x)| {
                screen
                    .cell(y, x)
                    .filter(|cell| cell.contents() == "▀")
                    .map(|cell| (cell.fgcolor(), cell.bgcolor()))
            });
        cell.unwrap()
    };
    assert_eq!(
        colours(&pty.screen()),
        (vt100::Color::Rgb(255, 0, 0), vt100::Color::Rgb(255, 0, 0))
    );
    pty.press("12\r");
    pty.wait_for(&["image number 12"]);
    pty.press("99\r");
    pty.wait_for(&["there is no image 99"]);
    pty.press("p");
    pty.wait_for(&["Lite0, freeze on training image 12", "tiger", "87.50 %"]);
    pty.press("\x1b");
    pty.wait_until("the picture alone", |screen| {
        !screen.contents().contains("87.50 %")
    });
    pty.press("\x1b");
    pty.wait_for(&["quickstart"]);
    pty.wait_until("the worker to be gone", |_| workers() == 0);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_thousand_size_changes_give_the_same_screen_as_a_fresh_start() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 80, 24, &[]);
    pty.wait_for(&["? help"]);
    pty.press("jj");
    for number in 0..1000_u16 {
        pty.resize(number * 13 % 200 + 1, number * 7 % 60 + 1);
        std::thread::sleep(Duration::from_millis(4));
    }
    pty.resize(80, 24);
    let mut fresh = Pty::open(&folders, 80, 24, &[]);
    fresh.wait_for(&["? help"]);
    fresh.press("jj");
    let rows = |screen: &vt100::Screen| -> Vec<(String, bool)> {
        let cells = (0..24).flat_map(|y| (0..80).map(move |x| (y, x)));
        let cell = |(y, x)| {
            screen
                .cell(y, x)
                .map(|cell| (cell.contents().trim().to_owned(), cell.inverse()))
        };
        cells.filter_map(cell).collect()
    };
    let is_settled =
        |screen: &vt100::Screen| screen.contents().lines().any(|line| line.starts_with("▐!"));
    fresh.wait_until("the second run", is_settled);
    pty.wait_until("the screen of a fresh start", |screen| {
        is_settled(screen) && rows(screen) == rows(&fresh.screen())
    });
    for mut pty in [pty, fresh] {
        pty.press("q");
        assert!(pty.exit_status().success());
        pty.assert_terminal_restored();
    }
}

#[rstest]
#[case::dumb(&[("TERM", "dumb")])]
#[case::nameless(&[("TERM", "")])]
fn a_dumb_terminal_gets_plain_lines(#[case] variables: &[(&str, &str)]) {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 200, 60, variables);
    assert!(pty.exit_status().success());
    pty.wait_for(&["Lite0, freeze", "warmstart runs"]);
    pty.assert_terminal_restored();
    assert!(
        !pty.output().lock().unwrap().has_sequences(),
        "sequences on a dumb terminal"
    );
}

/// Other terminals, and users without colours or Unicode, get the same screen.
#[rstest]
#[case::vt100(&[("TERM", "vt100")])]
#[case::linux(&[("TERM", "linux")])]
#[case::screen(&[("TERM", "screen-256color")])]
#[case::no_colour(&[("NO_COLOR", "1")])]
#[case::plain_locale(&[("LANG", "C")])]
fn odd_terminals_get_a_screen_that_they_can_show(#[case] variables: &[(&str, &str)]) {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 80, 24, variables);
    pty.wait_for(&["Lite0, freeze", "0.4884", "? help"]);
    pty.press("jjjj\r");
    pty.wait_for(&["accuracy", "353,634"]);
    let screen = pty.screen();
    let cells = (0..24).flat_map(|y| (0..80).map(move |x| (y, x)));
    let cells: Vec<&vt100::Cell> = cells.filter_map(|(y, x)| screen.cell(y, x)).collect();
    if variables[0].0 == "NO_COLOR" {
        let plain = vt100::Color::Default;
        assert!(
            cells
                .iter()
                .all(|cell| cell.fgcolor() == plain && cell.bgcolor() == plain)
        );
    } else if variables[0].1 != "screen-256color" {
        assert!(
            cells.iter().all(|cell| cell.contents().is_ascii()),
            "{}",
            screen.contents()
        );
    }
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

/// A multiplexer draws the same screen, and the keys work.
#[rstest]
#[case::tmux("tmux", "exec tmux -L $NAME -f /dev/null new-session \"$PROGRAM\"")]
#[case::screen("screen", "exec screen -U -c /dev/null -S $NAME \"$PROGRAM\"")]
fn a_multiplexer_shows_the_screen_and_passes_keys(#[case] program: &str, #[case] script: &str) {
    if std::process::Command::new(program)
        .arg("-V")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: {program} is not installed (apt-get install {program})");
        return;
    }
    let folders = scratch();
    let name = format!("warmstart-{}-{program}", std::process::id());
    let mut pty = Pty::open_script(&folders, &format!("NAME={name}; {script}"), false);
    pty.wait_for(&["Lite0, freeze", "0.4884", "? help"]);
    pty.press("jjjj\r");
    pty.wait_for(&["accuracy", "353,634"]);
    pty.press("?");
    pty.wait_for(&["the cursor"]);
    // No Esc, because a multiplexer would wait for the rest of a sequence.
    pty.press("qh");
    pty.wait_until("the list", |screen| {
        screen.contents().contains("needs data")
    });
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[test]
fn a_launch_without_a_worker_reports_what_to_do() {
    let folders = scratch();
    let mut pty = Pty::open(
        &folders,
        100,
        30,
        &[("WARMSTART_WORKER", "/nowhere/worker")],
    );
    pty.wait_for(&["? help"]);
    pty.press("/original\rr");
    pty.wait_for(&["/nowhere/worker", "make build"]);
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[rstest]
#[case::without_a_live_run(false)]
#[case::while_a_run_is_silent(true)]
fn nothing_is_written_while_nothing_changes(#[case] is_live: bool) {
    let folders = scratch();
    let run = RunDir::new(folders.path().join("checkpoints/20261122-101500-0c21"));
    let _lock = is_live.then(|| run.lock().unwrap());
    let mut pty = Pty::open(&folders, 80, 24, &[]);
    pty.wait_for(&["? help", if is_live { "stalled" } else { "lost" }]);
    pty.assert_silent();
    let selected = |screen: &vt100::Screen| {
        let contents = screen.contents();
        contents.lines().position(|line| line.starts_with('▐'))
    };
    let before = selected(&pty.screen());
    pty.press("j");
    pty.wait_until("the answer to a key", |screen| {
        let after = selected(screen);
        after.is_some() && after != before
    });
    pty.assert_silent();
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[test]
fn a_terminal_that_stops_reading_blocks_no_key_and_queues_no_frames() {
    let folders = scratch();
    let mut pty = Pty::open(&folders, 200, 60, &[]);
    pty.wait_for(&["? help"]);
    let program = pty.program();
    let exported = || {
        let names = fs::read_dir(folders.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("compare-"))
            .count()
    };
    let before = memory(program);
    let output = pty.output();
    let stalled = output.lock().unwrap();
    // Each key redraws the whole screen, about 9 kB. Queued frames would take 2 MB.
    for _ in 0..200 {
        pty.press("\x0c");
        std::thread::sleep(Duration::from_millis(1));
    }
    pty.press("E\r");
    let begin = Instant::now();
    while exported() == 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "a key waits for the terminal"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let after = memory(program);
    assert!(after < before + 4096, "{before} kB became {after} kB");
    let taken = stalled.bytes();
    drop(stalled);
    pty.wait_for(&["wrote", "? help"]);
    let queued = output.lock().unwrap().bytes() - taken;
    assert!(queued < 200_000, "{queued} bytes were waiting");
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn panic_on_any_thread_is_reported_and_restores_the_terminal() {
    let folders = scratch();
    let mut pty = Pty::open_test(&folders, "stand_in_that_panics");
    pty.wait_for(&["? help"]);
    pty.wait_until("the panic", |screen| {
        !screen.alternate_screen() && screen.contents().contains("on purpose")
    });
    assert_eq!(pty.exit_status().exit_code(), 101);
    pty.assert_terminal_restored();
}

#[test]
#[ignore = "another test runs it as the program"]
fn stand_in_that_panics() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        panic!("on purpose");
    });
    spoken::run();
}
