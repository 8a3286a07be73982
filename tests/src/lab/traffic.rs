//! Traffic of other programs: `ping` and `iperf3`.

use serde_json::Value;

use super::{Lab, SOON};

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

impl Lab {
    /// Pings once from a namespace and checks that the reply comes.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ping(&self, netns: &str, address: &str) {
        self.run_in(netns, &["ping", "-n", "-c", "1", "-W", "10", address]).ok();
    }

    /// Runs `iperf3` from one namespace to `address` in another, with further options;
    /// the rate at the receiver, bits a second.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn iperf(&self, from: &str, to: &str, address: &str, options: &[&str]) -> f64 {
        let server = self.spawn_in(to, &["iperf3", "-s", "-1", "--forceflush"]);
        server.says("Server listening", SOON);
        let client = ["iperf3", "-J", "--connect-timeout", "5000", "-c", address];
        let report = self.run_in(from, &[&client, options].concat());
        let document: Value = serde_json::from_str(&report.out)
            .unwrap_or_else(|error| panic!("{error}: {report:#?}"));
        assert!(document.get("error").is_none(), "{document:#}");
        server.wait(SOON).ok();
        let end = &document["end"];
        // UDP has one sum, TCP one of each end.
        let sum = end.get("sum_received").or_else(|| end.get("sum")).expect("a summary");
        sum["bits_per_second"].as_f64().expect("a rate")
    }
}
