//! Commands for a user to paste into a shell. They name the folders in use, unless those are the default ones.

use std::path::Path;

/// A path as one word of a command, and no option.
pub fn word(path: &str) -> String {
    if path.starts_with('-') {
        shell_words::quote(&format!("./{path}")).into_owned()
    } else {
        shell_words::quote(path).into_owned()
    }
}

/// The options with which a command finds the same experiments and runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderOptions {
    /// The path, quoted for a shell; `None` if it is the default.
    experiments: Option<String>,
    checkpoints: Option<String>,
}

/// Commands that use the folder of experiments.
const OF_EXPERIMENTS: &[&str] = &[
    "new",
    "list",
    "check",
    "params",
    "train",
    "show",
    "compare",
    "look",
    "prefetch",
    "verify-resume",
    "doctor",
];
/// Commands that use the folder of runs.
const OF_RUNS: &[&str] = &[
    "list",
    "check",
    "train",
    "resume",
    "stop",
    "queue",
    "runs",
    "show",
    "tag",
    "note",
    "archive",
    "trash",
    "compare",
    "plot",
    "look",
    "predict",
    "export",
    "verify-resume",
    "doctor",
];

impl FolderOptions {
    /// The folders that the user chose, by an option or by the environment.
    pub fn new(experiments: Option<&Path>, checkpoints: Option<&Path>) -> Self {
        let chosen = |path: Option<&Path>, usual: &str| {
            let path = path.filter(|path| *path != Path::new(usual));
            path.map(|path| word(&path.display().to_string()))
        };
        Self {
            experiments: chosen(experiments, "experiments"),
            checkpoints: chosen(checkpoints, "checkpoints"),
        }
    }

    /// The options that this command needs, each after a space.
    pub fn of(&self, verb: &str) -> String {
        let option = |name: &str, word: &Option<String>, verbs: &[&str]| {
            let word = word.as_ref().filter(|_| verbs.contains(&verb));
            word.map(|word| format!(" --{name} {word}"))
                .unwrap_or_default()
        };
        option("experiments", &self.experiments, OF_EXPERIMENTS)
            + &option("checkpoints", &self.checkpoints, OF_RUNS)
    }

    /// Adds the options to every command that the text quotes in backticks.
    pub fn in_commands(&self, text: &str) -> String {
        const COMMAND: &str = "`warmstart ";
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(COMMAND) {
            let (before, behind) = rest.split_at(at + COMMAND.len());
            let end = behind
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .unwrap_or(behind.len());
            let (verb, behind) = behind.split_at(end);
            out.extend([before, verb, &self.of(verb)]);
            rest = behind;
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_only_the_folders_they_need() {
        let folders =
            FolderOptions::new(Some(Path::new("my files")), Some(Path::new("/data/it's")));
        let text = folders
            .in_commands("stopped; `warmstart resume x1` resumes, `warmstart config` says more, `warmstart list`");
        let expected = "stopped; `warmstart resume --checkpoints '/data/it'\\''s' x1` resumes, `warmstart config` says more, \
                        `warmstart list --experiments 'my files' --checkpoints '/data/it'\\''s'`";
        assert_eq!(text, expected);
        let usual = FolderOptions::new(
            Some(Path::new("experiments")),
            Some(Path::new("checkpoints")),
        );
        assert_eq!(usual, FolderOptions::new(None, None));
        for text in [
            "",
            "`warmstart resume x`",
            "`warmstart ",
            "warmstart resume x",
            "`warmstart` é",
        ] {
            assert_eq!(usual.in_commands(text), text);
        }
    }

    #[test]
    fn commands_that_use_both_folders_get_both() {
        let folders = FolderOptions::new(Some(Path::new("e")), Some(Path::new("c")));
        for verb in ["doctor", "check", "train", "show"] {
            assert_eq!(
                folders.of(verb),
                " --experiments e --checkpoints c",
                "{verb}"
            );
        }
        assert_eq!(folders.of("new"), " --experiments e");
    }

    #[test]
    fn a_folder_does_not_look_like_an_option() {
        let options = FolderOptions::new(None, Some(Path::new("-x"))).of("resume");
        assert_eq!(options, " --checkpoints ./-x");
    }

    #[test]
    fn a_shell_reads_every_quoted_folder_back() {
        for folder in [
            "plain",
            "two words",
            "it's",
            "$HOME `id` \\ *",
            "\"q\"",
            "é漢",
            "a\nb",
            "~/x",
        ] {
            let options = FolderOptions::new(None, Some(Path::new(folder))).of("resume");
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf '%s|'{options}")])
                .output();
            assert_eq!(
                String::from_utf8(output.unwrap().stdout).unwrap(),
                format!("--checkpoints|{folder}|")
            );
        }
    }
}
