//! The switch's log: a line an event, with the time. Whoever can make events can't fill the disk:
//! a line that comes again and again is counted, and the file is bounded.

mod file;
mod repeats;

use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::error::Error;

use file::LogFile;
use repeats::Repeats;

/// The longest text of a line, in characters.
const LONGEST: usize = 1000;

/// The files `log` and `log.1` in the switch's directory.
pub(super) struct Log {
    file: LogFile,
    repeats: Repeats,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log, Error> {
        let file =
            LogFile::open(path).map_err(|error| Error::io(path.display().to_string(), &error))?;
        Ok(Log { file, repeats: Repeats::default() })
    }

    /// Writes one line, unless it has come too often of late. A full disk loses it, and nothing
    /// else.
    pub(super) fn line(&mut self, text: &str) {
        let text = one_line(text);
        let counted = self.repeats.count(&text, Instant::now());
        counted.summaries.iter().for_each(|summary| self.write(summary));
        if counted.is_new {
            self.write(&text);
        }
    }

    /// Says how often lines came that were only counted, where it is time to.
    pub(super) fn tell_repeats(&mut self) {
        let summaries = self.repeats.due(Instant::now());
        summaries.iter().for_each(|summary| self.write(summary));
    }

    /// When there will be something of that kind to say.
    pub(super) fn next_repeats(&self) -> Option<Instant> {
        self.repeats.next()
    }

    fn write(&mut self, text: &str) {
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        self.file.append(&format!("{time} {text}\n"));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let summaries = self.repeats.all();
        summaries.iter().for_each(|summary| self.write(summary));
    }
}

/// The text on one line, not too long: part of it may be what a client or a device said.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for (count, character) in text.chars().enumerate() {
        match character {
            _ if count == LONGEST => {
                line.push('…');
                break;
            }
            character if character.is_control() => line.extend(character.escape_default()),
            character => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_not_too_long() {
        assert_eq!(
            one_line("port ä: fault\nrefused: \x1b[1m"),
            "port ä: fault\\nrefused: \\u{1b}[1m"
        );
        let long = one_line(&"x".repeat(5000));
        assert_eq!((long.chars().count(), long.ends_with("x…")), (LONGEST + 1, true));
    }

    #[test]
    fn ten_thousand_times_the_same_is_a_few_lines() {
        let path = std::env::temp_dir().join(format!("netloom-log{}", std::process::id()));
        let mut log = Log::open(&path).unwrap();
        for _ in 0..10_000 {
            log.line("port a: link up");
            log.line("port a: link down");
        }
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let texts: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(texts[..3], ["port a: link up", "port a: link down", "port a: link up"]);
        // Where the machine is slow, there may be more than one summary.
        assert!(texts.len() < 100, "{} lines", texts.len());
        let told: u32 =
            texts.iter().filter(|text| text.contains("link up")).map(|text| times(text)).sum();
        assert_eq!(told, 10_000);
    }

    fn times(text: &str) -> u32 {
        text.split_once(" more times").map_or(1, |(count, _)| count.parse().unwrap())
    }
}
