//! The structures against timm's own tensor names and counts, and the study's published counts.

use serde_json::Value;
use warmstart_schema::architecture::{Architecture, Backbone, HeadSpec, Padding, count};

fn study_head(architecture: &Architecture) -> HeadSpec {
    HeadSpec { features: architecture.features, hidden: HeadSpec::DEFAULT_HIDDEN, classes: 100, dropout: 0.2 }
}

#[test]
fn names_order_and_counts_are_timms() {
    let golden: Value = serde_json::from_str(include_str!("../../engine/tests/data/backbones.json")).unwrap();
    for backbone in Backbone::ALL {
        let (architecture, timm) = (Architecture::new(backbone), &golden["models"][backbone.as_str()]);
        let names: Vec<_> = architecture.tensors().map(|tensor| Value::from(tensor.name.as_str())).collect();
        assert_eq!(Value::from(names), timm["names"], "{backbone}");
        assert_eq!(timm["num_features"], architecture.features, "{backbone}");
        let (parameters, statistics) = architecture.tensors().fold((0, 0), |(parameters, statistics), tensor| {
            if tensor.kind.is_statistic() {
                (parameters, statistics + tensor.len())
            } else {
                (parameters + tensor.len(), statistics)
            }
        });
        assert_eq!((&timm["parameters"], &timm["buffers"]), (&parameters.into(), &statistics.into()), "{backbone}");
    }
}

#[test]
fn the_studys_counts_to_the_last_unit() {
    let architecture = Architecture::new(Backbone::EfficientnetB0);
    let head = study_head(&architecture);
    let before = count(&architecture, &head, 0).total;
    assert_eq!((before.total, before.trainable, before.non_trainable()), (4_404_224, 4_361_696, 42_528));
    let after = count(&architecture, &head, architecture.blocks.len()).total;
    assert_eq!((after.total, after.trainable, after.non_trainable()), (4_404_224, 354_148, 4_050_076));
}

#[test]
fn a_frozen_prefix_moves_counts_block_by_block() {
    let architecture = Architecture::new(Backbone::Resnet18);
    let counts = count(&architecture, &study_head(&architecture), 2);
    let names: Vec<_> = counts.blocks.iter().map(|block| block.name.as_str()).collect();
    assert_eq!(names, ["stem", "layer1", "layer2", "layer3", "layer4", "head"]);
    for (i, block) in counts.blocks.iter().enumerate() {
        assert_eq!(block.counts.trainable == 0, i < 2, "{}", block.name);
        assert_eq!(block.counts.frozen > 0, i < 2, "{}", block.name);
    }
}

#[test]
fn blocks_are_the_stem_the_stages_and_the_last_convolution() {
    let names = |backbone| Architecture::new(backbone).blocks.into_iter().map(|b| b.name).collect::<Vec<_>>().join(" ");
    assert_eq!(names(Backbone::Resnet50), "stem layer1 layer2 layer3 layer4");
    let efficientnet = "stem blocks.0 blocks.1 blocks.2 blocks.3 blocks.4 blocks.5 blocks.6 conv_head";
    assert_eq!(names(Backbone::EfficientnetB0), efficientnet);
    assert_eq!(names(Backbone::TfEfficientnetLite0), efficientnet);
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
fn names_round_trip_and_a_wrong_one_lists_the_right_ones() {
    for backbone in Backbone::ALL {
        assert_eq!(backbone.as_str().parse(), Ok(backbone));
        assert_eq!(serde_json::to_value(backbone).unwrap(), backbone.as_str());
    }
    let error = "resnet19".parse::<Backbone>().unwrap_err().to_string();
    assert!(error.contains("`resnet19`") && error.contains("tf_efficientnet_lite0"), "{error}");
}
