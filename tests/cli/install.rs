//! The program does not link libtorch, has `unsafe` only in listed files, and leaves nothing in `/tmp`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{Place, inherit, said};

#[test]
fn the_program_needs_no_libtorch() {
    let program = assert_cmd::cargo::cargo_bin!("warmstart");
    let output = Command::new("ldd").arg(program).output().unwrap();
    let libraries = String::from_utf8(output.stdout).unwrap();
    // Only the first word of each line: the paths after it may contain any name.
    let libraries: Vec<&str> = libraries
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let libraries = libraries.join(" ");
    assert!(
        output.status.success() && libraries.contains("libc."),
        "{libraries}"
    );
    for name in ["torch", "c10", "cuda", "stdc++"] {
        assert!(!libraries.contains(name), "{name}\n{libraries}");
    }
    println!("FIGURE D8\tlibraries of libtorch that the dashboard's program links\t0\t0\tok");
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    };
    entries
        .flat_map(of)
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

#[test]
fn unsafe_code_is_only_in_the_listed_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("Cargo.toml"));
    for manifest in crates.chain([root.join("Cargo.toml")]) {
        assert!(
            fs::read_to_string(&manifest)
                .unwrap()
                .contains("[lints]\nworkspace = true"),
            "{}",
            manifest.display()
        );
    }
    assert!(
        fs::read_to_string(root.join("Cargo.toml"))
            .unwrap()
            .contains("unsafe_code = \"deny\"")
    );
    // The lint applies everywhere except where an attribute names it.
    let folders = ["src", "tests", "crates"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| sources(folder));
    let mut lifted: Vec<String> = files
        .chain([root.join("build.rs")])
        .filter(|path| fs::read_to_string(path).unwrap().contains("unsafe_code"))
        .map(|path| path.strip_prefix(root).unwrap().display().to_string())
        .filter(|path| path != "tests/cli/install.rs")
        .collect();
    lifted.sort_unstable();
    assert_eq!(
        lifted,
        [
            "crates/engine/src/blocks.rs",
            "crates/engine/src/ffi.rs",
            "crates/engine/src/parallel/nccl.rs",
            "crates/runs/src/launcher/local.rs",
            "crates/tui/src/terminal/crash.rs"
        ]
    );
    let rules = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    for path in &lifted {
        let path = path.strip_prefix("crates/").unwrap();
        assert!(rules.contains(path), "CONTRIBUTING.md does not name {path}");
    }
    println!(
        "FIGURE D8\tmodules with unsafe code: libtorch's C++, the kernels, NCCL, the fork, the handler of fatal signals\t{0}\t{0}\tok",
        lifted.len()
    );
}

#[test]
fn no_file_is_created_outside_the_folder_of_runs() {
    const CALLS: &str = "trace=openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir";
    if !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED: strace is not here; get it with: sudo apt-get install strace");
        return;
    }
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let trace = elsewhere.path().join("trace");
    let watched = |arguments: &[&str]| {
        let command = place.command(arguments);
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "--seccomp-bpf", "-qq", "-A", "-e", CALLS, "-o"])
            .arg(&trace);
        strace.arg(command.get_program()).args(command.get_args());
        inherit(&mut strace, &command);
        said(strace.env("TMPDIR", elsewhere.path()))
    };
    assert_eq!(watched(&["train", "lite0-freeze", "--quiet"]).code, 0);
    assert_eq!(watched(&["compare"]).code, 0);
    assert_eq!(watched(&["list"]).code, 0);
    let text = fs::read_to_string(&trace).unwrap();
    let root = place.checkpoints().display().to_string();
    let is_making = |line: &&str| {
        line.contains('(')
            && !line.contains(" resumed>")
            && !line.contains(" --- ")
            && (!line.contains(" open")
                || ["O_CREAT", "O_WRONLY", "O_RDWR"]
                    .iter()
                    .any(|flag| line.contains(flag)))
    };
    let made: Vec<&str> = text.lines().filter(is_making).collect();
    let outside: Vec<&&str> = made
        .iter()
        .filter(|line| !line.contains(&root) && !line.contains("\"/dev/"))
        .collect();
    assert!(outside.is_empty() && made.len() > 20, "{outside:#?}");
    let left: Vec<PathBuf> = fs::read_dir(elsewhere.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [trace]);
    println!(
        "FIGURE D8\tfiles that the program makes outside the folder of runs, /tmp included\t0\t0\tok"
    );
}

#[test]
fn doctor_names_a_folder_of_runs_that_is_a_file() {
    let place = Place::new();
    let file = place.write("runs", "");
    let inside = format!("{file}/mine");
    for checkpoints in [&file, &inside] {
        let said = place.say(&["doctor", "--checkpoints", checkpoints]);
        let line = said.out.lines().find(|line| line.contains("checkpoints"));
        assert!(
            line.is_some_and(|line| line.starts_with("problem")),
            "{}",
            said.out
        );
        assert!(said.out.contains("not a folder"), "{}", said.out);
    }
    let said = place.say(&["doctor"]);
    let line = said.out.lines().find(|line| line.contains("checkpoints"));
    assert!(
        line.is_some_and(|line| line.starts_with("ok")),
        "{}",
        said.out
    );
}

#[test]
fn doctor_keeps_a_path_with_a_semicolon_on_one_line() {
    let place = Place::new();
    fs::create_dir(place.folder.path().join("a; b")).unwrap();
    let said = place.say(&["doctor", "--checkpoints", "a; b"]);
    assert!(said.out.contains("a; b: "), "{}", said.out);
    let json = place.say(&["doctor", "--json"]).json();
    let findings = json["findings"].as_array().unwrap();
    let found = |what: &str| {
        let finding = findings.iter().find(|finding| finding["what"] == what);
        finding.unwrap()["found"].as_str().unwrap().to_owned()
    };
    assert!(found("cuda").contains("; devices: "), "{json}");
}

#[test]
fn doctor_prints_the_workers_report() {
    let said = Place::new().say(&["doctor", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let json = said.json();
    assert_eq!(json["worker"]["libtorch"], "2.13.0");
    assert!(
        json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["what"] == "cuda")
    );
}

#[test]
fn doctor_says_which_torch_the_worker_uses_or_why_it_cannot_use_the_one_named() {
    let place = Place::new();
    // Built for 2.13 and without libtorch: it starts only with the libraries that it is given.
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/worker.sh");
    let script = format!(
        "#!/bin/sh\n[ -e \"$LD_LIBRARY_PATH/libtorch_cpu.so\" ] && exec '{}' \"$@\"\n\
         echo 'libtorch_cpu.so: cannot open shared object file' >&2\nexit 127\n",
        stand_in.display()
    );
    let worker = place.write_program("bin/warmstart-worker", &script);
    place.write("bin/torch-version", "2.13\n");
    for (folder, version) in [("right", "2.13.0+cu130"), ("wrong", "2.11.0+cu130")] {
        place.write(&format!("{folder}/lib/libtorch_cpu.so"), "");
        let says = format!("__version__ = '{version}'\n");
        place.write(&format!("{folder}/version.py"), &says);
    }
    fs::create_dir(place.folder.path().join("empty")).unwrap();
    let other = ": it is version 2.11.0+cu130, and the worker is built for 2.13";
    for (folder, code, why) in [
        ("right", 0, ""),
        ("wrong", 4, other),
        ("empty", 4, ": it has no libtorch_cpu"),
    ] {
        let mut command = place.command(&["doctor", "--json", "--torch", folder]);
        command
            .env("WARMSTART_WORKER", &worker)
            .env_remove("LD_LIBRARY_PATH");
        let said = said(&mut command);
        assert_eq!(said.code, code, "{folder}: {}{}", said.out, said.err);
        let json = said.json();
        let findings = json["findings"].as_array().unwrap();
        let finding = findings
            .iter()
            .find(|finding| finding["what"] == "PyTorch")
            .unwrap();
        let found = finding["found"].as_str().unwrap();
        let begins = if code == 0 { "uses " } else { "not " };
        assert!(found.starts_with(begins), "{found}");
        assert!(found.ends_with(&format!("/{folder}/lib{why}")), "{found}");
        assert_eq!(finding["ok"], code == 0, "{finding}");
        let help = finding["help"].as_str().unwrap_or_default();
        assert_eq!(help.contains("`--torch DIR`"), code != 0, "{finding}");
    }
}
