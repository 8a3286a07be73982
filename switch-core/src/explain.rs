//! What would happen to a frame, step by step: the answers of [`crate::forward`] in words.
//!
//! Nothing is learned, counted or sent.

use crate::config::L2cp;
use crate::drops::Drop;
use crate::fdb::{Fdb, Key, Learned, Sought};
use crate::forward::{self, Admitted, Exit, Stations, Target};
use crate::frame::Frame;
use crate::mac::{Class, Mac};
use crate::port::PortId;
use crate::tables::{PortTable, Tables};
use crate::vlan::{TagEdit, Vid, VlanMode};

/// One way a frame goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Egress {
    /// The port's name.
    pub port: String,
    /// What becomes of its tag: `none`, `kept`, `pushed`, `popped`, or the tag
    /// written over the one that was there, like `0x8100:10`.
    pub tag: String,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Why the frame goes nowhere; `None` when it goes somewhere.
    pub drop: Option<Drop>,
    /// The VLAN it belongs to; `None` when it never got that far.
    pub vid: Option<Vid>,
    /// Where it goes.
    pub egress: Vec<Egress>,
    /// What was decided and why, in order.
    pub steps: Vec<String>,
}

/// Follows `frame` in by the port `ingress`. `None` when there is no such port.
pub fn explain(
    tables: &Tables,
    fdb: &Fdb,
    now: u32,
    ingress: PortId,
    frame: &Frame,
) -> Option<Explanation> {
    let port = tables.port(ingress)?;
    let mut answer = Explanation { drop: None, vid: None, egress: Vec::new(), steps: Vec::new() };
    let copy = Frame::new();
    answer.drop = Walk { tables, fdb, now, port, frame, copy, answer: &mut answer }.walk().err();
    if let Some(reason) = answer.drop {
        answer.steps.push(format!("dropped: {}: {}", reason.name(), reason.text()));
    }
    Some(answer)
}

/// The FDB as it would be after the frame: asked, and left as it is.
struct Supposed<'f> {
    fdb: &'f Fdb,
    now: u32,
    /// What learning the source would do, once asked, and where it would be then.
    learned: Option<Learned>,
    source: Option<(Key, PortId)>,
}

impl Stations for Supposed<'_> {
    fn learn(&mut self, src: &Sought, port: PortId, limit: u32) {
        let learned = self.fdb.would_learn(src.key(), port, limit);
        if matches!(learned, Learned::Known | Learned::New | Learned::Moved(_)) {
            self.source = Some((src.key(), port));
        }
        self.learned = Some(learned);
    }

    fn find(&mut self, dst: &Sought) -> Option<PortId> {
        match self.source {
            Some((source, port)) if source == dst.key() => Some(port),
            _ => self.fdb.lookup(dst, self.now),
        }
    }
}

struct Walk<'w> {
    tables: &'w Tables,
    fdb: &'w Fdb,
    now: u32,
    port: &'w PortTable,
    frame: &'w Frame,
    /// The frame in the form it leaves in by one port.
    copy: Frame,
    answer: &'w mut Explanation,
}

impl Walk<'_> {
    fn say(&mut self, step: String) {
        self.answer.steps.push(step);
    }

    fn walk(&mut self) -> Result<(), Drop> {
        let mode = describe_mode(&self.port.rules.vlan);
        self.say(format!("in by port {} ({mode}), {} bytes", self.port.name, self.frame.len()));
        let (frame, [src, dst]) = forward::admit(self.tables, self.port, self.frame)?;
        let dst_mac = dst.mac();
        self.answer.vid = Some(frame.vid);
        self.say(describe_vlan(&frame));
        if self.tables.bridge.l2cp == L2cp::Transparent && forward::is_reserved(dst_mac) {
            self.say(format!("{dst_mac} is a reserved address; this switch is a wire to it"));
        }
        let mut stations = Supposed { fdb: self.fdb, now: self.now, learned: None, source: None };
        let addresses = [self.fdb.seek(src), self.fdb.seek(dst)];
        let decided = forward::decide(self.tables, &mut stations, self.port, frame.vid, &addresses);
        self.say_learned(src.mac(), stations.learned);
        if src == dst && stations.source.is_some() {
            self.say("the destination is the source itself".into());
        }
        match decided? {
            Target::One(target) => {
                self.say(format!("destination {dst_mac} is known on port {}", target.name));
                self.leave(target, &frame)
            }
            Target::Flood(class) => self.flood(&frame, dst_mac, class),
        }
    }

    /// Says what the source teaches.
    fn say_learned(&mut self, src: Mac, learned: Option<Learned>) {
        let name = |id: PortId| self.tables.port(id).map_or("a removed port", |port| &port.name);
        let text = match learned {
            None if self.port.device.up => "is not learned: the port's learning is off".to_owned(),
            None => "is not learned: the port is down".to_owned(),
            Some(Learned::Known) => "is known on this port".to_owned(),
            Some(Learned::New) => "is new and is learned on this port".to_owned(),
            Some(Learned::Moved(from)) => format!("moves here from port {}", name(from)),
            Some(Learned::Static(at)) => {
                format!("stays on port {}: its entry is static", name(at))
            }
            Some(Learned::Limited) => {
                let limit = self.port.rules.mac_limit;
                format!("is not learned: the port holds its mac-limit of {limit}")
            }
            Some(Learned::Full) => "is not learned: the table is full".to_owned(),
        };
        self.say(format!("source {src} {text}"));
    }

    fn flood(&mut self, frame: &Admitted, dst: Mac, class: Class) -> Result<(), Drop> {
        let kind = match class {
            Class::UnknownUnicast => "an unknown address",
            Class::Multicast => "a multicast address",
            Class::Broadcast => "the broadcast address",
        };
        self.say(format!("destination {dst} is {kind}: to every member of the VLAN"));
        let mut targets = Vec::new();
        let mut first_drop = None;
        for target in forward::flood_targets(self.tables, self.port, frame.vid, class) {
            targets.push(target.id);
            if let Err(reason) = self.leave(target, frame) {
                self.say(format!("no copy out by port {}: {}", target.name, reason.name()));
                first_drop = first_drop.or(Some(reason));
            }
        }
        for member in self.tables.ports().filter(|port| port.rules.vlan.is_member(frame.vid)) {
            if member.id != self.port.id && !targets.contains(&member.id) {
                self.say(format!("not to {}: {}", member.name, self.why_not(member, class)));
            }
        }
        match first_drop {
            _ if targets.is_empty() => Err(Drop::NoTarget),
            Some(reason) if self.answer.egress.is_empty() => Err(reason),
            _ => Ok(()),
        }
    }

    /// Why a flooded frame leaves a member of its VLAN out.
    fn why_not(&self, member: &PortTable, class: Class) -> &'static str {
        match class {
            _ if !member.device.up => "it is down",
            _ if member.rules.isolated && self.port.rules.isolated => "both ports are isolated",
            Class::UnknownUnicast => "its flood is off",
            Class::Multicast => "its mcast-flood is off",
            Class::Broadcast => "its bcast-flood is off",
        }
    }

    fn leave(&mut self, target: &PortTable, frame: &Admitted) -> Result<(), Drop> {
        let edit = target.edit(frame.vid, frame.tag);
        self.copy.copy_from(self.frame);
        self.copy.edit_tag(edit);
        let finish = match forward::leave(target, &self.copy)? {
            Exit::AsItIs => String::new(),
            Exit::Checksum => ", its checksum computed".to_owned(),
            Exit::Cut(cut) => format!(", cut into {} frames", cut.count()),
        };
        let (tag, words) = match edit {
            TagEdit::Keep if frame.tag.is_some() => ("kept".to_owned(), "its tag kept".to_owned()),
            TagEdit::Keep => ("none".to_owned(), "unchanged, no tag".to_owned()),
            TagEdit::Pop => ("popped".to_owned(), "its tag removed".to_owned()),
            TagEdit::Push(tag) => {
                ("pushed".to_owned(), format!("with a new tag {}:{}", tag.tpid, tag.tci.vid_bits()))
            }
            TagEdit::Rewrite(tag) => {
                let tag = format!("{}:{}", tag.tpid, tag.tci.vid_bits());
                (tag.clone(), format!("its tag rewritten to {tag}"))
            }
        };
        self.say(format!("out by port {}, {words}{finish}", target.name));
        self.answer.egress.push(Egress { port: target.name.clone(), tag });
        Ok(())
    }
}

fn describe_vlan(frame: &Admitted) -> String {
    match (frame.tag, frame.vid) {
        (None, Vid::UNTAGGED) => {
            "untagged: belongs to VLAN 0, which transparent ports share".into()
        }
        (None, vid) => format!("no tag of this port's kind: belongs to the port's VLAN {vid}"),
        (Some(tag), vid) if tag.tci.vid_bits() == 0 => {
            format!("priority-tagged (PCP {}): belongs to VLAN {vid}", tag.tci.pcp())
        }
        (Some(tag), vid) => {
            format!("tagged {}:{vid} (PCP {}): belongs to VLAN {vid}", tag.tpid, tag.tci.pcp())
        }
    }
}

fn describe_mode(mode: &VlanMode) -> String {
    match mode {
        VlanMode::Transparent => "transparent".into(),
        VlanMode::Access(vid) => format!("access {vid}"),
        VlanMode::Trunk { native: Some(native), .. } => format!("trunk, native {native}"),
        VlanMode::Trunk { native: None, .. } => "trunk without native".into(),
        VlanMode::Tunnel(vid) => format!("tunnel {vid}"),
    }
}
