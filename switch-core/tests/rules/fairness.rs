//! Rule 9 as a property, whatever the victim: small tables, random sightings.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use switch_core::fdb::{Fdb, Key, Learned, Seed};
use switch_core::{Mac, PortId, Vid};

const CAPACITY: u32 = 64;
const PORTS: u16 = 5;

fn port(number: u16) -> PortId {
    PortId { number, generation: 0 }
}

fn key(number: u64) -> Key {
    Key::new(Mac::from_u64(0x0200_0000_0000 + number), Vid::UNTAGGED)
}

#[derive(Clone, Debug)]
enum Event {
    /// So many addresses seen on a port, from this one on, at so many seconds' distance.
    See {
        port: u16,
        first: u64,
        count: u64,
        limit: u32,
    },
    Fix {
        port: u16,
        address: u64,
    },
    Forget {
        address: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let address = || 0u64..200;
    let limit = prop_oneof![5 => Just(0u32), 1 => 1u32..30];
    prop_oneof![
        10 => (0..PORTS, address(), 1u64..40, limit)
            .prop_map(|(port, first, count, limit)| Event::See { port, first, count, limit }),
        1 => (0..PORTS, address()).prop_map(|(port, address)| Event::Fix { port, address }),
        1 => address().prop_map(|address| Event::Forget { address }),
    ]
}

/// Who is known where, and which entries are static.
type Known = BTreeMap<Mac, (PortId, bool)>;

fn known(fdb: &Fdb, now: u32) -> Known {
    let entries = fdb.entries(now);
    let known: Known =
        entries.iter().map(|entry| (entry.mac, (entry.port, entry.is_static))).collect();
    assert_eq!(known.len(), entries.len(), "an address stands twice");
    known
}

fn held(known: &Known, port: PortId) -> u32 {
    known.values().filter(|&&(at, is_static)| at == port && !is_static).count() as u32
}

fn check_counts(fdb: &Fdb, known: &Known) {
    assert_eq!(fdb.stats().entries as usize, known.len());
    assert!(known.len() <= CAPACITY as usize);
    for number in 0..PORTS {
        assert_eq!(fdb.held(port(number)), held(known, port(number)), "port {number}");
    }
}

/// What one sighting may change, and nothing else.
fn check_sighting(
    before: &Known,
    after: &Known,
    seen: Mac,
    at: PortId,
    learned: Learned,
    limit: u32,
) {
    let gone: BTreeSet<Mac> =
        before.keys().filter(|mac| !after.contains_key(mac)).copied().collect();
    let changed = after.iter().filter(|(mac, entry)| before.get(mac) != Some(entry));
    let changed: BTreeSet<Mac> = changed.map(|(mac, _)| *mac).collect();
    let may_change = match learned {
        Learned::New | Learned::Moved(_) => BTreeSet::from([seen]),
        _ => BTreeSet::new(),
    };
    assert_eq!(changed, may_change, "{learned:?}");
    if learned == Learned::New {
        let is_full = before.len() == CAPACITY as usize;
        assert_eq!(gone.len(), usize::from(is_full));
        assert_eq!(after.get(&seen), Some(&(at, false)));
    } else {
        assert_eq!(gone, BTreeSet::new(), "{learned:?}");
    }
    if let Some((victim, is_static)) = gone.first().map(|mac| before[mac]) {
        assert!(!is_static, "a static entry gave way");
        let most = (0..PORTS).map(|number| held(before, port(number))).max();
        assert_eq!(Some(held(before, victim)), most, "the victim's port holds fewer than another");
        assert!(victim == at || held(before, at) < held(before, victim), "it had as many itself");
    }
    if learned == Learned::Full {
        let dynamic = before.values().filter(|(_, is_static)| !is_static).count();
        assert_eq!(dynamic, 0, "there was an entry to replace");
    }
    let over = limit != 0 && held(before, at) >= limit;
    let was_elsewhere = before.get(&seen).is_none_or(|&(port, fixed)| port != at && !fixed);
    assert_eq!(learned == Learned::Limited, over && was_elsewhere);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_newcomer_replaces_one_of_the_port_that_holds_most(
        events in prop::collection::vec(event(), 1..20),
        seed in any::<[u64; 4]>(),
    ) {
        let fdb = Fdb::new(CAPACITY, 300, Seed(seed.map(|word| word | 1 << 63)));
        let mut now = 0;
        let mut before = known(&fdb, now);
        for event in events {
            now += 1;
            match event {
                Event::See { port: number, first, count, limit } => {
                    for address in first..first + count {
                        let key = key(address);
                        let at = port(number);
                        let foretold = fdb.would_learn(key, at, limit);
                        let learned = fdb.learn(&fdb.seek(key), at, limit, now);
                        prop_assert_eq!(foretold, learned);
                        let after = known(&fdb, now);
                        check_sighting(&before, &after, key.mac(), at, learned, limit);
                        check_counts(&fdb, &after);
                        before = after;
                    }
                }
                Event::Fix { port: number, address } => {
                    let dynamic = before.values().any(|(_, is_static)| !is_static);
                    let added = fdb.add_static(key(address), port(number));
                    let has_room = before.len() < CAPACITY as usize || dynamic;
                    prop_assert!(added.is_ok() == (has_room || before.contains_key(&key(address).mac())));
                    before = known(&fdb, now);
                    check_counts(&fdb, &before);
                }
                Event::Forget { address } => {
                    let was = before.contains_key(&key(address).mac());
                    prop_assert_eq!(fdb.remove(key(address)), was);
                    before = known(&fdb, now);
                    check_counts(&fdb, &before);
                }
            }
        }
    }
}

/// Addresses chosen, with the secret known, to share two buckets: they fill
/// those and nothing else, and each look-up still ends.
#[test]
fn who_knew_the_secret_could_only_fill_two_buckets() {
    let fdb = Fdb::new(1024, 300, Seed([0x9e37_79b9_7f4a_7c15; 4]));
    let target = fdb.home(key(0));
    let rivals: Vec<Key> = (0..).map(key).filter(|&key| fdb.home(key) == target).take(20).collect();
    assert_eq!(rivals.len(), 20, "enough addresses with the same home");
    for number in 0..200 {
        let key = key(10_000_000 + number);
        assert_eq!(fdb.learn(&fdb.seek(key), port(1), 0, 0), Learned::New);
    }
    for &key in &rivals {
        fdb.learn(&fdb.seek(key), port(2), 0, 1);
    }
    let here = |key: &&Key| fdb.lookup(&fdb.seek(**key), 1) == Some(port(2));
    assert!(rivals.iter().filter(here).count() <= 8);
    assert_eq!(held(&known(&fdb, 1), port(1)), 200, "nobody else lost an entry");
    check_counts_large(&fdb);
}

fn check_counts_large(fdb: &Fdb) {
    let known = known(fdb, 1);
    assert_eq!(fdb.stats().entries as usize, known.len());
    assert_eq!(fdb.held(port(2)), held(&known, port(2)));
}
