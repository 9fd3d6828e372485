//! Launch, follow, stop and resume, with a fake worker.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, in_shell, said, said_by};
use crate::width::bytes_on_terminal;

fn signal(child: &std::process::Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn runs_are_trained_one_after_the_other_and_compared() {
    let place = Place::new();
    let said = place.say(&["train", "lite0-freeze", "lite0-resized", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let json = said.json();
    let rows: Vec<(&str, &str)> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["experiment"].as_str().unwrap(),
                row["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [("Lite0, freeze", "done"), ("Lite0, resized input", "done")]
    );
    assert_eq!(
        (json[0]["test_acc"].as_f64(), json[0]["val_acc"].as_f64()),
        (Some(0.4321), Some(0.43))
    );
    for line in [
        "Lite0, freeze: started on cpu",
        "epoch 3/3",
        "test acc 0.4321",
        "done after 3.5s",
    ] {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    assert!(!said.err.contains('\u{1b}'));
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).err, "");
}

#[test]
fn verify_resume_says_how_long_its_runs_are() {
    for (experiment, option, length) in [
        ("recipes/lite0-probe", "--epochs=2", "4 strengths"),
        ("lite0-freeze", "--set=train.epochs=3", "3 epochs"),
        ("lite0-freeze", "--epochs=1", "1 epoch"),
    ] {
        let place = Place::new();
        let said = place.say_with("no-libtorch", &["verify-resume", experiment, option]);
        let wanted = format!("straight through, {length}\n");
        assert!(said.err.contains(&wanted), "{length}: {}", said.err);
    }
}

#[test]
fn an_experiment_waits_for_the_one_it_starts_from() {
    let place = Place::new();
    let said = place.say(&["train", "lite0-finetune", "lite0-freeze"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let place_of = |text: &str| {
        said.err
            .find(text)
            .unwrap_or_else(|| panic!("{text}\n{}", said.err))
    };
    assert!(
        place_of("Lite0, freeze: done") < place_of("Lite0, fine-tune: started"),
        "{}",
        said.err
    );
    assert_eq!(place.say(&["train", "lite0-finetune", "--quiet"]).code, 0);
}

#[test]
fn detached_run_is_named_and_continues() {
    let place = Place::new();
    let said = place.say(&["train", "lite0-freeze", "--detach"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let id = said.out.trim();
    place.wait_for("lite0-freeze", "done");
    for name in [id, &id[..id.len() - 1], "lite0-freeze"] {
        assert_eq!(place.say(&["show", name, "--json"]).json()["run"], id);
    }
    let text = place.say(&["show", id]).out;
    for part in [
        "Lite0, freeze",
        "0.4321",
        "353,634 trainable",
        "as an unbroken run",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let again = place.say(&["resume", id]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("is finished"), "{}", again.err);
}

#[test]
fn control_c_saves_the_run_unqueues_the_rest_and_resume_continues() {
    let place = Place::new();
    let child = place.spawn("slow", &["train", "lite0-freeze", "lite0-resized"]);
    place.wait_for("lite0-freeze", "training");
    place.wait_for("lite0-resized", "queued");
    signal(&child, Signal::SIGINT);
    let said = said_by(child);
    assert_eq!(said.code, 130, "{}", said.err);
    assert!(
        said.err.contains("Ctrl-C again") && said.err.contains("warmstart resume"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("had not started; it is out of the queue")
            && !said.err.contains("is gone"),
        "{}",
        said.err
    );
    let runs = place.runs();
    assert_eq!(
        runs.len(),
        1,
        "the one that never started left nothing: {runs:?}"
    );
    assert_eq!(runs[0]["state"], "stopped");
    let said = place.say(&["resume", "lite0-freeze"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("resumed after step 10") && !said.err.contains("epoch 1/3"),
        "{}",
        said.err
    );
    assert_eq!(
        place.say(&["show", "lite0-freeze", "--json"]).json()["attempt"]["number"],
        2
    );
}

#[test]
fn a_hangup_leaves_the_runs_running() {
    let place = Place::new();
    let child = place.spawn("slow", &["train", "lite0-freeze"]);
    place.wait_for("lite0-freeze", "training");
    signal(&child, Signal::SIGHUP);
    said_by(child);
    assert_eq!(place.runs()[0]["state"], "training");
    let said = place.say(&["stop", "lite0-freeze"]);
    assert_eq!(said.code, 0, "{}", said.err);
    place.wait_for("lite0-freeze", "stopped");
    assert_eq!(place.say(&["stop", "lite0-freeze"]).code, 2);
}

#[test]
fn stopping_now_ends_a_run_that_can_be_resumed() {
    let place = Place::new();
    place.say_with("slow", &["train", "lite0-freeze", "--detach"]);
    place.wait_for("lite0-freeze", "training");
    assert_eq!(place.say(&["resume", "lite0-freeze"]).code, 2);
    assert_eq!(place.say(&["stop", "lite0-freeze", "--now"]).code, 0);
    place.wait_for("lite0-freeze", "stopped");
    assert_eq!(place.say(&["resume", "lite0-freeze", "--quiet"]).code, 0);
}

#[test]
fn a_failed_run_reports_the_reason_and_its_exit_code() {
    let said = Place::new().say_with("fail", &["train", "lite0-freeze"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("failed: no weights") && said.err.contains("help: bring them"),
        "{}",
        said.err
    );
}

#[test]
fn a_killed_worker_does_not_block_the_next_run() {
    let place = Place::new();
    let said = place.say_with("killed", &["train", "lite0-freeze", "lite0-resized"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert_eq!(
        said.err.matches("killed by SIGKILL").count(),
        2,
        "{}",
        said.err
    );
}

#[test]
fn a_worker_that_does_not_start_is_quoted_with_the_cause_that_is_logged() {
    let place = Place::new();
    let said = place.say_with("no-libtorch", &["train", "lite0-freeze"]);
    assert_eq!(said.code, 4);
    assert!(said.err.contains("libtorch_cpu.so"), "{}", said.err);
    let runs = place.runs();
    let logged = runs[0]["trouble"].as_str().unwrap();
    assert!(said.err.contains(logged), "{logged}: {}", said.err);
}

#[test]
fn bars_are_drawn_on_a_terminal() {
    let place = Place::new();
    let mut command = place.command(&["train", "lite0-freeze"]);
    let bytes = bytes_on_terminal(command.env("TERM", "xterm-256color"), 100);
    let mut screen = vt100::Parser::new(24.try_into().unwrap(), 100.try_into().unwrap(), 0);
    screen.process(&bytes);
    let text = screen.screen().contents();
    assert!(
        text.contains("Lite0, freeze ━━━━━━━━━━━━━━━━━━━━ done  epoch 3/3  test acc 0.4321"),
        "{text}"
    );
}

#[test]
fn runs_launched_before_a_failed_launch_are_followed_to_their_end() {
    let place = Place::new();
    let experiment = |name: &str, weights: &str| {
        format!(
            "name: {name}\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: resnet18, weights: {weights} }}\n\
             train: {{ epochs: 3, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
        )
    };
    let small = place.write("small.yaml", &experiment("Small", "random"));
    // The file size limit is so small that `run.json` does not fit.
    let large = place.write(
        "large.yaml",
        &experiment("Large", &format!("{}.safetensors", "far/".repeat(20_000))),
    );
    let script = "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\"";
    let train = place.command(&["train", &small, &large]);
    let said = said(&mut in_shell(script, &train));
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains("not launched: large"), "{}", said.err);
    assert!(
        said.err.contains("Small: done") && said.out.contains("0.4321"),
        "{}\n{}",
        said.err,
        said.out
    );
    assert_eq!(place.runs().len(), 1);
}
