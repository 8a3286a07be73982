use super::*;
use crate::control::api::{FdbStatsDoc, KernelStats, LaneTotals, PortStats, RemovedStats};

/// A switch of two ports and one worker whose counters add up.
pub(in crate::output) fn reading() -> StatsDoc {
    let port = |name: &str, rx: u64, tx: u64, drops: &[(&str, u64)]| PortStats {
        name: name.into(),
        rx_frames: rx,
        rx_bytes: rx * 100,
        tx_frames: tx,
        tx_bytes: tx * 100,
        drops: drops.iter().map(|(reason, number)| ((*reason).to_owned(), *number)).collect(),
        kernel: KernelStats { rx_missed: Some(0) },
        lane: None,
    };
    StatsDoc {
        uptime: 250.0,
        engine: "epoll".into(),
        ports: vec![
            port("alice", 1234, 0, &[("no-target", 1000), ("too-big", 1)]),
            port("bob", 0, 240, &[]),
        ],
        removed: RemovedStats { rx_frames: 5, tx_frames: 4, drops: BTreeMap::new() },
        flood_copies: 6,
        made_frames: 0,
        fdb: FdbStatsDoc {
            entries: 2,
            capacity: 65_536,
            learned: 3,
            moved: 0,
            aged: 1,
            evicted: 0,
            refused: 0,
        },
        workers: vec![WorkerDoc { cpu: Some(1), frames: 1239, bursts: 413, busy: 0.123 }],
        lane: LaneTotals::default(),
    }
}

#[test]
fn the_whole_page() {
    assert_eq!(
        stats(&reading(), true, Paint::on(false)),
        "\
PORT       RX FRAMES   RX BYTES  TX FRAMES  TX BYTES  DROPS
alice          1,234  120.5 KiB          0       0 B  no-target=1,000 too-big=1
bob                0        0 B        240  23.4 KiB  -
(removed)          5          -          4         -  -

frames  1,239 received + 6 copied + 0 made = 244 sent + 1,001 dropped: adds up
fdb     2 of 65,536 entries, 3 learned, 1 aged
uptime  4m10s, epoll engine
worker  0 on CPU 1: 1,239 frames, 3.0 a burst, 12.3 % busy
"
    );
}

#[test]
fn one_port_alone_has_no_sums() {
    let mut one = reading();
    one.ports.truncate(1);
    one.removed = RemovedStats { rx_frames: 0, tx_frames: 0, drops: BTreeMap::new() };
    assert_eq!(stats(&one, false, Paint::on(false)).lines().count(), 2);
}

#[test]
fn what_does_not_add_up_is_said() {
    let mut moving = reading();
    moving.ports[0].rx_frames += 3;
    let text = stats(&moving, true, Paint::on(false));
    assert!(text.contains("made, 244 sent + 1,001 dropped: 3 on the way\n"), "{text}");
}

#[test]
fn a_column_for_what_the_kernel_missed_only_when_it_did() {
    let mut missed = reading();
    missed.ports[1].kernel.rx_missed = Some(17);
    let text = stats(&missed, true, Paint::on(false));
    assert!(text.lines().next().unwrap().contains("MISSED"));
    assert!(text.contains("      17  -\n"), "{text}");
}

#[test]
fn nothing_at_all_is_a_sentence() {
    let mut empty = reading();
    empty.ports.clear();
    empty.removed = RemovedStats { rx_frames: 0, tx_frames: 0, drops: BTreeMap::new() };
    (empty.flood_copies, empty.workers) = (0, Vec::new());
    let text = stats(&empty, true, Paint::on(false));
    assert!(text.starts_with("no ports\n\nframes  0 received"), "{text}");
}
