//! What every command takes and gives: names, switches, options, hints, the demo.

use serde_json::json;
use tests::lab::{FILES, Lab};

#[test]
fn the_name_is_the_options_the_files_its_stems_or_the_default() {
    let lab = Lab::new();
    let port = "[[port]]\nname = \"a\"\nkind = \"tap\"\n";
    let named = lab.file("stem.toml", format!("[switch]\nname = \"inside\"\n{port}"));
    let unnamed = lab.file("stem.of-file.toml", port);
    let name = |words: &[&str]| {
        lab.netloom(&[&["up", "-d"], words].concat()).ok();
        let rows = lab.json(&["ls"]);
        lab.netloom(&["down"]).ok();
        rows[0]["name"].as_str().expect("a name").to_owned()
    };
    assert_eq!(name(&[]), "netloom0");
    assert_eq!(name(&["--port", "a=tap"]), "netloom0");
    assert_eq!(name(&[&unnamed]), "stem.of-file");
    assert_eq!(name(&[&named]), "inside");
    assert_eq!(name(&[&named, "--name", "option"]), "option");
    let long = "n".repeat(32);
    assert_eq!(name(&["--name", &long]), long);
    lab.netloom(&["up", "-d", "--name", &"n".repeat(33)]).refused(2);
    // A stem that can't be a name needs one.
    let odd = lab.file("a b.toml", port);
    lab.netloom(&["up", "-d", &odd]).refused(2);
    assert_eq!(name(&[&odd, "--name", "fine"]), "fine");
    lab.is_empty();
}

#[test]
fn names_may_be_as_long_as_they_may() {
    let lab = Lab::new();
    let port = "p".repeat(32);
    lab.up("x", &[&format!("{port}=tap:fifteen-bytes-x,netns=n,ifname=fifteen-bytes-y")]);
    let row = lab.port("x", &port);
    assert_eq!(
        (&row["target"], &row["ifname"]),
        (&json!("fifteen-bytes-x"), &json!("fifteen-bytes-y"))
    );
    lab.netloom(&["port", "del", &port]).ok();
    lab.netloom(&["port", "add", &format!("{}=tap:short", "p".repeat(33))]).refused(2);
    lab.end();
}

#[test]
fn a_file_and_specs_add_up() {
    let lab = Lab::new();
    let file = lab.file("lab.toml", "[[port]]\nname = \"a\"\nkind = \"tap\"\n");
    lab.netloom(&["up", "-d", &file, "--port", "b=tap", "--port", "c=tap"]).ok();
    let names: Vec<_> = lab
        .json(&["port", "ls"])
        .as_array()
        .expect("rows")
        .iter()
        .map(|r| r["name"].clone())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    lab.end();
    let lab = Lab::new();
    lab.file("lab.toml", "[[port]]\nname = \"a\"\nkind = \"tap\"\n");
    let file = format!("{FILES}/lab.toml");
    lab.netloom(&["up", "-d", &file, "--port", "a=tap:b"]).refused(2);
    lab.is_empty();
}

#[test]
fn options_stand_before_or_after_the_command() {
    let lab = Lab::new();
    lab.up("x", &["a=tap:xa"]);
    lab.up("y", &["b=tap:yb"]);
    let before = lab.netloom(&["--switch", "y", "--json", "port", "ls"]).json();
    let after = lab.netloom(&["port", "ls", "--json", "--switch", "y"]).json();
    let between = lab.netloom(&["port", "--json", "--switch=y", "ls"]).json();
    assert_eq!((&before, &before), (&after, &between));
    assert_eq!(before[0]["name"], "b");
    // Quiet says nothing, colour is there when asked for and never in JSON.
    let quiet = lab.netloom(&["-q", "--switch", "x", "fdb", "add", "02:00:00:00:00:01", "a"]);
    assert_eq!((quiet.ok().as_str(), quiet.err.as_str()), ("", ""));
    let escape = '\u{1b}';
    let colour = |when: &str, more: &[&str]| {
        let words = [&["port", "ls", "--switch", "x", "--color", when], more].concat();
        lab.netloom(&words).ok().contains(escape)
    };
    assert!(colour("always", &[]));
    assert!(!colour("never", &[]) && !colour("auto", &[]) && !colour("always", &["--json"]));
    lab.netloom(&["-v", "ls"]).ok();
    lab.end();
}

#[test]
fn what_changes_something_says_what() {
    let lab = Lab::new();
    let changes: [&[&str]; 9] = [
        &["up", "-d", "--name", "x", "--port", "a=tap"],
        &["port", "add", "b=tap,netns=n"],
        &["port", "set", "b", "access=10"],
        &["fdb", "add", "02:00:00:00:00:01", "b"],
        &["fdb", "del", "02:00:00:00:00:01"],
        &["fdb", "add", "02:00:00:00:00:02", "b"],
        &["fdb", "flush", "--static"],
        &["port", "del", "b"],
        &["down", "x"],
    ];
    for words in changes {
        let answer = lab.json(words);
        let changed = answer["changed"].as_array().unwrap_or_else(|| panic!("{words:?}: {answer}"));
        assert!(!changed.is_empty(), "{words:?}: {answer}");
        for change in changed {
            for key in ["action", "thing", "text"] {
                assert!(change[key].is_string(), "{key} of {change}");
            }
            for key in ["name", "from", "to"] {
                assert!(change[key].is_string() || change[key].is_null(), "{key} of {change}");
            }
        }
    }
    lab.is_empty();
}

#[test]
fn a_mix_of_ports_that_do_not_hear_each_other_is_hinted_at() {
    let lab = Lab::new();
    let answer = lab.up("x", &["a=tap", "b=tap,access=10"]);
    let hints: Vec<_> = answer.err.lines().collect();
    assert!(hints.len() == 1 && hints[0].starts_with("hint: untagged traffic"), "{answer:?}");
    let answer = lab.up("y", &["c=tap,access=20", "d=tap,trunk"]);
    assert_eq!(answer.err, "");
    lab.end();
}

#[test]
fn keys_of_the_switch() {
    let lab = Lab::new();
    let config = "[switch]\nageing = 0\nfdb-capacity = 64\nworkers = 2\nl2cp = \"standard\"\n\
                  [[port]]\nname = \"a\"\nkind = \"tap\"\n[[port]]\nname = \"b\"\nkind = \"tap\"\n";
    lab.up_file("x", config);
    let stats = lab.json(&["stats"]);
    assert_eq!(stats["fdb"]["capacity"], 64);
    assert_eq!(stats["workers"].as_array().expect("workers").len(), 2);
    let reserved = ["explain", "--in", "a", "dst=01:80:c2:00:00:00", "src=02:00:00:00:00:01"];
    assert_eq!(lab.json(&reserved)["reason"], "reserved-address");
    lab.netloom(&["down"]).ok();
    // A list of CPUs pins.
    lab.up_file("x", "[switch]\nworkers = \"0\"\n");
    assert_eq!(lab.json(&["stats"])["workers"][0]["cpu"], 0);
    lab.end();
    for wrong in
        ["ageing = 9", "ageing = 1000001", "fdb-capacity = 63", "workers = 0", "engine = \"x\""]
    {
        let lab = Lab::new();
        let file = lab.file("x.toml", format!("[switch]\n{wrong}\n"));
        lab.netloom(&["up", "-d", &file]).refused(2);
        lab.is_empty();
    }
}

#[test]
fn the_demo_shows_traffic_and_leaves_nothing() {
    let lab = Lab::new();
    let text = lab.netloom(&["demo"]).ok();
    assert!(!text.is_empty());
    lab.is_empty();
    // Beside a switch that runs, and as a document.
    lab.up("x", &["a=tap"]);
    let before = lab.inventory();
    let document = lab.json(&["demo"]);
    assert!(document["ping"]["received"].as_u64() > Some(0), "{document}");
    assert_eq!(document["fdb"].as_array().expect("rows").len(), 2);
    assert_eq!(lab.inventory(), before);
    lab.end();
}
