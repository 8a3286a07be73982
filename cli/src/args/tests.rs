//! What the command line takes, and how its mistakes are told.

use io_backends::ErrorKind;

use super::*;
use crate::args::help::GROUPS;
use crate::error;

fn words(line: &[&str]) -> Vec<OsString> {
    std::iter::once("netloom").chain(line.iter().copied()).map(OsString::from).collect()
}

fn read(line: &str) -> Cli {
    let line: Vec<_> = line.split(' ').collect();
    parse(&words(&line)).unwrap_or_else(|stop| panic!("{line:?}: {stop:?}"))
}

/// How the mistake in a line is told; it always exits 2.
fn told(line: &[&str]) -> String {
    match parse(&words(line)) {
        Err(Stop::Mistake { error, json, .. }) => {
            assert_eq!(error.kind, ErrorKind::Usage);
            let text = if json { error::as_json(&error) } else { error::as_text(&error, false) };
            text.trim_end().to_owned()
        }
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn the_definition_holds_together() {
    command().debug_assert();
}

#[test]
fn every_command_is_in_one_group() {
    let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    grouped.retain(|name| *name != "bench" || cfg!(feature = "bench"));
    let mut built = command();
    built.build();
    let mut there: Vec<_> = built.get_subcommands().map(clap::Command::get_name).collect();
    grouped.sort_unstable();
    there.sort_unstable();
    assert_eq!(grouped, there);
}

#[test]
fn every_command_reads() {
    assert_eq!(read("demo").command, Command::Demo);
    assert_eq!(read("doctor").command, Command::Doctor);
    assert_eq!(read("ls").command, Command::Ls);
    assert_eq!(
        read("up lab.toml --port a=tap --port b=fd:3 --name x -d").command,
        Command::Up(Up {
            file: Some("lab.toml".into()),
            ports: vec!["a=tap".into(), "b=fd:3".into()],
            name: Some("x".into()),
            lane: None,
            detach: true,
        })
    );
    assert_eq!(read("down x").command, Command::Down(Down { name: Some("x".into()), all: false }));
    assert_eq!(read("down --all").command, Command::Down(Down { name: None, all: true }));
    assert_eq!(read("port ls").command, Command::Port(PortCommand::Ls));
    assert_eq!(
        read("port add a=tap").command,
        Command::Port(PortCommand::Add { spec: "a=tap".into() })
    );
    assert_eq!(read("port del a").command, Command::Port(PortCommand::Del { name: "a".into() }));
    assert_eq!(
        read("port set a access=5 isolated").command,
        Command::Port(PortCommand::Set {
            name: "a".into(),
            settings: vec!["access=5".into(), "isolated".into()]
        })
    );
    assert_eq!(read("vlan ls").command, Command::Vlan(VlanCommand::Ls));
    assert_eq!(
        read("stats a --watch").command,
        Command::Stats(Stats { port: Some("a".into()), watch: true })
    );
    assert_eq!(
        read("explain --in a dst=x src=y vlan=1").command,
        Command::Explain(Explain {
            ingress: "a".into(),
            frame: vec!["dst=x".into(), "src=y".into(), "vlan=1".into()]
        })
    );
    assert_eq!(
        read("exec ns -- ls --json -x").command,
        Command::Exec(Exec {
            netns: "ns".into(),
            command: ["ls", "--json", "-x"].map(OsString::from).to_vec()
        })
    );
    assert_eq!(read("completions bash").command, Command::Completions { shell: Shell::Bash });
    assert_eq!(read("man d").command, Command::Man { dir: Some("d".into()) });
}

#[test]
fn every_fdb_command_reads() {
    let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
    assert_eq!(read("fdb ls").command, Command::Fdb(FdbCommand::Ls));
    assert_eq!(
        read("fdb add 02:00:00:00:00:0a p --vlan 10").command,
        Command::Fdb(FdbCommand::Add { mac, port: "p".into(), vlan: Vid::new(10) })
    );
    assert_eq!(
        read("fdb del 02:00:00:00:00:0a --vlan 0").command,
        Command::Fdb(FdbCommand::Del { mac, vlan: Some(Vid::UNTAGGED) })
    );
    assert_eq!(
        read("fdb flush --port p --vlan 4094 --static").command,
        Command::Fdb(FdbCommand::Flush(Flush {
            port: Some("p".into()),
            vlan: Vid::new(4094),
            statics: true
        }))
    );
}

#[test]
fn options_of_every_command_stand_anywhere() {
    for line in [
        "--switch x --json -v --color never port ls",
        "port --switch x --json -v --color never ls",
        "port ls --switch x --json -v --color=never",
        "--json port ls -v --switch=x --color never",
    ] {
        let global = read(line).global;
        let expected = Global {
            switch: Some("x".into()),
            json: true,
            verbose: 1,
            quiet: false,
            color: Color::Never,
        };
        assert_eq!(global, expected, "{line}");
    }
    assert_eq!(read("ls -vv").global.verbose, 2);
    assert!(read("-q ls").global.quiet);
}

#[test]
fn help_and_version_are_no_mistakes() {
    for line in ["--help", "-h", "--version", "help", "port --help", "help port add", "up -h"] {
        let line: Vec<_> = line.split(' ').collect();
        assert!(matches!(parse(&words(&line)), Err(Stop::Shown(_))), "{line:?}");
    }
}

#[test]
fn mistakes_are_one_line_and_one_hint() {
    let bench = if cfg!(feature = "bench") { "bench, " } else { "" };
    let commands = format!(
        "netloom: command line: needs a command\nhint: the commands are demo, doctor, {bench}up, \
         down, ls, port, fdb, vlan, stats, explain, exec, completions, man"
    );
    for (line, expected) in [
        (&[][..], &*commands),
        (&["upp"], "netloom: upp: no such command\nhint: did you mean \"up\"?"),
        (&["port"], "netloom: port: needs a command\nhint: the commands are ls, add, del, set"),
        (&["ls", "--jsn"], "netloom: --jsn: no such option\nhint: did you mean \"--json\"?"),
        (&["ls", "x"], "netloom: x: one word too many\nhint: usage: netloom ls [OPTIONS]"),
        (&["ls", "--switch"], "netloom: --switch: needs a value"),
        (
            &["ls", "--switch", "a b"],
            "netloom: --switch \"a b\": not a name: a letter or digit, then up to 31 letters, \
             digits, \"_\", \".\" or \"-\"",
        ),
        (&["ls", "--color", "blue"], "netloom: --color \"blue\": not one of auto, always, never"),
        (&["fdb", "add"], "netloom: MAC, PORT: missing\nhint: usage: netloom fdb add <MAC> <PORT>"),
        (
            &["fdb", "del", "ff:ff:ff:ff:ff:ff"],
            "netloom: MAC \"ff:ff:ff:ff:ff:ff\": not the address of one station",
        ),
        (
            &["fdb", "flush", "--vlan", "4095"],
            "netloom: --vlan \"4095\": not a VID from 1 to 4094, or 0 for untagged traffic",
        ),
        (
            &["explain", "00"],
            "netloom: --in PORT: missing\nhint: usage: netloom explain --in <PORT> <FRAME>...",
        ),
        (
            &["exec", "ns", "ls"],
            "netloom: ls: one word too many\n\
             hint: the command comes after two dashes: netloom exec NETNS -- CMD...",
        ),
        (
            &["exec", "ns", "-c", "id"],
            "netloom: -c: no such option\n\
             hint: the command comes after two dashes: netloom exec NETNS -- CMD...",
        ),
        (&["start"], "netloom: start: no such command\nhint: did you mean \"up\"?"),
        (&["stop"], "netloom: stop: no such command\nhint: did you mean \"down\"?"),
        (&["list"], "netloom: list: no such command\nhint: did you mean \"ls\"?"),
        (&["status"], "netloom: status: no such command\nhint: did you mean \"ls\"?"),
        (&["show"], "netloom: show: no such command\nhint: did you mean \"ls\"?"),
        (&["add"], "netloom: add: no such command\nhint: did you mean \"port add\"?"),
        (&["delete"], "netloom: delete: no such command\nhint: did you mean \"down\"?"),
        (
            &["--switch", "x", "port", "delete", "a"],
            "netloom: delete: no such command\nhint: did you mean \"del\"?",
        ),
        (&["fdb", "show"], "netloom: show: no such command\nhint: did you mean \"ls\"?"),
        (&["fdb", "clear"], "netloom: clear: no such command\nhint: did you mean \"flush\"?"),
        (&["stat"], "netloom: stat: no such command\nhint: did you mean \"stats\"?"),
        (
            &["port", "set", "a"],
            "netloom: KEY=VALUE: missing\nhint: usage: netloom port set <NAME> <KEY=VALUE>...",
        ),
        (
            &["down", "x", "--all"],
            "netloom: NAME: can't go with --all\nhint: usage: netloom down <NAME>",
        ),
        (
            &["ls", "--json=1"],
            "{\"error\":{\"what\":\"--json\",\"why\":\"takes no value like \\\"1\\\"\",\
             \"hint\":\"usage: netloom ls --json\"}}",
        ),
        (
            &["--json", "lss"],
            "{\"error\":{\"what\":\"lss\",\"why\":\"no such command\",\"hint\":\"did you mean \\\"ls\\\"?\"}}",
        ),
    ] {
        assert_eq!(told(line), expected, "{line:?}");
    }
}

#[test]
fn words_behind_two_dashes_are_not_ours() {
    assert!(told(&["exec", "--", "ls", "--json"]).starts_with("netloom: NETNS"));
}
