//! The switch's log: a line an event, with the time.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use io_backends::error::describe;

use crate::error::CliError;

/// The file `log` in the switch's directory.
pub(super) struct Log {
    file: File,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log, CliError> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map(|file| Log { file })
            .map_err(|error| CliError::failed(path.display().to_string(), describe(&error)))
    }

    /// Writes one line. A full disk loses it, and nothing else.
    pub(super) fn line(&mut self, text: &str) {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let line = format!("{time} {text}\n");
        let _ = self.file.write_all(line.as_bytes());
    }
}
