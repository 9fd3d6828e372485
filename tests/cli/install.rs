//! The dashboard's program links no libtorch.

use std::process::Command;

use crate::place::Place;

#[test]
fn the_program_needs_no_libtorch() {
    let program = assert_cmd::cargo::cargo_bin!("warmstart");
    let output = Command::new("ldd").arg(program).output().unwrap();
    let libraries = String::from_utf8(output.stdout).unwrap();
    // Without addresses, in which any name can hide.
    let libraries: Vec<&str> = libraries.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let libraries = libraries.join(" ");
    assert!(output.status.success() && libraries.contains("libc."), "{libraries}");
    for name in ["torch", "c10", "cuda", "stdc++"] {
        assert!(!libraries.contains(name), "{name}\n{libraries}");
    }
}

#[test]
fn the_doctor_reports_what_the_worker_says() {
    let said = Place::new().say(&["doctor", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let json = said.json();
    assert_eq!(json["worker"]["libtorch"], "2.13.0");
    assert!(json["findings"].as_array().unwrap().iter().any(|finding| finding["what"] == "cuda"));
}
