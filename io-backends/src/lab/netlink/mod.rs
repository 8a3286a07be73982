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
pub use link::{LinkInfo, Links, valid_name};
pub use moving::move_netdev;
pub use watch::{LinkEvent, LinkWatch, Watched};
