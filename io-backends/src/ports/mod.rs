//! Ports: the one list of kinds, and a file for each with its row and how it is opened.

mod attach;
mod attachment;
pub mod fd;
pub(crate) mod handle;
mod kind;
pub mod macvtap;
pub mod netdev;
#[cfg(feature = "plain")]
pub mod plain;
pub mod tap;
pub mod veth;

use std::ops::Deref;

pub use attach::{Attached, Attaching, adopt_again, attach, place_exists};
pub use attachment::Attachment;
pub use handle::Tied;
pub use kind::{Claim, KindRow, OwnKey, OwnValue, PortKind, Return, Said, Target, Unfit};
pub use macvtap::MacvtapMode;

/// Makes the enum, the rows and the names of the kinds from one line each.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident in $file:ident),* $(,)?) => {
        /// The kinds of port.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Kind {
            $($(#[$doc])* $name($file::$name),)*
        }

        /// The rows of all kinds, in the order in which help lists them.
        pub static KINDS: &[&KindRow] = &[$(&$file::ROW),*];

        /// Their names.
        pub const KIND_NAMES: &[&str] = &[$($file::ROW.name),*];

        impl Deref for Kind {
            type Target = dyn PortKind;

            fn deref(&self) -> &(dyn PortKind + 'static) {
                match self {
                    $(Kind::$name(kind) => kind,)*
                }
            }
        }

        $(impl From<$file::$name> for Kind {
            fn from(kind: $file::$name) -> Kind {
                Kind::$name(kind)
            }
        })*
    };
}

kinds! {
    /// A TAP whose descriptors the switch holds and whose netdev is for a namespace or the host.
    Tap in tap,
    /// A veth pair that the switch makes.
    Veth in veth,
    /// A netdev of somebody else's, attached where it is.
    Netdev in netdev,
    /// A macvtap made on a lower netdev.
    Macvtap in macvtap,
    /// An open TAP or macvtap descriptor of the caller's.
    Fd in fd,
}
