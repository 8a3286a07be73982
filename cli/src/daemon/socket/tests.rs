//! Turns counted, not timed: what one client does and what it costs the others.

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use mio::{Events, Poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::Value;

use super::*;

const LISTENER: Token = Token(0);

/// A switch that answers everything with `true`, and `fdb ls` with a long list.
struct Switch {
    path: PathBuf,
    poll: Poll,
    server: Server,
    descriptors: usize,
}

impl Switch {
    fn new() -> Switch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("netloom-s{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let poll = Poll::new().unwrap();
        let server = Server::listen(&path, poll.registry(), LISTENER).unwrap();
        Switch { path, poll, server, descriptors: 0 }
    }

    fn connect(&mut self) -> UnixStream {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.write_all(b"{\"netloom\":1}\n").unwrap();
        stream
    }

    /// One look at the poll, and at most `steps` answers.
    fn turn(&mut self, steps: usize) {
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        for event in &events {
            match event.token() {
                LISTENER => self.server.note_arrivals(),
                client => self.server.note_ready(client),
            }
        }
        self.server.accept(self.poll.registry());
        for _ in 0..steps {
            let until = Instant::now() + Duration::from_secs(60);
            let Some(asked) = self.server.next_request(until) else { return };
            self.descriptors += usize::from(asked.descriptor.is_some());
            let server = &mut self.server;
            match asked.request {
                Request::Fdb {} => {
                    server.list(asked.client, Rows::new(0, (0..100).map(|_| vec![7; 10_000])));
                }
                Request::Vlans {} => {
                    server.reply(asked.client, &Reply::Done("x".repeat(1 << 20).into()));
                }
                _ => server.reply(asked.client, &Reply::Done(true.into())),
            }
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What has been said so far.
fn said(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // It stops where nothing is said at present.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// Writes as much as goes.
fn pour(stream: &mut UnixStream, line: &[u8]) -> usize {
    let many = line.repeat(100);
    let mut poured = 0;
    while let Ok(count) = stream.write(&many[poured % line.len()..]) {
        poured += count;
    }
    poured
}

#[test]
fn one_that_asks_without_end_has_one_answer_a_round() {
    let mut switch = Switch::new();
    let mut greedy: Vec<_> = (0..3).map(|_| switch.connect()).collect();
    for stream in &mut greedy {
        pour(stream, b"{\"info\":{}}\n");
    }
    switch.turn(100);
    let mut honest = switch.connect();
    honest.write_all(b"{\"info\":{}}\n").unwrap();
    // Three greedy ones have their turns meanwhile, and it had to be let in.
    switch.turn(5);
    assert_eq!(said(&mut honest), "{\"netloom\":1}\n{\"done\":true}\n");
}

#[test]
fn one_that_never_reads_is_not_read() {
    let mut switch = Switch::new();
    let mut deaf = switch.connect();
    let mut poured = 0;
    for _ in 0..200 {
        poured += pour(&mut deaf, b"{\"vlans\":{}}\n");
        switch.turn(1000);
    }
    assert!(poured < 2 << 20, "{poured} bytes of requests were taken");
    assert!(switch.server.held < 4 << 20, "{} bytes are held", switch.server.held);
    assert!(switch.server.round.is_over(), "it waits for its socket");
    // What it asked for is still there as soon as it reads.
    let mut lines = String::new();
    while lines.matches('\n').count() < 3 {
        lines += &said(&mut deaf);
        switch.turn(10);
    }
}

#[test]
fn a_long_list_is_made_as_it_is_taken_and_others_have_their_turns() {
    let mut switch = Switch::new();
    let mut reader = switch.connect();
    reader.write_all(b"{\"fdb\":{}}\n{\"info\":{}}\n").unwrap();
    let mut honest = switch.connect();
    let mut text = String::new();
    let mut answers = 0;
    while !text.ends_with("true}\n") {
        honest.write_all(b"{\"info\":{}}\n").unwrap();
        switch.turn(2);
        answers += said(&mut honest).matches("true").count();
        assert!(switch.server.held < 1 << 20, "{} bytes are held", switch.server.held);
        text += &said(&mut reader);
    }
    assert!(answers > 10, "{answers} answers between");
    let list: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(list["done"].as_array().unwrap().len(), 1_000_000);
}

#[test]
fn what_all_hold_together_is_bounded() {
    let mut switch = Switch::new();
    let mut deaf: Vec<_> = (0..100).map(|_| switch.connect()).collect();
    for stream in &mut deaf {
        stream.write_all(b"{\"vlans\":{}}\n").unwrap();
        switch.turn(10);
        assert!(switch.server.held <= HELD, "{} bytes are held", switch.server.held);
    }
    let held = |conversation: &Conversation| conversation.held();
    assert_eq!(switch.server.held, switch.server.conversations.values().map(held).sum::<usize>());
    let (mut first, mut last) = (deaf.swap_remove(0), deaf.pop().unwrap());
    assert!(said(&mut first).len() < 1 << 20, "silent the longest, it is hung up on");
    let mut text = said(&mut last);
    while !text.ends_with("\"}\n") {
        switch.turn(10);
        text += &said(&mut last);
    }
}

#[test]
fn silent_ones_make_room_for_those_that_speak() {
    let mut switch = Switch::new();
    switch.server.most = 8;
    let mut speaks = switch.connect();
    switch.turn(10);
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&switch.path).unwrap()).collect();
    switch.turn(10);
    let mut other = switch.connect();
    switch.turn(10);
    assert_eq!(switch.server.conversations.len(), 8);
    for stream in [&mut speaks, &mut other] {
        stream.write_all(b"{\"info\":{}}\n").unwrap();
        switch.turn(10);
        assert_eq!(said(stream), "{\"netloom\":1}\n{\"done\":true}\n");
    }
    drop(silent);
    switch.turn(10);
    assert_eq!(switch.server.conversations.len(), 2);
}

fn send_with(stream: &UnixStream, bytes: &[u8], count: usize) {
    let file = fs::File::open("/dev/null").unwrap();
    let descriptors = vec![file.as_fd(); count];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::empty()).unwrap();
}

fn held_descriptors(switch: &Switch) -> usize {
    switch.server.conversations.values().filter(|held| held.holds_descriptor()).count()
}

#[test]
fn a_descriptor_comes_with_the_request_that_takes_it() {
    const ADD: &[u8] = b"{\"port_add\":{\"spec\":\"a=fd:9\"}}\n";
    let mut switch = Switch::new();
    let mut client = switch.connect();
    send_with(&client, ADD, 1);
    switch.turn(10);
    assert_eq!((switch.descriptors, held_descriptors(&switch)), (1, 0));
    // With the first half of it.
    send_with(&client, &ADD[..7], 1);
    switch.turn(10);
    assert_eq!(held_descriptors(&switch), 1);
    client.write_all(&ADD[7..]).unwrap();
    switch.turn(10);
    assert_eq!((switch.descriptors, held_descriptors(&switch)), (2, 0));
    // With a request that does not take any: closed, not kept for another.
    send_with(&client, b"{\"info\":{}}\n", 1);
    client.write_all(ADD).unwrap();
    switch.turn(10);
    switch.turn(10);
    assert_eq!((switch.descriptors, held_descriptors(&switch)), (2, 0));
    assert_eq!(said(&mut client).matches("true").count(), 4);
}

#[test]
fn more_descriptors_than_a_request_takes_are_refused() {
    for (first, second) in [(4, 0), (2, 0), (1, 1)] {
        let mut switch = Switch::new();
        let mut client = switch.connect();
        for count in [first, second].into_iter().filter(|count| *count > 0) {
            send_with(&client, b" ", count);
        }
        switch.turn(10);
        switch.turn(10);
        let text = said(&mut client);
        assert!(text.contains("more descriptors came"), "{text}");
        assert_eq!((switch.server.conversations.len(), switch.descriptors), (0, 0));
    }
}

#[test]
fn one_that_has_said_all_gets_every_answer() {
    let mut switch = Switch::new();
    let mut client = switch.connect();
    client.write_all(&b"{\"info\":{}}\n".repeat(50)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    switch.turn(1000);
    client.set_nonblocking(false).unwrap();
    assert_eq!(BufReader::new(client).lines().count(), 51);
    assert!(switch.server.conversations.is_empty());
}
