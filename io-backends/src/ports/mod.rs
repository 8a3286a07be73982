//! Ports: the kinds there are, and a file for each with how it is opened.

mod attach;
mod attachment;
pub mod fd;
pub mod macvtap;
#[cfg(feature = "plain")]
pub mod plain;
pub mod tap;

pub use attach::{Attached, adopt_again, attach, place_exists};
pub use attachment::{Attachment, Kind, MacvtapMode};
