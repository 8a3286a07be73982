//! The demo in words, told while it happens.

use std::io::{self, Write};
use std::time::Duration;

use super::lab::Lab;
use super::ping::Pings;
use super::transfer::Transfer;
use crate::args::Global;
use crate::control::api::{ExplainDoc, FdbRow, StatsDoc};
use crate::output;
use text::Paint;

/// Prints, unless a document is wanted or nothing.
pub(super) struct Story {
    silent: bool,
    paint: Paint,
}

impl Story {
    pub(super) fn new(global: &Global) -> Story {
        Story {
            silent: global.json || global.quiet,
            paint: Paint::on(global.color.on(&io::stdout())),
        }
    }

    pub(super) fn made(&self, lab: &Lab, taken: Duration) {
        let [alice, bob] = &lab.hosts;
        let mut text = format!(
            "A switch in user space, and two hosts that know nothing of it:\n\n  \
             {} {}  <--TAP-->  {}  <--TAP-->  {} {}\n\n",
            alice.port,
            alice.address,
            self.paint.bold(&lab.switch),
            bob.port,
            bob.address
        );
        text += &format!(
            "Made in {:.2} s: namespaces {} and {}, a TAP into each.\n",
            taken.as_secs_f64(),
            alice.netns,
            bob.netns
        );
        self.say(&text);
    }

    pub(super) fn pinged(&self, lab: &Lab, pings: &Pings) {
        let [alice, bob] = &lab.hosts;
        let mut times: Vec<f64> = pings.rtts.iter().flatten().map(|rtt| rtt * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let mut text = format!("{} of {} requests answered", pings.received, pings.sent);
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let middle = times[times.len() / 2];
            text += &format!(
                "; {first:.3} ms at best, {middle:.3} ms in the middle, {last:.3} ms at worst"
            );
        }
        self.heading(&format!("{} pings {}", alice.port, bob.port));
        self.say(&indented(&text));
    }

    pub(super) fn transferred(&self, lab: &Lab, tcp: &Transfer) {
        let [alice, bob] = &lab.hosts;
        self.heading(&format!("{} sends {} a stream over TCP", alice.port, bob.port));
        self.say(&indented(&format!(
            "{} in {:.2} s: {}, every byte arrived",
            ::text::bytes(tcp.bytes),
            tcp.seconds,
            self.paint.green(format!("{:.1} Gb/s", tcp.gbps))
        )));
    }

    pub(super) fn learned(&self, lab: &Lab, fdb: &[FdbRow]) {
        self.heading("The switch learned from each frame's source who is behind which port");
        self.command(&format!("netloom fdb ls --switch {}", lab.switch));
        self.say(&indented(&output::fdb(fdb, self.paint)));
    }

    pub(super) fn explained(&self, lab: &Lab, answer: &ExplainDoc) {
        let [alice, bob] = &lab.hosts;
        self.heading(&format!("What it does with a frame from {} to {}", alice.port, bob.port));
        self.command(&format!("netloom explain --in {} dst=MAC src=MAC", alice.port));
        self.say(&indented(&output::explanation(answer, self.paint)));
    }

    pub(super) fn counted(&self, lab: &Lab, stats: &StatsDoc) {
        self.heading("It counted every frame; one that held many TCP segments counts once");
        self.command(&format!("netloom stats --switch {}", lab.switch));
        self.say(&indented(&output::stats(stats, true, self.paint)));
    }

    pub(super) fn end(&self, seconds: f64) {
        self.heading(&format!("All of it is removed again, {seconds:.1} s after the start"));
        self.say(
            "  Now the same to keep:\n    \
             netloom up -d --port a=tap,netns=na,addr=10.9.0.1/24 --port b=tap,netns=nb,addr=10.9.0.2/24\n    \
             netloom exec na -- ping 10.9.0.2\n    \
             netloom down\n",
        );
    }

    fn heading(&self, text: &str) {
        self.say(&format!("\n{}\n", self.paint.bold(text)));
    }

    fn command(&self, text: &str) {
        self.say(&format!("  {}\n", self.paint.cyan(format!("$ {text}"))));
    }

    fn say(&self, text: &str) {
        if !self.silent {
            // A reader that hung up does not stop the demo from cleaning up after itself.
            let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        }
    }
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".into() } else { format!("  {line}\n") };
    text.lines().map(line).collect()
}
