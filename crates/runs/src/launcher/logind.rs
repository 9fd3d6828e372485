//! Whether a logout would kill runs. systemd-logind can be set up to kill all processes of a session when it ends. A worker's new
//! session (`setsid`) does not protect it from that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders with settings; later ones override earlier ones.
const PLACES: [&str; 4] = [
    "usr/lib/systemd",
    "usr/local/lib/systemd",
    "run/systemd",
    "etc/systemd",
];

/// The login session that this process belongs to.
#[derive(Debug, Clone)]
pub struct Login {
    /// `/`, except in tests.
    root: PathBuf,
    /// The login is over SSH, where a lost connection ends the session.
    over_ssh: bool,
    /// Its name; empty if the environment does not say it.
    user: String,
    /// The text of `/proc/self/cgroup`, which says what this process is part of.
    groups: String,
}

/// logind's setting for processes whose session ended.
#[derive(Debug, Default)]
struct Settings {
    kill: bool,
    only: Vec<String>,
    exclude: Option<Vec<String>>,
}

impl Login {
    /// The session of this process.
    pub fn find() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // sshd and login set these variables.
        let user = ["LOGNAME", "USER"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|user| !user.is_empty());
        Self {
            root: PathBuf::from("/"),
            over_ssh: ["SSH_CONNECTION", "SSH_TTY"].into_iter().any(is_set),
            user: user.unwrap_or_default(),
            groups: fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        }
    }

    /// Why runs launched from here would end with the connection, and how to prevent it; none if they survive.
    pub fn hazard(&self) -> Option<String> {
        if !self.over_ssh || !self.root.join("run/systemd/system").is_dir() {
            return None;
        }
        if !self.may_be_in_session() {
            return None;
        }
        let killing = self.killing()?;
        // Without a name the path would be that of the folder, which says nothing of this user.
        let lingers = !self.user.is_empty()
            && self
                .root
                .join("var/lib/systemd/linger")
                .join(&self.user)
                .exists();
        // The user's service manager belongs to no session; it survives a logout if lingering is on.
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
                "Runs end with your last connection: systemd on this machine then stops all your processes. \
                 `loginctl enable-linger` prevents that."
                    .to_owned(),
            ),
            (false, _) => Some(format!(
                "Runs end with this connection: systemd on this machine kills all processes of a session that ends \
                 ({killing}). To prevent that, {linger}start warmstart with `systemd-run --user --scope warmstart`."
            )),
        }
    }

    /// Whether logind would count this process to a session or to its user; it kills no other. A step of a Slurm job inherits the
    /// variables of an SSH login, but belongs to Slurm. Where no group has a name, that cannot be told.
    fn may_be_in_session(&self) -> bool {
        let is_named = |group: &str| !group.ends_with('/');
        let is_user = |group: &str| group.contains("/session-") || group.contains("/user@");
        // Groups of other hierarchies limit memory and the like, and say nothing of sessions.
        let is_of_systemd =
            |group: &&str| group.starts_with("0::") || group.contains(":name=systemd:");
        let groups = || self.groups.lines().filter(is_of_systemd);
        groups().any(is_user) || !groups().any(is_named)
    }

    /// The setting by which logind kills this user's processes; none if it spares them.
    fn killing(&self) -> Option<&'static str> {
        let settings = self.settings();
        let names = |list: &[String]| list.contains(&self.user);
        // In logind's order: excluded users, then the only users, then all users. A list of only users counts without
        // KillUserProcesses too.
        let is_spared = settings
            .exclude
            .as_deref()
            .map_or(self.user == "root", names);
        if is_spared {
            None
        } else if settings.only.is_empty() {
            settings.kill.then_some("KillUserProcesses=yes")
        } else {
            names(&settings.only).then_some("KillOnlyUsers names you")
        }
    }

    /// `logind.conf` of the winning folder, then the drop-ins by name, each from the winning folder.
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
    /// Takes in a file; ignores an unreadable one.
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
            // A later list adds to an earlier one, and an empty one clears it.
            let add = |list: &mut Vec<String>| {
                if value.trim().is_empty() {
                    list.clear();
                }
                list.extend(value.split_whitespace().map(str::to_owned));
            };
            match name.trim_end() {
                "KillUserProcesses" => {
                    // systemd ignores a value that is neither.
                    match value.trim().to_ascii_lowercase().as_str() {
                        "1" | "yes" | "y" | "true" | "t" | "on" => self.kill = true,
                        "0" | "no" | "n" | "false" | "f" | "off" => self.kill = false,
                        _ => {}
                    }
                }
                "KillOnlyUsers" => add(&mut self.only),
                "KillExcludeUsers" => add(self.exclude.get_or_insert_default()),
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

    /// A machine with these files and an SSH login.
    fn login_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Login) {
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
        login_with(files).1.hazard().is_some()
    }

    #[test]
    fn settings_follow_the_precedence_of_systemd() {
        let yes = "[Login]\n#KillUserProcesses=no\nKillUserProcesses = yes\n";
        let no = "[Login]\nKillUserProcesses=no\n";
        let (main, shipped) = ("etc/systemd/logind.conf", "usr/lib/systemd/logind.conf");
        assert!(!is_killed(&[]));
        assert!(is_killed(&[(main, yes)]) && is_killed(&[(shipped, yes)]));
        assert!(!is_killed(&[(main, "[Login]\n#KillUserProcesses=yes\n")]));
        assert!(!is_killed(&[(main, "[Other]\nKillUserProcesses=yes\n")]));
        assert!(!is_killed(&[(shipped, yes), (main, no)]));
        // A drop-in overrides the main file, a later name overrides an earlier one, and /etc overrides /usr.
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
        for (value, killed) in [("maybe", true), ("", true), ("Off", false)] {
            let later = format!("{yes}KillUserProcesses={value}\n");
            assert_eq!(is_killed(&[(main, &later)]), killed, "{value}");
        }
        for (users, killed) in [
            ("KillOnlyUsers=bob", false),
            ("KillOnlyUsers=bob ada", true),
            ("KillExcludeUsers=root ada", false),
            ("KillExcludeUsers=", true),
            ("KillOnlyUsers=ada\nKillOnlyUsers=bob", true),
            ("KillOnlyUsers=bob\nKillOnlyUsers=", true),
            ("KillExcludeUsers=ada\nKillExcludeUsers=bob", false),
            ("KillExcludeUsers=ada\nKillExcludeUsers=", true),
        ] {
            assert_eq!(
                is_killed(&[(main, &format!("{yes}{users}\n"))]),
                killed,
                "{users}"
            );
        }
    }

    #[test]
    fn a_list_of_only_users_kills_without_the_setting_for_all() {
        let of_only = |users: &str| {
            let text = format!("[Login]\nKillOnlyUsers={users}\n");
            login_with(&[("etc/systemd/logind.conf", &text)]).1.hazard()
        };
        let warning = of_only("bob ada").unwrap();
        assert!(warning.contains("KillOnlyUsers"), "{warning}");
        assert_eq!(of_only("bob"), None);
    }

    #[test]
    fn a_user_without_a_name_does_not_linger() {
        let (_root, mut login) = login_with(&[
            (
                "etc/systemd/logind.conf",
                "[Login]\nKillUserProcesses=yes\n",
            ),
            ("var/lib/systemd/linger/bob", ""),
        ]);
        login.user = String::new();
        login.groups = SCOPE.to_owned();
        let warning = login.hazard().unwrap();
        assert!(warning.contains("enable-linger"), "{warning}");
    }

    #[test]
    fn hazard_depends_on_the_control_group_of_this_process() {
        let main = (
            "etc/systemd/logind.conf",
            "[Login]\nKillUserProcesses=yes\n",
        );
        let (_root, mut login) = login_with(&[main]);
        let warning = login.hazard().unwrap();
        assert!(
            warning.contains("enable-linger") && warning.contains("systemd-run --user --scope"),
            "{warning}"
        );
        login.groups = SCOPE.to_owned();
        let warning = login.hazard().unwrap();
        assert!(
            warning.contains("enable-linger") && !warning.contains("systemd-run"),
            "{warning}"
        );
        login.user = "root".to_owned();
        assert_eq!(
            login.hazard(),
            None,
            "root is spared unless the setting says otherwise"
        );

        let (_root, mut lingers) = login_with(&[main, ("var/lib/systemd/linger/ada", "")]);
        assert!(!lingers.hazard().unwrap().contains("enable-linger"));
        lingers.groups = SCOPE.to_owned();
        assert_eq!(lingers.hazard(), None);
        lingers.groups = SESSION.to_owned();
        lingers.over_ssh = false;
        assert_eq!(lingers.hazard(), None);
    }

    #[test]
    fn processes_of_no_session_are_not_killed() {
        let main = (
            "etc/systemd/logind.conf",
            "[Login]\nKillUserProcesses=yes\n",
        );
        let (_root, mut login) = login_with(&[main]);
        for (groups, killed) in [
            ("0::/system.slice/slurmstepd.scope/job_7\n", false),
            ("4:memory:/slurm/job_7\n0::/system.slice\n", false),
            ("4:memory:/user.slice\n0::/session-3.scope\n", true),
            (
                "4:memory:/job_7\n1:name=systemd:/system.slice/slurmd.service\n",
                false,
            ),
            ("4:memory:/box\n1:name=systemd:/\n0::/\n", true),
            ("0::/\n", true),
            ("", true),
        ] {
            groups.clone_into(&mut login.groups);
            assert_eq!(login.hazard().is_some(), killed, "{groups:?}");
        }
    }
}
