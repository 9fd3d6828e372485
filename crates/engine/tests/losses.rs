//! Fifty training steps of the study's models have the same losses as plain `PyTorch`. `reference/losses.py` writes the table.

use rstest::rstest;
use tch::Device;
use warmstart_engine::selftest::losses;

#[rstest]
#[case::resnet_original(0)]
#[case::resnet_resized(1)]
#[case::effnet_resized(2)]
#[case::effnet_freeze(3)]
fn fifty_steps_have_the_losses_of_pytorch(#[case] index: usize) {
    let agreement = losses::losses(index, Device::Cpu).unwrap();
    assert!(agreement.holds(), "{agreement}");
}

#[test]
fn every_case_of_the_table_is_compared() {
    assert_eq!(losses::cases().unwrap().len(), 4);
}
