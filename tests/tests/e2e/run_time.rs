//! The run-time directory: where it is, and what happens when it is no good.

use serde_json::json;
use tests::lab::{Answer, Lab};

fn with_directory(lab: &Lab, directory: &str, words: &[&str]) -> Answer {
    let variable = format!("NETLOOM_RUN_DIR={directory}");
    lab.run(&[&["env", "-C", "/run/files", &variable, "/run/bin/netloom"], words].concat())
}

const UP: [&str; 6] = ["up", "-d", "--name", "x", "--port", "b=tap,netns=nb"];

#[test]
fn a_directory_of_the_users_choice() {
    let lab = Lab::new();
    lab.up("x", &["a=tap"]);
    // A relative one is the caller's, not the daemon's, which has left for /.
    for directory in ["/run/files/own", "own"] {
        with_directory(&lab, directory, &UP).ok();
        assert!(lab.path("/run/files/own/x/control.sock").exists());
        let rows = with_directory(&lab, directory, &["port", "ls", "--json"]).json();
        assert_eq!((rows.as_array().map(Vec::len), &rows[0]["name"]), (Some(1), &json!("b")));
        with_directory(&lab, directory, &["down", "x"]).ok();
        assert!(!lab.path("/run/files/own").exists());
    }
    lab.end();
}

/// What Netloom did not make is not Netloom's to remove, empty or not.
#[test]
fn a_directory_that_was_there_stays() {
    let lab = Lab::new();
    lab.run(&["mkdir", "/run/files/mine"]).ok();
    let left = || {
        let files = std::fs::read_dir(lab.path("/run/files/mine")).expect("it is there");
        files.map(|file| file.expect("a file").file_name()).collect::<Vec<_>>()
    };
    with_directory(&lab, "/run/files/mine", &UP).ok();
    with_directory(&lab, "/run/files/mine", &["down", "x"]).ok();
    assert!(left().is_empty(), "{:?}", left());
    // A failed one leaves nothing in it, and none where there was none.
    let bad = [&UP[..4], &["--port", "b=tap,netns=nb,ifname=lo"]].concat();
    for directory in ["/run/files/mine", "/run/files/none"] {
        with_directory(&lab, directory, &bad).refused(1);
    }
    assert!(left().is_empty(), "{:?}", left());
    assert!(!lab.path("/run/files/none").exists());
    lab.end();
}

#[test]
fn one_that_is_no_good_is_told_and_nothing_is_made() {
    let lab = Lab::new();
    let long = format!("/run/files/{}", "d".repeat(110));
    let plain = lab.file("plain", "a file");
    lab.run(&["mkdir", "/run/files/read-only"]).ok();
    lab.run(&["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/run/files/read-only"]).ok();
    let told = with_directory(&lab, &long, &UP).refused(1);
    assert!(told.ends_with("at most 107 bytes, this one 136"), "{told}");
    for directory in [&long, &plain, "/run/files/read-only"] {
        let answer = with_directory(&lab, directory, &UP);
        assert!(answer.refused(1).contains(directory), "{answer:#?}");
        assert!(answer.hint().contains("NETLOOM_RUN_DIR"), "{answer:#?}");
        assert!(!lab.path(&long).exists(), "{long} was made");
        lab.is_empty();
    }
}

#[test]
fn what_can_not_be_recorded_is_not_made() {
    let lab = Lab::new();
    lab.run(&["mkdir", "/run/files/full"]).ok();
    lab.run(&["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/run/files/full"]).ok();
    let ports: Vec<_> = (0..40).map(|n| format!("p{n}=tap,netns=n")).collect();
    let words = ports.iter().flat_map(|port| ["--port", port]);
    let words: Vec<_> = ["up", "-d", "--name", "x"].into_iter().chain(words).collect();
    let message = with_directory(&lab, "/run/files/full", &words).refused(1);
    assert!(message.contains("no space left"), "{message}");
    assert_eq!(std::fs::read_dir(lab.path("/run/files/full")).expect("a directory").count(), 0);
    lab.is_empty();
}

#[test]
fn a_switch_whose_socket_was_removed_can_still_be_stopped() {
    let lab = Lab::new();
    lab.up("x", &["a=tap,netns=n"]);
    std::fs::remove_file(lab.path("/run/netloom/x/control.sock")).expect("the socket");
    assert_eq!(lab.json(&["ls"])[0]["state"], "running");
    let pid = lab.pid("x");
    let answer = lab.netloom(&["down", "x"]);
    answer.refused(1);
    assert!(answer.hint().contains(&format!("kill {pid}")), "{answer:#?}");
    lab.signal(pid, "TERM");
    lab.is_empty();
}
