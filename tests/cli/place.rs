//! A folder with experiments and runs, and the program that runs in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Place {
    pub folder: TempDir,
}

/// The output of a command.
pub(crate) struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

impl Place {
    /// An empty folder, whose commands find the shipped experiments.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("warmstart"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        // Nothing depends on the user's folders, network or cluster, or writes to the user's log.
        let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in inherited {
            let starts = ["WARMSTART_", "HF_", "SLURM_"];
            if starts.iter().any(|start| name.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command.env("WARMSTART_EXPERIMENTS", root.join("experiments"));
        command.env("WARMSTART_CHECKPOINTS", self.checkpoints());
        command.env("WARMSTART_WORKER", root.join("tests/data/worker.sh"));
        command
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        command
            .env("RUST_BACKTRACE", "1")
            .env_remove("NO_COLOR")
            .env_remove("STAND_IN");
        command
    }

    pub(crate) fn say(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// The same, with this behaviour of the fake worker.
    pub(crate) fn say_with(&self, mode: &str, arguments: &[&str]) -> Said {
        said(self.command(arguments).env("STAND_IN", mode))
    }

    pub(crate) fn spawn(&self, mode: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .env("STAND_IN", mode)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Writes a script that can be run and returns its path.
    pub(crate) fn write_program(&self, name: &str, text: &str) -> String {
        let path = self.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// All runs as `warmstart runs` lists them, newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        self.say(&["runs", "--json"])
            .json()
            .as_array()
            .unwrap()
            .clone()
    }

    /// Waits until a run has this state.
    pub(crate) fn wait_for(&self, stem: &str, state: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.runs().iter().any(|run| {
            run["stem"]
                .as_str()
                .is_some_and(|known| known.ends_with(stem))
                && run["state"] == state
        }) {
            assert!(
                Instant::now() < deadline,
                "{stem} is not {state}: {:?}",
                self.runs()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

/// Gives a command the folder and the variables of another one.
pub(crate) fn inherit(command: &mut std::process::Command, plain: &std::process::Command) {
    command.stdin(Stdio::null());
    if let Some(folder) = plain.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// A shell's script that runs this command as `exec "$0" "$@"`.
pub(crate) fn in_shell(script: &str, plain: &std::process::Command) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]);
    command.arg(plain.get_program()).args(plain.get_args());
    inherit(&mut command, plain);
    command
}

pub(crate) fn said(command: &mut std::process::Command) -> Said {
    said_by(
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

/// Waits for a command, and asserts that it did not panic.
pub(crate) fn said_by(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    assert!(
        !said.err.contains("panicked") && !said.err.contains("backtrace"),
        "{}",
        said.err
    );
    said
}
