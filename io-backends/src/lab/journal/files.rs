//! The files of the run-time directory: which is a switch's record, and errors about them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;

/// A record's name in the run-time directory.
pub(super) const RECORD: &str = "made";

/// Whether a switch of that name runs: whether its record is locked.
/// `parent` is the run-time directory that all switches share. A record that
/// this process can't read counts as a running switch's.
pub fn is_running(parent: &Path, switch: &str) -> bool {
    match File::open(parent.join(switch).join(RECORD)) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK),
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
    }
}

/// Whether this open file is the one now found under that path.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
}

/// Makes a directory and those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// The error of a file operation in the run-time directory.
pub(super) fn on_file(path: &Path, error: &io::Error) -> Error {
    let what = path.display().to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::system(what, error, "the right to write there"),
        _ => Error::io(what, error),
    }
}
