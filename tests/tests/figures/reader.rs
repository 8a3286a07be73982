//! Long configuration files are read in a time that grows as they do.

use std::fmt::Write;
use std::time::{Duration, Instant};

use tests::lab::Lab;

use crate::median;

/// Ports of a short and of a long file; a switch has no more than the latter.
const PORTS: [usize; 2] = [512, 4096];

/// How many times as long the longer may take, for each time that it is longer. A
/// reader that looked through all of it at each port would be at 8 here.
const SLOWER: u32 = 3;

#[test]
fn a_file_of_thousands_of_ports_is_read_in_proportion() {
    let lab = Lab::new();
    let files = PORTS.map(|count| {
        let mut text = String::new();
        for number in 0..count {
            let vid = number % 4094 + 1;
            let _ =
                write!(text, "[[port]]\nname = \"p{number}\"\nkind = \"tap\"\naccess = {vid}\n");
        }
        // A mistake in the last line: all of it is read, nothing is made.
        lab.file(&format!("{count}.toml"), text + "acess = 10\n")
    });
    let time = |file: &str| {
        let begin = Instant::now();
        lab.netloom(&["up", "--name", "y", file]).refused(2);
        begin.elapsed()
    };
    let rounds = (0..5).map(|_| (time(&files[0]), time(&files[1])));
    let (short, long): (Vec<_>, Vec<_>) = rounds.unzip();
    let (short, long) = (median(short), median(long));
    println!("{} ports: {short:?}, {} ports: {long:?}", PORTS[0], PORTS[1]);
    let longer = (PORTS[1] / PORTS[0]) as u32;
    // Most of the shorter one's time is the program's start.
    let most = SLOWER * longer * short;
    assert!(long < most && long < Duration::from_secs(5), "{long:?} is more than {most:?}");
    lab.is_empty();
}
