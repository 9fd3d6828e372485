//! The report of `warmstart-worker selftest` on the CPU.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use warmstart_engine::device::DeviceRequest;
use warmstart_engine::selftest;
use warmstart_schema::selftest::{Check, Verdict};

fn checks(only: &[&str]) -> Vec<Check> {
    checks_of(DeviceRequest::Cpu, only)
}

fn checks_of(request: DeviceRequest, only: &[&str]) -> Vec<Check> {
    let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
    let mut answers = Vec::new();
    selftest::serve(request, &only, &mut answers).unwrap();
    String::from_utf8(answers)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn checks_are_chosen_by_a_part_of_their_name_and_pass() {
    let checks = checks(&["optimizer", "frozen weights", "same bits"]);
    let named = |name: &str| checks.iter().filter(|check| check.name == name).count();
    assert_eq!(
        (
            named("optimizer"),
            named("frozen weights"),
            named("same bits twice")
        ),
        (9, 1, 1)
    );
    assert_eq!(checks.len(), 11);
    for check in &checks {
        assert_eq!(check.verdict, Verdict::Passed, "{check:?}");
    }
}

#[test]
fn checks_that_need_a_gpu_are_skipped_with_a_reason() {
    let checks = checks(&["augmentation", "memory", "GPU error"]);
    assert_eq!(checks.len(), 4);
    for check in &checks {
        assert_eq!(check.verdict, Verdict::Skipped, "{check:?}");
        assert!(check.text.contains("CPU"), "{check:?}");
    }
}

#[test]
fn speed_is_measured_in_images_a_second() {
    let checks = checks(&["speed"]);
    assert_eq!(checks.len(), 2);
    for check in &checks {
        assert_eq!(check.verdict, Verdict::Measured, "{check:?}");
        assert!(check.value.unwrap() > 1.0, "{check:?}");
    }
}

#[test]
fn a_missing_gpu_fails_its_check_with_the_reason() {
    let checks = checks_of(DeviceRequest::Cuda(200), &["optimizer"]);
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert_eq!(
        (checks[0].name.as_str(), checks[0].verdict),
        ("device", Verdict::Failed)
    );
    assert!(checks[0].text.contains("instead of cuda:200"), "{checks:?}");
}
