//! Lab set-up: namespaces, netdevs, the record of what was made, and the link watch.
//!
//! How it works. A [`Place`] says where a netdev is: where Netloom runs, or in
//! a namespace. [`Place::links`] opens one netlink conversation there and hands
//! it over as [`Links`], through which netdevs are found, made and changed;
//! [`move_netdev`] takes one from place to place. A [`Journal`] writes down
//! each thing before it is made, so that the same program, or the next one
//! after a kill, undoes exactly that. A [`LinkWatch`] tells what happens to
//! netdevs in every namespace, from one socket of the switch's own.
//!
//! What is absent: nothing here stays open in another namespace. A descriptor
//! opened there (a namespace file, a socket, a mount of sysfs) would keep the
//! namespace alive after its deletion, so each call enters on a thread of its
//! own, does its work and leaves nothing behind.

mod echo;
mod journal;
pub(crate) mod netlink;
pub mod netns;
mod place;
#[cfg(test)]
pub(crate) mod scratch;

pub use echo::Echo;
pub use journal::{
    Entry, Found, Journal, Left, Mark, NetdevEnd, Report, Undone, is_running, remove_parent,
};
pub use netlink::{
    LONGEST_NAME, LinkEvent, LinkInfo, LinkWatch, Links, NAME_FORM, Wanted, Watched, move_netdev,
    valid_name,
};
pub use netns::{Netns, NsIdentity, exec, macvtap_device};
pub use place::Place;
