//! The control socket: who may speak, and what garbage does to a switch. Nothing.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::lab::{Lab, PROGRAM, eventually, none_lost};

const SOCKET: &str = "/run/netloom/x/control.sock";

fn connect(lab: &Lab) -> UnixStream {
    let stream = UnixStream::connect(lab.path(SOCKET)).expect("the control socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

/// Everything the switch says until it hangs up.
fn said(mut stream: UnixStream) -> String {
    let mut text = String::new();
    // Hanging up on unread bytes looks like this to the sender.
    if let Err(error) = stream.read_to_string(&mut text) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    text
}

#[test]
fn the_run_time_files_are_where_they_belong() {
    let lab = Lab::new();
    lab.up("x", &["a=tap"]);
    let socket = std::fs::symlink_metadata(lab.path(SOCKET)).expect("the socket");
    assert!(socket.file_type().is_socket(), "{socket:?}");
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    assert!(lab.path("/run/netloom/x/log").is_file());
    lab.end();
}

#[test]
fn garbage_is_told_so_and_hung_up_on() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=na,addr=10.9.0.1/24", "b=tap,netns=nb,addr=10.9.0.2/24"]);
    let pid = lab.pid("x");
    let open = || std::fs::read_dir(lab.path(format!("/proc/{pid}/fd"))).expect("fds").count();
    let before = open();
    let pings = lab.pinging("na", "10.9.0.2");

    let hello = "{\"netloom\":1}\n";
    let huge = "x".repeat(3 << 20);
    let deep = format!("{hello}{}\n", "[".repeat(100_000));
    let garbage: [&[u8]; 10] = [
        b"\x00\xff\xfe\x80\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\n",
        b"{\"netloom\":99}\n",
        b"{\"netloom\":-1}\n",
        b"{\"netloom\":1}\nnonsense\n",
        b"{\"netloom\":1}\n{\"launch\":{}}\n",
        b"{\"netloom\":1}\n{\"port_del\":{\"nmae\":\"a\"}}\n",
        huge.as_bytes(),
        deep.as_bytes(),
    ];
    for bytes in garbage {
        let mut stream = connect(&lab);
        // It may hang up before all of it is written.
        let _ = stream.write_all(bytes);
        let text = said(stream);
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("{start:?}: {text:?}"));
        assert!(last["failed"]["why"].is_string(), "{start:?}: {text}");
        lab.netloom(&["ls"]).ok();
    }
    // Half a line and gone; nothing and gone; many that stay and say nothing; half a line and still there.
    connect(&lab).write_all(b"{\"netl").expect("written");
    drop(connect(&lab));
    let silent: Vec<_> = (0..150).map(|_| connect(&lab)).collect();
    let mut halves = connect(&lab);
    halves.write_all(b"{\"netloom\":1}\n{\"po").expect("written");
    lab.netloom(&["port", "ls"]).ok();
    // The other half may come later.
    halves.write_all(b"rts\":{}}\n").expect("written");
    let mut answer = [0; 4096];
    let mut text = String::new();
    while text.lines().count() < 2 || !text.ends_with('\n') {
        let length = halves.read(&mut answer).expect("an answer");
        text += &String::from_utf8_lossy(&answer[..length]);
    }
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("{\"done\":[")), "{text}");
    drop((silent, halves));

    // One that asks a lot and reads nothing keeps nobody waiting.
    let mut deaf = connect(&lab);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    deaf.write_all(hello.as_bytes()).expect("written");
    for _ in 0..2000 {
        if deaf.write_all(b"{\"stats\":{\"port\":null}}\n").is_err() {
            break;
        }
    }
    lab.netloom(&["stats"]).ok();
    drop(deaf);

    none_lost(pings.stop());
    // One of the command's own may still have been open at first.
    eventually(&format!("no more than {before} are open"), open, |now| *now <= before);
    lab.end();
}

#[test]
fn a_switch_that_takes_long_to_stop_gives_signs_of_life() {
    let lab = Lab::new();
    lab.up("x", &[]);
    let ports: Vec<_> = (0..60).map(|n| format!("p{n}=tap,netns=n{n}")).collect();
    for port in &ports {
        lab.netloom(&["port", "add", port]).ok();
    }
    let mut stream = connect(&lab);
    let begin = Instant::now();
    stream.write_all(b"{\"netloom\":1}\n{\"stop\":{}}\n").expect("written");
    let text = said(stream);
    let answer = text.lines().nth(1).expect("an answer");
    let document: Value = serde_json::from_str(answer).expect("a document");
    assert!(document["done"]["changed"].is_array(), "{text}");
    let signs = answer.len() - answer.trim_start_matches(' ').len();
    // At most two a second: its clock started no earlier than this one. And one at least, unless
    // the machine is so fast that nobody had to wait.
    let took = begin.elapsed();
    let (least, most) = (u128::from(took.as_secs() >= 2), took.as_millis() / 500);
    assert!((least..=most).contains(&(signs as u128)), "{signs} signs in {took:?}");
    lab.is_empty();
}

#[test]
fn a_switch_that_may_open_nothing_more_still_answers() {
    let lab = Lab::new();
    lab.run(&["prlimit", "--nofile=64:64", PROGRAM, "up", "-d", "--name", "x"]).ok();
    let add = |n| lab.netloom(&["port", "add", &format!("p{n}=tap")]);
    let refused = (0..64).map(add).find(|answer| answer.exit != Some(0)).expect("a limit");
    refused.refused(1);
    let ports = lab.json(&["port", "ls"]);
    assert!(ports.as_array().is_some_and(|ports| !ports.is_empty()), "{ports}");
    // What is left goes to clients that say nothing.
    let silent: Vec<_> = (0..64).map(|_| connect(&lab)).collect();
    for _ in 0..3 {
        assert_eq!(lab.json(&["port", "ls"]), ports);
    }
    lab.netloom(&["down", "x"]).ok();
    drop(silent);
    lab.is_empty();
}

#[test]
fn several_requests_in_one_conversation() {
    let lab = Lab::new();
    lab.up("x", &["a=tap"]);
    let mut stream = connect(&lab);
    stream
        .write_all(
            b"{\"netloom\":1}\n{\"info\":{}}\n{\"port_del\":{\"name\":\"b\"}}\n{\"vlans\":{}}\n",
        )
        .expect("written");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let text = said(stream);
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], json!({"netloom": 1}));
    assert_eq!(lines[1]["done"]["name"], "x");
    // A failed request ends no conversation.
    assert_eq!(lines[2]["failed"]["exit"], 3);
    assert_eq!(lines[3], json!({"done": [{"vid": 0, "members": ["a"], "untagged": ["a"]}]}));
    lab.end();
}

#[test]
fn a_socket_that_nobody_serves() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("/run/netloom/x")).expect("a directory");
    drop(UnixListener::bind(lab.path(SOCKET)).expect("a socket"));
    for words in [&["port", "ls", "--switch", "x"][..], &["stats", "--switch", "x"]] {
        let answer = lab.netloom(words);
        answer.refused(3);
        assert!(answer.hint().contains("netloom down x"), "{answer:?}");
    }
    assert_eq!(lab.json(&["ls"])[0]["state"], "dead");
    // A switch of the name takes its place.
    lab.up("x", &["a=tap"]);
    lab.netloom(&["port", "ls"]).ok();
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
    std::fs::create_dir_all(lab.path("/run/netloom/x")).expect("a directory");
    drop(UnixListener::bind(lab.path(SOCKET)).expect("a socket"));
    lab.netloom(&["down", "x"]).ok();
    lab.is_empty();
}
