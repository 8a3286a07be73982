//! What the record of made things says of each, one line of JSON an entry.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use switch_core::Mac;

use crate::Error;
use crate::lab::netns::{self, Standing};
use crate::lab::{LinkInfo, NsIdentity, Place};

/// One line: an entry as it is from now on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// The entry's number; entries are undone from the highest down.
    pub(super) entry: u64,
    /// The port it was made for.
    pub(super) port: String,
    /// What it is; `None` once it is undone.
    pub(super) thing: Option<Thing>,
}

/// Something a switch made or took.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Thing {
    /// A claim to a named namespace, which may have been made for it.
    Namespace { name: String },
    /// A netdev that was made, or that somebody else made and the switch changes.
    Netdev(Netdev),
    /// A netdev of somebody else's that the switch had take in frames for every address.
    Promiscuous(Spot),
}

/// A netdev, and how to tell it from others of the same name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Netdev {
    /// What it is, like `tun` or `macvtap`.
    pub(super) kind: Option<String>,
    /// The index of the netdev it is made on.
    pub(super) lower: Option<u32>,
    /// A borrowed one's MAC address when it was last recorded: a move changes its index and keeps
    /// the address.
    #[serde(default)]
    pub(super) mac: Option<String>,
    /// Whether its name was free before it was made, so that what has the name next is it.
    pub(super) was_free: bool,
    /// Where it can be: one spot, or two while it is moved. The latest is last.
    pub(super) spots: Vec<Spot>,
    /// How to give it back; `None`: it is the switch's own, to be deleted.
    pub(super) loan: Option<Box<Loan>>,
}

/// A netdev's name in a place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Spot {
    pub(super) place: Place,
    /// Which namespace the place was.
    pub(super) namespace: NsIdentity,
    pub(super) name: String,
    /// Its index; `None` before it is made or has arrived.
    pub(super) index: Option<u32>,
}

/// A netdev of somebody else's as it was before the switch changed it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Loan {
    pub(super) home: Spot,
    pub(super) mac: Option<String>,
    pub(super) mtu: u32,
    pub(super) up: bool,
    /// How IPv6 detected duplicate addresses on it.
    #[serde(default)]
    pub(super) detection: Option<String>,
    /// The addresses it had.
    pub(super) addresses: Vec<IpNet>,
    /// The addresses the switch gives it that it did not have.
    pub(super) given: Vec<IpNet>,
    /// The gateways the switch gives it.
    pub(super) gateways: Vec<IpAddr>,
}

impl Loan {
    pub(super) fn mac(&self) -> Option<Mac> {
        self.mac.as_deref()?.parse().ok()
    }
}

impl Netdev {
    /// Finds it, if it still exists; with the place it is in.
    pub(super) fn locate(&self) -> Result<Option<(Place, LinkInfo)>, Error> {
        for spot in self.spots.iter().rev() {
            if spot.is_still_there()?
                && let Some(link) = self.at(spot)?
            {
                return Ok(Some((spot.place.clone(), link)));
            }
        }
        Ok(None)
    }

    fn at(&self, spot: &Spot) -> Result<Option<LinkInfo>, Error> {
        spot.place.links(|links| {
            let numbered = match spot.index {
                Some(index) => links.get(index)?.filter(|link| link.kind == self.kind),
                None => None,
            };
            if numbered.is_some() {
                return Ok(numbered);
            }
            for name in self.names(spot) {
                if let Some(link) = links.find(name)?.filter(|link| self.can_be(link, spot)) {
                    return Ok(Some(link));
                }
            }
            Ok(None)
        })
    }

    /// What it can be called there: where it was to be moved to, it may have been left under
    /// the name it had before.
    fn names<'s>(&'s self, spot: &'s Spot) -> impl Iterator<Item = &'s str> {
        let before = self.spots.first().filter(|_| spot.index.is_none());
        [spot].into_iter().chain(before).map(|spot| spot.name.as_str())
    }

    /// Whether a netdev that is only known to have its name can be it.
    fn can_be(&self, link: &LinkInfo, spot: &Spot) -> bool {
        link.kind == self.kind
            && match &self.loan {
                Some(loan) => {
                    let mac = self.mac.as_ref().or(loan.mac.as_ref());
                    mac == link.mac.map(|mac| mac.to_string()).as_ref()
                }
                // Made, and killed before its index was written; a TAP, though, went with its descriptor.
                None => {
                    self.was_free
                        && spot.index.is_none()
                        && self.lower.is_none_or(|lower| link.lower == Some(lower))
                        && self.kind.as_deref() != Some("tun")
                }
            }
    }

    /// Where it was last, and its name there.
    pub(super) fn last_spot(&self) -> (Place, String) {
        let spot = self.spots.last();
        spot.map_or((Place::Here, String::new()), |spot| (spot.place.clone(), spot.name.clone()))
    }
}

impl Spot {
    /// The netdev with its index, if that is still there.
    pub(super) fn link(&self) -> Result<Option<LinkInfo>, Error> {
        match self.index {
            Some(index) if self.is_still_there()? => self.place.links(|links| links.get(index)),
            _ => Ok(None),
        }
    }

    /// Whether the place is the namespace it was.
    fn is_still_there(&self) -> Result<bool, Error> {
        let now = match &self.place {
            Place::Here => Standing::Namespace(NsIdentity::current()?),
            Place::In(netns) => netns::standing(netns)?,
        };
        Ok(now == Standing::Namespace(self.namespace))
    }
}
