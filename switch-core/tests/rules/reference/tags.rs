//! The reference switch's VLANs: where a frame belongs, and how it leaves. Rules 11–16.

use switch_core::vlan::{Allowed, VlanMode};
use switch_core::{Mac, Vid};

/// A frame let in: its VLAN, its tag if the port has seen one, and the rest.
pub struct Admitted {
    pub vid: u16,
    pub tci: Option<u16>,
    pub bare: Vec<u8>,
}

pub fn mac(bytes: &[u8]) -> Mac {
    Mac::new(bytes.try_into().unwrap())
}

pub fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The VLAN of a frame that comes in by a port of this mode: rules 11–15.
pub fn classify(mode: &VlanMode, bytes: &[u8]) -> Result<Admitted, &'static str> {
    let untagged = match mode {
        VlanMode::Transparent => Ok(0),
        VlanMode::Access(vid) | VlanMode::Tunnel(vid) => Ok(vid.get()),
        VlanMode::Trunk { native, .. } => native.map(Vid::get).ok_or("no-native"),
    };
    let tpid = match mode {
        VlanMode::Trunk { tpid, .. } => tpid.get(),
        _ => 0x8100,
    };
    if matches!(mode, VlanMode::Tunnel(_)) || word(bytes, 12) != tpid {
        return Ok(Admitted { vid: untagged?, tci: None, bare: bytes.to_vec() });
    }
    if bytes.len() < 18 {
        return Err("truncated-tag");
    }
    let tci = word(bytes, 14);
    let vid = match (tci & 0xfff, mode) {
        (0, _) => untagged?,
        (4095, _) => return Err("reserved-vid"),
        (_, VlanMode::Access(_)) => return Err("tagged-on-access"),
        (vid, mode) if !is_member(mode, vid) => return Err("vid-not-allowed"),
        (vid, _) => vid,
    };
    let bare = [&bytes[..12], &bytes[16..]].concat();
    Ok(Admitted { vid, tci: Some(tci), bare })
}

pub fn is_member(mode: &VlanMode, vid: u16) -> bool {
    match mode {
        VlanMode::Transparent => true,
        VlanMode::Access(own) | VlanMode::Tunnel(own) => own.get() == vid,
        VlanMode::Trunk { allowed, native, .. } => {
            let listed = match allowed {
                Allowed::All => vid != 0,
                Allowed::Only(set) => set.iter().any(|listed| listed.get() == vid),
            };
            listed || native.is_some_and(|native| native.get() == vid)
        }
    }
}

/// A frame's bytes as they leave a port of this mode, which is a member of its VLAN.
pub fn form(mode: &VlanMode, original: &[u8], frame: &Admitted) -> Vec<u8> {
    let tpid: u16 = match mode {
        VlanMode::Transparent if frame.vid == 0 => return original.to_vec(),
        VlanMode::Access(_) | VlanMode::Tunnel(_) => return frame.bare.clone(),
        VlanMode::Trunk { native: Some(native), .. } if native.get() == frame.vid => {
            return frame.bare.clone();
        }
        VlanMode::Trunk { tpid, .. } => tpid.get(),
        VlanMode::Transparent => 0x8100,
    };
    let tci = frame.tci.unwrap_or(0) & 0xf000 | frame.vid;
    let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
    [&frame.bare[..12], &tag, &frame.bare[12..]].concat()
}
