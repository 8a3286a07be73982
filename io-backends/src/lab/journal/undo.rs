//! Undoing what a record says was made, and nothing else, newest first.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use super::claims::{Claims, Released};
use super::record::{Loan, Netdev, Spot, Thing};
use super::{Entry, Journal, Mark};
use crate::Error;
use crate::host::descriptors;
use crate::lab::{LinkInfo, Place, Wanted, move_netdev, netns};

/// What undoing did.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// What is no longer there, or is back as it was; also what was gone already.
    pub undone: Vec<Undone>,
    /// The processes that live on in namespaces whose name was removed.
    pub left: Vec<Left>,
    /// What could not be undone, and why; it stays recorded.
    pub kept: Vec<Error>,
}

/// A thing that was made or changed, and is no longer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undone {
    /// A namespace of this name: removed.
    Namespace(String),
    /// A netdev of this name in this place.
    Netdev(Place, String, NetdevEnd),
}

/// What became of a netdev.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetdevEnd {
    /// It was the switch's own: there is none any more.
    Removed,
    /// It was borrowed, and is back where it was and as it was.
    GivenBack,
    /// It was borrowed, and somebody else has removed it.
    Gone,
}

/// Processes that live on in a namespace without a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The name it had.
    pub namespace: String,
    /// How many there are.
    pub processes: usize,
}

impl Report {
    /// Adds another report's findings.
    pub fn join(&mut self, other: Report) {
        self.undone.extend(other.undone);
        self.left.extend(other.left);
        self.kept.extend(other.kept);
    }
}

impl Journal {
    /// Undoes everything recorded. Close the ports' descriptors first: a TAP goes with them.
    pub fn undo(&mut self) -> Report {
        self.undo_step_by_step(|| ())
    }

    /// The same; calls `step` after each thing, of which there can be thousands.
    pub fn undo_step_by_step(&mut self, step: impl FnMut()) -> Report {
        self.undo_if(|_, _, _| true, step)
    }

    /// Undoes what was recorded for one port, whose descriptors are closed.
    pub fn undo_port(&mut self, port: &str) -> Report {
        self.undo_if(|_, of, _| of == port, || ())
    }

    /// Undoes what was recorded since `mark`, whose descriptors are closed.
    pub fn undo_since(&mut self, mark: Mark) -> Report {
        self.undo_if(|entry, _, _| entry >= mark.0, || ())
    }

    /// Gives back a port's claims to namespaces other than `needed`.
    pub fn release_claims(&mut self, port: &str, needed: Option<&str>) -> Report {
        let is_over = |thing: &Thing| match thing {
            Thing::Namespace { name } => needed != Some(name),
            Thing::Netdev(_) | Thing::Promiscuous(_) => false,
        };
        self.undo_if(|_, of, thing| of == port && is_over(thing), || ())
    }

    /// Undoes what was recorded for one port but for its claim to a namespace:
    /// what is left of a port whose device was lost or taken down, until it is made again.
    pub fn undo_netdevs(&mut self, port: &str) -> Report {
        let is_claim = |thing: &Thing| matches!(thing, Thing::Namespace { .. });
        self.undo_if(|_, of, thing| of == port && !is_claim(thing), || ())
    }

    fn undo_if(
        &mut self,
        is_wanted: impl Fn(u64, &str, &Thing) -> bool,
        mut step: impl FnMut(),
    ) -> Report {
        let is_wanted =
            |(entry, (port, thing)): &(&u64, &(String, Thing))| is_wanted(**entry, port, thing);
        let wanted = self.entries.iter().rev().filter(is_wanted);
        let wanted: Vec<_> = wanted.map(|(&entry, made)| (entry, made.clone())).collect();
        let parent = self.parent.clone();
        let _all = descriptors::take_all();
        let mut undo = Undo {
            switch: self.switch.clone(),
            claims: Claims::new(&parent),
            residents: LazyCell::new(netns::residents),
            report: Report::default(),
        };
        let mut stuck = HashSet::new();
        for (entry, (port, thing)) in wanted {
            // A namespace would take a netdev along that could not leave it.
            if matches!(thing, Thing::Namespace { .. }) && stuck.contains(&port) {
                continue;
            }
            let undone = match &thing {
                Thing::Namespace { name } => undo.namespace(&port, name),
                Thing::Promiscuous(spot) => end_promiscuity(spot).map(Some),
                Thing::Netdev(netdev) => match &netdev.loan {
                    None => delete(netdev).map(Some),
                    Some(loan) => self.give_back(Entry(entry), netdev, loan).map(Some),
                },
            };
            match undone {
                Ok(done) => {
                    undo.report.undone.extend(done);
                    self.forget(entry);
                }
                Err(error) => {
                    undo.report.kept.push(error);
                    stuck.insert(port);
                }
            }
            step();
        }
        undo.report
    }

    /// Brings a borrowed netdev home and makes it what it was. Whoever is killed
    /// on the way has recorded where it is, and the next one repeats the rest.
    fn give_back(&mut self, entry: Entry, netdev: &Netdev, loan: &Loan) -> Result<Undone, Error> {
        let Spot { place: home, name, namespace, .. } = &loan.home;
        let undone = |end| Undone::Netdev(home.clone(), name.clone(), end);
        let Some((place, link)) = netdev.locate()? else { return Ok(undone(NetdevEnd::Gone)) };
        if home.identity()? != *namespace {
            let label = home.netdev(name);
            let why = format!("it is left in {place}: {home} is another namespace now");
            return Err(Error::failed(label, why));
        }
        let plan = |name: &str| self.will_be_at(entry, &link, home, name);
        let link = move_netdev(&link, &place, home, Some(name), plan)?;
        self.is_at(entry, home, &link)?;
        restore(home, &link, loan)?;
        Ok(undone(NetdevEnd::GivenBack))
    }
}

struct Undo<'a> {
    switch: String,
    claims: Claims<'a>,
    /// Counted once, and only if a namespace goes.
    residents: LazyCell<HashMap<u64, usize>>,
    report: Report,
}

impl Undo<'_> {
    fn namespace(&mut self, port: &str, name: &str) -> Result<Option<Undone>, Error> {
        match self.claims.release(name, &self.switch, port)? {
            Released::Kept => Ok(None),
            Released::Removed(namespace) => {
                if let Some(&processes) = self.residents.get(&namespace.inode) {
                    self.report.left.push(Left { namespace: name.into(), processes });
                }
                Ok(Some(Undone::Namespace(name.into())))
            }
        }
    }
}

fn delete(netdev: &Netdev) -> Result<Undone, Error> {
    if let Some((place, link)) = netdev.locate()? {
        place.links(|links| links.delete(&link))?;
    }
    let (place, name) = netdev.last_spot();
    Ok(Undone::Netdev(place, name, NetdevEnd::Removed))
}

/// Has a netdev take in its own frames only, as before.
fn end_promiscuity(spot: &Spot) -> Result<Undone, Error> {
    let undone = |end| Undone::Netdev(spot.place.clone(), spot.name.clone(), end);
    let Some(link) = spot.link()? else { return Ok(undone(NetdevEnd::Gone)) };
    let wanted = Wanted { promiscuous: Some(false), ..Wanted::default() };
    spot.place.links(|links| links.set(&link, &wanted))?;
    Ok(undone(NetdevEnd::GivenBack))
}

/// Makes a borrowed netdev that is home what it was; each step may have been done before.
fn restore(home: &Place, link: &LinkInfo, loan: &Loan) -> Result<(), Error> {
    home.links(|links| {
        for gateway in &loan.gateways {
            links.delete_gateway(link, *gateway)?;
        }
        for address in &loan.given {
            links.delete_address(link, *address)?;
        }
        let wanted = Wanted {
            mac: loan.mac().filter(|mac| link.mac != Some(*mac)),
            mtu: (loan.mtu != link.mtu).then_some(loan.mtu),
            up: Some(loan.up),
            ..Wanted::default()
        };
        links.set(link, &wanted)?;
        if let Some(setting) = &loan.detection {
            links.set_detection(link, setting);
        }
        for address in &loan.addresses {
            links.add_address(link, *address)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
