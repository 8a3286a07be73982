//! Configuration files with mistakes in them, and very long ones.

use std::fmt::Write;

use tests::lab::{FILES, contains};

use crate::mistakes::{check, with_a_switch};

#[test]
fn wrong_files_are_told_with_line_and_column() {
    let lab = with_a_switch();
    let port = "[[port]]\nname = \"c\"\nkind = \"tap\"\n";
    let files = [
        (format!("{port}acess = 10\n"), ":4:1: unknown key \"acess\"", "did you mean \"access\"?"),
        ("[switch]\nagein = 3\n".into(), ":2:1: unknown key \"agein\"", "\"ageing\""),
        ("[switch]\nageing = 3\n".into(), ":2:10:", ""),
        ("[switch]\nfdb-capacity = 1\n".into(), ":2:16:", ""),
        ("[switch]\nname = \"a b\"\n".into(), ":2:8:", ""),
        ("[swich]\n".into(), ":1:2: unknown", "[switch]"),
        ("[port]\nname = \"c\"\n".into(), ":1:", ""),
        (format!("{port}{port}"), "used twice", ""),
        (format!("{port}access = 4095\n"), ":4:10:", ""),
        (format!("{port}access = [10]\n"), ":4:10:", ""),
        (format!("{port}addr = [\"10.0.0.1/24\", \"10.0.0.2\"]\n"), ":4:24:", ""),
        (format!("{port}mode = \"bridge\"\n"), ":4:1: key \"mode\" does not belong", "macvtap"),
        (format!("{port}trunk = true\naccess = 3\n"), "exclude each other", ""),
        ("[[port]]\nname = \"c\"\n".into(), "kind", ""),
        ("[[port]]\nkind = \"tap\"\n".into(), "name", ""),
        ("[[port]\n".into(), ":1:", ""),
        ("name = \n".into(), ":1:", ""),
        ("\u{0}\u{1}".into(), ":1:", ""),
    ];
    for (number, (content, message, hint)) in files.iter().enumerate() {
        let file = lab.file(&format!("lab{number}.toml"), content);
        check(&lab, &[(2, &["up", "--name", "y", &file], message, hint)]);
        contains(&lab.netloom(&["up", "--name", "y", &file]).err, &file);
    }
    let binary = lab.file("binary.toml", [0xff, 0xfe, 0x00]);
    check(
        &lab,
        &[
            (2, &["up", &binary], "binary.toml", ""),
            (2, &["up", "/run/files/nowhere.toml"], "/run/files/nowhere.toml", ""),
            (2, &["up", FILES], FILES, ""),
        ],
    );
    lab.end();
}

#[test]
fn cpus_that_the_host_lacks() {
    let lab = with_a_switch();
    let file = lab.file("cpus.toml", "[switch]\nname = \"y\"\nworkers = \"1000-1003\"\n");
    let why = "cpus.toml:3:11: workers names CPU 1000, which this process can't use";
    check(&lab, &[(2, &["up", &file], why, "it can use "), (2, &["up", "-d", &file], why, "")]);
    lab.end();
}

#[test]
fn ten_thousand_lines() {
    let lab = with_a_switch();
    let mut ports = String::new();
    for number in 0..2500 {
        let _ = write!(ports, "[[port]]\nname = \"p{number}\"\nkind = \"tap\"\naccess = 10\n");
    }
    assert_eq!(ports.lines().count(), 10_000);
    let wrong_at_its_end = ports.replace("\"p2499\"\nkind = \"tap\"", "\"p2499\"\nkind = \"tpa\"");
    let file = lab.file("long.toml", wrong_at_its_end);
    check(&lab, &[(2, &["up", "--name", "y", &file], ":9999:", "did you mean \"tap\"?")]);

    let used_twice = ports.replace("\"p2499\"", "\"p0\"");
    let file = lab.file("twice.toml", used_twice);
    check(&lab, &[(2, &["up", "--name", "y", &file], "used twice", "")]);

    let mut too_many = ports.clone();
    for number in 2500..4097 {
        let _ = write!(too_many, "[[port]]\nname = \"p{number}\"\nkind = \"tap\"\n");
    }
    let file = lab.file("many.toml", too_many);
    check(&lab, &[(2, &["up", "--name", "y", &file], "4096", "")]);

    // One that is long and right.
    let comments = "# nothing\n".repeat(9997);
    let file =
        lab.file("right.toml", format!("{comments}[[port]]\nname = \"c\"\nkind = \"tap\"\n"));
    assert_eq!(lab.netloom(&["up", "-d", &file]).ok(), "switch right forwards with 1 port\n");
    lab.end();
}
