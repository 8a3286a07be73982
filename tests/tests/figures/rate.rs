//! TCP through the switch against the shortest loop there is: one thread, a
//! read and a write a frame, no virtio-net header, between two TAPs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use io_backends::lab::netns::in_netns;
use io_backends::ports::plain::{Loop, PlainPort};
use tests::lab::{Lab, at_rest, has};

/// Rounds, each with one transfer through either.
const ROUNDS: usize = 5;
/// What the switch reaches at least, the loop's rate being 1.
const AT_LEAST: f64 = 0.8;

/// The loop, on a thread of its own; it ends with the value.
struct Plain {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Plain {
    /// Joins the new namespaces `pa`, 10.8.0.1, and `pb`, 10.8.0.2.
    fn start(lab: &Lab) -> Plain {
        let open = || ["plain1", "plain2"].map(|name| PlainPort::open(name).expect("a TAP"));
        let [one, two] = in_netns(&lab.host(), open).expect("the lab's host");
        for (netns, netdev, address) in
            [("pa", "plain1", "10.8.0.1/24"), ("pb", "plain2", "10.8.0.2/24")]
        {
            let ip = |words: &str| {
                let words: Vec<_> = words.split(' ').collect();
                lab.run(&[&["ip"], &words[..]].concat()).ok();
            };
            ip(&format!("netns add {netns}"));
            ip(&format!("link set {netdev} netns {netns}"));
            ip(&format!("-n {netns} addr add {address} dev {netdev}"));
            ip(&format!("-n {netns} link set {netdev} up"));
        }
        let mut cable = Loop::new(one, two).expect("descriptors");
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let run = move || cable.run(&flag).expect("two TAPs that stay");
        Plain { stop, thread: Some(thread::spawn(run)) }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn tcp_is_no_slower_than_the_plain_loop() {
    if !has("iperf3") {
        return;
    }
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    let plain = Plain::start(&lab);
    let rate = |from, to, address| lab.iperf(from, to, address, &["-t", "1"]);
    // What disturbs one of a round disturbs the other too.
    let round = || (rate("na", "nb", "10.9.0.2"), rate("pa", "pb", "10.8.0.2"));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    let mut ratios: Vec<_> = rounds.iter().map(|(switch, plain)| switch / plain).collect();
    ratios.sort_by(f64::total_cmp);
    println!("bit/s through the switch, through the loop: {rounds:?}; ratios {ratios:?}");
    assert!(ratios[ROUNDS / 2] >= AT_LEAST, "{rounds:?}");
    at_rest(&lab, "x");
    drop(plain);
    for netns in ["pa", "pb"] {
        lab.run(&["ip", "netns", "del", netns]).ok();
    }
    lab.end();
}
