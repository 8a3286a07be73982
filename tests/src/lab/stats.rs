//! `stats --json`, and whether it adds up.

use serde_json::Value;

use super::{Lab, within};

/// One reading.
#[derive(Clone, PartialEq, Debug)]
pub struct Stats(pub Value);

impl Stats {
    /// Reads a switch's counters now.
    #[must_use]
    pub fn read(lab: &Lab, switch: &str) -> Stats {
        Stats(lab.json(&["stats", "--switch", switch]))
    }

    /// One of a port's counters, such as `rx_frames`.
    ///
    /// # Panics
    /// When there is no such port or counter.
    #[must_use]
    pub fn port(&self, port: &str, counter: &str) -> u64 {
        number(&self.row(port)[counter])
    }

    /// A port's drops for one reason; 0 where it is not listed.
    #[must_use]
    pub fn drops(&self, port: &str, reason: &str) -> u64 {
        self.row(port)["drops"].get(reason).map_or(0, number)
    }

    /// All drops of a port.
    #[must_use]
    pub fn all_drops(&self, port: &str) -> u64 {
        sum(&self.row(port)["drops"])
    }

    /// One of the FDB's counters.
    #[must_use]
    pub fn fdb(&self, counter: &str) -> u64 {
        number(&self.0["fdb"][counter])
    }

    /// What came in and was made, and what went out and was dropped: equal at rest.
    #[must_use]
    pub fn balance(&self) -> (u64, u64) {
        let rows = self.0["ports"].as_array().expect("ports").iter().chain([&self.0["removed"]]);
        let (mut into, mut out) = (number(&self.0["flood_copies"]), 0);
        into += number(&self.0["made_frames"]);
        for row in rows {
            into += number(&row["rx_frames"]);
            out += number(&row["tx_frames"]) + sum(&row["drops"]);
        }
        (into, out)
    }

    fn row(&self, port: &str) -> &Value {
        let row = self.0["ports"].as_array().expect("ports").iter().find(|row| row["name"] == port);
        row.unwrap_or_else(|| panic!("no port {port} in {self:?}"))
    }

    /// Everything that changes with a frame and only then.
    fn counts(&self) -> (Value, Value, Value) {
        let part = |key: &str| self.0[key].clone();
        (part("ports"), part("removed"), part("flood_copies"))
    }
}

/// Waits until two readings are the same and the counters add up to the frame: a
/// frame that came in and is neither out nor dropped is still under way.
///
/// # Panics
/// When they never do: a frame is lost without a reason, or counted twice.
#[track_caller]
pub fn at_rest(lab: &Lab, switch: &str) -> Stats {
    let mut before = Stats::read(lab, switch);
    let rested = within(30, || {
        let after = Stats::read(lab, switch);
        let (into, out) = after.balance();
        let is_same = before.counts() == after.counts();
        before = after.clone();
        if is_same && into == out { Ok(after) } else { Err((is_same, into, out, after)) }
    });
    rested.unwrap_or_else(|(is_same, into, out, stats)| {
        let moves = if is_same { "nothing moves" } else { "frames still move" };
        panic!("{moves}, and {into} frames came in or were made, {out} left or were dropped: {stats:#?}")
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a count: {value}"))
}

fn sum(drops: &Value) -> u64 {
    drops.as_object().expect("drops").values().map(number).sum()
}
