//! Paths that the user types.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use warmstart_runs::pictures;
use warmstart_schema::text;

/// Number of names to show.
const SHOWN: usize = 12;

/// A typed path with `~/` replaced by the home folder.
pub(crate) fn expanded(typed: &str) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match (typed.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(typed),
    }
}

/// Completes a typed path as far as all matching folders and images agree; returns their names if
/// there are several.
pub(crate) fn completed(typed: &str, only_folders: bool) -> (String, Vec<String>) {
    let (folder, begin) = typed.split_at(typed.rfind('/').map_or(0, |slash| slash + 1));
    let root = if folder.is_empty() {
        PathBuf::from(".")
    } else {
        expanded(folder)
    };
    let mut names: Vec<String> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| named(&entry.path(), &entry.file_name(), begin))
        .filter(|name| !only_folders || name.ends_with('/'))
        .collect();
    names.sort_unstable();
    let common = names
        .iter()
        .map(String::as_str)
        .reduce(common)
        .unwrap_or(begin)
        .to_owned();
    if names.len() == 1 {
        names.clear();
    }
    names.truncate(SHOWN);
    (format!("{folder}{common}"), names)
}

/// The name of a matching entry, with a slash for a folder; `None` if the user could not type it.
fn named(path: &Path, name: &OsStr, begin: &str) -> Option<String> {
    let is_folder = path.is_dir();
    let name = name
        .to_str()
        .filter(|name| name.starts_with(begin) && text::line(name, 4096) == **name)?;
    let is_meant = if is_folder {
        !name.starts_with('.') || begin.starts_with('.')
    } else {
        pictures::is_picture(name.as_ref())
    };
    is_meant.then(|| {
        if is_folder {
            format!("{name}/")
        } else {
            name.to_owned()
        }
    })
}

/// The common prefix of two names.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a
        .chars()
        .zip(b.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    &a[..same]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_completes_to_common_prefix() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "tiger-1.png",
            "tiger-2.JPG",
            "notes.txt",
            "tag\u{1b}.png",
            ".hidden.png",
        ] {
            std::fs::write(root.path().join(name), "").unwrap();
        }
        std::fs::create_dir_all(root.path().join("zoo/ape")).unwrap();
        let at = |typed: &str| {
            let (longer, names) = completed(&format!("{}/{typed}", root.path().display()), false);
            (
                longer
                    .strip_prefix(&format!("{}/", root.path().display()))
                    .unwrap()
                    .to_owned(),
                names,
            )
        };
        assert_eq!(
            at("t"),
            (
                "tiger-".to_owned(),
                vec!["tiger-1.png".to_owned(), "tiger-2.JPG".to_owned()]
            )
        );
        assert_eq!(at("z"), ("zoo/".to_owned(), vec![]));
        assert_eq!(at("zoo/"), ("zoo/ape/".to_owned(), vec![]));
        assert_eq!(at("nothing"), ("nothing".to_owned(), vec![]));
        let (longer, _) = completed(&format!("{}/", root.path().display()), true);
        assert!(longer.ends_with("/zoo/"), "{longer}");
        assert_eq!(
            at(""),
            (
                String::new(),
                vec![
                    "tiger-1.png".to_owned(),
                    "tiger-2.JPG".to_owned(),
                    "zoo/".to_owned()
                ]
            )
        );
    }
}
