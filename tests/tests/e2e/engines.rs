//! Every engine and number of workers does the same: a short life of a switch with each.

use std::thread::sleep;
use std::time::Duration;

use tests::lab::{Lab, Pings, at_rest, eventually, has};

use crate::usage::cpu_time;

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
    if has("iperf3") {
        for options in [&["-n", "50M"][..], &["-n", "50M", "-R"], &["-n", "50M", "-P", "4"]] {
            let transfer = lab.iperf("na", "nb", "10.9.0.2", options);
            assert!(transfer.bytes > 35 << 20, "{options:?}: {transfer:?}");
        }
    }
    at_rest(&lab, "x");

    // A port goes, a namespace goes, a netdev goes; the others don't mind.
    let mut pings = lab.pinging("na", "10.9.0.2", &["-i", "0.002", "-c", "1000"]);
    lab.run(&["ip", "link", "add", "alive", "type", "veth", "peer", "name", "end", "netns", "nc"])
        .ok();
    lab.run(&["ip", "netns", "del", "nc"]).ok();
    eventually("the port is in fault", 2, || lab.port("x", "c")["state"] == "fault");
    eventually("nothing keeps the namespace alive", 2, || {
        lab.run(&["ip", "link", "show", "alive"]).exit != Some(0)
    });
    lab.netloom(&["port", "del", "c"]).ok();
    lab.netloom(&["port", "add", "d=tap,netns=nd,addr=10.9.0.4/24"]).ok();
    lab.ping("nd", "10.9.0.1");
    lab.run_in("nd", &["ip", "link", "del", "eth0"]).ok();
    eventually("the port is back", 5, || {
        lab.run_in("nd", &["ip", "link", "show", "eth0"]).exit == Some(0)
            && lab.port("x", "d")["state"] == "up"
    });
    lab.ping("nd", "10.9.0.1");
    assert!(pings.runs(), "all of it while the pings ran");
    assert_eq!(pings.end(), Pings { sent: 1000, received: 1000 });
    at_rest(&lab, "x");

    let pid = lab.pid("x");
    let before = cpu_time(&lab, pid);
    sleep(Duration::from_secs(2));
    let used = cpu_time(&lab, pid) - before;
    assert!(used < Duration::from_millis(10), "{used:?} of CPU time in 2 s");
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
