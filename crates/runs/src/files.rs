//! Files for people: whole or not at all, and never in the place of another.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// As readable as the user's mask says.
const MODE: u32 = 0o666;

/// Writes a new file. A name that is taken is [`ErrorKind::AlreadyExists`].
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut aside = tempfile::Builder::new();
    let aside = aside
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(MODE));
    let mut aside = aside.tempfile_in(folder)?;
    aside.write_all(content)?;
    aside.as_file().sync_all()?;
    aside.persist_noclobber(path).map_err(|error| error.error)?;
    // The name too shall survive a power loss; a folder that cannot be synced holds the file all the same.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
