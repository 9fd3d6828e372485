//! Training steps of the study's models have the same losses as plain `PyTorch`. `reference/losses.py` writes the table.

use rstest::rstest;
use tch::Device;
use warmstart_engine::selftest::losses;

/// `WARMSTART_LOSS_STEPS` sets how many (default 12; the soak test does all 50).
#[rstest]
#[case::resnet_original(0)]
#[case::resnet_resized(1)]
#[case::effnet_resized(2)]
#[case::effnet_freeze(3)]
fn training_steps_have_the_losses_of_pytorch(#[case] index: usize) {
    let steps = std::env::var("WARMSTART_LOSS_STEPS");
    let steps = steps.map_or(12, |steps| steps.parse().unwrap());
    let agreement = losses::compare(index, steps, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{agreement}");
}

#[test]
fn every_case_of_the_table_is_compared() {
    assert_eq!(losses::cases().unwrap().len(), 4);
}
