//! Every reason for which a frame is dropped: the one table.
//!
//! Counters, `stats`, `explain` and the docs are made from it. A reason counts
//! on the ingress port or on the egress port, as its [`Side`] says.

/// The port a drop is counted on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The port the frame came in by.
    Ingress,
    /// The port one copy of it was meant for.
    Egress,
}

macro_rules! drops {
    ($($variant:ident, $side:ident, $name:literal, $text:literal;)*) => {
        /// Why a frame, or one copy of it, went no further.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Drop {
            $(#[doc = $text] $variant,)*
        }

        impl Drop {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Drop] = &[$(Drop::$variant,)*];
            /// How many reasons there are.
            pub const COUNT: usize = Drop::ALL.len();

            /// The reason's name in JSON and text output: kebab-case.
            pub const fn name(self) -> &'static str {
                match self { $(Drop::$variant => $name,)* }
            }

            /// One sentence for a person.
            pub const fn text(self) -> &'static str {
                match self { $(Drop::$variant => $text,)* }
            }

            /// The port this reason counts on.
            pub const fn side(self) -> Side {
                match self { $(Drop::$variant => Side::$side,)* }
            }
        }
    };
}

drops! {
    TooShort, Ingress, "too-short", "The frame is shorter than an Ethernet header (14 bytes).";
    TruncatedTag, Ingress, "truncated-tag", "The frame ends inside its VLAN tag.";
    BadOffload, Ingress, "bad-offload", "The frame's virtio-net header contradicts its bytes.";
    GroupSource, Ingress, "group-source", "The source address is a multicast or broadcast address.";
    ZeroSource, Ingress, "zero-source", "The source address is all zero.";
    ReservedVid, Ingress, "reserved-vid", "The tag carries VID 4095, which 802.1Q reserves.";
    TaggedOnAccess, Ingress, "tagged-on-access", "A tagged frame came in by an access port.";
    VidNotAllowed, Ingress, "vid-not-allowed", "The trunk does not carry the tag's VID.";
    NoNative, Ingress, "no-native", "An untagged frame came in by a trunk without a native VLAN.";
    Pause, Ingress, "pause", "MAC control frames (01-80-C2-00-00-01) are never relayed.";
    ReservedAddress, Ingress, "reserved-address", "The switch runs with l2cp = \"standard\", which relays none of 01-80-C2-00-00-00 to -0F.";
    SamePort, Ingress, "same-port", "The destination is on the port the frame came in by.";
    Isolated, Ingress, "isolated", "Ingress port and the destination's port are both isolated.";
    NotMember, Ingress, "not-member", "The destination's port is not a member of the frame's VLAN.";
    NoTarget, Ingress, "no-target", "No other port takes this frame: no member is up, or flags and isolation leave all out.";
    PortDown, Egress, "port-down", "The egress port is down or its device is gone.";
    BadSegments, Egress, "bad-segments", "The frame cannot be cut or checksummed in software for this port: its headers contradict its offload state.";
    TinySegments, Egress, "tiny-segments", "The super-frame asks to be cut finer for this port than any real stack does: into TCP segments below 36 bytes, or more than 128 datagrams.";
    TooBig, Egress, "too-big", "The frame is longer than the egress port's MTU allows.";
    TxFull, Egress, "tx-full", "The egress port takes no more frames now: its receiver stands still.";
    TxError, Egress, "tx-error", "The egress port's device refused the frame.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        for (i, a) in Drop::ALL.iter().enumerate() {
            assert!(
                a.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(Drop::ALL[i + 1..].iter().all(|b| a.name() != b.name()));
            assert_eq!(*a as usize, i);
        }
    }

    #[test]
    fn the_manual_lists_every_reason() {
        let manual = include_str!("../../docs/forwarding.md");
        for reason in Drop::ALL {
            let side = format!("{:?}", reason.side()).to_lowercase();
            let row = format!("| `{}` | {side} | {} |", reason.name(), reason.text());
            assert!(manual.contains(&row), "docs/forwarding.md lacks the row {row}");
        }
    }
}
