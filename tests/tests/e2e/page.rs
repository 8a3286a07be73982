//! `docs/control.md`, held against a switch: its examples, and its client.

use serde_json::Value;
use tests::control::Conversation;
use tests::lab::{Lab, has};

const PAGE: &str = include_str!("../../../docs/control.md");
const SOCKET: &str = "/run/netloom/lab/control.sock";

/// Where two documents have different members or types of value.
fn differences(place: &str, page: &Value, real: &Value, found: &mut Vec<String>) {
    match (page, real) {
        (Value::Object(page), Value::Object(real)) => {
            let names = |members: &serde_json::Map<String, Value>| {
                members.keys().cloned().collect::<std::collections::BTreeSet<_>>()
            };
            for name in names(page).symmetric_difference(&names(real)) {
                // The reasons there happened to be a drop for.
                if !place.ends_with(".drops") {
                    found.push(format!("{place}.{name} is not in both"));
                }
            }
            for (name, value) in page {
                if let Some(real) = real.get(name) {
                    differences(&format!("{place}.{name}"), value, real, found);
                }
            }
        }
        (Value::Array(page), Value::Array(real)) => {
            if let (Some(page), Some(real)) = (page.first(), real.first()) {
                differences(&format!("{place}[0]"), page, real, found);
            }
        }
        // Not known, or does not apply.
        (Value::Null, _) | (_, Value::Null) => {}
        (page, real) if std::mem::discriminant(page) == std::mem::discriminant(real) => {}
        (page, real) => found.push(format!("{place} is {page} and {real}")),
    }
}

#[test]
fn the_examples_of_the_page_are_what_a_switch_says() {
    let lab = Lab::new();
    lab.up("lab", &["alice=tap,netns=alice", "bob=tap,netns=bob"]);
    let socket = lab.path(SOCKET);
    let mut conversation = Conversation::begin(&socket).expect("a conversation");
    let mut found = Vec::new();
    let mut asked = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(request) = line.strip_prefix("> ").filter(|line| !line.contains("netloom")) else {
            continue;
        };
        let page = lines.next().and_then(|line| line.strip_prefix("< ")).expect("an answer");
        let page: Value = serde_json::from_str(page).expect("JSON");
        let real = conversation.ask(&format!("{request}\n")).expect("an answer");
        differences(request, &page, &real, &mut found);
        if page["failed"]["what"] == "control socket" {
            assert_eq!(page, real);
            conversation = Conversation::begin(&socket).expect("a conversation");
        }
        let request: Value = serde_json::from_str(request).expect("JSON");
        asked.extend(request.as_object().expect("a request").keys().cloned());
    }
    assert!(found.is_empty(), "{found:#?}");
    let (_, table) = PAGE.split_once("| request |").expect("a table of requests");
    let rows = table.lines().take_while(|line| !line.is_empty()).skip(2);
    for row in rows {
        let request = row.split('`').nth(1).expect("a request");
        assert!(asked.iter().any(|asked| asked == request), "{request} has no example");
    }
    assert_eq!(asked.last().map(String::as_str), Some("stop"));
    lab.is_empty();
}

#[test]
fn the_client_of_the_page_hands_a_tap_over() {
    if !has("python3") {
        return;
    }
    let lab = Lab::new();
    lab.up("lab", &["alice=tap,netns=alice"]);
    let (_, client) = PAGE.split_once("```python\n").expect("a client");
    let (client, _) = client.split_once("```").expect("its end");
    let file = lab.file("client.py", client);
    let said = lab.run(&["python3", &file, "lab"]).ok();
    assert_eq!(said, "alice tap up\nguest fd down\n");
    assert_eq!(lab.port("lab", "guest")["ifname"], "tap0");
    lab.end();
}
