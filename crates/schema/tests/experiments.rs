//! Messages about wrong experiment files: each file in `data/experiments` has one mistake, and its message is beside it.
//! `WARMSTART_BLESS=1` writes the messages again; read the difference.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use warmstart_schema::experiment::{self, Length, Problem, Weights};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/experiments")
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

/// Every `.yaml` in a folder.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .flat_map(|path| {
            if path.is_dir() {
                yaml_files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort_unstable();
    files
}

fn said(path: &Path) -> String {
    match experiment::load(path, &[]) {
        Ok(experiment) => format!("accepted as {:?}\n", experiment.name),
        Err(problems) => {
            let texts: Vec<String> = problems
                .iter()
                .map(|problem| format!("{problem}\n"))
                .collect();
            texts
                .concat()
                .replace(&format!("{}/", folder().display()), "")
        }
    }
}

#[test]
fn every_mistake_is_explained() {
    let files = yaml_files(&folder());
    assert!(files.len() > 60);
    let mut wrong = Vec::new();
    for path in files {
        let (said, beside) = (said(&path), path.with_extension("expected"));
        if std::env::var_os("WARMSTART_BLESS").is_some() {
            fs::write(&beside, &said).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}\nexpected:\n{expected}\nsaid:\n{said}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn shipped_experiments_are_valid_and_state_their_question() {
    let files = yaml_files(&shipped());
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let experiment =
            experiment::load(&path, &[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(experiment.question.is_some(), "{}", path.display());
        let source = fs::read_to_string(&path).unwrap();
        let depth = path.strip_prefix(shipped()).unwrap().components().count() - 1;
        let comment = format!(
            "# yaml-language-server: $schema={}/schema.json\n",
            ["..", "."][usize::from(depth == 0)]
        );
        assert!(
            source.starts_with(&comment),
            "{} should begin with {comment}",
            path.display()
        );
    }
}

/// The comment at the head of a file, on one line.
fn header(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let lines = source.lines().take_while(|line| line.starts_with('#'));
    let words = lines.flat_map(|line| line.trim_start_matches('#').split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn headers_of_shipped_experiments_name_their_own_file_and_what_it_downloads() {
    for path in yaml_files(&shipped()) {
        let experiment = experiment::load(&path, &[]).unwrap();
        let (header, file) = (header(&path), path.strip_prefix(shipped()).unwrap());
        let own = format!("experiments/{}", file.display());
        assert!(header.contains(&own), "{own}: {header}");

        let weights: Vec<&str> = header
            .split(' ')
            .filter(|word| word.starts_with("timm/"))
            .map(|word| word.trim_end_matches([',', ';', ':', '.']))
            .collect();
        // Lite0's come with warmstart.
        let published = experiment.published().map(|weights| weights.hub);
        let fetched: Vec<&str> = published
            .into_iter()
            .filter(|hub| *hub != "timm/tf_efficientnet_lite0.in1k")
            .collect();
        assert_eq!(weights, fetched, "{own}: {header}");

        // What starts from another experiment downloads what that one does.
        let archive = experiment.dataset.name().archive();
        let archive = archive
            .filter(|_| experiment.init.is_none())
            .map(|archive| {
                let (title, _) = archive.file.split_once("-binary").unwrap();
                let megabytes = (archive.bytes as f64 / 1e6).round();
                format!("{} ({megabytes} MB)", title.to_uppercase())
            });
        let sizes = header.matches(" MB)").count();
        assert_eq!(sizes, usize::from(archive.is_some()), "{own}: {header}");
        assert!(
            archive.is_none_or(|archive| header.contains(&archive)),
            "{own}: {header}"
        );
    }
}

#[test]
fn recipes_are_of_the_model_in_their_name_and_cite_a_published_figure_or_say_that_none_is() {
    let files = yaml_files(&shipped().join("recipes"));
    assert!(files.len() >= 9, "{files:?}");
    for path in files {
        let experiment = experiment::load(&path, &[]).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        let (model, _) = name.split_once('-').unwrap();
        let backbone = experiment.model.backbone.as_str();
        assert!(backbone.ends_with(model), "{name}: {backbone}");
        let figure = experiment.reference.and_then(|reference| {
            assert!(!reference.source.trim().is_empty(), "{name}");
            reference.test_acc
        });
        let says_none = header(&path).contains(" Published: none");
        assert_eq!(figure.is_none(), says_none, "{name}");
    }
}

#[test]
fn schema_for_editors_matches_the_code() {
    let path = shipped().join("schema.json");
    let generated = serde_json::to_string_pretty(&experiment::json_schema()).unwrap() + "\n";
    if std::env::var_os("WARMSTART_BLESS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == generated,
        "WARMSTART_BLESS=1 writes experiments/schema.json again"
    );
}

#[test]
fn written_experiments_are_parsed_back() {
    for path in yaml_files(&shipped()) {
        let experiment = experiment::load(&path, &[]).unwrap();
        assert_eq!(
            experiment::parse(&experiment.to_yaml().unwrap(), "again").unwrap(),
            experiment
        );
    }
}

#[test]
fn changes_from_the_command_line_are_checked_like_the_file() {
    let path = shipped().join("4-effnet-freeze.yaml");
    let with = |change: &str| experiment::load(&path, &[change.to_owned()]);
    assert_eq!(with("train.epochs=3").unwrap().train.epochs, 3);
    assert_eq!(
        with("train.schedule.warmup_epochs=0")
            .unwrap()
            .train
            .schedule
            .warmup,
        Length::Epochs(0.0)
    );
    let message = |change: &str| {
        with(change)
            .unwrap_err()
            .iter()
            .map(Problem::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(message("train.epoch=3").contains("did you mean `epochs`?"));
    assert!(message("train.epochs=x").contains("expected a whole number"));
    assert!(message("train.epochs.x=1").contains("below a field that is no mapping"));
    assert!(message("train.epochs").contains("FIELD=VALUE"));
    assert!(message("name=[").contains("not YAML"));
}

#[test]
fn changes_from_the_command_line_are_sanitized_where_problems_show_them() {
    let path = shipped().join("4-effnet-freeze.yaml");
    for change in ["\u{1b}[2Jtrain.epochs", "\u{1b}[2Jname=1"] {
        let problems = experiment::load(&path, &[change.to_owned()]).unwrap_err();
        let said = problems[0].to_string();
        assert!(
            !said.contains('\u{1b}') && said.contains("--set [2J"),
            "{said:?}"
        );
    }
}

#[test]
fn published_weights_are_chosen_by_their_tag() {
    let path = shipped().join("recipes/resnet50-probe.yaml");
    let with = |weights: &str| experiment::load(&path, &[format!("model.weights={weights}")]);
    let hub = |weights: &str| with(weights).unwrap().published().map(|found| found.hub);
    assert_eq!(hub("tv_in1k"), Some("timm/resnet50.tv_in1k"));
    assert_eq!(hub("tv2_in1k"), Some("timm/resnet50.tv2_in1k"));
    assert_eq!(hub("imagenet"), Some("timm/resnet50.a1_in1k"));
    assert_eq!(hub("a1_in1k"), hub("imagenet"));
    assert_eq!(hub("random"), None);
    assert_eq!(hub("tv_in1k.safetensors"), None);
    // Files keep the word that was written.
    for weights in ["tv_in1k", "a1_in1k", "imagenet"] {
        let yaml = with(weights).unwrap().to_yaml().unwrap();
        assert!(yaml.contains(&format!("weights: {weights}\n")), "{yaml}");
        let again = experiment::parse(&yaml, "again").unwrap();
        assert_eq!(again, with(weights).unwrap());
    }
    let message = |weights: &str| with(weights).unwrap_err()[0].to_string();
    assert!(message("tv_ink").contains("did you mean `tv_in1k`?"));
    assert!(message("gluon_in1k").contains("(`a1_in1k`, `tv_in1k`, `tv2_in1k`)"));
    // No word of a tag, and no file of weights.
    for weights in ["TV_in1k", "tv/in1k", "resnet50.tv_in1k"] {
        let text = message(weights);
        assert!(text.contains(", or a tag of the backbone,"), "{text}");
    }
}

/// Weights beside an experiment get the path of the current folder, which need not be UTF-8.
#[test]
fn a_path_of_weights_is_written_as_it_is_or_not_at_all() {
    let written = |path: &[u8]| {
        let file = Weights::File(OsStr::from_bytes(path).into());
        serde_json::to_value(&file).ok()
    };
    let path = "/größe/w.safetensors";
    assert_eq!(
        written(path.as_bytes()),
        Some(serde_json::Value::from(path))
    );
    assert_eq!(written(b"/gr\xf6\xdfe/w.safetensors"), None);
}

/// The worst figures for texts that try to take much time and memory.
#[derive(Default)]
struct Bombs {
    number: usize,
    slowest: Duration,
    /// Peak memory in kB.
    largest: u64,
}

impl Bombs {
    /// The parser is fast, and every problem names the file and, if possible, the line.
    fn refused(&mut self, source: &str) -> Vec<Problem> {
        self.refused_with(source, &[])
    }

    fn refused_with(&mut self, source: &str, changes: &[String]) -> Vec<Problem> {
        let (began, before) = (cpu(), peak());
        let problems = experiment::parse_with(source, "x.yaml", changes)
            .err()
            .unwrap_or_default();
        let (took, grown) = (
            cpu().checked_sub(began).unwrap(),
            peak().saturating_sub(before),
        );
        assert!(!problems.is_empty());
        assert!(
            took < Duration::from_secs(1) && grown < 64 << 10,
            "{took:?}, {grown} kB: {}",
            problems[0]
        );
        assert!(
            problems
                .iter()
                .all(|problem| problem.to_string().len() < 4000),
            "{}",
            problems[0].message
        );
        (self.number, self.slowest, self.largest) = (
            self.number + 1,
            self.slowest.max(took),
            self.largest.max(grown),
        );
        problems
    }
}

/// CPU time of this thread, so that other tests and programs do not count.
fn cpu() -> Duration {
    let stats = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stats.split_whitespace().next().unwrap().parse().unwrap())
}

/// The peak memory of this process, in kB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn bombs_are_refused_quickly() {
    let mut bombs = Bombs::default();
    let nested = |open: &str, close: &str| {
        format!("name: {}1{}", open.repeat(100_000), close.repeat(100_000))
    };
    assert!(bombs.refused(&nested("[", "]"))[0].at.is_some());
    assert!(bombs.refused(&nested("{a: ", "}"))[0].at.is_some());
    let deep: String = (0..400)
        .flat_map(|depth| [" ".repeat(depth), "k:\n".to_owned()])
        .collect();
    bombs.refused(&deep);
    for item in ["- ", "? ", "!!a ", "&a ", "a: "] {
        bombs.refused(&format!("name: x\ntrain:\n  {}1\n", item.repeat(200_000)));
    }
    let keys = |count: usize| -> String {
        (0..count)
            .flat_map(|number| ["key".to_owned(), number.to_string(), ": 1\n".to_owned()])
            .collect()
    };
    assert!(bombs.refused(&keys(40_000))[0].at.is_some());
    // A file of nearly the largest allowed size, and a far larger one.
    assert!(bombs.refused(&keys(75_000))[0].at.is_some());
    assert!(
        bombs.refused(&keys(1_000_000))[0]
            .message
            .contains("expected at most 1048576")
    );
    bombs.refused(&"a\n".repeat(1 << 19));
    bombs.refused(&format!("name: [{}]", "a, ".repeat(349_000)));
    let bomb = fs::read_to_string(folder().join("alias-bomb.yaml")).unwrap();
    bombs.refused(&bomb);
    bombs.refused_with(&bomb, &["seed=1".to_owned()]);
    // Other texts that are hard for parsers.
    let laughs = (1..10)
        .map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9)))
        .collect::<Vec<_>>()
        .concat();
    bombs.refused(&format!("name: x\na0: &a0 ha\n{laughs}"));
    for changes in [&[][..], &["seed=1".to_owned()][..]] {
        bombs.refused_with(&format!("name: {}", "x".repeat(50 << 20)), changes);
        bombs.refused_with(&format!("name: {}", "x".repeat(1_000_000)), changes);
    }
    bombs.refused(&format!("name: \"{}", "\\u0041".repeat(8 << 20)));
    bombs.refused(&format!("name: \"{}", "\\u0041".repeat(170_000)));
    for text in [
        "name: .nan",
        "name:\t\tx\n\ttrain: 1",
        "a: &a\n  <<: *a",
        "name: x\0y",
        "%YAML 9.9\n---\nname: x",
        "\u{feff}\u{feff}name: x",
    ] {
        bombs.refused(text);
    }
    let (number, slowest, largest) = (
        bombs.number,
        bombs.slowest.as_secs_f64(),
        bombs.largest >> 10,
    );
    println!(
        "FIGURE D1\t{number} YAML bombs refused, the worst of them\t{slowest:.2} s of CPU, {largest} MB\t≤ 1 s, ≤ 64 MB\tok"
    );
}

#[test]
fn files_of_more_than_a_mebibyte_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.yaml");
    fs::write(&path, "# a\n".repeat(1 << 19)).unwrap();
    let problems = experiment::load(&path, &[]).unwrap_err();
    assert!(
        problems[0].to_string().contains("expected at most 1048576"),
        "{}",
        problems[0]
    );
    let missing = experiment::load(&folder.path().join("none.yaml"), &[]).unwrap_err();
    assert!(
        missing[0].to_string().contains("none.yaml: cannot be read"),
        "{}",
        missing[0]
    );
    assert!(
        experiment::load(folder.path(), &[]).unwrap_err()[0]
            .to_string()
            .contains("is not a file")
    );
}

/// Some editors begin a file with a byte order mark, which a reader does not see.
#[test]
fn a_byte_order_mark_moves_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark.yaml");
    let text = "dataset: { name: image_folder, path: $HOME/none }\nname: Mine\n\
        model: { backbone: resnet18, weights: random, head: { hidden: 256, dropout: 0.2 } }\n\
        train: { epochs: 1, batch_size: 8, optimizer: { name: adam, learning_rate: 1.0e-3 } }\n";
    let loaded = || experiment::load(&path, &[]).unwrap_err().remove(0);
    let named = || Problem::in_file(&path, "dataset.path", "is wrong", "mend it");
    let check = |bytes: &[u8], problem: &dyn Fn() -> Problem, said: &str| {
        fs::write(&path, bytes).unwrap();
        let plain = problem();
        assert!(
            plain.at.is_some() && plain.message.contains(said),
            "{plain}"
        );
        fs::write(&path, ["\u{feff}".as_bytes(), bytes].concat()).unwrap();
        assert_eq!(problem(), plain);
    };
    check(text.as_bytes(), &loaded, "$HOME is not replaced");
    check(text.as_bytes(), &named, "is wrong");
    check(b"name: \xff\n", &loaded, "is not UTF-8");
}

#[test]
fn characters_that_yaml_forbids_are_found_in_their_line() {
    for forbidden in ['\u{7f}', '\u{2028}', '\u{fffe}', '\u{ffff}'] {
        let before = "group: a";
        let source = format!("name: x\n{before}{forbidden}b\n");
        let problems = experiment::parse(&source, "x.yaml").unwrap_err();
        let column = before.len() + 1;
        assert_eq!(problems[0].at, Some((2, column)), "{forbidden:?}");
    }
}

/// Cut, doubled and changed bytes of shipped files and of files with mistakes: the parser never panics.
/// Every problem of a text that is not empty names its line.
#[test]
fn no_mutation_panics() {
    let seeds: Vec<Vec<u8>> = yaml_files(&shipped())
        .iter()
        .chain(&yaml_files(&folder()))
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mutation = (
        0..seeds.len(),
        proptest::collection::vec((any::<u16>(), any::<u16>(), any::<u8>(), 0..6_u8), 1..6),
    );
    // `make soak` tries more cases.
    let cases = std::env::var("WARMSTART_MUTATIONS").map_or(20_000, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&mutation, |(seed, edits)| {
        let mut bytes = seeds[seed].clone();
        for (at, length, byte, kind) in edits {
            mutate(&mut bytes, usize::from(at), usize::from(length), byte, kind);
        }
        let source = String::from_utf8_lossy(&bytes);
        if let Err(problems) = experiment::parse(&source, "x.yaml") {
            for problem in problems {
                let is_empty = problem.message.starts_with("is empty");
                prop_assert!(problem.at.is_some() || is_empty, "{problem}\n{source}");
                let line = problem.at.map_or(1, |(line, _)| line);
                prop_assert!(line <= source.lines().count() + 1, "{problem}");
                prop_assert!(
                    !problem
                        .to_string()
                        .chars()
                        .any(|c| c.is_control() && c != '\n'),
                    "{problem}"
                );
            }
        }
        Ok(())
    });
    run.unwrap();
    let target = if std::env::var_os("WARMSTART_MUTATIONS").is_some() {
        1_000_000
    } else {
        20_000
    };
    let verdict = if cases >= target { "ok" } else { "UNDER" };
    println!(
        "FIGURE D1\tmutated experiment files without a panic, each problem with its line\t{cases}\t{target}\t{verdict}"
    );
}

fn mutate(bytes: &mut Vec<u8>, at: usize, length: usize, byte: u8, kind: u8) {
    const BITS: [&[u8]; 10] = [
        b": ", b"- ", b"\t", b"&a", b"*a", b"!!x", b"---\n", b"{", b"\"", b"\0",
    ];
    let at = at % (bytes.len() + 1);
    let end = (at + length % 40).min(bytes.len());
    match kind {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.insert(at, byte),
        2 => drop(bytes.splice(at..at, BITS[usize::from(byte) % BITS.len()].iter().copied())),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.extend(copy);
        }
        4 => bytes.truncate(at),
        _ => {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
    }
}
