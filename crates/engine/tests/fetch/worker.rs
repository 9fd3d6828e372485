//! The real worker downloads what its run needs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use warmstart_engine::model::Model;
use warmstart_engine::{initial, weights};
use warmstart_runs::run::RunDir;
use warmstart_schema::event::{Event, FailureKind, Phase};
use warmstart_schema::experiment;
use warmstart_schema::prefetch::Report;
use warmstart_schema::state::Outcome;

use crate::server::{Reply, Seen, Server};
use crate::support::{self, events, failure, finish, log, new_run, state, wait_for};

const IMAGENET: [&str; 3] = [
    "model.backbone=efficientnet_b0",
    "model.weights=imagenet",
    "train.epochs=1",
];

/// Weights as the hub serves them: a whole backbone with random numbers.
pub(crate) fn backbone() -> Vec<u8> {
    let experiment =
        experiment::parse_with(support::SMALL, "small.yaml", &[IMAGENET[0].to_owned()]).unwrap();
    let model = Model::new(
        &initial::model_spec(&experiment, 10, 18),
        1,
        tch::Device::Cpu,
    )
    .unwrap();
    let tensors = model
        .tensors()
        .iter()
        .filter(|named| !named.name.starts_with("head."));
    let tensors: Vec<_> = tensors
        .map(|named| (named.name.clone(), named.tensor.detach()))
        .collect();
    weights::write(&tensors).unwrap()
}

/// A hub with this file. `first` changes the answer to the first download.
fn hub(bytes: Vec<u8>, first: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Server {
    let digest = format!("{:x}", Sha256::digest(&bytes));
    let is_first = AtomicBool::new(true);
    Server::new(move |seen, _| {
        if seen.method == "HEAD" {
            return Reply::redirect(302, "/bytes")
                .with("x-repo-commit", &"ab".repeat(20))
                .with("x-linked-size", &bytes.len().to_string())
                .with("x-linked-etag", &format!("\"{digest}\""));
        }
        let reply = Reply::file(seen, &bytes, "\"bytes\"");
        if is_first.swap(false, Ordering::Relaxed) {
            first(reply)
        } else {
            reply
        }
    })
}

/// The worker command for a run; it can only download from this server.
fn worker(run: &RunDir, server: &Server) -> Command {
    let mut command = support::command(run);
    online(&mut command, server, run.path());
    command
}

/// Lets a worker download from this server alone, into `folder`, whatever weights, data and token its user has.
pub(crate) fn online<'a>(
    command: &'a mut Command,
    server: &Server,
    folder: &Path,
) -> &'a mut Command {
    for name in [
        "HF_HUB_OFFLINE",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "WARMSTART_DATA",
        "WARMSTART_WEIGHTS",
    ] {
        command.env_remove(name);
    }
    command.env("NO_PROXY", "127.0.0.1,localhost");
    command
        .env("HF_ENDPOINT", server.url())
        .env("WARMSTART_MIRROR", server.url());
    command.env("XDG_CACHE_HOME", folder.join("cache"))
}

/// All files in the cache of a run except lock files.
pub(crate) fn left(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut left = Vec::new();
    let mut folders = vec![folder.join("cache")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let list = if entry.file_type().unwrap().is_dir() {
                &mut folders
            } else {
                &mut left
            };
            list.push(entry.path());
        }
    }
    left.retain(|path| path.extension().is_none_or(|end| end != "lock"));
    left
}

#[test]
fn a_run_downloads_its_weights_and_a_stop_keeps_the_partial_file() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &IMAGENET).0;
    let bytes = backbone();
    let broken = 5_000_000;
    let server = hub(bytes.clone(), move |reply| reply.stalling_after(broken));
    let mut child = worker(&run, &server).spawn().unwrap();
    wait_for(&run, &mut child, |event| matches!(event, Event::Fetch(_)));
    let began = Instant::now();
    let is_there = |path: &std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|meta| meta.len() == broken as u64)
    };
    while !left(run.path()).iter().any(is_there) {
        assert!(
            child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_mins(2),
            "{}",
            log(&run)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(
        Pid::from_raw(i32::try_from(child.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success(), "{}", log(&run));
    assert_eq!(state(&run).outcome, Some(Outcome::Stopped));

    assert!(
        worker(&run, &server).status().unwrap().success(),
        "{}",
        log(&run)
    );
    let state = state(&run);
    assert_eq!(
        state.outcome,
        Some(Outcome::Finished {
            stopped_early: false
        })
    );
    assert_eq!(state.model.unwrap().weights, "timm/efficientnet_b0.ra_in1k");
    let parts: Vec<Option<usize>> = server
        .seen()
        .iter()
        .filter(|seen| seen.method == "GET")
        .map(Seen::from)
        .collect();
    assert_eq!(parts, [None, Some(broken)]);
    let told: Vec<Event> = events(&run)
        .into_iter()
        .map(|record| record.event)
        .collect();
    let is_told =
        |event: &Event| matches!(event, Event::Fetch(fetch) if fetch.total == bytes.len() as u64);
    let phases = told.iter().filter_map(|event| {
        if let Event::Phase { phase } = event {
            Some(*phase)
        } else {
            None
        }
    });
    assert_eq!(
        phases.take(3).collect::<Vec<_>>(),
        [Phase::Fetching, Phase::Fetching, Phase::Loading]
    );
    assert!(told.iter().any(is_told));
    assert!(
        matches!(told.iter().rfind(|event| is_told(event)), Some(Event::Fetch(fetch)) if fetch.done == fetch.total)
    );
}

#[test]
fn weights_of_a_tag_are_downloaded_from_their_own_repository() {
    const NAME: &str = "efficientnet_b0.ra4_e3600_r224_in1k";
    let root = tempfile::tempdir().unwrap();
    let chosen = "model.weights=ra4_e3600_r224_in1k";
    let run = new_run(root.path(), &[IMAGENET[0], chosen, IMAGENET[2]]).0;
    let server = hub(backbone(), |reply| reply);
    assert!(
        worker(&run, &server).status().unwrap().success(),
        "{}",
        log(&run)
    );
    let seen = server.seen();
    assert_eq!(
        seen[0].path,
        format!("/timm/{NAME}/resolve/main/model.safetensors")
    );
    let state = state(&run);
    assert_eq!(state.model.unwrap().weights, format!("timm/{NAME}"));
    let file = state.weights.unwrap().file;
    let repository = format!("/models--timm--{NAME}/");
    assert!(file.contains(&repository), "{file}");
    // By name, and now it is here.
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    command.args(["prefetch", NAME]);
    online(&mut command, &server, run.path());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let last = text.lines().last().unwrap();
    let Report::Done(had) = serde_json::from_str(last).unwrap() else {
        panic!("{text}")
    };
    assert_eq!((had.path, had.fetched), (file, false));
    assert_eq!(server.seen().len(), seen.len());
}

#[test]
fn a_run_whose_download_fails_reports_the_reason_and_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    // A valid file with the right hash, but without a backbone's tensors.
    let tensors = [(
        "fc.weight".to_owned(),
        tch::Tensor::zeros([4, 4], tch::kind::FLOAT_CPU),
    )];
    let server = hub(weights::write(&tensors).unwrap(), |reply| reply);
    let run = new_run(root.path(), &IMAGENET).0;
    assert!(!worker(&run, &server).status().unwrap().success());
    let (kind, error, help) = failure(&run);
    assert_eq!(kind, FailureKind::Input);
    assert!(
        error.contains("does not hold the tensors of efficientnet_b0")
            && help.contains("HF_ENDPOINT"),
        "{error}"
    );
    assert_eq!(left(run.path()), [] as [&Path; 0]);

    let server = Server::new(|_, _| Reply::new(200, "<html>"));
    let run = new_run(root.path(), &["dataset.name=cifar100"]).0;
    assert!(!worker(&run, &server).status().unwrap().success());
    let (kind, error, help) = failure(&run);
    assert_eq!(kind, FailureKind::Input);
    assert!(
        error.contains("offers 6 bytes, expected 168513733") && help.contains("WARMSTART_MIRROR"),
        "{error}"
    );
    assert_eq!(server.seen()[0].path, "/cifar-100-binary.tar.gz");
    assert_eq!(left(run.path()), [] as [&Path; 0]);
}

#[test]
fn a_run_without_network_reports_where_to_put_the_missing_files() {
    let root = tempfile::tempdir().unwrap();
    for (changes, lacking, put) in [
        (
            &["dataset.name=cifar10", "dataset.labels=fine"][..],
            "the files of cifar10 (data_batch_1.bin",
            "put cifar-10-binary.tar.gz into",
        ),
        (
            &IMAGENET[..],
            "the published weights timm/efficientnet_b0.ra_in1k",
            "put model.safetensors of",
        ),
    ] {
        let run = new_run(root.path(), changes).0;
        assert!(!finish(&run));
        let (kind, error, help) = failure(&run);
        assert_eq!(kind, FailureKind::Input);
        assert!(
            error.contains(lacking) && help.contains("HF_HUB_OFFLINE") && help.contains(put),
            "{error}: {help}"
        );
    }
}

#[test]
fn two_workers_that_fetch_the_same_weights_share_one_download() {
    let folder = tempfile::tempdir().unwrap();
    let server = hub(backbone(), |reply| reply);
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
        command
            .args(["prefetch", "efficientnet_b0", "emoji98", "nonsense"])
            .stdout(Stdio::piped());
        online(&mut command, &server, folder.path())
            .spawn()
            .unwrap()
    };
    for child in [start(), start()] {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said: Vec<Report> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let done: Vec<&str> = said
            .iter()
            .filter_map(|said| {
                if let Report::Done(had) = said {
                    Some(had.item.as_str())
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(done, ["efficientnet_b0", "emoji98"], "{text}");
        let Some(Report::Failed(refused)) = said.last() else {
            panic!("{text}")
        };
        assert!(
            refused.item == "nonsense" && !output.status.success(),
            "{text}"
        );
    }
    let gets = server
        .seen()
        .iter()
        .filter(|seen| seen.path.contains("resolve") && seen.method == "GET")
        .count();
    assert_eq!(gets, 1, "{:?}", server.seen());
}

#[test]
fn a_token_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(|_, _| Reply::new(401, ""));
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    online(
        command.args(["prefetch", "efficientnet_b0"]),
        &server,
        folder.path(),
    );
    // A folder cannot be read as a token.
    let token = folder.path().join("token");
    std::fs::create_dir(&token).unwrap();
    command
        .env("HF_TOKEN_PATH", &token)
        .current_dir(folder.path());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let token = token.to_str().unwrap();
    let is_named = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .any(|said: Report| matches!(said, Report::Note { text } if text.contains(token)));
    assert!(is_named, "{text}");
}

#[test]
fn private_weights_are_downloaded_with_the_users_token_into_the_users_cache() {
    let folder = tempfile::tempdir().unwrap();
    let (home, cache) = (folder.path().join("home"), folder.path().join("elsewhere"));
    let bytes = backbone();
    let (size, digest) = (
        bytes.len().to_string(),
        format!("\"{:x}\"", Sha256::digest(&bytes)),
    );
    let public = hub(bytes, |reply| reply);
    let url = public.url();
    let is_throttled = Arc::new(AtomicBool::new(false));
    let throttled = Arc::clone(&is_throttled);
    // A server in front of the hub: it answers 401 without the token, and 429 to the first request with it.
    let door = Server::new(move |seen, _| match seen.header("authorization") {
        Some("Bearer hf_mine") if !throttled.swap(true, Ordering::Relaxed) => {
            Reply::new(429, "").with("retry-after", "0")
        }
        Some("Bearer hf_mine") => Reply::redirect(307, &format!("{url}{}", seen.path))
            .with("x-repo-commit", &"ab".repeat(20))
            .with("x-linked-size", &size)
            .with("x-linked-etag", &digest),
        _ => Reply::new(401, ""),
    });
    let prefetch = |settings: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
        online(
            command.args(["prefetch", "efficientnet_b0"]),
            &door,
            folder.path(),
        );
        command
            .env("HF_HOME", &home)
            .current_dir(folder.path())
            .envs(settings.iter().copied());
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let last = text
            .lines()
            .last()
            .map(|line| serde_json::from_str(line).unwrap());
        last.unwrap_or_else(|| panic!("nothing was said: {text}"))
    };
    let Report::Failed(refused) = prefetch(&[]) else {
        panic!("had without a token")
    };
    assert!(
        refused.error.contains("private") && refused.help.contains("HF_TOKEN"),
        "{refused:?}"
    );
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("token"), "hf_mine\n").unwrap();
    let Report::Failed(refused) = prefetch(&[("HF_TOKEN", "hf_other")]) else {
        panic!("had by a wrong token")
    };
    assert!(refused.error.contains("private"), "{refused:?}");

    let Report::Done(had) = prefetch(&[]) else {
        panic!("not had by the token of HF_HOME")
    };
    assert!(
        Path::new(&had.path).starts_with(home.join("hub")),
        "below HF_HOME"
    );
    assert!(is_throttled.load(Ordering::Relaxed));
    let seen = door.seen();
    let questions = seen
        .iter()
        .filter(|seen| seen.method == "HEAD")
        .filter(|seen| seen.header("authorization") == Some("Bearer hf_mine"));
    // The second one follows the 429.
    assert_eq!(questions.count(), 2, "{seen:?}");
    assert_eq!(
        public
            .seen()
            .iter()
            .filter(|seen| seen.headers.contains_key("authorization"))
            .count(),
        0
    );
    std::fs::remove_file(home.join("token")).unwrap();
    let moved = [
        ("HF_TOKEN", "hf_mine"),
        ("HF_HUB_CACHE", cache.to_str().unwrap()),
    ];
    let Report::Done(had) = prefetch(&moved) else {
        panic!("not had by HF_TOKEN")
    };
    assert!(Path::new(&had.path).starts_with(&cache), "in HF_HUB_CACHE");
}
