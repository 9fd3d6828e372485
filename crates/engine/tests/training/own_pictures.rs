//! The real worker on folders of pictures.

use std::path::{Path, PathBuf};
use std::process::Command;

use tch::Device;
use warmstart_engine::data;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment;
use warmstart_schema::prediction::{Answer, Predictions};

use super::pictures::{broken, folder};
use super::support::command;
use super::*;

/// A run of the small model on the pictures in `data`.
fn run_on(root: &Path, data: &Path, changes: &[&str]) -> RunDir {
    let dataset = format!("dataset={{name: image_folder, path: {}}}", data.display());
    let changes = [
        &[dataset.as_str(), "input.resize=32", "train.batch_size=8"],
        changes,
    ]
    .concat();
    new_run(root, &changes).0
}

fn notes(run: &RunDir) -> Vec<String> {
    state(run).notes.into_iter().map(|note| note.text).collect()
}

fn predict(run: &RunDir, images: &[PathBuf]) -> Answer {
    let worker = env!("CARGO_BIN_EXE_warmstart-worker");
    let output = Command::new(worker)
        .arg("predict")
        .arg(run.path())
        .args(images)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn predictions(run: &RunDir, images: &[PathBuf]) -> Predictions {
    match predict(run, images) {
        Answer::Predictions(predictions) => predictions,
        Answer::Refused { error, help } => panic!("{error}; {help}"),
    }
}

/// All pictures of a part, each with its class.
fn pictures_in(part: &Path) -> Vec<(String, PathBuf)> {
    let entries = |folder: &Path| {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    let class = |folder: &PathBuf| folder.file_name().unwrap().to_str().unwrap().to_owned();
    entries(part)
        .iter()
        .flat_map(|folder| {
            entries(folder)
                .into_iter()
                .map(|path| (class(folder), path))
        })
        .collect()
}

#[test]
fn a_folder_is_split_trained_on_stopped_and_resumed_to_the_same_bits() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &[""]);
    for (name, bytes, _) in broken() {
        fs::write(data.join("red").join(name), bytes).unwrap();
    }
    let changes = ["train.epochs=3", "train.class_weights=balanced"];
    let straight = run_on(root.path(), &data, &changes);
    assert!(finish(&straight), "{}", log(&straight));
    let told = state(&straight);
    let dataset = told.dataset.unwrap();
    // 12, 20 and 31 readable pictures: about a fifth is for the test, then 30 % of the others for validation.
    assert_eq!(
        (
            dataset.train + dataset.validation + dataset.test,
            dataset.classes
        ),
        (63, 3)
    );
    assert!(
        (5..=22).contains(&dataset.test) && (7..=25).contains(&dataset.validation),
        "{dataset:?}"
    );
    let (smallest, largest) = (dataset.smallest.unwrap(), dataset.largest.unwrap());
    let images = straight.labels().unwrap().unwrap().train_images;
    assert_eq!(
        (Some(&smallest.images), Some(&largest.images)),
        (images.iter().min(), images.iter().max())
    );
    assert_eq!(largest.name, "red");
    assert!(
        told.epochs
            .iter()
            .all(|epoch| (0.0..=1.0).contains(&epoch.data_wait.unwrap()))
    );
    let notes = notes(&straight);
    let left_out: Vec<&String> = notes
        .iter()
        .filter(|note| note.starts_with("left out"))
        .collect();
    let count: usize = left_out
        .iter()
        .map(|note| note.split(' ').nth(2).unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(count, broken().len(), "{notes:?}");
    assert!(
        log(&straight).contains("red/text.png: is not a supported picture"),
        "{}",
        log(&straight)
    );
    let labels = straight.labels().unwrap().unwrap();
    assert_eq!(
        (labels.names.join(","), labels.train_images.iter().sum()),
        ("blue ones,green,red".to_owned(), dataset.train)
    );

    let stopped = run_on(root.path(), &data, &changes);
    let stop = command(&stopped).args(["--stop-after", "2"]).status();
    assert!(stop.unwrap().success(), "{}", log(&stopped));
    let half = last(&stopped).state;
    assert!(half.batch > 0 && half.epoch == 0, "{half:?}");
    assert!(finish(&stopped), "{}", log(&stopped));
    assert_eq!(state(&stopped).attempt.unwrap().not_exact, [""; 0]);
    assert_eq!(
        (last(&stopped), figures(&stopped)),
        (last(&straight), figures(&straight))
    );
}

#[test]
fn a_run_predicts_the_test_pictures_like_its_evaluation() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &["train", "val", "test"]);
    // The cached features of the frozen base come from the same pictures.
    let run = run_on(
        root.path(),
        &data,
        &["model.freeze=backbone", "augment={}", "train.epochs=6"],
    );
    assert!(finish(&run), "{}", log(&run));
    let measured = state(&run).test.unwrap();
    let pictures = pictures_in(&data.join("test"));
    let paths: Vec<PathBuf> = pictures.iter().map(|(_, path)| path.clone()).collect();
    let answer = predictions(&run, &paths);
    assert_eq!((answer.images.len(), answer.epoch), (63, measured.epoch));
    let (mut right, mut loss) = (0.0, 0.0);
    for ((class, _), predicted) in pictures.iter().zip(&answer.images) {
        right += f64::from(predicted.classes[0].name == *class);
        loss -= predicted
            .classes
            .iter()
            .find(|other| other.name == *class)
            .unwrap()
            .probability
            .ln();
        assert!(
            (predicted
                .classes
                .iter()
                .map(|class| class.probability)
                .sum::<f64>()
                - 1.0)
                .abs()
                < 1e-9
        );
    }
    assert!(
        (right / 63.0 - measured.accuracy).abs() < 1e-12,
        "{right} of 63, {measured:?}"
    );
    assert!(
        (loss / 63.0 - measured.loss).abs() < 1e-5,
        "{} {measured:?}",
        loss / 63.0
    );
    // The classes differ in colour, so a model that has learnt is better than chance.
    assert!(measured.accuracy > 0.6, "{measured:?}");

    let none = root.path().join("none.png");
    let mixed = predictions(&run, &[none, paths[0].clone()]);
    assert!(
        mixed.images[0]
            .error
            .as_ref()
            .unwrap()
            .contains("cannot be read: No such file"),
        "{mixed:?}"
    );
    assert_eq!(mixed.images[1], answer.images[0]);
}

#[test]
fn a_run_on_small_pictures_predicts_pictures_of_any_size() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &["train.epochs=1"]).0;
    let picture = root.path().join("-any.png");
    image::RgbImage::from_pixel(200, 90, image::Rgb([200, 30, 30]))
        .save(&picture)
        .unwrap();
    let Answer::Refused { error, .. } = predict(&run, std::slice::from_ref(&picture)) else {
        panic!()
    };
    assert!(error.contains("no checkpoint"), "{error}");
    assert!(finish(&run), "{}", log(&run));
    let answer = predictions(&run, &[picture]);
    let names: Vec<&str> = answer.images[0]
        .classes
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(names.len(), 5);
    assert!(
        run.labels()
            .unwrap()
            .unwrap()
            .names
            .iter()
            .any(|name| name == names[0]),
        "{names:?}"
    );
    assert!(
        names.contains(&"Flags") || names.contains(&"Symbols") || names.contains(&"Objects"),
        "{names:?}"
    );
}

#[test]
fn an_unusable_or_changed_folder_is_refused_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &["train"]);
    let spoilt = data.join("train/green/spoilt.png");
    fs::write(&spoilt, "no picture").unwrap();
    let dataset = format!(
        "dataset={{name: image_folder, strict: true, path: {}}}",
        data.display()
    );
    let strict = new_run(
        root.path(),
        &[&dataset, "input.resize=32", "train.batch_size=8"],
    )
    .0;
    assert!(!finish(&strict));
    let (kind, error, help) = failure(&strict);
    assert_eq!(kind, FailureKind::Input);
    assert!(
        error.contains("green/spoilt.png") && help.contains("dataset.strict"),
        "{error} / {help}"
    );

    let missing = run_on(root.path(), &data.join("none"), &[]);
    assert!(!finish(&missing));
    assert!(
        failure(&missing).1.contains("none"),
        "{:?}",
        failure(&missing)
    );

    let run = run_on(root.path(), &data, &[]);
    let mut child = start(&run);
    wait_for(
        &run,
        &mut child,
        |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == 1),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // One more picture makes the resume inexact. One more class makes it impossible.
    fs::copy(
        data.join("train/green/00.png"),
        data.join("train/green/99.png"),
    )
    .unwrap();
    assert!(finish(&run), "{}", log(&run));
    let reasons = state(&run).attempt.unwrap().not_exact;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("pictures were added")),
        "{reasons:?}"
    );
    let run = run_on(root.path(), &data, &[]);
    let mut child = start(&run);
    wait_for(
        &run,
        &mut child,
        |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == 1),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    fs::rename(data.join("train/green"), data.join("train/grass")).unwrap();
    assert!(!finish(&run));
    assert!(
        failure(&run).1.contains("gone: green; new: grass"),
        "{:?}",
        failure(&run)
    );
}

#[test]
fn a_run_whose_pictures_moved_keeps_its_results_and_resumes_from_the_new_place() {
    let root = tempfile::tempdir().unwrap();
    let (data, moved, others) = (
        root.path().join("data"),
        root.path().join("moved"),
        root.path().join("others"),
    );
    folder(&data, &[""]);
    folder(&others, &[""]);
    fs::copy(others.join("red/00.png"), others.join("red/99.png")).unwrap();
    let run = run_on(
        root.path(),
        &data,
        &["train.epochs=2", "train.schedule.name=constant"],
    );
    assert!(finish(&run), "{}", log(&run));
    let earned = state(&run);
    fs::rename(&data, &moved).unwrap();

    let change = |changes: &[&str]| {
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        warmstart_runs::change::change(&run, &changes, false).unwrap();
    };
    let setback = || {
        assert!(!finish(&run));
        let state = state(&run);
        assert_eq!(
            (&state.test, &state.epochs, &state.outcome),
            (&earned.test, &earned.epochs, &earned.outcome)
        );
        match state.setback {
            Some(Outcome::Failed { error, help, .. }) => (error, help),
            other => panic!("{other:?}"),
        }
    };
    change(&["train.epochs=3"]);
    let (error, help) = setback();
    assert!(
        error.contains("data") && help.contains("--set dataset.path="),
        "{error}; {help}"
    );
    let not_exact = state(&run).attempt.unwrap().not_exact;
    assert!(
        not_exact.is_empty(),
        "of pictures that are not there nothing can be said: {not_exact:?}"
    );
    change(&[&format!("dataset.path={}", others.display())]);
    assert!(setback().0.contains("not those that the run began with"));
    change(&[&format!("dataset.path={}", moved.display())]);
    assert!(finish(&run), "{}", log(&run));
    let state = state(&run);
    assert_eq!(state.epochs.len(), 3);
    assert!(state.setback.is_none() && state.attempt.unwrap().not_exact.is_empty());
}

#[test]
fn a_run_keeps_the_preparation_that_its_weights_had_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &["train", "val", "test"]);
    let base = new_run(root.path(), &["train.epochs=1"]).0;
    assert!(finish(&base), "{}", log(&base));
    let tensors = last(&base).model;
    let weights = root.path().join("base.safetensors");
    fs::write(&weights, tensors).unwrap();
    let say = |mean: f32, side: u32| {
        let facts = serde_json::json!({"architecture": "resnet18", "pretrained_cfg": {"mean": [mean, 0.4, 0.5],
            "std": [0.2, 0.2, 0.2], "interpolation": "bicubic", "crop_pct": 0.9, "input_size": [3, side, side]}});
        fs::write(root.path().join("config.json"), facts.to_string()).unwrap();
    };
    say(0.25, 40);
    let from = format!("model.weights={}", weights.display());
    let dataset = format!("dataset={{name: image_folder, path: {}}}", data.display());
    let changes = [
        dataset.as_str(),
        &from,
        "train.batch_size=8",
        "train.epochs=2",
    ];
    let straight = new_run(root.path(), &changes).0;
    assert!(finish(&straight), "{}", log(&straight));
    let kept = last(&straight).state.preparation.unwrap();
    assert_eq!(
        (kept.mean, kept.side, kept.crop_pct),
        ([0.25, 0.4, 0.5], 40, 0.9)
    );
    let told = state(&straight).model.unwrap();
    assert_eq!((told.pixels, told.preparation.as_ref()), (40, Some(&kept)));
    assert!(
        kept.to_string().contains("bicubic") && kept.to_string().contains("config.json"),
        "{kept}"
    );

    // Another normalization gives other figures.
    say(0.75, 40);
    let other = new_run(root.path(), &changes).0;
    assert!(finish(&other), "{}", log(&other));
    assert_ne!(figures(&other)[0].2, figures(&straight)[0].2);
    // An explicit size overrides the weights' own.
    let sized = new_run(
        root.path(),
        &[
            &changes[..],
            &[
                "input={resize: 32, interpolation: bilinear}",
                "train.epochs=1",
            ],
        ]
        .concat(),
    )
    .0;
    assert!(finish(&sized), "{}", log(&sized));
    let kept = last(&sized).state.preparation.unwrap();
    assert_eq!(
        (kept.side, kept.interpolation.as_str(), kept.mean[0]),
        (32, "bilinear", 0.75)
    );

    // A later change of the weights' configuration does not affect a run that has begun.
    say(0.25, 40);
    let stopped = new_run(root.path(), &changes).0;
    let mut child = start(&stopped);
    wait_for(
        &stopped,
        &mut child,
        |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == 1),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    say(0.75, 64);
    assert!(finish(&stopped), "{}", log(&stopped));
    assert_eq!(
        (last(&stopped), figures(&stopped)),
        (last(&straight), figures(&straight))
    );
    // A run that starts from this one uses its normalization.
    let tuned = new_run(
        root.path(),
        &[
            dataset.as_str(),
            "init={from: small}",
            "train.batch_size=8",
            "train.epochs=1",
        ],
    )
    .0;
    assert!(finish(&tuned), "{}", log(&tuned));
    assert_eq!(
        last(&tuned)
            .state
            .preparation
            .unwrap()
            .mean
            .map(f32::to_bits),
        [0.25_f32, 0.4, 0.5].map(f32::to_bits)
    );
}

#[test]
fn files_have_exact_class_names_and_screens_have_safe_ones() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &[""]);
    let names = ["two  spaces", "two spaces", "\u{1f1e9}\u{1f1ea}"];
    for (from, to) in ["blue ones", "green", "red"].iter().zip(names) {
        fs::rename(data.join(from), data.join(to)).unwrap();
    }
    let run = run_on(root.path(), &data, &["train.epochs=1"]);
    assert!(finish(&run), "{}", log(&run));
    let labels: serde_json::Value =
        serde_json::from_slice(&fs::read(run.path().join("labels.json")).unwrap()).unwrap();
    assert_eq!(labels["names"], serde_json::json!(names));
    let told = state(&run).dataset.unwrap();
    let ends =
        [told.smallest.unwrap(), told.largest.unwrap()].map(|class| (class.name, class.exact));
    let ends = ends
        .each_ref()
        .map(|(name, exact)| (name.as_str(), exact.as_deref()));
    assert_eq!(
        ends,
        [("two spaces (2)", Some(names[1])), ("DE", Some(names[2]))]
    );
    let place = tempfile::tempdir().unwrap();
    let mut export = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    assert!(
        export
            .arg("export")
            .arg(run.path())
            .current_dir(place.path())
            .status()
            .unwrap()
            .success()
    );
    let ends = |ending: &str| {
        let files = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let file = files
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with(ending))
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&fs::read(file).unwrap()).unwrap()
    };
    assert_eq!(
        (&ends(".labels.json"), &ends(".config.json")["label_names"]),
        (&labels["names"], &labels["names"])
    );
    let picture = root.path().join("a  picture.png");
    image::RgbImage::from_pixel(40, 40, image::Rgb([200, 30, 30]))
        .save(&picture)
        .unwrap();
    let answer = predictions(&run, std::slice::from_ref(&picture));
    assert_eq!(answer.images[0].image, picture.to_str().unwrap());
    let mut found: Vec<(String, String)> = answer.images[0]
        .classes
        .iter()
        .map(|class| (class.name.clone(), class.shown()))
        .collect();
    found.sort_unstable();
    let shown = ["two spaces", "two spaces (2)", "DE"];
    assert_eq!(
        found,
        names
            .iter()
            .zip(shown)
            .map(|(name, shown)| ((*name).to_owned(), shown.to_owned()))
            .collect::<Vec<_>>()
    );

    // Runs of earlier versions stored the display names; such a run still resumes.
    let mut older = run.labels().unwrap().unwrap();
    older.names = shown.map(str::to_owned).to_vec();
    run.write_labels(&older).unwrap();
    assert!(finish(&run), "{}", log(&run));
}

/// The file names in each part, as the run folder stores them.
fn parts_of(run: &RunDir) -> [Vec<String>; 3] {
    let sets = run.pictures().unwrap().unwrap();
    [sets.train, sets.validation, sets.test]
        .map(|part| part.into_iter().map(|kept| kept.name).collect())
}

fn add(data: &Path, class: &str, name: &str, shade: u8) {
    fs::create_dir_all(data.join(class)).unwrap();
    let byte = |at: u32| u8::try_from(at * 6).unwrap();
    let picture =
        image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([shade, byte(x), byte(y) ^ shade]));
    picture.save(data.join(class).join(name)).unwrap();
}

/// Two classes with one picture for each number.
fn grow(data: &Path, pictures: std::ops::Range<u8>) {
    for number in pictures {
        add(data, "cat", &format!("{number:03}.png"), number);
        add(data, "dog", &format!("{number:03}.png"), 255 - number);
    }
}

fn warnings(run: &RunDir) -> String {
    notes(run).join("\n")
}

#[test]
fn added_and_removed_pictures_move_no_other_and_a_resume_reports_them() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    grow(&data, 0..40);
    let run = run_on(root.path(), &data, &["train.epochs=1"]);
    assert!(finish(&run), "{}", log(&run));
    let before = parts_of(&run);
    assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 80);
    // Adds a picture at the front, in the middle and at the end, and removes one.
    for (class, name) in [("cat", "0.png"), ("cat", "zzz.png"), ("dog", "017b.png")] {
        add(&data, class, name, 99);
    }
    fs::remove_file(data.join("dog/020.png")).unwrap();
    let changed = ["train.epochs=2".to_owned()];
    warmstart_runs::change::change(&run, &changed, true).unwrap();
    assert!(finish(&run), "{}", log(&run));
    let after = parts_of(&run);
    for (then, now) in before.iter().zip(&after) {
        assert!(
            then.iter()
                .all(|name| now.contains(name) || name == "dog/020.png"),
            "{then:?}\n{now:?}"
        );
    }
    let said = warnings(&run);
    let expected = "since the last attempt, pictures: 3 added (cat/0.png, cat/zzz.png, dog/017b.png), 1 removed (dog/020.png); \
        none of the others has changed between training, validation and test";
    assert!(said.contains(expected), "{said}");
    // A new run on the changed folder has the same parts.
    let other = run_on(root.path(), &data, &["train.epochs=1"]);
    assert!(finish(&other), "{}", log(&other));
    assert_eq!(parts_of(&other), after);
    let test = |run: &RunDir| state(run).dataset.unwrap().sets.unwrap().test;
    assert_eq!(test(&other), test(&run));
    // Another seed gives another split.
    let other_seed = run_on(root.path(), &data, &["train.epochs=1", "seed=8"]);
    assert!(finish(&other_seed));
    assert_ne!(test(&other_seed), test(&run));
}

#[test]
fn a_run_from_a_base_warns_about_pictures_that_the_base_trained_on() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    grow(&data, 0..30);
    let first = run_on(root.path(), &data, &["train.epochs=1"]);
    assert!(finish(&first), "{}", log(&first));
    let from = "init={from: small}";
    add(&data, "cat", "more.png", 99);
    let same = run_on(root.path(), &data, &["train.epochs=1", from]);
    assert!(finish(&same), "{}", log(&same));
    assert!(
        !warnings(&same).contains("was trained on"),
        "{}",
        warnings(&same)
    );
    let other = run_on(root.path(), &data, &["train.epochs=1", "seed=8", from]);
    assert!(finish(&other), "{}", log(&other));
    let [theirs, ..] = parts_of(&same);
    let count = |part: &[String]| part.iter().filter(|name| theirs.contains(name)).count();
    let [_, validation, test] = parts_of(&other);
    let expected = format!(
        "was trained on {} of the {} validation pictures and {} of the {} test pictures",
        count(&validation),
        validation.len(),
        count(&test),
        test.len()
    );
    assert!(
        warnings(&other).contains(&expected),
        "{expected}\n{}",
        warnings(&other)
    );
}

#[test]
fn a_run_from_a_base_whose_pictures_are_unknown_warns() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    grow(&data, 0..30);
    let first = run_on(root.path(), &data, &["train.epochs=1"]);
    assert!(finish(&first), "{}", log(&first));
    fs::write(first.path().join("pictures.json"), "{").unwrap();
    let from = "init={from: small}";
    let next = run_on(root.path(), &data, &["train.epochs=1", "seed=8", from]);
    assert!(finish(&next), "{}", log(&next));
    let said = warnings(&next);
    assert!(said.contains("was trained on cannot be read"), "{said}");
}

#[test]
fn a_run_of_an_earlier_version_keeps_its_split_and_its_bits() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &[""]);
    fs::create_dir_all(data.join("red/deep")).unwrap();
    fs::copy(data.join("red/00.png"), data.join("red/deep/more.png")).unwrap();
    fs::write(data.join("green/spoilt.png"), "no picture").unwrap();
    let run = run_on(root.path(), &data, &["train.epochs=1"]);
    // Earlier versions wrote no `split` key.
    let yaml = fs::read_to_string(run.experiment_yaml()).unwrap();
    assert!(yaml.contains("split: by_name"), "{yaml}");
    fs::write(
        run.experiment_yaml(),
        yaml.replace("  split: by_name\n", ""),
    )
    .unwrap();
    assert!(finish(&run), "{}", log(&run));
    // 20, 13 and 31 pictures: a fifth, then 30 % of the rest, rounded; unreadable pictures count too.
    let dataset = state(&run).dataset.unwrap();
    assert_eq!(
        (dataset.train, dataset.validation, dataset.test),
        (36, 15, 13)
    );
    let splits = data::splits(
        &experiment::load_frozen(&run.experiment_yaml()).unwrap(),
        &SearchPaths::from_env(),
        Device::Cpu,
    );
    // Computed by a separate program with the rule of earlier versions.
    assert_eq!(
        splits.unwrap().test.members,
        [1, 8, 16, 19, 22, 26, 30, 35, 41, 42, 45, 50, 58]
    );
}

#[test]
fn unused_and_unreadable_pictures_are_reported_and_not_counted() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    for part in ["Train", "valid", "test"] {
        grow(&data.join(part), 0..6);
        if part == "valid" {
            fs::remove_dir_all(data.join("valid/dog")).unwrap();
        }
    }
    add(&data, "Train/cat/2020/deep", "more.bmp", 77);
    add(&data, "old", "left.png", 1);
    fs::write(data.join("Train/dog/later.heic"), "x").unwrap();
    fs::create_dir_all(data.join("Train/fox")).unwrap();
    for number in 0..4 {
        fs::write(
            data.join(format!("Train/fox/{number}.jpg")),
            b"\0\0\0\x18ftypheic",
        )
        .unwrap();
    }
    let run = run_on(
        root.path(),
        &data,
        &["train.epochs=1", "train.class_weights=balanced"],
    );
    assert!(finish(&run), "{}", log(&run));
    let dataset = state(&run).dataset.unwrap();
    assert_eq!(
        (
            dataset.train,
            dataset.validation,
            dataset.test,
            dataset.classes
        ),
        (13, 6, 12, 3)
    );
    assert_eq!(run.labels().unwrap().unwrap().train_images, [7, 6, 0]);
    let said = warnings(&run);
    for expected in [
        "1 picture in old/ is not used",
        "1 file is not used, because warmstart does not read its kind: 1 .heic",
        "class fox is empty: none of its 4 training pictures can be read: ",
        "Train/fox/0.jpg: is a HEIC picture: convert it",
        "left out 4 pictures that cannot be read",
        "2 classes have no validation picture, so that its figures say nothing of them: dog, fox",
        "1 class has no test picture",
        "12 test pictures are exact copies of training pictures",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let strict = format!(
        "dataset={{name: image_folder, strict: true, path: {}}}",
        data.display()
    );
    let strict = new_run(
        root.path(),
        &[&strict, "input.resize=32", "train.batch_size=8"],
    )
    .0;
    assert!(!finish(&strict));
    assert!(
        failure(&strict).1.starts_with("class fox is empty"),
        "{:?}",
        failure(&strict)
    );
}

#[test]
fn a_part_without_readable_pictures_is_reported_with_its_files() {
    for part in ["train", "val", "test"] {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        for other in ["train", "val", "test"] {
            grow(&data.join(other), 0..4);
        }
        for class in ["cat", "dog"] {
            for number in 0..4 {
                fs::write(
                    data.join(part).join(class).join(format!("{number:03}.png")),
                    "",
                )
                .unwrap();
            }
        }
        let run = run_on(root.path(), &data, &[]);
        assert!(!finish(&run));
        let (kind, error, _) = failure(&run);
        let name = match part {
            "train" => "training",
            "val" => "validation",
            other => other,
        };
        let expected = format!("none of the 8 {name} pictures can be read: ");
        assert!(
            kind == FailureKind::Input && error.contains(&expected),
            "{error}"
        );
        assert!(
            error.contains(&format!("{part}/cat/000.png: is empty"))
                && error.contains("and 3 more"),
            "{error}"
        );
        assert!(!run.path().join("pictures.json").exists());
    }
}
