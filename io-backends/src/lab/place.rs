//! Where a netdev is.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::netns::{self, NsIdentity};
use crate::Error;
use crate::lab::Netns;

/// Where a netdev is: a recipe, looked up anew by every call, never an open namespace.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The namespace of the calling thread: the switch's own.
    Here,
    /// The namespace found under this name or path.
    In(Netns),
}

impl Place {
    /// Which namespace it is at present.
    ///
    /// # Errors
    /// When the namespace is not there or can't be entered.
    pub fn identity(&self) -> Result<NsIdentity, Error> {
        match self {
            Place::Here => NsIdentity::current(),
            Place::In(netns) => netns::identity(netns),
        }
    }

    /// Opens the namespace, for one request: open, it is kept alive. Call it on a thread of
    /// the switch's own namespace.
    pub(crate) fn open(&self) -> Result<OwnedFd, Error> {
        const OWN: &str = "/proc/thread-self/ns/net";
        match self {
            Place::Here => Ok(File::open(OWN).map_err(|error| Error::io(OWN, &error))?.into()),
            Place::In(netns) => netns::open(netns),
        }
    }

    /// The netdev of that name there, as error messages call it.
    pub(super) fn netdev(&self, name: &str) -> String {
        match self {
            Place::Here => format!("netdev {name}"),
            Place::In(netns) => format!("netdev {name} in namespace {netns}"),
        }
    }
}

impl From<Option<Netns>> for Place {
    fn from(netns: Option<Netns>) -> Place {
        netns.map_or(Place::Here, Place::In)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Here => f.write_str("the namespace Netloom runs in"),
            Place::In(netns) => write!(f, "namespace {netns}"),
        }
    }
}
