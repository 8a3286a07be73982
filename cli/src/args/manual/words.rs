//! What the man page says beyond the command line's and the configuration's definitions.

/// What Netloom is, a paragraph each.
pub(super) const DESCRIPTION: [&str; 3] = [
    "Netloom is an Ethernet switch that runs as an ordinary program. It joins TAP and macvtap \
     devices, network namespaces and virtual machines into one network, with MAC learning and \
     VLANs; makes the namespaces and netdevs its ports need, and takes away everything it made.",
    "netloom up starts a switch, in the foreground or (-d) in the background. The other commands \
     speak to a running switch. Which one is said with --switch NAME; while exactly one runs, it \
     is that one.",
    "What is asked for goes to standard output, errors and hints to standard error. With --json \
     both are JSON: one document, or with --watch one a line.",
];

/// What `exec` adds to the exit statuses.
pub(super) const EXEC_STATUS: &str = "netloom exec ends with the status of the command it ran, or with 127 if there is no such \
     command.";

/// Files, and what is in them.
pub(super) const FILES: [(&str, &str); 5] = [
    (
        "/run/netloom/NAME/",
        "What belongs to the switch NAME while it runs; $XDG_RUNTIME_DIR/netloom/NAME/ for other \
         users than root. A socket's path has at most 107 bytes.",
    ),
    (
        "/run/netloom/NAME/control.sock",
        "The control socket. Who may write to it commands the switch.",
    ),
    (
        "/run/netloom/NAME/log",
        "What happened, a line each with its time. A line that comes more than five times within \
         ten seconds is counted, and said again with the count. At 1 MiB the file becomes log.1 \
         in place of the one before it.",
    ),
    (
        "/run/netloom/NAME/made",
        "All that the switch made. After a kill, netloom down NAME takes it away by this record.",
    ),
    ("/run/netns/", "The named namespaces, as ip-netns(8) has them."),
];

/// Variables of the environment, and what they change.
pub(super) const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "NETLOOM_RUN_DIR",
        "The directory that holds the switches' directories, instead of /run/netloom.",
    ),
    ("XDG_RUNTIME_DIR", "For other users than root that directory is netloom in this one."),
    ("NO_COLOR", "If it is set, output is not coloured unless --color says so."),
];

/// What for, and what is typed.
pub(super) const EXAMPLES: [(&str, &[&str]); 6] = [
    ("See a switch at work, and nothing left afterwards:", &["netloom demo"]),
    (
        "Join two namespaces, and send pings between them:",
        &[
            "netloom up -d --name lab --port alice=tap,netns=alice,addr=10.0.0.1/24 \
             --port bob=tap,netns=bob,addr=10.0.0.2/24",
            "netloom exec alice -- ping -c 3 10.0.0.2",
        ],
    ),
    (
        "Put a port into a VLAN, and add one that carries several:",
        &[
            "netloom port set alice access=10",
            "netloom port add uplink=macvtap:eth1,trunk=10+20-29,native=1",
        ],
    ),
    (
        "See why a frame goes where it goes:",
        &["netloom explain --in alice dst=ff:ff:ff:ff:ff:ff src=02:00:00:00:00:0a"],
    ),
    ("Start what a file describes:", &["netloom up -d lab.toml"]),
    ("Stop the switch and take away all that it made:", &["netloom down lab"]),
];

/// A file.
pub(super) const FILE: &str = "\
[switch]
name = \"lab\"
ageing = \"300s\"

[[port]]
name = \"alice\"
kind = \"tap\"
netns = \"alice\"
addr = [\"10.0.0.1/24\", \"fd00::1/64\"]
access = 10

[[port]]
name = \"uplink\"
kind = \"macvtap\"
target = \"eth1\"
trunk = [10, \"20-29\"]
native = 1
";

/// Pages to read beside this one.
pub(super) const SEE_ALSO: &str = "ip-netns(8), ip-link(8), bridge(8)";
