//! `netloom bench`: this host measured, Netloom beside others.
//!
//! How it works. `plan` says what is measured and beside which peers; `peers` sets
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
mod program;
mod progress;
mod report;
mod run;
mod series;
mod stats;
mod tables;
mod work;

pub use document::Document;
pub use peers::setting_text;
pub use plan::{Peer, Plan, What};
pub use program::{Chosen, Program};
pub use report::{PageFile, page};
pub use run::run;
pub use tables::text;

/// What failures are about.
const BENCH: &str = "bench";
