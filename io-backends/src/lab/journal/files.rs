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

/// In the run-time directory that all switches share: says that Netloom made that directory,
/// which then goes with the last switch. One that was there before stays.
const OWN: &str = ".made";

/// Makes the run-time directory that all switches share, if it is not there.
pub(super) fn make_parent(parent: &Path) -> io::Result<()> {
    if let Some(above) = parent.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o755).create(parent) {
        Ok(()) => File::create(parent.join(OWN)).map(drop).inspect_err(|_| {
            let _ = fs::remove_dir(parent);
        }),
        Err(_) if parent.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the run-time directory that all switches share, if Netloom made it
/// and nothing is in it any more.
pub fn remove_parent(parent: &Path) {
    let own = parent.join(OWN);
    let Ok(mut files) = fs::read_dir(parent) else { return };
    if !files.all(|file| file.is_ok_and(|file| file.path() == own)) || !own.exists() {
        return;
    }
    let _ = fs::remove_file(&own);
    if fs::remove_dir(parent).is_err() {
        // Another switch has just begun in it, and ends it later.
        let _ = File::create(own);
    }
}

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
