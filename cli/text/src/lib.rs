//! Text for people: tables, colours, numbers the way people read them.
//!
//! Netloom's commands and its bench print with it.

mod paint;
mod table;
mod units;

pub use paint::Paint;
pub use table::{Align, Table};
pub use units::{bytes, count, duration, rate};
