//! Which tensors of a model change in a training step and which stay equal, bit for bit.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};
use warmstart_engine::ffi::{self, Autocast};
use warmstart_engine::model::{self, Mode, Model, ModelSpec, TrainingPass};
use warmstart_engine::optimizer::Optimizer;
use warmstart_engine::selftest::formula;
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_schema::architecture::{Backbone, HeadSpec, InputSize, Stem, count};
use warmstart_schema::experiment::{self, Interpolation};
use warmstart_schema::seed::SplitMix64;

fn spec(backbone: Backbone) -> ModelSpec {
    ModelSpec {
        backbone,
        stem: Stem::Original,
        classes: 5,
        hidden: 16,
        // Tests run in parallel, and dropout draws from the one random generator of the process.
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: 0,
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Nearest,
        mean: [0.5; 3],
        std: [0.25; 3],
    }
}

fn build(spec: &ModelSpec) -> Model {
    Model::new(spec, 7, Device::Cpu).unwrap()
}

fn named<'a>(model: &'a Model, name: &str) -> &'a Tensor {
    let found = model.tensors().iter().find(|t| t.name == name);
    &found.unwrap().tensor
}

fn images() -> Tensor {
    let mut random = SplitMix64::new(1);
    let pixels: Vec<f64> = (0..4 * 3 * 32 * 32).map(|_| random.uniform()).collect();
    Tensor::from_slice(&pixels)
        .view([4, 3, 32, 32])
        .to_kind(Kind::Float)
}

fn snapshot(model: &Model) -> BTreeMap<String, Vec<u8>> {
    model
        .tensors()
        .iter()
        .map(|t| (t.name.clone(), model::bytes(&t.tensor).unwrap()))
        .collect()
}

/// The tensors before and after one step of Adam with a rate that is large enough to change them.
fn step(model: &Model) -> [BTreeMap<String, Vec<u8>>; 2] {
    let before = snapshot(model);
    let mut optimizer = Optimizer::new(
        &experiment::Optimizer::Adam {
            learning_rate: 0.0,
            weight_decay: 0.0,
        },
        model.trainable(),
    )
    .unwrap();
    let logits = model
        .forward(&images(), Mode::Train(TrainingPass::default()))
        .unwrap();
    logits
        .cross_entropy_for_logits(&Tensor::from_slice(&[0_i64, 1, 2, 3]))
        .backward();
    optimizer.step(0.01).unwrap();
    [before, snapshot(model)]
}

/// The tensors that a step leaves unchanged.
fn still(model: &Model) -> Vec<String> {
    let [before, after] = step(model);
    before
        .into_iter()
        .filter(|(name, bytes)| after[name] == *bytes)
        .map(|(name, _)| name)
        .collect()
}

/// Some residual blocks start with a scale of zero, and their weights get no gradient in the first step: sets all these scales to
/// 1.
fn wake_residuals(model: &Model) {
    tch::no_grad(|| {
        for named in model
            .tensors()
            .iter()
            .filter(|t| t.name.contains(".bn") && t.name.ends_with(".weight"))
        {
            drop(named.tensor.shallow_clone().fill_(1.0));
        }
    });
}

#[test]
fn without_freezing_every_tensor_changes() {
    use Backbone::{
        ConvnextTiny, EfficientnetB0, MobilenetV3Large100, Resnet18, TfEfficientnetLite0,
    };
    for backbone in [
        Resnet18,
        EfficientnetB0,
        TfEfficientnetLite0,
        MobilenetV3Large100,
        ConvnextTiny,
    ] {
        let model = build(&spec(backbone));
        wake_residuals(&model);
        assert_eq!(still(&model), [""; 0], "{backbone}");
    }
}

#[test]
fn a_frozen_backbone_keeps_every_bit_and_the_head_changes() {
    use Backbone::{
        ConvnextTiny, MobilenetV3Large100, Resnet18, TfEfficientnetLite0, VitSmallPatch16,
    };
    for backbone in [
        Resnet18,
        TfEfficientnetLite0,
        MobilenetV3Large100,
        ConvnextTiny,
        VitSmallPatch16,
    ] {
        let input_size = (backbone.input_size() != InputSize::Any).then_some(64);
        let model = build(&ModelSpec {
            frozen_blocks: usize::MAX,
            input_size,
            ..spec(backbone)
        });
        let fingerprints = [
            model.frozen_fingerprint().unwrap(),
            model.fingerprint().unwrap(),
        ];
        let still = still(&model);
        let frozen: Vec<_> = model
            .architecture()
            .tensors()
            .map(|t| t.name.clone())
            .collect();
        assert_eq!(still.len(), frozen.len(), "{backbone}");
        assert!(frozen.iter().all(|name| still.contains(name)), "{backbone}");
        assert_eq!(model.frozen_fingerprint().unwrap(), fingerprints[0]);
        assert_ne!(model.fingerprint().unwrap(), fingerprints[1]);
        assert!(
            model
                .tensors()
                .iter()
                .filter(|t| t.frozen)
                .all(|t| !t.tensor.requires_grad())
        );
    }
}

#[test]
fn a_frozen_prefix_keeps_its_bits_and_the_rest_changes() {
    let model = build(&ModelSpec {
        frozen_blocks: 3,
        ..spec(Backbone::Resnet18)
    });
    wake_residuals(&model);
    let moved = |name: &String| {
        ["layer3.", "layer4.", "head."]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let still = still(&model);
    let expected: Vec<_> = snapshot(&model)
        .into_keys()
        .filter(|name| !moved(name))
        .collect();
    assert_eq!(still, expected);
    assert!(
        model
            .tensors()
            .iter()
            .all(|t| t.frozen == still.contains(&t.name))
    );
}

#[test]
fn fine_tuning_changes_weights_and_keeps_the_backbones_statistics() {
    let model = build(&ModelSpec {
        norm_inference: true,
        ..spec(Backbone::Resnet18)
    });
    wake_residuals(&model);
    let statistics: Vec<_> = snapshot(&model)
        .into_keys()
        .filter(|name| name.contains(".running_"))
        .filter(|name| !name.starts_with("head."))
        .collect();
    assert_eq!(still(&model), statistics);
}

#[test]
fn a_fingerprint_sees_a_single_bit_of_a_buffer() {
    let model = build(&ModelSpec {
        frozen_blocks: 1,
        ..spec(Backbone::Resnet18)
    });
    let before = model.frozen_fingerprint().unwrap();
    let buffer = model
        .tensors()
        .iter()
        .find(|t| t.name == "bn1.running_var")
        .unwrap();
    tch::no_grad(|| drop(buffer.tensor.get(0).fill_(f64::from(1.0 + f32::EPSILON))));
    assert_ne!(model.frozen_fingerprint().unwrap(), before);
}

#[test]
fn initial_weights_follow_from_the_seed() {
    let spec = spec(Backbone::TfEfficientnetLite0);
    let print = |seed| {
        Model::new(&spec, seed, Device::Cpu)
            .unwrap()
            .fingerprint()
            .unwrap()
    };
    assert_eq!(print(1), print(1));
    assert_ne!(print(1), print(2));
}

#[test]
fn initial_weights_have_the_expected_spread() {
    let he = |fan_out: f64| (2.0 / fan_out).sqrt();
    let pytorch = |fan_in: f64| 1.0 / (3.0 * fan_in).sqrt();
    let check = |model: &Model, name: &str, expected: f64| {
        let found = named(model, name).std(true).double_value(&[]);
        assert!(
            (found / expected - 1.0).abs() < 0.05,
            "{name}: {found} instead of {expected}"
        );
    };
    let efficientnet = build(&spec(Backbone::EfficientnetB0));
    check(&efficientnet, "conv_head.weight", he(1280.0));
    check(&efficientnet, "blocks.5.0.conv_dw.weight", he(25.0));
    check(&efficientnet, "head.fc1.weight", pytorch(1280.0));
    // timm divides the fan-out by the groups in RegNet, and not in ResNeXt.
    let regnet = build(&spec(Backbone::Regnety008));
    let fan_out = 3.0 * 3.0 * 128.0;
    let groups = 8.0;
    check(&regnet, "s2.b1.conv1.conv.weight", he(128.0));
    check(&regnet, "s2.b1.conv2.conv.weight", he(fan_out / groups));
    let resnext = build(&spec(Backbone::Resnext50));
    check(&resnext, "layer1.0.conv2.weight", he(fan_out));
    // timm leaves the patch projection as PyTorch draws it, and draws the dense layers itself.
    let vit = build(&spec(Backbone::VitSmallPatch16));
    let patch: f64 = 3.0 * 16.0 * 16.0;
    check(&vit, "patch_embed.proj.weight", pytorch(patch));
    check(&vit, "blocks.0.mlp.fc1.weight", 0.02);
    let bias = named(&vit, "patch_embed.proj.bias").abs().max();
    let share = bias.double_value(&[]) * patch.sqrt();
    assert!((0.9..=1.0).contains(&share), "{share} of the bound");
    let resnet = build(&spec(Backbone::Resnet18));
    let last = named(&resnet, "layer1.0.bn2.weight");
    assert_eq!(*last, Tensor::zeros([64], (Kind::Float, Device::Cpu)));
}

#[test]
fn cached_features_through_the_head_equal_the_whole_model() {
    let spec = ModelSpec {
        frozen_blocks: usize::MAX,
        input_size: Some(48),
        ..spec(Backbone::TfEfficientnetLite0)
    };
    let (model, images) = (build(&spec), images());
    let features = model.features(&images).unwrap();
    assert_eq!(
        (features.size(), features.requires_grad()),
        (vec![4, 1280], false)
    );
    for mode in [Mode::Train(TrainingPass::default()), Mode::Eval] {
        assert_eq!(
            model.forward(&images, mode).unwrap(),
            model.head_forward(&features, mode).unwrap()
        );
    }
}

#[test]
fn loaded_weights_reach_a_frozen_backbone_that_ran_before() {
    let of = |seed, frozen_blocks| {
        let spec = ModelSpec {
            frozen_blocks,
            ..spec(Backbone::TfEfficientnetLite0)
        };
        Model::new(&spec, seed, Device::Cpu).unwrap()
    };
    let (model, other, images) = (of(1, usize::MAX), of(2, 0), images());
    let before = model.features(&images).unwrap();
    let tensors: Vec<_> = other
        .tensors()
        .iter()
        .map(|t| (t.name.clone(), t.tensor.shallow_clone()))
        .collect();
    weights::load_bytes(
        &model,
        &weights::write(&tensors).unwrap(),
        LoadPolicy::Exact,
    )
    .unwrap();
    let after = model.features(&images).unwrap();
    assert!(after.allclose(&other.features(&images).unwrap(), 1e-4, 1e-5, false));
    assert!(!after.allclose(&before, 1e-2, 1e-2, false));
}

#[test]
fn dropout_is_active_in_training_only_and_follows_libtorchs_seed() {
    let model = build(&ModelSpec {
        dropout: 0.5,
        ..spec(Backbone::Resnet18)
    });
    let features = Tensor::ones([8, 512], (Kind::Float, Device::Cpu));
    let train = |seed| {
        tch::manual_seed(seed);
        model
            .head_forward(&features, Mode::Train(TrainingPass::default()))
            .unwrap()
    };
    assert_eq!(train(3), train(3));
    assert_ne!(train(3), train(4));
    assert_eq!(
        model.head_forward(&features, Mode::Eval).unwrap(),
        model.head_forward(&features, Mode::Eval).unwrap()
    );
}

#[test]
fn images_are_resized_and_normalized_inside() {
    let small = ModelSpec {
        input_size: Some(64),
        ..spec(Backbone::Resnet18)
    };
    let plain = ModelSpec {
        mean: [0.0; 3],
        std: [1.0; 3],
        ..spec(Backbone::Resnet18)
    };
    let images = images();
    let by_hand = ((&images - 0.5) / 0.25).upsample_nearest2d([64, 64], None, None);
    let eval = |spec: &ModelSpec, images: &Tensor| build(spec).forward(images, Mode::Eval).unwrap();
    assert!(eval(&small, &images).allclose(&eval(&plain, &by_hand), 1e-5, 1e-6, false));
    let smooth = ModelSpec {
        interpolation: Interpolation::Bilinear,
        ..small.clone()
    };
    let by_hand = ((&images - 0.5) / 0.25).upsample_bilinear2d([64, 64], false, None, None);
    assert!(eval(&smooth, &images).allclose(&eval(&plain, &by_hand), 1e-5, 1e-5, false));
    assert!(!eval(&smooth, &images).allclose(&eval(&small, &images), 1e-3, 1e-3, false));
}

#[test]
fn evaluation_is_repeatable_and_changes_no_tensor() {
    let model = build(&spec(Backbone::Resnet18));
    let before = model.fingerprint().unwrap();
    let images = images();
    let [first, second] = [0, 1].map(|_| model.forward(&images, Mode::Eval).unwrap());
    assert_eq!(first, second);
    assert!(!first.requires_grad());
    assert_eq!(model.fingerprint().unwrap(), before);
}

#[test]
fn a_transformer_reports_its_image_size() {
    let error = build(&spec(Backbone::VitSmallPatch14DinoV2))
        .forward(&images(), Mode::Eval)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a multiple of 14 pixels") && error.contains("32×32"),
        "{error}"
    );
}

#[test]
fn wrong_images_and_a_batch_of_one_are_refused_with_the_reason() {
    let model = build(&spec(Backbone::Resnet18));
    for wrong in [images().to_kind(Kind::Uint8), images().narrow(1, 0, 1)] {
        let error = model.forward(&wrong, Mode::Eval).unwrap_err().to_string();
        assert!(error.contains("float32 [N, 3, H, W]"), "{error}");
    }
    let error = model
        .forward(
            &images().narrow(0, 0, 1),
            Mode::Train(TrainingPass::default()),
        )
        .unwrap_err()
        .to_string();
    assert!(error.contains("two images"), "{error}");
    assert_eq!(
        model
            .forward(&images().narrow(0, 0, 1), Mode::Eval)
            .unwrap()
            .size(),
        [1, 5]
    );
}

#[test]
fn tensors_match_the_counts_of_the_schema() {
    use Backbone::{
        ConvnextTiny, EfficientnetB0, MobilenetV3Large100, Resnet18, TfEfficientnetLite0,
        VitSmallPatch16,
    };
    for backbone in [
        Resnet18,
        EfficientnetB0,
        TfEfficientnetLite0,
        MobilenetV3Large100,
        ConvnextTiny,
        VitSmallPatch16,
    ] {
        let model = build(&ModelSpec {
            frozen_blocks: 2,
            ..spec(backbone)
        });
        let architecture = model.architecture();
        let head = HeadSpec {
            features: architecture.features,
            hidden: 16,
            classes: 5,
            dropout: 0.2,
        };
        let counts = count(architecture, &head, 2).total;
        let sum = |tensors: &mut dyn Iterator<Item = &Tensor>| {
            tensors.map(|t| t.numel() as u64).sum::<u64>()
        };
        assert_eq!(
            sum(&mut model.tensors().iter().map(|t| &t.tensor)),
            counts.total,
            "{backbone}"
        );
        assert_eq!(
            sum(&mut model.trainable().map(|(_, tensor)| tensor)),
            counts.trainable,
            "{backbone}"
        );
    }
}

#[test]
fn autocast_lasts_as_long_as_its_guard() {
    let product = || {
        let a = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        a.matmul(&a).kind()
    };
    assert_eq!(product(), Kind::Float);
    {
        let _outer = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        assert_eq!(product(), Kind::BFloat16);
        {
            let _inner = Autocast::enter(Device::Cpu, Kind::Half).unwrap();
            assert_eq!(product(), Kind::Half);
        }
        assert_eq!(product(), Kind::BFloat16);
    }
    assert_eq!(product(), Kind::Float);
    assert!(Autocast::enter(Device::Cpu, Kind::Double).is_err());
}

#[test]
fn a_step_under_autocast_gives_float32_logits_and_trains() {
    for frozen_blocks in [0, 2] {
        let model = build(&ModelSpec {
            frozen_blocks,
            ..spec(Backbone::Resnet18)
        });
        let _autocast = Autocast::enter(Device::Cpu, Kind::BFloat16).unwrap();
        let logits = model
            .forward(&images(), Mode::Train(TrainingPass::default()))
            .unwrap();
        assert_eq!(logits.kind(), Kind::Float);
        logits
            .cross_entropy_for_logits(&Tensor::from_slice(&[0_i64, 1, 2, 3]))
            .backward();
        for (name, param) in model.trainable() {
            assert!(
                param.grad().defined() && param.grad().kind() == Kind::Float,
                "{name}"
            );
        }
        assert_eq!(model.features(&images()).unwrap().kind(), Kind::Float);
    }
}

#[test]
fn channels_last_changes_the_layout_and_not_the_values() {
    let tensor = Tensor::arange(48, (Kind::Float, Device::Cpu)).view([2, 6, 2, 2]);
    let moved = ffi::channels_last(&tensor).unwrap();
    assert_eq!((moved.stride(), &moved), (vec![24, 1, 12, 6], &tensor));
    assert_eq!(
        model::bytes(&moved).unwrap(),
        model::bytes(&tensor).unwrap()
    );
    assert!(
        ffi::channels_last(&tensor.view([-1]))
            .unwrap_err()
            .to_string()
            .contains("libtorch")
    );
}

#[test]
fn paths_drop_in_training_alone_and_never_in_frozen_blocks() {
    let build_with = |drop_path, frozen_blocks| {
        let model = build(&ModelSpec {
            drop_path,
            frozen_blocks,
            norm_inference: true,
            ..spec(Backbone::Resnet18)
        });
        wake_residuals(&model);
        model
    };
    let train = |model: &Model, path_seed| {
        let logits = model.forward(
            &images(),
            Mode::Train(TrainingPass {
                path_seed,
                side: None,
            }),
        );
        logits.unwrap().detach()
    };
    let (plain, dropping) = (build_with(0.0, 0), build_with(0.5, 0));
    let eval = |model: &Model| model.forward(&images(), Mode::Eval).unwrap();
    assert_eq!(eval(&plain), eval(&dropping));
    assert_eq!(train(&plain, 1), train(&plain, 2));
    assert_eq!(train(&dropping, 1), train(&dropping, 1));
    assert_ne!(train(&dropping, 1), train(&dropping, 2));
    assert_ne!(train(&dropping, 1), train(&plain, 1));
    let (plain, frozen) = (build_with(0.0, usize::MAX), build_with(0.5, usize::MAX));
    assert_eq!(train(&plain, 1), train(&frozen, 1));
}

#[test]
fn images_are_resized_as_torchvision_resizes_them_and_evaluation_keeps_the_final_size() {
    let table: serde_json::Value =
        serde_json::from_str(include_str!("reference/sizes.json")).unwrap();
    let shrinking = |interpolation, input_size| {
        build(&ModelSpec {
            interpolation,
            input_size,
            norm_inference: true,
            ..spec(Backbone::Resnet18)
        })
    };
    for case in table["cases"].as_array().unwrap() {
        let interpolation = Interpolation::named(case["interpolation"].as_str().unwrap()).unwrap();
        let [from, to] = ["from", "to"].map(|side| case[side].as_i64().unwrap());
        let picture = (formula::stream("sizes", &[1, 3, from, from]) + 1.0) / 2.0;
        let model = shrinking(interpolation, None);
        let found = model
            .resized(&picture.to_kind(Kind::Float), (to, to))
            .unwrap();
        let pixels: Vec<f32> = serde_json::from_value(case["pixels"].clone()).unwrap();
        let expected = Tensor::from_slice(&pixels).view_as(&found);
        let away = (found - expected).abs().max().double_value(&[]);
        assert!(away < 2e-6, "{away}: {interpolation:?} from {from} to {to}");
    }
    let model = shrinking(Interpolation::Bilinear, Some(64));
    wake_residuals(&model);
    // Before any training pass, because it updates the statistics of the head.
    let eval = model.forward(&images(), Mode::Eval).unwrap();
    let train = |side| {
        let training = TrainingPass { path_seed: 0, side };
        let logits = model.forward(&images(), Mode::Train(training));
        logits.unwrap().detach()
    };
    assert_eq!(train(None), train(Some(64)));
    assert_ne!(train(None), train(Some(48)));
    let plain = shrinking(Interpolation::Bilinear, None);
    wake_residuals(&plain);
    let grown = images().upsample_bilinear2d([64, 64], false, None, None);
    let expected = plain.forward(&grown, Mode::Eval).unwrap();
    assert!(eval.allclose(&expected, 1e-4, 1e-5, false));
}
