//! Archives that try to do harm.

use std::path::PathBuf;

use tar::EntryType;
use warmstart_engine::failure::UserError;

use crate::place::{Place, entry, gzip, noise, published, read, sources, tiny};

/// Entries that no dataset archive needs: kind, name, link target, and a part of the error message.
pub(crate) const HOSTILE: [(EntryType, &str, Option<&str>, &str); 11] = [
    (
        EntryType::Regular,
        "../evil",
        None,
        "leads out of its folder",
    ),
    (
        EntryType::Regular,
        "tiny/../../evil",
        None,
        "leads out of its folder",
    ),
    (
        EntryType::Regular,
        "/tmp/evil",
        None,
        "leads out of its folder",
    ),
    (
        EntryType::Directory,
        "../evil",
        None,
        "leads out of its folder",
    ),
    (
        EntryType::Symlink,
        "tiny/train.bin",
        Some("/etc/passwd"),
        "Symlink",
    ),
    (EntryType::Symlink, "tiny", Some("/tmp"), "Symlink"),
    (
        EntryType::Link,
        "tiny/test.bin",
        Some("/etc/passwd"),
        "Link",
    ),
    (EntryType::Char, "tiny/device", None, "Char"),
    (EntryType::Block, "tiny/device", None, "Block"),
    (EntryType::Fifo, "tiny/pipe", None, "Fifo"),
    (EntryType::GNUSparse, "tiny/train.bin", None, ""),
];

/// Unpacks an archive whose hash is right. A refused archive must leave no file.
pub(crate) fn unpack(archive: &[u8]) -> Result<PathBuf, String> {
    let mut place = Place::new();
    let local = place.folder.path().join("tiny.tar.gz");
    std::fs::write(&local, archive).unwrap();
    let result = place
        .fetcher(&sources("http://127.0.0.1:9"))
        .unpack(&published(archive), &local);
    let outside: Vec<_> = std::fs::read_dir(place.folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
    if result.is_err() {
        assert_eq!(place.left("datasets"), []);
    }
    result.map_err(|error| UserError::of(&error).error)
}

/// The tiny test dataset with one more entry before its files.
pub(crate) fn with(kind: EntryType, name: &str, bytes: &[u8], link: Option<&str>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    entry(&mut tar, kind, name, bytes, link);
    for (file, length, seed) in [("tiny/train.bin", 300_000, 1), ("tiny/test.bin", 70_000, 2)] {
        entry(
            &mut tar,
            EntryType::Regular,
            file,
            &noise(length, seed),
            None,
        );
    }
    gzip(&tar.into_inner().unwrap())
}

#[test]
fn only_regular_entries_within_the_folder_are_accepted() {
    for (kind, name, link, sign) in HOSTILE {
        let error = unpack(&with(kind, name, b"", link)).unwrap_err();
        assert!(
            error.contains("the archive is refused") && error.contains(sign),
            "{name}: {error}"
        );
    }
}

#[test]
fn harmless_extra_entries_are_skipped() {
    for (kind, name) in [
        (EntryType::Directory, "tiny/"),
        (EntryType::Regular, "tiny/readme.html"),
        (EntryType::Regular, "train.bin"),
        (EntryType::Regular, "other/train.bin"),
    ] {
        unpack(&with(kind, name, b"hello", None)).unwrap();
    }
    // The names that `tar` writes for `tar -c .`.
    let mut tar = tar::Builder::new(Vec::new());
    for (file, length, seed) in [
        ("./tiny/train.bin", 300_000, 1),
        ("./tiny/test.bin", 70_000, 2),
    ] {
        entry(
            &mut tar,
            EntryType::Regular,
            file,
            &noise(length, seed),
            None,
        );
    }
    unpack(&gzip(&tar.into_inner().unwrap())).unwrap();
}

#[test]
fn a_file_of_another_size_twice_or_missing_is_refused() {
    let error = unpack(&with(EntryType::Regular, "tiny/train.bin", b"short", None)).unwrap_err();
    assert!(
        error.contains("train.bin has 5 bytes in it, expected 300000"),
        "{error}"
    );
    let error = unpack(&with(
        EntryType::Regular,
        "tiny/train.bin",
        &noise(300_000, 1),
        None,
    ))
    .unwrap_err();
    assert!(error.contains("train.bin is in it twice"), "{error}");
    let mut tar = tar::Builder::new(Vec::new());
    entry(
        &mut tar,
        EntryType::Regular,
        "tiny/test.bin",
        &noise(70_000, 2),
        None,
    );
    let error = unpack(&gzip(&tar.into_inner().unwrap())).unwrap_err();
    assert!(error.contains("train.bin is not in it"), "{error}");
}

#[test]
fn a_bomb_a_truncated_and_a_meaningless_archive_are_refused() {
    // 64 MB of zeros in 64 kB: as a file, and as a file name, which unpackers keep in memory.
    let zeros = vec![0; 64 << 20];
    for (kind, name) in [
        (EntryType::Regular, "tiny/huge"),
        (EntryType::GNULongName, "tiny/long"),
    ] {
        let error = unpack(&with(kind, name, &zeros, None)).unwrap_err();
        assert!(error.contains("refused"), "{error}");
    }
    let (_, whole) = tiny();
    for length in [0, 5, 1000, whole.len() / 2, whole.len() - 30_000] {
        assert!(
            unpack(&whole[..length]).unwrap_err().contains("refused"),
            "{length}"
        );
    }
    assert!(unpack(&noise(5000, 3)).unwrap_err().contains("refused"));
    assert!(
        unpack(&gzip(&noise(5000, 3)))
            .unwrap_err()
            .contains("refused")
    );
}

#[test]
fn a_local_archive_must_be_the_published_one() {
    let (published, bytes) = tiny();
    let mut place = Place::new();
    let local = place.folder.path().join("mine.tar.gz");
    std::fs::write(&local, &bytes).unwrap();
    let folder = place
        .fetcher(&sources("http://127.0.0.1:9"))
        .unpack(&published, &local)
        .unwrap();
    assert_eq!(read(folder.join("train.bin")), noise(300_000, 1));
    assert_eq!(read(&local), bytes);

    let mut place = Place::new();
    std::fs::write(&local, [&bytes[..], b"more"].concat()).unwrap();
    let error = place
        .fetcher(&sources("http://127.0.0.1:9"))
        .unpack(&published, &local)
        .unwrap_err();
    let blame = UserError::of(&error);
    assert!(
        blame.error.starts_with("tiny cannot be unpacked: ")
            && blame.error.contains(&published.md5)
            && blame.error.ends_with("mine.tar.gz"),
        "{blame:?}"
    );
    assert_eq!(place.left("datasets"), []);
}

#[test]
fn a_local_archive_that_cannot_be_read_is_not_reported_as_a_full_disk() {
    let mut place = Place::new();
    let local = place.folder.path().join("mine.tar.gz");
    // A regular file, the reading of which fails.
    std::os::unix::fs::symlink("/proc/self/mem", &local).unwrap();
    let error = place
        .fetcher(&sources("http://127.0.0.1:9"))
        .unpack(&tiny().0, &local)
        .unwrap_err();
    let blame = UserError::of(&error);
    assert!(
        blame.error.starts_with("tiny cannot be read: ")
            && blame.help.contains("check the permissions")
            && blame.help.contains("get ")
            && !blame.help.contains("make room"),
        "{blame:?}"
    );
}
