//! At each system call that changes the run folder, the worker is killed, or the call fails (once, or from then on).
//! `export` is killed at each call too. `WARMSTART_CALLS` sets how many of the calls are tried (default 8; the soak test tries
//! all).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::thread;

use warmstart_runs::checkpoint;
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::Event;
use warmstart_schema::state::Outcome;

use super::disks::{SHORT, assert_whole};
use super::strace::has_strace;
use super::support::{command, events, finish, log, state};
use super::tiny::{Result, like, new_run, result, root, wanted};

/// Processes that run at the same time.
const LANES: usize = 2;
/// System calls that change a file system. The number of writes depends on timing; it does not matter which write the kill hits.
const CALLS: &str = "openat,write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,rmdir";

/// The name of a system call, and its number among the calls with that name.
type Call = (String, usize);

/// The command under strace, with these `-e` expressions.
fn traced(traced: &Command, run: &RunDir, expressions: &[&str], output: &Path) -> Command {
    let mut strace = Command::new("strace");
    // Without --seccomp-bpf: it is faster, but then strace injects nothing.
    strace.args(["-f", "-y", "-qq", "-o"]).arg(output);
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    strace.arg(traced.get_program()).args(traced.get_args());
    like(&mut strace, traced, run);
    strace
}

/// The system calls of a process that change something below `path`.
fn calls(process: &Command, run: &RunDir, path: &Path, trace: &Path) -> Vec<Call> {
    let status = traced(process, run, &[&format!("trace={CALLS}")], trace)
        .status()
        .unwrap();
    assert!(status.success(), "{}", log(run));
    let (text, path) = (fs::read_to_string(trace).unwrap(), path.to_str().unwrap());
    let (mut numbers, mut points) = (BTreeMap::<&str, usize>::new(), Vec::new());
    let main = text.split(' ').next().unwrap();
    for line in text.lines() {
        let Some((_, rest)) = line.split_once(' ').filter(|(pid, _)| *pid == main) else {
            continue;
        };
        let Some((name, arguments)) = rest.trim_start().split_once('(') else {
            continue;
        };
        let number = numbers.entry(name).or_default();
        *number += 1;
        if arguments.contains(path) && (name != "openat" || arguments.contains("O_CREAT")) {
            points.push((name.to_owned(), *number));
        }
    }
    points
}

/// At most `most` calls, evenly spaced, counted from the end: the last call is always included.
fn chosen(points: &[Call], most: usize) -> Vec<Call> {
    points
        .iter()
        .rev()
        .step_by(points.len().div_ceil(most.max(1)).max(1))
        .cloned()
        .collect()
}

/// Applies `work` to each item on `LANES` threads. The order of the answers is arbitrary.
fn in_lanes<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let (items, answers) = (Mutex::new(items), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some(item) = items.lock().unwrap().pop() else {
                        break;
                    };
                    let answer = work(item);
                    answers.lock().unwrap().push(answer);
                }
            });
        }
    });
    answers.into_inner().unwrap()
}

fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9) || status.code() == Some(137)
}

/// The result of an uninterrupted run, and its system calls.
fn uninterrupted(root: &Path) -> (Result, Vec<Call>) {
    let run = new_run(root, &SHORT);
    let points = calls(&command(&run), &run, run.path(), &root.join("trace"));
    // A worker makes about 80 of them.
    assert!(points.len() >= 40, "{points:?}");
    let whole = result(&run).unwrap();
    fs::remove_dir_all(run.path()).unwrap();
    (whole, points)
}

/// Every reported checkpoint exists, every checkpoint is readable, and the next worker reaches the same result as an
/// uninterrupted run.
fn assert_resumes_to_the_same_result(run: &RunDir, whole: &Result, what: &str) {
    assert_whole(run);
    let told = events(run)
        .into_iter()
        .rev()
        .find_map(|record| match record.event {
            Event::Checkpoint(saved) => Some(saved.step),
            _ => None,
        });
    let newest = checkpoint::newest(&Disk, run)
        .unwrap()
        .0
        .map(|content| content.state.step);
    assert!(
        newest >= told,
        "{what}: step {told:?} was said to be saved, {newest:?} is"
    );
    assert!(finish(run), "{what}: {}", log(run));
    let found = result(run).unwrap_or_else(|| panic!("{what}: {}", log(run)));
    assert!(
        found.last == whole.last && found.epochs == whole.epochs && found.test == whole.test,
        "{what}: {}",
        log(run)
    );
}

#[test]
fn a_worker_killed_at_any_system_call_resumes_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let root = root();
    let (whole, points) = uninterrupted(root.path());
    let chosen = chosen(&points, wanted("WARMSTART_CALLS", 8));
    let tried = chosen.len();
    let killed = in_lanes(chosen, |(name, number)| {
        let run = new_run(root.path(), &SHORT);
        let expressions = [
            format!("trace={name}"),
            format!("inject={name}:signal=SIGKILL:when={number}"),
        ];
        let expressions = expressions.each_ref().map(String::as_str);
        let status = traced(&command(&run), &run, &expressions, Path::new("/dev/null"))
            .status()
            .unwrap();
        assert!(
            was_killed(status) || status.success(),
            "{name} {number}: {status:?}: {}",
            log(&run)
        );
        assert_resumes_to_the_same_result(&run, &whole, &format!("killed at {name} {number}"));
        fs::remove_dir_all(run.path()).unwrap();
        was_killed(status)
    });
    let hit = killed.iter().filter(|killed| **killed).count();
    let verdict = if hit * 10 >= tried * 9 { "ok" } else { "UNDER" };
    println!(
        "FIGURE A2\ta whole worker killed at each call that changes its run (of {} calls; a few writes come at other times), all went on to the same bits\t{hit} of {tried}\tall that are met\t{verdict}",
        points.len()
    );
    assert!(hit * 10 >= tried * 9, "only {hit} of {tried} were met");
}

#[test]
fn a_worker_creates_no_file_outside_the_folder_of_runs() {
    if !has_strace() {
        return;
    }
    let (root, elsewhere) = (root(), tempfile::tempdir().unwrap());
    let (run, trace) = (new_run(root.path(), &SHORT), elsewhere.path().join("trace"));
    let mut worker = command(&run);
    worker.env("TMPDIR", elsewhere.path());
    let status = traced(&worker, &run, &[&format!("trace={CALLS}")], &trace)
        .status()
        .unwrap();
    assert!(status.success(), "{}", log(&run));
    let text = fs::read_to_string(&trace).unwrap();
    let is_making = |line: &&str| {
        let (_, call) = line.split_once(' ').unwrap_or_default();
        let call = call.trim_start();
        let opens = call.starts_with("openat(")
            && ["O_CREAT", "O_WRONLY", "O_RDWR"]
                .iter()
                .any(|flag| call.contains(flag));
        opens
            || ["mkdir", "rename", "link", "unlink", "rmdir"]
                .iter()
                .any(|name| call.starts_with(name))
    };
    let (inside, made): (Vec<&str>, Vec<&str>) = text
        .lines()
        .filter(is_making)
        .partition(|line| line.contains(root.path().to_str().unwrap()));
    let outside: Vec<&&str> = made
        .iter()
        .filter(|line| {
            // `/dev/shm` is a folder in memory, and the rest of `/dev` are devices.
            let is_device = line.contains("\"/dev/") && !line.contains("\"/dev/shm/");
            !is_device && !line.contains("\"/proc/self/")
        })
        .collect();
    assert!(outside.is_empty() && inside.len() > 20, "{outside:#?}");
    let left: Vec<PathBuf> = fs::read_dir(elsewhere.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left, [trace], "what is in the folder for what is temporary");
    println!(
        "FIGURE D8\tfiles that a worker makes outside the folder of runs, /tmp included\t0\t0\tok"
    );
}

/// Errors to inject into a system call.
fn errors(name: &str) -> &'static [&'static str] {
    match name {
        "openat" => &["EMFILE", "ENOSPC", "EACCES", "EROFS", "EDQUOT", "EIO"],
        "write" => &["ENOSPC", "EIO", "EDQUOT", "EINTR"],
        "fsync" | "fdatasync" => &["EIO", "ENOSPC", "EDQUOT", "EINTR"],
        "unlink" | "unlinkat" | "rmdir" => &["EACCES", "EIO", "EROFS"],
        _ => &["ENOSPC", "EIO", "EROFS", "EACCES", "EDQUOT"],
    }
}

/// The operating system's message for the error.
fn system_message(error: &str) -> &'static str {
    match error {
        "EMFILE" => "Too many open files",
        "ENOSPC" => "No space left on device",
        "EACCES" => "Permission denied",
        "EROFS" => "Read-only file system",
        "EDQUOT" => "Disk quota exceeded",
        _ => "Input/output error",
    }
}

#[test]
fn a_failed_system_call_is_reported_with_its_cause_and_loses_no_checkpoint() {
    if !has_strace() {
        return;
    }
    let root = root();
    let (whole, points) = uninterrupted(root.path());
    let most = wanted("WARMSTART_CALLS", 4);
    let cases: Vec<(usize, Call, bool)> = [false, true]
        .into_iter()
        .flat_map(|lasts| {
            chosen(&points, most)
                .into_iter()
                .enumerate()
                .map(move |(at, call)| (at, call, lasts))
        })
        .collect();
    let tried = cases.len();
    let ended = in_lanes(cases, |(at, (name, number), lasts)| {
        let errors = errors(&name);
        // A permanent EINTR is not a disk error.
        let error = if lasts {
            errors[at % errors.len().min(3)]
        } else {
            errors[at % errors.len()]
        };
        let what = format!("{error} at {name} {number}, for good: {lasts}");
        let run = new_run(root.path(), &SHORT);
        let plus = if lasts { "+" } else { "" };
        let expressions = [
            format!("trace={name}"),
            format!("inject={name}:error={error}:when={number}{plus}"),
        ];
        let expressions = expressions.each_ref().map(String::as_str);
        let status = traced(&command(&run), &run, &expressions, Path::new("/dev/null"))
            .status()
            .unwrap();
        assert!(
            matches!(status.code(), Some(0 | 1)),
            "{what}: {status:?}: {}",
            log(&run)
        );
        if status.code() == Some(1) {
            let told = match state(&run).outcome {
                Some(Outcome::Failed { error, .. }) => error,
                _ => log(&run),
            };
            // A worker that cannot write to its log cannot report the error.
            let is_mute = lasts && name == "write";
            assert!(
                is_mute || told.contains(system_message(error)) && told.contains('/'),
                "{what}: {told}"
            );
        }
        assert_resumes_to_the_same_result(&run, &whole, &what);
        fs::remove_dir_all(run.path()).unwrap();
        status.code() == Some(0)
    });
    let unharmed = ended.iter().filter(|ended| **ended).count();
    println!(
        "FIGURE A3\ta whole worker at each of whose calls one fails, once and for good ({unharmed} trained on, the others said why), all went on to the same bits\t{tried}\tall\tok"
    );
}

/// The paths in a folder whose names do not start with a dot.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect()
}

#[test]
fn an_export_killed_at_any_system_call_leaves_no_partial_file_and_can_be_repeated() {
    if !has_strace() {
        return;
    }
    let root = root();
    let run = new_run(root.path(), &SHORT);
    assert!(finish(&run), "{}", log(&run));
    let export = |folder: &Path| {
        fs::create_dir_all(folder).unwrap();
        let mut export = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
        export
            .arg("export")
            .arg(run.path())
            .arg(folder.join("x.safetensors"))
            .env("OMP_NUM_THREADS", "1");
        export
    };
    let whole = root.path().join("whole");
    let points = calls(&export(&whole), &run, &whole, &root.path().join("trace"));
    let files = ["x.safetensors", "x.labels.json", "x.config.json"];
    let read = |folder: &Path| files.map(|name| fs::read(folder.join(name)).unwrap());
    let expected = read(&whole);
    assert!(points.len() >= 8, "{points:?}");
    let tried = points.len();
    in_lanes(
        points.into_iter().enumerate().collect(),
        |(at, (name, number))| {
            let folder = root.path().join(at.to_string());
            let expressions = [
                format!("trace={name}"),
                format!("inject={name}:signal=SIGKILL:when={number}"),
            ];
            let expressions = expressions.each_ref().map(String::as_str);
            let status = traced(&export(&folder), &run, &expressions, Path::new("/dev/null"))
                .status()
                .unwrap();
            assert!(was_killed(status), "{name} {number}: {status:?}");
            for path in visible(&folder) {
                let known = files.iter().position(|file| path.ends_with(file)).unwrap();
                assert!(
                    fs::read(&path).unwrap() == expected[known],
                    "{name} {number}: {}",
                    path.display()
                );
            }
            // `export` does not overwrite an existing file, so export again only when the file is missing.
            if !folder.join("x.safetensors").exists() {
                assert!(
                    export(&folder).status().unwrap().success(),
                    "{name} {number}"
                );
            }
            assert!(read(&folder) == expected, "{name} {number}");
            fs::remove_dir_all(folder).unwrap();
        },
    );
    println!(
        "FIGURE A2\texports killed at each call that writes, nothing half-written, asked for again with success\t{tried}\tall\tok"
    );
}
