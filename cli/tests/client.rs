//! The program as a caller meets it: exit statuses, documents, and switches that don't answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A run-time directory of a test's own. Switches and directory go with the value.
struct Sandbox {
    name: String,
    dir: PathBuf,
}

impl Sandbox {
    fn new() -> Sandbox {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("c{}x{}", id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Sandbox { dir: std::env::temp_dir().join(format!("netloom-{name}")), name }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_netloom"))
            .args(arguments)
            .env("NETLOOM_RUN_DIR", &self.dir)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The exit status, and what a successful `--json` printed.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["--json"], arguments].concat());
        let text = if output.status.success() { &output.stdout } else { &output.stderr };
        let document = serde_json::from_slice(text);
        (code(&output), document.unwrap_or_else(|_| panic!("{arguments:?}: {output:?}")))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.run(&["down", "--all"]);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A namespace of `ip netns`. It goes with the value.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Namespace {
        let made = Command::new("ip").args(["netns", "add", name]).status().unwrap();
        assert!(made.success());
        Namespace(name.into())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

/// Waits until what is seen is this, at most ten seconds.
#[track_caller]
fn becomes<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug + ?Sized>(
    mut look: impl FnMut() -> T,
    wanted: &U,
) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = look();
        if seen == *wanted {
            return;
        }
        assert!(Instant::now() < deadline, "still {seen:?}, not {wanted:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn exec_runs_in_the_namespace_and_returns_the_commands_status() {
    let sandbox = Sandbox::new();
    let there = Namespace::new(&sandbox.name);
    let exec = |command: &[&str]| sandbox.run(&[&["exec", &there.0, "--"], command].concat());

    let inside = exec(&["readlink", "/proc/self/ns/net"]);
    let outside = fs::read_link("/proc/self/ns/net").unwrap();
    assert!(text(&inside.stdout).starts_with("net:["), "{inside:?}");
    assert_ne!(Path::new(text(&inside.stdout).trim()), outside);

    assert_eq!(code(&exec(&["sh", "-c", "exit 5"])), 5);
    assert_eq!(text(&exec(&["printf", "%s|", "a b", "--json", ""]).stdout), "a b|--json||");
    let absent = exec(&["no-such-command"]);
    assert_eq!(code(&absent), 127);
    assert_eq!(text(&absent.stderr), "netloom: no-such-command: command not found\n");
    assert_eq!(code(&exec(&["/etc/passwd"])), 126);

    let path = format!("/run/netns/{}", there.0);
    assert_eq!(code(&sandbox.run(&["exec", &path, "--", "true"])), 0);
}

#[test]
fn exec_where_there_is_no_namespace() {
    let sandbox = Sandbox::new();
    for (name, status) in [(sandbox.name.as_str(), 3), ("/nowhere/at/all", 3), ("a/b", 2)] {
        let output = sandbox.run(&["exec", name, "--", "true"]);
        assert_eq!(code(&output), status, "{output:?}");
        assert_eq!(text(&output.stderr).matches("netloom: ").count(), 1, "{output:?}");
    }
}

#[test]
fn without_a_switch_every_question_is_3_and_stdout_stays_empty() {
    let sandbox = Sandbox::new();
    for question in [
        &["port", "ls"][..],
        &["port", "add", "a=tap"],
        &["port", "del", "a"],
        &["port", "set", "a", "isolated"],
        &["fdb", "ls"],
        &["fdb", "add", "02:00:00:00:00:0a", "a"],
        &["fdb", "del", "02:00:00:00:00:0a"],
        &["fdb", "flush"],
        &["vlan", "ls"],
        &["stats"],
        &["stats", "--watch"],
        &["explain", "--in", "a", "00"],
        &["down"],
        &["ls", "--switch", "a"],
    ] {
        let output = sandbox.run(&[&["--json"], question].concat());
        assert_eq!(code(&output), 3, "{question:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{question:?}: {output:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(error["error"]["why"].is_string(), "{error}");
    }
    assert_eq!(sandbox.json(&["ls"]), (0, json!([])));
    assert_eq!(text(&sandbox.run(&["ls"]).stdout), "no switches\n");
    assert_eq!(sandbox.json(&["down", "--all"]), (0, json!({"changed": []})));
    assert!(!sandbox.dir.exists(), "asking made something");
}

#[test]
fn what_is_typed_wrong_is_2_before_a_switch_is_looked_for() {
    let sandbox = Sandbox::new();
    for wrong in [
        &["port", "add", "a"][..],
        &["port", "add", "a=tap,acces=1"],
        &["port", "set", "a", "netns=b"],
        &["port", "set", "a", "access=4095"],
        &["fdb", "add", "01:00:5e:00:00:01", "a"],
        &["fdb", "flush", "--vlan", "4095"],
        &["explain", "--in", "a", "0"],
        &["explain", "--in", "a", "dst=02:00:00:00:00:0a"],
        &["stats", "-a"],
    ] {
        let (status, error) = sandbox.json(wrong);
        assert_eq!(status, 2, "{wrong:?}: {error}");
    }
}

#[test]
fn a_descriptor_that_is_not_there_is_1() {
    let sandbox = Sandbox::new();
    let (status, error) = sandbox.json(&["port", "add", "a=fd:99"]);
    assert_eq!((status, &error["error"]["why"]), (1, &json!("is not open")));
}

#[test]
fn a_switch_that_hangs_and_one_that_was_killed_have_their_rows() {
    let sandbox = Sandbox::new();
    let name = sandbox.name.as_str();
    assert_eq!(code(&sandbox.run(&["up", "-d", "--name", name])), 0);
    let row = || sandbox.json(&["ls"]).1[0].clone();
    let running = row();
    assert_eq!((&running["state"], &running["ports"]), (&json!("running"), &json!(0)));
    let pid = i32::try_from(running["pid"].as_i64().unwrap()).ok().and_then(Pid::from_raw);

    kill_process(pid.unwrap(), Signal::STOP).unwrap();
    let pid_known = running["pid"].clone();
    let hung =
        json!({"name": name, "pid": pid_known, "uptime": null, "ports": null, "state": "running"});
    assert_eq!(row(), hung);

    kill_process(pid.unwrap(), Signal::KILL).unwrap();
    let dead = json!({"name": name, "pid": null, "uptime": null, "ports": null, "state": "dead"});
    becomes(row, &dead);
    let (status, error) = sandbox.json(&["stats", "--switch", name]);
    assert_eq!((status, &error["error"]["why"]), (3, &json!("it was killed")));
    assert_eq!(code(&sandbox.run(&["down", name])), 0);
    assert!(!sandbox.dir.exists(), "something is left");
}

#[test]
fn a_stream_ends_when_its_reader_does() {
    let sandbox = Sandbox::new();
    assert_eq!(code(&sandbox.run(&["up", "-d", "--name", &sandbox.name])), 0);
    let mut watch = Command::new(env!("CARGO_BIN_EXE_netloom"))
        .args(["stats", "--watch", "--json"])
        .env("NETLOOM_RUN_DIR", &sandbox.dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(watch.stdout.take().unwrap());
    let mut uptimes = Vec::new();
    for _ in 0..2 {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        uptimes.push(document["uptime"].as_f64().unwrap());
    }
    assert!(uptimes[0] < uptimes[1], "{uptimes:?}");
    drop(lines);
    let output = watch.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, ""));
}

/// `stats --watch --json`, after its first line.
fn watching(sandbox: &Sandbox) -> Child {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_netloom"))
        .args(["stats", "--watch", "--json", "--switch", &sandbox.name])
        .env("NETLOOM_RUN_DIR", &sandbox.dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A byte at a time: what follows is the caller's.
    let stdout = watch.stdout.as_mut().unwrap();
    while std::io::Read::bytes(&mut *stdout).next().unwrap().unwrap() != b'\n' {}
    watch
}

#[test]
fn an_interrupted_stream_is_done() {
    let sandbox = Sandbox::new();
    assert_eq!(code(&sandbox.run(&["up", "-d", "--name", &sandbox.name])), 0);
    for signal in [Signal::INT, Signal::TERM] {
        let watch = watching(&sandbox);
        kill_process(Pid::from_child(&watch), signal).unwrap();
        let output = watch.wait_with_output().unwrap();
        assert_eq!((code(&output), text(&output.stderr)), (0, ""), "{output:?}");
    }
}

#[test]
fn a_stream_says_what_became_of_its_switch() {
    let sandbox = Sandbox::new();
    let name = sandbox.name.as_str();
    let up = || assert_eq!(code(&sandbox.run(&["up", "-d", "--name", name])), 0);
    let told = |watch: Child| {
        let output = watch.wait_with_output().unwrap();
        assert_eq!(code(&output), 1, "{output:?}");
        serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"]["why"].clone()
    };
    up();
    let watch = watching(&sandbox);
    assert_eq!(code(&sandbox.run(&["down", name])), 0);
    assert_eq!(told(watch), "it has stopped");
    up();
    let watch = watching(&sandbox);
    let pid = sandbox.json(&["ls"]).1[0]["pid"].as_i64().unwrap();
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(told(watch), "it was killed");
}

#[test]
fn what_can_not_be_reported_is_undone_where_something_was_made() {
    let sandbox = Sandbox::new();
    let name = sandbox.name.as_str();
    let to_full = |arguments: &[&str]| {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_netloom"))
            .args(arguments)
            .env("NETLOOM_RUN_DIR", &sandbox.dir)
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(code(&output), 1, "{output:?}");
        let told = text(&output.stderr).to_owned();
        assert!(told.starts_with("netloom: standard output: no space left"), "{told}");
        told
    };
    for up in [&["up", "-d", "--name", name][..], &["up", "--name", name]] {
        let told = to_full(up);
        assert!(told.ends_with(&format!("hint: switch {name} is stopped again\n")), "{told}");
        assert!(!sandbox.dir.exists(), "{up:?}: something is left");
    }
    assert_eq!(code(&sandbox.run(&["up", "-d", "--name", name])), 0);
    let spec = format!("p=tap:{name}");
    let told = to_full(&["port", "add", &spec]);
    assert!(told.ends_with("hint: port p is removed again\n"), "{told}");
    assert_eq!(sandbox.json(&["port", "ls"]), (0, json!([])));
    assert!(to_full(&["down", name]).ends_with("the change itself is made\n"));
    assert!(!sandbox.dir.exists(), "something is left");
}

/// What bash offers at the end of a line, by the script that it is given.
fn offered(sandbox: &Sandbox, line: &str) -> Vec<String> {
    const ASK: &str = "
        source <(netloom completions bash)
        read -ra COMP_WORDS <<< \"$1\"
        case $1 in *' ') COMP_WORDS+=('');; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        complete=$(complete -p netloom)
        function=${complete##*-F }
        ${function%% *} netloom \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\" 2>/dev/null
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    let programs = Path::new(env!("CARGO_BIN_EXE_netloom")).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", ASK, "bash", line])
        .envs([("NETLOOM_RUN_DIR", sandbox.dir.as_os_str()), ("PATH", path.as_ref())])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    text(&output.stdout).lines().map(str::to_owned).filter(|word| !word.is_empty()).collect()
}

#[test]
fn a_shell_is_offered_the_names_there_are() {
    let sandbox = Sandbox::new();
    let there = Namespace::new(&sandbox.name);
    let (one, two) = (format!("{}-one", sandbox.name), format!("{}-two", sandbox.name));
    let offered = |line: &str| offered(&sandbox, line);
    // A shell is not kept waiting: where a switch does not answer soon there is nothing to offer.
    let offers = |line: &str, words: &[&str]| becomes(|| offered(line), words);
    assert_eq!(offered("netloom port del a"), Vec::<String>::new(), "no switch runs");
    let up = |name: &str, port: &str| {
        let spec = format!("{port}=tap:{}{port}", sandbox.name);
        assert_eq!(code(&sandbox.run(&["up", "-d", "--name", name, "--port", &spec])), 0);
    };
    up(&one, "alice");
    for line in ["port del ", "port set ", "stats ", "explain --in ", "fdb flush --port "] {
        let words = || offered(&format!("netloom {line}")).into_iter();
        becomes(|| words().filter(|word| word == "alice").collect::<Vec<_>>(), &["alice"][..]);
    }
    offers("netloom fdb add 02:00:00:00:00:0a al", &["alice"]);
    offers("netloom fdb add 02:00:00:00:00:0a b", &[]);
    offers("netloom port set alice acc", &["access="]);
    up(&two, "bob");
    offers(&format!("netloom --switch {}", sandbox.name), &[&*one, &*two]);
    offers(&format!("netloom down {two}"), &[&*two]);
    offers(&format!("netloom --switch {two} port del b"), &["bob"]);
    // Which switch?
    offers("netloom port del b", &[]);
    offers(&format!("netloom exec {}", there.0), &[&*there.0]);
    offers("netloom dem", &["demo"]);
}

#[test]
fn two_demos_at_once_show_traffic_and_leave_nothing() {
    let sandbox = Sandbox::new();
    std::thread::scope(|scope| {
        let demos: Vec<_> = (0..2).map(|_| scope.spawn(|| sandbox.json(&["demo"]))).collect();
        for demo in demos {
            let (status, report) = demo.join().unwrap();
            assert_eq!(status, 0, "{report}");
            assert_eq!(report["ping"]["received"], report["ping"]["sent"], "{report}");
            assert!(report["tcp"]["bytes"].as_u64().unwrap() > 0, "{report}");
            let seen: Vec<_> =
                report["fdb"].as_array().unwrap().iter().map(|row| &row["port"]).collect();
            assert!(seen.contains(&&json!("alice")) && seen.contains(&&json!("bob")), "{report}");
            assert_eq!(report["explain"]["egress"], json!([{"port": "bob", "tag": "none"}]));
            let names = fs::read_dir("/run/netns").unwrap().flatten();
            let switch = report["switch"].as_str().unwrap().to_owned();
            let is_its = |name: &str| name.starts_with(&switch);
            assert!(!names.into_iter().any(|name| is_its(name.file_name().to_str().unwrap())));
        }
    });
    assert!(!sandbox.dir.exists(), "something is left");
}
