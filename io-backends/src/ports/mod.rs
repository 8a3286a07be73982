//! Ports: the kinds there are, and a file for each with how it is opened.

mod attach;
mod attachment;
pub mod fd;
pub(crate) mod handle;
pub mod macvtap;
mod netdev;
#[cfg(feature = "plain")]
pub mod plain;
pub mod tap;
mod veth;

pub use attach::{Attached, adopt_again, attach, place_exists};
pub use attachment::{Attachment, Kind, MacvtapMode};
