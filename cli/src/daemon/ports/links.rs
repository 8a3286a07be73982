//! What happens to the ports' netdevs, noted.

use io_backends::lab::{LinkEvent, LinkInfo, Watched};

use super::{Device, PortLife};
use crate::daemon::Daemon;

impl Daemon {
    /// Notes what happened to the ports' netdevs.
    pub(in crate::daemon) fn follow_links(&mut self) {
        let events = self.watch.drain();
        if !events.is_empty() {
            self.close_lane();
        }
        for event in events {
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
        for (name, life) in &mut self.lives {
            if !life.netdev_mut().is_some_and(|netdev| netdev.note(watched, &change)) {
                continue;
            }
            let (id, state) = (life.id, life.state());
            let before = self.switch.port(id).map(|port| port.device.up);
            if before != Some(state.up) {
                let word = if state.up { "up" } else { "down" };
                self.log.line(&format!("port {name}: link {word}"));
            }
            self.switch.set_device(id, state);
            if let Err(error) = life.follow_address() {
                self.log.line(&format!("port {name}: {error}"));
            }
        }
    }

    /// Ends what was followed for a device, but for what another port's needs too.
    pub(super) fn unfollow(&mut self, device: &Device) {
        let Device::Open(open) = device else { return };
        for watched in open.netdev.iter().flat_map(super::Netdev::all_watched) {
            let mut others = self.lives.values().filter_map(PortLife::netdev);
            if !others.any(|other| other.all_watched().any(|own| own == watched)) {
                self.watch.unfollow(watched);
            }
        }
    }

    /// Notes the ports whose devices a worker found gone.
    pub(in crate::daemon) fn note_gone(&mut self) {
        // Where the watch knows better why, it says so.
        self.follow_links();
        while let Ok(id) = self.gone.try_recv() {
            self.lose_where(|life| life.id == id, "its device is gone");
        }
    }

    fn lose_watched(&mut self, watched: Watched, why: &str) {
        for netdev in self.lives.values_mut().filter_map(PortLife::netdev_mut) {
            netdev.forget_lower(watched);
        }
        self.lose_where(|life| life.watched() == Some(watched), why);
    }

    fn lose_where(&mut self, is_meant: impl Fn(&PortLife) -> bool, why: &str) {
        let found = self.lives.iter().find(|(_, life)| is_meant(life));
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            self.lose(&name, why);
        }
    }
}
