//! The netdevs of one place: finding them and what is known about them.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{self, LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rustix::io::Errno;
use switch_core::Mac;

use super::conversation::{NET_ADMIN, Netlink, Refusal};
use crate::Error;
use crate::lab::netns;
use crate::lab::place::Place;

/// The longest name a netdev can have, in bytes (`IFNAMSIZ` less its final NUL).
pub const LONGEST_NAME: usize = 15;

/// What [`valid_name`] asks for, for people.
pub const NAME_FORM: &str =
    "a netdev's name: 1 to 15 bytes without \"/\", \":\", \"%\" or white space";

/// Whether `name` can name a netdev: 1 to 15 bytes, none of `/ : %`, control
/// characters or white space, not `.` or `..`. A path, a template (`%d`) or a
/// name that would be cut is none.
pub fn valid_name(name: &str) -> bool {
    // 0xa0 is white space to the kernel, which reads bytes (lib/ctype.c).
    let refused = |b: u8| b.is_ascii_control() || matches!(b, b'/' | b':' | b'%' | b' ' | 0xa0);
    (1..=LONGEST_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.bytes().any(refused)
        && !name.chars().any(char::is_whitespace)
}

/// What the kernel says about a netdev.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkInfo {
    /// Its number, unique in its namespace and there never given out again.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is, like `tun` (a TAP too), `macvtap` or `veth`; `None` for hardware and `lo`.
    pub kind: Option<String>,
    /// Its MAC address; `None` where it has none of six octets.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is set up.
    pub up: bool,
    /// Whether something is at its other end: a cable, a peer, a lower netdev that works, an open TAP.
    pub carrier: bool,
    /// The kernel has acted on that carrier (RFC 2863's `up`): before, what is sent may be lost in silence.
    /// A netdev that has had its carrier from the start may never say so.
    pub operates: bool,
    /// Whether its frames are Ethernet's.
    pub ethernet: bool,
    /// Whether somebody had it take in frames for every address (`IFF_PROMISC`).
    pub promiscuous: bool,
    /// The index of the bridge, bond or the like that takes its frames, if any.
    pub master: Option<u32>,
    /// The index of the netdev it sits on, if any.
    pub lower: Option<u32>,
    /// That one is in another namespace.
    pub lower_is_elsewhere: bool,
    /// Frames that came from its wire and the kernel dropped.
    pub rx_dropped: u64,
    /// Frames for its wire that the kernel dropped: for a TAP, those its holder did not read in time.
    pub tx_dropped: u64,
}

impl LinkInfo {
    /// Whether it carries frames: it is set up and has a carrier.
    pub fn runs(&self) -> bool {
        self.up && self.carrier
    }

    /// What a link message says; attributes it lacks are empty or 0.
    pub(super) fn read(message: &LinkMessage) -> LinkInfo {
        let flags = message.header.flags;
        let mut info = LinkInfo {
            index: message.header.index,
            name: String::new(),
            kind: None,
            mac: None,
            mtu: 0,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            operates: false,
            ethernet: message.header.link_layer_type == LinkLayerType::Ether,
            promiscuous: flags.contains(LinkFlags::Promisc),
            master: None,
            lower: None,
            lower_is_elsewhere: false,
            rx_dropped: 0,
            tx_dropped: 0,
        };
        for attribute in &message.attributes {
            info.take(attribute);
        }
        info
    }

    fn take(&mut self, attribute: &LinkAttribute) {
        match attribute {
            LinkAttribute::IfName(name) => self.name.clone_from(name),
            LinkAttribute::Address(octets) => {
                self.mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(Mac::new);
            }
            LinkAttribute::Mtu(mtu) => self.mtu = *mtu,
            LinkAttribute::OperState(state) => self.operates = *state == link::State::Up,
            LinkAttribute::Controller(index) => self.master = Some(*index),
            LinkAttribute::Link(index) => self.lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => self.lower_is_elsewhere = true,
            LinkAttribute::Stats64(stats) => {
                self.rx_dropped = stats.rx_dropped;
                self.tx_dropped = stats.tx_dropped;
            }
            LinkAttribute::LinkInfo(infos) => {
                self.kind = infos.iter().find_map(|info| match info {
                    link::LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
}

impl Place {
    /// Runs `work` with a netlink conversation open there, and closes it again.
    ///
    /// # Errors
    /// When the namespace is not there or can't be entered, or what `work` says.
    pub fn links<R: Send>(
        &self,
        work: impl FnOnce(&mut Links) -> Result<R, Error> + Send,
    ) -> Result<R, Error> {
        let open = || Links::open(self.clone()).and_then(|mut links| work(&mut links));
        match self {
            Place::Here => open(),
            Place::In(netns) => netns::in_netns(netns, open)?,
        }
    }
}

/// A netlink conversation with one place; see [`Place::links`].
pub struct Links {
    pub(super) netlink: Netlink,
    pub(super) place: Place,
}

impl Links {
    /// Opens a conversation with the calling thread's namespace, which is at `place`.
    fn open(place: Place) -> Result<Links, Error> {
        let netlink =
            Netlink::open().map_err(|error| Error::system(place.to_string(), &error, NET_ADMIN))?;
        Ok(Links { netlink, place })
    }

    /// The netdev of that name.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn find(&mut self, name: &str) -> Result<Option<LinkInfo>, Error> {
        if !valid_name(name) {
            return Ok(None);
        }
        let what = self.place.netdev(name);
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        one(&mut self.netlink, message).map_err(|refusal| refusal.about(what))
    }

    /// The netdev of that name, which must be there.
    ///
    /// # Errors
    /// When it is not, or the kernel does not answer.
    pub fn require(&mut self, name: &str) -> Result<LinkInfo, Error> {
        let what = self.place.netdev(name);
        self.find(name)?.ok_or_else(|| Error::failed(what, "there is no such netdev"))
    }

    /// The netdev with that index.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn get(&mut self, index: u32) -> Result<Option<LinkInfo>, Error> {
        let what = self.place.netdev(&format!("number {index}"));
        one(&mut self.netlink, numbered(index)).map_err(|refusal| refusal.about(what))
    }

    /// All netdevs.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn list(&mut self) -> Result<Vec<LinkInfo>, Error> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let answers = self
            .netlink
            .dump(&request)
            .map_err(|refusal| refusal.about(format!("the netdevs in {}", self.place)))?;
        Ok(answers.iter().filter_map(read).collect())
    }

    /// The lowest `ethN` that no netdev is called.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn free_eth(&mut self) -> Result<String, Error> {
        let taken = self.list()?;
        let mut free = (0_u32..).map(|n| format!("eth{n}"));
        let free = free.find(|name| taken.iter().all(|link| link.name != *name));
        Ok(free.unwrap_or_default())
    }
}

/// A message about the netdev with that index.
pub(super) fn numbered(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

/// Asks for one netdev; `None` when there is none such.
pub(super) fn one(
    netlink: &mut Netlink,
    message: LinkMessage,
) -> Result<Option<LinkInfo>, Refusal> {
    match netlink.request(RouteNetlinkMessage::GetLink(message), 0) {
        Ok(answers) => Ok(answers.iter().find_map(read)),
        Err(refusal) if refusal.is(Errno::NODEV) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

fn read(message: &RouteNetlinkMessage) -> Option<LinkInfo> {
    match message {
        RouteNetlinkMessage::NewLink(message) => Some(LinkInfo::read(message)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::lab::{Journal, LinkWatch, scratch};

    #[test]
    fn names_a_netdev_can_have() {
        for name in ["a", "eth0", "-x", "a.b@c", "...", "é", "übereth", "123456789012345"] {
            assert!(valid_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:0",
            "t%d",
            "a b",
            "a\tb",
            "a\u{b}b",
            "a\u{a0}b",
            "\u{85}",
            "à",
            "\u{3000}",
            "a\0",
            "1234567890123456",
        ] {
            assert!(!valid_name(name), "{name:?}");
        }
    }

    #[test]
    fn netdevs_are_found_by_name_and_number() {
        let there = scratch::netns();
        there.run(
            "ip",
            &["link", "add", "one", "mtu", "1400", "type", "veth", "peer", "name", "other"],
        );
        Place::In(there.netns.clone())
            .links(|links| {
                let one = links.require("one")?;
                assert_eq!((one.mtu, one.up, one.kind.as_deref()), (1400, false, Some("veth")));
                assert!(one.mac.is_some_and(|mac| !mac.is_group()));
                assert_eq!(one.lower, links.find("other")?.map(|link| link.index));
                assert_eq!(links.get(one.index)?, Some(one));
                assert_eq!(links.get(9999)?, None);
                assert_eq!(links.find("absent")?, None);
                assert_eq!(links.find("no good name for it")?, None);
                let names: Vec<_> = links.list()?.into_iter().map(|link| link.name).collect();
                assert!(["lo", "one", "other"].iter().all(|name| names.contains(&(*name).into())));
                let error = links.require("absent").unwrap_err();
                assert!(error.what.starts_with("netdev absent in namespace t"), "{error}");
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let there = scratch::netns();
        let place = Place::In(there.netns.clone());
        std::thread::spawn(move || {
            scratch::drop_capabilities();
            let error = place.links(Links::list).unwrap_err();
            assert_eq!(
                (error.kind, error.why.as_str()),
                (ErrorKind::Privilege, "needs CAP_SYS_ADMIN")
            );
            let error = Place::Here.links(|links| links.make_veth("one", "two")).unwrap_err();
            assert_eq!(
                (error.kind, error.why.as_str()),
                (ErrorKind::Privilege, "needs CAP_NET_ADMIN")
            );
            let error = LinkWatch::open().err().unwrap();
            assert_eq!(
                (error.kind, error.why.as_str()),
                (ErrorKind::Privilege, "needs CAP_NET_BROADCAST")
            );
            let run = scratch::directory();
            let mut journal = Journal::open(&run.0, "s").unwrap();
            let error = journal.namespace("p", &scratch::name()).unwrap_err();
            assert_eq!(
                (error.kind, error.why.as_str()),
                (ErrorKind::Privilege, "needs CAP_SYS_ADMIN")
            );
            assert!(journal.is_empty() && !run.0.join(".netns/made").exists());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_lowest_free_eth_is_found() {
        let there = scratch::netns();
        let place = Place::In(there.netns.clone());
        assert_eq!(place.links(Links::free_eth).unwrap(), "eth0");
        there.run("ip", &["link", "add", "eth0", "type", "veth", "peer", "name", "eth2"]);
        assert_eq!(place.links(Links::free_eth).unwrap(), "eth1");
    }
}
