//! A frame's whole way through the switch, rule by rule.
//!
//! 1. [`admit`]: may it come in, and to which VLAN does it belong?
//! 2. [`decide`]: learn its source, then look up its destination: one port, or a flood.
//! 3. For each port it goes to: [`PortTable::edit`] its tag, then [`leave`]: may it go
//!    out in this form, and what must software do to it first?
//!
//! None of them changes or sends a frame. The [`worker`](crate::worker) does so by
//! their answers, and [`explain`](crate::explain) puts the same answers into words.
//! Rule numbers are those of `docs/forwarding.md`.

use crate::config::L2cp;
use crate::drops::Drop;
use crate::fdb::{Fdb, Key, Sought};
use crate::frame::segment::{self, Segmenter};
use crate::frame::{Checksum, Frame, Offload};
use crate::mac::{Class, Mac};
use crate::port::PortId;
use crate::tables::{PortTable, Tables};
use crate::vlan::{Tag, Tci, Tpid, Vid, VlanMode};

/// Bytes of an Ethernet header: two addresses and an EtherType.
pub const HEADER: usize = 14;
/// Bytes of a tag.
pub const TAG: usize = 4;

/// The first address of the reserved block 01-80-C2-00-00-00 to -0F (802.1Q table 8-1).
const RESERVED_BLOCK: u64 = 0x0180_c200_0000;
/// MAC control, which is never relayed (802.3 annex 31B).
const PAUSE: u64 = 0x0180_c200_0001;

/// A frame the ingress filter let in.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// The VLAN it belongs to.
    pub vid: Vid,
    /// The tag it carries, if the ingress port recognises one.
    pub tag: Option<Tag>,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug)]
pub enum Target<'t> {
    /// To one port.
    One(&'t PortTable),
    /// To the members of its VLAN.
    Flood(Class),
}

/// What the first 14 bytes say.
struct Ethernet {
    dst: Mac,
    src: Mac,
    ethertype: u16,
}

impl Ethernet {
    /// Two loads of eight bytes that overlap: each address with what follows it.
    #[inline]
    fn parse(bytes: &[u8]) -> Option<Ethernet> {
        let dst = u64::from_be_bytes(*bytes.first_chunk()?);
        let src = u64::from_be_bytes(*bytes.get(6..)?.first_chunk()?);
        Some(Ethernet {
            dst: Mac::from_u64(dst >> 16),
            src: Mac::from_u64(src >> 16),
            ethertype: src as u16,
        })
    }
}

/// Whether a frame may come in by `port`, what it is there, and its source and
/// destination, which are looked up in its VLAN. Rules 2, 11–15, 17 and 18.
///
/// # Errors
/// The reason it is dropped.
#[inline]
pub fn admit(
    tables: &Tables,
    port: &PortTable,
    frame: &Frame,
) -> Result<(Admitted, [Key; 2]), Drop> {
    let bytes = frame.bytes();
    let Ethernet { dst, src, ethertype } = Ethernet::parse(bytes).ok_or(Drop::TooShort)?;
    let (vid, tag) = classify(&port.rules.vlan, ethertype, bytes)?;
    if !offload_holds(&frame.offload, tag, bytes.len()) {
        return Err(Drop::BadOffload);
    }
    reserved(tables.bridge.l2cp, dst)?;
    if src.is_group() {
        return Err(Drop::GroupSource);
    }
    if src.is_zero() {
        return Err(Drop::ZeroSource);
    }
    Ok((Admitted { vid, tag }, [Key::new(src, vid), Key::new(dst, vid)]))
}

/// The VLAN of a frame, and its tag if the port recognises one. Rules 11–15.
#[inline]
fn classify(mode: &VlanMode, ethertype: u16, bytes: &[u8]) -> Result<(Vid, Option<Tag>), Drop> {
    if let VlanMode::Tunnel(vid) = mode {
        return Ok((*vid, None));
    }
    let untagged = || mode.pvid().ok_or(Drop::NoNative);
    let Some(tag) = port_tag(mode.tpid(), ethertype, bytes)? else {
        return Ok((untagged()?, None));
    };
    let vid = match tag.tci.vid_bits() {
        0 => untagged()?,
        bits => {
            let vid = Vid::new(bits).ok_or(Drop::ReservedVid)?;
            match mode {
                VlanMode::Access(_) => return Err(Drop::TaggedOnAccess),
                _ if !mode.is_member(vid) => return Err(Drop::VidNotAllowed),
                _ => vid,
            }
        }
    };
    Ok((vid, Some(tag)))
}

/// The outermost tag, if it has the port's TPID; any other is payload (rule 15).
#[inline]
fn port_tag(tpid: Tpid, ethertype: u16, bytes: &[u8]) -> Result<Option<Tag>, Drop> {
    if ethertype != tpid.get() {
        return Ok(None);
    }
    let tagged = bytes.first_chunk::<{ HEADER + TAG }>().ok_or(Drop::TruncatedTag)?;
    Ok(Some(Tag { tpid, tci: Tci(u16::from_be_bytes([tagged[14], tagged[15]])) }))
}

/// Whether an offload state is true of the frame, and stays so whatever tag is
/// put in or taken out on the way (rule 19).
#[inline]
fn offload_holds(offload: &Offload, tag: Option<Tag>, len: usize) -> bool {
    if offload.is_plain() {
        return true;
    }
    let headers = if tag.is_some() { HEADER + TAG } else { HEADER };
    let start_holds = match offload.checksum {
        Checksum::Partial { start, .. } => {
            (headers..=usize::from(u16::MAX) - TAG).contains(&start.into())
        }
        _ => true,
    };
    start_holds && offload.fits(len) && offload.gso.is_none_or(|gso| gso.size > 0)
}

/// Rule 17: a wire to control protocols, except MAC pause.
#[inline]
fn reserved(l2cp: L2cp, dst: Mac) -> Result<(), Drop> {
    if !is_reserved(dst) {
        return Ok(());
    }
    match (dst.to_u64(), l2cp) {
        (PAUSE, _) => Err(Drop::Pause),
        (_, L2cp::Standard) => Err(Drop::ReservedAddress),
        (_, L2cp::Transparent) => Ok(()),
    }
}

/// Whether an address lies in the reserved block.
#[inline]
pub(crate) fn is_reserved(dst: Mac) -> bool {
    dst.to_u64() & !0xf == RESERVED_BLOCK
}

/// What deciding asks of the FDB.
pub trait Stations {
    /// Learns that `src` is behind `port`, which may hold `limit` addresses (0: any number).
    fn learn(&mut self, src: &Sought, port: PortId, limit: u32);

    /// The port that `dst` is behind.
    fn find(&mut self, dst: &Sought) -> Option<PortId>;
}

/// The FDB itself, at one moment.
pub struct Now<'f> {
    /// The table.
    pub fdb: &'f Fdb,
    /// The second at which sources are seen.
    pub seen: u32,
    /// The second by which entries have expired: no later than `seen`.
    pub expiry: u32,
}

impl Stations for Now<'_> {
    #[inline]
    fn learn(&mut self, src: &Sought, port: PortId, limit: u32) {
        self.fdb.learn(src, port, limit, self.seen);
    }

    #[inline]
    fn find(&mut self, dst: &Sought) -> Option<PortId> {
        self.fdb.lookup(dst, self.expiry)
    }
}

/// Where a frame goes that came in by `ingress`; its source is learned first.
/// Rules 1-6, 8 and 9.
///
/// # Errors
/// The reason it is dropped. That a flood reaches no port is found only when it is delivered.
#[inline]
pub fn decide<'t>(
    tables: &'t Tables,
    stations: &mut impl Stations,
    ingress: &PortTable,
    vid: Vid,
    [src, dst]: &[Sought; 2],
) -> Result<Target<'t>, Drop> {
    if ingress.learns() {
        stations.learn(src, ingress.id, ingress.rules.mac_limit);
    }
    let mac = dst.key().mac();
    if mac.is_group() {
        let class = if mac.is_broadcast() { Class::Broadcast } else { Class::Multicast };
        return Ok(Target::Flood(class));
    }
    // An entry for a port that is no more counts as none.
    let known = stations.find(dst).and_then(|id| tables.port(id));
    let Some(port) = known else { return Ok(Target::Flood(Class::UnknownUnicast)) };
    if port.id == ingress.id {
        return Err(Drop::SamePort);
    }
    if !port.is_member(vid) {
        return Err(Drop::NotMember);
    }
    if port.rules.isolated && ingress.rules.isolated {
        return Err(Drop::Isolated);
    }
    Ok(Target::One(port))
}

/// The ports a flooded frame goes to (rule 6).
#[inline]
pub fn flood_targets<'t>(
    tables: &'t Tables,
    ingress: &'t PortTable,
    vid: Vid,
    class: Class,
) -> impl Iterator<Item = &'t PortTable> {
    let kept_apart = |port: &PortTable| port.rules.isolated && ingress.rules.isolated;
    tables.flood_set(vid, class).filter(move |port| port.id != ingress.id && !kept_apart(port))
}

/// How a frame goes out by a port.
pub enum Exit {
    /// The port's device takes it as it is.
    AsItIs,
    /// Its checksum is computed first.
    Checksum,
    /// It is cut into segments.
    Cut(Segmenter),
}

/// Whether a frame goes out by `port` as it is without a closer look: the usual case of
/// [`leave`], for which the hot path needs no answer in memory.
#[inline]
pub fn leaves_as_it_is(port: &PortTable, frame: &Frame) -> bool {
    let fits = frame.len() <= port.device.mtu as usize + HEADER;
    port.device.up && fits && port.takes(frame)
}

/// How a frame, in the form it leaves in, goes out by `port`. Rules 5, 18 and 19.
///
/// # Errors
/// The reason this copy is dropped.
pub fn leave(port: &PortTable, frame: &Frame) -> Result<Exit, Drop> {
    if !port.device.up {
        return Err(Drop::PortDown);
    }
    let mtu = port.device.mtu as usize;
    if frame.len() > mtu + HEADER && payload_len(frame) > mtu {
        return Err(Drop::TooBig);
    }
    if port.takes(frame) {
        return Ok(Exit::AsItIs);
    }
    in_software(frame)
}

/// What software does to a frame for a device that does not take it as it is.
fn in_software(frame: &Frame) -> Result<Exit, Drop> {
    match frame.offload.gso {
        Some(_) => match Segmenter::new(frame).ok_or(Drop::BadSegments)? {
            segmenter if segmenter.is_too_fine() => Err(Drop::TinySegments),
            segmenter => Ok(Exit::Cut(segmenter)),
        },
        None => Ok(Exit::Checksum),
    }
}

/// What an MTU limits: the length less the header and at most two tags; of a
/// super-frame, that of the longest frame it stands for (rule 18).
fn payload_len(frame: &Frame) -> usize {
    let bytes = frame.bytes();
    let tag_at = |at: usize| {
        let tpid = bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        tpid.and_then(Tpid::new).is_some()
    };
    let tags = if !tag_at(12) {
        0
    } else if !tag_at(16) {
        1
    } else {
        2
    };
    // Of a frame as short as that, the second tag is payload too.
    segment::measured_len(frame).saturating_sub(HEADER + TAG * tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(len: usize, tags: &[u16]) -> Frame {
        let mut bytes = vec![0x02; 12];
        for tpid in tags {
            bytes.extend(tpid.to_be_bytes());
            bytes.extend([0, 10]);
        }
        bytes.extend([0x88, 0xb5]);
        bytes.resize(len, 0);
        Frame::from_bytes(&bytes)
    }

    #[test]
    fn mtu_measures_payload_behind_at_most_two_tags() {
        assert_eq!(payload_len(&frame_of(1514, &[])), 1500);
        assert_eq!(payload_len(&frame_of(1518, &[0x8100])), 1500);
        assert_eq!(payload_len(&frame_of(1522, &[0x88a8, 0x8100])), 1500);
        assert_eq!(payload_len(&frame_of(1526, &[0x8100, 0x8100, 0x8100])), 1504);
    }

    #[test]
    fn a_tag_cut_short_is_never_read_past() {
        let access = VlanMode::Access(Vid::new(5).unwrap());
        for len in 14..18 {
            let bytes = &frame_of(18, &[0x8100]).bytes()[..len].to_vec();
            assert_eq!(classify(&access, 0x8100, bytes), Err(Drop::TruncatedTag), "{len}");
        }
    }
}
