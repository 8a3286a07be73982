//! Scenarios a person can read, one line an event; see `docs/testing.md` for
//! the words. After every line the runner checks what no line says: each
//! counter of each port, conservation (rule 22), and that `explain` foretold it.

pub mod parse;
mod run;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use switch_core::Drop;

use parse::Line;
use run::Stage;

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(&folder).expect("the scenarios' folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no scenarios in {}", folder.display());
    files
}

/// What all scenarios together showed.
#[derive(Default)]
struct Shown {
    failures: Vec<String>,
    reasons: BTreeSet<&'static str>,
    headings: Vec<String>,
}

fn play(file: &PathBuf, shown: &mut Shown) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(file).expect("a text file");
    let mut stage = Stage::new();
    let mut failed = false;
    for (number, text) in text.lines().enumerate() {
        let fail = |why: String| format!("{name}:{}: {}\n    {why}", number + 1, text.trim());
        let line = match parse::line(text) {
            Ok(Some(line)) => line,
            Ok(None) => continue,
            Err(why) => {
                shown.failures.push(fail(why));
                continue;
            }
        };
        if let Line::Section(heading) = &line {
            shown.headings.push(heading.clone());
            failed = false;
        }
        // What follows a failure in its section would only confuse.
        if !failed && let Err(why) = stage.play(&line) {
            shown.failures.push(fail(why));
            failed = true;
        }
    }
    shown.reasons.append(&mut stage.seen);
}

#[test]
fn every_scenario_holds() {
    let mut shown = Shown::default();
    files().iter().for_each(|file| play(file, &mut shown));
    assert!(shown.failures.is_empty(), "\n{}\n", shown.failures.join("\n"));

    let unseen: Vec<_> = Drop::ALL
        .iter()
        .map(|reason| reason.name())
        .filter(|name| !shown.reasons.contains(name))
        .collect();
    assert!(unseen.is_empty(), "no scenario drops a frame for {unseen:?}");
    for rule in 1..=18 {
        let has = |heading: &String| heading.starts_with(&format!("Rule {rule}:"));
        assert!(shown.headings.iter().any(has), "no scenario for rule {rule}");
    }
}

/// The runner itself can fail: a scenario with one wrong line each.
#[test]
fn a_wrong_line_is_found() {
    let truth = "p1 access 10; p2 trunk 10+20; p3 access 10\np1 A>B -> p2[10] p3\np2 B>A[10] -> p1";
    let wrong = [
        ("p2[10] p3", "p2[10]"),
        ("p2[10] p3", "p2[11] p3"),
        ("p2[10] p3", "p2[10.1] p3"),
        ("p2[10] p3", "p2[10] p3[10]"),
        ("p2[10] p3", "p2[10] p3!too-big"),
        ("-> p1", "-> p1 p3"),
        ("-> p1", "drop same-port"),
        ("p2 B>A[10]", "p2 B>A[20]"),
        ("-> p1", "-> p1\nstats p1 rx=2"),
        ("-> p1", "-> p1\nfdb A[10]@p1"),
        ("-> p1", "-> p1\nfdb A[10]@p1 B[10]@p3"),
        ("-> p1", "-> p1\nheld p1 2"),
    ];
    let play = |text: &str| {
        let mut stage = Stage::new();
        text.lines().try_for_each(|line| match parse::line(line)? {
            Some(line) => stage.play(&line),
            None => Ok(()),
        })
    };
    assert_eq!(play(truth), Ok(()));
    for (right, wrong) in wrong {
        let text = truth.replace(right, wrong);
        assert_ne!(text, truth);
        assert!(play(&text).is_err(), "{text}");
    }
}
