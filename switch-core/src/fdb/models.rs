//! loom models: every interleaving of two or three threads on a tiny table.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p switch-core --release --lib fdb::models`.

use std::sync::Arc;

use super::*;
use crate::mac::Mac;
use crate::vlan::Vid;

fn port(number: u16) -> PortId {
    PortId { number, generation: 0 }
}

fn key(n: u64) -> Key {
    Key::new(Mac::from_u64(0x0200_0000_0000 + n), Vid::UNTAGGED)
}

/// Two buckets: every key may lie in both.
fn table(capacity: u32) -> Arc<Fdb> {
    Arc::new(Fdb::with_buckets(capacity, 2, 10, Seed([1, 2, 3, 4])))
}

impl Fdb {
    fn see(&self, key: Key, port: PortId, now: u32) -> Learned {
        self.learn(&self.seek(key), port, 0, now)
    }

    fn at(&self, key: Key, now: u32) -> Option<PortId> {
        self.lookup(&self.seek(key), now)
    }

    /// What must hold when all is quiet: each key once, and the counts right.
    fn check(&self) {
        let entries = self.entries(0);
        for (i, a) in entries.iter().enumerate() {
            assert!(entries[i + 1..].iter().all(|b| (a.mac, a.vid) != (b.mac, b.vid)), "twice");
        }
        assert_eq!(self.stats().entries as usize, entries.len());
        for number in 0..4 {
            let here = entries.iter().filter(|e| !e.is_static && e.port == port(number)).count();
            assert_eq!(self.held(port(number)) as usize, here, "{entries:?}");
        }
    }
}

fn model(
    threads: impl Fn(&Arc<Fdb>) -> Vec<loom::thread::JoinHandle<()>> + Sync + Send + 'static,
    capacity: u32,
    after: impl Fn(&Fdb) + Sync + Send + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let fdb = table(capacity);
        for thread in threads(&fdb) {
            thread.join().unwrap();
        }
        fdb.check();
        after(&fdb);
    });
}

fn spawn(fdb: &Arc<Fdb>, run: impl FnOnce(&Fdb) + 'static) -> loom::thread::JoinHandle<()> {
    let fdb = Arc::clone(fdb);
    loom::thread::spawn(move || run(&fdb))
}

#[test]
fn learning_the_same_address_twice_leaves_one_entry() {
    model(
        |fdb| {
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(1), 0);
                }),
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(2), 0);
                }),
            ]
        },
        8,
        |fdb| assert!(fdb.at(key(1), 0).is_some()),
    );
}

#[test]
fn learning_two_addresses_at_once_keeps_both() {
    model(
        |fdb| {
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(1), 0);
                }),
                spawn(fdb, |fdb| {
                    fdb.see(key(2), port(2), 0);
                }),
            ]
        },
        8,
        |fdb| {
            assert_eq!(fdb.at(key(1), 0), Some(port(1)));
            assert_eq!(fdb.at(key(2), 0), Some(port(2)));
        },
    );
}

#[test]
fn a_look_up_sees_the_old_port_or_the_new_and_never_anothers() {
    model(
        |fdb| {
            fdb.see(key(1), port(1), 0);
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(2), 1);
                    fdb.remove(key(1));
                    fdb.see(key(2), port(3), 1);
                }),
                spawn(fdb, |fdb| {
                    let at = fdb.at(key(1), 1);
                    assert!(at.is_none() || at == Some(port(1)) || at == Some(port(2)), "{at:?}");
                    let other = fdb.at(key(2), 1);
                    assert!(other.is_none() || other == Some(port(3)), "{other:?}");
                }),
            ]
        },
        8,
        |fdb| assert_eq!(fdb.at(key(2), 1), Some(port(3))),
    );
}

#[test]
fn a_refresh_never_revives_or_misplaces_an_entry() {
    model(
        |fdb| {
            fdb.see(key(1), port(1), 0);
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(1), 1);
                }),
                spawn(fdb, |fdb| {
                    fdb.flush(1, |entry| entry.port == port(1));
                    fdb.see(key(2), port(2), 1);
                }),
            ]
        },
        8,
        |fdb| assert_eq!(fdb.at(key(2), 1), Some(port(2))),
    );
}

#[test]
fn ageing_spares_an_entry_seen_meanwhile() {
    model(
        |fdb| {
            fdb.see(key(1), port(1), 0);
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(1), port(1), 11);
                }),
                spawn(fdb, |fdb| {
                    fdb.age(11);
                }),
            ]
        },
        8,
        |fdb| {
            // Swept before it was seen and learned anew, or seen before it was
            // swept and spared: known either way, unless the sighting found the
            // sweeper's hand on it, and then its next frame is learned.
            let known = fdb.at(key(1), 11);
            assert!(known == Some(port(1)) || (known.is_none() && fdb.stats().aged == 1));
        },
    );
}

#[test]
fn eviction_at_capacity_keeps_the_count() {
    model(
        |fdb| {
            fdb.see(key(1), port(1), 0);
            vec![
                spawn(fdb, |fdb| {
                    fdb.see(key(2), port(1), 0);
                }),
                spawn(fdb, |fdb| {
                    fdb.see(key(3), port(2), 0);
                }),
            ]
        },
        1,
        |fdb| assert!(fdb.stats().entries <= 1),
    );
}

#[test]
fn an_entry_that_makes_room_is_never_lost_from_sight() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    // Filling the table takes many steps before the threads part.
    builder.max_branches = 10_000;
    builder.check(|| {
        // Three buckets, the newcomer's two full: one of their entries moves on.
        let fdb = Arc::new(Fdb::with_buckets(12, 3, 10, Seed([5, 6, 7, 8])));
        let (settled, newcomer) = crowd(&fdb);
        let watched = settled[0];
        let writer = spawn(&fdb, move |fdb| {
            fdb.see(newcomer, port(2), 0);
        });
        let at = fdb.at(watched, 0);
        // A reader that gives up while the mover is at work takes the address for unknown.
        assert!(at.is_none_or(|at| at == port(1)), "{at:?}");
        writer.join().unwrap();
        assert!(settled.iter().all(|&key| fdb.at(key, 0) == Some(port(1))));
        assert_eq!(fdb.at(newcomer, 0), Some(port(2)));
        fdb.check();
    });
}

/// Fills two of three buckets and finds a newcomer that may lie in those only.
fn crowd(fdb: &Fdb) -> (Vec<Key>, Key) {
    let in_both = |key: &Key| {
        let home = fdb.home(*key);
        home.first.max(home.second) == 1
    };
    let mut settled = Vec::new();
    // Entries with the third bucket as their other one come first, so that there is one to move.
    for n in 0..400 {
        let home = fdb.home(key(n));
        if home.first < 2 && home.second == 2 && settled.len() < 2 {
            settled.push(key(n));
        }
    }
    for n in 400..4000 {
        if settled.len() < 8 && in_both(&key(n)) {
            settled.push(key(n));
        }
    }
    for &key in &settled {
        assert_eq!(fdb.see(key, port(1), 0), Learned::New);
    }
    let newcomer = (4000..8000).map(key).find(in_both).expect("one in three");
    (settled, newcomer)
}
