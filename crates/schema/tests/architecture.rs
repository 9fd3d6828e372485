//! Compares the architectures with timm's tensor names and counts, and with the study's published counts.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use serde_json::Value;
use sha2::{Digest, Sha256};
use warmstart_schema::architecture::{Architecture, Backbone, HeadSpec, InputSize, Padding, count};
use warmstart_schema::catalog::Pretrained;

fn study_head(architecture: &Architecture) -> HeadSpec {
    HeadSpec {
        features: architecture.features,
        hidden: 256,
        classes: 100,
        dropout: 0.2,
    }
}

/// timm's data about a backbone, from `engine/tests/reference/backbones.py`.
fn timm(backbone: Backbone) -> Value {
    let all = include_str!("../../engine/tests/data/backbones.json");
    serde_json::from_str::<Value>(all).unwrap()["models"][backbone.as_str()].take()
}

#[test]
fn names_order_shapes_and_counts_equal_timm() {
    for backbone in Backbone::ALL {
        let (architecture, timm) = (Architecture::new(backbone), timm(backbone));
        let shape = |shape: &[i64]| {
            shape
                .iter()
                .map(i64::to_string)
                .collect::<Vec<_>>()
                .join("x")
        };
        let tensors: Vec<_> = architecture
            .tensors()
            .map(|t| format!("{} {}", t.name, shape(&t.shape)))
            .collect();
        // `backbones.py --tensors NAME` prints timm's.
        assert_eq!(timm["tensors"], tensors.len(), "{backbone}");
        let digest = format!("{:x}", Sha256::digest(tensors.join("\n")));
        assert_eq!(timm["sha256"], digest, "{backbone}: {tensors:#?}");
        assert_eq!(timm["num_features"], architecture.features, "{backbone}");
        let (parameters, statistics) =
            architecture
                .tensors()
                .fold((0, 0), |(parameters, statistics), tensor| {
                    if tensor.kind.is_statistic() {
                        (parameters, statistics + tensor.len())
                    } else {
                        (parameters + tensor.len(), statistics)
                    }
                });
        assert_eq!(
            (&timm["parameters"], &timm["statistics"]),
            (&parameters.into(), &statistics.into()),
            "{backbone}"
        );
    }
}

#[test]
fn pretrained_weights_and_normalization_equal_timms_default() {
    for backbone in Backbone::ALL {
        let (ours, timm) = (Pretrained::of(backbone), timm(backbone));
        let timm = &timm["pretrained"];
        assert_eq!(
            (&timm["hub"], &timm["pixels"]),
            (&ours.hub.into(), &ours.pixels.into()),
            "{backbone}"
        );
        for (ours, timm) in [(ours.mean, &timm["mean"]), (ours.std, &timm["std"])] {
            let timms: [f32; 3] = serde_json::from_value(timm.clone()).unwrap();
            assert_eq!(
                timms.map(f32::to_bits),
                ours.map(f32::to_bits),
                "{backbone}"
            );
        }
        assert!(backbone.input_size().takes(ours.pixels), "{backbone}");
        assert_eq!(
            backbone.input_size() != InputSize::Any,
            timm["hub"].as_str().unwrap().contains("_patch"),
            "{backbone}"
        );
    }
}

#[test]
fn other_published_weights_have_tags_that_experiments_can_name() {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let mut others = 0;
    for backbone in Backbone::ALL {
        let tags = Pretrained::tags(backbone);
        assert_eq!(tags[0], Pretrained::of(backbone).tag());
        others += tags.len() - 1;
        for (tag, weights) in tags.iter().zip(Pretrained::all(backbone)) {
            assert!(!tag.is_empty() && tag.bytes().all(is_plain), "{tag}");
            assert!(!["imagenet", "random"].contains(tag), "{tag}");
            assert_eq!(Pretrained::tagged(backbone, tag), Some(weights));
            assert!(backbone.input_size().takes(weights.pixels), "{tag}");
        }
    }
    // Each is of a backbone.
    assert_eq!(others, Pretrained::others().count());
    let named = |name: &str| Pretrained::named(name).map(|(_, weights)| weights);
    // timm's `default_cfgs`.
    let imagenet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let half = ([0.5; 3], [0.5; 3]);
    for (name, pixels, (mean, std)) in [
        ("resnet50.tv_in1k", 224, imagenet),
        ("resnet50.tv2_in1k", 176, imagenet),
        ("densenet121.tv_in1k", 224, imagenet),
        ("efficientnet_b0.ra4_e3600_r224_in1k", 224, half),
    ] {
        let found = named(name).unwrap();
        assert_eq!(found.hub, format!("timm/{name}"));
        assert_eq!((found.pixels, found.mean, found.std), (pixels, mean, std));
    }
    assert_eq!(named("resnet50"), named("resnet50.a1_in1k"));
    let refused = |name: &str| named(name).unwrap_err().to_string();
    let tags = refused("resnet50.tv3_in1k");
    assert!(tags.ends_with(" a1_in1k, tv_in1k, tv2_in1k"), "{tags}");
    assert!(refused("resnet51.tv_in1k").contains("unknown backbone `resnet51`"));
}

#[test]
fn multiply_adds_are_those_that_torch_counts() {
    for backbone in Backbone::ALL {
        let ours = Architecture::new(backbone).multiply_adds(224);
        assert_eq!(timm(backbone)["multiply_adds"], ours, "{backbone}");
    }
}

#[test]
fn transformers_take_whole_patches_and_four_of_them() {
    let sizes = |backbone: Backbone| {
        [32, 56, 64, 70, 224, 518, 0].map(|pixels| backbone.input_size().takes(pixels))
    };
    assert_eq!(
        sizes(Backbone::VitSmallPatch14DinoV2),
        [false, true, false, true, true, true, false]
    );
    assert_eq!(
        sizes(Backbone::VitSmallPatch16),
        [false, false, true, false, true, false, false]
    );
    assert_eq!(sizes(Backbone::Resnet18), [true; 7]);
}

#[test]
fn counts_equal_the_published_ones() {
    let architecture = Architecture::new(Backbone::EfficientnetB0);
    let head = study_head(&architecture);
    let before = count(&architecture, &head, 0).total;
    assert_eq!(
        (before.total, before.trainable, before.non_trainable()),
        (4_404_224, 4_361_696, 42_528)
    );
    let after = count(&architecture, &head, architecture.blocks.len()).total;
    assert_eq!(
        (after.total, after.trainable, after.non_trainable()),
        (4_404_224, 354_148, 4_050_076)
    );
}

#[test]
fn vgg_has_torchvisions_number_of_parameters() {
    let architecture = Architecture::new(Backbone::Vgg16Bn);
    let head = HeadSpec {
        features: architecture.features,
        hidden: 0,
        classes: 1000,
        dropout: 0.0,
    };
    let total = count(&architecture, &head, 0).total;
    assert_eq!((total.trainable, total.statistics), (138_365_992, 8448));
}

#[test]
fn freezing_moves_counts_from_trainable_to_frozen_block_by_block() {
    let architecture = Architecture::new(Backbone::Resnet18);
    let counts = count(&architecture, &study_head(&architecture), 2);
    let names: Vec<_> = counts
        .blocks
        .iter()
        .map(|block| block.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    );
    for (i, block) in counts.blocks.iter().enumerate() {
        assert_eq!(block.counts.trainable == 0, i < 2, "{}", block.name);
        assert_eq!(block.counts.frozen > 0, i < 2, "{}", block.name);
    }
}

#[test]
fn blocks_are_the_stem_the_stages_and_the_last_convolution() {
    let names = |backbone| {
        Architecture::new(backbone)
            .blocks
            .into_iter()
            .map(|b| b.name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        names(Backbone::Resnet50),
        "stem layer1 layer2 layer3 layer4"
    );
    let efficientnet =
        "stem blocks.0 blocks.1 blocks.2 blocks.3 blocks.4 blocks.5 blocks.6 conv_head";
    assert_eq!(names(Backbone::EfficientnetB0), efficientnet);
    assert_eq!(names(Backbone::TfEfficientnetLite0), efficientnet);
    assert_eq!(names(Backbone::MobilenetV3Large100), efficientnet);
    assert_eq!(
        names(Backbone::ConvnextTiny),
        "stem stages.0 stages.1 stages.2 stages.3 norm"
    );
    assert_eq!(
        names(Backbone::Vgg16Bn),
        "stem stage2 stage3 stage4 stage5 pre_logits"
    );
    let transformer = names(Backbone::VitSmallPatch16);
    assert!(
        transformer.starts_with("stem blocks.0 blocks.1 ")
            && transformer.ends_with(" blocks.11 norm")
    );
}

#[test]
fn same_padding_puts_the_odd_zero_last() {
    assert_eq!(Padding::Same.amounts(64, 3, 2), (0, 1));
    assert_eq!(Padding::Same.amounts(75, 3, 2), (1, 1));
    assert_eq!(Padding::Same.amounts(38, 5, 2), (1, 2));
    assert_eq!(Padding::Same.amounts(7, 5, 1), (2, 2));
    assert_eq!(Padding::Same.amounts(5, 1, 3), (0, 0));
    assert_eq!(Padding::Symmetric.amounts(64, 3, 2), (1, 1));
}

#[test]
fn names_parse_back_and_a_wrong_name_lists_the_closest() {
    for backbone in Backbone::ALL {
        assert_eq!(backbone.as_str().parse(), Ok(backbone));
        assert_eq!(serde_json::to_value(backbone).unwrap(), backbone.as_str());
    }
    let error = "resnet19".parse::<Backbone>().unwrap_err().to_string();
    assert!(
        error.contains("`resnet19`") && error.contains("resnet18") && !error.contains("lite0"),
        "{error}"
    );
}
