//! The page's file: there when it is whole, and not before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use io_backends::error::describe;

use io_backends::Error;

/// A file to be written. Until then, and if it never is, what was there before stays.
pub struct PageFile {
    path: PathBuf,
    file: File,
    /// What is written first, to take the place of `path` when it is whole.
    part: Option<Part>,
}

/// A file that goes with the value, unless it has been renamed.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl PageFile {
    /// Finds out that `path` can be written, before anything is measured for it.
    ///
    /// # Errors
    /// Exit 1 when it can't.
    pub fn open(path: &Path) -> Result<PageFile, Error> {
        let refused = |error: io::Error| unwritten(path, &error);
        let is_special = fs::metadata(path).is_ok_and(|there| !there.is_file());
        let (file, part) = match path.file_name() {
            Some(name) if !is_special => {
                let mut hidden = std::ffi::OsString::from(".");
                hidden.push(name);
                hidden.push(format!(".{}", std::process::id()));
                let part = path.with_file_name(hidden);
                let file = OpenOptions::new().write(true).create_new(true).open(&part);
                (file.map_err(refused)?, Some(Part(part)))
            }
            // A terminal or a pipe has nothing to lose.
            _ => (OpenOptions::new().write(true).open(path).map_err(refused)?, None),
        };
        Ok(PageFile { path: path.to_owned(), file, part })
    }

    /// Writes it.
    ///
    /// # Errors
    /// Exit 1 when there is no room, say.
    pub fn write(mut self, page: &str) -> Result<(), Error> {
        let written = self.file.write_all(page.as_bytes());
        let named = written.and_then(|()| match &self.part {
            Some(part) => fs::rename(&part.0, &self.path),
            None => Ok(()),
        });
        named.map_err(|error| unwritten(&self.path, &error))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    Error::failed(path.display().to_string(), describe(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_written_leaves_what_was_there() {
        let dir = std::env::temp_dir().join(format!("netloom-page-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("bench.html");
        drop(PageFile::open(&path).unwrap());
        let count = || fs::read_dir(&dir).unwrap().count();
        assert_eq!(count(), 0);
        PageFile::open(&path).unwrap().write("old").unwrap();
        drop(PageFile::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        PageFile::open(&path).unwrap().write("new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), count()), ("new", 1));
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_place_that_can_not_be_written_is_refused_at_once() {
        let error = PageFile::open("/no/such/place.html".as_ref()).err().unwrap();
        assert_eq!(
            (error.kind, error.what.as_str()),
            (io_backends::ErrorKind::Failed, "/no/such/place.html")
        );
        assert!(PageFile::open("/".as_ref()).is_err());
        PageFile::open("/dev/null".as_ref()).unwrap().write("page").unwrap();
    }
}
