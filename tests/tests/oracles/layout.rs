//! Ports with their VLAN modes, as Netloom, as Open vSwitch and as a test sees them.

use tests::lab::Lab;

use crate::compare::Rig;
use crate::wire::{C_TAG, tagged};

/// A port's VLAN mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every VLAN, tags untouched.
    Transparent,
    /// One VLAN, untagged.
    Access(u16),
    /// Tagged VLANs, and perhaps one untagged.
    Trunk { vids: &'static [u16], native: Option<u16> },
    /// One VLAN around whatever comes.
    Tunnel(u16),
}

/// The ports of a switch, the first one number 0.
pub type Layout = &'static [Mode];

/// What a transparent port's untagged frames belong to.
pub const UNTAGGED: u16 = 0;

impl Mode {
    fn keys(self) -> String {
        let list =
            |vids: &[u16]| vids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Mode::Transparent => String::new(),
            Mode::Access(vid) => format!("access = {vid}"),
            Mode::Trunk { vids, native: None } => format!("trunk = [{}]", list(vids)),
            Mode::Trunk { vids, native: Some(native) } => {
                format!("trunk = [{}]\nnative = {native}", list(vids))
            }
            Mode::Tunnel(vid) => format!("tunnel = {vid}"),
        }
    }

    /// The columns of an Open vSwitch port of this mode.
    pub fn columns(self) -> Vec<String> {
        let list = |vids: &[u16]| {
            let vids: Vec<_> = vids.iter().map(ToString::to_string).collect();
            format!("trunks={}", vids.join(","))
        };
        match self {
            Mode::Transparent => Vec::new(),
            Mode::Access(vid) => vec!["vlan_mode=access".into(), format!("tag={vid}")],
            Mode::Trunk { vids, native: None } => vec!["vlan_mode=trunk".into(), list(vids)],
            Mode::Trunk { vids, native: Some(native) } => {
                vec!["vlan_mode=native-untagged".into(), format!("tag={native}"), list(vids)]
            }
            Mode::Tunnel(vid) => vec![
                "vlan_mode=dot1q-tunnel".into(),
                format!("tag={vid}"),
                "other_config:qinq-ethtype=802.1q".into(),
            ],
        }
    }

    /// The VLANs of this port that sentinels use.
    pub fn vids(self) -> Vec<u16> {
        match self {
            Mode::Trunk { vids, native } => vids.iter().copied().chain(native).collect(),
            Mode::Transparent => vec![UNTAGGED, 10, 20],
            mode => mode.pvid().into_iter().collect(),
        }
    }

    /// The VLAN of untagged frames.
    pub fn pvid(self) -> Option<u16> {
        match self {
            Mode::Transparent => Some(UNTAGGED),
            Mode::Access(vid) | Mode::Tunnel(vid) => Some(vid),
            Mode::Trunk { native, .. } => native,
        }
    }

    /// A frame that came in untagged, as it leaves here in VLAN `vid`; `None` when it does not.
    pub fn leaving(self, vid: u16, frame: &[u8]) -> Option<Vec<u8>> {
        self.vids().contains(&vid).then(|| self.dressed(vid, frame))
    }

    /// An untagged frame, as it is when it comes in here and belongs to VLAN `vid`.
    pub fn dressed(self, vid: u16, frame: &[u8]) -> Vec<u8> {
        match self {
            Mode::Transparent if vid != UNTAGGED => tagged(frame, C_TAG, vid),
            Mode::Trunk { native, .. } if native != Some(vid) => tagged(frame, C_TAG, vid),
            _ => frame.to_vec(),
        }
    }
}

/// Starts a Netloom switch of this layout, with more keys for `[switch]`.
pub fn netloom<'l>(lab: &'l Lab, layout: Layout, keys: &str) -> Rig<'l> {
    quiet(lab);
    let port = |(number, mode): (usize, &Mode)| {
        format!("[[port]]\nname = \"nl{number}\"\nkind = \"tap\"\n{}\n", mode.keys())
    };
    let ports: String = layout.iter().enumerate().map(port).collect();
    lab.up_file("oracle", &format!("[switch]\n{keys}\n{ports}"));
    Rig::open(lab, "Netloom", "nl", layout.len(), || ())
}

/// Keeps the lab's host from saying anything by itself.
pub fn quiet(lab: &Lab) {
    for which in ["all", "default"] {
        let off = format!("echo 1 > /proc/sys/net/ipv6/conf/{which}/disable_ipv6");
        lab.run(&["sh", "-c", &off]).ok();
    }
}
