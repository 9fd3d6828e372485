//! Only a file that fits the model exactly may change it.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use warmstart_engine::model::{Model, ModelSpec};
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_schema::architecture::{Backbone, Stem};
use warmstart_schema::experiment::Interpolation;
use warmstart_schema::seed::SplitMix64;

fn build(backbone: Backbone, seed: u64) -> Model {
    with_stem(backbone, Stem::Original, seed)
}

fn with_stem(backbone: Backbone, stem: Stem, seed: u64) -> Model {
    let spec = ModelSpec {
        backbone,
        stem,
        classes: 3,
        hidden: 4,
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: 0,
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Nearest,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    Model::new(&spec, seed, Device::Cpu).unwrap()
}

type Named = Vec<(String, Tensor)>;

fn tensors(model: &Model) -> Named {
    model
        .tensors()
        .iter()
        .map(|t| (t.name.clone(), t.tensor.detach().copy()))
        .collect()
}

/// The model's tensors with one of them replaced.
fn replaced(model: &Model, name: &str, tensor: Tensor) -> Named {
    let mut all = tensors(model);
    all.iter_mut().find(|(n, _)| n == name).unwrap().1 = tensor;
    all
}

#[track_caller]
fn refuse(model: &Model, bytes: &[u8], policy: LoadPolicy, reasons: &[&str]) {
    let before = model.fingerprint().unwrap();
    let error = format!(
        "{:#}",
        weights::load_bytes(model, bytes, policy).unwrap_err()
    );
    assert!(
        reasons.iter().all(|reason| error.contains(reason)),
        "{error}"
    );
    assert_eq!(
        model.fingerprint().unwrap(),
        before,
        "a refused file changed the model: {error}"
    );
}

fn load_into(model: &Model, path: &Path, policy: LoadPolicy) -> anyhow::Result<()> {
    weights::load_bytes(model, &weights::read(path)?, policy)
}

#[test]
fn written_weights_are_read_unchanged() {
    let (from, to) = (
        build(Backbone::TfEfficientnetLite0, 1),
        build(Backbone::TfEfficientnetLite0, 2),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, weights::write(&tensors(&from)).unwrap()).unwrap();
    load_into(&to, &path, LoadPolicy::Exact).unwrap();
    assert_eq!(to.fingerprint().unwrap(), from.fingerprint().unwrap());
    assert!(
        to.tensors()
            .iter()
            .all(|t| t.tensor.requires_grad() == t.trainable)
    );
    // The safetensors crate reads the file too.
    let others = Tensor::read_safetensors(&path)
        .unwrap()
        .into_iter()
        .collect::<BTreeMap<_, _>>();
    assert!(
        tensors(&from)
            .iter()
            .all(|(name, tensor)| others[name] == *tensor)
    );
}

#[test]
fn weights_that_are_no_file_are_refused_without_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let error = weights::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a file"), "{error}");
    let pipe = folder.path().join("pipe.safetensors");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Nobody writes into the pipe, so opening it never returns.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let stated = weights::stated_preparation(&pipe, Backbone::Resnet18);
        let error = weights::read(&pipe).unwrap_err().to_string();
        let _ = sender.send((stated, error));
    });
    let (stated, error) = receiver
        .recv_timeout(std::time::Duration::from_mins(1))
        .unwrap();
    assert!(error.contains("not a file"), "{error}");
    assert_eq!(
        stated,
        warmstart_schema::preparation::FileMetadata::default()
    );
}

#[test]
fn pretrained_weights_keep_the_models_own_head() {
    let (from, to) = (build(Backbone::Resnet18, 1), build(Backbone::Resnet18, 2));
    let mut file: Named = tensors(&from)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("head."))
        .collect();
    file.push((
        "fc.weight".to_owned(),
        Tensor::zeros([1000, 512], (Kind::Float, Device::Cpu)),
    ));
    file.push((
        "fc.bias".to_owned(),
        Tensor::zeros([1000], (Kind::Float, Device::Cpu)),
    ));
    file.push((
        "bn1.num_batches_tracked".to_owned(),
        Tensor::from(12_345_i64),
    ));
    let bytes = weights::write(&file).unwrap();
    refuse(
        &to,
        &bytes,
        LoadPolicy::Exact,
        &["head.fc1.weight", "missing", "unexpected"],
    );
    let head = tensors(&to)
        .into_iter()
        .filter(|(name, _)| name.starts_with("head."))
        .collect::<Named>();
    weights::load_bytes(&to, &bytes, LoadPolicy::Pretrained).unwrap();
    let now: BTreeMap<_, _> = tensors(&to).into_iter().collect();
    assert!(head.iter().all(|(name, tensor)| now[name] == *tensor));
    assert!(
        file.iter()
            .filter(|(name, _)| now.contains_key(name))
            .count()
            == 100
    );
    assert!(
        file.iter()
            .all(|(name, tensor)| now.get(name).is_none_or(|now| now == tensor))
    );
}

#[test]
fn the_normalization_before_the_classifier_belongs_to_the_backbone() {
    let (from, to) = (
        build(Backbone::ConvnextTiny, 1),
        build(Backbone::ConvnextTiny, 2),
    );
    let ones = |size: i64| Tensor::ones([size], (Kind::Float, Device::Cpu)) * 0.5;
    let mut file: Named = tensors(&from)
        .into_iter()
        .filter(|(name, _)| name != "head.norm.weight")
        .collect();
    file.push(("head.fc.weight".to_owned(), ones(4)));
    file.push(("head.fc.bias".to_owned(), ones(4)));
    refuse(
        &to,
        &weights::write(&file).unwrap(),
        LoadPolicy::Pretrained,
        &["1 missing", "head.norm.weight"],
    );
    file.push(("head.norm.weight".to_owned(), ones(768)));
    weights::load_bytes(&to, &weights::write(&file).unwrap(), LoadPolicy::Pretrained).unwrap();
    let now: BTreeMap<_, _> = tensors(&to).into_iter().collect();
    assert_eq!(now["head.norm.weight"], ones(768));
    assert_ne!(
        now["head.fc1.weight"],
        tensors(&from).into_iter().collect::<BTreeMap<_, _>>()["head.fc1.weight"]
    );
}

#[test]
fn another_backbones_file_is_recognized() {
    let model = build(Backbone::EfficientnetB0, 1);
    let bytes = weights::write(&tensors(&build(Backbone::Resnet18, 1))).unwrap();
    refuse(
        &model,
        &bytes,
        LoadPolicy::Pretrained,
        &["holds resnet18", "says efficientnet_b0", "missing"],
    );
}

#[test]
fn a_file_is_not_taken_for_that_of_a_twin_with_the_same_tensors() {
    let own = build(Backbone::EfficientnetB0, 1);
    let mut more = tensors(&own);
    let further = Tensor::zeros([1], (Kind::Float, Device::Cpu));
    more.push(("layer9.weight".to_owned(), further));
    let more = weights::write(&more).unwrap();
    refuse(
        &own,
        &more,
        LoadPolicy::Pretrained,
        &[
            "this file holds more than the tensors of efficientnet_b0",
            "1 unexpected, first `layer9.weight`",
        ],
    );
    refuse(
        &build(Backbone::Resnet18, 1),
        &more,
        LoadPolicy::Pretrained,
        &["this file holds efficientnet_b0 or tf_efficientnet_b0, the experiment says resnet18"],
    );
}

#[test]
fn a_file_that_does_not_match_the_model_is_refused() {
    let model = build(Backbone::TfEfficientnetLite0, 1);
    let name = "blocks.0.0.bn1.weight";
    let float = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    for shape in [&[1_i64][..], &[], &[33], &[32, 1]] {
        let bytes = weights::write(&replaced(&model, name, float(shape))).unwrap();
        refuse(
            &model,
            &bytes,
            LoadPolicy::Pretrained,
            &[name, "expected shape [32]"],
        );
    }
    let integers = weights::write(&replaced(
        &model,
        name,
        Tensor::ones([32], (Kind::Int64, Device::Cpu)),
    ))
    .unwrap();
    refuse(
        &model,
        &integers,
        LoadPolicy::Exact,
        &[name, "expected F32, found I64"],
    );
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let damaged = float(&[32]);
        drop(damaged.get(31).fill_(value));
        let bytes = weights::write(&replaced(&model, name, damaged)).unwrap();
        refuse(&model, &bytes, LoadPolicy::Exact, &[name, "number 31"]);
    }
    let mut fewer = tensors(&model);
    fewer.retain(|(n, _)| n != name);
    refuse(
        &model,
        &weights::write(&fewer).unwrap(),
        LoadPolicy::Pretrained,
        &["1 missing", name],
    );
    let mut more = tensors(&model);
    more.push(("layer9.weight".to_owned(), float(&[1])));
    refuse(
        &model,
        &weights::write(&more).unwrap(),
        LoadPolicy::Pretrained,
        &["1 unexpected", "layer9.weight"],
    );
}

/// A file with this header, followed by `data` bytes.
fn file(header: &Value, data: usize) -> Vec<u8> {
    raw_file(&header.to_string(), data)
}

fn raw_file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

fn entry(shape: &Value, begin: u64, end: u64) -> Value {
    json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] })
}

#[test]
fn malformed_files_are_refused_with_the_reason() {
    let good = file(
        &json!({ "a": entry(&json!([2]), 0, 8), "b": entry(&json!([]), 8, 12) }),
        12,
    );
    assert_eq!(weights::parse(&good).unwrap()["b"].data.len(), 4);
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let huge = u64::MAX;
    for (bytes, reason) in [
        (vec![], "cut short"),
        (vec![1, 2, 3], "cut short"),
        (huge.to_le_bytes().to_vec(), "limit"),
        ((2_u64 << 20).to_le_bytes().repeat(400_000), "limit"),
        (raw_file("{}", 0)[..9].to_vec(), "cut short"),
        (raw_file("{]", 0), "header is damaged"),
        (raw_file("{\"a\":", 0), "header is damaged"),
        (raw_file(twice, 8), "twice"),
        (good[..good.len() - 1].to_vec(), "cut short"),
        ([good.clone(), vec![0]].concat(), "1 bytes follow"),
        (
            file(
                &json!({ "a": entry(&json!([2]), 0, 8), "b": entry(&json!([1]), 4, 8) }),
                8,
            ),
            "overlap",
        ),
        (file(&json!({ "a": entry(&json!([2]), 4, 12) }), 12), "gap"),
        (
            file(&json!({ "a": entry(&json!([3]), 0, 8) }), 8),
            "does not take",
        ),
        (
            file(&json!({ "a": entry(&json!([-1, -2]), 0, 8) }), 8),
            "does not take",
        ),
        (
            file(
                &json!({ "a": entry(&json!([1_u64 << 62, 1_u64 << 62]), 0, 8) }),
                8,
            ),
            "does not take",
        ),
        (
            file(&json!({ "a": entry(&json!([0]), 0, huge) }), 8),
            "does not take",
        ),
        (
            file(
                &json!({ "a": { "dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8] } }),
                8,
            ),
            "header cannot be used: unknown variant `F8_E4M3`",
        ),
        (
            file(
                &json!({ "a": { "dtype": "F32", "shape": [2], "data_offsets": [0, 8], "stride": 1 } }),
                8,
            ),
            "header cannot be used: unknown field `stride`",
        ),
    ] {
        let error = format!("{:#}", weights::parse(&bytes).unwrap_err());
        assert!(error.contains(reason), "expected `{reason}` in: {error}");
    }
}

/// Thousands of damaged files: the parser never panics, and never returns more tensors or data than the file contains.
#[test]
fn damaged_files_never_panic() {
    let tensor = |n: i64| Tensor::arange(n, (Kind::Float, Device::Cpu));
    let named = [("weight", 6), ("bias", 3), ("running_mean", 1)]
        .map(|(name, n)| (name.to_owned(), tensor(n)));
    let good = weights::write(&named).unwrap();
    let names: Vec<_> = weights::parse(&good).unwrap().into_keys().collect();
    let mut random = SplitMix64::new(11);
    // `make soak` tries more files.
    let files = std::env::var("WARMSTART_MUTATIONS").map_or(20_000, |files| files.parse().unwrap());
    let mut accepted = 0;
    for _ in 0..files {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.next_u64().to_le_bytes()[0],
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(
                    at,
                    b"0123456789[]{},:\"-e."[usize::try_from(random.below(20)).unwrap()],
                ),
            }
        }
        if let Ok(entries) = weights::parse(&bytes) {
            accepted += 1;
            assert!(entries.values().map(|e| e.data.len()).sum::<usize>() < bytes.len());
            assert!(entries.len() <= names.len());
        }
    }
    // Damage to numbers, names or metadata is not found here: the callers check names and checksums.
    assert!(
        accepted > files / 200 && accepted < files / 4 * 3,
        "{accepted}"
    );
    let target = if std::env::var_os("WARMSTART_MUTATIONS").is_some() {
        1_000_000
    } else {
        20_000
    };
    let verdict = if files >= target { "ok" } else { "UNDER" };
    println!(
        "FIGURE D3\tmalformed safetensors files parsed without a panic ({accepted} of them are still files)\t{files}\t{target}\t{verdict}"
    );
}

/// Files whose last bytes are wrong, or that claim far more than they contain. `good` is a valid file.
fn large_and_wrong(from: &Model, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let last = from.tensors().last().unwrap().name.clone();
    let float = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    let with = |tensor: Tensor| weights::write(&replaced(from, &last, tensor)).unwrap();
    let header = usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
    let headed = |header: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header].concat();
    let many = |count: usize| {
        let tensors: Vec<String> = (0..count)
            .map(|n| {
                format!(
                    "\"t{n}\":{{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[{},{}]}}",
                    4 * n,
                    4 * n + 4
                )
            })
            .collect();
        [
            headed(format!("{{{}}}", tensors.join(",")).as_bytes()),
            vec![0; 4 * count],
        ]
        .concat()
    };
    let size = from.tensors().last().unwrap().tensor.size();
    let infinite = float(&size);
    drop(infinite.get(size[0] - 1).fill_(f64::INFINITY));
    vec![
        ("infinite in its last number", with(infinite)),
        ("one element where there are more", with(float(&[1]))),
        (
            "integers",
            with(Tensor::ones(&size[..], (Kind::Int64, Device::Cpu))),
        ),
        ("cut by a byte", good[..good.len() - 1].to_vec()),
        ("a byte longer", [good, &[0]].concat()),
        ("twice", [good, good].concat()),
        (
            "without its header",
            [&good[..8], &good[8 + header..]].concat(),
        ),
        ("a header of 99 MB", headed(&vec![b' '; 99 << 20])),
        ("brackets", headed("[".repeat((1 << 20) - 1).as_bytes())),
        (
            "metadata of brackets",
            headed(format!("{{\"__metadata__\":{}", "[".repeat(1 << 19)).as_bytes()),
        ),
        (
            "a name of a mebibyte",
            headed(format!("{{\"{}\":1}}", "x".repeat((1 << 20) - 9)).as_bytes()),
        ),
        (
            "a gap before a tensor with a long name",
            headed(
                format!(
                    "{{\"{}\":{{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,8]}}}}",
                    "x".repeat(1 << 19)
                )
                .as_bytes(),
            ),
        ),
        (
            "a shape of 100,000 sides",
            [
                headed(
                    format!(
                        "{{\"a\":{{\"dtype\":\"F32\",\"shape\":[{}1],\"data_offsets\":[0,8]}}}}",
                        "1,".repeat(100_000)
                    )
                    .as_bytes(),
                ),
                vec![0; 8],
            ]
            .concat(),
        ),
        (
            "a number format with a long name",
            headed(
                format!(
                    "{{\"a\":{{\"dtype\":\"{}\",\"shape\":[],\"data_offsets\":[0,4]}}}}",
                    "F".repeat(1 << 19)
                )
                .as_bytes(),
            ),
        ),
        ("15,000 tensors", many(15_000)),
        ("a header of 2 MiB", many(35_000)),
    ]
}

/// Large files whose last bytes are wrong, or that claim far more than they contain. Each is refused, the model stays unchanged,
/// and the loader needs memory for the file and one copy of its numbers at most.
#[test]
fn large_malformed_files_are_refused_in_bounded_memory() {
    if !memory::is_alone("large_malformed_files_are_refused_in_bounded_memory") {
        return;
    }
    let (from, to) = (build(Backbone::Resnet18, 1), build(Backbone::Resnet18, 2));
    let good = weights::write(&tensors(&from)).unwrap();
    let files = large_and_wrong(&from, &good);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let before = to.fingerprint().unwrap();
    let mut worst = 0.0_f64;
    let number = files.len();
    for (what, bytes) in files {
        fs::write(&path, &bytes).unwrap();
        let length = bytes.len() as u64;
        drop(bytes);
        let (result, grown) = memory::grown(|| load_into(&to, &path, LoadPolicy::Exact));
        let error = result.unwrap_err();
        assert!(format!("{error:#}").len() < 4000, "{what}");
        let allowed = 2 * length + (16 << 20);
        assert!(
            grown <= allowed,
            "{what}: {grown} bytes for a file of {length}"
        );
        worst = worst.max(grown as f64 / allowed as f64);
        assert_eq!(to.fingerprint().unwrap(), before, "{what}");
    }
    // A file that is too large is refused before it is read. This one has no bytes on the disk.
    fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    let (result, grown) = memory::grown(|| load_into(&to, &path, LoadPolicy::Exact));
    let error = format!("{:#}", result.unwrap_err());
    assert!(
        error.contains("more than 4 GiB") && grown <= 16 << 20,
        "{error}: {grown} bytes"
    );
    // A valid file shows that the measurement works: it takes more than its own size.
    fs::write(&path, &good).unwrap();
    let (result, grown) = memory::grown(|| load_into(&to, &path, LoadPolicy::Exact));
    result.unwrap();
    assert!(grown > good.len() as u64, "{grown}");
    println!(
        "FIGURE D3\tlarge malformed files, model untouched, memory of what is allowed (twice the file and 16 MB)\t{number} files, {:.0} % at most\t100 %\tok",
        worst * 100.0
    );
}

#[test]
fn a_damaged_file_leaves_the_model_unchanged() {
    let model = build(Backbone::TfEfficientnetLite0, 1);
    let good = weights::write(&tensors(&build(Backbone::TfEfficientnetLite0, 2))).unwrap();
    let header = usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
    let before = model.fingerprint().unwrap();
    let mut random = SplitMix64::new(5);
    for _ in 0..40 {
        let mut bytes = good.clone();
        let at = 8 + usize::try_from(random.below(header as u64)).unwrap();
        // JSON allows no control character anywhere.
        bytes[at] = 1;
        assert!(
            weights::load_bytes(&model, &bytes, LoadPolicy::Exact).is_err(),
            "byte {at}"
        );
    }
    assert_eq!(model.fingerprint().unwrap(), before);
}

#[test]
fn an_architecture_is_recognized_by_header_config_or_file_name() {
    use weights::{SaidOf, stated};
    let folder = tempfile::tempdir().unwrap();
    let (twin, own) = (Backbone::TfEfficientnetB0, Backbone::EfficientnetB0);
    let about = |name: &str| BTreeMap::from([("architecture".to_owned(), name.to_owned())]);
    let plain = weights::write(&[]).unwrap();
    let header = weights::write_entries(&about("tf_efficientnet_b0.ns_jft_in1k"), &[]).unwrap();
    let file = folder.path().join("efficientnet_b0.safetensors");
    assert_eq!(
        stated(&file, &header),
        Some(SaidOf::Surely(twin, "its header")),
        "before the file's name"
    );
    assert_eq!(stated(&file, &plain), Some(SaidOf::Perhaps(own)));
    assert_eq!(
        stated(&folder.path().join("mine.safetensors"), &plain),
        None
    );
    let cached = folder
        .path()
        .join("models--timm--tf_efficientnet_b0.ns_jft_in1k/snapshots/abc/model.safetensors");
    assert_eq!(stated(&cached, &plain), Some(SaidOf::Perhaps(twin)));
    // timm publishes the weights of these two below one name.
    let (quick, clip) = (
        Backbone::VitBasePatch16ClipQuickGelu,
        Backbone::VitBasePatch16Clip,
    );
    for (tag, expected) in [("metaclip_2pt5b", quick), ("laion2b_ft_in12k_in1k", clip)] {
        let name = format!("vit_base_patch16_clip_224.{tag}.safetensors");
        let file = folder.path().join(name);
        assert_eq!(stated(&file, &plain), Some(SaidOf::Perhaps(expected)));
        let config = folder.path().join("model.safetensors");
        let said = format!(
            "{{\"architecture\": \"vit_base_patch16_clip_224\", \"pretrained_cfg\": {{\"tag\": \"{tag}\"}}}}"
        );
        fs::write(folder.path().join("config.json"), said).unwrap();
        assert_eq!(
            stated(&config, &plain).map(SaidOf::backbone),
            Some(expected)
        );
    }
    let beside = folder.path().join("model.safetensors");
    for (config, expected) in [
        (
            "{\"architecture\": \"tf_efficientnet_b0\"}",
            Some(SaidOf::Surely(twin, "the config.json beside it")),
        ),
        ("{\"architecture\": \"something_else\"}", None),
        ("{", None),
    ] {
        fs::write(folder.path().join("config.json"), config).unwrap();
        assert_eq!(stated(&beside, &plain), expected, "{config}");
    }

    // The same in a run.
    let experiment = |path: &std::path::Path| {
        let yaml = format!(
            "name: x\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: efficientnet_b0, weights: {} }}\n\
             train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n",
            path.display()
        );
        warmstart_schema::experiment::parse(&yaml, "x.yaml").unwrap()
    };
    let model = build(own, 1);
    let bytes = weights::write(&tensors(&build(twin, 2))).unwrap();
    let load = |path: &std::path::Path| {
        fs::write(path, &bytes).unwrap();
        let places = warmstart_runs::search_paths::SearchPaths::from_env();
        warmstart_engine::initial::load(&model, &experiment(path), folder.path(), &places)
    };
    let before = model.fingerprint().unwrap();
    fs::write(
        folder.path().join("config.json"),
        "{\"architecture\": \"tf_efficientnet_b0\"}",
    )
    .unwrap();
    let error = format!("{:#}", load(&beside).unwrap_err());
    assert!(
        error.contains(
            "config.json beside it says tf_efficientnet_b0, the experiment says efficientnet_b0"
        ),
        "{error}"
    );
    assert_eq!(model.fingerprint().unwrap(), before);
    let doubt = load(&folder.path().join("tf_efficientnet_b0.safetensors"))
        .unwrap()
        .doubt
        .unwrap();
    assert!(
        doubt.contains("is called after tf_efficientnet_b0"),
        "{doubt}"
    );
    assert_eq!(
        load(&folder.path().join("mine.safetensors")).unwrap().doubt,
        None
    );
}

/// The backbone's tensors as a file in another number format.
fn in_format(model: &Model, kind: Kind, dtype: weights::Dtype, prefix: &str) -> Vec<u8> {
    let data: Vec<(String, Vec<i64>, Vec<u8>)> = tensors(model)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("head."))
        .map(|(name, tensor)| {
            let bytes = warmstart_engine::model::bytes(&tensor.to_kind(kind)).unwrap();
            (format!("{prefix}{name}"), tensor.size(), bytes)
        })
        .collect();
    let entries: Vec<weights::Entry<'_>> = data
        .iter()
        .map(|(_, shape, data)| weights::Entry {
            dtype,
            shape: shape.clone(),
            data,
        })
        .collect();
    let named: Vec<(String, &weights::Entry<'_>)> = data
        .iter()
        .map(|(name, ..)| name.clone())
        .zip(&entries)
        .collect();
    weights::write_entries(&BTreeMap::new(), &named).unwrap()
}

#[track_caller]
fn same_backbone(found: &Model, expected: impl Fn(&Tensor) -> Tensor, from: &Model) {
    for (found, from) in found
        .tensors()
        .iter()
        .zip(from.tensors())
        .filter(|(one, _)| !one.name.starts_with("head."))
    {
        assert_eq!(
            found.tensor.detach(),
            expected(&from.tensor.detach()),
            "{}",
            found.name
        );
    }
}

#[test]
fn a_small_stem_keeps_its_new_convolution_and_takes_all_others() {
    let from = build(Backbone::Resnet18, 1);
    let small = |seed| with_stem(Backbone::Resnet18, Stem::Small, seed);
    let tensor = |model: &Model, name: &str| {
        let named = model.tensors().iter().find(|named| named.name == name);
        named.unwrap().tensor.copy()
    };
    let to = small(2);
    let new = tensor(&to, "conv1.weight");
    assert_eq!(new.size(), [64, 3, 3, 3]);
    let notes = weights::load_fitted(&to, &weights::write(&tensors(&from)).unwrap()).unwrap();
    assert!(
        notes.len() == 1 && notes[0].contains("`conv1.weight` begins with random weights"),
        "{notes:?}"
    );
    assert_eq!(tensor(&to, "conv1.weight"), new);
    for name in [
        "bn1.running_mean",
        "layer1.0.conv1.weight",
        "layer4.1.bn2.bias",
    ] {
        assert_eq!(tensor(&to, name), tensor(&from, name), "{name}");
    }
    // A file that holds such a convolution is loaded whole.
    let again = small(3);
    let notes = weights::load_fitted(&again, &weights::write(&tensors(&to)).unwrap()).unwrap();
    assert_eq!(notes, [""; 0]);
    assert_eq!(tensor(&again, "conv1.weight"), new);
}

#[test]
fn prefixes_of_wrappers_are_removed_and_reported() {
    let from = build(Backbone::Resnet18, 1);
    for prefix in [
        "module.",
        "model.",
        "_orig_mod.",
        "backbone.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.backbone.",
    ] {
        let to = build(Backbone::Resnet18, 2);
        let bytes = in_format(&from, Kind::Float, weights::Dtype::F32, prefix);
        let notes = weights::load_fitted(&to, &bytes).unwrap();
        same_backbone(&to, Tensor::shallow_clone, &from);
        assert!(
            notes.len() == 1 && notes[0].contains(&format!("`{prefix}`")),
            "{notes:?}"
        );
    }
    let plain: Named = tensors(&from)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("head."))
        .collect();
    let wrapped = |prefix: &str| {
        plain
            .iter()
            .map(|(name, tensor)| (format!("{prefix}{name}"), tensor.shallow_clone()))
            .collect::<Named>()
    };
    let to = build(Backbone::Resnet18, 2);
    // The loader skips a head beside the wrapped backbone, and other trained parts.
    let mut with_head = wrapped("backbone.");
    with_head.push((
        "projector.weight".to_owned(),
        Tensor::zeros([2, 2], (Kind::Float, Device::Cpu)),
    ));
    let notes = weights::load_fitted(&to, &weights::write(&with_head).unwrap()).unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("left aside: 1, first `projector.weight`")),
        "{notes:?}"
    );
    // With two wrapped backbones it is unclear which one is meant.
    let both = weights::write(
        &wrapped("model.")
            .into_iter()
            .chain(wrapped("module."))
            .collect::<Named>(),
    )
    .unwrap();
    refuse(
        &to,
        &both,
        LoadPolicy::Pretrained,
        &["twice", "`model.`", "`module.`"],
    );
    // The error lists missing tensors, and recognizes the file of another backbone.
    refuse(
        &to,
        &weights::write(&wrapped("module.")[1..]).unwrap(),
        LoadPolicy::Pretrained,
        &["missing"],
    );
    let other = in_format(
        &build(Backbone::Resnet34, 1),
        Kind::Float,
        weights::Dtype::F32,
        "module.",
    );
    refuse(
        &to,
        &other,
        LoadPolicy::Pretrained,
        &["this file holds resnet34, the experiment says resnet18"],
    );
    // A checkpoint must match exactly: no prefix is removed.
    assert!(
        weights::load_bytes(
            &to,
            &weights::write(&wrapped("module.")).unwrap(),
            LoadPolicy::Exact
        )
        .is_err()
    );
}

#[test]
fn other_float_formats_become_float32_and_are_reported() {
    let from = build(Backbone::Resnet18, 1);
    for (kind, dtype, words) in [
        (Kind::Half, weights::Dtype::F16, "float16"),
        (Kind::BFloat16, weights::Dtype::Bf16, "bfloat16"),
        (Kind::Double, weights::Dtype::F64, "float64"),
    ] {
        let to = build(Backbone::Resnet18, 2);
        let notes = weights::load_fitted(&to, &in_format(&from, kind, dtype, "module.")).unwrap();
        same_backbone(
            &to,
            |tensor| tensor.to_kind(kind).to_kind(Kind::Float),
            &from,
        );
        assert!(
            notes.len() == 2 && notes[1].contains(words) && notes[1].contains("float32"),
            "{notes:?}"
        );
    }
    // An integer 1 is no weight, and a number too large for float32 is refused.
    let to = build(Backbone::Resnet18, 2);
    refuse(
        &to,
        &in_format(&from, Kind::Int64, weights::Dtype::I64, ""),
        LoadPolicy::Pretrained,
        &["found I64"],
    );
    let huge = replaced(
        &from,
        "layer4.1.bn2.weight",
        Tensor::full([512], 1e300, (Kind::Double, Device::Cpu)),
    );
    let huge: Vec<(String, Vec<i64>, Vec<u8>)> = huge
        .into_iter()
        .map(|(name, tensor)| {
            (
                name,
                tensor.size(),
                warmstart_engine::model::bytes(&tensor.to_kind(Kind::Double)).unwrap(),
            )
        })
        .collect();
    let entries: Vec<weights::Entry<'_>> = huge
        .iter()
        .map(|(_, shape, data)| weights::Entry {
            dtype: weights::Dtype::F64,
            shape: shape.clone(),
            data,
        })
        .collect();
    let named: Vec<_> = huge
        .iter()
        .map(|(name, ..)| name.clone())
        .zip(&entries)
        .collect();
    let huge = weights::write_entries(&BTreeMap::new(), &named).unwrap();
    refuse(
        &to,
        &huge,
        LoadPolicy::Pretrained,
        &["layer4.1.bn2.weight", "infinite"],
    );
}

fn starting_from(weights: &str) -> warmstart_schema::experiment::Experiment {
    let yaml = format!(
        "name: x\ndataset: {{ name: emoji98 }}\nmodel: {{ backbone: resnet18, weights: {weights} }}\n\
         train: {{ epochs: 1, batch_size: 8, optimizer: {{ name: adam, learning_rate: 0.001 }} }}\n"
    );
    warmstart_schema::experiment::parse(&yaml, "x.yaml").unwrap()
}

#[test]
fn a_check_of_weights_agrees_with_the_launch() {
    use warmstart_engine::check::check;
    use warmstart_engine::initial::{Verdict, load, verdict};
    use warmstart_schema::finding::Finding;
    let folder = tempfile::tempdir().unwrap();
    let places = |offline| {
        let at = |name: &str| folder.path().join(name);
        warmstart_runs::search_paths::SearchPaths {
            weights: vec![at("weights")],
            datasets: Vec::new(),
            downloads: at("data"),
            hub: at("hub"),
            offline,
        }
    };
    let experiment = starting_from;
    let model = build(Backbone::Resnet18, 1);
    let good = in_format(&model, Kind::Float, weights::Dtype::F32, "");
    let other = in_format(
        &build(Backbone::Resnet34, 1),
        Kind::Float,
        weights::Dtype::F32,
        "",
    );
    let half = in_format(&model, Kind::Half, weights::Dtype::F16, "_orig_mod.");
    let mut flipped = good.clone();
    let last = flipped.len() - 1;
    flipped[last - 1..].copy_from_slice(&[0x80, 0x7f]);
    let of_weights = |experiment: &_, offline| -> Vec<Finding> {
        let findings = check(experiment, &places(offline)).findings;
        findings
            .into_iter()
            .filter(|finding| finding.field == "model.weights")
            .collect()
    };
    // A part of the error, or of the note if the file fits.
    let cases: [(&str, &[u8], Result<&str, &str>); 11] = [
        ("good.safetensors", &good, Ok("")),
        ("half.safetensors", &half, Ok("float16")),
        ("other.safetensors", &other, Err("holds resnet34")),
        (
            "cut.safetensors",
            &good[..good.len() - 100],
            Err("cut short"),
        ),
        ("cut-in-header.safetensors", &good[..1000], Err("cut short")),
        ("nothing.safetensors", b"", Err("is empty")),
        ("infinite.safetensors", &flipped, Err("infinite")),
        (
            "pointer.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            Err("Git LFS pointer"),
        ),
        (
            "page.safetensors",
            b"<!DOCTYPE html><html></html>",
            Err("web page"),
        ),
        (
            "pickle.safetensors",
            b"PK\x03\x04\x00\x00archive/data.pkl",
            Err("pickle"),
        ),
        ("old.safetensors", b"\x80\x02}q\x00.", Err("pickle")),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let experiment = experiment(&path.display().to_string());
        let said = verdict(&experiment, &places(true));
        let launched = load(&model, &experiment, folder.path(), &places(true));
        match (expected, said, launched) {
            (Ok(sign), Verdict::Fit { notes }, Ok(origin)) => {
                assert!(
                    notes == origin.notes && notes.concat().contains(sign),
                    "{name}: {notes:?}"
                );
                let told: Vec<Finding> = notes
                    .iter()
                    .map(|note| Finding::note("model.weights", note))
                    .collect();
                assert_eq!(of_weights(&experiment, true), told, "{name}");
            }
            (Err(sign), Verdict::Fails { error, help }, Err(launched)) => {
                assert_eq!(
                    of_weights(&experiment, true),
                    [Finding::error("model.weights", &error, &help)],
                    "{name}"
                );
                let blame = warmstart_engine::failure::UserError::of(&launched);
                assert_eq!((&error, &help), (&blame.error, &blame.help), "{name}");
                assert!(
                    error.contains(sign) && !help.is_empty(),
                    "{name}: {error} / {help}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let none = experiment(&folder.path().join("none.safetensors").display().to_string());
    assert!(
        matches!(verdict(&none, &places(false)), Verdict::Fails { error, .. } if error.contains("none.safetensors"))
    );
    // Weights that would be downloaded, and weights that cannot be.
    let published = experiment("imagenet");
    assert!(
        matches!(verdict(&published, &places(false)), Verdict::Fetched(text) if text.contains("timm/resnet18.a1_in1k"))
    );
    assert!(
        matches!(verdict(&published, &places(true)), Verdict::Fails { help, .. } if help.contains("HF_HUB_OFFLINE"))
    );
    let fetched = of_weights(&published, false);
    assert!(
        fetched.len() == 1 && fetched[0].severity == warmstart_schema::finding::Severity::Note,
        "{fetched:?}"
    );
    assert_eq!(
        verdict(&experiment("random"), &places(true)),
        Verdict::NoFile
    );
    assert_eq!(of_weights(&experiment("random"), true), []);
}

#[test]
fn a_check_doubts_a_frozen_random_convolution_as_the_launch_does() {
    use warmstart_engine::initial::{Verdict, load, model_spec, verdict};
    use warmstart_schema::architecture::Architecture;
    use warmstart_schema::experiment::Freeze;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.safetensors");
    let bytes = weights::write(&tensors(&build(Backbone::Resnet18, 1))).unwrap();
    fs::write(&path, bytes).unwrap();
    let mut experiment = starting_from(&path.display().to_string());
    experiment.model.stem = Stem::Small;
    let places = warmstart_runs::search_paths::SearchPaths::from_env();
    let blocks = Architecture::new(Backbone::Resnet18).blocks.len();
    for (freeze, is_doubted) in [
        (Freeze::Blocks(1), true),
        (Freeze::Backbone, true),
        (Freeze::None, false),
    ] {
        experiment.model.freeze = freeze;
        let model = Model::new(&model_spec(&experiment, 3, blocks), 2, Device::Cpu).unwrap();
        let origin = load(&model, &experiment, folder.path(), &places).unwrap();
        assert_eq!(origin.doubt.is_some(), is_doubted, "{freeze}");
        let notes = origin.notes.into_iter().chain(origin.doubt).collect();
        let said = verdict(&experiment, &places);
        assert_eq!(said, Verdict::Fit { notes }, "{freeze}");
    }
}

#[test]
fn a_launch_loads_the_published_weights_of_the_tag() {
    use warmstart_engine::initial::{Verdict, load, verdict};
    const HUB: &str = "timm/resnet18.tv_in1k";
    let folder = tempfile::tempdir().unwrap();
    let mut places = warmstart_runs::search_paths::SearchPaths {
        weights: vec![folder.path().to_path_buf()],
        datasets: Vec::new(),
        downloads: folder.path().join("data"),
        hub: folder.path().join("hub"),
        offline: false,
    };
    let (model, experiment) = (build(Backbone::Resnet18, 1), starting_from("tv_in1k"));
    let bytes = in_format(&model, Kind::Float, weights::Dtype::F32, "");
    fs::write(folder.path().join("resnet18.a1_in1k.safetensors"), &bytes).unwrap();
    let Verdict::Fetched(text) = verdict(&experiment, &places) else {
        panic!("those of another tag are taken")
    };
    assert!(text.contains(HUB), "{text}");
    places.offline = true;
    let error = load(&model, &experiment, folder.path(), &places).unwrap_err();
    assert!(error.to_string().contains(HUB), "{error}");
    fs::write(folder.path().join("resnet18.tv_in1k.safetensors"), &bytes).unwrap();
    let found = verdict(&experiment, &places);
    assert!(matches!(found, Verdict::Fit { .. }), "{found:?}");
    let origin = load(&model, &experiment, folder.path(), &places).unwrap();
    assert_eq!(origin.words, HUB);
}

#[test]
fn the_preparation_of_pictures_is_read_from_header_or_configuration() {
    use warmstart_schema::preparation::FileMetadata;
    let folder = tempfile::tempdir().unwrap();
    let own = Backbone::TfEfficientnetB0;
    let said = |path: &std::path::Path| weights::stated_preparation(path, own);
    let write = |name: &str, about: &[(&str, &str)]| {
        let path = folder.path().join(name);
        let about = about
            .iter()
            .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
            .collect();
        fs::write(&path, weights::write_entries(&about, &[]).unwrap()).unwrap();
        path
    };
    let config =
        |name: &str, text: &Value| fs::write(folder.path().join(name), text.to_string()).unwrap();
    let plain = write("mine.safetensors", &[]);
    assert_eq!(said(&plain), FileMetadata::default());

    // The configuration that timm writes for `tf_efficientnet_b0.ap_in1k`.
    let ap = json!({"architecture": "tf_efficientnet_b0", "num_classes": 1000, "pretrained_cfg": {
        "tag": "ap_in1k", "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}});
    config("config.json", &ap);
    let expected = FileMetadata {
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        interpolation: Some(Interpolation::Bicubic),
        crop_pct: Some(0.875),
        side: Some(224),
        by: "the config.json beside it".to_owned(),
    };
    assert_eq!(said(&plain), expected);
    assert_eq!(
        said(&write("tf_efficientnet_b0.ap_in1k.safetensors", &[])),
        expected
    );
    // What follows the dot is part of a version, not a tag.
    assert_eq!(said(&write("mine-v1.2.safetensors", &[])), expected);
    // The configuration may belong to another file.
    assert_eq!(
        said(&write("tf_efficientnet_b0.ns_jft_in1k.safetensors", &[])),
        FileMetadata::default()
    );
    assert_eq!(
        weights::stated_preparation(&plain, Backbone::Resnet18),
        FileMetadata::default()
    );
    // The file's own header comes first, then the configuration with the file's name.
    config(
        "mine.config.json",
        &json!({"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "crop_mode": "squash", "crop_pct": 0.5}}),
    );
    let by_name = said(&plain);
    assert_eq!(
        (by_name.mean, by_name.std, by_name.crop_pct),
        (Some([0.1, 0.2, 0.3]), None, None)
    );
    let header = write(
        "mine.safetensors",
        &[
            ("mean", "[0.25, 0.5, 0.75]"),
            ("interpolation", "bilinear"),
            ("crop_pct", "1.0"),
            ("input_size", "[3, 96, 96]"),
        ],
    );
    let header = said(&header);
    assert_eq!(
        (header.mean, header.side, header.by.as_str()),
        (Some([0.25, 0.5, 0.75]), Some(96), "its header")
    );
    assert_eq!(header.interpolation, Some(Interpolation::Bilinear));
    // Impossible values are ignored. Older configurations have all values at the top level.
    let odd = write("odd.safetensors", &[]);
    config(
        "odd.config.json",
        &json!({"mean": [0.5, 0.5, 0.5], "std": [0, 1, 1], "crop_pct": "x", "input_size": [1, 28, 28],
        "interpolation": "lanczos"}),
    );
    let odd = said(&odd);
    assert_eq!(
        (odd.mean, odd.std, odd.crop_pct, odd.side, odd.interpolation),
        (Some([0.5; 3]), None, None, None, None)
    );
}
