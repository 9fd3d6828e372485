//! Makes an experiment's paths absolute once, when its file is read, so that they mean the same from any folder.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::{Experiment, Weights};

impl Experiment {
    /// The experiment with absolute paths: `~` is the user's home, and the rest is relative to the current folder.
    pub fn placed(self) -> io::Result<Self> {
        self.placed_in(Path::new(""))
    }

    /// As [`Self::placed`], with the rest relative to `folder`; an empty one is the current folder.
    pub(super) fn placed_in(mut self, folder: &Path) -> io::Result<Self> {
        if let Some(path) = self.dataset.path_mut() {
            *path = whole_in(folder, path)?;
        }
        if let Weights::File(path) = &mut self.model.weights {
            *path = whole_in(folder, path)?;
        }
        Ok(self)
    }

    /// Its paths, with their fields.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let weights = match &self.model.weights {
            Weights::File(path) => Some(("model.weights", path.as_path())),
            _ => None,
        };
        self.dataset
            .path()
            .map(|path| ("dataset.path", path))
            .into_iter()
            .chain(weights)
    }
}

/// A path as it is from any folder; an empty one stays empty.
pub fn whole(path: &Path) -> io::Result<PathBuf> {
    whole_in(Path::new(""), path)
}

fn whole_in(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Ok(path.to_path_buf());
    }
    std::path::absolute(folder.join(at_home(path)))
}

/// Expands `~` or `~name` to the home folder, as a shell does; leaves the path unchanged if there is no such home. `./~` is a
/// folder of that name.
fn at_home(path: &Path) -> PathBuf {
    let mut parts = path.components();
    let Some(Component::Normal(first)) = parts.next() else {
        return path.to_path_buf();
    };
    let Some(name) = first.to_str().and_then(|first| first.strip_prefix('~')) else {
        return path.to_path_buf();
    };
    let home = if name.is_empty() {
        own_home()
    } else {
        home_of(name)
    };
    home.map_or_else(|| path.to_path_buf(), |home| home.join(parts.as_path()))
}

fn own_home() -> Option<PathBuf> {
    let said = std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from);
    said.or_else(|| {
        nix::unistd::User::from_uid(nix::unistd::getuid())
            .ok()
            .flatten()
            .map(|user| user.dir)
    })
}

fn home_of(name: &str) -> Option<PathBuf> {
    nix::unistd::User::from_name(name)
        .ok()
        .flatten()
        .map(|user| user.dir)
}

/// The first environment variable in a path, as a shell writes it: `$HOME` or `${HOME}`.
pub(super) fn variable(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    text.match_indices('$').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let length = name
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            .count();
        let name = &name[..length];
        (!name.is_empty() && std::env::var_os(name).is_some()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_once_and_stay_so() {
        let home = own_home().unwrap();
        let here = std::env::current_dir().unwrap();
        for (written, meant) in [
            ("~", home.clone()),
            ("~/pictures", home.join("pictures")),
            ("pictures/cats", here.join("pictures/cats")),
            ("./~/pictures", here.join("~/pictures")),
            ("/data/~", "/data/~".into()),
            (
                "~nobody-is-called-so/x",
                here.join("~nobody-is-called-so/x"),
            ),
            (
                "~root/x",
                nix::unistd::User::from_name("root")
                    .unwrap()
                    .unwrap()
                    .dir
                    .join("x"),
            ),
        ] {
            let once = whole(Path::new(written)).unwrap();
            assert_eq!(once, meant, "{written}");
            assert_eq!(whole(&once).unwrap(), once, "{written}");
        }
        assert_eq!(whole(Path::new("")).unwrap(), Path::new(""));
    }

    #[test]
    fn variables_are_found_as_a_shell_finds_them() {
        for (path, name) in [
            ("$HOME/x", Some("HOME")),
            ("/a/${HOME}/x", Some("HOME")),
            ("a$b/x", None),
            ("/a/$/x", None),
        ] {
            assert_eq!(variable(Path::new(path)).as_deref(), name, "{path}");
        }
    }
}
