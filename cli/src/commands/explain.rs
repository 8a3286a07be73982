//! `netloom explain --in PORT FRAME`.

use std::fmt::Write;

use crate::args::{Explain, Global};
use crate::config::parse_frame;
use crate::control::api::{ExplainDoc, Request};
use crate::error::Error;
use crate::output;

/// Says what would happen to the frame.
///
/// # Errors
/// Exit 2 when the frame is none, or what the switch says.
pub(super) fn run(global: &Global, explain: &Explain) -> Result<(), Error> {
    let frame = parse_frame(&explain.frame.join(" "))?;
    let request = Request::Explain { port: explain.ingress.clone(), frame: hex(&frame) };
    let answer: ExplainDoc = super::reach(global)?.ask(&request)?;
    let text =
        |paint| format!("{}\n{}", output::frame_line(&frame), output::explanation(&answer, paint));
    output::show(global, &answer, text)
}

/// The bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
