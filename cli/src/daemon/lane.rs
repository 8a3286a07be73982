//! The kernel lane of a running switch.
//!
//! It is closed before anything of the switch's tables changes, and opened again when the
//! control loop has nothing left to do, with every port told to it anew. So no frame goes by
//! the kernel under rules that hold no longer.

use std::time::Instant;

use io_backends::bpf::lane::{Lane, LaneCounts, LaneDoor, LanePort, Missing, NoLane};
use io_backends::lab::Place;
use io_backends::ports::Tied;
use io_backends::queue::Queue;
use switch_core::explain::Explanation;
use switch_core::fdb::{Fdb, Key, Seed};
use switch_core::{Frame, Mac, PortId, Switch, Vid, Worker};

use super::Daemon;
use super::ports::PortLife;
use crate::config::{LaneMode, SwitchConfig};
use crate::control::api::{LaneDoc, LaneStats, LaneTotals};
use crate::error::Error;

/// The switch's lane, or why it has none.
pub(super) struct Road {
    lane: Result<Lane, String>,
    is_open: bool,
    /// What went by ports that are no more.
    removed: LaneCounts,
}

/// A switch and its workers whose FDB the lane reads, where there can be one.
pub(super) fn make(
    config: &SwitchConfig,
    workers: usize,
    clock: Instant,
) -> (Road, Switch, Vec<Worker>) {
    let (rules, capacity, seed) = (config.bridge, config.fdb_capacity, Seed::random());
    let lane = match (config.lane, Lane::is_missing()) {
        (LaneMode::Off, _) => Err("the lane is off".to_owned()),
        (LaneMode::Auto, Some(missing)) => Err(lacks(&missing).to_owned()),
        (LaneMode::Auto, None) => Lane::new(capacity, seed, clock)
            .map_err(|errno| format!("the kernel gives it no memory: {errno}")),
    };
    let (lane, (switch, workers)) = match lane {
        Ok((lane, memory)) => {
            let fdb = Fdb::shared(memory, capacity, rules.ageing, seed);
            (Ok(lane), Switch::with_fdb(rules, fdb, workers))
        }
        Err(why) => (Err(why), Switch::new(rules, capacity, workers, seed)),
    };
    (Road { lane, is_open: false, removed: LaneCounts::default() }, switch, workers)
}

/// What a host lacks for a lane.
pub fn lacks(missing: &Missing) -> &'static str {
    match missing {
        Missing::Processor => "it was tried on x86-64 processors only",
        Missing::Right => "it needs CAP_BPF and CAP_NET_ADMIN",
        Missing::Kernel => "this kernel has no tcx links (Linux 6.6)",
        Missing::Refused(_) => "the kernel refuses its programs",
    }
}

impl Daemon {
    /// The switch, to be changed: no frame goes by the kernel until [`Daemon::open_lane`].
    pub(super) fn change(&mut self) -> &mut Switch {
        self.close_lane();
        &mut self.switch
    }

    /// Returns when the last frame that took the lane has left.
    pub(super) fn close_lane(&mut self) {
        let Ok(lane) = &self.road.lane else { return };
        if std::mem::take(&mut self.road.is_open)
            && let Err(errno) = lane.close()
        {
            self.log.line(&format!("the lane's last frames can't be waited for: {errno}"));
        }
    }

    /// Tells the lane what holds now, and lets frames take it.
    pub(super) fn open_lane(&mut self) {
        let Ok(lane) = &self.road.lane else { return };
        if self.road.is_open {
            return;
        }
        lane.set_ageing(self.config.bridge.ageing);
        for life in self.lives.values() {
            let Some(rules) = self.switch.port(life.id).map(|port| &port.rules) else { continue };
            let (state, tie) = (life.state(), life.tie());
            lane.set_port(&LanePort {
                id: life.id,
                rules,
                is_open: state.up && tie.is_some_and(|tie| tie.door.is_some()),
                mtu: state.mtu,
                netdev: tie.map_or(0, |tie| tie.tied.netdev()),
                far_address: tie.and_then(|tie| tie.tied.far_address(life.mac())),
            });
        }
        lane.open();
        self.road.is_open = true;
    }

    /// Has a netdev's frames come in by its port's queues, or by the lane.
    pub(super) fn take_in(
        &self,
        id: PortId,
        tied: &mut Tied,
        queues: &mut [Queue],
        far: Option<Mac>,
    ) -> Result<Option<LaneDoor>, Error> {
        tied.send_to(far)?;
        let Some(lane) = self.road.lane.as_ref().ok().filter(|_| is_beside(tied)) else {
            tied.pass_up()?;
            return Ok(None);
        };
        let door = tied.join(lane, id)?;
        queues.iter_mut().for_each(|queue| queue.keep_account(door.progress()));
        Ok(Some(door))
    }

    /// Whether a port's frames may go by the kernel now, and if not, why.
    pub(super) fn lane_doc(&self, life: &PortLife) -> LaneDoc {
        let why = self.why_not(life);
        LaneDoc { open: why.is_none(), why }
    }

    fn why_not(&self, life: &PortLife) -> Option<String> {
        let Some(rules) = self.switch.port(life.id).map(|port| &port.rules) else {
            return Some("the port is gone".into());
        };
        let Some(tie) = life.tie() else {
            let why = if life.is_lost() {
                "the port is in fault"
            } else {
                "only netdev and veth ports have one"
            };
            return Some(why.into());
        };
        if let Err(why) = &self.road.lane {
            return Some(why.clone());
        }
        if tie.door.is_none() {
            return Some("its netdev is in a namespace of its own".into());
        }
        match Lane::takes(rules) {
            Err(NoLane::Tunnel) => return Some("tunnel ports have none".into()),
            Err(NoLane::ServiceTag) => return Some("tags of TPID 0x88a8 go by the workers".into()),
            Ok(()) => {}
        }
        (!life.state().up).then(|| "the port is down".into())
    }

    /// What of a port's frames went by the kernel, since it was added.
    pub(super) fn lane_counts(&self, life: &PortLife) -> LaneCounts {
        let Ok(lane) = &self.road.lane else { return LaneCounts::default() };
        minus(lane.counts(life.id), life.lane_base)
    }

    /// What the port's number was counted for before.
    pub(super) fn lane_base(&self, id: PortId) -> LaneCounts {
        self.road.lane.as_ref().map_or_else(|_| LaneCounts::default(), |lane| lane.counts(id))
    }

    /// Has the lane forget a port that goes, and keeps what was counted for it.
    pub(super) fn leave_lane(&mut self, life: &PortLife) {
        self.close_lane();
        let Ok(lane) = &self.road.lane else { return };
        lane.remove_port(life.id);
        let counts = self.lane_counts(life);
        let removed = &mut self.road.removed;
        removed.rx_frames += counts.rx_frames;
        removed.rx_bytes += counts.rx_bytes;
        removed.tx_frames += counts.tx_frames;
        removed.tx_bytes += counts.tx_bytes;
    }

    /// What went by the kernel, by ports that are no more.
    pub(super) fn removed_lane_counts(&self) -> LaneCounts {
        self.road.removed
    }
}

/// Whether the netdev is where the switch's other near ends are: the kernel sends no frame on to
/// another namespace.
fn is_beside(tied: &Tied) -> bool {
    *tied.place() == Place::Here
}

fn minus(now: LaneCounts, base: LaneCounts) -> LaneCounts {
    LaneCounts {
        rx_frames: now.rx_frames - base.rx_frames,
        rx_bytes: now.rx_bytes - base.rx_bytes,
        tx_frames: now.tx_frames - base.tx_frames,
        tx_bytes: now.tx_bytes - base.tx_bytes,
    }
}

impl From<LaneCounts> for LaneStats {
    fn from(counts: LaneCounts) -> LaneStats {
        let LaneCounts { rx_frames, rx_bytes, tx_frames, tx_bytes } = counts;
        LaneStats { rx_frames, rx_bytes, tx_frames, tx_bytes }
    }
}

impl std::ops::AddAssign<LaneCounts> for LaneTotals {
    fn add_assign(&mut self, counts: LaneCounts) {
        self.frames += counts.rx_frames;
        self.bytes += counts.rx_bytes;
    }
}

impl Daemon {
    /// Whether the kernel would send the frame on by itself; the answer gets a step that says
    /// so, or why not.
    pub(super) fn explain_lane(
        &self,
        ingress: PortId,
        frame: &Frame,
        answer: &mut Explanation,
    ) -> bool {
        if answer.drop.is_some() {
            return false;
        }
        let why = self.why_by_workers(ingress, frame, answer);
        answer.steps.push(match &why {
            None => "by the kernel lane: the workers do not see it".to_owned(),
            Some(why) => format!("by a worker: {why}"),
        });
        why.is_none()
    }

    fn why_by_workers(
        &self,
        ingress: PortId,
        frame: &Frame,
        answer: &Explanation,
    ) -> Option<String> {
        let life = |id: PortId| self.lives.values().find(|life| life.id == id);
        if let Some(why) = life(ingress).and_then(|life| self.why_not(life)) {
            return Some(why);
        }
        let (bytes, vid) = (frame.bytes(), answer.vid.unwrap_or(Vid::UNTAGGED));
        let address = |at: usize| {
            let octets = bytes.get(at..at + 6).and_then(|octets| octets.try_into().ok());
            Mac::new(octets.unwrap_or_default())
        };
        let entry = |mac: Mac| self.switch.fdb().entry(Key::new(mac, vid), self.now());
        let Some(target) = entry(address(0)).filter(|_| !address(0).is_group()) else {
            return Some("its destination is not one known address".into());
        };
        let learns = self.switch.port(ingress).is_some_and(|port| port.rules.learning);
        if learns && entry(address(6)).is_none_or(|entry| entry.port != ingress) {
            return Some("its source is not known there yet".into());
        }
        if bytes.get(12..14) == Some(&[0x88, 0xa8]) {
            return Some("tags of TPID 0x88a8 go by the workers".into());
        }
        let Some(target) = life(target.port) else { return Some("its destination is gone".into()) };
        self.why_not(target).map(|why| format!("the port it goes to: {why}"))
    }
}
