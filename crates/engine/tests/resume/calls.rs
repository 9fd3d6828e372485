//! A2 and A3 with the whole worker: at each call that changes its run it is killed, or the call fails, once or from then on. And the
//! same for `export`. `WARMSTART_CALLS` says at how many of the calls (8; the soak test asks for all).

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
use super::support::{command, events, finish, log, state};
use super::tiny::{Result, like, new_run, result, root, wanted};

/// Processes tried at the same time.
const LANES: usize = 2;
/// Calls that change a file system. How many writes there are depends on the time; where among them a kill lands does not matter.
const CALLS: &str = "openat,write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,rmdir";

/// A call by its name and its number among those of that name.
type Call = (String, usize);

#[expect(clippy::print_stderr, reason = "a test that is passed over says so")]
fn has_strace() -> bool {
    let has = Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: strace is not here; get it with: sudo apt-get install strace");
    }
    has
}

/// A command under strace with these expressions.
fn traced(traced: &Command, run: &RunDir, expressions: &[&str], output: &Path) -> Command {
    let mut strace = Command::new("strace");
    // Not with --seccomp-bpf: it would be faster, and inject nothing.
    strace.args(["-f", "-y", "-qq", "-o"]).arg(output);
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    strace.arg(traced.get_program()).args(traced.get_args());
    like(&mut strace, traced, run);
    strace
}

/// The calls of a process that change something below `path`.
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

/// So many of the calls, from the end, so that the last ones are among few.
fn chosen(points: &[Call], most: usize) -> Vec<Call> {
    points
        .iter()
        .rev()
        .step_by(points.len().div_ceil(most.max(1)).max(1))
        .cloned()
        .collect()
}

/// Does something with each item, a few at the same time; the answers in any order.
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

/// An unbroken run, and the calls on it.
fn unbroken(root: &Path) -> (Result, Vec<Call>) {
    let run = new_run(root, &SHORT);
    let points = calls(&command(&run), &run, run.path(), &root.join("trace"));
    let whole = result(&run).unwrap();
    fs::remove_dir_all(run.path()).unwrap();
    (whole, points)
}

/// What a worker said was saved is there, nothing else has the name of a checkpoint, and the next worker ends as an unbroken one.
fn assert_goes_on(run: &RunDir, whole: &Result, what: &str) {
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
fn a_worker_killed_at_any_call_that_changes_its_run_goes_on_to_the_same_bits() {
    if !has_strace() {
        return;
    }
    let root = root();
    let (whole, points) = unbroken(root.path());
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
        assert_goes_on(&run, &whole, &format!("killed at {name} {number}"));
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
fn a_worker_makes_nothing_outside_the_folder_of_runs() {
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
        .filter(|line| !line.contains("\"/dev/") && !line.contains("\"/proc/self/"))
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

/// Errors that a call may have.
fn errors(name: &str) -> &'static [&'static str] {
    match name {
        "openat" => &["EMFILE", "ENOSPC", "EACCES", "EROFS", "EDQUOT", "EIO"],
        "write" => &["ENOSPC", "EIO", "EDQUOT", "EINTR"],
        "fsync" | "fdatasync" => &["EIO", "ENOSPC", "EDQUOT", "EINTR"],
        "unlink" | "unlinkat" | "rmdir" => &["EACCES", "EIO", "EROFS"],
        _ => &["ENOSPC", "EIO", "EROFS", "EACCES", "EDQUOT"],
    }
}

/// What the system says of it.
fn words(error: &str) -> &'static str {
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
fn a_call_that_fails_is_told_with_its_cause_and_costs_nothing_that_was_saved() {
    if !has_strace() {
        return;
    }
    let root = root();
    let (whole, points) = unbroken(root.path());
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
        // To be interrupted for good is no error of a disk.
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
            // A log that cannot be written cannot tell either.
            let is_mute = lasts && name == "write";
            assert!(
                is_mute || told.contains(words(error)) && told.contains('/'),
                "{what}: {told}"
            );
        }
        assert_goes_on(&run, &whole, &what);
        fs::remove_dir_all(run.path()).unwrap();
        status.code() == Some(0)
    });
    let unharmed = ended.iter().filter(|ended| **ended).count();
    println!(
        "FIGURE A3\ta whole worker at each of whose calls one fails, once and for good ({unharmed} trained on, the others said why), all went on to the same bits\t{tried}\tall\tok"
    );
}

/// Everything in a folder that is not hidden.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect()
}

#[test]
fn an_export_killed_at_any_call_leaves_nothing_half_written_and_can_be_asked_for_again() {
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
            // What is there is not overwritten, and need not be.
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
