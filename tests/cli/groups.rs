//! Files with `seeds` and `grid`: which runs a launch makes, and how lists and comparisons show them.

use std::fs;

use serde_json::{Value, json};
use warmstart_runs::event_log::EventWriter;
use warmstart_runs::run::RunDir;
use warmstart_schema::architecture::{ModelCounts, ParamCounts};
use warmstart_schema::event::{Epoch, Event, FailureKind, Halved, ModelFacts, StartedFrom, Test};
use warmstart_schema::experiment::Monitor;

use crate::place::{Place, said};

const PLAIN: &str = "name: Sweep\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
    train: { epochs: 3, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n";
const GRID: &str = "grid: { train.optimizer.learning_rate: [0.1, 0.01] }\n";

fn ids(place: &Place) -> Vec<String> {
    let id = |run: &Value| run["run"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = place.runs().iter().map(id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn all_members_are_trained_and_none_that_is_done_is_trained_again() {
    let place = Place::new();
    let file = place.write("sweep.yaml", &format!("{PLAIN}seeds: [1, 2]\n{GRID}"));
    let said = place.say(&["train", &file, "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("Sweep, 4 runs: 4 to train"),
        "{}",
        said.err
    );
    let before = ids(&place);
    assert_eq!(before.len(), 4);
    let rows = said.json();
    let names: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["experiment"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["Sweep, learning_rate 0.1", "Sweep, learning_rate 0.01"]
    );
    assert_eq!(rows[0]["group"]["n"]["val_acc"], 2);

    let again = place.say(&["train", &file, "--json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(
        again.err.contains("4 runs: 4 done and skipped"),
        "{}",
        again.err
    );
    assert_eq!(ids(&place), before);

    // Another seed, a comment and another name extend the group.
    let wider = PLAIN.replace("Sweep", "Wider");
    place.write(
        "sweep.yaml",
        &format!("# more\n{wider}seeds: [1, 2, 3]\n{GRID}"),
    );
    let more = place.say(&["train", &file, "--detach"]);
    assert!(
        more.err.contains("6 runs: 2 to train, 4 done and skipped"),
        "{}",
        more.err
    );
    assert_eq!(more.out.lines().count(), 2);
    // Another setting is another group.
    let other = place.say(&["train", &file, "--set", "train.epochs=2", "--detach"]);
    assert!(other.err.contains("6 runs: 6 to train"), "{}", other.err);
}

#[test]
fn a_member_is_an_ordinary_run_that_names_its_group() {
    let place = Place::new();
    let file = place.write("sweep.yaml", &format!("{PLAIN}seeds: [5]\n{GRID}"));
    assert_eq!(place.say(&["train", &file, "--quiet"]).code, 0);
    for id in ids(&place) {
        let folder = place.checkpoints().join(&id);
        let yaml = fs::read_to_string(folder.join("experiment.yaml")).unwrap();
        assert!(
            !yaml.contains("seeds:") && !yaml.contains("grid:"),
            "{yaml}"
        );
        assert!(yaml.contains("seed: 5"), "{yaml}");
        let info = RunDir::new(folder).info().unwrap();
        let member = info.member.unwrap();
        assert_eq!(member.seed, 5);
        assert_eq!(member.settings[0].field, "train.optimizer.learning_rate");
        assert!(yaml.contains(&format!("learning_rate: {}", member.settings[0].value)));
    }
    let list = place.say(&["list", "--json", "--experiments", "."]).json();
    assert_eq!(list[0]["newest"]["members"]["all"], 2);
    assert_eq!(list[0]["changed"], false);
}

#[test]
fn a_stopped_member_is_resumed_and_the_others_stay() {
    let place = Place::new();
    let file = place.write("sweep.yaml", &format!("{PLAIN}seeds: [1, 2]\n"));
    let said = place.say_with("slow", &["train", &file, "--detach", "--slots", "2"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let all = ids(&place);
    let wait_for_all = |state: &str| {
        let began = std::time::Instant::now();
        while !place.runs().iter().all(|run| run["state"] == state) {
            assert!(began.elapsed().as_secs() < 30, "{:?}", place.runs());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait_for_all("training");
    for id in &all {
        assert_eq!(place.say(&["stop", id]).code, 0);
    }
    wait_for_all("stopped");
    let resumed = place.say(&["train", &file]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(
        resumed.err.contains("2 runs: 2 to resume"),
        "{}",
        resumed.err
    );
    // Both runs are of one group.
    assert!(!resumed.out.contains("t-test"), "{}", resumed.out);
    assert_eq!(ids(&place), all);
    assert!(place.runs().iter().all(|run| run["attempt"] == 2));
}

/// A done member, by its group and settings.
fn member(place: &Place, id: &str, stem: &str, (rate, seed): (&str, u64), figures: [f64; 2]) {
    let dir = RunDir::new(place.checkpoints().join(id));
    fs::create_dir_all(dir.path()).unwrap();
    let info = json!({
        "format": 1, "id": id, "experiment": format!("{stem}, rate {rate}"), "group": "g", "stem": stem,
        "source": format!("{stem}.yaml"), "device": "cpu", "created": "2026-01-01T00:00:00Z",
        "member": { "group": stem, "seed": seed,
            "settings": [{ "field": "train.optimizer.learning_rate", "value": rate }] },
    });
    dir.write_info(&serde_json::from_value(info).unwrap())
        .unwrap();
    let yaml = PLAIN.replace("0.001", rate) + &format!("seed: {seed}\n");
    fs::write(dir.experiment_yaml(), yaml).unwrap();
    let [val, test] = figures;
    let epoch = Epoch {
        epoch: 1,
        step: 10,
        train_loss: 1.0,
        train_acc: 0.5,
        val_loss: 1.0 - val,
        val_acc: val,
        best: true,
        ..Epoch::default()
    };
    let mut log = EventWriter::open(&dir.events()).unwrap();
    for event in [
        Event::Epoch(epoch),
        Event::Test(Test {
            epoch: 1,
            loss: 1.0,
            accuracy: test,
            views: None,
        }),
        Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        },
    ] {
        log.write(&event).unwrap();
    }
    log.sync().unwrap();
}

/// Two groups. In `alpha` the rate 0.1 has the better validation and the worse test.
fn two_groups() -> Place {
    let place = Place::new();
    for (index, (stem, rate, seed, figures)) in [
        ("alpha", "0.1", 1, [0.71, 0.61]),
        ("alpha", "0.1", 2, [0.72, 0.64]),
        ("alpha", "0.1", 3, [0.76, 0.62]),
        ("alpha", "0.01", 1, [0.50, 0.90]),
        ("alpha", "0.01", 2, [0.52, 0.91]),
        ("beta", "0.5", 2, [0.75, 0.66]),
        ("beta", "0.5", 3, [0.78, 0.67]),
        ("beta", "0.5", 1, [0.73, 0.62]),
        ("beta", "0.5", 9, [0.10, 0.10]),
    ]
    .into_iter()
    .enumerate()
    {
        member(
            &place,
            &format!("2026010{index}-000000-aaaa"),
            stem,
            (rate, seed),
            figures,
        );
    }
    place
}

#[test]
fn only_the_settings_that_validation_chose_show_their_test_figure() {
    let place = two_groups();
    let rows = place.say(&["compare", "alpha", "--json"]).json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["group"]["chosen"], &rows[1]["group"]["chosen"]),
        (&json!(true), &json!(false))
    );
    assert!((rows[0]["test_acc"].as_f64().unwrap() - (0.61 + 0.64 + 0.62) / 3.0).abs() < 1e-12);
    assert_eq!(rows[1]["test_acc"], Value::Null);
    assert_eq!(rows[1]["group"]["members"][0]["test_acc"], Value::Null);
    assert_eq!(rows[0]["group"]["members"].as_array().unwrap().len(), 3);
    let text = place.say(&["compare", "alpha", "--members"]).out;
    assert!(
        text.contains("seed 3") && text.contains("read once"),
        "{text}"
    );
    // A run without an end leaves the choice open.
    let log = place
        .checkpoints()
        .join("20260104-000000-aaaa/events.jsonl");
    let lines = fs::read_to_string(&log).unwrap();
    fs::write(&log, lines.lines().next().unwrap().to_owned() + "\n").unwrap();
    let rows = place.say(&["compare", "alpha", "--json"]).json();
    assert_eq!(rows[0]["test_acc"], Value::Null);
    assert_eq!(rows[0]["group"]["chosen"], Value::Null);
}

#[test]
fn differences_do_not_tell_a_test_figure_that_is_withheld() {
    let place = two_groups();
    // Validation did not choose its settings.
    let withheld = "20260103-000000-aaaa";
    let tuned = "20260109-000000-aaaa";
    member(&place, tuned, "tuned", ("0.1", 1), [0.70, 0.65]);
    let facts = ModelFacts {
        backbone: "resnet18".to_owned(),
        pixels: 32,
        weights: "in words".to_owned(),
        started_from: Some(StartedFrom {
            run: withheld.parse().unwrap(),
            step: 10,
        }),
        counts: ModelCounts {
            blocks: Vec::new(),
            total: ParamCounts::default(),
        },
        cached_features: false,
        preparation: None,
    };
    let log = RunDir::new(place.checkpoints().join(tuned)).events();
    let mut log = EventWriter::open(&log).unwrap();
    log.write(&Event::Model(facts)).unwrap();
    let known = |names: &[&str]| {
        let options = ["--baseline", withheld, "--json"];
        let arguments = [&["compare"][..], names, &options].concat();
        let rows = place.say(&arguments).json();
        let row = rows.as_array().unwrap().last().unwrap();
        let of = |differences: &str| {
            ["val_acc", "test_acc"].map(|metric| row[differences][metric].is_f64())
        };
        [of("delta"), of("gain")]
    };
    assert_eq!(known(&["beta", "tuned"]), [[true, false]; 2]);
    assert_eq!(known(&[tuned]), [[true, true]; 2], "named one by one");
}

#[test]
fn settings_without_a_member_that_is_done_name_no_run_and_no_seed() {
    let place = two_groups();
    for id in ["20260103-000000-aaaa", "20260104-000000-aaaa"] {
        let log = place.checkpoints().join(id).join("events.jsonl");
        let lines = fs::read_to_string(&log).unwrap();
        fs::write(&log, lines.lines().next().unwrap().to_owned() + "\n").unwrap();
    }
    let rows = place.say(&["compare", "alpha", "--json"]).json();
    let row = |name: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        let row = rows.find(|row| row["experiment"] == name).unwrap();
        row["group"].clone()
    };
    let (done, open) = (row("alpha, rate 0.1"), row("alpha, rate 0.01"));
    assert_eq!(done["runs"].as_array().map(Vec::len), Some(3), "{rows}");
    assert_eq!(done["seeds"], json!([1, 2, 3]));
    assert_eq!((&open["runs"], &open["seeds"]), (&json!([]), &json!([])));
    assert_eq!(open["members"].as_array().map(Vec::len), Some(2), "{rows}");
    let csv = place.say(&["compare", "alpha", "--format", "csv"]).out;
    let line = csv.lines().find(|line| line.contains("rate 0.01"));
    assert!(line.is_some_and(|line| !line.contains("seeds")), "{csv}");
}

#[test]
fn settings_with_a_single_member_name_its_run_and_its_seed() {
    let (place, id) = (Place::new(), "20260101-000000-aaaa");
    member(&place, id, "alpha", ("0.1", 7), [0.71, 0.61]);
    let rows = place.say(&["compare", "alpha", "--json"]).json();
    let group = &rows[0]["group"];
    assert_eq!(
        (&group["runs"], &group["seeds"]),
        (&json!([id]), &json!([7]))
    );
}

/// Reference: `SciPy` 1.17, `ttest_rel([0.73, 0.75, 0.78], [0.71, 0.72, 0.76])`.
#[test]
fn two_groups_are_compared_by_equal_seeds() {
    let place = two_groups();
    let rows = place.say(&["compare", "alpha", "beta", "--json"]).json();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["paired"].is_object())
        .unwrap();
    assert_eq!(row["experiment"], "beta, rate 0.5");
    let test = &row["paired"]["tests"]["val_acc"];
    assert_eq!((&test["n"], &test["df"]), (&json!(3), &json!(2)));
    for (key, expected) in [
        ("mean_difference", 0.023_333_333_333_333_33),
        ("t", 7.000_000_000_000_001),
        ("p", 0.019_803_941_180_393_133),
    ] {
        let found = test[key].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-9 * expected.abs(),
            "{key} {found}"
        );
    }
    let text = place.say(&["compare", "alpha", "beta"]).out;
    assert!(
        text.contains("paired t-test, two-sided, by 3 equal seeds"),
        "{text}"
    );
    let csv = place
        .say(&["compare", "alpha", "beta", "--format", "csv"])
        .out;
    assert!(csv.contains("paired t-test"), "{csv}");
}

#[test]
fn a_group_that_two_of_its_members_name_is_not_compared_with_itself() {
    let place = two_groups();
    let members = ["20260103-000000-aaaa", "20260104-000000-aaaa"];
    let said = place.say(&["compare", members[0], members[1], "--groups"]);
    assert!(
        said.out.contains("alpha") && !said.out.contains("t-test"),
        "{}",
        said.out
    );
}

#[test]
fn the_paired_test_is_at_the_second_group_even_if_both_are_equal_but_for_their_names() {
    let place = two_groups();
    for index in 5..9 {
        let id = format!("2026010{index}-000000-aaaa");
        let dir = RunDir::new(place.checkpoints().join(id));
        let mut info = dir.info().unwrap();
        info.member.as_mut().unwrap().group = "alpha".to_owned();
        dir.write_info(&info).unwrap();
    }
    let rows = place.say(&["compare", "alpha", "beta", "--json"]).json();
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["paired"].is_object()).unwrap();
    assert_eq!(row["experiment"], "beta, rate 0.5");
}

#[test]
fn a_comparison_says_that_no_member_of_the_second_group_is_done() {
    let place = two_groups();
    for index in 0..5 {
        let id = format!("2026010{index}-000000-aaaa");
        let dir = RunDir::new(place.checkpoints().join(id));
        fs::remove_file(dir.events()).unwrap();
        let mut log = EventWriter::open(&dir.events()).unwrap();
        log.write(&Event::Failed {
            kind: FailureKind::Input,
            error: "no weights".to_owned(),
            help: String::new(),
        })
        .unwrap();
        log.sync().unwrap();
    }
    let text = paired_text(&place);
    assert!(text.contains("no member of alpha"), "{text}");
}

/// What the comparison of `beta` with `alpha` says in place of a paired test.
fn paired_text(place: &Place) -> String {
    let rows = place.say(&["compare", "beta", "alpha", "--json"]).json();
    let mut texts = rows
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["paired"]["text"].as_str());
    texts.next().unwrap_or_else(|| panic!("{rows}")).to_owned()
}

#[test]
fn a_comparison_says_that_validation_cannot_choose_where_all_members_diverged() {
    let place = two_groups();
    let members = [("0.1", 1), ("0.1", 2), ("0.1", 3), ("0.01", 1), ("0.01", 2)];
    for (index, settings) in members.into_iter().enumerate() {
        let id = format!("2026010{index}-000000-aaaa");
        fs::remove_dir_all(place.checkpoints().join(&id)).unwrap();
        member(&place, &id, "alpha", settings, [f64::NAN, 0.5]);
    }
    let text = paired_text(&place);
    assert!(
        text.contains("of alpha") && text.contains("not finite") && !text.contains("is done"),
        "{text}"
    );
}

#[test]
fn settings_that_halving_stopped_have_ended_and_are_not_chosen() {
    let place = two_groups();
    let loser = RunDir::new(place.checkpoints().join("20260103-000000-aaaa"));
    let other = RunDir::new(place.checkpoints().join("20260104-000000-aaaa"));
    for dir in [&loser, &other] {
        let mut info = dir.info().unwrap();
        let halving = json!({ "epochs": [1], "monitor": "val_loss" });
        info.member.as_mut().unwrap().halving = serde_json::from_value(halving).unwrap();
        dir.write_info(&info).unwrap();
        let log = fs::read_to_string(dir.events()).unwrap();
        let trained: Vec<&str> = log.lines().take(2).collect();
        fs::write(dir.events(), trained.join("\n") + "\n").unwrap();
        let mut log = EventWriter::open(&dir.events()).unwrap();
        log.write(&Event::Paused {
            epoch: 1,
            step: 10,
            train_time: 1.0,
        })
        .unwrap();
        log.write(&Event::Halved(Halved {
            epoch: 1,
            rank: 2,
            of: 2,
            monitor: Monitor::ValLoss,
            figure: Some(0.49),
            continues: false,
        }))
        .unwrap();
        log.sync().unwrap();
    }
    let rows = place.say(&["compare", "alpha", "--json"]).json();
    assert_eq!(
        (&rows[0]["group"]["chosen"], &rows[1]["group"]["chosen"]),
        (&json!(true), &json!(false))
    );
    assert!(rows[0]["test_acc"].is_number());
    let text = place.say(&["compare", "alpha", "--columns", "state"]).out;
    assert!(text.contains("halved"), "{text}");
    let shown = place
        .say(&["show", "20260103-000000-aaaa", "--json"])
        .json();
    assert_eq!(shown["state"], "halved");
    assert_eq!(shown["halving"]["rounds"][0]["rank"], 2);
    let text = place.say(&["show", "20260103-000000-aaaa"]).out;
    assert!(
        text.contains("stopped by halving")
            && text.contains("epoch 1, 2nd of 2 settings by val_loss (0.4900)"),
        "{text}"
    );
    let runs = place.say(&["runs", "--filter", "state:halved", "--json"]);
    assert_eq!(runs.json().as_array().unwrap().len(), 2);
}

#[test]
fn the_queue_is_listed_where_a_due_round_cannot_be_decided() {
    let place = two_groups();
    let ids = ["20260103-000000-aaaa", "20260104-000000-aaaa"];
    for id in ids {
        let dir = RunDir::new(place.checkpoints().join(id));
        let mut info = dir.info().unwrap();
        let halving = json!({ "epochs": [1], "monitor": "val_loss" });
        info.member.as_mut().unwrap().halving = serde_json::from_value(halving).unwrap();
        dir.write_info(&info).unwrap();
        let log = fs::read_to_string(dir.events()).unwrap();
        fs::write(dir.events(), log.lines().next().unwrap().to_owned() + "\n").unwrap();
        let attempt = json!({
            "number": 1, "worker": { "boot_id": "b", "pid": 7, "start_ticks": 9 }, "host": "h", "device": "cpu",
            "device_name": "d", "device_reason": "asked for", "threads": 2, "libtorch": "2.13", "epochs": 3,
            "resumed_from": null,
        });
        let mut log = EventWriter::open(&dir.events()).unwrap();
        for event in [
            Event::Attempt(serde_json::from_value(attempt).unwrap()),
            Event::Epoch(Epoch {
                epoch: 1,
                step: 10,
                ..Epoch::default()
            }),
            Event::Paused {
                epoch: 1,
                step: 10,
                train_time: 1.0,
            },
        ] {
            log.write(&event).unwrap();
        }
        log.sync().unwrap();
    }
    let queue = json!({ "waiting": [], "active": [], "halving": [ids] });
    place.write("checkpoints/queue.json", &queue.to_string());
    let listed = said(
        place
            .command(&["queue", "--json"])
            .env("WARMSTART_WORKER", "/nowhere/worker"),
    );
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(
        listed.err.contains("the worker is missing"),
        "{}",
        listed.err
    );
    assert_eq!(listed.json()["halving"].as_array().unwrap().len(), 1);
}

#[test]
fn a_group_and_a_single_member_are_not_mixed_up() {
    let place = two_groups();
    let said = place.say(&["compare", "alpha", "20260105-000000-aaaa"]);
    assert_eq!(said.code, 2, "{}", said.err);
    let single = place
        .say(&["compare", "20260103-000000-aaaa", "--json"])
        .json();
    assert_eq!(single[0]["test_acc"], 0.90);
    let groups = place
        .say(&["compare", "20260103-000000-aaaa", "--groups", "--json"])
        .json();
    assert_eq!(groups.as_array().unwrap().len(), 2);
}

#[test]
fn a_group_is_named_by_the_number_of_its_file() {
    let place = Place::new();
    // The ids of its runs begin with the same digit.
    for (id, seed, figures) in [
        ("20260101-000000-aaaa", 1, [0.71, 0.61]),
        ("20260102-000000-aaaa", 2, [0.72, 0.64]),
    ] {
        member(&place, id, "2-sweep", ("0.1", seed), figures);
    }
    for name in ["2", "2-sweep"] {
        let rows = place.say(&["compare", name, "--json"]).json();
        let members = rows[0]["group"]["members"].as_array();
        assert_eq!(members.map(Vec::len), Some(2), "{name}: {rows}");
    }
}

#[test]
fn a_group_that_is_named_twice_is_launched_once() {
    let place = Place::new();
    let file = place.write("sweep.yaml", &format!("{PLAIN}seeds: [1, 2]\n"));
    let said = place.say(&["train", &file, &file, "--detach"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("Sweep is named twice"), "{}", said.err);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert_eq!(ids(&place).len(), 2);
}
