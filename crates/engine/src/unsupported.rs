//! The versions of CIFAR that are not read: its publisher offers the same pictures as Python's pickles and for MATLAB, too.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use warmstart_schema::catalog::{CIFAR_URL, DatasetName};

use crate::failure::UserError;

/// Files and folders at the beginning of an archive that are looked at.
const MAX_ENTRIES: usize = 12;
/// Bytes of an archive that are unpacked for that.
const MAX_UNPACKED: u64 = 512 << 20;

const PICKLES: &str = "Python's pickles, which run whatever code is in them";
const MATLAB: &str = "MATLAB's files";

/// The folders of the versions that are not read.
const FOLDERS: [(&str, &str); 4] = [
    ("cifar-100-python", PICKLES),
    ("cifar-10-batches-py", PICKLES),
    ("cifar-100-matlab", MATLAB),
    ("cifar-10-batches-mat", MATLAB),
];

/// An error if `path` holds CIFAR only in a version that is not supported; it names the file to download. None for everything else.
pub(crate) fn unsupported_version(name: DatasetName, path: &Path) -> Option<anyhow::Error> {
    let archive = name.archive()?;
    let what = if path.join(archive.file).is_file() {
        None
    } else if path.is_dir() {
        of_folder(path)
    } else {
        of_file(path)
    }?;
    Some(UserError::input(
        format!(
            "{} is not read from {what}: {}",
            name.as_str(),
            path.display()
        ),
        format!(
            "get {file} from {CIFAR_URL}/{file} and name it as dataset.path; or leave dataset.path out to download it",
            file = archive.file
        ),
    ))
}

fn of_name(name: &str) -> Option<&'static str> {
    let mut folders = FOLDERS.into_iter();
    folders.find_map(|(folder, what)| (folder == name).then_some(what))
}

fn of_folder(path: &Path) -> Option<&'static str> {
    let files = ["train", "meta", "data_batch_1", "batches.meta"].map(|file| path.join(file));
    if files.iter().any(|file| is_pickle(file)) {
        return Some(PICKLES);
    }
    if ["train.mat", "data_batch_1.mat"]
        .iter()
        .any(|file| path.join(file).is_file())
    {
        return Some(MATLAB);
    }
    FOLDERS
        .into_iter()
        .find(|(folder, _)| path.join(folder).is_dir())
        .map(|(_, what)| what)
}

fn of_file(path: &Path) -> Option<&'static str> {
    // Opening a pipe would wait for its writer.
    if !path.is_file() {
        return None;
    }
    if is_pickle(path) {
        return Some(PICKLES);
    }
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).ok()?).take(MAX_UNPACKED));
    archive
        .entries()
        .ok()?
        .take(MAX_ENTRIES)
        .map_while(Result::ok)
        .find_map(|entry| {
            let path = entry.path().ok()?;
            path.iter()
                .find(|part| *part != ".")
                .and_then(|folder| of_name(folder.to_str()?))
        })
}

/// Whether a file begins as a pickle of protocol 2 to 5 does.
fn is_pickle(path: &Path) -> bool {
    let mut begin = [0; 2];
    let mut read = || File::open(path)?.read_exact(&mut begin);
    path.is_file() && read().is_ok() && matches!(begin, [0x80, 2..=5])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(path: &Path, files: &[&str]) {
        let mut archive = tar::Builder::new(GzEncoder::new(
            File::create(path).unwrap(),
            Compression::fast(),
        ));
        for file in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(3);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, file, &b"\x80\x02}"[..])
                .unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
    }

    #[test]
    fn other_versions_are_refused_with_the_file_to_download_instead() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let said = |name: DatasetName, path: &Path| {
            unsupported_version(name, path).map(|error| {
                let UserError { error, help, .. } = UserError::of(&error);
                (error, help)
            })
        };
        let python = root.join("mine.tgz");
        archive(
            &python,
            &[
                "cifar-100-python/file.txt~",
                "cifar-100-python/train",
                "cifar-100-python/meta",
            ],
        );
        let (error, help) = said(DatasetName::Cifar100, &python).unwrap();
        assert!(
            error.contains("Python's pickles") && error.ends_with("mine.tgz"),
            "{error}"
        );
        assert!(
            help.contains("get cifar-100-binary.tar.gz from https://"),
            "{help}"
        );
        let matlab = root.join("matlab.tar.gz");
        archive(&matlab, &["./cifar-10-batches-mat/data_batch_1.mat"]);
        let (error, help) = said(DatasetName::Cifar10, &matlab).unwrap();
        assert!(
            error.contains("MATLAB") && help.contains("cifar-10-binary.tar.gz"),
            "{error}; {help}"
        );

        let folder = root.join("cifar-100-python");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("train"), b"\x80\x02}q\x01").unwrap();
        for path in [folder.as_path(), root, &folder.join("train")] {
            assert!(
                said(DatasetName::Cifar100, path)
                    .unwrap()
                    .0
                    .contains("Python's pickles"),
                "{path:?}"
            );
        }
        // A folder that has the supported archive too.
        let supported = DatasetName::Cifar100.archive().unwrap().file;
        fs::write(root.join(supported), "").unwrap();
        assert_eq!(said(DatasetName::Cifar100, root), None);
        // The binary version, a file that is no archive, an empty folder, and a missing path.
        let binary = root.join("binary.tgz");
        archive(&binary, &["cifar-100-binary/train.bin"]);
        let text = root.join("text");
        fs::write(&text, "no archive").unwrap();
        let empty = root.join("empty");
        fs::create_dir(&empty).unwrap();
        for path in [&binary, &text, &empty, &root.join("none")] {
            assert_eq!(said(DatasetName::Cifar100, path), None, "{path:?}");
        }
        assert_eq!(said(DatasetName::ImageFolder, &folder), None);
    }

    #[test]
    fn a_pipe_in_the_place_of_the_dataset_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("cifar.tar.gz");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Nobody writes into the pipe, so opening it never returns.
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let found = unsupported_version(DatasetName::Cifar100, &pipe);
            let _ = sender.send(found.is_none());
        });
        let minute = std::time::Duration::from_mins(1);
        assert!(receiver.recv_timeout(minute).unwrap());
    }
}
