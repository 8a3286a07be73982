//! Claims of ports to a namespace that Netloom made: it is removed with the last one, of any switch.
//!
//! For each namespace a folder `.netns/NAME` in the run-time directory that all
//! switches share (no switch's name starts with a dot). In it, a file
//! `SWITCH:PORT` for each port that is in the namespace, and a file `made` with
//! the namespace's identity if Netloom made it: without that file, or when the
//! name belongs to another namespace by now, the namespace is never removed.
//! A lock on the tree makes claiming and releasing each a single step. The claims of a
//! switch that no longer runs do not count.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::files::{is_at, is_running, make_folder, make_parent, on_file};
use crate::Error;
use crate::lab::Netns;
use crate::lab::netns::{self, NsIdentity, Standing, named};

/// The file that says Netloom made the namespace; no claim's name, for it has no colon.
const MARK: &str = "made";

/// Whether a namespace had to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It was made just now.
    Made,
    /// It was there already.
    There,
}

/// What releasing a claim led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Released {
    /// The namespace, now without a name.
    Removed(NsIdentity),
    /// Others need it, or Netloom did not make it, or it was gone.
    Kept,
}

/// The claims in one run-time directory.
pub(super) struct Claims<'a> {
    parent: &'a Path,
}

impl<'a> Claims<'a> {
    pub(super) fn new(parent: &'a Path) -> Claims<'a> {
        Claims { parent }
    }

    /// Claims the namespace for a port, and makes it if it is not there.
    pub(super) fn claim(&self, name: &str, switch: &str, port: &str) -> Result<Found, Error> {
        if !netns::valid_name(name) {
            let why = "a namespace's name has no / and is not . or ..";
            return Err(Error::failed(format!("namespace {name}"), why));
        }
        let _lock = self.lock()?;
        let folder = self.folder(name);
        let claim = folder.join(format!("{switch}:{port}"));
        let claimed =
            make_folder(&folder).and_then(|()| write(&claim, b"")).map_err(|e| on_file(&claim, &e));
        claimed.and_then(|()| find_or_make(name, &folder)).inspect_err(|_| {
            let _ = fs::remove_file(&claim);
            self.tidy(&folder);
        })
    }

    /// Gives a claim back, and removes the namespace if it was the last one and Netloom made it.
    pub(super) fn release(&self, name: &str, switch: &str, port: &str) -> Result<Released, Error> {
        let _lock = self.lock()?;
        let folder = self.folder(name);
        let _ = fs::remove_file(folder.join(format!("{switch}:{port}")));
        if self.any_left(&folder).map_err(|error| on_file(&folder, &error))? {
            return Ok(Released::Kept);
        }
        let released = match mark(&folder)? {
            Some(made) => remove_if_same(name, made)?,
            None => Released::Kept,
        };
        let _ = fs::remove_file(folder.join(MARK));
        self.tidy(&folder);
        Ok(released)
    }

    /// Removes a folder with nothing in it. The last namespace's takes the whole
    /// tree along, so that nothing stays behind.
    fn tidy(&self, folder: &Path) {
        let _ = fs::remove_dir(folder);
        let _ = fs::remove_dir(self.tree());
    }

    /// Whether a switch that runs has a claim; the others' claims are deleted.
    fn any_left(&self, folder: &Path) -> io::Result<bool> {
        let mut any = false;
        let files = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            files => files?,
        };
        for file in files {
            let file = file?;
            let name = file.file_name();
            let Some((switch, _)) = name.to_str().and_then(|name| name.split_once(':')) else {
                continue;
            };
            if is_running(self.parent, switch) {
                any = true;
            } else {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(any)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.tree().join(name)
    }

    /// Locks the tree, making it if need be. Others may take an empty tree
    /// away, so the lock counts only on the one that is still there.
    fn lock(&self) -> Result<File, Error> {
        let tree = self.tree();
        loop {
            let locked = make_parent(self.parent).and_then(|()| {
                match DirBuilder::new().mode(0o700).create(&tree) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                    _ => lock_if_there(&tree),
                }
            });
            if let Some(lock) = locked.map_err(|error| on_file(&tree, &error))? {
                return Ok(lock);
            }
        }
    }

    fn tree(&self) -> PathBuf {
        self.parent.join(".netns")
    }
}

/// Waits for the lock of a file or directory; `None` when it was replaced or removed meanwhile.
fn lock_if_there(path: &Path) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(is_at(&file, path)?.then_some(file))
}

fn find_or_make(name: &str, folder: &Path) -> Result<Found, Error> {
    let made = mark(folder)?;
    let netns = Netns::Name(name.into());
    match netns::standing(&netns)? {
        Standing::Namespace(there) => {
            if made.is_some_and(|made| made != there) {
                let _ = fs::remove_file(folder.join(MARK));
            }
            return Ok(Found::There);
        }
        Standing::Nothing => {}
        // With the mark, it is what a crash of Netloom left.
        Standing::Other if made.is_some() => named::remove(name)?,
        Standing::Other => return Err(netns::no_namespace(&netns)),
    }
    let announce = |identity: NsIdentity| {
        let path = folder.join(MARK);
        let text = serde_json::to_vec(&identity).map_err(io::Error::from);
        text.and_then(|text| write(&path, &text)).map_err(|error| on_file(&path, &error))
    };
    match named::make(name, announce) {
        Ok(_) => Ok(Found::Made),
        Err(error) => {
            let _ = fs::remove_file(folder.join(MARK));
            Err(error)
        }
    }
}

fn remove_if_same(name: &str, made: NsIdentity) -> Result<Released, Error> {
    match netns::standing(&Netns::Name(name.into()))? {
        Standing::Namespace(there) if there == made => {
            named::remove(name)?;
            Ok(Released::Removed(made))
        }
        Standing::Namespace(_) | Standing::Nothing => Ok(Released::Kept),
        Standing::Other => named::remove(name).map(|()| Released::Kept),
    }
}

/// Which namespace Netloom made under that name, if it did. A mark that a crash
/// cut short was written for one that was not made yet.
fn mark(folder: &Path) -> Result<Option<NsIdentity>, Error> {
    let path = folder.join(MARK);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(on_file(&path, &error)),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Journal, scratch};

    #[test]
    fn the_last_claim_takes_the_namespace_along() {
        let (run, name) = (scratch::directory(), scratch::claimed());
        let (_a, _b) = (Journal::open(&run.0, "a").unwrap(), Journal::open(&run.0, "b").unwrap());
        let claims = Claims::new(&run.0);
        assert_eq!(claims.claim(&name, "a", "p1"), Ok(Found::Made));
        assert_eq!(claims.claim(&name, "a", "p2"), Ok(Found::There));
        assert_eq!(claims.claim(&name, "b", "p1"), Ok(Found::There));
        let made = netns::identity(&Netns::Name(name.to_string())).unwrap();
        assert_eq!(claims.release(&name, "a", "p1"), Ok(Released::Kept));
        assert_eq!(claims.release(&name, "b", "p1"), Ok(Released::Kept));
        assert_eq!(claims.release(&name, "a", "p2"), Ok(Released::Removed(made)));
        assert_eq!(netns::exists(&Netns::Name(name.to_string())), Ok(false));
        assert!(!run.0.join(".netns").exists());
        assert_eq!(claims.release(&name, "a", "p2"), Ok(Released::Kept));
    }

    #[test]
    fn one_that_was_there_before_stays() {
        let (run, there) = (scratch::directory(), scratch::netns());
        let claims = Claims::new(&run.0);
        assert_eq!(claims.claim(&there.name, "a", "p"), Ok(Found::There));
        assert_eq!(claims.release(&there.name, "a", "p"), Ok(Released::Kept));
        assert_eq!(netns::identity(&there.netns), Ok(there.identity));
    }

    #[test]
    fn one_that_took_the_name_since_stays() {
        let (run, name) = (scratch::directory(), scratch::claimed());
        let claims = Claims::new(&run.0);
        assert_eq!(claims.claim(&name, "a", "p"), Ok(Found::Made));
        scratch::run("ip", &["netns", "delete", &name]);
        scratch::run("ip", &["netns", "add", &name]);
        assert_eq!(claims.release(&name, "a", "p"), Ok(Released::Kept));
        assert_eq!(netns::exists(&Netns::Name(name.to_string())), Ok(true));
        scratch::run("ip", &["netns", "delete", &name]);
    }

    #[test]
    fn a_dead_switch_does_not_hold_it() {
        let (run, name) = (scratch::directory(), scratch::claimed());
        let _b = Journal::open(&run.0, "b").unwrap();
        let claims = Claims::new(&run.0);
        assert_eq!(claims.claim(&name, "dead", "p"), Ok(Found::Made));
        assert_eq!(claims.claim(&name, "b", "p"), Ok(Found::There));
        assert!(matches!(claims.release(&name, "b", "p"), Ok(Released::Removed(_))));
        assert_eq!(claims.release(&name, "dead", "p"), Ok(Released::Kept));
    }

    #[test]
    fn the_file_of_a_crash_between_file_and_mount_is_ours_to_remove() {
        let (run, stale) = (scratch::directory(), scratch::stale_file());
        let (claims, name) = (Claims::new(&run.0), stale.netns.to_string());
        assert!(claims.claim(&name, "a", "p").is_err());
        assert!(netns::path(&stale.netns).exists());
        let folder = claims.folder(&name);
        make_folder(&folder).unwrap();
        let mark = serde_json::to_vec(&NsIdentity::current().unwrap()).unwrap();
        write(&folder.join(MARK), &mark).unwrap();
        assert_eq!(claims.claim(&name, "a", "p"), Ok(Found::Made));
        assert!(matches!(claims.release(&name, "a", "p"), Ok(Released::Removed(_))));
        assert!(!netns::path(&stale.netns).exists());
    }

    #[test]
    fn many_at_once_make_it_once_and_remove_it_once() {
        let (run, name) = (scratch::directory(), scratch::claimed());
        let _a = Journal::open(&run.0, "a").unwrap();
        let all = |work: &(dyn Fn(String) -> bool + Sync)| {
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..8).map(|n| scope.spawn(move || work(format!("p{n}")))).collect();
                threads.into_iter().map(|t| t.join().unwrap()).filter(|&x| x).count()
            })
        };
        let claims = Claims::new(&run.0);
        let made = all(&|port| claims.claim(&name, "a", &port).unwrap() == Found::Made);
        assert_eq!(made, 1);
        let removed = all(&|port| claims.release(&name, "a", &port).unwrap() != Released::Kept);
        assert_eq!(removed, 1);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let run = scratch::directory();
        for name in ["", "..", "a/b"] {
            assert!(Claims::new(&run.0).claim(name, "a", "p").is_err());
        }
        assert!(!run.0.join(".netns").exists());
    }
}
