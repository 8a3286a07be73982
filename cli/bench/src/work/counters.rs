//! What the kernel counts for hosts' netdevs.

use io_backends::lab::netns::in_netns;

use super::super::peers::{Host, NETDEV};
use super::broken;
use io_backends::Error;

const WHAT: &str = "counters";

/// What a netdev counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counters {
    pub(super) received: Count,
    pub(super) sent: Count,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Count {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Count {
    /// What came between.
    pub(super) fn until(self, later: Count) -> Count {
        Count {
            frames: later.frames.saturating_sub(self.frames),
            bytes: later.bytes.saturating_sub(self.bytes),
        }
    }
}

/// What the netdevs of these hosts have counted so far.
pub(super) fn counted(hosts: &[&Host]) -> Result<Vec<Counters>, Error> {
    let read = |host: &Host| {
        let table = in_netns(&host.netns, || std::fs::read_to_string("/proc/thread-self/net/dev"))?
            .map_err(broken(WHAT))?;
        counters(&table, NETDEV).ok_or_else(|| Error::failed(WHAT, format!("{NETDEV} is gone")))
    };
    hosts.iter().copied().map(read).collect()
}

/// A netdev's counters in the text of `/proc/net/dev`.
fn counters(table: &str, netdev: &str) -> Option<Counters> {
    let line =
        table.lines().find_map(|line| line.trim().strip_prefix(netdev)?.strip_prefix(':'))?;
    let numbers: Vec<u64> =
        line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let count = |at: usize| Some(Count { bytes: *numbers.get(at)?, frames: *numbers.get(at + 1)? });
    Some(Counters { received: count(0)?, sent: count(8)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_name() {
        let table = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:       0       1    0    0    0     0          0         0        0       0    0
 eth01:     120       7    0    0    0     0          0         0      180       3    0
  eth0:     120       2    0    0    0     0          0         0      180       3    0
";
        let received = Count { frames: 2, bytes: 120 };
        let sent = Count { frames: 3, bytes: 180 };
        assert_eq!(counters(table, "eth0"), Some(Counters { received, sent }));
        assert_eq!(counters(table, "eth"), None);
    }
}
