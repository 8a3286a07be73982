//! The record of everything a switch makes, written before it is made.
//!
//! The file `made` in the switch's run-time directory has a line of JSON for
//! each change to an entry; the last line about an entry counts. The
//! process that holds the lock of that file is the switch, or cleans up after it;
//! the kernel drops the lock with the process, however that ends. Nothing is flushed to disk,
//! since a crash of the host takes what was made along.

mod claims;
mod files;
mod record;
mod undo;

pub use claims::Found;
pub use files::{is_running, remove_parent};
pub use undo::{Left, NetdevEnd, Report, Undone};

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use self::claims::Claims;
use self::files::{RECORD, is_at, make_folder, make_parent, on_file};
use self::record::{Line, Loan, Netdev, Spot, Thing};
use crate::lab::netlink::LinkInfo;
use crate::lab::place::Place;
use crate::{Attachment, Error};

/// How long the lock is asked for: others hold it for a moment to see whether the switch runs.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);

/// Lines above which a record that is mostly history is written anew.
const LONG: usize = 1024;

/// An entry of a [`Journal`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry(pub(super) u64);

/// A moment in the life of a [`Journal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(u64);

/// The record of one switch, open and locked.
#[derive(Debug)]
pub struct Journal {
    parent: PathBuf,
    switch: String,
    path: PathBuf,
    file: File,
    lines: usize,
    next: u64,
    entries: BTreeMap<u64, (String, Thing)>,
}

impl Journal {
    /// Opens the record of a switch, empty if there is none. `parent` is the
    /// run-time directory that all switches share; the record lies in `parent/switch`.
    /// Where [`Journal::is_empty`] is false, a switch of that name was killed:
    /// [`Journal::undo`] cleans up after it.
    ///
    /// # Errors
    /// When a switch of that name runs, or the directory can't be written.
    pub fn open(parent: &Path, switch: &str) -> Result<Journal, Error> {
        let folder = parent.join(switch);
        let found = make_parent(parent)
            .and_then(|()| make_folder(&folder))
            .map_err(|error| on_file(&folder, &error))
            .and_then(|()| Journal::lock(parent, switch, true))
            .inspect_err(|_| {
                // Only an empty one goes.
                let _ = fs::remove_dir(&folder);
                remove_parent(parent);
            })?;
        found.ok_or_else(|| Error::failed(folder.display().to_string(), "somebody removes it"))
    }

    /// Opens the record of a switch that was killed; `None` when there is no record.
    ///
    /// # Errors
    /// When the switch still runs, or the record can't be read.
    pub fn left_behind(parent: &Path, switch: &str) -> Result<Option<Journal>, Error> {
        Journal::lock(parent, switch, false)
    }

    /// Ends as with its process: the lock is dropped, nothing undone. Without this,
    /// a child that another test starts in this moment would keep the lock until it
    /// becomes its program.
    #[cfg(test)]
    pub(super) fn dies(self) {
        flock(&self.file, FlockOperation::Unlock).expect("a lock");
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Records that a port needs the namespace of that name, and makes it if it is not there.
    ///
    /// # Errors
    /// When it can't be recorded or made; then nothing is.
    pub fn namespace(&mut self, port: &str, name: &str) -> Result<Found, Error> {
        if self.has_claim(port, name) {
            return Claims::new(&self.parent).claim(name, &self.switch, port);
        }
        let entry = self.add(port, Thing::Namespace { name: name.into() })?;
        let claimed = Claims::new(&self.parent).claim(name, &self.switch, port);
        claimed.inspect_err(|_| self.forget(entry))
    }

    /// This moment: what is recorded later is undone by [`Journal::undo_since`].
    pub fn mark(&self) -> Mark {
        Mark(self.next)
    }

    fn has_claim(&self, port: &str, namespace: &str) -> bool {
        let is_claim = |thing: &Thing| match thing {
            Thing::Namespace { name } => name == namespace,
            Thing::Netdev(_) | Thing::Promiscuous(_) => false,
        };
        self.entries.values().any(|(of, thing)| of == port && is_claim(thing))
    }

    /// Records a netdev before it is made at `place`. If one of that name is
    /// there, it is not taken for the new one, should making that fail. `kind` is the kernel's word
    /// for it (`tun` for a TAP), `lower` the netdev it will be made on.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn netdev(
        &mut self,
        port: &str,
        place: &Place,
        name: &str,
        kind: &str,
        lower: Option<&LinkInfo>,
    ) -> Result<Entry, Error> {
        let netdev = Netdev {
            was_free: place.links(|links| links.find(name))?.is_none(),
            kind: Some(kind.into()),
            lower: lower.map(|lower| lower.index),
            mac: None,
            spots: vec![spot(place, name, None)?],
            loan: None,
        };
        self.add(port, Thing::Netdev(netdev)).map(Entry)
    }

    /// Records that a netdev of somebody else's is about to take in frames for
    /// every address. Undoing ends that and changes nothing else of it.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn promiscuous(&mut self, port: &str, place: &Place, link: &LinkInfo) -> Result<(), Error> {
        let spot = spot(place, &link.name, Some(link.index))?;
        self.add(port, Thing::Promiscuous(spot)).map(drop)
    }

    /// Records a netdev of somebody else's, now at `place`, before it is changed
    /// to what `attachment` says. Undoing brings it home, under its name, with
    /// the MAC, MTU, addresses and up or down it had; routes are not restored.
    ///
    /// # Errors
    /// When it can't be read or recorded.
    pub fn borrow(
        &mut self,
        port: &str,
        place: &Place,
        link: &LinkInfo,
        attachment: &Attachment,
    ) -> Result<Entry, Error> {
        let (addresses, detection) =
            place.links(|links| Ok((links.addresses(link)?, links.detection(link))))?;
        let home = spot(place, &link.name, Some(link.index))?;
        let new = attachment.addr.iter().filter(|address| !addresses.contains(address));
        let netdev = Netdev {
            was_free: false,
            kind: link.kind.clone(),
            lower: None,
            mac: link.mac.map(|mac| mac.to_string()),
            spots: vec![home.clone()],
            loan: Some(Box::new(Loan {
                home,
                mac: link.mac.map(|mac| mac.to_string()),
                mtu: link.mtu,
                up: link.up,
                detection,
                given: new.copied().collect(),
                addresses,
                gateways: attachment.gateway.clone(),
            })),
        };
        self.add(port, Thing::Netdev(netdev)).map(Entry)
    }

    /// Records that a netdev, now as `link` says, is about to be moved to `place` under that name.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn will_be_at(
        &mut self,
        entry: Entry,
        link: &LinkInfo,
        place: &Place,
        name: &str,
    ) -> Result<(), Error> {
        let target = spot(place, name, None)?;
        let mac = link.mac.map(|mac| mac.to_string());
        self.change(entry, |netdev| {
            netdev.mac = mac;
            netdev.spots.truncate(1);
            netdev.spots.push(target);
        })
    }

    /// Records where a netdev is, once it is made or has arrived.
    ///
    /// # Errors
    /// When it can't be recorded.
    pub fn is_at(&mut self, entry: Entry, place: &Place, link: &LinkInfo) -> Result<(), Error> {
        let now = spot(place, &link.name, Some(link.index))?;
        self.change(entry, |netdev| netdev.spots = vec![now])
    }

    /// Removes the record's file and drops the lock; what is still recorded
    /// can't be undone afterwards, so undo first.
    ///
    /// # Errors
    /// When the file can't be removed.
    pub fn close(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|error| on_file(&self.path, &error))
    }

    /// Drops an entry that is undone. Undoing twice is harmless, so a failed
    /// write here is no failure.
    fn forget(&mut self, entry: u64) {
        if let Some((port, _)) = self.entries.remove(&entry) {
            let _ = self.write(&Line { entry, port, thing: None });
        }
    }

    fn lock(parent: &Path, switch: &str, create: bool) -> Result<Option<Journal>, Error> {
        let path = parent.join(switch).join(RECORD);
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            let file =
                OpenOptions::new().read(true).append(true).create(create).mode(0o600).open(&path);
            let file = match file {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file.map_err(|error| on_file(&path, &error))?,
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Locked, but the one who had it removed or replaced the file: again.
                Ok(()) if !is_at(&file, &path).map_err(|error| on_file(&path, &error))? => {}
                Ok(()) => return Journal::read(parent, switch, path, file).map(Some),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::failed(format!("switch {switch}"), "it already runs"));
                }
                Err(errno) => return Err(on_file(&path, &errno.into())),
            }
        }
    }

    fn read(parent: &Path, switch: &str, path: PathBuf, file: File) -> Result<Journal, Error> {
        let mut journal = Journal {
            parent: parent.into(),
            switch: switch.into(),
            lines: 0,
            next: 0,
            entries: BTreeMap::new(),
            path,
            file,
        };
        let mut whole = true;
        for text in BufReader::new(&journal.file).split(b'\n') {
            let text = text.map_err(|error| on_file(&journal.path, &error))?;
            // A line that a crash cut short stands for something not made yet.
            let line = serde_json::from_slice::<Line>(&text);
            whole = line.is_ok();
            let Ok(Line { entry, port, thing }) = line else { continue };
            journal.lines += 1;
            journal.next = journal.next.max(entry + 1);
            match thing {
                Some(thing) => journal.entries.insert(entry, (port, thing)),
                None => journal.entries.remove(&entry),
            };
        }
        if !whole {
            journal.rewrite()?;
        }
        Ok(journal)
    }

    fn add(&mut self, port: &str, thing: Thing) -> Result<u64, Error> {
        let entry = self.next;
        self.write(&Line { entry, port: port.into(), thing: Some(thing.clone()) })?;
        self.next += 1;
        self.entries.insert(entry, (port.into(), thing));
        Ok(entry)
    }

    fn change(
        &mut self,
        Entry(entry): Entry,
        change: impl FnOnce(&mut Netdev),
    ) -> Result<(), Error> {
        let Some((port, Thing::Netdev(netdev))) = self.entries.get_mut(&entry) else {
            return Ok(());
        };
        change(netdev);
        let line = Line { entry, port: port.clone(), thing: Some(Thing::Netdev(netdev.clone())) };
        self.write(&line)
    }

    fn write(&mut self, line: &Line) -> Result<(), Error> {
        if self.lines > LONG.max(4 * self.entries.len()) {
            self.rewrite()?;
        }
        let mut text =
            serde_json::to_vec(line).map_err(|error| on_file(&self.path, &error.into()))?;
        text.push(b'\n');
        self.lines += 1;
        self.file.write_all(&text).map_err(|error| on_file(&self.path, &error))
    }

    /// Writes what counts to a new file, which takes the old one's place and lock.
    fn rewrite(&mut self) -> Result<(), Error> {
        let new = self.path.with_extension("new");
        let file = self.written_anew(&new).map_err(|error| on_file(&new, &error))?;
        self.file = file;
        self.lines = self.entries.len();
        Ok(())
    }

    fn written_anew(&self, new: &Path) -> io::Result<File> {
        let _ = fs::remove_file(new);
        let mut file =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(new)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut text = Vec::new();
        for (&entry, (port, thing)) in &self.entries {
            let line = Line { entry, port: port.clone(), thing: Some(thing.clone()) };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        fs::rename(new, &self.path)?;
        Ok(file)
    }
}

fn spot(place: &Place, name: &str, index: Option<u32>) -> Result<Spot, Error> {
    Ok(Spot { place: place.clone(), namespace: place.identity()?, name: name.into(), index })
}

#[cfg(test)]
mod tests;
