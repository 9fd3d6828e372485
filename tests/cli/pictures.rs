//! Image folders, predictions and exports.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::place::{Place, in_shell};
use crate::width::said_on_terminal;

const OWN: &str = "name: Mine\ndataset: { name: image_folder, path: pictures }\nmodel: { backbone: resnet18, weights: random }\n\
    train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 0.001 } }\n";

#[test]
fn the_number_of_classes_comes_from_the_folder() {
    let place = Place::new();
    let file = place.write("mine.yaml", OWN);
    let said = place.say(&["params", &file]);
    assert_eq!(said.code, 3);
    assert!(
        said.err.contains("pictures cannot be read") && said.err.contains("train/<class>"),
        "{}",
        said.err
    );
    let checked = place.say(&["check", &file]);
    assert_eq!(checked.code, 2);
    let folder = place.folder.path().join("pictures");
    let expected = format!(
        "dataset.path: not here: data: the folder {} cannot be read",
        folder.display()
    );
    assert!(checked.err.contains(&expected), "{}", checked.err);
    for class in ["ape", "bee", "cow\u{1b}[31m"] {
        place.write(&format!("pictures/train/{class}/1.png"), "");
    }
    let said = place.say(&["params", &file]);
    assert!(
        said.out
            .starts_with("Mine: resnet18 at 224 px, 3 classes\n"),
        "{}",
        said.out
    );
    // For each class, the head's last layer has 256 weights and a bias.
    let trainable = |place: &Place| {
        place.say(&["params", &file, "--json"]).json()["trainable_params"]
            .as_u64()
            .unwrap()
    };
    let three = trainable(&place);
    place.write("pictures/train/dog/1.png", "");
    assert_eq!(trainable(&place) - three, 257);
}

/// A file that begins as a PNG of this size does.
fn write_png(place: &Place, name: &str, width: u32, height: u32) {
    let path = place.write(name, "");
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn new_writes_an_experiment_that_check_accepts() {
    let place = Place::new();
    for (class, count) in [("ape", 12), ("bee: \"x\" #1", 50)] {
        for index in 0..count {
            write_png(
                &place,
                &format!("my pictures/{class}/{index}.png"),
                640,
                150,
            );
        }
    }
    let said = place.say(&["new", "--data", "my pictures", "mine/first.yaml"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "mine/first.yaml\n"),
        "{}",
        said.err
    );
    let file = place.folder.path().join("mine/first.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for words in [
        "# Found 62 pictures in 2 classes, from 12 (ape) to 50 (bee",
        "path: \"my pictures\"",
        "150 pixels",
        "resize: 160",
        "class_weights: balanced",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let checked = place.say(&["check", "mine/first.yaml"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    let again = place.say(&["new", "--data", "my pictures", "mine/first.yaml"]);
    assert_eq!(again.code, 2);
    assert!(
        again.err.contains("nothing is overwritten"),
        "{}",
        again.err
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let spaced = place.say(&["new", "--data", "my pictures", "mine/the second.yaml"]);
    let word = "'mine/the second.yaml'`";
    assert_eq!(spaced.err.matches(word).count(), 2, "{}", spaced.err);
    // Without a name, the file is called after the folder.
    let elsewhere = [
        "new",
        "--data",
        "my pictures",
        "--json",
        "--experiments",
        "mine",
    ];
    let named = place.say(&elsewhere);
    assert_eq!(named.json()["file"], "mine/my_pictures.yaml");
    assert_eq!(named.json()["shorter_side"], 150);
    for (folder, code, words) in [
        ("nowhere", 3, "cannot be read"),
        ("my pictures/ape", 3, "ape"),
        ("mine", 3, "mine"),
    ] {
        let said = place.say(&["new", "--data", folder]);
        assert_eq!(said.code, code, "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
}

#[test]
fn new_answers_in_json_where_the_files_name_is_no_text() {
    let place = Place::new();
    for index in 0..12 {
        for class in ["ape", "bee"] {
            write_png(&place, &format!("pictures/{class}/{index}.png"), 64, 64);
        }
    }
    let mut command = place.command(&["new", "--data", "pictures", "--json"]);
    let said = crate::place::said(command.arg(OsStr::from_bytes(b"mi\xffne.yaml")));
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.json()["file"], "mi\u{fffd}ne.yaml");
}

/// The answer of `check` with these findings of the fake worker.
fn check_with(place: &Place, answer: &str, arguments: &[&str]) -> crate::place::Said {
    crate::place::said(
        place
            .command(&[&["check"], arguments].concat())
            .env("STAND_IN_CHECK", answer),
    )
}

#[test]
fn check_counts_the_pictures_of_each_part_and_reports_imbalance() {
    let place = Place::new();
    for class in ["ape", "bee"] {
        place.write(&format!("pictures/train/{class}/1.png"), "");
    }
    let file = place.write("mine.yaml", OWN);
    let answer = r#"{"findings":[{"severity":"warning","field":"dataset","text":"2 pictures in old/ are not used"},
        {"severity":"note","field":"dataset","text":"other files: 1 .txt"}],
        "pictures":{"classes":["ape","bee"],"train":[1,20],"validation":[0,1],"test":[1,4],"own_validation":true,"own_test":false,
        "unreadable":0}}"#
        .replace('\n', " ");
    let checked = check_with(&place, &answer, &[&file]);
    let expected = "  pictures: training 21, validation 1, test 5 (split off)\n  2 classes: ape 1, bee 20\n  \
        imbalance 20.0 to 1: bee 20, ape 1\n  \
        `train.class_weights: balanced` makes up for classes that are so uneven\n  \
        warning: 2 pictures in old/ are not used\n  other files: 1 .txt\n";
    assert!(
        checked.code == 0 && checked.out.ends_with(expected),
        "{}",
        checked.out
    );
    let weighed = OWN.replace("optimizer", "class_weights: balanced, optimizer");
    let checked = check_with(&place, &answer, &[&place.write("weighed.yaml", &weighed)]);
    assert!(
        checked
            .out
            .contains("imbalance 20.0 to 1: bee 20, ape 1\n  warning"),
        "{}",
        checked.out
    );
    let json = check_with(&place, &answer, &[&file, "--json"]).json();
    assert_eq!(
        (&json[0]["ok"], &json[0]["pictures"]["train"][1]),
        (&true.into(), &20.into())
    );
    assert_eq!(
        json[0]["notes"][0]["text"],
        "2 pictures in old/ are not used"
    );
}

#[test]
fn check_fails_where_a_launch_fails_and_is_not_ok_without_an_answer() {
    let place = Place::new();
    for class in ["ape", "bee"] {
        place.write(&format!("pictures/train/{class}/1.png"), "");
    }
    let file = place.write("mine.yaml", OWN);
    let answer = r#"{"findings":[{"severity":"error","field":"dataset","text":"none of 4 can be read","help":"mend"}]}"#;
    let checked = check_with(&place, answer, &[&file]);
    assert_eq!((checked.code, checked.out.as_str()), (2, ""));
    assert!(
        checked.err.contains("mine.yaml:2:") && checked.err.contains("none of 4 can be read"),
        "{}",
        checked.err
    );
    let json = check_with(&place, answer, &[&file, "--json"]);
    assert_eq!((json.code, &json.json()[0]["ok"]), (2, &false.into()));
    assert_eq!(
        json.json()[0]["problems"][0]["message"],
        "none of 4 can be read"
    );

    let mute = place.say_with("no-libtorch", &["check", &file]);
    assert_eq!((mute.code, mute.out.as_str()), (4, ""));
    assert!(
        mute.err.contains("only the files were checked") && mute.err.contains("libtorch_cpu.so"),
        "{}",
        mute.err
    );
    let json = place.say_with("no-libtorch", &["check", &file, "--json"]);
    assert_eq!((json.code, &json.json()[0]["ok"]), (4, &false.into()));
    // Problems of another file do not hide that this one has no verdict.
    let broken = place.write("broken.yaml", "name: [\n");
    for format in [&[] as &[&str], &["--json"]] {
        let arguments = [&["check", file.as_str(), broken.as_str()], format].concat();
        let both = place.say_with("no-libtorch", &arguments);
        assert_eq!(both.code, 2, "{}", both.err);
        assert!(
            both.err.contains("only the files were checked"),
            "{}",
            both.err
        );
    }
    // A download at launch is not an error.
    let lacking = OWN.replace("image_folder, path: pictures", "cifar100");
    let checked = crate::place::said(
        place
            .command(&["check", &place.write("lacking.yaml", &lacking)])
            .env("WARMSTART_DATA", place.folder.path())
            .env("XDG_CACHE_HOME", place.folder.path()),
    );
    assert!(
        checked.code == 0
            && checked
                .out
                .contains("  not here yet: data: cifar100 is downloaded"),
        "{}",
        checked.out
    );
}

#[test]
fn runs_tested_on_other_pictures_are_marked() {
    let place = Place::new();
    for _ in 0..3 {
        assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    }
    let mut ids: Vec<String> = place
        .runs()
        .iter()
        .map(|run| run["run"].as_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    let tested_on = |id: &str, name: &str, sets: &str| {
        let log = place.checkpoints().join(id).join("events.jsonl");
        let text = std::fs::read_to_string(&log).unwrap();
        let facts = format!(r#""name":"{name}"{sets},"train""#);
        std::fs::write(&log, text.replace(r#""name":"emoji98","train""#, &facts)).unwrap();
    };
    let sets = |test: &str| format!(r#","sets":{{"train":"t","validation":"v","test":"{test}"}}"#);
    tested_on(&ids[0], "image_folder", &sets("aa"));
    tested_on(&ids[1], "image_folder", &sets("bb"));
    // Runs of earlier versions do not record their test images.
    tested_on(&ids[2], "image_folder", "");
    let said = place.say(&["compare", "--all", "--format", "md"]).out;
    let note = format!(
        "measured on other test images than Lite0, freeze ({})",
        ids[0]
    );
    assert!(said.contains(&note), "{said}");
    let marked: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with('|') && line.contains('†'))
        .collect();
    assert!(marked.len() == 1 && marked[0].contains(&ids[1]), "{said}");
    let json = place.say(&["compare", "--all", "--json"]).json();
    let of = |id: &str| {
        json.as_array()
            .unwrap()
            .iter()
            .find(|row| row["run"] == id)
            .unwrap()["test_set"]
            .clone()
    };
    assert_eq!(
        [of(&ids[0]), of(&ids[1]), of(&ids[2])],
        ["aa".into(), "bb".into(), serde_json::Value::Null]
    );
    let tests = [
        "compare",
        "--all",
        "--format",
        "md",
        "--columns",
        "run,test_acc",
    ];
    let said = place.say(&tests).out;
    assert!(!said.contains("**"), "none is the best: {said}");
    let validation = [&tests[..5], &["run,val_acc"]].concat();
    let said = place.say(&validation).out;
    assert!(!said.contains("other test images"), "{said}");
    // Runs on the same pictures are comparable.
    let log = place.checkpoints().join(&ids[1]).join("events.jsonl");
    let text = std::fs::read_to_string(&log)
        .unwrap()
        .replace(r#""test":"bb""#, r#""test":"aa""#);
    std::fs::write(&log, text).unwrap();
    assert!(
        !place
            .say(&["compare", "--all", "--format", "md"])
            .out
            .contains("other test images")
    );
    let said = place.say(&tests).out;
    assert!(said.contains("**"), "{said}");
}

#[test]
fn predictions_are_a_list_and_a_bad_picture_hides_no_other() {
    let place = Place::new();
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let said = place.say(&["predict", &run, "good.png", "bad.png"]);
    assert_eq!(
        said.out,
        "good.png\n  1   87.50 %  tiger\n  2   12.50 %  lion\n"
    );
    assert_eq!(
        (said.code, said.err.as_str()),
        (2, "error: bad.png: is empty\n")
    );
    let json = place.say(&["predict", &run, "good.png", "--json"]);
    assert_eq!(
        (
            json.code,
            json.json()["images"][0]["classes"][0]["name"].as_str()
        ),
        (0, Some("tiger"))
    );
    assert_eq!(json.json()["epoch"], 3);

    let refused = place.say_with("no-checkpoint", &["predict", &run, "good.png"]);
    assert_eq!(
        (refused.code, refused.err.as_str()),
        (2, "error: no checkpoint yet\nhelp: wait\n")
    );
    let mute = place.say_with("no-libtorch", &["predict", &run, "good.png"]);
    assert!(
        mute.code == 4 && mute.err.contains("libtorch_cpu.so") && mute.err.contains("doctor"),
        "{}",
        mute.err
    );
    assert_eq!(place.say(&["predict", "nothing", "good.png"]).code, 3);
    assert_eq!(place.say(&["predict", &run]).code, 2);
}

#[test]
fn export_prints_how_to_load_it_and_distinguishes_a_full_disk() {
    let place = Place::new();
    assert_eq!(place.say(&["train", "lite0-freeze", "--quiet"]).code, 0);
    let said = place.say(&["export", "lite0-freeze"]);
    assert_eq!((said.code, said.out.as_str()), (0, "import timm\n"));
    assert!(
        said.err
            .contains("default.safetensors (1,234,567 bytes), x.labels.json, x.config.json"),
        "{}",
        said.err
    );
    let json = place.say(&[
        "export",
        "lite0-freeze",
        "--output",
        "mine.safetensors",
        "--json",
    ]);
    assert_eq!(
        (json.code, json.json()["file"].as_str()),
        (0, Some("mine.safetensors"))
    );

    let refused = place.say_with("no-checkpoint", &["export", "lite0-freeze"]);
    assert_eq!(
        (refused.code, refused.err.as_str()),
        (2, "error: no checkpoint yet\nhelp: wait\n")
    );
    let full = place.say_with("fail", &["export", "lite0-freeze"]);
    assert!(
        full.code == 1 && full.err.ends_with("no space left\nhelp: make room\n"),
        "{}",
        full.err
    );
    assert_eq!(place.say(&["export", "nothing"]).code, 3);
}

#[test]
fn a_picture_of_the_dataset_is_shown_with_both_labels() {
    let place = Place::new();
    let said = place.say(&["look", "lite0-freeze", "7"]);
    let expected = "image number 7 of emoji98, a training image\ncoarse class 8 large_carnivores\nfine class 88 tiger\n";
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (0, expected, "")
    );
    let said = place.say(&["look", "lite0-freeze", "--part", "test"]);
    assert!(said.out.contains("a test image"), "{}", said.out);
    assert!(said.err.is_empty(), "{}", said.err);
    let said = place.say(&["look", "lite0-freeze", "--part", "test", "--epoch", "3"]);
    assert!(
        said.code == 0 && !said.out.contains("epoch") && said.err.contains("--epoch"),
        "{}{}",
        said.out,
        said.err
    );
    let json = place
        .say(&["look", "lite0-freeze", "7", "--epoch", "3", "--json"])
        .json();
    assert_eq!(
        (&json["part"], &json["picture"]["epoch"]),
        (&"train".into(), &3.into())
    );
    assert_eq!(json["picture"]["pixels"]["rgb"], "/wAAAP8AAAD/////");

    let unreadable = place.say(&["look", "lite0-freeze", "13"]);
    assert_eq!(
        (unreadable.code, unreadable.err.as_str()),
        (2, "error: is empty\n")
    );
    assert!(unreadable.out.contains("image number 13"));
    let missing = place.say(&["look", "lite0-freeze", "99"]);
    assert_eq!(
        (missing.code, missing.err.as_str()),
        (2, "error: there is no image 99\n")
    );
    let refused = place.say_with("refused", &["look", "lite0-freeze"]);
    assert_eq!(refused.code, 2);
    assert_eq!(
        refused.err,
        "error: cifar100 is not on this machine\nhelp: download it\n"
    );
    let mute = place.say_with("no-libtorch", &["look", "lite0-freeze"]);
    assert!(
        mute.code == 4 && mute.err.contains("libtorch_cpu.so") && mute.err.contains("doctor"),
        "{}",
        mute.err
    );
    assert_eq!(place.say(&["look", "nothing"]).code, 3);
    assert_eq!(
        place.say(&["look", "lite0-freeze", "7", "--random"]).code,
        2
    );
}

/// `warmstart look` on a terminal, with its stderr elsewhere.
fn drawn(place: &Place, color: &str, variables: &[(&str, &str)]) -> String {
    let plain = place.command(&["look", "lite0-freeze", "7", "--color", color]);
    let mut script = in_shell("exec \"$0\" \"$@\" 2> stderr", &plain);
    script.envs([("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")]);
    script.envs(variables.iter().copied());
    said_on_terminal(&script, 80).concat()
}

#[test]
fn a_picture_has_the_colours_of_stdout() {
    let place = Place::new();
    let no_color = [("NO_COLOR", "1")];
    for (color, variables, is_coloured) in [
        ("auto", &no_color[..0], true),
        ("never", &no_color[..0], false),
        ("auto", &no_color[..], false),
        ("always", &no_color[..], true),
    ] {
        let drawn = drawn(&place, color, variables);
        assert!(drawn.contains("image number 7"), "{drawn:?}");
        assert_eq!(
            drawn.contains("\u{1b}[38;"),
            is_coloured,
            "{color} {variables:?}: {drawn:?}"
        );
    }
}
