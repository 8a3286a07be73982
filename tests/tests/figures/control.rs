//! How long others wait for the control socket's answers, and how soon it stops, under attack.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tests::control::{ATTACKS, Conversation};
use tests::lab::{Lab, eventually};

const SOCKET: &str = "/run/netloom/x/control.sock";

/// What others wait at most, in 99 cases of 100.
const ANSWERED: Duration = Duration::from_millis(100);
/// What a switch takes at most to hear that it is to stop, and to take two ports away.
const STOPPED: Duration = Duration::from_secs(1);
/// Questions of the others during each attack, the first of which are not counted.
const QUESTIONS: usize = 300;
const UNCOUNTED: usize = 50;
/// Entries of the FDB that some attackers list.
const ENTRIES: usize = 10_000;

/// How long each of the others' questions waited, sorted. For every second one a conversation begins.
fn waits(socket: &Path) -> Vec<Duration> {
    let mut steady = Conversation::begin(socket).expect("a conversation");
    let mut waits = Vec::new();
    for question in 0..QUESTIONS {
        let begin = Instant::now();
        let answer = match question % 2 {
            0 => steady.ask("{\"info\":{}}\n"),
            _ => Conversation::begin(socket)
                .and_then(|mut fresh| fresh.ask("{\"stats\":{\"port\":null}}\n")),
        };
        let waited = begin.elapsed();
        let answer = answer.unwrap_or_else(|error| panic!("question {question}: {error}"));
        assert!(answer["done"].is_object(), "question {question}: {answer}");
        if question >= UNCOUNTED {
            waits.push(waited);
        }
        // Others ask now and then, and are not what the switch is busy with.
        sleep(Duration::from_millis(2));
    }
    waits.sort();
    waits
}

/// Static entries: others are learned, and may be evicted.
fn fill(socket: &Path) {
    let mut conversation = Conversation::begin(socket).expect("a conversation");
    for n in 0..ENTRIES {
        let mac = format!("02:00:00:00:{:02x}:{:02x}", n >> 8, n & 255);
        let line = format!("{{\"fdb_add\":{{\"mac\":\"{mac}\",\"port\":\"a\"}}}}\n");
        assert!(conversation.ask(&line).expect("an answer")["done"].is_object());
    }
}

/// How long it takes until the switch is gone.
fn stop(lab: &Lab, by_signal: bool) -> Duration {
    let pid = lab.pid("x");
    let begin = Instant::now();
    match by_signal {
        true => lab.signal(pid, "TERM"),
        false => drop(lab.netloom(&["down", "x"]).ok()),
    }
    let is_there = || lab.path(format!("/proc/{pid}/exe")).exists();
    eventually("the switch stops", is_there, |is_there| !is_there);
    begin.elapsed()
}

/// Says how long the others waited; the 99th of 100.
fn tell(name: &str, waits: &[Duration]) -> Duration {
    let at = |share: usize| waits[(waits.len() - 1) * share / 100];
    let [least, median, p99, most] = [0, 50, 99, 100].map(at);
    println!("{name:30} min {least:8.2?} median {median:8.2?} p99 {p99:8.2?} max {most:8.2?}");
    p99
}

#[test]
fn nobody_waits_long_while_the_control_socket_is_attacked() {
    let mut late = Vec::new();
    for (n, attack) in ATTACKS.iter().enumerate() {
        let lab = Lab::new();
        lab.up("x", &["a=tap,netns=na", "b=tap,netns=nb"]);
        let socket = lab.path(SOCKET);
        fill(&socket);
        if n == 0 {
            tell("at peace", &waits(&socket));
        }
        let attackers = attack.begin(&socket);
        let p99 = tell(attack.name, &waits(&socket));
        let (answered, cut_off) = attackers.honest();
        assert_eq!(cut_off, 0, "{}: honest clients cut off, {answered} not", attack.name);
        let stopped = stop(&lab, n % 2 == 0);
        attackers.end();
        println!("{:30} stops in {stopped:.2?}", "");
        if p99 > ANSWERED || stopped > STOPPED {
            late.push((attack.name, p99, stopped));
        }
        lab.is_empty();
    }
    assert!(late.is_empty(), "others wait too long: {late:#?}");
}
