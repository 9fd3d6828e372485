//! Mistakes of users, and the error messages.

use rstest::rstest;

use crate::place::Place;

#[rstest]
#[case::verb(&["lst"], 2, "'list'")]
#[case::option(&["list", "--jsn"], 2, "--json")]
#[case::device(&["train", "lite0-freeze", "--device", "tpu"], 2, "expected auto, cpu, cuda or cuda:N")]
#[case::several(&["params", "effnet"], 2, "3-effnet-resized, 4-effnet-freeze, 5-effnet-finetune")]
#[case::mistyped(&["params", "effnet-freze"], 3, "did you mean `effnet-freeze`?")]
#[case::no_file(&["check", "nowhere.yaml"], 3, "there is no file nowhere.yaml")]
#[case::no_run(&["show", "2020"], 3, "no run is called `2020`")]
#[case::no_folder(&["list", "--experiments", "nowhere"], 3, "nowhere")]
#[case::nothing_to_start_from(&["train", "effnet-finetune"], 3, "train `4-effnet-freeze` first")]
#[case::set(&["train", "lite0-freeze", "--set", "train.epochs=0"], 2, "train.epochs: expected a whole number from 1")]
#[case::set_without_value(&["train", "lite0-freeze", "--set", "train.epochs"], 2, "expected FIELD=VALUE")]
fn a_mistake_is_explained(#[case] arguments: &[&str], #[case] code: i32, #[case] text: &str) {
    let place = Place::new();
    let said = place.say(arguments);
    assert_eq!(said.code, code, "{}", said.err);
    assert!(said.err.contains(text), "{}", said.err);
    assert!(!place.checkpoints().exists(), "nothing was started");
}

#[test]
fn a_file_that_has_the_name_of_an_experiment_does_not_hide_it() {
    let place = Place::new();
    place.write("4-effnet-freeze", "an export");
    let said = place.say(&["params", "4-effnet-freeze"]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn a_check_of_a_folder_without_experiments_says_so() {
    let place = Place::new();
    place.write("none/notes.txt", "mine");
    let said = place.say(&["check", "--experiments", "none"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("no experiment file in none"),
        "{}",
        said.err
    );
}

#[test]
fn a_file_whose_name_has_a_space_is_one_word_of_a_proposed_command() {
    let place = Place::new();
    place.write("mine/my pets.yaml", "name: [");
    let said = place.say(&["list", "--experiments", "mine"]);
    assert!(said.err.contains(" 'mine/my pets.yaml'`"), "{}", said.err);
}

#[test]
fn a_file_that_cannot_be_looked_at_is_not_called_absent() {
    let place = Place::new();
    place.write("notes", "");
    let said = place.say(&["train", "notes/mine.yaml"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("Not a directory"), "{}", said.err);
}

#[test]
fn an_experiment_to_start_from_is_not_missed_in_a_folder_that_was_not_searched() {
    let place = Place::new();
    let yaml = "name: a\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
                train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n\
                init: { from: first }\n";
    let heir = place.write("heir.yaml", yaml);
    for command in ["train", "check"] {
        let said = place.say(&[command, &heir, "--experiments", "nowhere"]);
        assert!(said.err.contains("called `first`"), "{}", said.err);
        assert!(said.err.contains(": nowhere"), "{}", said.err);
    }
}

#[test]
fn an_experiment_to_start_from_is_named_without_characters_that_a_terminal_obeys() {
    let place = Place::new();
    let yaml = "name: a\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\n\
                train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";
    place.write("mine/first\u{1b}[2J.yaml", yaml);
    let heir = format!("{yaml}init: {{ from: \"./first\\e[2J.yaml\" }}\n");
    let heir = place.write("mine/heir.yaml", &heir);
    let said = place.say(&["train", &heir]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(
        said.err.contains("train `./first[2J.yaml` first"),
        "{:?}",
        said.err
    );
    assert!(!said.err.contains('\u{1b}'), "{:?}", said.err);
}

#[test]
fn a_beginning_that_fits_one_experiment_names_it() {
    let place = Place::new();
    let said = place.say(&["params", "effnet-fr", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let whole = place.say(&["params", "4-effnet-freeze", "--json"]);
    assert_eq!(said.out, whole.out);
}

#[test]
fn every_problem_of_every_file_is_shown_before_anything_starts() {
    let place = Place::new();
    let good = "name: a\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18 }\ntrain:\n  epochs: 1\n  batch_size: 8\n  \
                optimizer: { name: adam, learning_rate: 0.001 }\n";
    let fine = place.write("fine.yaml", good);
    let first = place.write("first.yaml", &good.replace("epochs", "epoch"));
    let second = place.write(
        "second.yaml",
        &good
            .replace("batch_size: 8", "batch_size: 1")
            .replace("0.001", ".nan"),
    );
    let said = place.say(&["train", &fine, &first, &second]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    for text in [
        "first.yaml:5:3: train.epoch",
        "did you mean `epochs`?",
        "second.yaml:6:15: train.batch_size",
        "second.yaml:7:",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
    assert!(!place.checkpoints().exists());
    let orphan = place.write(
        "orphan.yaml",
        &format!("{good}init: {{ from: 4-effnet-freze }}\n"),
    );
    let said = place.say(&["check", &orphan]);
    assert!(
        said.code == 2
            && said
                .err
                .contains("orphan.yaml:8:15: init.from: no experiment"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("did you mean `4-effnet-freeze`?"),
        "{}",
        said.err
    );
    assert_eq!(place.say(&["train", &orphan]).code, 2);
    let checked = place.say(&["check", &fine, &first, "--json"]);
    let json = checked.json();
    assert_eq!(
        (
            checked.code,
            json[0]["ok"].as_bool(),
            json[1]["ok"].as_bool()
        ),
        (2, Some(true), Some(false))
    );
    assert_eq!(
        (
            json[1]["problems"][0]["line"].as_u64(),
            json[1]["problems"][0]["column"].as_u64()
        ),
        (Some(5), Some(3))
    );
    assert_eq!(place.say(&["check", &fine]).code, 0);
}

#[test]
fn control_characters_in_files_do_not_reach_the_terminal() {
    let place = Place::new();
    for text in [
        // A control character in the file, and one that its YAML stands for.
        "name: a\n\u{1b}[2Jfoo\u{7}: 1\n",
        "name: a\n\"\\e[2Jfoo\\a\": 1\n",
    ] {
        let said = place.say(&["check", &place.write("evil.yaml", text)]);
        assert_eq!(said.code, 2);
        assert!(said.err.contains("[2Jfoo"), "it is quoted: {:?}", said.err);
        assert!(
            !said.err.contains('\u{1b}') && !said.err.contains('\u{7}'),
            "{:?}",
            said.err
        );
    }
}

#[test]
fn json_names_a_file_exactly_and_a_terminal_obeys_nothing_of_it() {
    let place = Place::new();
    // Longer than what a terminal gets of a path.
    let (folder, name) = ("x".repeat(200), "y".repeat(200));
    let file = format!("mine/{folder}/{name}\u{9b}2J\u{202e}.yaml");
    place.write(&file, "name: [\n");
    for verb in ["list", "check"] {
        let in_words = [verb, "--experiments", "mine"];
        let in_json = [&in_words[..], &["--json"]].concat();
        let said = place.say(&in_json);
        assert_eq!(said.json()[0]["file"], file.as_str(), "{verb}");
        for said in [said, place.say(&in_words)] {
            let all = said.out + &said.err;
            assert!(!all.contains(['\u{9b}', '\u{202e}']), "{verb}: {all:?}");
        }
    }
}

#[test]
fn without_a_worker_training_reports_what_to_do_and_the_rest_works() {
    let place = Place::new();
    let without = |arguments: &[&str]| {
        crate::place::said(
            place
                .command(arguments)
                .env("WARMSTART_WORKER", "/nowhere/worker"),
        )
    };
    let said = without(&["train", "lite0-freeze"]);
    assert_eq!(said.code, 4);
    assert!(
        said.err.contains("/nowhere/worker") && said.err.contains("make build"),
        "{}",
        said.err
    );
    assert!(!place.checkpoints().exists());
    assert_eq!(without(&["list"]).code, 0);
    let doctor = without(&["doctor"]);
    assert_eq!(doctor.code, 4);
    assert!(doctor.out.contains("/nowhere/worker"), "{}", doctor.out);
}

#[test]
fn an_unwritable_checkpoints_folder_is_reported() {
    let place = Place::new();
    let file = place.write("a-file", "");
    let said = place.say(&["train", "lite0-freeze", "--checkpoints", &file]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("a-file") && said.err.contains("help: free disk space"),
        "{}",
        said.err
    );
}

#[test]
fn a_name_that_fits_several_experiments_is_refused_with_all_of_them() {
    let place = Place::new();
    let said = place.say(&["train", "lite0-freeze", "lite0-resized", "--quiet"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = place.say(&["show", "lite0-"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(
        said.err.contains(
            "`lite0-` could be more than one experiment: 2-lite0-resized, 4-lite0-freeze"
        ),
        "{}",
        said.err
    );
    assert_eq!(place.say(&["show", "lite0-f"]).code, 0);
}

#[test]
fn a_selftest_whose_runs_break_reports_its_other_checks() {
    let place = Place::new();
    let script = r#"#!/bin/sh
if [ "$1" = selftest ]; then
    echo '{"name":"device","verdict":"passed","text":"fine","seconds":0.1}'
    exit 0
fi
echo 'out of memory' >&2
exit 1
"#;
    let worker = place.write_program("breaks/worker", script);
    let mut command = place.command(&["selftest", "--device", "cpu", "--json"]);
    let said = crate::place::said(command.env("WARMSTART_WORKER", &worker));
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let json = said.json();
    assert_eq!(json["passed"], false);
    let checks = json["checks"].as_array().unwrap();
    let verdicts: Vec<&str> = checks
        .iter()
        .filter_map(|check| check["verdict"].as_str())
        .collect();
    assert_eq!(verdicts, ["passed", "failed"], "{json}");
    let why = checks[1]["text"].as_str().unwrap();
    assert!(!why.is_empty(), "{json}");
}

#[test]
fn a_selftest_of_which_one_name_is_wrong_does_not_pass() {
    let place = Place::new();
    let script = r#"#!/bin/sh
echo '{"name":"optimizer","verdict":"passed","text":"fine","seconds":0.1}'
"#;
    let worker = place.write_program("knows/worker", script);
    let mut command = place.command(&["selftest", "optimizer", "gradeints", "--json"]);
    let said = crate::place::said(command.env("WARMSTART_WORKER", &worker));
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert!(said.err.contains("no check is called gradeints"));
    let json = said.json();
    assert_eq!(json["passed"], false);
    assert_eq!(json["checks"].as_array().map(Vec::len), Some(1), "{json}");
}
