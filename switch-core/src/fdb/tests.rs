use super::*;
use crate::mac::Mac;
use crate::vlan::Vid;

fn port(number: u16) -> PortId {
    PortId { number, generation: 0 }
}

fn key(n: u64) -> Key {
    Key::new(Mac::from_u64(0x0200_0000_0000 + n), Vid::UNTAGGED)
}

/// A seed as random as real ones, but the same in every run.
pub(super) fn seed(n: u64) -> Seed {
    let mut state = n;
    Seed(std::array::from_fn(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed >> 31
    }))
}

fn table(capacity: u32) -> Fdb {
    Fdb::new(capacity, 300, seed(1))
}

impl Fdb {
    fn see(&self, key: Key, port: PortId, now: u32) -> Learned {
        self.learn(&self.seek(key), port, 0, now)
    }

    fn at(&self, key: Key, now: u32) -> Option<PortId> {
        self.lookup(&self.seek(key), now)
    }

    fn age_fully(&self, now: u32) {
        while self.age(now) {}
    }
}

#[test]
fn learns_refreshes_moves_and_ages() {
    let fdb = table(64);
    assert_eq!(fdb.see(key(1), port(3), 10), Learned::New);
    assert_eq!(fdb.at(key(1), 10), Some(port(3)));
    assert_eq!(fdb.see(key(1), port(3), 200), Learned::Known);
    assert_eq!(fdb.see(key(1), port(4), 201), Learned::Moved(port(3)));
    assert_eq!(fdb.at(key(1), 501), Some(port(4)));
    assert_eq!(fdb.at(key(1), 502), None, "out of use before it is swept");
    fdb.age_fully(502);
    let stats = fdb.stats();
    assert_eq!((stats.entries, stats.learned, stats.moved, stats.aged), (0, 1, 1, 1));
    assert_eq!((fdb.held(port(3)), fdb.held(port(4))), (0, 0));
}

#[test]
fn the_same_address_in_two_vlans_is_two_entries() {
    let fdb = table(64);
    let mac = Mac::from_u64(0x0200_0000_0001);
    let (ten, twenty) =
        (Key::new(mac, Vid::new(10).unwrap()), Key::new(mac, Vid::new(20).unwrap()));
    fdb.see(ten, port(1), 0);
    fdb.see(twenty, port(2), 0);
    assert_eq!((fdb.at(ten, 0), fdb.at(twenty, 0)), (Some(port(1)), Some(port(2))));
}

#[test]
fn static_entries_stay_and_count_for_no_port() {
    let fdb = table(64);
    fdb.see(key(1), port(1), 0);
    assert_eq!(fdb.add_static(key(1), port(2)), Ok(()));
    assert_eq!(fdb.held(port(1)), 0);
    let entry = fdb.entry(key(1), 0).unwrap();
    assert_eq!((entry.port, entry.is_static, entry.mac), (port(2), true, key(1).mac()));
    assert_eq!(fdb.entry(key(2), 0), None);
    assert_eq!(fdb.see(key(1), port(1), 5), Learned::Static(port(2)));
    fdb.age_fully(100_000);
    assert_eq!(fdb.at(key(1), 100_000), Some(port(2)));
    assert_eq!(fdb.flush(0, |entry| !entry.is_static), 0);
    assert!(fdb.remove(key(1)) && !fdb.remove(key(1)));
    assert_eq!(fdb.stats().entries, 0);
}

#[test]
fn a_ports_limit_holds_for_new_and_moved_addresses() {
    let fdb = table(64);
    let learn = |n, p: PortId| fdb.learn(&fdb.seek(key(n)), p, 2, 0);
    assert_eq!(
        [learn(1, port(1)), learn(2, port(1)), learn(3, port(1))],
        [Learned::New, Learned::New, Learned::Limited]
    );
    fdb.see(key(4), port(2), 0);
    assert_eq!(learn(4, port(1)), Learned::Limited);
    assert_eq!(fdb.at(key(4), 0), Some(port(2)));
    assert_eq!(fdb.stats().refused, 2);
}

/// Address sets people really have, and some chosen to be awkward.
pub(super) fn address_sets(count: u64) -> Vec<(&'static str, Vec<Key>)> {
    let keys =
        |f: &dyn Fn(u64) -> u64| (0..count).map(|n| Key::from_bits(f(n), Vid::UNTAGGED)).collect();
    vec![
        ("sequential", keys(&|n| 0x0200_0000_0000 + n)),
        ("high octets", keys(&|n| n << 32 & 0xfeff_0000_0000 | n << 17 & 0xffff_ffff)),
        ("stride 256", keys(&|n| 0x0200_0000_0000 + (n << 8))),
        ("stride 4096", keys(&|n| 0x0200_0000_0000 + (n << 12))),
        ("one VLAN each", (0..count).map(one_vlan_each).collect()),
        ("random", keys(&|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16 & 0xfeff_ffff_ffff)),
    ]
}

/// The same sixteen addresses in each of 4094 VLANs, then sixteen others.
fn one_vlan_each(n: u64) -> Key {
    let vid = Vid::new((1 + n % 4094) as u16).unwrap();
    Key::from_bits(0x5254_0000_0000 + n / 4094, vid)
}

#[test]
fn sixty_five_thousand_addresses_fit_and_the_next_replaces_one_of_its_own_port() {
    for (name, mut keys) in address_sets(65_537) {
        keys.sort_unstable_by_key(|key| key.mac());
        keys.dedup();
        let last = keys.pop().unwrap();
        for round in 0..3 {
            let fdb = Fdb::new(65_536, 300, seed(round));
            for &key in &keys {
                assert_eq!(fdb.see(key, port(1), 0), Learned::New, "{name}");
            }
            assert!(keys.iter().all(|&key| fdb.at(key, 0) == Some(port(1))), "{name}");
            assert_eq!(fdb.stats().evicted, 0, "{name}");
            if keys.len() == 65_536 {
                assert_eq!(fdb.see(last, port(1), 0), Learned::New, "{name}");
                assert_eq!((fdb.stats().entries, fdb.stats().evicted), (65_536, 1), "{name}");
            }
        }
    }
}

#[test]
fn small_tables_hold_their_capacity() {
    for round in 0..200 {
        for capacity in [64, 100, 1000] {
            let fdb = Fdb::new(capacity, 300, seed(round));
            for n in 0..u64::from(capacity) {
                assert_eq!(fdb.see(key(n), port(1), 0), Learned::New, "{n} of {capacity}");
            }
        }
    }
}

#[test]
fn a_spraying_port_pushes_out_only_its_own() {
    let fdb = table(65_536);
    for n in 0..1000 {
        fdb.see(key(n), port(1), 0);
    }
    for n in 0..100_000 {
        fdb.see(key(1_000_000 + n), port(2), 0);
    }
    assert!((0..1000).all(|n| fdb.at(key(n), 0) == Some(port(1))));
    assert_eq!(fdb.held(port(2)), 64_536);
    // A third port still gets its addresses in.
    for n in 0..500 {
        assert_eq!(fdb.see(key(5_000_000 + n), port(3), 0), Learned::New);
    }
    assert_eq!((fdb.held(port(1)), fdb.held(port(3))), (1000, 500));
}

#[test]
fn a_table_full_of_static_entries_learns_nothing() {
    let fdb = table(64);
    for n in 0..64 {
        assert_eq!(fdb.add_static(key(n), port(1)), Ok(()));
    }
    assert_eq!(fdb.see(key(100), port(2), 0), Learned::Full);
    assert_eq!(fdb.add_static(key(101), port(1)), Err(TableFull));
    assert_eq!((fdb.stats().entries, fdb.stats().refused), (64, 1));
}

#[test]
fn ageing_can_be_changed_and_switched_off() {
    let fdb = table(64);
    fdb.see(key(1), port(1), 0);
    fdb.age_fully(5);
    fdb.set_ageing(0);
    fdb.age_fully(1_000_000);
    assert_eq!(fdb.at(key(1), 1_000_000), Some(port(1)));
    assert_eq!(fdb.next_age(), None);
    fdb.set_ageing(10);
    fdb.age_fully(1_000_001);
    assert_eq!(fdb.stats().entries, 0);
}

#[test]
fn a_sweep_waits_until_something_can_be_due() {
    let fdb = table(64);
    fdb.see(key(1), port(1), 7);
    fdb.age_fully(7);
    assert_eq!(fdb.next_age(), Some(308));
    assert!(!fdb.age(307));
    assert_eq!(fdb.stats().entries, 1);
    fdb.age_fully(308);
    assert_eq!((fdb.stats().entries, fdb.next_age()), (0, None));
}

#[test]
fn a_default_entry_costs_24_bytes() {
    assert_eq!(table(65_536).memory(), 24 * 65_536);
}

#[test]
fn threads_that_learn_the_same_addresses_agree_in_the_end() {
    let fdb = table(4096);
    std::thread::scope(|scope| {
        for p in 1..=4 {
            let fdb = &fdb;
            scope.spawn(move || {
                for round in 0..20 {
                    for n in 0..4096 {
                        fdb.see(key((n * 17 + u64::from(p)) % 4096), port(p), round);
                    }
                    fdb.flush(round, |entry| entry.mac.to_u64() % 97 == u64::from(p));
                }
            });
        }
    });
    let entries = fdb.entries(20);
    let mut macs: Vec<_> = entries.iter().map(|entry| entry.mac).collect();
    macs.sort_unstable();
    macs.dedup();
    assert_eq!(macs.len(), entries.len(), "an address stands twice");
    assert_eq!(fdb.stats().entries as usize, entries.len());
    for p in 1..=4 {
        let here = entries.iter().filter(|entry| entry.port == port(p)).count();
        assert_eq!(fdb.held(port(p)) as usize, here);
    }
}

/// An entry may move from a bucket that the sweep has yet to see to one that it has seen.
#[test]
fn an_entry_that_makes_room_during_a_sweep_is_swept_soon_after() {
    // The last two of these buckets are for the second call.
    let (low, high) = (1024, 1024..1026);
    let fdb = Fdb::with_buckets(64, 1026, 300, seed(1));
    let homes = |n: u64| [fdb.home(key(n)).first, fdb.home(key(n)).second];
    let is_high = |n: &u64| homes(*n).iter().all(|bucket| high.contains(bucket));
    let movable = (0..).filter(|&n| high.contains(&homes(n)[0]) && homes(n)[1] < low).take(4);
    let mut settled = (1_000_000..).filter(is_high);
    let mut count = 0;
    for n in movable.chain(settled.by_ref().take(4)) {
        assert_eq!(fdb.see(key(n), port(1), 0), Learned::New);
        count += 1;
    }
    assert!(fdb.age(301), "there is more to sweep");
    let newcomer = settled.next().unwrap();
    fdb.see(key(newcomer), port(2), 301);
    fdb.age_fully(301);
    fdb.age_fully(303);
    assert_eq!((fdb.stats().entries, fdb.stats().aged), (1, count));
}

/// An entry may move from a bucket that the flush has yet to see to one that it has seen.
#[test]
fn a_flush_misses_no_entry_that_makes_room_meanwhile() {
    let fdb = Fdb::with_buckets(12, 3, 300, seed(1));
    let other = |n: u64, bucket: u32| {
        let home = fdb.home(key(n));
        [home.first, home.second].contains(&bucket)
    };
    // Two that may lie in the first bucket too, then as many as the other two hold.
    let movable = (0..).filter(|&n| other(n, 0) && fdb.home(key(n)).first != 0).take(2);
    let settled = (1000..).filter(|&n| !other(n, 0)).take(6);
    for n in movable.chain(settled) {
        assert_eq!(fdb.see(key(n), port(1), 0), Learned::New);
    }
    let newcomer = (2000..).find(|&n| !other(n, 0)).unwrap();
    let learned = std::cell::Cell::new(None);
    fdb.flush(0, |entry| {
        if learned.get().is_none() {
            learned.set(Some(fdb.see(key(newcomer), port(2), 0)));
        }
        entry.port == port(1)
    });
    assert_eq!(learned.get(), Some(Learned::New));
    assert!(fdb.entries(0).iter().all(|entry| entry.port != port(1)));
    assert_eq!(fdb.held(port(1)), 0);
}
