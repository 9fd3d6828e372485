//! Runs as jobs of Slurm, with stand-ins for its programs on the search path: what they are called with, and what their answers mean.
//! `scripts/soak.d/45-slurm.py` does the same with a real Slurm.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::place::{Place, Said, said};

/// Logs its arguments and answers from files: `NAME.err` fails with that text, `NAME.out` is the answer. `sbatch` runs the job if
/// there is a file `runs`; `scontrol` knows the jobs in `job.ID`.
const PROGRAM: &str = r#"#!/bin/bash
here=${0%/*} name=${0##*/}
if [ "$name" = srun ]; then
  while [[ $1 == --* ]]; do shift; done
  exec "$@"
fi
echo "$name $*" >>"$here/log"
[ -e "$here/$name.err" ] && { cat "$here/$name.err" >&2; exit 1; }
case $name in
  sbatch)
    [ -e "$here/runs" ] && (SLURM_JOB_ID=41 SLURM_CPUS_ON_NODE=2 bash "$2" >/dev/null 2>&1 &)
    cat "$here/sbatch.out" 2>/dev/null || echo 41 ;;
  scontrol)
    [ "$1" = top ] && exit 0
    cat "$here/job.${*: -1}" 2>/dev/null || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; } ;;
  *) cat "$here/$name.out" 2>/dev/null ;;
esac
exit 0
"#;

struct Cluster {
    place: Place,
    programs: PathBuf,
}

impl Cluster {
    fn new() -> Self {
        let place = Place::new();
        let programs = place.folder.path().join("slurm");
        for name in ["sbatch", "squeue", "scancel", "scontrol", "srun"] {
            place.write_program(&format!("slurm/{name}"), PROGRAM);
        }
        Self { place, programs }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.programs.display()));
        command
    }

    fn say(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// Launches without following; returns the run's folder.
    fn launch(&self, more: &[&str]) -> PathBuf {
        let mut arguments = vec!["train", "lite0-freeze", "--detach", "--launcher", "slurm"];
        arguments.extend(more);
        let said = self.say(&arguments);
        assert_eq!(said.code, 0, "{}", said.err);
        self.place.checkpoints().join(said.out.trim())
    }

    /// Writes one of the files that the programs answer from. They answer with it until it changes.
    fn answer(&self, name: &str, text: &str) {
        std::fs::write(self.programs.join(name), text).unwrap();
        // The last answer is kept for some seconds.
        let _ = std::fs::remove_file(self.place.checkpoints().join(".squeue"));
    }

    /// Makes Slurm's last answer new, so that it is used again however slow this machine is.
    fn keep(&self) {
        let kept = std::fs::File::open(self.place.checkpoints().join(".squeue")).unwrap();
        kept.set_modified(std::time::SystemTime::now()).unwrap();
    }

    /// Removes one of the files that the programs answer from.
    fn no_longer(&self, name: &str) {
        std::fs::remove_file(self.programs.join(name)).unwrap();
        let _ = std::fs::remove_file(self.place.checkpoints().join(".squeue"));
    }

    /// What the programs were called with, since the last look.
    fn calls(&self) -> Vec<String> {
        let log = self.programs.join("log");
        let lines = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(log);
        lines.lines().map(str::to_owned).collect()
    }

    fn show(&self, run: &Path) -> Value {
        let id = run.file_name().unwrap().to_str().unwrap();
        self.say(&["show", id, "--json"]).json()
    }

    fn state(&self, run: &Path) -> String {
        self.show(run)["state"].as_str().unwrap().to_owned()
    }

    fn wait_for(&self, run: &Path, state: &str) {
        let began = std::time::Instant::now();
        while self.state(run) != state {
            assert!(began.elapsed().as_secs() < 30, "{:?}", self.show(run));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn info(run: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(run.join("run.json")).unwrap()).unwrap()
}

/// Writes the log of a run that job 41 began, with these last lines, and a heartbeat of ten minutes ago.
fn attempt(run: &Path, more: &str) {
    let attempt = r#"{"t":1.0,"event":"attempt","number":1,"worker":{"slurm_job":41,"restart":0},"host":"n3","device":"cpu","device_name":"","device_reason":"","threads":1,"libtorch":"","epochs":3,"resumed_from":null,"heartbeat":10}"#;
    std::fs::write(
        run.join("events.jsonl"),
        format!(
            "{{\"t\":0.5,\"event\":\"header\",\"format\":1,\"software\":\"x\"}}\n{attempt}\n{more}"
        ),
    )
    .unwrap();
    beat(run, 600);
}

/// Makes the newest heartbeat so many seconds old.
fn beat(run: &Path, age: u64) {
    let lock = std::fs::File::create(run.join("run.lock")).unwrap();
    lock.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age))
        .unwrap();
}

const STOPPED: &str = "{\"t\":2.0,\"event\":\"stopped\",\"step\":5,\"train_time\":1.0}\n";

#[test]
fn a_dry_run_prints_the_script_and_sends_nothing() {
    let cluster = Cluster::new();
    let said = cluster.say(&[
        "train",
        "lite0-freeze",
        "--launcher",
        "slurm",
        "--slurm",
        "partition=gpu",
        "--slurm",
        "cpus=4",
        "--slurm",
        "time=2:00:00",
        "--slurm",
        "options=--exclusive",
        "--slurm",
        "before=module load cuda",
        "--dry-run",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let run = cluster.place.checkpoints().join("RUN");
    let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/worker.sh");
    for line in [
        "#!/bin/bash",
        "#SBATCH --job-name=warmstart-RUN",
        &format!("#SBATCH --output=\"{}/worker.log\"", run.display()),
        "#SBATCH --open-mode=append",
        &format!(
            "#SBATCH --chdir=\"{}\"",
            cluster.place.folder.path().display()
        ),
        "#SBATCH --requeue",
        "#SBATCH --signal=TERM@120",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --partition=gpu",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --time=2:00:00",
        "#SBATCH --exclusive",
        "module load cuda",
        "export WARMSTART_LAUNCHER=slurm",
        &format!(
            "exec srun --export=ALL --nodes=1 --ntasks=1 --cpus-per-task=4 --unbuffered {} train {}",
            worker.display(),
            run.display()
        ),
    ] {
        assert!(
            said.out.lines().any(|it| it == line),
            "{line}\n{}",
            said.out
        );
    }
    assert!(cluster.calls().is_empty() && !cluster.place.checkpoints().exists());
    let local = cluster.say(&["train", "lite0-freeze", "--dry-run"]);
    assert!(
        local.code == 2 && local.err.contains("add --launcher slurm"),
        "{}",
        local.err
    );
}

#[test]
fn a_short_time_limit_gets_a_short_notice() {
    let cluster = Cluster::new();
    let script = |time: &str| {
        let time = format!("time={time}");
        cluster
            .say(&[
                "train",
                "lite0-freeze",
                "--launcher",
                "slurm",
                "--slurm",
                &time,
                "--dry-run",
            ])
            .out
    };
    assert!(script("3").contains("--signal=TERM@36\n"));
    assert!(script("10:00").contains("--signal=TERM@120\n"));
}

#[test]
fn without_the_launcher_no_program_of_slurm_is_run() {
    let cluster = Cluster::new();
    let run = cluster.say(&["train", "lite0-freeze", "--detach"]);
    assert_eq!(run.code, 0, "{}", run.err);
    for command in [
        &["runs"][..],
        &["queue"],
        &["show", "lite0-freeze"],
        &["stop", "lite0-freeze"],
        &["train", "lite0-freeze"],
    ] {
        cluster.say(command);
    }
    assert_eq!(cluster.calls(), Vec::<String>::new());
}

#[test]
fn a_run_is_sent_once_and_its_job_is_stored_and_shown() {
    let cluster = Cluster::new();
    cluster.answer(
        "squeue.out",
        "123_[0-3%2]|PENDING|N/A|1:00:00||Priority\n41|PENDING|2027-01-01T10:00:00|1:00:00||Resources\na name\nof two lines|x\n",
    );
    let said = cluster.say(&[
        "train",
        "lite0-freeze",
        "--detach",
        "--launcher",
        "slurm",
        "--slurm",
        "partition=gpu",
    ]);
    assert!(
        said.err.contains("Slurm gets a job with --partition=gpu"),
        "{}",
        said.err
    );
    let run = cluster.place.checkpoints().join(said.out.trim());
    assert_eq!(
        info(&run)["worker"],
        serde_json::json!({ "slurm_job": 41, "restart": 0 })
    );
    assert_eq!(
        cluster.calls(),
        [format!("sbatch --parsable {}/slurm.sh", run.display())]
    );
    let shown = cluster.say(&["show", "lite0-freeze"]).out;
    assert!(
        shown.contains("waiting: waits in Slurm as job 41: Resources (nothing that it asks for is free), expected to start 2027-01-01 10:00:00"),
        "{shown}"
    );
    let question = "squeue --me --noheader --states=all --array --format %i|%T|%S|%l|%N|%r";
    assert_eq!(cluster.calls(), [question]);
    // The answer is used for some seconds.
    cluster.keep();
    let queue = cluster.say(&["queue", "--json"]).json();
    assert_eq!(
        (
            queue["running"][0]["slot"].as_str(),
            queue["running"][0]["state"].as_str()
        ),
        (Some("slurm"), Some("waiting"))
    );
    assert!(
        queue["running"][0]["waits_for"]
            .as_str()
            .unwrap()
            .contains("Resources")
    );
    let resumed = cluster.say(&["resume", "lite0-freeze", "--detach"]);
    assert!(
        resumed.code == 2 && resumed.err.contains("is waiting"),
        "{}",
        resumed.err
    );
    assert_eq!(cluster.calls(), Vec::<String>::new());
    // A second run does not wait for the first: Slurm has a queue.
    cluster.answer("sbatch.out", "a line of the site\n42;cluster\n");
    let other = cluster.launch(&[]);
    assert_eq!(info(&other)["worker"]["slurm_job"], 42);
}

#[test]
fn a_run_whose_job_is_known_is_not_sent_again() {
    let cluster = Cluster::new();
    let run = cluster.launch(&[]);
    // As if the sender had been killed after `sbatch`, before it noted the start in the queue.
    let path = cluster.place.checkpoints().join("queue.json");
    let mut queue: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let entry = queue["active"][0].take();
    queue["active"] = serde_json::json!([]);
    queue["waiting"] = serde_json::json!([entry]);
    std::fs::write(&path, queue.to_string()).unwrap();
    cluster.calls();
    assert_eq!(cluster.say(&["queue", "resume"]).code, 0);
    assert!(
        !cluster
            .calls()
            .iter()
            .any(|call| call.starts_with("sbatch"))
    );
    let queue: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(queue["active"][0]["worker"], info(&run)["worker"]);
}

#[test]
fn settings_choose_the_launcher_and_the_command_line_wins() {
    let cluster = Cluster::new();
    cluster.place.write(
        "config/warmstart/config.yaml",
        "launcher: slurm\nslurm: { partition: gpu, cpus: 2 }\n",
    );
    let script = cluster
        .say(&["train", "lite0-freeze", "--slurm", "cpus=8", "--dry-run"])
        .out;
    assert!(
        script.contains("--partition=gpu\n") && script.contains("--cpus-per-task=8\n"),
        "{script}"
    );
    // `--slurm` implies the launcher.
    let elsewhere = Cluster::new();
    let script = elsewhere.say(&["train", "lite0-freeze", "--slurm", "cpus=8", "--dry-run"]);
    assert!(script.out.contains("--cpus-per-task=8\n"), "{}", script.err);
    cluster.say(&["train", "lite0-freeze", "--launcher", "local"]);
    assert_eq!(cluster.calls(), Vec::<String>::new());
    let said = cluster.say(&[
        "train",
        "lite0-freeze",
        "--launcher",
        "slurm",
        "--slurm",
        "cpus=1025",
    ]);
    assert!(
        said.code == 2
            && said
                .err
                .contains("expected a number of CPUs from 1 to 1024, found 1025"),
        "{}",
        said.err
    );
}

#[test]
fn more_lines_than_a_list_takes_are_refused_and_not_forgotten() {
    let cluster = Cluster::new();
    let script = |lines: usize| {
        let mut arguments = vec!["train", "lite0-freeze", "--dry-run"];
        for _ in 0..lines {
            arguments.extend(["--slurm", "before=module load cuda"]);
        }
        cluster.say(&arguments)
    };
    let few = script(3);
    assert_eq!(few.out.matches("module load cuda\n").count(), 3);
    let many = script(1000);
    assert!(
        many.code == 2 && many.err.contains("--slurm before: "),
        "{}{}",
        many.out,
        many.err
    );
}

const GROUP: &str = "name: seeds\nseeds: [1, 2, 3]\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
train: { epochs: 2, batch_size: 16, optimizer: { name: adam, learning_rate: 0.001 } }\n\
slurm: { partition: gpu, time: 30 }\n";

#[test]
fn a_group_is_sent_as_one_array_and_each_run_knows_its_task() {
    let cluster = Cluster::new();
    let group = cluster.place.write("seeds.yaml", GROUP);
    let arguments = [
        "train",
        &group,
        "--detach",
        "--launcher",
        "slurm",
        "--slurm",
        "time=60",
    ];
    let dry = cluster.say(&[&arguments[..], &["--dry-run"]].concat());
    assert!(
        dry.out.contains("#SBATCH --array=0-2\n")
            && dry.out.contains("#SBATCH --partition=gpu\n")
            && dry.out.contains("#SBATCH --time=60\n"),
        "{}{}",
        dry.out,
        dry.err
    );
    cluster.answer("sbatch.out", "50;cluster\n");
    let said = cluster.say(&arguments);
    assert_eq!(said.code, 0, "{}", said.err);
    let runs: Vec<PathBuf> = said
        .out
        .lines()
        .map(|id| cluster.place.checkpoints().join(id))
        .collect();
    assert_eq!(
        cluster.calls(),
        [format!("sbatch --parsable {}/slurm.sh", runs[0].display())]
    );
    for (run, id) in runs.iter().zip(["50_0", "50_1", "50_2"]) {
        assert_eq!(
            info(run)["worker"],
            serde_json::json!({ "slurm_job": id, "restart": 0 })
        );
    }
    cluster.answer(
        "squeue.out",
        "50_0|RUNNING|2027-01-01T10:00:00|1:00:00|n1|None\n50_1|PENDING|N/A|1:00:00||Priority\n50_2|PENDING|N/A|1:00:00||JobHeldUser\n",
    );
    let states: Vec<String> = runs.iter().map(|run| cluster.state(run)).collect();
    assert_eq!(states, ["starting", "waiting", "waiting"]);
    assert!(
        cluster.show(&runs[2])["trouble"]
            .to_string()
            .contains("`scontrol release 50_2`")
    );
    // Each task by itself.
    cluster.calls();
    let second = runs[1].file_name().unwrap().to_str().unwrap();
    assert_eq!(
        cluster.say(&["queue", "move", second, "top"]).out,
        format!("{second}: the first of your jobs that waits\n")
    );
    assert!(cluster.calls().contains(&"scontrol top 50_1".to_owned()));
    assert_eq!(cluster.say(&["stop", second]).code, 0);
    // With a state, Slurm would take all tasks.
    assert!(cluster.calls().contains(&"scancel 50_1".to_owned()));
    let first = runs[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(cluster.say(&["stop", first]).code, 0);
    assert!(
        cluster
            .calls()
            .contains(&"scancel --signal=TERM 50_0".to_owned())
    );
    // Every member runs or waits, so nothing is sent a second time.
    cluster.say(&arguments);
    assert!(
        !cluster
            .calls()
            .iter()
            .any(|call| call.starts_with("sbatch"))
    );
}

#[test]
fn a_task_of_an_array_trains_its_own_run() {
    let cluster = Cluster::new();
    let group = cluster.place.write("seeds.yaml", GROUP);
    let said = cluster.say(&["train", &group, "--detach", "--launcher", "slurm"]);
    let ids: Vec<&str> = said.out.lines().collect();
    let run = cluster.place.checkpoints().join(ids[2]);
    let status = Command::new("bash")
        .arg(cluster.place.checkpoints().join(ids[0]).join("slurm.sh"))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", cluster.programs.display()),
        )
        .env("SLURM_JOB_ID", "44")
        .env("SLURM_ARRAY_JOB_ID", "41")
        .env("SLURM_ARRAY_TASK_ID", "2")
        .env("SLURM_CPUS_ON_NODE", "2")
        .current_dir(cluster.place.folder.path())
        .status();
    assert!(status.unwrap().success());
    let log = |id: &str| {
        let path = cluster.place.checkpoints().join(id).join("events.jsonl");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    assert!(log(ids[2]).contains("\"finished\""), "{}", log(ids[2]));
    assert!(log(ids[0]).is_empty() && log(ids[1]).is_empty());
    assert!(run.join("worker.log").exists());
}

#[test]
fn an_array_whose_sbatch_does_not_answer_is_found_by_its_name() {
    let cluster = Cluster::new();
    let group = cluster.place.write("seeds.yaml", GROUP);
    cluster.answer(
        "sbatch.err",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    );
    let said = cluster.say(&["train", &group, "--detach", "--launcher", "slurm"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let ids: Vec<&str> = said.out.lines().collect();
    let run = cluster.place.checkpoints().join(ids[1]);
    assert!(info(&run)["worker"]["slurm_job"].is_null());
    cluster.no_longer("sbatch.err");
    cluster.answer("squeue.out", "60\n60\n60\n");
    cluster.show(&run);
    assert_eq!(info(&run)["worker"]["slurm_job"], "60_1");
    let name = format!("--name=warmstart-{}", ids[0]);
    assert!(cluster.calls().iter().any(|call| call.ends_with(&name)));
    // A refused array leaves no run behind.
    let refused = Cluster::new();
    let group = refused.place.write("seeds.yaml", GROUP);
    refused.answer(
        "sbatch.err",
        "sbatch: error: invalid partition specified: gpu\n",
    );
    let said = refused.say(&["train", &group, "--detach", "--launcher", "slurm"]);
    assert!(
        said.code != 0 && said.err.contains("invalid partition"),
        "{}",
        said.err
    );
    let left = std::fs::read_dir(refused.place.checkpoints()).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_job_that_runs_is_followed_by_its_run_alone() {
    let cluster = Cluster::new();
    cluster.answer("runs", "");
    cluster.answer(
        "squeue.out",
        "41|COMPLETED|2027-01-01T10:00:00|1:00:00|n3|None\n",
    );
    let said = cluster.say(&["train", "lite0-freeze", "--launcher", "slurm"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("0.4321"), "{}", said.out);
}

#[test]
fn stops_signal_a_job_that_runs_and_cancel_one_that_waits() {
    let cluster = Cluster::new();
    cluster.answer("squeue.out", "41|PENDING|N/A|1:00:00||Priority\n");
    let run = cluster.launch(&[]);
    cluster.calls();
    assert_eq!(cluster.say(&["stop", "lite0-freeze"]).code, 0);
    let calls = cluster.calls();
    assert_eq!(
        calls[calls.len() - 3..],
        [
            "scancel --state=PENDING 41",
            "scancel --state=SUSPENDED 41",
            "scancel --signal=TERM --state=RUNNING 41"
        ]
    );
    assert!(run.join("slurm.stop").exists());
    assert_eq!(cluster.say(&["stop", "lite0-freeze", "--now"]).code, 0);
    assert!(cluster.calls().contains(&"scancel 41".to_owned()));
    cluster.answer("squeue.out", "41|CANCELLED|N/A|1:00:00||Priority\n");
    assert_eq!(cluster.state(&run), "stopped");
    assert!(info(&run)["worker"].is_null());
    let notes = cluster.show(&run)["notes"].to_string();
    assert!(
        notes.contains("job 41 was cancelled before it started"),
        "{notes}"
    );
    // A resume sends the run again, by the launcher that it had.
    cluster.calls();
    cluster.answer("sbatch.out", "43\n");
    assert_eq!(cluster.say(&["resume", "lite0-freeze", "--detach"]).code, 0);
    assert_eq!(info(&run)["worker"]["slurm_job"], 43);
    assert!(!run.join("slurm.stop").exists());
}

#[test]
fn a_cluster_that_does_not_answer_makes_no_run_lost_and_nothing_is_sent_again() {
    let cluster = Cluster::new();
    let run = cluster.launch(&[]);
    attempt(&run, "");
    for (said, name) in [
        (
            "slurm_load_jobs error: Socket timed out on send/recv operation",
            "squeue.err",
        ),
        (
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
            "squeue.err",
        ),
        ("connect: Connection refused", "scontrol.err"),
    ] {
        cluster.answer(name, said);
        let shown = cluster.show(&run);
        assert_eq!(shown["state"], "unknown", "{said}");
        let trouble = &shown["trouble"];
        assert!(
            trouble["what"].as_str().unwrap().contains(said),
            "{trouble}"
        );
        assert!(
            trouble["help"]
                .as_str()
                .unwrap()
                .contains("nothing is sent again"),
            "{trouble}"
        );
        cluster.calls();
        assert_eq!(cluster.say(&["resume", "lite0-freeze", "--detach"]).code, 2);
        assert!(
            !cluster
                .calls()
                .iter()
                .any(|call| call.starts_with("sbatch"))
        );
        cluster.no_longer(name);
    }
    // Not understood is not over either.
    cluster.answer("job.41", "what?\n");
    assert_eq!(cluster.state(&run), "unknown");
    // Slurm answers, and knows the job no more: that is certain.
    cluster.no_longer("job.41");
    let shown = cluster.show(&run);
    assert_eq!(shown["state"], "failed");
    assert!(
        shown["failure"]["error"]
            .as_str()
            .unwrap()
            .contains("job 41 ended without a message"),
        "{shown}"
    );
    assert!(info(&run)["worker"].is_null());
}

#[test]
fn an_unanswered_sbatch_is_looked_up_by_the_name_of_the_job() {
    let cluster = Cluster::new();
    cluster.answer(
        "sbatch.err",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    );
    let run = cluster.launch(&[]);
    assert_eq!(
        info(&run)["worker"],
        serde_json::json!({ "slurm_job": null, "restart": 0 })
    );
    cluster.calls();
    let shown = cluster.show(&run);
    assert_eq!(shown["state"], "unknown");
    assert!(
        shown["trouble"]["what"]
            .as_str()
            .unwrap()
            .contains("does not list the job yet"),
        "{shown}"
    );
    let name = run.file_name().unwrap().to_str().unwrap();
    let by_name =
        format!("squeue --me --noheader --states=all --format %F --name=warmstart-{name}");
    assert!(cluster.calls().contains(&by_name));
    assert_eq!(cluster.say(&["resume", name, "--detach"]).code, 2);
    assert!(
        !cluster
            .calls()
            .iter()
            .any(|call| call.starts_with("sbatch"))
    );
    let stop = cluster.say(&["stop", name]);
    assert!(
        stop.code != 0 && stop.err.contains("has no id here"),
        "{}",
        stop.err
    );
    cluster.answer("squeue.out", "7\n58\n");
    cluster.show(&run);
    assert_eq!(info(&run)["worker"]["slurm_job"], 58);
    cluster.answer(
        "squeue.out",
        "58|RUNNING|2027-01-01T10:00:00|1:00:00|n3|None\n",
    );
    assert_eq!(cluster.state(&run), "starting");
    // The queue does not have the id.
    cluster.calls();
    let stop = cluster.say(&["stop", name]);
    assert_eq!(stop.code, 0, "{}", stop.err);
    let signal = "scancel --signal=TERM --state=RUNNING 58";
    assert!(cluster.calls().contains(&signal.to_owned()));
}

#[test]
fn a_job_that_was_cancelled_before_it_started_is_not_taken_for_the_next_one() {
    let cluster = Cluster::new();
    let run = cluster.launch(&[]);
    let name = || {
        let script = std::fs::read_to_string(run.join("slurm.sh")).unwrap();
        let mut lines = script.lines();
        let name = lines.find_map(|line| line.strip_prefix("#SBATCH --job-name="));
        name.unwrap().to_owned()
    };
    let earlier = name();
    cluster.answer("squeue.out", "41|CANCELLED|N/A|1:00:00||Priority\n");
    assert_eq!(cluster.state(&run), "stopped");
    cluster.answer(
        "sbatch.err",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n",
    );
    cluster.say(&["resume", "lite0-freeze", "--detach"]);
    assert!(info(&run)["worker"]["slurm_job"].is_null());
    let next = name();
    assert_ne!(next, earlier);
    cluster.calls();
    cluster.show(&run);
    let by_name = format!(" --name={next}");
    let calls = cluster.calls();
    assert!(
        calls.iter().any(|call| call.ends_with(&by_name)),
        "{calls:?}"
    );
}

#[test]
fn an_empty_answer_of_sbatch_is_no_answer() {
    let cluster = Cluster::new();
    cluster.answer("sbatch.out", "");
    let run = cluster.launch(&[]);
    assert!(info(&run)["worker"]["slurm_job"].is_null());
    assert_eq!(cluster.state(&run), "unknown");
}

#[test]
fn a_job_that_slurm_refuses_leaves_no_run() {
    let cluster = Cluster::new();
    cluster.answer("sbatch.err", "sbatch: error: invalid partition specified: gpuu\nsbatch: error: Batch job submission failed: Invalid partition name specified\n");
    let said = cluster.say(&["train", "lite0-freeze", "--detach", "--launcher", "slurm"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(
        said.err.contains(
            "Slurm did not take the job: sbatch: error: invalid partition specified: gpuu"
        ) && said.err.contains("`sinfo`"),
        "{}",
        said.err
    );
    assert_eq!(cluster.place.runs(), Vec::<Value>::new());
}

#[test]
fn ends_that_only_slurm_knows_are_named_with_what_to_do() {
    for (state, more, shown_as, said) in [
        ("OUT_OF_MEMORY", "", "failed", "raise slurm.memory"),
        ("TIMEOUT", "", "failed", "raise slurm.time"),
        ("NODE_FAIL", "", "failed", "the node n3 of job 41 failed"),
        (
            "CANCELLED",
            "",
            "stopped",
            "was cancelled before it could save",
        ),
        (
            "TIMEOUT",
            STOPPED,
            "stopped",
            "reached its time limit of 1:00:00 after it had saved",
        ),
        ("COMPLETED", STOPPED, "stopped", ""),
    ] {
        let cluster = Cluster::new();
        let run = cluster.launch(&[]);
        attempt(&run, more);
        cluster.answer(
            "squeue.out",
            &format!("41|{state}|2027-01-01T10:00:00|1:00:00|n3|None\n"),
        );
        let shown = cluster.show(&run);
        assert_eq!(shown["state"], shown_as, "{state}: {shown}");
        let text = format!("{} {}", shown["failure"], shown["notes"]);
        assert!(text.contains(said), "{state}: {text}");
        assert!(info(&run)["worker"].is_null());
        // Nothing more is asked about a run at rest.
        cluster.calls();
        assert_eq!(cluster.state(&run), shown_as);
        assert_eq!(cluster.calls(), Vec::<String>::new());
    }
}

#[test]
fn a_preempted_run_waits_and_a_held_one_says_who_releases_it() {
    let cluster = Cluster::new();
    let run = cluster.launch(&[]);
    attempt(&run, STOPPED);
    for (line, state, said) in [
        (
            "41|RUNNING|2027-01-01T10:00:00|1:00:00|n3|None",
            "stopping",
            "",
        ),
        (
            "41|COMPLETING|2027-01-01T10:00:00|1:00:00|n3|None",
            "stopping",
            "",
        ),
        (
            "41|PENDING|2027-01-01T10:00:00|1:00:00||BeginTime",
            "waiting",
            "",
        ),
        (
            "41|PENDING|N/A|1:00:00||JobHeldUser",
            "waiting",
            "`scontrol release 41`",
        ),
        (
            "41|REQUEUE_HOLD|N/A|1:00:00||None",
            "waiting",
            "`scontrol release 41`",
        ),
    ] {
        cluster.answer("squeue.out", &format!("{line}\n"));
        let shown = cluster.show(&run);
        assert_eq!(shown["state"], state, "{line}");
        let help = shown["trouble"]["help"].as_str().unwrap_or_default();
        assert!(
            help.contains(said) && help.is_empty() == said.is_empty(),
            "{line}: {shown}"
        );
        assert!(!info(&run)["worker"].is_null());
    }
    let id = run.file_name().unwrap().to_str().unwrap();
    let said = cluster.say(&["trash", "put", id]);
    assert!(
        said.code == 2 && said.err.contains("is waiting") && run.exists(),
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn a_job_that_was_started_again_is_starting_until_its_worker_logs() {
    let cluster = Cluster::new();
    let run = cluster.launch(&[]);
    let job = |restarts: u32| {
        format!(
            "JobId=41 JobState=RUNNING Reason=None Restarts={restarts} ExitCode=0:0 NodeList=n4\n"
        )
    };
    let runs = "41|RUNNING|2027-01-01T10:00:00|1:00:00|n4|None\n";
    // The node of its first start failed: the log has no end. Or its worker saved before it left.
    for (log, age, first) in [
        ("", 600, "hung"),
        ("", 40, "hung"),
        (STOPPED, 600, "stopping"),
    ] {
        attempt(&run, log);
        for (restarts, state) in [(0, first), (1, "starting"), (3, "starting")] {
            cluster.answer("job.41", &job(restarts));
            cluster.answer("squeue.out", runs);
            beat(&run, age);
            let shown = cluster.show(&run);
            assert_eq!(shown["state"], state, "{log:?}, {restarts} restarts");
            let help = shown["trouble"]["help"].as_str().unwrap_or_default();
            assert_eq!(help.contains("stop"), state == "hung", "{shown}");
        }
        // Nobody says how often it was started.
        cluster.no_longer("job.41");
        assert_eq!(cluster.state(&run), first);
    }
}

#[test]
fn a_run_that_slurm_trained_can_be_extended_on_this_machine() {
    let cluster = Cluster::new();
    cluster.answer("runs", "");
    cluster.answer(
        "squeue.out",
        "41|RUNNING|2027-01-01T10:00:00|1:00:00|n3|None\n",
    );
    let run = cluster.launch(&[]);
    // Slurm knows a job for a while after its end. What it says of it then must not matter.
    let log = || std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !log().contains("\"finished\"") && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    cluster.answer("squeue.out", "");
    cluster.wait_for(&run, "done");
    assert!(run.join("slurm.json").exists() && run.join("slurm.sh").exists());
    cluster.calls();
    let resumed = cluster.say(&[
        "resume",
        "lite0-freeze",
        "--set",
        "train.epochs=200",
        "--launcher",
        "local",
        "--detach",
    ]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(
        !run.join("slurm.json").exists()
            && !cluster
                .calls()
                .iter()
                .any(|call| call.starts_with("sbatch"))
    );
}

#[test]
fn jobs_of_a_group_that_wait_are_halved_by_a_look_at_the_queue_and_the_better_ones_are_sent_again()
{
    let cluster = Cluster::new();
    let file = cluster.place.write(
        "sweep.yaml",
        "name: Sweep\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
         train: { epochs: 3, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }\n\
         grid: { train.optimizer.learning_rate: [0.1, 0.01, 0.001] }\nhalving: { epochs: [1] }\n",
    );
    let said = cluster.say(&["train", &file, "--detach", "--launcher", "slurm"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let runs: Vec<PathBuf> = said
        .out
        .lines()
        .map(|id| cluster.place.checkpoints().join(id))
        .collect();
    assert_eq!(cluster.calls().len(), 1, "one array of three jobs");
    let pause = |run: &Path, loss: &str| {
        attempt(
            run,
            &format!(
                "{{\"t\":2.0,\"event\":\"epoch\",\"epoch\":1,\"step\":10,\"train_loss\":1.0,\"train_acc\":0.5,\"val_loss\":{loss},\"val_acc\":0.4,\"learning_rate\":0.001,\"images_per_second\":100,\"train_time\":1.5,\"best\":true}}\n\
                 {{\"t\":3.0,\"event\":\"paused\",\"epoch\":1,\"step\":10,\"train_time\":1.5}}\n"
            ),
        );
    };
    for (run, loss) in runs.iter().zip(["3.0", "1.0", "2.0"]) {
        pause(run, loss);
    }
    // While Slurm has the job of one of them, nothing is decided.
    let release = |run: &Path| {
        let mut info = info(run);
        info.as_object_mut().unwrap().remove("worker");
        std::fs::write(run.join("run.json"), info.to_string()).unwrap();
    };
    runs.iter().skip(1).for_each(|run| release(run));
    cluster.answer(
        "squeue.out",
        "41_0|RUNNING|2027-01-01T10:00:00|1:00:00|n1|None\n",
    );
    assert_eq!(cluster.say(&["queue", "resume"]).code, 0);
    let sent = |calls: Vec<String>| calls.iter().filter(|it| it.starts_with("sbatch")).count();
    assert_eq!(sent(cluster.calls()), 0);
    cluster.no_longer("squeue.out");
    release(&runs[0]);
    let said = cluster.say(&["queue"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(sent(cluster.calls()), 1, "one array of the two better ones");
    assert_eq!(cluster.state(&runs[0]), "halved");
    let scripts = runs
        .iter()
        .map(|run| std::fs::read_to_string(run.join("slurm.sh")).unwrap());
    let arrays: Vec<bool> = scripts.map(|it| it.contains("--array=0-1\n")).collect();
    assert_eq!(arrays, [false, true, true]);
}
