//! Lines that come again and again: the first few are written, the others counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a line is the same as before.
const WINDOW: Duration = Duration::from_secs(10);
/// How often it is written within that time.
const WRITTEN: u32 = 5;
/// Different lines that are remembered.
const REMEMBERED: usize = 1024;

/// The lines of late.
#[derive(Default)]
pub(super) struct Repeats {
    lines: HashMap<String, Seen>,
}

struct Seen {
    since: Instant,
    count: u32,
}

/// What is to be written.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct Counted {
    /// How often other lines came.
    pub(super) summaries: Vec<String>,
    /// The line itself.
    pub(super) is_new: bool,
}

impl Repeats {
    /// A line comes.
    pub(super) fn count(&mut self, text: &str, now: Instant) -> Counted {
        let summaries = match self.lines.len() {
            REMEMBERED => self.all(),
            _ => self.due(now),
        };
        let seen = match self.lines.get_mut(text) {
            Some(seen) => seen,
            None => self.lines.entry(text.to_owned()).or_insert(Seen { since: now, count: 0 }),
        };
        seen.count += 1;
        Counted { summaries, is_new: seen.count <= WRITTEN }
    }

    /// Forgets lines from before the time that they are the same; how often those came that were
    /// only counted.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        self.forget(|seen| now.saturating_duration_since(seen.since) >= WINDOW)
    }

    /// Forgets every line; how often those came that were only counted.
    pub(super) fn all(&mut self) -> Vec<String> {
        self.forget(|_| true)
    }

    /// When the next line is due of which there is something to say.
    pub(super) fn next(&self) -> Option<Instant> {
        let counted = self.lines.values().filter(|seen| seen.count > WRITTEN);
        counted.map(|seen| seen.since + WINDOW).min()
    }

    fn forget(&mut self, is_over: impl Fn(&Seen) -> bool) -> Vec<String> {
        let over = self.lines.extract_if(|_, seen| is_over(seen));
        let summary = |(text, Seen { count, .. })| match u32::saturating_sub(count, WRITTEN) {
            0 => None,
            1 => Some(text),
            more => Some(format!("{more} more times within {} s: {text}", WINDOW.as_secs())),
        };
        let mut summaries: Vec<String> = over.filter_map(summary).collect();
        summaries.sort();
        summaries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(summaries: &[&str], is_new: bool) -> Counted {
        Counted { summaries: summaries.iter().map(ToString::to_string).collect(), is_new }
    }

    #[test]
    fn a_line_is_written_five_times_in_ten_seconds_and_then_counted() {
        let mut repeats = Repeats::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for _ in 0..WRITTEN {
            assert_eq!(repeats.count("up", at(0)), counted(&[], true));
            assert_eq!(repeats.next(), None);
        }
        for _ in 0..3 {
            assert_eq!(repeats.count("up", at(9)), counted(&[], false));
        }
        assert_eq!(repeats.count("down", at(9)), counted(&[], true));
        assert_eq!(repeats.next(), Some(at(10)));
        assert_eq!(repeats.due(at(9)), Vec::<String>::new());
        assert_eq!(repeats.due(at(10)), ["3 more times within 10 s: up"]);
        assert_eq!(repeats.next(), None);
        assert_eq!(repeats.count("up", at(10)), counted(&[], true));
    }

    #[test]
    fn a_line_is_the_last_of_many_only_once() {
        let mut repeats = Repeats::default();
        let now = Instant::now();
        for n in 0..20_000 {
            assert!(repeats.count(&format!("line {n}"), now).is_new);
            assert!(repeats.lines.len() <= REMEMBERED);
        }
    }
}
