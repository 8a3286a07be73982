//! What the program wants to know of a kind of port, in one row and one trait.
//!
//! Configuration, help, completions, documentation, hints and healing come
//! from these: nothing outside a kind's own file asks which kind a port is.

use std::os::fd::RawFd;

use super::attach::{Attached, Attaching};
use super::{Attachment, Kind};
use crate::error::Error;
use crate::lab::{LinkInfo, Netns, valid_name};

/// A kind of port, as a user meets it.
pub struct KindRow {
    /// Its name in configuration and output.
    pub name: &'static str,
    /// A placeholder for the target, as it is typed behind the name; in brackets where it may be
    /// left out.
    pub form: &'static str,
    /// What the target is.
    pub target: Target,
    /// What a port of the kind is, in a phrase without its full stop.
    pub help: &'static str,
    /// Which of the keys that any netdev can take it takes: `takeover`, `netns`, `ifname`,
    /// `addr`, `gateway`, `mac`, `mtu`, `queues`.
    pub keys: &'static [&'static str],
    /// What `netns` means for it; empty where it does not take that key.
    pub netns: &'static str,
    /// The keys that no other kind has.
    pub own: &'static [OwnKey],
    /// Makes the kind's value of what was said.
    pub read: fn(&Said<'_>) -> Result<Kind, Unfit>,
}

/// The target of a kind.
pub struct Target {
    /// What it is, like `the lower netdev`.
    pub what: &'static str,
    /// What has its form, like `a descriptor's number`; a list shows only what is before a colon.
    pub form: &'static str,
    /// What stands in for it where it is left out; empty: it is needed.
    pub default: &'static str,
}

/// A key that only one kind has.
pub struct OwnKey {
    /// As it is typed.
    pub name: &'static str,
    /// A placeholder for the value, like `=MODE`; in brackets where it may be left out.
    pub form: &'static str,
    /// What the value is.
    pub value: OwnValue,
    /// What holds without the key.
    pub default: &'static str,
    /// What it does, in one sentence without its full stop.
    pub help: &'static str,
}

/// What the value of an [`OwnKey`] is.
#[derive(Clone, Copy)]
pub enum OwnValue {
    /// On or off.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// What a user said of a port before it is known what that means.
pub struct Said<'s> {
    /// The port's name.
    pub port: &'s str,
    /// The target, if there was one.
    pub target: Option<&'s str>,
    /// The own keys given: a choice by its place in the list, a flag as 0 or 1.
    pub own: &'s [(&'static str, usize)],
}

/// What is wrong with what was said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// The kind needs a target.
    NoTarget,
    /// The target is not of [`Target::form`].
    Target,
    /// The port's name can't stand in for the target: why, and what to do.
    Name(&'static str, String),
}

impl Said<'_> {
    /// The value of an own key; 0 where it was not given.
    pub fn own(&self, key: &str) -> usize {
        self.own.iter().find(|(name, _)| *name == key).map_or(0, |&(_, value)| value)
    }

    /// The target, which must be a netdev's name.
    ///
    /// # Errors
    /// When it is none, or there is no target.
    pub fn netdev(&self) -> Result<String, Unfit> {
        let target = self.target.ok_or(Unfit::NoTarget)?;
        if valid_name(target) { Ok(target.to_owned()) } else { Err(Unfit::Target) }
    }
}

/// Something that two ports of a switch can't both have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The key that claims it.
    pub key: &'static str,
    /// Which thing it is: two claims to the same exclude each other.
    pub thing: (&'static str, Option<Netns>, String),
    /// Several ports may have it if each claim says so.
    pub shared: bool,
    /// What it is to the port that has it, like `"eth0" already carries`.
    pub held: String,
    /// What else could be done, if anything.
    pub hint: Option<&'static str>,
}

/// The claims of a port that makes a netdev `name` where Netloom runs, for a host.
pub(super) fn claims_of_host(name: &str, attachment: &Attachment) -> Vec<Claim> {
    let here = Claim {
        key: "target",
        thing: ("netdev", None, name.to_owned()),
        shared: false,
        held: format!("{name:?} is already the netdev of"),
        hint: None,
    };
    let there = attachment.netns.as_ref().zip(attachment.ifname.as_ref());
    let there = there.map(|(netns, ifname)| Claim {
        key: "ifname",
        thing: ("netdev", Some(netns.clone()), ifname.clone()),
        shared: false,
        held: format!("{ifname:?} in namespace {netns} is already the netdev of"),
        hint: None,
    });
    [here].into_iter().chain(there).collect()
}

/// What becomes of a port whose device went away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// Nothing: only the process that gave the device could give it again.
    Never,
    /// It is attached again as soon as that is possible.
    AsItWas,
    /// The same; the new netdev gets the address of the lost one, which its neighbours know.
    WithItsAddress,
}

/// A port's kind with what was said of it. Implemented beside the code that opens the kind.
pub trait PortKind {
    /// The kind's row.
    fn row(&self) -> &'static KindRow;

    /// The target as the user writes it.
    fn target(&self) -> String;

    /// The own keys that are not as by default, and the word for each, as `mode=bridge`.
    fn own(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What no other port of the switch may have besides.
    fn claims(&self, attachment: &Attachment) -> Vec<Claim>;

    /// How many queues it gets where the user leaves it open and `wanted` would be best. More than
    /// one only where each flow keeps to one of them.
    fn queues(&self, wanted: u16) -> u16 {
        wanted.min(1)
    }

    /// What becomes of a port whose device went away.
    fn returns(&self) -> Return {
        Return::AsItWas
    }

    /// Writes down what was chosen for its netdev, so that it comes back with the same name and
    /// address when it is taken away and made again.
    fn keep(&self, attachment: &mut Attachment, netdev: &LinkInfo) {
        let _ = (attachment, netdev);
    }

    /// What its user should know, if anything.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The caller's descriptor that the port is made of.
    fn given(&self) -> Option<RawFd> {
        None
    }

    /// The name of the netdev that it makes where Netloom runs.
    fn new_netdev(&self) -> Option<&str> {
        None
    }

    /// Opens the port. What fails is undone by the caller.
    ///
    /// # Errors
    /// When anything it needs is missing or taken.
    fn open(&self, attaching: &mut Attaching<'_>) -> Result<Attached, Error>;
}
