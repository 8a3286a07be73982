//! A command that runs beside the test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use io_backends::testing::points::{Points, Stop};

use super::{Answer, Lab, SOON, eventually_in, within};

/// Says the process's number inside, then becomes the command.
const SAY_NUMBER: &str = "echo $$ >&2; exec \"$@\"";

/// A command running in a lab; killed when the value goes.
pub struct Running<'l> {
    lab: &'l Lab,
    process: Process,
    pid: u32,
}

/// A child whose output is read while it runs.
pub(super) struct Process {
    child: Child,
    words: Vec<String>,
    ended: Option<ExitStatus>,
    out: Gathered,
    err: Gathered,
}

type Gathered = Arc<Mutex<Vec<u8>>>;

impl Process {
    pub(super) fn start(words: &[&str], mut command: Command) -> Process {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("nsenter");
        Process::of(words, child)
    }

    fn start_watched(
        words: &[&str],
        mut command: Command,
        stop: Option<Stop>,
    ) -> (Process, Points) {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, points) = Points::spawn(command, stop).expect("nsenter under a seccomp filter");
        (Process::of(words, child), points)
    }

    fn of(words: &[&str], mut child: Child) -> Process {
        let out = gather(child.stdout.take().expect("a pipe"));
        let err = gather(child.stderr.take().expect("a pipe"));
        let words = words.iter().map(ToString::to_string).collect();
        Process { child, words, ended: None, out, err }
    }

    fn runs(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the child's status");
        }
        self.ended.is_none()
    }

    /// Waits for its end and that of its output: whoever it started and left
    /// behind must not hold its streams.
    pub(super) fn finish(&mut self, seconds: u64) -> Answer {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        let words = words.join(" ");
        let (out, err) = (Arc::clone(&self.out), Arc::clone(&self.err));
        let said = || (text(&out), text(&err));
        let ended = within(seconds, || if self.runs() { Err(()) } else { Ok(()) });
        assert!(ended.is_ok(), "`{words}` still runs after {seconds} s; it said {:?}", said());
        // Ours and the gatherer's.
        let is_held = || Arc::strong_count(&out) > 2 || Arc::strong_count(&err) > 2;
        let closed = within(SOON, || if is_held() { Err(()) } else { Ok(()) });
        assert!(closed.is_ok(), "something holds the output of `{words}`; it said {:?}", said());
        let take = |gathered: &Gathered| std::mem::take(&mut *gathered.lock().expect("gathered"));
        let status = self.ended.expect("it ended");
        Answer::from(words, &Output { status, stdout: take(&out), stderr: take(&err) })
    }
}

impl<'l> Running<'l> {
    pub(super) fn start(lab: &'l Lab, words: &[&str]) -> Running<'l> {
        Running::of(lab, Process::start(words, inside(lab, words)))
    }

    /// The same, its points counted, stopped where `stop` says.
    pub(super) fn start_watched(
        lab: &'l Lab,
        words: &[&str],
        stop: Option<Stop>,
    ) -> (Running<'l>, Points) {
        let (process, points) = Process::start_watched(words, inside(lab, words), stop);
        (Running::of(lab, process), points)
    }

    fn of(lab: &'l Lab, process: Process) -> Running<'l> {
        let said = within(SOON, || {
            let said = text(&process.err);
            if said.contains('\n') { Ok(said) } else { Err(said) }
        });
        let said =
            said.unwrap_or_else(|said| panic!("{:?} says no number: {said:?}", process.words));
        let (number, _) = said.split_once('\n').expect("a line");
        let pid = number.parse().unwrap_or_else(|_| panic!("no number: {said}"));
        process.err.lock().expect("gathered").drain(..=number.len());
        Running { lab, process, pid }
    }

    /// Its number inside the lab.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has printed so far.
    #[must_use]
    pub fn out(&self) -> String {
        text(&self.process.out)
    }

    /// The same as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.process.out.lock().expect("gathered").clone()
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        text(&self.process.err)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        self.lab.signal(self.pid, signal);
    }

    /// Waits until it has printed `text`, on either stream.
    ///
    /// # Panics
    /// When it takes longer than `seconds`.
    pub fn says(&self, text: &str, seconds: u64) {
        let what = format!("{:?} says {text:?}", self.process.words);
        let said = || (self.out(), self.err());
        eventually_in(seconds, &what, said, |(out, err)| out.contains(text) || err.contains(text));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than `seconds`.
    pub fn wait(mut self, seconds: u64) -> Answer {
        self.process.finish(seconds)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.runs() {
            self.lab.run(&["kill", "-s", "KILL", &self.pid.to_string()]);
        }
        let _ = self.process.child.wait();
    }
}

/// The command, which first says its number.
fn inside(lab: &Lab, words: &[&str]) -> Command {
    lab.command(&[&["sh", "-c", SAY_NUMBER, "sh"], words].concat())
}

fn text(gathered: &Gathered) -> String {
    String::from_utf8_lossy(&gathered.lock().expect("gathered")).into_owned()
}

fn gather(mut pipe: impl Read + Send + 'static) -> Gathered {
    let gathered = Gathered::default();
    let sink = Arc::clone(&gathered);
    thread::spawn(move || {
        let mut chunk = [0; 64 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            sink.lock().expect("gathered").extend_from_slice(&chunk[..length]);
        }
    });
    gathered
}
