//! Backbones against timm's numbers: features, gradients and updated statistics, with weights from a formula.
//! `reference/backbones.py` writes `data/backbones.json`.

use rstest::rstest;
use tch::Device;
use warmstart_engine::selftest::{Agreement, backbones};
use warmstart_schema::architecture::Backbone as Name;

/// Without those whose features lose their precision with these weights ([`backbones::loses_precision`]).
#[rstest]
fn features_in_inference_mode_are_timms(
    #[values(
        Name::Resnet18,
        Name::Resnet34,
        Name::Resnet50,
        Name::Resnet101,
        Name::Resnext50,
        Name::Resnet26d,
        Name::Resnet50d,
        Name::Seresnet50,
        Name::Regnety008,
        Name::Densenet121,
        Name::EfficientnetB0,
        Name::EfficientnetB1,
        Name::EfficientnetB2,
        Name::EfficientnetB3,
        Name::TfEfficientnetB0,
        Name::TfEfficientnetB1,
        Name::TfEfficientnetB2,
        Name::TfEfficientnetB3,
        Name::EfficientnetLite0,
        Name::TfEfficientnetLite0,
        Name::MobilenetV2,
        Name::MobilenetV3Large100,
        Name::MobilenetV4ConvSmall,
        Name::MobilenetV4ConvMedium,
        Name::ConvnextTiny,
        Name::ConvnextNano,
        Name::ConvnextV2Nano,
        Name::ConvnextV2Tiny,
        Name::VitSmallPatch16,
        Name::Deit3SmallPatch16,
        Name::VitSmallPatch14DinoV2,
        Name::VitSmallPatch14Reg4DinoV2,
        Name::VitSmallPatch16DinoV3
    )]
    name: Name,
    #[values(0, usize::MAX)] frozen: usize,
) {
    features_are_timms(name, frozen);
}

#[rstest]
fn a_training_pass_has_timms_gradients_and_statistics(
    #[values(
        Name::Resnet18,
        Name::Resnet34,
        Name::Resnet50,
        Name::Resnet101,
        Name::Resnext50,
        Name::Resnet26d,
        Name::Resnet50d,
        Name::Seresnet50,
        Name::Regnety008,
        Name::Regnety016,
        Name::Densenet121,
        Name::EfficientnetB0,
        Name::EfficientnetB1,
        Name::EfficientnetB2,
        Name::EfficientnetB3,
        Name::TfEfficientnetB0,
        Name::TfEfficientnetB1,
        Name::TfEfficientnetB2,
        Name::TfEfficientnetB3,
        Name::EfficientnetLite0,
        Name::TfEfficientnetLite0,
        Name::TfEfficientnetV2S,
        Name::EfficientnetV2RwS,
        Name::MobilenetV2,
        Name::MobilenetV3Large100,
        Name::MobilenetV4ConvSmall,
        Name::MobilenetV4ConvMedium,
        Name::ConvnextTiny,
        Name::ConvnextNano,
        Name::ConvnextV2Nano,
        Name::ConvnextV2Tiny,
        Name::VitSmallPatch16,
        Name::Deit3SmallPatch16,
        Name::VitSmallPatch14DinoV2,
        Name::VitSmallPatch14Reg4DinoV2,
        Name::VitSmallPatch16DinoV3
    )]
    name: Name,
) {
    training_is_timms(name);
}

/// Each has the layers of a smaller one above, at other widths; VGG has one more. `scripts/soak.d/30-backbones.sh` runs these.
#[rstest]
#[ignore = "large: scripts/soak.d/30-backbones.sh runs it"]
fn large_backbones_are_timms(
    #[values(
        Name::WideResnet50,
        Name::Regnety032,
        Name::Vgg16Bn,
        Name::ConvnextSmall,
        Name::ConvnextBase,
        Name::ConvnextV2Base,
        Name::VitBasePatch16,
        Name::VitBasePatch32,
        Name::VitBasePatch16Clip,
        Name::VitBasePatch16ClipQuickGelu,
        Name::Deit3BasePatch16,
        Name::VitBasePatch14DinoV2,
        Name::VitBasePatch14Reg4DinoV2,
        Name::VitBasePatch16DinoV3
    )]
    name: Name,
) {
    features_are_timms(name, 0);
    features_are_timms(name, usize::MAX);
    training_is_timms(name);
}

/// CLIP comes in no small size. This one holds all that its image towers have and no other does.
#[rstest]
fn clip_is_timms(
    #[values(Name::VitBasePatch32Clip, Name::VitBasePatch32ClipQuickGelu)] name: Name,
) {
    features_are_timms(name, 0);
}

#[test]
fn clip_has_timms_gradients() {
    training_is_timms(Name::VitBasePatch32Clip);
}

fn features_are_timms(name: Name, frozen: usize) {
    if backbones::loses_precision(name) {
        return;
    }
    agrees(name, backbones::features(name, frozen, Device::Cpu));
}

fn training_is_timms(name: Name) {
    agrees(name, backbones::gradients(name, Device::Cpu));
}

fn agrees(name: Name, found: anyhow::Result<Agreement>) {
    let disagreement = found
        .map(|agreement| (!agreement.holds()).then(|| agreement.to_string()))
        .map_err(|error| format!("{error:#}"));
    assert_eq!(disagreement, Ok(None), "{name}");
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet50)]
#[case(Name::EfficientnetB0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
#[case(Name::ConvnextV2Nano)]
#[case(Name::VitSmallPatch14DinoV2)]
#[case(Name::VitSmallPatch16DinoV3)]
#[case(Name::Regnety008)]
#[case(Name::MobilenetV4ConvSmall)]
fn dropped_paths_have_timms_rates_gradients_and_statistics_with_the_same_draws(#[case] name: Name) {
    let agreement = backbones::dropped_paths(name, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{name}: {agreement}");
}

#[rstest]
fn a_stem_for_small_images_is_timms_with_the_same_change(
    #[values(Name::Resnet18, Name::Resnet50, Name::Seresnet50)] name: Name,
) {
    for agreement in backbones::small_stem(name, Device::Cpu).unwrap() {
        assert!(agreement.holds(), "{name}: {agreement}");
    }
}
