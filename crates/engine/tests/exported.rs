//! What `export` writes: timm's names, timm's logits (`reference/exported.py` writes the table), and a file that other tools
//! read.
//! `export` never overwrites a file.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

#[expect(dead_code, reason = "only whole pictures are made here")]
#[path = "support/pictures.rs"]
mod pictures;
#[expect(dead_code, reason = "runs are only made and finished here")]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rstest::rstest;
use serde_json::{Value, json};
use support::{finish, log, new_run};
use tch::{Device, Kind, Tensor};
use warmstart_engine::best::BestCheckpoint;
use warmstart_engine::data::{self, OnDevice, Source};
use warmstart_engine::export;
use warmstart_engine::initial::model_spec;
use warmstart_engine::model::{Mode, Model};
use warmstart_engine::selftest::formula;
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_runs::checkpoint::{Content, State};
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::architecture::{HeadSpec, TensorSpec};
use warmstart_schema::event::FailureKind;
use warmstart_schema::experiment::{self, Experiment, Interpolation, Labels};
use warmstart_schema::exported::{Answer, Exported};
use warmstart_schema::preparation::{FileMetadata, Preparation};

/// A model as the case describes it, with weights from the formula under their exported names.
fn best(case: &Value, hidden: &Value) -> (Model, BestCheckpoint) {
    let resize = case["resize"]
        .as_i64()
        .map(|side| format!("input: {{ resize: {side} }}\n"))
        .unwrap_or_default();
    let yaml = format!(
        "name: x\ndataset: {{ name: emoji98 }}\n{resize}\
         model: {{ backbone: {}, weights: random, head: {{ hidden: {hidden}, dropout: 0.5 }} }}\n\
         train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n",
        case["backbone"].as_str().unwrap()
    );
    let experiment = experiment::parse(&yaml, "x.yaml").unwrap();
    let classes: Vec<String> = (0..98).map(|class| format!("class {class}")).collect();
    let model = Model::new(&model_spec(&experiment, 98, 1000), 0, Device::Cpu).unwrap();
    let spec = model.spec();
    let head = HeadSpec {
        features: model.architecture().features,
        hidden: spec.hidden,
        classes: 98,
        dropout: 0.5,
    };
    let head = head.tensors();
    let described: Vec<&TensorSpec> = model.architecture().tensors().chain(&head).collect();
    tch::no_grad(|| {
        for (spec, named) in described.into_iter().zip(model.tensors()) {
            named
                .tensor
                .shallow_clone()
                .copy_(&formula::value(spec, &exported_name(case, &named.name)));
        }
    });
    let tensors: Vec<(String, Tensor)> = model
        .tensors()
        .iter()
        .map(|t| (t.name.clone(), t.tensor.shallow_clone()))
        .collect();
    let state = State {
        step: 10,
        epoch: 1,
        best_step: Some(10),
        train_time: 1.0,
        ..State::default()
    };
    let content = Content {
        state,
        model: weights::write(&tensors).unwrap(),
        optimizer: Vec::new(),
    };
    let info = json!({
        "format": 1, "id": "20260101-000000-aaaa", "experiment": "x", "group": "g", "stem": "x", "source": "x.yaml",
        "device": "cpu", "created": "2026-01-01T00:00:00Z",
    });
    (
        model,
        BestCheckpoint {
            info: serde_json::from_value(info).unwrap(),
            experiment,
            classes,
            content,
        },
    )
}

fn exported_name(case: &Value, name: &str) -> String {
    HeadSpec::sequential_name(name, case["classifier"].as_str().unwrap())
        .unwrap_or_else(|| name.to_owned())
}

/// The first images of the test split.
fn test_images(experiment: &Experiment, count: usize) -> Tensor {
    let pictures = data::load(&experiment.dataset, &SearchPaths::from_env())
        .unwrap()
        .unwrap();
    let pictures = OnDevice::new(&pictures.test, Labels::Fine, Device::Cpu).unwrap();
    let order: Vec<u32> = (0..u32::try_from(count).unwrap()).collect();
    let batch = pictures
        .batches(&order, count)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let data::Input::Images(images) = batch.input else {
        unreachable!("published datasets lie in memory")
    };
    images
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(2)]
#[case(3)]
#[case(4)]
#[case(5)]
#[case(6)]
fn an_export_has_timms_names_and_logits(#[case] index: usize) {
    let table: Value = serde_json::from_str(include_str!("reference/exported.json")).unwrap();
    let case = &table["cases"][index];
    let (model, best) = best(case, &table["hidden"]);
    let bytes = export::bytes(&best, "load").unwrap();
    let entries = weights::parse(&bytes).unwrap();

    let head: BTreeMap<String, Vec<i64>> = serde_json::from_value(case["head"].clone()).unwrap();
    for (name, shape) in &head {
        assert_eq!(
            entries.get(name).map(|entry| &entry.shape),
            Some(shape),
            "{name}"
        );
    }
    assert_eq!(
        entries.len(),
        usize::try_from(case["tensors"].as_u64().unwrap()).unwrap()
    );
    for named in model.tensors() {
        assert_eq!(
            entries[&exported_name(case, &named.name)].tensor().unwrap(),
            named.tensor.detach(),
            "{}",
            named.name
        );
    }
    assert_eq!(
        weights::metadata(&bytes)["classifier"],
        case["classifier"].as_str().unwrap()
    );

    let expected: Vec<Vec<f64>> = serde_json::from_value(case["logits"].clone()).unwrap();
    let expected = Tensor::from_slice2(&expected);
    let logits = model
        .forward(&test_images(&best.experiment, 2), Mode::Eval)
        .unwrap()
        .to_kind(Kind::Double);
    let scale = expected.abs().max().double_value(&[]).max(1.0);
    let error = (logits - expected).abs().max().double_value(&[]) / scale;
    assert!(
        error < 1e-4,
        "{}: apart by {error:.1e} of the largest",
        case["backbone"]
    );

    // The exported file also loads as pretrained weights; its head is skipped.
    let other = Model::new(model.spec(), 1, Device::Cpu).unwrap();
    weights::load_bytes(&other, &bytes, LoadPolicy::Pretrained).unwrap();
    for (one, other) in model.tensors().iter().zip(other.tensors()) {
        let is_head = HeadSpec::owns(&one.name) && one.name.ends_with("fc1.weight");
        assert!(
            HeadSpec::owns(&one.name) || one.tensor.equal(&other.tensor),
            "{}",
            one.name
        );
        assert!(!is_head || !one.tensor.equal(&other.tensor), "{}", one.name);
    }
}

/// How the export describes the preparation of pictures, in the file's header and in timm's configuration.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one export, looked at from all sides"
)]
fn an_export_describes_the_preparation_of_pictures() {
    let table: Value = serde_json::from_str(include_str!("reference/exported.json")).unwrap();
    let (_, mut best) = best(&table["cases"][0], &table["hidden"]);
    let mut said = |dataset: &str, input: &str, preparation: Option<FileMetadata>| {
        let yaml = format!(
            "name: x\ndataset: {dataset}\n{input}model: {{ backbone: resnet18, weights: random, head: {{ hidden: {}, dropout: 0.5 }} }}\n\
             train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n",
            table["hidden"]
        );
        best.experiment = experiment::parse(&yaml, "x.yaml").unwrap();
        best.content.state.preparation =
            preparation.map(|stated| Preparation::new(&best.experiment, &stated));
        let bytes = export::bytes(&best, "load").unwrap();
        let mut header = weights::metadata(&bytes);
        let config = export::config(&best);
        // Header and configuration agree.
        for key in [
            "input_size",
            "interpolation",
            "crop_pct",
            "crop_mode",
            "mean",
            "std",
        ] {
            let in_header = serde_json::from_str(&header[key])
                .unwrap_or_else(|_| Value::from(header[key].as_str()));
            let numbers = |value: &Value| serde_json::from_value::<Vec<f32>>(value.clone());
            match (numbers(&in_header), numbers(&config["pretrained_cfg"][key])) {
                (Ok(one), Ok(other)) => assert_eq!(one, other, "{key}"),
                _ => assert_eq!(in_header, config["pretrained_cfg"][key], "{key}"),
            }
        }
        let mut take = |key: &str| header.remove(key).unwrap_or_default();
        [
            "input_size",
            "picture_size",
            "interpolation",
            "antialias",
            "crop_pct",
            "mean",
            "preparation",
        ]
        .map(&mut take)
    };
    let own = "{ name: image_folder, path: pictures }";
    let stated = || FileMetadata {
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        interpolation: Some(Interpolation::Bicubic),
        crop_pct: Some(0.875),
        side: Some(192),
        by: "its header".to_owned(),
    };
    let imagenet = "[0.485, 0.456, 0.406]";
    let expected = |facts: [&str; 6]| facts.map(str::to_owned);
    let mut check = |dataset: &str, input: &str, preparation, facts: [&str; 6], note: &str| {
        let [size, picture, interpolation, antialias, crop, mean, beyond] =
            said(dataset, input, preparation);
        assert_eq!(
            [size, picture, interpolation, antialias, crop, mean],
            expected(facts),
            "{dataset} {input}"
        );
        assert!(
            beyond.contains(note) && beyond.is_empty() == note.is_empty(),
            "{dataset} {input}: {beyond}"
        );
    };
    let usual = || Some(FileMetadata::default());
    check(
        own,
        "",
        usual(),
        ["[3, 224, 224]", "224", "bilinear", "true", "1.0", imagenet],
        "",
    );
    check(
        own,
        "input: { resize: 32 }\n",
        usual(),
        ["[3, 32, 32]", "32", "bilinear", "true", "1.0", imagenet],
        "",
    );
    check(
        own,
        "input: { interpolation: nearest }\n",
        usual(),
        ["[3, 224, 224]", "224", "nearest", "false", "1.0", imagenet],
        "",
    );
    check(
        own,
        "",
        Some(stated()),
        [
            "[3, 192, 192]",
            "192",
            "bicubic",
            "true",
            "0.875",
            "[0.5, 0.5, 0.5]",
        ],
        "",
    );
    // Earlier versions cropped the square first, whatever their experiment says about interpolation.
    check(
        own,
        "input: { interpolation: nearest }\n",
        None,
        ["[3, 224, 224]", "224", "bilinear", "true", "1.0", imagenet],
        "cut out before",
    );
    let emoji = "{ name: emoji98 }";
    check(
        emoji,
        "",
        usual(),
        ["[3, 32, 32]", "32", "nearest", "false", "1.0", imagenet],
        "",
    );
    check(
        emoji,
        "input: { resize: 96 }\n",
        usual(),
        ["[3, 96, 96]", "32", "nearest", "false", "1.0", imagenet],
        "",
    );
    check(
        emoji,
        "input: { resize: 100 }\n",
        usual(),
        ["[3, 100, 100]", "32", "nearest", "false", "1.0", imagenet],
        "other pixels than Pillow",
    );
    check(
        emoji,
        "input: { resize: 64, interpolation: bilinear }\n",
        usual(),
        ["[3, 64, 64]", "32", "bilinear", "false", "1.0", imagenet],
        "",
    );
}

fn export(run: &RunDir, arguments: &[&Path], folder: &Path) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    answer(
        command
            .arg("export")
            .arg(run.path())
            .args(arguments)
            .current_dir(folder),
    )
}

fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn refused(answer: &Answer) -> (FailureKind, &str, &str) {
    let Answer::Refused { kind, error, help } = answer else {
        panic!("{answer:?}")
    };
    (*kind, error, help)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_run_is_exported_with_its_labels_and_overwrites_no_file() {
    let root = tempfile::tempdir().unwrap();
    let (run, mut info) = new_run(root.path(), &["train.epochs=1"]);
    let place = tempfile::tempdir().unwrap();
    let none = export(&run, &[], place.path());
    assert!(
        matches!(refused(&none), (FailureKind::Input, error, _) if error.contains("no checkpoint yet")),
        "{none:?}"
    );
    assert!(finish(&run), "{}", log(&run));
    info.stem = "../..\u{1b}[31m/my study".to_owned();
    run.write_info(&info).unwrap();

    let Answer::Exported(done) = export(&run, &[], place.path()) else {
        panic!("not exported")
    };
    let Exported {
        file,
        labels,
        load,
        epoch,
        ..
    } = &done;
    assert!(
        file.to_str()
            .unwrap()
            .ends_with(&format!("my_study-{}.safetensors", info.id)),
        "{file:?}"
    );
    assert_eq!(
        (names(place.path()).len(), *epoch),
        (3, 1),
        "the tensors, the labels and the configuration, in the current folder"
    );
    let bytes = fs::read(place.path().join(file)).unwrap();
    assert_eq!(bytes.len() as u64, done.bytes);
    assert!(
        load.contains("timm.create_model(\"resnet18\", num_classes=0)")
            && load.contains(file.to_str().unwrap())
    );
    assert_eq!(&weights::metadata(&bytes)["load"], load);
    let classes: Vec<String> =
        serde_json::from_slice(&fs::read(place.path().join(labels)).unwrap()).unwrap();
    assert_eq!(classes, run.labels().unwrap().unwrap().names);
    let mode = fs::metadata(place.path().join(file))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode & 0o600, 0o600, "{mode:o}");
    // The safetensors crate reads the file too.
    let others: BTreeMap<_, _> = Tensor::read_safetensors(place.path().join(file))
        .unwrap()
        .into_iter()
        .collect();
    assert!(others.contains_key("fc.3.weight") && others.contains_key("layer4.1.bn2.running_var"));

    let again = export(&run, &[], place.path());
    assert!(
        matches!(refused(&again), (FailureKind::Input, error, _) if error.contains("there already")),
        "{again:?}"
    );
    assert_eq!(fs::read(place.path().join(file)).unwrap(), bytes);
    let pickle = export(&run, &[Path::new("model.pth")], place.path());
    assert!(
        matches!(refused(&pickle), (FailureKind::Input, error, help) if error.contains("no folder") && help.contains(".safetensors")),
        "{pickle:?}"
    );
    let no_text = Path::new(OsStr::from_bytes(b"\xff.safetensors"));
    let no_text = export(&run, &[no_text], place.path());
    assert!(
        matches!(refused(&no_text), (FailureKind::Input, error, help) if error.contains("not text") && help.contains("--output")),
        "{no_text:?}"
    );
    let nowhere = export(&run, &[Path::new("nowhere/x.safetensors")], place.path());
    assert!(
        matches!(refused(&nowhere), (FailureKind::Disk, _, help) if help.contains("--output")),
        "{nowhere:?}"
    );
    // A limit with room for the labels and a part of the tensors; a full disk fails at the same point.
    let limited = "trap '' XFSZ; ulimit -f 20000; exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            limited,
            "sh",
            env!("CARGO_BIN_EXE_warmstart-worker"),
            "export",
        ])
        .arg(run.path());
    let full = answer(command.arg("other.safetensors").current_dir(place.path()));
    assert!(
        matches!(refused(&full), (FailureKind::Disk, error, _) if error.contains("cannot be written")),
        "{full:?}"
    );
    assert_eq!(
        names(place.path()).len(),
        3,
        "nothing is left behind: {:?}",
        names(place.path())
    );
    for checkpoint in fs::read_dir(run.checkpoints()).unwrap() {
        fs::write(checkpoint.unwrap().path().join("manifest.json"), "").unwrap();
    }
    let damaged = export(&run, &[Path::new("last.safetensors")], place.path());
    assert!(
        matches!(refused(&damaged), (FailureKind::Input, error, help) if error.contains("is readable") && help.contains("ckpt")),
        "{damaged:?}"
    );
}

#[test]
#[ignore = "needs timm: scripts/soak.d/30-export.sh brings it"]
fn timm_loads_an_export_and_gives_the_same_logits() {
    let root = tempfile::tempdir().unwrap();
    let weights_file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.weights/tf_efficientnet_lite0.in1k.safetensors");
    let base = format!(
        "model={{backbone: tf_efficientnet_lite0, weights: {}, freeze: backbone, head: {{hidden: 256, dropout: 0.2}}}}",
        weights_file.canonicalize().unwrap().display()
    );
    let run = new_run(
        root.path(),
        &[
            "dataset={name: emoji98, validation: 0.3}",
            "input.resize=96",
            "augment={}",
            &base,
        ],
    )
    .0;
    assert!(finish(&run), "{}", log(&run));
    let Answer::Exported(exported) = export(&run, &[], root.path()) else {
        panic!("not exported")
    };

    let best = BestCheckpoint::load(run.path()).unwrap();
    let model = Model::new(&model_spec(&best.experiment, 98, 1000), 0, Device::Cpu).unwrap();
    weights::load_bytes(&model, &best.content.model, LoadPolicy::Exact).unwrap();
    let images = test_images(&best.experiment, 774);
    let logits: Vec<Vec<f64>> = images
        .split(64, 0)
        .iter()
        .flat_map(|part| {
            Vec::<Vec<f64>>::try_from(
                model
                    .forward(part, Mode::Eval)
                    .unwrap()
                    .to_kind(Kind::Double),
            )
            .unwrap()
        })
        .collect();
    let ours = root.path().join("logits.json");
    fs::write(&ours, serde_json::to_vec(&logits).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/exported.py");
    let python = std::env::var_os("WARMSTART_PYTHON").unwrap_or_else(|| "python3".into());
    let status = Command::new(python)
        .arg(script)
        .arg(root.path().join(exported.file))
        .arg(ours)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Pictures of many shapes, one colour for each class, with noise: large, small, wide, tall, half transparent, rotated by EXIF.
fn shapes(root: &Path) {
    let sizes = [
        (200, 200),
        (233, 90),
        (61, 150),
        (17, 23),
        (40, 40),
        (97, 41),
    ];
    for part in ["train", "val", "test"] {
        for (class, hue) in [("red", 0), ("green", 1), ("blue", 2)] {
            let folder = root.join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for index in 0..12_u32 {
                let (width, height) = sizes[index as usize % sizes.len()];
                let mut picture = pictures::formula(width + index / 6, height);
                for pixel in picture.pixels_mut() {
                    pixel[hue] = pixel[hue] / 2 + 128;
                }
                let path = folder.join(format!("{index:02}.png"));
                if index % 4 == 3 {
                    let mut see_through = image::DynamicImage::from(picture).into_rgba8();
                    see_through
                        .pixels_mut()
                        .for_each(|pixel| pixel[3] = pixel[0].saturating_add(60));
                    see_through.save(path).unwrap();
                } else {
                    picture.save(path).unwrap();
                }
            }
        }
    }
}

#[rstest]
#[case::as_it_comes("", "")]
#[case::small("input.resize=32", "")]
#[case::nearest("input={resize: 40, interpolation: nearest}", "")]
#[case::as_the_weights_say(
    "",
    r#"{"pretrained_cfg": {"input_size": [3, 96, 96], "interpolation": "bicubic", "crop_pct": 0.875,
    "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}}"#
)]
#[ignore = "needs timm: scripts/soak.d/30-export.sh brings it"]
fn timm_loads_and_prepares_pictures_like_training(#[case] input: &str, #[case] config: &str) {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    shapes(&data);
    let dataset = format!("dataset={{name: image_folder, path: {}}}", data.display());
    let mut changes = vec![
        dataset,
        "augment={}".to_owned(),
        "train.batch_size=8".to_owned(),
        "train.epochs=3".to_owned(),
    ];
    changes.extend((!input.is_empty()).then(|| input.to_owned()));
    if !config.is_empty() {
        let weights = root.path().join("base.safetensors");
        let model = Model::new(
            &model_spec(&experiment::parse(support::SMALL, "x").unwrap(), 3, 5),
            3,
            Device::Cpu,
        )
        .unwrap();
        let tensors: Vec<(String, Tensor)> = model
            .tensors()
            .iter()
            .map(|t| (t.name.clone(), t.tensor.shallow_clone()))
            .collect();
        fs::write(&weights, weights::write(&tensors).unwrap()).unwrap();
        fs::write(root.path().join("base.config.json"), config).unwrap();
        changes.push(format!("model.weights={}", weights.display()));
    }
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let run = new_run(root.path(), &changes).0;
    assert!(finish(&run), "{}", log(&run));
    let Answer::Exported(exported) = export(&run, &[], root.path()) else {
        panic!("not exported")
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    command.arg("predict").arg(run.path());
    for class in ["red", "green", "blue"] {
        let mut files: Vec<_> = fs::read_dir(data.join("test").join(class))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort_unstable();
        command.args(files);
    }
    let ours = root.path().join("predictions.json");
    fs::write(&ours, command.output().unwrap().stdout).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/exported.py");
    let python = std::env::var_os("WARMSTART_PYTHON").unwrap_or_else(|| "python3".into());
    let file = root.path().join(exported.file);
    let status = Command::new(python)
        .arg(script)
        .arg("--pictures")
        .args([file, ours])
        .status()
        .unwrap();
    assert!(status.success());
}
