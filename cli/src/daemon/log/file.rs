//! A log's file, and the one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The longest file, in bytes; there is one before it at most.
const LONGEST: u64 = 1 << 20;

/// A file that is put aside when it is full, as `NAME.1`.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl LogFile {
    /// Appends to `path`.
    pub(super) fn open(path: &Path) -> io::Result<LogFile> {
        let file = open(path)?;
        let length = file.metadata()?.len();
        Ok(LogFile { path: path.to_owned(), file, length })
    }

    /// Appends a line. Where that is refused, it is lost.
    pub(super) fn append(&mut self, line: &str) {
        let length = line.len() as u64;
        if self.length > 0 && self.length + length > LONGEST {
            self.turn_over();
        }
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.length += length;
        }
    }

    /// Begins a new file; where none can be made, the old one anew.
    fn turn_over(&mut self) {
        let mut before = self.path.clone().into_os_string();
        before.push(".1");
        match fs::rename(&self.path, before).and_then(|()| open(&self.path)) {
            Ok(file) => self.file = file,
            // A file that can't be made shorter is a lost line at most: each is appended in one go.
            Err(_) => drop(self.file.set_len(0)),
        }
        self.length = 0;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_takes_two_mebibytes_and_keeps_what_came_last() {
        let dir = std::env::temp_dir().join(format!("netloom-logs{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("log");
        let mut log = LogFile::open(&path).unwrap();
        let line = |n: u32| format!("{n:0>99}\n");
        let (lines, half) = (50_000, 25_000);
        (0..half).for_each(|n| log.append(&line(n)));
        // As a switch does that is started again after a kill.
        drop(log);
        let mut log = LogFile::open(&path).unwrap();
        (half..lines).for_each(|n| log.append(&line(n)));
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let (before, now) = (read("log.1"), read("log"));
        assert!(before.len() as u64 <= LONGEST && now.len() as u64 <= LONGEST);
        assert!(before.len() as u64 > LONGEST - 100);
        let kept = (before.len() + now.len()) / 100;
        let last: String = (lines - kept as u32..lines).map(line).collect();
        assert!(before + &now == last, "not the last {kept} lines");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn one_that_can_not_be_put_aside_begins_anew() {
        let dir = std::env::temp_dir().join(format!("netloom-lost{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("log");
        let mut log = LogFile::open(&path).unwrap();
        fs::create_dir(dir.join("log.1")).unwrap();
        (0..30_000).for_each(|_| log.append(&"x".repeat(100)));
        let length = fs::metadata(&path).unwrap().len();
        assert!((1..=LONGEST).contains(&length), "{length}");
        fs::remove_dir_all(&dir).unwrap();
    }
}
