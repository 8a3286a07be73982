//! `netloom bench`: this host measured, Netloom beside others.
//!
//! How it works. `plan` says what is measured and among whom; `peers` sets
//! each contestant up between hosts of its own in namespaces; `work` knows
//! how each kind of figure comes about. `run` has all rigs stand side by
//! side and goes through contestants and cases round by round, so that
//! whatever else the machine does meets all of them alike. What comes out is
//! one document, shown as text, JSON or a page.
//!
//! What is absent: nothing here forwards but the cable of the plain loop, and
//! Netloom is measured as users run it, as a program of its own.

mod awake;
mod cases;
mod document;
mod lab;
mod leftovers;
mod machine;
mod peers;
mod plan;
mod process;
mod progress;
mod report;
mod run;
mod series;
mod stats;
mod text;
mod work;

use std::time::Duration;

use crate::args::Global;
use crate::commands::subprocess;
use crate::error::CliError;

pub(crate) use document::Document;
pub use plan::{Peer, Plan, What};
pub(crate) use plan::{engine_arg, seconds_arg, workers_arg};
pub(crate) use report::PageFile;

/// What failures are about.
const BENCH: &str = "bench";
/// How long a switch may take to start or to end, however many ports it has.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures what the plan says.
///
/// # Errors
/// Exit 1 when Netloom does not start, what was made can't be removed, or the user interrupts.
pub(crate) fn run(global: &Global, plan: &Plan) -> Result<Document, CliError> {
    let stop = subprocess::on_interrupt(BENCH)?;
    let document = run::run(plan, &stop, global.quiet)?;
    subprocess::interrupted(BENCH, &stop)?;
    Ok(document)
}

/// The document as a page of HTML.
pub(crate) fn as_page(document: &Document) -> String {
    report::page(document)
}

/// The document as text.
pub(crate) fn as_text(document: &Document, paint: ::text::Paint) -> String {
    text::text(document, paint)
}
