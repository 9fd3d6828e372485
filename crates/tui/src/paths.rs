//! Paths that the user types.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use warmstart_runs::pictures;
use warmstart_schema::text;

/// Number of names to show.
const SHOWN: usize = 12;

/// A typed path with the home folder instead of a leading `~`.
pub(crate) fn expanded(typed: &str) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let below = if typed == "~" {
        Some("")
    } else {
        // `join` takes a rest that begins with a slash for a path from the root.
        typed
            .strip_prefix("~/")
            .map(|rest| rest.trim_start_matches('/'))
    };
    match (below, home) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(typed),
    }
}

/// Completes a typed path as far as all matching folders and images agree. If there are several,
/// returns the first of their names, and as the last entry how many more there are.
pub(crate) fn completed(typed: &str, only_folders: bool) -> (String, Vec<String>) {
    if typed == "~" {
        return ("~/".to_owned(), Vec::new());
    }
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
        .filter_map(|entry| named(&entry, begin))
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
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    (format!("{folder}{common}"), names)
}

/// The name of a matching entry, with a slash for a folder; `None` if the user could not type it.
fn named(entry: &DirEntry, begin: &str) -> Option<String> {
    let name = entry.file_name();
    let name = name
        .to_str()
        .filter(|name| name.starts_with(begin) && text::line(name, 4096) == **name)?;
    // Asks the file system, so only where the name matches: the folder may hold many pictures.
    let is_folder = entry.path().is_dir();
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

    #[test]
    fn names_beyond_those_shown_are_counted() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..SHOWN + 3 {
            std::fs::write(root.path().join(format!("{number:02}.png")), "").unwrap();
        }
        let (_, names) = completed(&format!("{}/", root.path().display()), false);
        assert_eq!(names.len(), SHOWN + 1);
        assert_eq!(names.last().unwrap(), "and 3 more");
    }

    #[test]
    fn a_tilde_alone_or_before_slashes_is_the_home_folder() {
        assert_eq!(expanded("~"), expanded("~/"));
        assert_eq!(expanded("~//a"), expanded("~/a"));
        assert_eq!(completed("~", true), ("~/".to_owned(), vec![]));
    }
}
