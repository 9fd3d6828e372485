//! The commands and the files in the README and the book. Every line of a `sh` block runs here, in a folder like a reader's, with
//! a fake worker. Every `yaml` block is checked. One list names the lines that need a network or a built package, and what runs
//! them instead.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{Place, inherit, said};

/// Starts of lines that do not run here, each with the reason.
const ELSEWHERE: [(&str, &str); 8] = [
    (
        "python3 -m venv warmstart-env",
        "scripts/soak.d/61-packages.py installs the wheel into a fresh environment",
    ),
    (
        ". warmstart-env/bin/activate",
        "scripts/soak.d/61-packages.py",
    ),
    (
        "pip install warmstart-",
        "scripts/soak.d/61-packages.py: it needs the wheel and PyPI",
    ),
    (
        "pip install 'torch==2.13.*' --index-url",
        "needs PyTorch's own package index",
    ),
    (
        "tar -xf warmstart-",
        "scripts/soak.d/61-packages.py: it needs the archive",
    ),
    (
        concat!(
            "warmstart-",
            env!("CARGO_PKG_VERSION"),
            "-linux-x86_64/bin/warmstart"
        ),
        "scripts/soak.d/61-packages.py",
    ),
    (
        "warmstart verify-resume",
        "needs the real worker: scripts/soak.d/30-verify.py",
    ),
    ("make ", "only that the target exists: `make -n`"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README and the pages of the book.
fn pages() -> Vec<PathBuf> {
    let book = fs::read_dir(root().join("docs/book/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = book
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// The fenced code blocks of a language. Those in a list are indented; that indentation is left out.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.find(|line| line.trim_start() == opening) {
        let indentation = line.len() - opening.len();
        let block: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim_start() != "```")
            .map(|line| line.get(indentation..).unwrap_or_default())
            .collect();
        found.push(block.join("\n") + "\n");
    }
    found
}

#[test]
fn blocks_in_lists_are_found_too() {
    let text = "1. A list.\n\n   ```sh\n   one\n\n     two\n   ```\n\n```sh\nthree\n```\n";
    assert_eq!(blocks(text, "sh"), ["one\n\n  two\n", "three\n"]);
}

/// A reader's folder: the shipped experiments, an image folder, and runs of the experiments that the book names.
fn reader(own: &str) -> Place {
    let place = Place::new();
    let experiments = place.folder.path().join("experiments/quickstart");
    fs::create_dir_all(&experiments).unwrap();
    for (from, to) in [
        ("experiments", experiments.parent().unwrap()),
        ("experiments/quickstart", &*experiments),
    ] {
        let files = fs::read_dir(root().join(from))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    for picture in [
        "pictures/cat/1.jpg",
        "pictures/dog/1.jpg",
        "new.jpg",
        "other.png",
    ] {
        place.write(picture, "");
    }
    place.write("experiments/mine.yaml", own);
    let bin = place.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(
        assert_cmd::cargo::cargo_bin!("warmstart"),
        bin.join("warmstart"),
    )
    .unwrap();
    for experiment in ["4-lite0-freeze", "5-lite0-finetune", "mine"] {
        let said = said(&mut shell(
            &place,
            &format!("warmstart train {experiment} --quiet"),
        ));
        assert_eq!(said.code, 0, "{experiment}: {}", said.err);
    }
    place
}

/// Runs a line in a shell in the reader's folder.
fn shell(place: &Place, line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    inherit(&mut command, &place.command(&[]));
    let path = format!(
        "{}:{}",
        place.folder.path().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    command
        .env("PATH", path)
        .env("HOME", place.folder.path())
        .env_remove("WARMSTART_EXPERIMENTS");
    command
}

#[test]
fn every_command_of_readme_and_book_works() {
    let mut ran = 0;
    let own = blocks(
        &fs::read_to_string(root().join("README.md")).unwrap(),
        "yaml",
    )
    .remove(0);
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let commands = blocks(&fs::read_to_string(&page).unwrap(), "sh").concat();
        if commands.is_empty() {
            continue;
        }
        let place = reader(&own);
        for line in commands.lines() {
            if let Some(target) = line.strip_prefix("make ") {
                let dry = Command::new("make")
                    .arg("-n")
                    .args(target.split(' '))
                    .current_dir(root())
                    .output()
                    .unwrap();
                assert!(
                    dry.status.success(),
                    "{name}: {line}\n{}",
                    String::from_utf8_lossy(&dry.stderr)
                );
            } else if line == "warmstart resume mine" {
                // The earlier job stopped at its time limit.
                said(shell(&place, "warmstart train mine --quiet").env("STAND_IN", "stops"));
                let said = said(&mut shell(&place, line));
                assert_eq!(said.code, 0, "{name}: {line}\n{}{}", said.out, said.err);
            } else if !ELSEWHERE
                .iter()
                .any(|(beginning, _)| line.starts_with(beginning))
            {
                let said = said(&mut shell(&place, line));
                assert_eq!(said.code, 0, "{name}: {line}\n{}{}", said.out, said.err);
                ran += 1;
            }
        }
    }
    assert!(ran > 40, "only {ran} commands were found");
}

#[test]
fn commands_that_run_elsewhere_are_in_the_book_with_this_version() {
    let text: String = pages()
        .iter()
        .map(|page| fs::read_to_string(page).unwrap())
        .collect();
    let commands = blocks(&text, "sh").concat();
    for (beginning, why) in ELSEWHERE {
        assert!(
            commands.lines().any(|line| line.starts_with(beginning)),
            "no page says `{beginning}` any more ({why})"
        );
    }
    for line in commands.lines() {
        for word in line
            .split(['/', ' '])
            .filter(|word| word.starts_with("warmstart-") && word.contains(char::is_numeric))
        {
            let rest = word.strip_prefix("warmstart-").unwrap();
            assert!(
                rest.starts_with(concat!(env!("CARGO_PKG_VERSION"), "-")),
                "{line}"
            );
        }
    }
}

#[test]
fn every_file_in_readme_and_book_is_valid() {
    let place = Place::new();
    place.write("pictures/cat/1.jpg", "");
    place.write("pictures/dog/1.jpg", "");
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for block in blocks(&text, "yaml") {
            let said = if block.starts_with("name:") {
                place.say(&["check", &place.write("shown.yaml", &block)])
            } else {
                place.write("config/warmstart/config.yaml", &block);
                place.say(&["config", "check"])
            };
            assert_eq!(
                said.code,
                0,
                "{}:\n{block}\n{}{}",
                page.display(),
                said.out,
                said.err
            );
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} files were found");
}
