//! Finds the user's editor.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// Tried in this order if the user chose none; POSIX guarantees the first.
const USUAL: [&str; 2] = ["vi", "nano"];

/// The editor's command for a file: `VISUAL`, `EDITOR`, or an installed editor. The error says what
/// to do.
pub(super) fn command(path: &Path) -> Result<Command, String> {
    let chosen = ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let value =
            std::env::var_os(name).filter(|value| !value.to_string_lossy().trim().is_empty())?;
        Some((name, value))
    });
    of(
        chosen
            .as_ref()
            .map(|(name, value)| (*name, value.as_os_str())),
        std::env::var_os("PATH"),
        path,
    )
}

fn of(
    chosen: Option<(&str, &OsStr)>,
    search: Option<OsString>,
    path: &Path,
) -> Result<Command, String> {
    let words = if let Some((name, value)) = chosen {
        let value = value
            .to_str()
            .ok_or_else(|| format!("{name} is not UTF-8: {}", value.display()))?;
        shell_words::split(value)
            .map_err(|_| format!("{name} has a quote that nothing closes: {value}"))?
    } else {
        let search = search.unwrap_or_default();
        let is_there =
            |name: &&str| std::env::split_paths(&search).any(|folder| folder.join(name).is_file());
        let found = USUAL.into_iter().find(is_there);
        vec![
            found
                .ok_or("there is no editor: set EDITOR, for example `export EDITOR=nano`")?
                .to_owned(),
        ]
    };
    let variable = chosen.map_or("EDITOR", |(name, _)| name);
    let (program, arguments) = words
        .split_first()
        .filter(|(program, _)| !program.is_empty())
        .ok_or_else(|| {
            format!("{variable} names no program: set it, for example `export {variable}=nano`")
        })?;
    let mut command = Command::new(program);
    command.args(arguments).arg(path);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn words(chosen: Option<(&str, &str)>, search: &str) -> Result<Vec<String>, String> {
        let chosen = chosen.map(|(name, value)| (name, OsStr::new(value)));
        let command = of(chosen, Some(search.into()), Path::new("a b.yaml"))?;
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        Ok(all
            .map(|word| word.to_string_lossy().into_owned())
            .collect())
    }

    #[test]
    fn editor_command_is_split_like_a_shell() {
        assert_eq!(
            words(Some(("EDITOR", "code --wait")), "").unwrap(),
            ["code", "--wait", "a b.yaml"]
        );
        assert_eq!(
            words(Some(("VISUAL", "'/my apps/ed' -x \"y z\"")), "").unwrap(),
            ["/my apps/ed", "-x", "y z", "a b.yaml"]
        );
        assert!(
            words(Some(("EDITOR", "vi '")), "")
                .unwrap_err()
                .contains("EDITOR has a quote")
        );
        for value in ["# vi", "''"] {
            let error = words(Some(("VISUAL", value)), "").unwrap_err();
            assert!(error.starts_with("VISUAL names no program"), "{error}");
        }
        // The user chose an editor, so another one would be a surprise.
        let latin = OsStr::from_bytes(b"/caf\xe9/ed");
        let error = of(Some(("VISUAL", latin)), None, Path::new("a.yaml")).unwrap_err();
        assert!(error.starts_with("VISUAL is not UTF-8"), "{error}");
    }

    #[test]
    fn first_installed_editor_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let search = folder.path().to_str().unwrap();
        assert!(words(None, search).unwrap_err().contains("export EDITOR"));
        std::fs::write(folder.path().join("nano"), "").unwrap();
        assert_eq!(words(None, search).unwrap(), ["nano", "a b.yaml"]);
        std::fs::write(folder.path().join("vi"), "").unwrap();
        assert_eq!(words(None, search).unwrap(), ["vi", "a b.yaml"]);
    }
}
