//! Netdevs over netlink: finding, making, changing, moving and watching them.

mod address;
mod bridge;
mod change;
mod conversation;
mod filter;
mod link;
mod moving;
mod nsid;
mod receive;
mod watch;

pub use change::Wanted;
pub(crate) use conversation::{NET_ADMIN, Netlink, Refusal};
pub use link::{LONGEST_NAME, LinkInfo, Links, NAME_FORM, valid_name};
pub use moving::move_netdev;
pub use watch::{LinkEvent, LinkWatch, Watched};
