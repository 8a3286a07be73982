//! The log: what was changed, from what, to what, each once.

use std::fs;
use std::time::Instant;

use tests::lab::{Lab, eventually_in};

/// The log's lines without their times.
fn log(lab: &Lab) -> Vec<String> {
    let log = fs::read_to_string(lab.path("/run/netloom/x/log")).expect("the log");
    let text = |line: &str| line.split_once(' ').expect("a time").1.to_owned();
    log.lines().map(text).collect()
}

#[test]
fn each_change_is_said_once_with_what_it_was() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,access=10"]);
    let started = log(&lab);
    assert!(started.contains(&"port a added: tap,access=10".to_owned()), "{started:?}");
    assert!(started.contains(&"switch x forwards with 1 port".to_owned()), "{started:?}");
    let mac = "02:00:00:00:00:99";
    let mut answers = String::new();
    for words in [
        &["port", "add", "b=tap:t1,netns=n,trunk=10+20"][..],
        &["port", "set", "a", "access=20", "isolated"],
        &["port", "set", "a", "access=20"],
        &["fdb", "add", mac, "a"],
        &["fdb", "del", mac],
        &["port", "del", "b"],
    ] {
        answers += &lab.netloom(words).ok();
    }
    let wanted = [
        "port b added: tap:t1,netns=n,trunk=10+20",
        "port a set: access=20,isolated=on (was access=10,isolated=off)",
        &format!("{mac} in VLAN 20 stays on port a"),
        &format!("{mac} in VLAN 20 removed from port a"),
        "port b removed",
    ];
    assert_eq!(answers.lines().collect::<Vec<_>>(), wanted);
    let logged = log(&lab);
    let logged: Vec<_> = logged.iter().filter(|line| !line.contains("link ")).collect();
    assert_eq!(logged[logged.len() - wanted.len()..], wanted);
    lab.end();
}

#[test]
fn a_link_that_flaps_does_not_fill_the_log() {
    const TIMES: usize = 100;
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na"]);
    let batch = lab.file("flap", "link set eth0 down\nlink set eth0 up\n".repeat(TIMES));
    let begin = Instant::now();
    lab.run(&["ip", "-n", "na", "-batch", &batch]).ok();
    let about = |text: &str| log(&lab).into_iter().filter(|line| line.contains(text)).count();
    let counted = "more times within 10 s: port a: link down";
    let is_said = |log: &Vec<String>| log.iter().any(|line| line.contains(counted));
    eventually_in(30, "it is said how often", || log(&lab), is_said);
    // Five of each and how many more, every ten seconds.
    let most = 12 * (1 + begin.elapsed().as_secs() as usize / 10);
    assert!(about("link") <= most, "{:#?}", log(&lab));
    lab.end();
}
