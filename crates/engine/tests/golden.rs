//! Backbones against timm's numbers: features, gradients and updated statistics, with weights from a formula.
//! `reference/backbones.py` writes `data/backbones.json`.

use rstest::rstest;
use tch::Device;
use warmstart_engine::selftest::backbones;
use warmstart_schema::architecture::Backbone as Name;

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet34)]
#[case(Name::Resnet50)]
#[case(Name::Resnet101)]
#[case(Name::EfficientnetB0)]
#[case(Name::EfficientnetB1)]
#[case(Name::EfficientnetB2)]
#[case(Name::EfficientnetB3)]
#[case(Name::TfEfficientnetB0)]
#[case(Name::TfEfficientnetB1)]
#[case(Name::TfEfficientnetB2)]
#[case(Name::TfEfficientnetB3)]
#[case(Name::EfficientnetLite0)]
#[case(Name::TfEfficientnetLite0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
fn features_in_inference_mode_are_timms(
    #[case] name: Name,
    #[values(0, usize::MAX)] frozen: usize,
) {
    let agreement = backbones::features(name, frozen, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{name}: {agreement}");
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet34)]
#[case(Name::Resnet50)]
#[case(Name::Resnet101)]
#[case(Name::EfficientnetB0)]
#[case(Name::EfficientnetB1)]
#[case(Name::EfficientnetB2)]
#[case(Name::EfficientnetB3)]
#[case(Name::TfEfficientnetB0)]
#[case(Name::TfEfficientnetB1)]
#[case(Name::TfEfficientnetB2)]
#[case(Name::TfEfficientnetB3)]
#[case(Name::EfficientnetLite0)]
#[case(Name::TfEfficientnetLite0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
fn a_training_pass_has_timms_gradients_and_statistics(#[case] name: Name) {
    let agreement = backbones::gradients(name, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{name}: {agreement}");
}

#[rstest]
#[case(Name::Resnet18)]
#[case(Name::Resnet50)]
#[case(Name::EfficientnetB0)]
#[case(Name::MobilenetV3Large100)]
#[case(Name::ConvnextTiny)]
#[case(Name::VitSmallPatch16)]
fn dropped_paths_have_timms_rates_gradients_and_statistics_with_the_same_draws(#[case] name: Name) {
    let agreement = backbones::dropped_paths(name, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{name}: {agreement}");
}
