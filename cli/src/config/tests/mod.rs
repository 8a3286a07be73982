//! Configuration as a user writes it: what it means, and what is said of its mistakes.

mod agreement;
mod documentation;
mod files;
mod specs;

use super::*;

/// How a mistake is told, on lines without their ends.
fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    crate::error::as_text(&error, false).trim_end().to_owned()
}

/// The table of mistakes in `cases`, each `input`, then what is told of it.
fn check<T: std::fmt::Debug>(cases: &[(&str, &str)], parse: impl Fn(&str) -> Result<T, Error>) {
    for (input, expected) in cases {
        assert_eq!(told(parse(input)), *expected, "\n{input}");
    }
}
