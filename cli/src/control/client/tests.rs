use std::io::{IoSliceMut, Seek};
use std::os::fd::AsRawFd;
use std::thread;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use super::*;
use crate::control::api::{Changed, Reply};
use crate::control::change::{Action, Change, Thing};

/// A client whose switch says each of these lines after having read one.
fn client(lines: &[&str]) -> (Result<Client, Error>, thread::JoinHandle<Vec<String>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let switch = thread::spawn(move || {
        let mut theirs = BufReader::new(theirs);
        let mut heard = Vec::new();
        for line in lines {
            let mut request = String::new();
            theirs.read_line(&mut request).unwrap();
            heard.push(request);
            theirs.get_mut().write_all(line.as_bytes()).unwrap();
        }
        heard
    });
    (Client::over(ours, "lab"), switch)
}

const HELLO: &str = "{\"netloom\":1}\n";

#[test]
fn a_question_and_its_answer() {
    let (client, switch) = client(&[HELLO, "{\"done\":[1,2]}\n"]);
    let answer: Vec<u8> = client.unwrap().ask(&Request::Info {}).unwrap();
    assert_eq!(answer, [1, 2]);
    assert_eq!(switch.join().unwrap(), [HELLO, "{\"info\":{}}\n"]);
}

#[test]
fn what_the_switch_says_is_the_error() {
    let failure =
        Error::unknown("port x", "there is no such port").hint("`netloom port ls` lists them");
    let line = serde_json::to_string(&Reply::Failed(failure.clone())).unwrap() + "\n";
    let (client, _switch) = client(&[HELLO, &line]);
    let error = client.unwrap().ask::<Value>(&Request::Ports {}).unwrap_err();
    assert_eq!(error, failure);
}

#[test]
fn documents_are_what_the_daemon_sends() {
    let changed = Changed {
        changed: vec![Change::new(Action::Removed, Thing::Port, "a")],
        hints: Vec::new(),
    };
    let reply = Reply::Done(serde_json::to_value(&changed).unwrap());
    let (client, _switch) = client(&[HELLO, &(serde_json::to_string(&reply).unwrap() + "\n")]);
    let request = Request::PortDel { name: "a".into() };
    assert_eq!(client.unwrap().ask::<Changed>(&request).unwrap(), changed);
}

#[test]
fn another_version_is_refused_with_both_numbers() {
    let (client, _switch) = client(&["{\"netloom\":2}\n"]);
    let error = client.unwrap_err();
    assert_eq!((error.kind.exit(), error.what.as_str()), (1, "switch lab"));
    assert!(error.why.contains("version 2") && error.why.contains("version 1"), "{error}");
    assert!(error.hint.is_some());
}

#[test]
fn garbage_is_no_switch() {
    for line in ["HTTP/1.1 400 Bad Request\r\n", "{}\n", "\n", "{\"done\":[]}\n"] {
        let (client, _switch) = client(&[line]);
        let error = client.unwrap_err();
        assert_eq!(error.why, "what answers on its control socket is no switch", "{line}");
    }
}

#[test]
fn a_broken_off_conversation_is_said_so() {
    for half in ["", "{\"done\":"] {
        let (client, _switch) = client(&[HELLO, half]);
        let error = client.unwrap().ask::<Value>(&Request::Fdb {}).unwrap_err();
        assert_eq!((error.kind.exit(), error.why.as_str()), (1, "it ended without an answer"));
    }
}

#[test]
fn a_switch_at_work_is_waited_for() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let patience = Duration::from_secs(2);
    ours.set_read_timeout(Some(patience)).unwrap();
    let at_work = thread::spawn(move || {
        theirs.write_all(HELLO.as_bytes()).unwrap();
        for _ in 0..10 {
            // Together longer than the client waits for one byte, each less: that is the case.
            thread::sleep(patience / 8);
            theirs.write_all(b" ").unwrap();
        }
        theirs.write_all(b"{\"done\":7}\n").unwrap();
        theirs
    });
    let begin = Instant::now();
    let mut client = Client::over(ours, "lab").unwrap();
    assert_eq!(client.ask::<u8>(&Request::Stop {}).unwrap(), 7);
    assert!(begin.elapsed() > patience, "no longer than any answer");
    drop(at_work.join().unwrap());
}

#[test]
fn silence_ends_after_a_while() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let error = Client::over(ours, "lab").unwrap_err();
    assert_eq!(error.why, "it does not answer");
    assert!(error.hint.unwrap().contains("netloom down lab"));
}

#[test]
fn an_answer_of_another_shape_is_no_panic() {
    for line in ["{\"done\":7}\n", "{\"neither\":1}\n", "\u{0}\n"] {
        let (client, _switch) = client(&[HELLO, line]);
        let error = client.unwrap().ask::<Changed>(&Request::Fdb {}).unwrap_err();
        assert_eq!(error.why, "its answer makes no sense to this program");
    }
}

#[test]
fn a_descriptor_comes_along_with_the_request() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let path = std::env::temp_dir().join(format!("netloom-scm-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let sent = file.try_clone().unwrap();
    let asking = thread::spawn(move || {
        let mut client =
            Client { what: "switch lab".into(), name: "lab".into(), stream: BufReader::new(ours) };
        let request = Request::PortAdd { spec: format!("x=fd:{}", sent.as_raw_fd()) };
        client.ask_with::<Value>(&request, Some(sent.as_fd()))
    });
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 256];
    let read = recvmsg(
        &theirs,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    );
    let read = read.unwrap().bytes;
    assert!(bytes[..read].starts_with(b"{\"port_add\":{\"spec\":\"x=fd:"));
    let Some(RecvAncillaryMessage::ScmRights(mut descriptors)) = ancillary.drain().next() else {
        panic!("no descriptor came along");
    };
    let mut twin = std::fs::File::from(descriptors.next().unwrap());
    twin.write_all(b"abc").unwrap();
    assert_eq!(file.stream_position().unwrap(), 3);
    (&theirs).write_all(b"{\"done\":{\"changed\":[]}}\n").unwrap();
    assert_eq!(asking.join().unwrap().unwrap(), json!({"changed": []}));
}
