//! The record as a file: its lock, what a crash may leave in it, its length.

use super::*;
use crate::lab::scratch;

fn reopened(journal: Journal, run: &scratch::Directory) -> Journal {
    journal.dies();
    Journal::open(&run.0, "s").unwrap()
}

#[test]
fn one_process_holds_a_switch() {
    let run = scratch::directory();
    assert!(!is_running(&run.0, "s"));
    assert!(Journal::left_behind(&run.0, "s").unwrap().is_none());
    let journal = Journal::open(&run.0, "s").unwrap();
    assert!(is_running(&run.0, "s"));
    assert_eq!(Journal::open(&run.0, "s").unwrap_err().why, "it already runs");
    assert!(Journal::left_behind(&run.0, "s").is_err());
    journal.dies();
    assert!(!is_running(&run.0, "s"));
    let journal = Journal::left_behind(&run.0, "s").unwrap().unwrap();
    assert!(journal.is_empty());
    journal.close().unwrap();
    assert!(fs::read_dir(run.0.join("s")).unwrap().next().is_none());
}

#[test]
fn the_next_process_reads_what_the_last_one_wrote() {
    let run = scratch::directory();
    let mut journal = Journal::open(&run.0, "s").unwrap();
    let first = journal.netdev("a", &Place::Here, "one", "tun", None).unwrap();
    let second = journal.netdev("b", &Place::Here, "two", "macvtap", None).unwrap();
    let link = Place::Here.links(|links| links.require("lo")).unwrap();
    journal.will_be_at(second, &link, &Place::Here, "three").unwrap();
    journal.forget(first.0);
    let entries = journal.entries.clone();
    let journal = reopened(journal, &run);
    assert_eq!(journal.entries, entries);
    let (port, Thing::Netdev(netdev)) = &journal.entries[&second.0] else { panic!() };
    let names: Vec<_> = netdev.spots.iter().map(|spot| spot.name.as_str()).collect();
    assert_eq!((port.as_str(), names), ("b", vec!["two", "three"]));
}

#[test]
fn a_line_cut_short_does_not_count_nor_spoil_the_next() {
    let run = scratch::directory();
    let mut journal = Journal::open(&run.0, "s").unwrap();
    journal.netdev("a", &Place::Here, "one", "tun", None).unwrap();
    journal.file.write_all(b"{\"entry\":1,\"po").unwrap();
    let mut journal = reopened(journal, &run);
    assert_eq!(journal.entries.len(), 1);
    journal.netdev("b", &Place::Here, "two", "tun", None).unwrap();
    assert_eq!(reopened(journal, &run).entries.len(), 2);
}

#[test]
fn a_long_life_does_not_make_a_long_record() {
    let run = scratch::directory();
    let mut journal = Journal::open(&run.0, "s").unwrap();
    let kept = journal.netdev("k", &Place::Here, "kept", "tun", None).unwrap();
    for _ in 0..3 * LONG {
        let entry = journal.netdev("a", &Place::Here, "one", "tun", None).unwrap();
        journal.forget(entry.0);
    }
    let text = fs::read(&journal.path).unwrap();
    assert!(text.iter().filter(|&&byte| byte == b'\n').count() <= LONG + 2);
    assert!(is_running(&run.0, "s"));
    let journal = reopened(journal, &run);
    assert_eq!(journal.entries.keys().copied().collect::<Vec<_>>(), [kept.0]);
}

#[test]
fn a_directory_that_cannot_be_is_named() {
    let error = Journal::open(Path::new("/proc/nowhere"), "s").unwrap_err();
    assert_eq!(error.what, "/proc/nowhere/s");
}
