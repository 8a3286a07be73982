//! What the pages say, and that what they say is so.

use std::ffi::OsString;
use std::process::{Command as Process, Stdio};

use super::*;
use crate::args::parse;
use crate::config::{parse_file, parse_spec};

/// netloom(1) without roff's escapes and fonts.
fn plain() -> String {
    let text = String::from_utf8(page().unwrap()).unwrap();
    let text = text.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\\\", "\\");
    ["\\fB", "\\fI", "\\fR"].iter().fold(text, |text, font| text.replace(font, ""))
}

#[test]
fn the_page_says_every_command_option_and_key() {
    let page = plain();
    for (path, command) in commands(&definition()) {
        assert!(page.contains(&format!("\nnetloom {path}")), "{path}");
        for argument in own_arguments(command) {
            let values = argument.get_action().takes_values();
            let words = argument.get_value_names().filter(|_| values).unwrap_or_default();
            let long = argument.get_long().map(|long| format!("--{long}"));
            let words = long.into_iter().chain(words.iter().map(ToString::to_string));
            words.for_each(|word| assert!(page.contains(&word), "{path}: {word}"));
        }
    }
    for row in kind_reference()
        .iter()
        .chain(&spec_reference())
        .chain(&file_reference())
        .chain(&head_reference())
    {
        assert!(page.contains(&explained(row)), "{}", row.name);
        assert!(page.contains(&format!("\n.TP\n{}\n", row.form)), "{}", row.form);
    }
    for (_, meaning) in STATUSES {
        assert!(page.contains(&sentence(meaning)), "{meaning}");
    }
}

#[test]
fn the_sections_are_those_of_a_man_page() {
    let page = plain();
    let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    assert_eq!(
        sections.iter().map(|section| section.trim_matches('"')).collect::<Vec<_>>(),
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "OPTIONS",
            "PORT SPECIFICATION",
            "FILE",
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "EXAMPLES",
            "SEE ALSO"
        ]
    );
}

#[test]
fn forms_have_their_values() {
    let page = plain();
    for form in [
        "netloom demo",
        "netloom up [--port SPEC]... [--name NAME] [--lane MODE] [-d] [FILE]",
        "netloom port set NAME KEY=VALUE...",
        "netloom fdb add [--vlan VID] MAC PORT",
        "netloom explain --in PORT FRAME...",
        "netloom exec NETNS -- CMD...",
        "netloom stats [--watch] [PORT]",
    ] {
        assert!(page.contains(&format!("\n{form}\n")), "{form}");
    }
}

#[test]
fn keys_say_what_they_take() {
    let page = plain();
    for words in [
        "MODE: passthru, bridge, private or vepa. For macvtap. Default: passthru.",
        "VID: a VID from 1 to 4094.",
        "BYTES: a number from 68 to 65521.",
        "Default: 0: no limit.",
        "[default: 131072]",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn the_examples_are_right() {
    for line in words::EXAMPLES.iter().flat_map(|(_, lines)| *lines) {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        let cli = parse(&words).unwrap_or_else(|stop| panic!("{line}: {stop:?}"));
        match cli.command {
            args::Command::Up(up) => {
                up.ports.iter().for_each(|spec| drop(parse_spec(spec).unwrap()));
            }
            args::Command::Port(args::PortCommand::Add { spec }) => {
                drop(parse_spec(&spec).unwrap());
            }
            _ => {}
        }
    }
    assert_eq!(parse_file("lab.toml".as_ref(), words::FILE).unwrap().ports.len(), 2);
}

#[test]
fn a_directory_gets_a_page_a_command_and_groff_likes_them() {
    let parent = std::env::temp_dir().join(format!("netloom-man-{}", std::process::id()));
    let dir = parent.join("deep");
    write_pages(&dir).unwrap();
    let pages: Vec<_> = fs::read_dir(&dir).unwrap().map(|page| page.unwrap().path()).collect();
    let there =
        ["netloom.1", "netloom-up.1", "netloom-port-add.1"].map(|name| dir.join(name).is_file());
    let told: Vec<_> = pages.iter().map(|page| complaints(page)).collect();
    let up = fs::read_to_string(dir.join("netloom-up.1")).unwrap();
    fs::remove_dir_all(&parent).unwrap();
    assert_eq!(there, [true; 3]);
    assert!(!up.contains("EXTRA") && up.contains("netloom up"), "{up}");
    for (page, told) in pages.iter().zip(told) {
        assert_eq!(told, "", "{}", page.display());
    }
}

/// What groff says about a page.
fn complaints(page: &Path) -> String {
    let groff = Process::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-z"])
        .arg(page)
        .stdin(Stdio::null())
        .output();
    let output = groff.expect("groff, of Debian's groff-base: tests/run installs it");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
