//! `warmstart prefetch` with a fake worker; the worker's tests cover real downloads.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, said_by};

/// The items of an answer, in its order.
fn items(json: &serde_json::Value) -> Vec<String> {
    let item = |had: &serde_json::Value| had["item"].as_str().unwrap().to_owned();
    json.as_array().unwrap().iter().map(item).collect()
}

#[test]
fn prefetch_downloads_everything_the_experiments_need_once() {
    let place = Place::new();
    let said = place.say(&["prefetch", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let items = items(&said.json());
    assert_eq!(
        items,
        [
            "cifar100",
            "resnet50",
            "efficientnet_b0",
            "tf_efficientnet_lite0",
            "resnet50.tv_in1k"
        ]
    );
    let one_each: Vec<&str> = said.err.lines().collect();
    let expected = [
        "downloading from the publisher",
        "cifar100: 5 %, 5.00 MB of 100.00 MB",
        "cifar100: 40 %, 40.00 MB of 100.00 MB",
        "cifar100: 100 %, 100.00 MB of 100.00 MB",
    ];
    assert_eq!(one_each, expected, "a line each tenth");
}

#[test]
fn prefetch_downloads_the_named_data_from_the_mirror() {
    let place = Place::new();
    let arguments = [
        "prefetch",
        "effnet-freeze",
        "--dataset",
        "cifar10",
        "--backbone",
        "resnet18",
        "--backbone",
        "resnet18.tv_in1k",
        "--backbone",
        "resnet18.a1_in1k",
        "--mirror",
        "http://m",
    ];
    let said = place.say(&arguments);
    let expected = "cifar100: downloaded: /data/cifar100\nefficientnet_b0: downloaded: /data/efficientnet_b0\n\
                    cifar10: downloaded: /data/cifar10\nresnet18: downloaded: /data/resnet18\n\
                    resnet18.tv_in1k: downloaded: /data/resnet18.tv_in1k\n";
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, expected),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("downloading from http://m"),
        "{}",
        said.err
    );
    let said = place.say(&["prefetch", "--dataset", "cifar100", "--quiet"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let said = place.say(&["prefetch", "lite0-finetune"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert!(
        said.err.contains("nothing of this has to be downloaded"),
        "{}",
        said.err
    );
}

#[test]
fn prefetch_downloads_what_each_run_of_a_grid_needs() {
    let place = Place::new();
    let text = "name: Sweep\ndataset: { name: emoji98 }\nmodel: { backbone: efficientnet_b0, weights: imagenet }\n\
        train: { epochs: 3, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n\
        seeds: [1, 2]\ngrid: { model.backbone: [resnet18, resnet50] }\n";
    let said = place.say(&["prefetch", "--json", &place.write("sweep.yaml", text)]);
    assert_eq!(said.code, 0, "{}", said.err);
    let items = items(&said.json());
    assert_eq!(items, ["resnet18", "resnet50"]);
}

#[test]
fn a_wrong_name_is_refused_before_anything_starts() {
    let place = Place::new();
    let started = "downloading from";
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--dataset", "emoji98"], 2, "expected cifar100 or cifar10"),
        (&["--backbone", "resnet"], 2, "`warmstart models` lists all"),
        (
            &["--backbone", "resnet18.tv2_in1k"],
            2,
            "expected a1_in1k, tv_in1k",
        ),
        (&["nothing-like-it"], 3, "nothing-like-it"),
    ];
    for (wrong, code, sign) in cases {
        let said = place.say(&[&["prefetch", "--dataset", "cifar100"][..], wrong].concat());
        assert!(said.code == code && said.err.contains(sign), "{}", said.err);
        assert!(!said.err.contains(started), "{}", said.err);
    }
    let right = place.say(&["prefetch", "--dataset", "cifar100"]);
    assert!(right.err.contains(started), "{}", right.err);
}

#[test]
fn failed_downloads_are_reported_beside_successful_ones() {
    let said = Place::new().say_with("fail", &["prefetch"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.contains("cannot be downloaded: no such host")
            && said.err.contains("help: set WARMSTART_MIRROR")
    );
    assert!(said.out.contains("resnet50: downloaded"), "{}", said.out);
    let said = Place::new().say_with("fail", &["prefetch", "--json", "--dataset", "cifar100"]);
    assert_eq!(said.json()[0]["help"], "set WARMSTART_MIRROR");
}

#[test]
fn a_report_that_is_not_understood_is_no_success() {
    let place = Place::new();
    let script = "#!/bin/sh\necho '{\"says\":\"what a later version says\"}'\n";
    let worker = place.write_program("later/worker", script);
    let mut command = place.command(&["prefetch", "--dataset", "cifar100"]);
    let said = crate::place::said(command.env("WARMSTART_WORKER", &worker));
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("0 of 1"), "{}", said.err);
}

#[test]
fn control_c_ends_prefetch_and_says_how_to_resume() {
    let place = Place::new();
    let mut child = place.spawn("slow", &["prefetch"]);
    let mut first = [0; 8];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut first).unwrap();
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let said = said_by(child);
    assert_eq!(said.code, 130, "{}", said.err);
    assert!(
        said.err.contains("run the same command again"),
        "{}",
        said.err
    );
}

#[test]
fn doctor_reports_present_data_and_possible_downloads() {
    let place = Place::new();
    let data = place.folder.path().join("data");
    std::fs::create_dir_all(data.join("cifar-100-binary")).unwrap();
    for file in ["train.bin", "test.bin"] {
        std::fs::write(data.join("cifar-100-binary").join(file), "").unwrap();
    }
    let doctor = |offline: &str| {
        let mut command = place.command(&["doctor", "--json"]);
        command
            .env("WARMSTART_DATA", &data)
            .env("HF_HUB_CACHE", place.folder.path().join("hub"));
        command
            .env("XDG_CACHE_HOME", place.folder.path())
            .env("HF_HUB_OFFLINE", offline);
        crate::place::said(&mut command).json()
    };
    let finding = |json: &serde_json::Value, what: &str| {
        json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["what"] == what)
            .unwrap()
            .clone()
    };
    let json = doctor("0");
    let (datasets, weights) = (finding(&json, "datasets"), finding(&json, "weights"));
    let found = datasets["found"].as_str().unwrap();
    assert!(
        found.contains("built in: emoji98") && found.contains("/data: cifar100"),
        "{found}"
    );
    assert!(found.contains("2 of 3 here; "), "{found}");
    assert!(
        weights["found"].as_str().unwrap().contains("/hub"),
        "{weights}"
    );
    assert!(
        datasets["ok"] == true
            && datasets["help"]
                .as_str()
                .unwrap()
                .contains("warmstart prefetch"),
        "{datasets}"
    );
    let datasets = finding(&doctor("1"), "datasets");
    assert!(
        datasets["ok"] == false
            && datasets["help"]
                .as_str()
                .unwrap()
                .contains("HF_HUB_OFFLINE"),
        "{datasets}"
    );
}

#[test]
fn doctor_reports_a_folder_of_runs_that_is_a_link_to_nothing() {
    let place = Place::new();
    let gone = place.folder.path().join("gone");
    std::os::unix::fs::symlink(&gone, place.checkpoints()).unwrap();
    let checkpoints = || {
        let json = place.say(&["doctor", "--json"]).json();
        let mut findings = json["findings"].as_array().unwrap().iter();
        let found = findings.find(|finding| finding["what"] == "checkpoints");
        found.unwrap().clone()
    };
    assert_eq!(checkpoints()["ok"], false);
    std::fs::create_dir(gone).unwrap();
    assert_eq!(checkpoints()["ok"], true);
}
