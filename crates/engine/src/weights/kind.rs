//! Recognizes files of weights that are not safetensors, and says which file to get instead.

use std::path::Path;

use anyhow::Result;
use warmstart_schema::text;

use crate::failure::UserError;

/// The advice begins so where something else was saved in the file's place.
const GET_IT: &str = "get the file itself";

/// Refuses bytes that are known to be of another format. The ending of `path` does not matter.
pub(super) fn refuse_others(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some((is, help)) = other(bytes) else {
        return Ok(());
    };
    Err(UserError::input(
        format!("{is}: {}", text::line(&path.display().to_string(), 300)),
        help,
    ))
}

/// What the bytes are, and what to do; none if they may be safetensors.
fn other(bytes: &[u8]) -> Option<(String, String)> {
    // A safetensors file begins with the length of its JSON header, in eight bytes. They may look like the start of another format.
    if bytes.get(4..9).is_some_and(|rest| rest == b"\0\0\0\0{") {
        return None;
    }
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]);
    let start = start
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    let convert = "convert it once, where you trust it: in Python, `safetensors.torch.save_file(state_dict, \
                   \"weights.safetensors\")`, then name that file; or get model.safetensors from where it came from";
    let found = |is: &str, help: &str| Some((is.to_owned(), help.to_owned()));
    if bytes.is_empty() {
        return found(
            "the file of weights is empty",
            &format!("{GET_IT} again: its download or copy did not succeed"),
        );
    }
    if begins(b"version https://git-lfs.github.com/spec/") {
        let size = start
            .lines()
            .find_map(|line| line.strip_prefix("size ")?.trim().parse::<u64>().ok());
        let size = size
            .map(|size| format!(" of {size} bytes"))
            .unwrap_or_default();
        return Some((
            format!("the file of weights is a Git LFS pointer, not the file{size} itself"),
            "run `git lfs pull` in its repository, or download the file itself (on the hub: /resolve/main/…, not /raw/main/…)"
                .to_owned(),
        ));
    }
    if ["<!doctype html", "<html", "<head", "<?xml"]
        .iter()
        .any(|tag| start.starts_with(tag))
    {
        return found(
            "the file of weights is a web page (HTML), saved under its name",
            &format!(
                "{GET_IT}: on the hub /resolve/main/model.safetensors, not /blob/main/…; a login may be needed"
            ),
        );
    }
    // Text has no zeros.
    if start.starts_with('{') && !bytes[..bytes.len().min(8)].contains(&0) {
        return found(
            "the file of weights is JSON text: an index, a configuration or a server's error",
            &format!("{GET_IT}, model.safetensors"),
        );
    }
    if begins(b"PK\x03\x04") {
        let holds_arrays = bytes.windows(4).take(512).any(|name| name == b".npy");
        let is = if holds_arrays {
            "the file of weights is a NumPy archive (.npz)"
        } else {
            "the file of weights is a PyTorch checkpoint, which is a pickle in a zip archive, and opening a pickle runs whatever \
             code is in it"
        };
        return found(is, convert);
    }
    if bytes.len() > 1 && bytes[0] == 0x80 && (2..=5).contains(&bytes[1]) {
        return found(
            "the file of weights is a Python pickle, and opening a pickle runs whatever code is in it",
            convert,
        );
    }
    if begins(b"\x89HDF\r\n\x1a\n") {
        return found(
            "the file of weights is HDF5, as Keras writes it",
            "get the PyTorch weights of the backbone as safetensors",
        );
    }
    if begins(b"GGUF") {
        return found(
            "the file of weights is GGUF, of a language model",
            "get the weights of the backbone as safetensors",
        );
    }
    if begins(b"\x1f\x8b") || begins(b"BZh") || begins(b"\xfd7zXZ\0") || begins(b"\x28\xb5\x2f\xfd")
    {
        return found(
            "the file of weights is compressed",
            "unpack it, and name the .safetensors file in it",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_with_the_file_to_download() {
        for (bytes, is, help) in [
            (&b""[..], "is empty", "again"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46807446\n",
                "Git LFS pointer, not the file of 46807446 bytes",
                "git lfs pull",
            ),
            (
                b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>",
                "web page (HTML)",
                "/resolve/main/",
            ),
            (b"<html lang=en>", "web page (HTML)", "login"),
            (
                b"{\"error\":\"Entry not found\"}",
                "JSON",
                "model.safetensors",
            ),
            (
                b"PK\x03\x04\0\0archive/data.pkl",
                "PyTorch checkpoint, which is a pickle",
                "save_file",
            ),
            (b"PK\x03\x04\0\0conv1.npy", "NumPy", "save_file"),
            (b"\x80\x02}q\0", "Python pickle", "save_file"),
            (b"\x80\x05\x95\0", "Python pickle", "save_file"),
            (b"\x89HDF\r\n\x1a\n\0", "HDF5", "safetensors"),
            (b"\x1f\x8b\x08\0", "compressed", "unpack"),
            // As `gzip -n` writes it: without a name and a time.
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "compressed", "unpack"),
        ] {
            let (found, advice) = other(bytes).unwrap();
            assert!(
                found.contains(is) && advice.contains(help),
                "{found} / {advice}"
            );
        }
        // The first bytes of these lengths are `@`, `{`, or those of a pickle, of gzip, of bzip2 and of a zip archive.
        for length in [
            64_u64,
            123,
            640,
            896,
            1152,
            1408,
            640 + 65_536,
            35_615,
            6_838_850,
            67_324_752,
        ] {
            let bytes = [&length.to_le_bytes()[..], b"{\"a\":"].concat();
            assert!(other(&bytes).is_none(), "{length}");
        }
    }
}
