//! Recognizes the folders: splits by their usual names, everything else by its position.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::folder::{PictureFile, PictureFolder, SplitFolder, Unusable, unique_classes};
use super::names::{READ, is_picture, label, listed, normalized, shown};
use super::walk::{self, Entries};
use warmstart_schema::experiment::SplitRule;
use warmstart_schema::look::Split;
use warmstart_schema::text;

/// The split that a folder's name means, in upper or lower case.
fn part_of(name: &OsStr) -> Option<Split> {
    match normalized(name).to_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" | "eval" | "evaluation" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// A folder that may be a split.
struct Inside {
    name: OsString,
    /// Whether it contains images directly.
    is_loose: bool,
    /// Its folders with images, and those without.
    classes: Vec<OsString>,
    empty: Vec<OsString>,
}

impl Inside {
    fn look(root: &Path, name: &OsStr) -> Result<Self, Unusable> {
        let path = root.join(name);
        let entries = walk::entries(&path).map_err(walk::Unreadable::unusable)?;
        let is_loose = entries.has_pictures();
        let (classes, empty) = parted(&path, entries)?;
        Ok(Self {
            name: name.to_owned(),
            is_loose,
            classes,
            empty,
        })
    }

    fn is(&self, part: Split) -> bool {
        part_of(&self.name) == Some(part)
    }
}

/// Folders with images at any depth, and those without.
fn parted(root: &Path, entries: Entries) -> Result<(Vec<OsString>, Vec<OsString>), Unusable> {
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for name in entries.folders {
        let has = walk::has_picture(root, Path::new(&name)).map_err(walk::Unreadable::unusable)?;
        if has {
            full.push(name);
        } else {
            empty.push(name);
        }
    }
    Ok((full, empty))
}

pub(super) fn open(root: &Path) -> Result<PictureFolder, Unusable> {
    let entries = walk::entries(root).map_err(|error| missing(root, error.unusable()))?;
    let (mut others, mut empty, mut parts, mut closed) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in &entries.folders {
        if part_of(name).is_some() {
            parts.push(Inside::look(root, name)?);
            continue;
        }
        match walk::has_picture(root, Path::new(name)) {
            Ok(true) => others.push(name.clone()),
            Ok(false) => empty.push(name.clone()),
            Err(error) => closed.push(error.unusable()),
        }
    }
    let train: Vec<&Inside> = parts
        .iter()
        .filter(|inside| inside.is(Split::Train) && !inside.classes.is_empty())
        .collect();
    let Some(train) = one(root, "training", &train)? else {
        return flat(root, others, &empty, &parts, closed);
    };
    // A class of that name contains images directly, and has other classes beside it.
    if train.is_loose
        && train.classes.len() < 2
        && !others.is_empty()
        && !is_confirmed(train, &parts)
    {
        return flat(root, others, &empty, &parts, closed);
    }
    let path = root.join(&train.name);
    let classes = classes(&path, train.classes.clone())?;
    let part = |part: Split| {
        let found: Vec<&Inside> = parts
            .iter()
            .filter(|inside| inside.is(part) && !inside.classes.is_empty())
            .collect();
        part_folder(root, &found, part, &classes)
    };
    let (validation, test) = (part(Split::Validation)?, part(Split::Test)?);
    Ok(whole(
        root,
        path,
        classes,
        [validation, test],
        &train.empty,
        Vec::new(),
    ))
}

/// Whether another split has one of these classes.
fn is_confirmed(train: &Inside, parts: &[Inside]) -> bool {
    let known: HashSet<String> = train.classes.iter().map(|name| normalized(name)).collect();
    let others = parts.iter().filter(|inside| !inside.is(Split::Train));
    others
        .flat_map(|inside| &inside.classes)
        .any(|name| known.contains(&normalized(name)))
}

/// Classes in the folder itself.
fn flat(
    root: &Path,
    mut own: Vec<OsString>,
    empty: &[OsString],
    parts: &[Inside],
    closed: Vec<Unusable>,
) -> Result<PictureFolder, Unusable> {
    // It may be a class.
    if let Some(closed) = closed.into_iter().next() {
        return Err(closed);
    }
    let known: HashSet<String> = own.iter().map(|name| normalized(name)).collect();
    // The folders of a split have the classes' names.
    let is_part = |inside: &&Inside| {
        !inside.is(Split::Train)
            && inside
                .classes
                .iter()
                .any(|name| known.contains(&normalized(name)))
    };
    let named_so: Vec<&Inside> = parts
        .iter()
        .filter(|inside| !is_part(inside) && (inside.is_loose || !inside.classes.is_empty()))
        .collect();
    if own.is_empty() && !named_so.is_empty() {
        let loose: Vec<String> = named_so
            .iter()
            .map(|inside| format!("{}/", label(&inside.name)))
            .collect();
        return Err(Unusable {
            error: format!(
                "expected a folder with pictures for each class in {}, found no folder; {} {} pictures of no class",
                shown(&root.join(&named_so[0].name)),
                listed(&loose),
                if loose.len() == 1 { "holds" } else { "hold" }
            ),
            help: help(),
        });
    }
    let remarks = named_so
        .iter()
        .map(|inside| {
            let name = label(&inside.name);
            let why = if inside.is_loose {
                "it lies beside other classes and holds pictures itself"
            } else {
                "none of its folders has the name of another class"
            };
            format!("{name}/ is taken for a class of that name, because {why}")
        })
        .collect();
    own.extend(named_so.iter().map(|inside| inside.name.clone()));
    own.sort_unstable();
    let classes = classes(root, own)?;
    let part = |part: Split| {
        let found: Vec<&Inside> = parts
            .iter()
            .filter(|inside| is_part(inside) && inside.is(part))
            .collect();
        part_folder(root, &found, part, &classes)
    };
    let (validation, test) = (part(Split::Validation)?, part(Split::Test)?);
    Ok(whole(
        root,
        root.to_path_buf(),
        classes,
        [validation, test],
        empty,
        remarks,
    ))
}

/// Classes by their normalized names, with their folders: several if their names differ in Unicode normalization.
type Classes = Vec<(String, Vec<OsString>)>;

fn classes(place: &Path, folders: Vec<OsString>) -> Result<Classes, Unusable> {
    let mut all: Classes = Vec::new();
    let mut numbers: HashMap<OsString, usize> = HashMap::new();
    for folder in folders {
        match numbers.entry(identity(&folder)) {
            Entry::Occupied(number) => all[*number.get()].1.push(folder),
            Entry::Vacant(free) => {
                free.insert(all.len());
                all.push((normalized(&folder), vec![folder]));
            }
        }
    }
    if all.len() >= 2 {
        return Ok(all);
    }
    let found = if all.is_empty() {
        "no folder"
    } else {
        "only one folder"
    };
    Err(Unusable {
        error: format!(
            "expected a folder with pictures for each class in {}, found {found}",
            shown(place)
        ),
        help: all
            .first()
            .and_then(|(_, folders)| one_deeper(&place.join(&folders[0])))
            .unwrap_or_else(help),
    })
}

fn help() -> String {
    format!("put two classes or more there, as train/<class>/*.jpg or <class>/*.jpg ({READ})")
}

/// Whether the classes lie one folder deeper.
fn one_deeper(folder: &Path) -> Option<String> {
    let (full, _) = parted(folder, walk::entries(folder).ok()?).ok()?;
    (full.len() >= 2 || full.iter().any(|name| part_of(name) == Some(Split::Train))).then(|| {
        format!(
            "its classes may lie one folder deeper: try dataset.path: {}",
            shown(folder)
        )
    })
}

/// The only one of several folders that can be meant.
fn one<'a>(root: &Path, what: &str, found: &[&'a Inside]) -> Result<Option<&'a Inside>, Unusable> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|inside| format!("{}/", label(&inside.name)))
                .collect();
            Err(Unusable {
                error: format!(
                    "{} hold {what} pictures in {}",
                    names.join(" and "),
                    shown(root)
                ),
                help: "keep one of them, or put their pictures together".to_owned(),
            })
        }
    }
}

/// A split that may be missing; its classes must be known.
fn part_folder(
    root: &Path,
    found: &[&Inside],
    part: Split,
    classes: &Classes,
) -> Result<Option<SplitFolder>, Unusable> {
    let Some(inside) = one(root, part.adjective(), found)? else {
        return Ok(None);
    };
    let path = root.join(&inside.name);
    let mut numbers: HashMap<OsString, u32> = HashMap::new();
    for (class, (_, theirs)) in (0_u32..).zip(classes) {
        numbers.extend(theirs.iter().map(|name| (identity(name), class)));
    }
    let (mut folders, mut strange) = (Vec::new(), Vec::new());
    for name in &inside.classes {
        match numbers.get(&identity(name)) {
            Some(class) => folders.push((*class, name.clone())),
            None => strange.push(name),
        }
    }
    if strange.is_empty() {
        return Ok(Some(SplitFolder { path, folders }));
    }
    let names: Vec<String> = strange.iter().map(|name| label(name)).collect();
    Err(Unusable {
        error: format!(
            "{} holds classes that training pictures lack: {}",
            shown(&path),
            listed(&names)
        ),
        help: strange
            .first()
            .and_then(|name| other_case(name, classes))
            .unwrap_or_else(|| "add them to the training pictures, or remove them".to_owned()),
    })
}

/// What tells the folder of one class from those of others: its normalized name. Normalization makes names that are not text
/// equal, so they stay as they are.
fn identity(name: &OsStr) -> OsString {
    if name.to_str().is_some() {
        normalized(name).into()
    } else {
        name.to_owned()
    }
}

/// A class whose name differs only in case.
fn other_case(name: &OsStr, classes: &Classes) -> Option<String> {
    let small = normalized(name).to_lowercase();
    let (_, folders) = classes
        .iter()
        .find(|(key, _)| key.to_lowercase() == small)?;
    Some(format!(
        "training pictures have {}: rename one of the two, capitals included",
        label(&folders[0])
    ))
}

fn whole(
    root: &Path,
    path: std::path::PathBuf,
    classes: Classes,
    [validation, test]: [Option<SplitFolder>; 2],
    empty: &[OsString],
    mut remarks: Vec<String>,
) -> PictureFolder {
    for (key, folders) in classes.iter().filter(|(_, folders)| folders.len() > 1) {
        remarks.push(format!(
            "{} folders are called {}, spelled in Unicode in different ways: they are one class",
            folders.len(),
            text::line(key, 80)
        ));
    }
    let numbered = (0_u32..).zip(&classes);
    let folders = numbered
        .flat_map(|(class, (_, folders))| folders.iter().map(move |name| (class, name.clone())))
        .collect();
    let firsts = classes
        .into_iter()
        .filter_map(|(_, folders)| folders.into_iter().next())
        .collect();
    PictureFolder {
        root: root.to_path_buf(),
        train: SplitFolder { path, folders },
        validation,
        test,
        classes: unique_classes(firsts),
        empty: empty.iter().map(|name| label(name)).collect(),
        remarks,
        rule: SplitRule::ByName,
    }
}

/// Every image of a split, at any depth.
pub(super) fn list(part: &SplitFolder) -> Result<Vec<PictureFile>, Unusable> {
    let mut all = Vec::new();
    for (class, folder) in &part.folders {
        let files =
            walk::files(&part.path, Path::new(folder)).map_err(walk::Unreadable::unusable)?;
        let pictures = files
            .into_iter()
            .filter(|path| path.file_name().is_some_and(is_picture));
        all.extend(pictures.map(|path| PictureFile {
            class: *class,
            name: normalized(path.as_os_str()),
            path,
        }));
    }
    all.sort_by(|a, b| (a.class, &a.name, &a.path).cmp(&(b.class, &b.name, &b.path)));
    Ok(all)
}

/// The error for a missing folder, with a suggestion.
fn missing(root: &Path, unusable: Unusable) -> Unusable {
    if root.exists() {
        return unusable;
    }
    // The first missing part of the path.
    let Some(lost) = root
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .last()
    else {
        return unusable;
    };
    let (Some(name), parent) = (lost.file_name(), lost.parent().unwrap_or(Path::new(""))) else {
        return unusable;
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let Ok(beside) = walk::entries(parent) else {
        return unusable;
    };
    let wanted = normalized(name).to_lowercase();
    let names: BTreeMap<String, String> = beside
        .folders
        .iter()
        .map(|name| (normalized(name).to_lowercase(), label(name)))
        .collect();
    let near =
        text::closest(&wanted, names.keys().map(String::as_str)).and_then(|near| names.get(near));
    match near {
        Some(near) => Unusable {
            help: format!(
                "did you mean {}? {}",
                shown(&parent.join(near)),
                unusable.help
            ),
            ..unusable
        },
        None => unusable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_classes_are_found_in_time_that_grows_as_they_do() {
        // To compare each name with all others would take tens of thousands of millions of comparisons.
        let names: Vec<OsString> = (0..200_000)
            .map(|number| format!("{number:06}").into())
            .collect();
        let root = Path::new("pictures");
        let found = classes(root, names.clone()).unwrap();
        assert_eq!(found.len(), names.len());
        let inside = Inside {
            name: "val".into(),
            is_loose: false,
            classes: names.clone(),
            empty: Vec::new(),
        };
        let part = part_folder(root, &[&inside], Split::Validation, &found).unwrap();
        let expected: Vec<(u32, OsString)> = (0..).zip(names).collect();
        assert_eq!(part.unwrap().folders, expected);
    }
}
