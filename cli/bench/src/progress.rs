//! One line on a terminal's standard error that says how far the bench is.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// To the line's beginning, and the rest of it away.
const AFRESH: &str = "\r\u{1b}[K";

/// The line.
pub(super) struct Progress {
    shown: bool,
    total: usize,
    done: usize,
    began: Instant,
}

impl Progress {
    /// `total` is how many steps there are. Not shown when `silent` or without a terminal.
    pub(super) fn begin(total: usize, silent: bool) -> Progress {
        let shown = !silent && io::stderr().is_terminal();
        Progress { shown, total, done: 0, began: Instant::now() }
    }

    /// A step begins.
    pub(super) fn step(&mut self, what: &str) {
        self.done += 1;
        self.show(&line(self.done, self.total, what, self.began.elapsed()));
    }

    /// Something happens that is no step.
    pub(super) fn say(&self, what: &str) {
        self.show(&line(self.done, self.total, what, self.began.elapsed()));
    }

    /// These steps are not taken.
    pub(super) fn skip(&mut self, steps: usize) {
        self.total = self.total.saturating_sub(steps);
    }

    fn show(&self, text: &str) {
        if self.shown {
            // A closed standard error is no reason to stop.
            let _ = write!(io::stderr(), "{AFRESH}{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}

/// Once some steps are done, what is left is known about.
fn line(done: usize, total: usize, what: &str, elapsed: Duration) -> String {
    const ENOUGH: usize = 4;
    let mut line = format!("[{done}/{total}] {what}");
    if done > ENOUGH {
        let a_step = elapsed.as_secs_f64() / (done - 1) as f64;
        let left = a_step * (total + 1).saturating_sub(done) as f64;
        line += &format!(", {} left", text::duration(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_steps_done() {
        let ten = Duration::from_secs(10);
        assert_eq!(line(3, 20, "tcp: ovs", ten), "[3/20] tcp: ovs");
        assert_eq!(line(11, 20, "tcp: ovs", ten), "[11/20] tcp: ovs, 10s left");
    }
}
