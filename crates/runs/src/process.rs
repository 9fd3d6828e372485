//! Who a process is, so that a number that was given anew is never mistaken for it.

pub use warmstart_schema::identity::Identity;

/// What a worker can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Save and leave.
    Stop,
    /// Leave without saving.
    StopNow,
}

/// What can be asked of a process.
pub trait ProcessControl: Sized {
    /// This process.
    fn current() -> Self;
    /// The process that has this number now.
    fn of(pid: u32) -> Self;
    /// Whether this very process still runs (a zombie does not).
    fn is_alive(&self) -> bool;
    /// Whether this very process was suspended by a signal (SIGSTOP).
    fn is_suspended(&self) -> bool;
    /// Sends a request to this very process: it is pinned first, then looked at once more, so that no other process is
    /// ever signalled. One that is suspended is let go on, or it would never hear of it. False when it is gone.
    fn ask(&self, request: Request) -> std::io::Result<bool>;
}

impl ProcessControl for Identity {
    fn current() -> Self {
        Self::of(std::process::id())
    }

    fn of(pid: u32) -> Self {
        Self {
            boot_id: boot_id(),
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
        }
    }

    fn is_alive(&self) -> bool {
        if cfg!(target_os = "linux") {
            self.boot_id == boot_id()
                && self.start_ticks > 0
                && start_ticks(self.pid) == Some(self.start_ticks)
        } else {
            raw_pid(self).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
        }
    }

    fn is_suspended(&self) -> bool {
        self.boot_id == boot_id()
            && stat(self.pid)
                .is_some_and(|(state, start)| state == 'T' && start == self.start_ticks)
    }

    fn ask(&self, request: Request) -> std::io::Result<bool> {
        let request = match request {
            Request::Stop => rustix::process::Signal::TERM,
            Request::StopNow => rustix::process::Signal::QUIT,
        };
        let Some(pid) = raw_pid(self) else {
            return Ok(false);
        };
        let signal = |signal| match send(pid, signal, || self.is_alive()) {
            Err(error) if error == rustix::io::Errno::SRCH => Ok(false),
            other => other.map_err(std::io::Error::from),
        };
        let is_asked = signal(request)?;
        if is_asked && self.is_suspended() {
            signal(rustix::process::Signal::CONT)?;
        }
        Ok(is_asked)
    }
}

fn raw_pid(identity: &Identity) -> Option<rustix::process::Pid> {
    i32::try_from(identity.pid)
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(rustix::process::Pid::from_raw)
}

#[cfg(target_os = "linux")]
fn send(
    pid: rustix::process::Pid,
    signal: rustix::process::Signal,
    is_it: impl Fn() -> bool,
) -> rustix::io::Result<bool> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let pinned = pidfd_open(pid, PidfdFlags::empty())?;
    if !is_it() {
        return Ok(false);
    }
    pidfd_send_signal(pinned, signal).map(|()| true)
}

#[cfg(not(target_os = "linux"))]
fn send(
    pid: rustix::process::Pid,
    signal: rustix::process::Signal,
    is_it: impl Fn() -> bool,
) -> rustix::io::Result<bool> {
    if !is_it() {
        return Ok(false);
    }
    rustix::process::kill_process(pid, signal).map(|()| true)
}

/// What this machine is called in its network; empty where it has no name.
pub fn host() -> String {
    nix::unistd::gethostname().map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Of the running kernel: another one after every start of the machine. Empty where there is no `/proc`.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

/// Start time of a process that is no zombie.
fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid)
        .filter(|(state, _)| !matches!(state, 'Z' | 'X'))
        .map(|(_, start)| start)
}

/// State and start time of a process.
fn stat(pid: u32) -> Option<(char, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name in parentheses, may itself hold spaces and parentheses.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_another_start_or_boot_is_not_it() {
        let me = Identity::current();
        assert!(me.is_alive());
        assert!(
            !Identity {
                start_ticks: me.start_ticks + 1,
                ..me.clone()
            }
            .is_alive()
        );
        assert!(
            !Identity {
                boot_id: "another boot".to_owned(),
                ..me
            }
            .is_alive()
        );
    }

    #[test]
    fn a_request_reaches_the_process_it_names_and_no_stranger_under_its_number() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let identity = Identity::of(child.id());
        let stranger = Identity {
            start_ticks: identity.start_ticks + 1,
            ..identity.clone()
        };
        assert!(!stranger.ask(Request::Stop).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        assert!(identity.ask(Request::Stop).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!identity.ask(Request::Stop).unwrap());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = Identity::of(child.id());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while identity.is_alive() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
