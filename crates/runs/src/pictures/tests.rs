use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

fn touch(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), files);
    root
}

fn open(root: &Path) -> PictureFolder {
    PictureFolder::open(root, SplitRule::ByName).unwrap()
}

fn refusal(files: &[&str]) -> String {
    PictureFolder::open(tree(files).path(), SplitRule::ByName)
        .unwrap_err()
        .to_string()
}

fn names(folder: &PictureFolder) -> Vec<&str> {
    folder
        .classes
        .iter()
        .map(|class| class.name.as_str())
        .collect()
}

fn paths(part: &[PictureFile]) -> Vec<&str> {
    part.iter()
        .map(|listed| listed.path.to_str().unwrap())
        .collect()
}

fn part_name(part: Option<&SplitFolder>) -> Option<&str> {
    part.and_then(|part| part.path.file_name()?.to_str())
}

#[test]
fn splits_are_found_and_classes_sorted_by_bytes() {
    let root = tree(&[
        "train/b/1.JPG",
        "train/a/1.webp",
        "train/Z/1.png",
        "train/empty/notes.txt",
        "val/a/1.png",
    ]);
    touch(
        root.path(),
        &[
            "train/.cache/1.png",
            "train/hidden/._1.png",
            "test/loose.png",
        ],
    );
    let folder = open(root.path());
    assert_eq!(names(&folder), ["Z", "a", "b"]);
    assert_eq!(folder.empty, ["empty", "hidden"]);
    assert_eq!(part_name(Some(&folder.train)), Some("train"));
    assert_eq!(part_name(folder.validation.as_ref()), Some("val"));
    // Loose pictures have no class: they are not a test set, and a remark reports them.
    assert_eq!(folder.test, None);
    let unused = folder.list().unwrap().unused.sentences();
    assert_eq!(
        unused,
        ["1 picture in test/ is not used: it belongs to no class"]
    );
}

#[test]
fn splits_are_found_by_their_usual_names() {
    for (train, validation, test) in [
        ("Train", "valid", "TEST"),
        ("training", "Validation", "testing"),
        ("TRAIN", "dev", "test"),
        ("train", "Eval", "test"),
    ] {
        let root = tree(&[]);
        for part in [train, validation, test] {
            touch(
                root.path(),
                &[&format!("{part}/a/1.png"), &format!("{part}/b/1.png")],
            );
        }
        let folder = open(root.path());
        assert_eq!(names(&folder), ["a", "b"]);
        let found = [
            Some(&folder.train),
            folder.validation.as_ref(),
            folder.test.as_ref(),
        ]
        .map(part_name);
        assert_eq!(found, [Some(train), Some(validation), Some(test)]);
        assert_eq!(folder.list().unwrap().unused, Unused::default());
    }
    let error = refusal(&[
        "train/a/1.png",
        "train/b/1.png",
        "val/a/1.png",
        "valid/b/1.png",
    ]);
    assert!(
        error.starts_with("val/ and valid/ hold validation pictures in "),
        "{error}"
    );
    let error = refusal(&["train/a/1.png", "train/b/1.png", "Train/a/1.png"]);
    assert!(
        error.starts_with("Train/ and train/ hold training pictures in "),
        "{error}"
    );
    // An empty folder does not conflict.
    let root = tree(&[
        "train/a/1.png",
        "train/b/1.png",
        "val/readme.txt",
        "valid/b/1.png",
    ]);
    assert_eq!(
        part_name(open(root.path()).validation.as_ref()),
        Some("valid")
    );
}

#[test]
fn classes_in_the_folder_itself_have_splits_beside_them() {
    let root = tree(&[
        "cat/1.png",
        "dog/1.jpeg",
        "val/readme",
        "test/cat/9.png",
        "test/dog/9.png",
    ]);
    let folder = open(root.path());
    assert_eq!(
        (names(&folder), &folder.train.path),
        (vec!["cat", "dog"], &root.path().to_path_buf())
    );
    assert_eq!(
        (part_name(folder.test.as_ref()), &folder.validation),
        (Some("test"), &None)
    );
    let listing = folder.list().unwrap();
    assert_eq!(paths(&listing.train), ["cat/1.png", "dog/1.jpeg"]);
    assert_eq!(paths(&listing.test.unwrap()), ["cat/9.png", "dog/9.png"]);
}

#[test]
fn classes_may_have_the_name_of_a_split() {
    let root = tree(&["bus/1.png", "car/1.png", "train/1.png", "train/more/2.png"]);
    let folder = open(root.path());
    assert_eq!(names(&folder), ["bus", "car", "train"]);
    assert_eq!(
        paths(&folder.list().unwrap().train),
        ["bus/1.png", "car/1.png", "train/1.png", "train/more/2.png"]
    );
    assert!(
        folder.remarks[0].starts_with("train/ is taken for a class"),
        "{:?}",
        folder.remarks
    );
    let root = tree(&["plane/1.png", "train/1.png", "test/1.png"]);
    assert_eq!(names(&open(root.path())), ["plane", "test", "train"]);
    // It holds no picture itself.
    let root = tree(&["cat/1.png", "dog/1.png", "val/Cat/1.png"]);
    let folder = open(root.path());
    assert_eq!(names(&folder), ["cat", "dog", "val"]);
    assert!(
        folder.remarks[0].ends_with("none of its folders has the name of another class"),
        "{:?}",
        folder.remarks
    );

    // A folder with subfolders is a split, and the files beside them are reported.
    let root = tree(&[
        "old/1.png",
        "train/loose.png",
        "train/cat/1.png",
        "train/dog/1.png",
        "val/x.png",
    ]);
    let folder = open(root.path());
    assert_eq!(names(&folder), ["cat", "dog"]);
    let unused = folder.list().unwrap().unused.sentences();
    assert_eq!(unused.len(), 3, "{unused:?}");
    let error = refusal(&["train/1.png", "train/2.png", "val/1.png"]);
    assert!(
        error.contains("train, found no folder; train/, val/ hold pictures of no class"),
        "{error}"
    );
}

#[test]
fn pictures_are_found_at_any_depth_and_through_links() {
    let root = tree(&[
        "cat/1.png",
        "cat/2020/b/2.jfif",
        "cat/2021/3.BMP",
        "dog/deep/er/4.tiff",
        "dog/5.gif",
    ]);
    touch(root.path(), &["elsewhere-not-here/.hidden"]);
    let elsewhere = tree(&["6.jpe", "sub/7.tif"]);
    symlink(elsewhere.path(), root.path().join("cat/linked")).unwrap();
    symlink("..", root.path().join("cat/up")).unwrap();
    symlink(".", root.path().join("dog/self")).unwrap();
    symlink("nowhere.png", root.path().join("dog/dangling.png")).unwrap();
    let listing = open(root.path()).list().unwrap();
    assert_eq!(
        paths(&listing.train),
        [
            "cat/1.png",
            "cat/2020/b/2.jfif",
            "cat/2021/3.BMP",
            "cat/linked/6.jpe",
            "cat/linked/sub/7.tif",
            "dog/5.gif",
            "dog/dangling.png",
            "dog/deep/er/4.tiff",
        ]
    );
    assert_eq!(listing.unused, Unused::default());
}

#[test]
fn pictures_of_a_class_are_used_wherever_else_a_link_leads_to_them() {
    let root = tree(&["train/cat/1.png", "train/dog/2.png"]);
    touch(root.path(), &["more/3.png"]);
    symlink("../../more", root.path().join("train/cat/more")).unwrap();
    symlink("train", root.path().join("all")).unwrap();
    let listing = open(root.path()).list().unwrap();
    assert_eq!(
        paths(&listing.train),
        ["cat/1.png", "cat/more/3.png", "dog/2.png"]
    );
    assert_eq!(listing.unused, Unused::default());
    // A link to the whole folder is not followed, and hides no picture that is in no class.
    symlink("../..", root.path().join("train/dog/up")).unwrap();
    touch(root.path(), &["0.png"]);
    let unused = open(root.path()).list().unwrap().unused;
    assert_eq!(unused.pictures.values().sum::<usize>(), 1, "{unused:?}");
}

#[test]
fn unused_files_are_counted_by_folder_and_kind() {
    let root = tree(&[
        "train/a/1.png",
        "train/b/1.png",
        "train/a/2.HEIC",
        "train/b/3.heic",
        "train/b/4.avif",
    ]);
    touch(
        root.path(),
        &[
            "train/loose.jpg",
            "val/1.jpg",
            "val/2.jpg",
            "old/deep/1.png",
            "old/2.png",
            "0.png",
        ],
    );
    touch(
        root.path(),
        &[
            "readme.md",
            "train/a/labels.txt",
            "train/b/noending",
            "train/a/Thumbs.db",
            "more/x.zip",
        ],
    );
    let unused = open(root.path()).list().unwrap().unused;
    assert_eq!(
        unused.sentences(),
        [
            "1 picture in dataset.path itself is not used: it belongs to no class",
            "2 pictures in old/ are not used: they belong to no class",
            "1 picture in train/ is not used: it belongs to no class",
            "2 pictures in val/ are not used: they belong to no class",
            "4 files are not used, because warmstart does not read their kind: 2 .heic, 1 .avif, 1 .zip (it reads png, jpg, jfif, webp, bmp, tif, \
             gif, ppm)",
            "1 file without an ending is not used: pictures are known by png, jpg, jfif, webp, bmp, tif, gif, ppm",
        ]
    );
    assert_eq!(unused.plain().unwrap(), "other files: 1 .md, 1 .txt");
}

#[test]
fn two_spellings_of_a_name_are_one_class() {
    // é as one character, and as e with an accent.
    let root = tree(&[
        "train/caf\u{e9}/1.png",
        "train/tea/1.png",
        "val/cafe\u{301}/2.png",
    ]);
    let folder = open(root.path());
    assert_eq!(names(&folder).len(), 2);
    let listing = folder.list().unwrap();
    let validation = listing.validation.unwrap();
    assert_eq!(
        (validation[0].class, validation[0].name.as_str()),
        (0, "caf\u{e9}/2.png")
    );
    assert_eq!(validation[0].path, Path::new("cafe\u{301}/2.png"));
    touch(root.path(), &["train/cafe\u{301}/3.png"]);
    let folder = open(root.path());
    assert_eq!(folder.classes.len(), 2);
    assert!(
        folder.remarks[0].starts_with("2 folders are called"),
        "{:?}",
        folder.remarks
    );
    let own: Vec<u32> = folder
        .list()
        .unwrap()
        .train
        .iter()
        .map(|listed| listed.class)
        .collect();
    assert_eq!(own.iter().filter(|class| **class == own[0]).count(), 2);
}

#[test]
fn hostile_names_are_sanitized_and_stay_distinct() {
    let root = tree(&[
        "a\u{202e}b/1.png",
        "a\u{200b}b/1.png",
        "\u{1b}[31mred/1.png",
        "\u{feff}/1.png",
    ]);
    for bytes in [b"\xff\xfe", b"\xff\xfd"] {
        let raw = root.path().join(OsStr::from_bytes(bytes));
        fs::create_dir(&raw).unwrap();
        touch(&raw, &["1.png"]);
    }
    symlink(".", root.path().join("loop")).unwrap();
    symlink("itself", root.path().join("itself")).unwrap();
    let folder = open(root.path());
    let twin = "\u{fffd}\u{fffd}";
    assert_eq!(
        names(&folder),
        ["[31mred", "ab", "ab (2)", "?", twin, &format!("{twin} (2)")]
    );
    assert_eq!(folder.empty, ["loop"]);
    assert_eq!(folder.list().unwrap().train.len(), 6);
}

#[test]
fn classes_whose_names_are_not_text_are_told_apart_in_each_split() {
    let root = tempfile::tempdir().unwrap();
    for (split, class) in [("train", b"\xfe"), ("train", b"\xff"), ("val", b"\xff")] {
        let raw = root.path().join(split).join(OsStr::from_bytes(class));
        fs::create_dir_all(&raw).unwrap();
        touch(&raw, &["1.png"]);
    }
    let validation = open(root.path()).list().unwrap().validation.unwrap();
    let labels: Vec<u32> = validation.iter().map(|file| file.class).collect();
    assert_eq!(labels, [1]);
}

#[test]
fn unusable_folders_report_the_expected_layout() {
    let root = tempfile::tempdir().unwrap();
    let error = PictureFolder::open(&root.path().join("none"), SplitRule::ByName)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("none cannot be read") && error.contains("train/<class>"),
        "{error}"
    );
    assert!(refusal(&["train/a/1.png"]).contains("only one folder"));
    let error = refusal(&[
        "train/a/1.png",
        "train/b/1.png",
        "val/c/1.png",
        "val/a/1.png",
    ]);
    assert!(
        error.contains("val holds classes that training pictures lack: c;"),
        "{error}"
    );
    let error = refusal(&["train/Cat/1.png", "train/dog/1.png", "val/cat/1.png"]);
    assert!(
        error.contains("lack: cat; training pictures have Cat"),
        "{error}"
    );
    let error = refusal(&["archive/train/a/1.png", "archive/train/b/1.png"]);
    assert!(
        error.contains("try dataset.path:") && error.ends_with("archive"),
        "{error}"
    );
    touch(root.path(), &["Pictures/a/1.png"]);
    let error = PictureFolder::open(&root.path().join("pictures/deep"), SplitRule::ByName)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did you mean ") && error.contains("/Pictures?"),
        "{error}"
    );
}

#[test]
fn runs_of_earlier_versions_find_the_same_images() {
    let root = tree(&[
        "train/a/1.png",
        "train/b/1.png",
        "train/a/deep/2.png",
        "train/b/3.bmp",
        "train/c/deep/4.png",
    ]);
    touch(root.path(), &["valid/a/1.png", "val/b/5.jpg"]);
    let folder = PictureFolder::open(root.path(), SplitRule::ByOrder).unwrap();
    assert_eq!(
        (names(&folder), &folder.empty),
        (vec!["a", "b"], &vec!["c".to_owned()])
    );
    let listing = folder.list().unwrap();
    assert_eq!(paths(&listing.train), ["a/1.png", "b/1.png"]);
    assert_eq!(paths(&listing.validation.unwrap()), ["b/5.jpg"]);
    assert_eq!(listing.test, None);
}

fn kept(name: &str, bytes: &str) -> Kept {
    Kept {
        name: name.to_owned(),
        content: Content::of(bytes.as_bytes()),
        bytes: 1,
        changed: 1,
    }
}

fn sets(train: &[(&str, &str)], validation: &[(&str, &str)], test: &[(&str, &str)]) -> Sets {
    let all = |part: &[(&str, &str)]| part.iter().map(|(name, bytes)| kept(name, bytes)).collect();
    Sets {
        split: SplitRule::ByName,
        train: all(train),
        validation: all(validation),
        test: all(test),
    }
}

#[test]
fn changes_of_images_are_distinguished() {
    let before = sets(
        &[("a/1", "1"), ("a/2", "2")],
        &[("b/3", "3")],
        &[("b/4", "4")],
    );
    assert!(before.since(&before).is_none());
    let after = sets(
        &[("a/1", "other"), ("a/5", "5"), ("a/3", "3")],
        &[],
        &[("b/4", "4"), ("b/renamed", "2")],
    );
    let moves = after.since(&before);
    assert_eq!(moves.added, ["a/5"]);
    assert_eq!(moves.removed, Vec::<String>::new());
    assert_eq!(moves.replaced, ["a/1"]);
    assert_eq!(moves.crossed, ["a/3", "b/renamed"]);
    let fewer = sets(&[("a/1", "1")], &[], &[("b/3", "3"), ("b/4", "4")]);
    let moves = fewer.since(&before);
    assert_eq!(moves.added, ["b/3"]);
    assert_eq!(moves.removed, ["a/2", "b/3"]);
    assert_eq!(moves.crossed, Vec::<String>::new());
    assert_eq!(
        before.learnt_by(&after),
        Leak {
            validation: 1,
            test: 0
        }
    );
    assert_eq!(
        after.learnt_by(&before),
        Leak {
            validation: 0,
            test: 1
        }
    );
}

#[test]
fn sets_are_equal_despite_other_folders_and_file_names() {
    use warmstart_schema::look::Split;
    let one = sets(&[], &[], &[("a/1", "1"), ("b/2", "2")]);
    let moved = sets(&[], &[], &[("b/deep/9", "2"), ("a/0", "1")]);
    assert_eq!(one.fingerprint(Split::Test), moved.fingerprint(Split::Test));
    for other in [
        sets(&[], &[], &[("a/1", "1")]),
        sets(&[], &[], &[("b/1", "1"), ("a/2", "2")]),
        sets(&[], &[], &[]),
    ] {
        assert_ne!(one.fingerprint(Split::Test), other.fingerprint(Split::Test));
    }
}
