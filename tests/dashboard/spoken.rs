//! Reports of a terminal, sent to the real program: none of their letters acts as a key, and keys still work.
//! Also the state of the terminal after a signal ends the program.

use std::fs;
use std::time::Duration;

use rstest::rstest;
use warmstart_runs::run::RunId;
use warmstart_runs::survey;

use crate::pty::{Pty, scratch};

/// One report of each form, with the keys `r`, `y` and `D` (launch, yes, delete) in it.
const REPORTS: [&[u8]; 12] = [
    b"\x1b[?2026;2$y",
    b"\x1b[20;2$r",
    b"\x1b[12;40R",
    b"\x1b[?62;4;22c",
    b"\x1b]11;rgb:1e1e/rrrr/yyyy\x07",
    b"\x1b]52;c;cnlyUg==\x1b\\",
    b"\x1bP1$r0ry q\x1b\\",
    b"\x1b_Gi=31;DyrD\x1b\\",
    b"\x1b^Dy\x1b\\",
    b"\x1bXry\x1b\\",
    b"\x1bOr",
    b"\x9b?2026;2$y",
];

/// Texts of the list with the run selected, and of the run's screen. Each screen has a text that the other lacks, so the test can
/// tell which one is open.
const SELECTED: &[&str] = &[
    "▸ experiments",
    "experiment: 4-lite0",
    "0.4884",
    "enter open",
    "? help",
];
const OPENED: &[&str] = &["▸ run", "353,634", "? help"];

/// The dashboard with a selected run: `r` would launch it again, and `D` `y` would delete it.
fn open(folders: &tempfile::TempDir) -> Pty {
    let mut pty = Pty::open(folders, 80, 24, &[("STAND_IN", "slow")]);
    pty.wait_for(&["Lite0, freeze", "? help"]);
    pty.press("/4-lite0\r");
    pty.wait_for(SELECTED);
    pty
}

fn runs(folders: &tempfile::TempDir) -> Vec<RunId> {
    survey::list(&folders.path().join("checkpoints")).unwrap()
}

/// Opens the run's screen and returns. Earlier input is processed by then.
fn keys_work(pty: &mut Pty) {
    pty.press("l");
    pty.wait_for(OPENED);
    pty.press("h");
    pty.wait_for(SELECTED);
}

#[test]
fn terminal_reports_launch_nothing_and_keys_still_work() {
    let folders = scratch();
    let before = runs(&folders);
    let mut pty = open(&folders);
    for report in REPORTS {
        pty.send(report);
        keys_work(&mut pty);
        pty.send(&[report, b"l"].concat());
        pty.wait_for(OPENED);
        pty.press("h");
        pty.wait_for(SELECTED);
    }
    assert_eq!(runs(&folders), before);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_report_that_comes_in_pieces_launches_nothing() {
    let folders = scratch();
    let before = runs(&folders);
    let mut pty = open(&folders);
    for (report, pause) in REPORTS.into_iter().zip([10, 120, 70].into_iter().cycle()) {
        for piece in report.chunks(1) {
            pty.send(piece);
            std::thread::sleep(Duration::from_millis(pause));
        }
        // After a moment a single `ESC` is the Esc key, which clears a filter.
        pty.press("/\x154-lite0\r");
        pty.wait_for(SELECTED);
        keys_work(&mut pty);
    }
    assert_eq!(runs(&folders), before);
    pty.press("q");
    assert!(pty.exit_status().success());
}

#[rstest]
#[case::colour(b"\x1b]11;rgb:")]
#[case::capability(b"\x1bP1+r")]
#[case::picture(b"\x1b_Gi=1;")]
#[case::paste(b"\x1b[200~ry")]
#[case::report(b"\x1b[?2026;")]
#[case::click(b"\x1b[<0;1")]
fn an_unfinished_report_does_not_block_the_keyboard(#[case] begun: &[u8]) {
    let folders = scratch();
    let before = runs(&folders);
    let mut pty = open(&folders);
    pty.send(begun);
    std::thread::sleep(Duration::from_millis(1500));
    // The first key completes the unfinished report.
    pty.press("\x0c");
    std::thread::sleep(Duration::from_millis(200));
    pty.press("k");
    std::thread::sleep(Duration::from_millis(200));
    pty.press("/\x154-lite0\r");
    pty.wait_for(SELECTED);
    keys_work(&mut pty);
    assert_eq!(runs(&folders), before);
    pty.send(begun);
    std::thread::sleep(Duration::from_millis(1500));
    pty.press("\x03");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn a_paste_is_text_in_inputs_and_ignored_elsewhere() {
    let folders = scratch();
    let before = runs(&folders);
    let mut pty = open(&folders);
    pty.press("\x1b[200~rDyq\r\x1b[201~");
    keys_work(&mut pty);
    pty.press("\x1b");
    pty.wait_for(&["ResNet, original input"]);
    pty.press("/\x1b[200~4-lite0\x1b[201~\r");
    pty.wait_for(SELECTED);
    assert_eq!(runs(&folders), before);
    pty.press("q");
    assert!(pty.exit_status().success());
}

fn says_too_small(screen: &vt100::Screen) -> bool {
    screen
        .contents()
        .replace(['\n', ' '], "")
        .contains("needs40×10")
}

#[test]
fn in_a_terminal_too_small_to_draw_nothing_is_launched_or_deleted() {
    let folders = scratch();
    let before = runs(&folders);
    let mut pty = open(&folders);
    for (width, height) in [(20, 5), (39, 24), (80, 9)] {
        pty.resize(width, height);
        pty.wait_until("the reason", says_too_small);
        for keys in [
            "D",
            "y",
            "r",
            "y",
            "a",
            "y",
            "s",
            "y",
            "u",
            "\r",
            "E\r",
            "n",
            "\x1b[<0;5;3M\x1b[<0;5;3m",
        ] {
            pty.press(keys);
        }
        // A pseudo-terminal changes its size before it delivers pending keys, so wait until the program has read the keys.
        pty.clear_emulator();
        pty.press("\x0c");
        pty.wait_until("the reason again", says_too_small);
        pty.resize(80, 24);
        pty.wait_for(SELECTED);
        keys_work(&mut pty);
    }
    assert_eq!(runs(&folders), before);
    assert!(
        !fs::read_dir(folders.path())
            .unwrap()
            .flatten()
            .any(|entry| { entry.file_name().to_string_lossy().starts_with("compare-") })
    );
    pty.resize(20, 5);
    pty.wait_until("the reason", says_too_small);
    pty.press("q");
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[rstest]
fn a_fatal_signal_restores_the_terminal_first(
    #[values(
        "SEGV", "ABRT", "BUS", "ILL", "FPE", "TRAP", "SYS", "XCPU", "USR1", "ALRM", "IO"
    )]
    signal: &str,
) {
    let folders = scratch();
    let mut pty = Pty::open_script(
        &folders,
        "ulimit -c 0; \"$PROGRAM\"; echo \"ended with $(kill -l $?)\"",
        true,
    );
    pty.wait_for(&["? help"]);
    assert!(pty.screen().alternate_screen());
    pty.signal(signal);
    // The shell may call this signal POLL.
    let name = if signal == "IO" {
        "ended with "
    } else {
        &format!("ended with {signal}")
    };
    pty.wait_for(&[name]);
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[test]
fn while_the_shell_has_the_terminal_a_signal_writes_nothing() {
    let folders = scratch();
    let mut pty = Pty::open_script(
        &folders,
        "ulimit -c 0; set -m; \"$PROGRAM\"; read line; fg >/dev/null; echo \"ended with $(kill -l $?)\"",
        true,
    );
    pty.wait_for(&["? help"]);
    pty.press("\x1a");
    pty.wait_for_stop();
    pty.signal("SEGV");
    pty.continue_job();
    pty.wait_for(&["ended with SEGV"]);
    assert!(pty.exit_status().success());
    pty.assert_terminal_restored();
}

#[rstest]
#[case::a_stack_that_overflows("stand_in_that_overflows", "has overflowed its stack")]
#[case::an_abort("stand_in_that_aborts", "")]
fn crash_restores_the_terminal(#[case] stand_in: &str, #[case] said: &str) {
    let folders = scratch();
    let mut pty = Pty::open_test(&folders, &format!("spoken::{stand_in}"));
    pty.wait_for(&["? help"]);
    let status = pty.exit_status();
    assert!(!status.success());
    pty.assert_terminal_restored();
    pty.wait_for(&[said]);
}

#[test]
#[ignore = "another test runs it as the program"]
fn stand_in_that_overflows() {
    #[expect(
        unconditional_recursion,
        reason = "the test overflows the stack on purpose"
    )]
    fn deeper(depth: u64) -> u64 {
        std::hint::black_box(deeper(std::hint::black_box(depth + 1)) + depth)
    }
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        deeper(0)
    });
    run();
}

#[test]
#[ignore = "another test runs it as the program"]
fn stand_in_that_aborts() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        std::process::abort();
    });
    run();
}

/// Runs the dashboard in this process.
pub(crate) fn run() {
    let options = warmstart_tui::Options {
        folders: warmstart_runs::shell::FolderOptions::default(),
        experiments: "experiments".into(),
        checkpoints: "checkpoints".into(),
        ascii: false,
        settings: warmstart_tui::config::Loaded::default(),
        mouse: true,
        theme: None,
    };
    warmstart_tui::run(options).unwrap();
}
