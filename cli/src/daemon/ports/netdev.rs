//! A port's netdev as the link watch tells of it, and the one it sits on.
//!
//! A macvtap does not always say that what is below it went down: a TAP keeps
//! its carrier then, so the macvtap keeps its own. So both are followed.

use io_backends::Error;
use io_backends::lab::{LinkInfo, LinkWatch, Place, Watched};

/// A netdev the switch can see.
pub(super) struct Netdev {
    pub(super) watched: Watched,
    pub(super) link: LinkInfo,
    /// A macvtap's lower netdev, where it is in the same namespace.
    lower: Option<(Watched, LinkInfo)>,
}

impl Netdev {
    /// Follows the netdev, and what it sits on.
    pub(super) fn follow(
        watch: &mut LinkWatch,
        place: &Place,
        index: u32,
    ) -> Result<Netdev, Error> {
        let (watched, link) = watch.follow(place, index)?;
        let lower = link.lower.filter(|_| sits_beside(&link));
        // One that is gone meanwhile takes the macvtap with it.
        let lower = lower.and_then(|index| watch.follow(place, index).ok());
        Ok(Netdev { watched, link, lower })
    }

    /// What is followed for it.
    pub(super) fn all_watched(&self) -> impl Iterator<Item = Watched> + '_ {
        [self.watched].into_iter().chain(self.lower.iter().map(|(watched, _)| *watched))
    }

    /// Whether frames get through.
    pub(super) fn carries(&self) -> bool {
        self.link.runs() && self.lower.as_ref().is_none_or(|(_, lower)| lower.runs())
    }

    /// Notes a change of what is followed as `watched`; whether it is about this one.
    pub(super) fn note(&mut self, watched: Watched, change: impl Fn(&mut LinkInfo)) -> bool {
        let lower = self.lower.as_mut().filter(|(own, _)| *own == watched);
        let own = (self.watched == watched).then_some(&mut self.link);
        let is_meant = own.is_some() || lower.is_some();
        own.into_iter().chain(lower.map(|(_, link)| link)).for_each(change);
        is_meant
    }

    /// Forgets a lower netdev that is followed no longer: what is below is in
    /// another namespace, or the netdev itself is about to go too.
    pub(super) fn forget_lower(&mut self, gone: Watched) {
        self.lower.take_if(|(watched, _)| *watched == gone);
    }
}

/// Whether the netdev sits on another of its own namespace.
fn sits_beside(link: &LinkInfo) -> bool {
    link.kind.as_deref() == Some("macvtap") && !link.lower_is_elsewhere
}
