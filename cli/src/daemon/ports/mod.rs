//! A switch's ports: attaching, detaching, following their netdevs, healing them.

mod netdev;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use io_backends::Attachment;
use io_backends::host::descriptors;
use io_backends::lab::{LinkEvent, LinkInfo, Report, Watched};
use io_backends::ports::Kind;
use io_backends::ports::{Attached, attach, place_exists};
use io_backends::queue::guard::Guard;
use switch_core::config::PortConfig;
use switch_core::frame::Takes;
use switch_core::port::DeviceState;
use switch_core::{Mac, PortId};

use super::Daemon;
use super::requests::documents::DeviceNow;
use crate::error::CliError;
use netdev::Netdev;

/// The first wait before a lost port is made again, and the longest.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The time between two looks at queues that others can change.
const LOOK: Duration = Duration::from_secs(1);

/// The MTU of a netdev the switch cannot see: no limit but a frame's own.
const UNKNOWN_MTU: u32 = 65_535;

/// One port and its device.
pub(super) struct Member {
    pub(super) config: PortConfig<Attachment>,
    pub(super) id: PortId,
    device: Device,
}

enum Device {
    Open {
        takes: Takes,
        queues: u16,
        guard: Option<Guard>,
        /// `None` for a netdev the switch cannot see.
        netdev: Option<Netdev>,
    },
    Lost {
        why: String,
        /// The netdev's address, which its neighbours still know.
        mac: Option<Mac>,
        /// When it is tried again; `None` for what only its giver could give again.
        next: Option<Instant>,
        wait: Duration,
    },
}

impl Member {
    pub(super) fn now(&self) -> DeviceNow {
        match &self.device {
            Device::Lost { why, .. } => {
                DeviceNow { fault: Some(why.clone()), ..DeviceNow::default() }
            }
            Device::Open { queues, netdev: None, .. } => {
                DeviceNow { up: true, queues: Some(*queues), ..DeviceNow::default() }
            }
            Device::Open { queues, netdev: Some(netdev), .. } => DeviceNow {
                fault: None,
                up: netdev.carries(),
                ifname: Some(netdev.link.name.clone()),
                mac: netdev.link.mac.map(|mac| mac.to_string()),
                mtu: Some(netdev.link.mtu),
                queues: Some(*queues),
            },
        }
    }

    /// Its netdev in the watch.
    pub(super) fn watched(&self) -> Option<Watched> {
        self.netdev().map(|netdev| netdev.watched)
    }

    fn netdev(&self) -> Option<&Netdev> {
        match &self.device {
            Device::Open { netdev, .. } => netdev.as_ref(),
            Device::Lost { .. } => None,
        }
    }

    fn guard(&self) -> Option<&Guard> {
        match &self.device {
            Device::Open { guard, .. } => guard.as_ref(),
            Device::Lost { .. } => None,
        }
    }

    fn netdev_mut(&mut self) -> Option<&mut Netdev> {
        match &mut self.device {
            Device::Open { netdev, .. } => netdev.as_mut(),
            Device::Lost { .. } => None,
        }
    }

    /// The netdev's address; that of a lost one too.
    fn mac(&self) -> Option<Mac> {
        match &self.device {
            Device::Lost { mac, .. } => *mac,
            Device::Open { netdev, .. } => netdev.as_ref().and_then(|netdev| netdev.link.mac),
        }
    }

    /// The device as the hot path sees it.
    fn state(&self) -> DeviceState {
        match &self.device {
            Device::Lost { .. } => DeviceState { up: false, mtu: 0, takes: Takes::NOTHING },
            Device::Open { takes, netdev: None, .. } => {
                DeviceState { up: true, mtu: UNKNOWN_MTU, takes: *takes }
            }
            Device::Open { takes, netdev: Some(netdev), .. } => {
                DeviceState { up: netdev.carries(), mtu: netdev.link.mtu, takes: *takes }
            }
        }
    }
}

impl Daemon {
    /// Adds a port; it forwards when this returns. `sent` is an `fd` port's
    /// descriptor that came with the request.
    pub(super) fn add_port(
        &mut self,
        config: PortConfig<Attachment>,
        sent: Option<OwnedFd>,
    ) -> Result<(), CliError> {
        let what = format!("port {}", config.name);
        if self.switch.port_named(&config.name).is_some() {
            return Err(CliError::failed(what, "the switch has a port of this name already"));
        }
        let attached = self.attach(&config, sent)?;
        let device = DeviceState { up: false, mtu: 0, takes: attached.takes };
        let Ok(id) = self.switch.add_port(&config.name, config.rules.clone(), device) else {
            drop(attached);
            self.journal.undo_port(&config.name);
            return Err(CliError::failed(what, "a switch has at most 4096 ports"));
        };
        let lost = Device::Lost { why: String::new(), mac: None, next: None, wait: PATIENCE.0 };
        let name = config.name.clone();
        self.members.push(Member { config, id, device: lost });
        if let Err(error) = self.open(self.members.len() - 1, attached) {
            self.remove_port(&name);
            return Err(error);
        }
        Ok(())
    }

    fn attach(
        &mut self,
        config: &PortConfig<Attachment>,
        sent: Option<OwnedFd>,
    ) -> Result<Attached, CliError> {
        let queues = self.workers.queues(self.members.len());
        attach(&mut self.journal, &config.name, &config.attachment, queues, sent)
            .map_err(CliError::from)
    }

    /// Puts an open device into service.
    fn open(&mut self, at: usize, attached: Attached) -> Result<(), CliError> {
        let Attached { queues, guard, takes, netdev } = attached;
        let _others_need_some = descriptors::leave_some();
        let member = &mut self.members[at];
        let count = queues.len() as u16;
        let netdev = match netdev {
            Some((place, link)) => Some(Netdev::follow(&mut self.watch, &place, link.index)?),
            None => None,
        };
        let id = member.id;
        let open = Device::Open { takes, queues: count, guard, netdev };
        let before = std::mem::replace(&mut member.device, open);
        let state = member.state();
        if let Err(error) = self.workers.add(id, queues) {
            let device = std::mem::replace(&mut self.members[at].device, before);
            self.unfollow(&device);
            return Err(error);
        }
        self.switch.set_device(id, state);
        self.await_crossing();
        // Announcements from before it was followed are old news.
        self.follow_links();
        Ok(())
    }

    /// Removes a port and what was made for it; `None` when there is no such port.
    pub(super) fn remove_port(&mut self, name: &str) -> Option<Report> {
        let at = self.members.iter().position(|member| member.config.name == name)?;
        let member = self.members.remove(at);
        self.unfollow(&member.device);
        self.switch.remove_port(member.id);
        self.await_crossing();
        self.workers.remove(member.id);
        drop(member);
        Some(self.journal.undo_port(name))
    }

    /// Notes what happened to the ports' netdevs.
    pub(super) fn follow_links(&mut self) {
        for event in self.watch.drain() {
            match event {
                LinkEvent::Up(watched) => self.note(watched, |link| {
                    link.up = true;
                    link.carrier = true;
                }),
                LinkEvent::Down(watched) => self.note(watched, |link| link.up = false),
                LinkEvent::Mtu(watched, mtu) => self.note(watched, |link| link.mtu = mtu),
                LinkEvent::Mac(watched, mac) => self.note(watched, |link| link.mac = Some(mac)),
                LinkEvent::Renamed(watched, name) => {
                    self.note(watched, |link| link.name.clone_from(&name));
                }
                LinkEvent::Removed(watched) => self.lose_watched(watched, "its netdev is gone"),
                LinkEvent::NamespaceGone(watched) => {
                    self.lose_watched(watched, "its namespace is gone");
                }
                LinkEvent::Overrun => self.log.line("announcements of the kernel were lost"),
            }
        }
        self.await_crossing();
    }

    /// Notes a change of a netdev, which may be below several ports.
    fn note(&mut self, watched: Watched, change: impl Fn(&mut LinkInfo)) {
        for member in &mut self.members {
            if !member.netdev_mut().is_some_and(|netdev| netdev.note(watched, &change)) {
                continue;
            }
            let (id, state) = (member.id, member.state());
            let before = self.switch.port(id).map(|port| port.device.up);
            if before != Some(state.up) {
                let word = if state.up { "up" } else { "down" };
                self.log.line(&format!("port {}: link {word}", member.config.name));
            }
            self.switch.set_device(id, state);
        }
    }

    /// Ends what was followed for a device, but for what another port's needs too.
    fn unfollow(&mut self, device: &Device) {
        let Device::Open { netdev: Some(netdev), .. } = device else { return };
        for watched in netdev.all_watched() {
            let mut others = self.members.iter().filter_map(Member::netdev);
            if !others.any(|other| other.all_watched().any(|own| own == watched)) {
                self.watch.unfollow(watched);
            }
        }
    }

    /// Notes the ports whose devices a worker found gone.
    pub(super) fn note_gone(&mut self) {
        // Where the watch knows better why, it says so.
        self.follow_links();
        while let Ok(id) = self.gone.try_recv() {
            if let Some(at) = self.members.iter().position(|member| member.id == id) {
                self.lose(at, "its device is gone");
            }
        }
    }

    fn lose_watched(&mut self, watched: Watched, why: &str) {
        for netdev in self.members.iter_mut().filter_map(Member::netdev_mut) {
            netdev.forget_lower(watched);
        }
        let at = self.members.iter().position(|member| member.watched() == Some(watched));
        if let Some(at) = at {
            self.lose(at, why);
        }
    }

    /// Takes a port out of service until its device can be made again.
    fn lose(&mut self, at: usize, why: &str) {
        let member = &mut self.members[at];
        if matches!(member.device, Device::Lost { .. }) {
            return;
        }
        let returns = !matches!(member.config.attachment.kind, Kind::Fd(_));
        let lost = Device::Lost {
            why: why.into(),
            mac: member.mac(),
            next: returns.then(|| Instant::now() + PATIENCE.0),
            wait: PATIENCE.0,
        };
        let device = std::mem::replace(&mut member.device, lost);
        let (id, state, name) = (member.id, member.state(), member.config.name.clone());
        self.unfollow(&device);
        drop(device);
        self.log.line(&format!("port {name}: fault: {why}"));
        self.switch.set_device(id, state);
        self.await_crossing();
        self.workers.remove(id);
        let report = self.journal.undo_netdevs(&name);
        for kept in &report.kept {
            self.log.line(&format!("port {name}: {kept}"));
        }
    }

    /// When a lost port is to be tried, or the open ones are to be looked at.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        let guarded = self.members.iter().any(|member| member.guard().is_some());
        let look = guarded.then(|| self.looked + LOOK);
        look.into_iter().chain(self.next_healing()).min()
    }

    /// Takes ports out of service whose queues others changed.
    pub(super) fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for at in 0..self.members.len() {
            let found = self.members[at].guard().map_or(Ok(()), Guard::check);
            if let Err(why) = found {
                // Where the watch knows better why, it says so.
                self.follow_links();
                self.lose(at, why);
            }
        }
    }

    fn next_healing(&self) -> Option<Instant> {
        let next = |member: &Member| match &member.device {
            Device::Lost { next, .. } => *next,
            Device::Open { .. } => None,
        };
        self.members.iter().filter_map(next).min()
    }

    /// Tries the lost ports whose time has come.
    pub(super) fn heal(&mut self) {
        let now = Instant::now();
        for at in 0..self.members.len() {
            let Device::Lost { next: Some(next), .. } = &self.members[at].device else { continue };
            if *next <= now
                && let Err(error) = self.heal_one(at)
            {
                self.postpone(at, &error);
            }
        }
    }

    fn heal_one(&mut self, at: usize) -> Result<(), CliError> {
        let mut config = self.members[at].config.clone();
        if matches!(config.attachment.kind, Kind::Tap { existing: false, .. }) {
            config.attachment.mac = self.members[at].mac().or(config.attachment.mac);
        }
        if !place_exists(&config.attachment) {
            return Err(CliError::failed(&config.name, "its namespace is gone"));
        }
        let attached = self.attach(&config, None)?;
        let opened = self.open(at, attached);
        match &opened {
            Ok(()) => self.log.line(&format!("port {}: forwards again", config.name)),
            Err(_) => drop(self.journal.undo_netdevs(&config.name)),
        }
        opened
    }

    fn postpone(&mut self, at: usize, error: &CliError) {
        if let Device::Lost { why, next, wait, .. } = &mut self.members[at].device {
            why.clone_from(&error.why);
            *wait = (*wait * 2).min(PATIENCE.1);
            *next = Some(Instant::now() + *wait);
        }
    }
}
