//! The program in a pseudo-terminal whose other end is a terminal emulator.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{env, fs};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// The longest wait of a test.
const DEADLINE: Duration = Duration::from_secs(30);
/// The program counts as quiet after this long without output. It reads the disk more often than that.
const QUIET: Duration = Duration::from_millis(1500);

/// A shell with job control, which starts `$PROGRAM`. When that is stopped, a line of input continues it.
pub(crate) const WITH_JOBS: &str = "set -m; \"$PROGRAM\"; read line; fg >/dev/null; exit $?";

/// The program's working folder, with copies of the recorded experiments and runs.
pub(crate) fn scratch() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(
        &data().join("experiments"),
        &folder.path().join("experiments"),
    );
    copy(&data().join("runs"), &folder.path().join("checkpoints"));
    folder
}

/// The recorded experiments and runs, and the fake worker.
pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

/// The output of the program.
pub(crate) struct Output {
    parser: vt100::Parser,
    bytes: usize,
    /// Whether an escape character arrived.
    has_sequences: bool,
    /// Whether to stop reading after the next bytes.
    ends: bool,
}

impl Output {
    /// The number of bytes read so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn has_sequences(&self) -> bool {
        self.has_sequences
    }
}

pub(crate) struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    output: Arc<Mutex<Output>>,
    reader: Option<JoinHandle<()>>,
    modes: String,
    below_shell: bool,
}

impl Pty {
    /// Starts the program. With the variable `SHELL_JOBS`, a shell with job control starts it.
    pub(crate) fn open(
        folder: &tempfile::TempDir,
        width: u16,
        height: u16,
        variables: &[(&str, &str)],
    ) -> Self {
        let has_jobs = variables.iter().any(|(name, _)| *name == "SHELL_JOBS");
        let program = env!("CARGO_BIN_EXE_warmstart");
        let mut command = if has_jobs {
            shell(WITH_JOBS)
        } else {
            CommandBuilder::new(program)
        };
        command.env("PROGRAM", program);
        for (name, value) in variables {
            command.env(name, value);
        }
        let chosen: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        Self::start(folder, width, height, command, &chosen, has_jobs)
    }

    /// Runs a shell script that starts `$PROGRAM`.
    pub(crate) fn open_script(folder: &tempfile::TempDir, script: &str, is_below: bool) -> Self {
        let mut command = shell(script);
        command.env("PROGRAM", env!("CARGO_BIN_EXE_warmstart"));
        Self::start(folder, 80, 24, command, &[], is_below)
    }

    /// Starts one test of this test binary instead of the program.
    pub(crate) fn open_test(folder: &tempfile::TempDir, name: &str) -> Self {
        let mut command = CommandBuilder::new(env::current_exe().unwrap());
        command.args(["--ignored", "--exact", name, "--nocapture"]);
        Self::start(folder, 80, 24, command, &[], false)
    }

    fn start(
        folder: &tempfile::TempDir,
        width: u16,
        height: u16,
        mut command: CommandBuilder,
        chosen: &[&str],
        below_shell: bool,
    ) -> Self {
        let pair = native_pty_system().openpty(size(width, height)).unwrap();
        let modes = modes(pair.master.as_ref());
        prepare(&mut command, folder.path(), chosen);
        let child = pair.slave.spawn_command(command).unwrap();
        let output = Arc::new(Mutex::new(Output {
            parser: vt100::Parser::new(cells(height), cells(width), 0),
            bytes: 0,
            has_sequences: false,
            ends: false,
        }));
        let (mut reader, shared) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&output));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                let mut output = shared.lock().unwrap();
                output.parser.process(&bytes[..read]);
                output.bytes += read;
                output.has_sequences |= bytes[..read].contains(&0x1b);
                if output.ends {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let (master, keys, reader) = (Some(pair.master), Some(keys), Some(reader));
        Self {
            master,
            keys,
            child,
            output,
            reader,
            modes,
            below_shell,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.send(keys.as_bytes());
    }

    /// Sends bytes that no user typed.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let terminal = self.keys.as_mut().unwrap();
        terminal.write_all(bytes).unwrap();
        terminal.flush().unwrap();
    }

    pub(crate) fn resize(&self, width: u16, height: u16) {
        self.output
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(cells(height), cells(width));
        self.master
            .as_ref()
            .unwrap()
            .resize(size(width, height))
            .unwrap();
    }

    /// Clears the emulator's screen; the program does not know it.
    pub(crate) fn clear_emulator(&self) {
        self.output.lock().unwrap().parser.process(b"\x1b[2J");
    }

    pub(crate) fn screen(&self) -> vt100::Screen {
        self.output.lock().unwrap().parser.screen().clone()
    }

    /// Waits until the screen shows all of these texts.
    pub(crate) fn wait_for(&self, wanted: &[&str]) {
        self.wait_until(&format!("{wanted:?}"), |screen| {
            let contents = screen.contents();
            wanted.iter().all(|text| contents.contains(text))
        });
    }

    /// Waits until the screen fulfils a condition, named by `what` in the failure.
    pub(crate) fn wait_until(&self, what: &str, is_there: impl Fn(&vt100::Screen) -> bool) {
        let begin = Instant::now();
        while !is_there(&self.screen()) {
            assert!(
                begin.elapsed() < DEADLINE,
                "{what} did not come:\n{}",
                self.screen().contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// While the caller locks this, nothing reads the output.
    pub(crate) fn output(&self) -> Arc<Mutex<Output>> {
        Arc::clone(&self.output)
    }

    /// Waits for pending output, then asserts that the program writes nothing for a while.
    pub(crate) fn assert_silent(&self) {
        let bytes = || self.output.lock().unwrap().bytes;
        std::thread::sleep(Duration::from_millis(300));
        let before = bytes();
        std::thread::sleep(QUIET);
        assert_eq!(bytes() - before, 0, "bytes came though nothing changed");
    }

    /// The program's process id.
    pub(crate) fn program(&self) -> u32 {
        let child = self.child.process_id().unwrap();
        if !self.below_shell {
            return child;
        }
        children(child)[0]
    }

    pub(crate) fn signal(&self, name: &str) {
        send(name, &self.program().to_string());
    }

    /// Waits until the program is stopped, as by SIGSTOP.
    pub(crate) fn wait_for_stop(&self) {
        let stat = format!("/proc/{}/stat", self.program());
        self.wait_until("the program to stop", |_| {
            fs::read_to_string(&stat)
                .unwrap_or_default()
                .contains(") T ")
        });
    }

    /// Lets a shell with job control continue the stopped program.
    pub(crate) fn continue_job(&mut self) {
        self.press("\r");
    }

    /// Closes the terminal, like a dropped connection. Returns the time.
    pub(crate) fn hang_up(&mut self) -> Instant {
        // The reader also keeps the terminal open and waits for output. A key causes output.
        self.output.lock().unwrap().ends = true;
        self.press("j");
        self.reader.take().unwrap().join().unwrap();
        self.keys = None;
        self.master = None;
        Instant::now()
    }

    /// Waits until the screen shows this text. Returns false if the program ends first.
    pub(crate) fn shows_before_exit(&mut self, wanted: &str) -> bool {
        let begin = Instant::now();
        loop {
            if self.screen().contents().contains(wanted) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(
                begin.elapsed() < DEADLINE,
                "{wanted} did not come:\n{}",
                self.screen().contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program.
    pub(crate) fn exit_status(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begin.elapsed() < DEADLINE,
                "the program did not end:\n{}",
                self.screen().contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that modes, screen and cursor of the terminal are restored.
    pub(crate) fn assert_terminal_restored(&self) {
        self.wait_until("the terminal's own screen", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        let screen = self.screen();
        assert!(
            !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        );
        assert_eq!(modes(self.master.as_deref().unwrap()), self.modes);
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A failed test must not leave its program running; the program may have ended already.
        let _ = self.child.kill();
    }
}

/// Lets a command run in this folder with the fake worker. Settings, runs, tools and multiplexer of the user do not reach it.
/// The `chosen` variables stay as the caller set them.
pub(crate) fn prepare(command: &mut CommandBuilder, folder: &Path, chosen: &[&str]) {
    const USERS: [&str; 9] = [
        "NO_COLOR",
        "COLORTERM",
        "COLORFGBG",
        "LC_ALL",
        "LC_CTYPE",
        "VISUAL",
        "EDITOR",
        "TMUX",
        "STY",
    ];
    const STARTS: [&str; 3] = ["WARMSTART_", "HF_", "SLURM_"];
    let inherited = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in inherited {
        let is_users = USERS.contains(&&*name) || STARTS.iter().any(|it| name.starts_with(it));
        if is_users && !chosen.contains(&&*name) {
            command.env_remove(name);
        }
    }
    command.cwd(folder);
    for (name, value) in [("LANG", "C.UTF-8"), ("TERM", "xterm-256color")] {
        if !chosen.contains(&name) {
            command.env(name, value);
        }
    }
    for (name, place) in [
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
    ] {
        command.env(name, folder.join(place));
    }
    if !chosen.contains(&"WARMSTART_WORKER") {
        command.env("WARMSTART_WORKER", data().join("worker.sh"));
    }
}

fn send(signal: &str, to: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, "--", to])
        .status()
        .unwrap();
    assert!(status.success());
}

fn shell(script: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", script]);
    command
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize {
        rows: height,
        cols: width,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

/// The children of a process, zombies included.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .flatten()
        .map(|task| task.path());
    let children = tasks
        .filter_map(|task| fs::read_to_string(task.join("children")).ok())
        .collect::<Vec<_>>()
        .join(" ");
    children
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}

/// The memory of a process, in kB.
pub(crate) fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    memory.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whether a process runs; a zombie does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
