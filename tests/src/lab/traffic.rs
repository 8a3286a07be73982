//! Real traffic: `ping` and `iperf3`.

use serde_json::Value;

use super::{Answer, Lab, Running, within};

/// How a run of pings ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pings {
    /// Requests sent.
    pub sent: u64,
    /// Replies received.
    pub received: u64,
}

/// Pings under way, the only ones from their namespace.
pub struct Pinging<'l> {
    lab: &'l Lab,
    netns: String,
    ping: Running<'l>,
    /// Replies the namespace had received before.
    before: u64,
}

impl Pinging<'_> {
    /// Whether more are to be sent.
    pub fn runs(&mut self) -> bool {
        self.ping.runs()
    }

    /// Ends a run that would go on.
    #[must_use]
    pub fn stop(self) -> Pings {
        self.ping.signal("INT");
        self.end()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than a minute.
    #[must_use]
    pub fn end(self) -> Pings {
        let answer = self.ping.wait(60);
        let sent = sent(&answer);
        // On a busy machine the last replies come after `ping` has given up on
        // them: it waits for two round trips. The kernel counts them all.
        let received = || replies(self.lab, &self.netns) - self.before;
        let _ = within(5, || if received() >= sent { Ok(()) } else { Err(()) });
        Pings { sent, received: received() }
    }
}

/// How many `ping` says it sent.
fn sent(answer: &Answer) -> u64 {
    let line = answer.out.lines().find(|line| line.contains("packets transmitted"));
    let words = line.and_then(|line| line.split(' ').next());
    words.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{answer:#?}"))
}

/// Echo replies that the namespace has received, IPv4 and IPv6.
fn replies(lab: &Lab, netns: &str) -> u64 {
    let v4 = lab.proc_net(netns, "snmp");
    let v6 = lab.proc_net(netns, "snmp6");
    let v6 = v6.lines().find_map(|line| line.strip_prefix("Icmp6InEchoReplies"));
    let v6: u64 = v6.and_then(|number| number.trim().parse().ok()).expect("the counter");
    counter(&v4, "Icmp:", "InEchoReps") + v6
}

/// A counter of a protocol in `/proc/net/snmp`: a line of names, a line of values.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn counter(snmp: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = snmp.lines().filter(|line| line.starts_with(protocol));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let at = names.split(' ').position(|other| other == name).expect("the counter");
    values.split(' ').nth(at).and_then(|value| value.parse().ok()).expect("a number")
}

/// How a transfer with `iperf3` ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transfer {
    /// Payload bytes that arrived.
    pub bytes: u64,
    /// UDP datagrams lost; 0 for TCP.
    pub lost: u64,
    /// The rate at the receiver, bits a second.
    pub rate: f64,
}

impl Lab {
    /// Pings once from a namespace and checks that the reply comes at once.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ping(&self, netns: &str, address: &str) {
        self.run_in(netns, &["ping", "-n", "-c", "1", "-W", "2", address]).ok();
    }

    /// Starts pings from a namespace; `options` say how many and how fast.
    #[must_use]
    pub fn pinging(&self, netns: &str, address: &str, options: &[&str]) -> Pinging<'_> {
        let before = replies(self, netns);
        let words = [&["ping", "-n", "-q", "-W", "2"], options, &[address]].concat();
        let ping = self.spawn_in(netns, &words);
        Pinging { lab: self, netns: netns.into(), ping, before }
    }

    /// Sends `count` pings as fast as the replies come.
    #[must_use]
    pub fn flood_ping(&self, netns: &str, address: &str, count: u32) -> Pings {
        self.pinging(netns, address, &["-f", "-c", &count.to_string()]).end()
    }

    /// Runs `iperf3` from one namespace to `address` in another, with further options.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn iperf(&self, from: &str, to: &str, address: &str, options: &[&str]) -> Transfer {
        let server = self.spawn_in(to, &["iperf3", "-s", "-1", "--forceflush"]);
        server.says("Server listening", 10);
        let client = ["iperf3", "-J", "--connect-timeout", "5000", "-c", address];
        let report = self.run_in(from, &[&client, options].concat());
        let document: Value = serde_json::from_str(&report.out)
            .unwrap_or_else(|error| panic!("{error}: {report:#?}"));
        assert!(document.get("error").is_none(), "{document:#}");
        server.wait(10).ok();
        let end = &document["end"];
        // UDP has one sum, TCP one of each end.
        let sum = end.get("sum_received").or_else(|| end.get("sum")).expect("a summary");
        let number = |key: &str| sum.get(key).and_then(Value::as_u64).unwrap_or(0);
        Transfer {
            bytes: number("bytes"),
            lost: number("lost_packets"),
            rate: sum["bits_per_second"].as_f64().expect("a rate"),
        }
    }
}
