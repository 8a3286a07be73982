//! Every engine and number of workers does the same: a short life of a switch with each.

use serde_json::Value;
use tests::lab::{Lab, Pings, at_rest, eventually, none_lost};

/// Bytes of each transfer.
const BYTES: u64 = 50 << 20;

fn config(engine: &str, workers: u8) -> String {
    let ports = ["a", "b", "c"].iter().zip(1..).map(|(name, host)| {
        format!(
            "[[port]]\nname = \"{name}\"\nkind = \"tap\"\nnetns = \"n{name}\"\n\
             addr = [\"10.9.0.{host}/24\", \"fd00::{host}/64\"]\n"
        )
    });
    format!("[switch]\nengine = \"{engine}\"\nworkers = {workers}\n{}", ports.collect::<String>())
}

fn life_with(engine: &str, workers: u8) {
    let lab = Lab::new();
    lab.up_file("x", &config(engine, workers));
    let stats = lab.json(&["stats"]);
    assert_eq!(stats["engine"], engine);
    assert_eq!(stats["workers"].as_array().map(Vec::len), Some(workers.into()));
    for address in ["10.9.0.2", "fd00::2"] {
        let pings = lab.flood_ping("na", address, 1000);
        assert_eq!(pings, Pings { sent: 1000, received: 1000 }, "{address}");
    }
    lab.transfer("na", "nb", "10.9.0.2", BYTES);
    lab.transfer("nb", "na", "10.9.0.1", BYTES);
    let several = [0; 4].map(|_| lab.streaming("na", "nb", "10.9.0.2"));
    several.iter().for_each(|stream| stream.go_on_for(BYTES / 4));
    for stream in several {
        stream.stop();
    }
    at_rest(&lab, "x");

    // A port goes, a namespace goes, a netdev goes; the others don't mind.
    let pings = lab.pinging("na", "10.9.0.2");
    pings.go_on_for(100);
    lab.run(&["ip", "link", "add", "alive", "type", "veth", "peer", "name", "end", "netns", "nc"])
        .ok();
    lab.run(&["ip", "netns", "del", "nc"]).ok();
    lab.port_is("x", "c", "fault");
    // Nothing keeps the namespace alive.
    lab.netdev_goes("alive");
    lab.netloom(&["port", "del", "c"]).ok();
    lab.netloom(&["port", "add", "d=tap,netns=nd,addr=10.9.0.4/24"]).ok();
    lab.ping("nd", "10.9.0.1");
    lab.run_in("nd", &["ip", "link", "del", "eth0"]).ok();
    let back = || (lab.run_in("nd", &["ip", "link", "show", "eth0"]).exit, lab.port("x", "d"));
    let is_back = |(exit, port): &(Option<i32>, Value)| *exit == Some(0) && port["state"] == "up";
    eventually("the port is back", back, is_back);
    lab.ping("nd", "10.9.0.1");
    pings.go_on_for(100);
    none_lost(pings.stop());
    at_rest(&lab, "x");
    lab.end();
}

#[test]
fn epoll_with_one_worker() {
    life_with("epoll", 1);
}

#[test]
fn epoll_with_three_workers() {
    life_with("epoll", 3);
}

#[test]
fn io_uring_with_one_worker() {
    life_with("io_uring", 1);
}

#[test]
fn io_uring_with_three_workers() {
    life_with("io_uring", 3);
}
