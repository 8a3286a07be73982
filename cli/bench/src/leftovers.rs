//! Cleaning up after benches that were killed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use io_backends::lab::{Journal, is_running};
use rustix::process::{Pid, Signal, kill_process};

use super::lab::{PARENT, PREFIX, RECORD, SWITCHES};
use super::program::Program;

/// Where `ip netns` keeps its names.
const NAMESPACES: &str = io_backends::lab::netns::DIRECTORY;

/// Removes what killed benches left: their switches, processes, namespaces and directories.
pub(super) fn remove(program: &dyn Program) {
    for entry in fs::read_dir(PARENT).into_iter().flatten().flatten() {
        let dir = entry.path();
        let name = entry.file_name();
        let is_bench = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_bench && !is_running(&dir, RECORD) {
            after(program, &dir, &name.to_string_lossy());
        }
    }
}

/// Removes what one bench left. What can't be removed is left for the next try.
fn after(program: &dyn Program, dir: &Path, name: &str) {
    let switches = dir.join(SWITCHES);
    for entry in fs::read_dir(&switches).into_iter().flatten().flatten() {
        if let Some(switch) = entry.file_name().to_str().filter(|name| !name.starts_with('.')) {
            let _ = program.down(&switches, switch);
        }
    }
    kill_residents(name);
    if let Ok(Some(mut journal)) = Journal::left_behind(dir, RECORD)
        && !journal.undo().kept.is_empty()
    {
        return;
    }
    let _ = fs::remove_dir_all(dir);
}

/// Ends the processes that live in the namespaces of that bench: peers that it started.
fn kill_residents(bench: &str) {
    let prefix = format!("{bench}-");
    let ours: Vec<u64> = fs::read_dir(NAMESPACES)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .filter_map(|entry| Some(fs::metadata(entry.path()).ok()?.ino()))
        .collect();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(process) = process.and_then(Pid::from_raw) else { continue };
        let namespace = fs::metadata(entry.path().join("ns/net"));
        if namespace.is_ok_and(|namespace| ours.contains(&namespace.ino())) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}
