//! Whether runs would be killed with the session that they are launched from: systemd-logind can be set up to end every
//! process of a session with it, and a session of its own, as each worker has, is no way out of that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where settings lie, the later one winning over the earlier.
const PLACES: [&str; 4] = [
    "usr/lib/systemd",
    "usr/local/lib/systemd",
    "run/systemd",
    "etc/systemd",
];

/// The session that this process belongs to.
#[derive(Debug, Clone)]
pub struct Login {
    /// `/`, but for tests.
    root: PathBuf,
    /// Over SSH, where a lost connection ends the session.
    over_ssh: bool,
    user: String,
    /// The text of `/proc/self/cgroup`, which tells what this process is part of.
    groups: String,
}

/// What a setting of logind says of processes whose session has ended.
#[derive(Debug, Default)]
struct Settings {
    kill: bool,
    only: Vec<String>,
    exclude: Option<Vec<String>>,
}

impl Login {
    /// This process's own.
    pub fn find() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // As sshd and login set them.
        let user = ["LOGNAME", "USER"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok());
        Self {
            root: PathBuf::from("/"),
            over_ssh: ["SSH_CONNECTION", "SSH_TTY"].into_iter().any(is_set),
            user: user.unwrap_or_default(),
            groups: fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        }
    }

    /// Why runs that are launched from here would end with the connection, and what to do; nothing where they live on.
    pub fn hazard(&self) -> Option<String> {
        if !self.over_ssh || !self.root.join("run/systemd/system").is_dir() || !self.kills() {
            return None;
        }
        let lingers = self
            .root
            .join("var/lib/systemd/linger")
            .join(&self.user)
            .exists();
        // What belongs to the user's own service manager is in no session; the manager itself lives on where it lingers.
        let is_managed = self
            .groups
            .lines()
            .any(|group| group.contains("/user@") && !group.contains("/session-"));
        let linger = if lingers {
            ""
        } else {
            "`loginctl enable-linger` once, then "
        };
        match (is_managed, lingers) {
            (true, true) => None,
            (true, false) => Some(
                "Runs end with your last connection: this machine's systemd then stops all that you have started. \
                 `loginctl enable-linger` keeps it."
                    .to_owned(),
            ),
            (false, _) => Some(format!(
                "Runs end with this connection: systemd is set up here to kill all processes of a session that ends \
                 (KillUserProcesses=yes). To keep them, {linger}start warmstart with `systemd-run --user --scope warmstart`."
            )),
        }
    }

    fn kills(&self) -> bool {
        let settings = self.settings();
        let names = |list: &[String]| list.contains(&self.user);
        // As logind has it: who is to be spared, then who alone is meant, then all.
        let is_spared = settings
            .exclude
            .as_deref()
            .map_or(self.user == "root", names);
        settings.kill && !is_spared && (settings.only.is_empty() || names(&settings.only))
    }

    /// `logind.conf` of the place that wins, then the drop-ins by their names, each from the place that wins.
    fn settings(&self) -> Settings {
        let places = || PLACES.iter().map(|place| self.root.join(place));
        let main = places()
            .rev()
            .map(|place| place.join("logind.conf"))
            .find(|file| file.is_file());
        let mut dropped: BTreeMap<_, PathBuf> = BTreeMap::new();
        for place in places() {
            let entries = fs::read_dir(place.join("logind.conf.d"))
                .into_iter()
                .flatten()
                .flatten();
            let conf =
                entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "conf"));
            dropped.extend(conf.map(|entry| (entry.file_name(), entry.path())));
        }
        let mut settings = Settings::default();
        for file in main.into_iter().chain(dropped.into_values()) {
            settings.read(&file);
        }
        settings
    }
}

impl Settings {
    /// Takes in a file; one that cannot be read says nothing.
    fn read(&mut self, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut is_login = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_login = line == "[Login]";
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_login) else {
                continue;
            };
            let list = || {
                value
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            match name.trim_end() {
                "KillUserProcesses" => {
                    let value = value.trim().to_ascii_lowercase();
                    self.kill = matches!(value.as_str(), "1" | "yes" | "y" | "true" | "t" | "on");
                }
                "KillOnlyUsers" => self.only = list(),
                "KillExcludeUsers" => self.exclude = Some(list()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "0::/user.slice/user-1000.slice/session-3.scope\n";
    const SCOPE: &str = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r7.scope\n";

    /// A machine with these files, and somebody logged in to it over SSH.
    fn login(files: &[(&str, &str)]) -> (tempfile::TempDir, Login) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().chain(&[("run/systemd/system/x", "")]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let login = Login {
            root: root.path().to_path_buf(),
            over_ssh: true,
            user: "ada".to_owned(),
            groups: SESSION.to_owned(),
        };
        (root, login)
    }

    fn is_killed(files: &[(&str, &str)]) -> bool {
        login(files).1.hazard().is_some()
    }

    #[test]
    fn settings_are_read_as_systemd_reads_them() {
        let yes = "[Login]\n#KillUserProcesses=no\nKillUserProcesses = yes\n";
        let no = "[Login]\nKillUserProcesses=no\n";
        let (main, shipped) = ("etc/systemd/logind.conf", "usr/lib/systemd/logind.conf");
        assert!(!is_killed(&[]));
        assert!(is_killed(&[(main, yes)]) && is_killed(&[(shipped, yes)]));
        assert!(!is_killed(&[(main, "[Login]\n#KillUserProcesses=yes\n")]));
        assert!(!is_killed(&[(main, "[Other]\nKillUserProcesses=yes\n")]));
        assert!(!is_killed(&[(shipped, yes), (main, no)]));
        // A drop-in wins over the file, the later name over the earlier, /etc over /usr for one name.
        let drop_in = "etc/systemd/logind.conf.d/50-x.conf";
        assert!(is_killed(&[
            (main, no),
            (drop_in, "[Login]\nKillUserProcesses=1")
        ]));
        assert!(!is_killed(&[
            (drop_in, yes),
            ("usr/lib/systemd/logind.conf.d/60-y.conf", no)
        ]));
        assert!(is_killed(&[
            (drop_in, yes),
            ("usr/lib/systemd/logind.conf.d/50-x.conf", no)
        ]));
        assert!(!is_killed(&[(
            "etc/systemd/logind.conf.d/50-x.conf.off",
            yes
        )]));
        for (users, killed) in [
            ("KillOnlyUsers=bob", false),
            ("KillOnlyUsers=bob ada", true),
            ("KillExcludeUsers=root ada", false),
            ("KillExcludeUsers=", true),
        ] {
            assert_eq!(
                is_killed(&[(main, &format!("{yes}{users}\n"))]),
                killed,
                "{users}"
            );
        }
    }

    #[test]
    fn what_it_means_depends_on_where_this_process_belongs() {
        let main = (
            "etc/systemd/logind.conf",
            "[Login]\nKillUserProcesses=yes\n",
        );
        let (_root, mut there) = login(&[main]);
        let told = there.hazard().unwrap();
        assert!(
            told.contains("enable-linger") && told.contains("systemd-run --user --scope"),
            "{told}"
        );
        there.groups = SCOPE.to_owned();
        let told = there.hazard().unwrap();
        assert!(
            told.contains("enable-linger") && !told.contains("systemd-run"),
            "{told}"
        );
        there.user = "root".to_owned();
        assert_eq!(
            there.hazard(),
            None,
            "root is spared unless the setting says otherwise"
        );

        let (_root, mut lingers) = login(&[main, ("var/lib/systemd/linger/ada", "")]);
        assert!(!lingers.hazard().unwrap().contains("enable-linger"));
        lingers.groups = SCOPE.to_owned();
        assert_eq!(lingers.hazard(), None);
        lingers.groups = SESSION.to_owned();
        lingers.over_ssh = false;
        assert_eq!(lingers.hazard(), None);
    }
}
