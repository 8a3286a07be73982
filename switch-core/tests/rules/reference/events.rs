//! What can happen to a switch, at random: few addresses and VLANs, so that
//! frames meet; sizes close to limits; any tag, and now and then a lie.

use proptest::prelude::*;
use proptest::sample::select;

use switch_core::config::{BridgeRules, L2cp, PortRules};
use switch_core::frame::{Checksum, Gso, GsoKind, Offload, Takes};
use switch_core::port::DeviceState;
use switch_core::port::TxError;
use switch_core::ports::memory::Wire;
use switch_core::vlan::{Allowed, VidSet};
use switch_core::{Mac, Tpid, Vid, VlanMode};

use crate::frames::{Spec, Tag};
use crate::super_frame::{KINDS, Super};

/// A port's place among those there are, whatever their number.
pub type Place = u8;

#[derive(Clone, Debug)]
pub enum Event {
    /// All in one burst.
    Frames(Vec<(Place, Wire)>),
    /// Milliseconds.
    Wait(u64),
    Add(PortRules, DeviceState),
    Remove(Place),
    SetRules(Place, PortRules),
    SetDevice(Place, DeviceState),
    Fault(Place, Option<TxError>),
    AddStatic(Mac, Vid, Place),
    Forget(Mac, Vid),
    Flush(Option<Place>, Option<Vid>, bool),
    SetBridge(BridgeRules),
}

pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let ports =
        prop::collection::vec(port().prop_map(|(rules, device)| Event::Add(rules, device)), 2..6);
    let rest = prop::collection::vec(event(), 1..50);
    (ports, rest).prop_map(|(ports, rest)| ports.into_iter().chain(rest).collect())
}

fn event() -> impl Strategy<Value = Event> {
    let place = any::<Place>;
    let frames = prop_oneof![
        30 => prop::collection::vec((place(), wire()), 1..8),
        1 => prop::collection::vec((place(), wire()), 60..140),
    ];
    let fault =
        select(vec![None, None, Some(TxError::Full), Some(TxError::Down), Some(TxError::Refused)]);
    prop_oneof![
        30 => frames.prop_map(Event::Frames),
        4 => select(vec![1u64, 400, 1000, 5000, 10_000, 11_000, 200_000, 300_000, 301_000])
            .prop_map(Event::Wait),
        2 => port().prop_map(|(rules, device)| Event::Add(rules, device)),
        1 => place().prop_map(Event::Remove),
        3 => (place(), rules()).prop_map(|(place, rules)| Event::SetRules(place, rules)),
        3 => (place(), device()).prop_map(|(place, device)| Event::SetDevice(place, device)),
        1 => (place(), fault).prop_map(|(place, fault)| Event::Fault(place, fault)),
        1 => (host(), fdb_vid(), place()).prop_map(|(mac, vid, place)| Event::AddStatic(mac, vid, place)),
        1 => (host(), fdb_vid()).prop_map(|(mac, vid)| Event::Forget(mac, vid)),
        1 => (prop::option::of(place()), prop::option::of(fdb_vid()), any::<bool>())
            .prop_map(|(place, vid, statics)| Event::Flush(place, vid, statics)),
        1 => (select(vec![0, 10, 300]), any::<bool>()).prop_map(|(ageing, standard)| {
            let l2cp = if standard { L2cp::Standard } else { L2cp::Transparent };
            Event::SetBridge(BridgeRules { ageing, l2cp })
        }),
    ]
}

fn port() -> impl Strategy<Value = (PortRules, DeviceState)> {
    (rules(), device())
}

fn vid() -> impl Strategy<Value = Vid> {
    select(vec![10, 20, 30]).prop_map(|vid| Vid::configured(vid).unwrap())
}

fn fdb_vid() -> impl Strategy<Value = Vid> {
    select(vec![0, 10, 20, 30]).prop_map(|vid| Vid::new(vid).unwrap())
}

fn mode() -> impl Strategy<Value = VlanMode> {
    let only = prop::collection::vec(vid(), 0..3)
        .prop_map(|vids| Allowed::Only(vids.into_iter().collect::<VidSet>()));
    let allowed = prop_oneof![1 => Just(Allowed::All), 3 => only];
    let tpid = select(vec![Tpid::Customer, Tpid::Customer, Tpid::Service]);
    let trunk = (allowed, prop::option::of(vid()), tpid)
        .prop_map(|(allowed, native, tpid)| VlanMode::Trunk { allowed, native, tpid });
    prop_oneof![
        2 => Just(VlanMode::Transparent),
        2 => vid().prop_map(VlanMode::Access),
        3 => trunk,
        1 => vid().prop_map(VlanMode::Tunnel),
    ]
}

fn mostly(usual: bool) -> impl Strategy<Value = bool> {
    prop::bool::weighted(if usual { 0.85 } else { 0.15 })
}

fn rules() -> impl Strategy<Value = PortRules> {
    let flags = (mostly(true), mostly(true), mostly(true), mostly(true), mostly(false));
    let limit = prop_oneof![3 => Just(0u32), 1 => 1u32..4];
    (mode(), flags, limit).prop_map(|(vlan, flags, mac_limit)| {
        let (learning, flood, mcast_flood, bcast_flood, isolated) = flags;
        PortRules { vlan, learning, flood, mcast_flood, bcast_flood, isolated, mac_limit }
    })
}

fn device() -> impl Strategy<Value = DeviceState> {
    let checksum = Takes { checksum: true, ..Takes::NOTHING };
    let takes = select(vec![
        Takes::NOTHING,
        Takes::NOTHING,
        Takes::EVERYTHING,
        Takes::EVERYTHING,
        checksum,
        Takes { tso4: true, ..checksum },
        Takes { tso6: true, tso_ecn: true, ..checksum },
        Takes { uso: true, ..checksum },
    ]);
    (mostly(true), select(vec![100, 600, 1500, 1500, 9000]), takes)
        .prop_map(|(up, mtu, takes)| DeviceState { up, mtu, takes })
}

fn host() -> impl Strategy<Value = Mac> {
    (1u64..7).prop_map(|number| Mac::from_u64(0x0200_0000_0000 + number))
}

fn addresses() -> impl Strategy<Value = (Mac, Mac)> {
    let group = |last: u64| Mac::from_u64(0x0180_c200_0000 + last);
    let odd = select(vec![Mac::BROADCAST, Mac::from_u64(0x0100_5e00_0001), Mac::default()]);
    let groups = vec![
        Mac::BROADCAST,
        Mac::BROADCAST,
        Mac::from_u64(0x3333_0000_0001),
        group(0),
        group(1),
        group(2),
        group(15),
        group(16),
        Mac::default(),
    ];
    (prop_oneof![8 => host(), 2 => select(groups)], prop_oneof![20 => host(), 1 => odd])
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tpid = select(vec![0x8100, 0x8100, 0x8100, 0x88a8, 0x9100]);
    let vid = select(vec![0, 10, 10, 20, 20, 30, 40, 4095]);
    let tag = (tpid, vid, 0u8..8, any::<bool>()).prop_map(|(tpid, vid, pcp, dei)| Tag {
        tpid,
        vid,
        pcp,
        dei,
    });
    prop_oneof![
        3 => Just(Vec::new()),
        3 => tag.clone().prop_map(|tag| vec![tag]),
        2 => prop::collection::vec(tag, 2..5),
    ]
}

/// Lengths around nothing, a tag, and every MTU of [`device`].
fn len() -> impl Strategy<Value = usize> {
    let around = |len: usize| len - 6..len + 22;
    prop_oneof![
        4 => Just(60usize),
        1 => 0usize..24,
        1 => around(114),
        1 => around(614),
        1 => around(1514),
        1 => around(9014),
    ]
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        8 => plain(),
        2 => unfinished(),
        2 => lie(),
    ]
}

fn plain() -> impl Strategy<Value = Wire> {
    (addresses(), tags(), any::<u32>(), len()).prop_map(|((dst, src), tags, number, len)| {
        let header = 14 + 4 * tags.len();
        let spec = Spec { len: Some(len.max(header)), ..Spec::new(src, dst, tags, number) };
        let mut wire = spec.sent();
        wire.bytes.truncate(len);
        wire
    })
}

/// A true super-frame, or the same unfinished and whole.
fn unfinished() -> impl Strategy<Value = Wire> {
    let parts = (0..KINDS.len(), 1usize..3000, 64u16..1500, any::<bool>());
    (addresses(), tags(), parts, any::<bool>()).prop_map(|((dst, src), tags, parts, is_super)| {
        let (kind, payload, size, ecn) = parts;
        let (kind, ipv4) = KINDS[kind];
        let ecn = ecn && kind != GsoKind::UdpL4;
        let parts = Super { ecn, fin_psh_cwr: ecn, ..Super::new(kind, ipv4, size, payload) };
        let body = crate::frames::Body::Super(parts);
        let mut wire = Spec { body, ..Spec::new(src, dst, tags, 0) }.sent();
        wire.offload.gso = wire.offload.gso.filter(|_| is_super);
        wire
    })
}

/// A frame whose offload state is made up.
fn lie() -> impl Strategy<Value = Wire> {
    let number = || prop_oneof![3 => 10u16..80, 1 => any::<u16>()];
    let checksum = prop_oneof![
        1 => Just(Checksum::None),
        1 => Just(Checksum::Valid),
        3 => (number(), prop_oneof![Just(6u16), Just(16u16), number()])
            .prop_map(|(start, offset)| Checksum::Partial { start, offset }),
    ];
    let kinds = select(vec![GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4]);
    let gso = (kinds, any::<bool>(), prop_oneof![Just(0u16), number()])
        .prop_map(|(kind, ecn, size)| Gso { kind, ecn, size, hdr_len: 0 });
    let offload = (checksum, prop::option::weighted(0.3, gso))
        .prop_map(|(checksum, gso)| Offload { checksum, gso });
    (prop_oneof![plain(), unfinished()], offload)
        .prop_map(|(wire, offload)| Wire { bytes: wire.bytes, offload })
}
