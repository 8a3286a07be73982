//! The one knob of `ethtool` that benches turn (`linux/ethtool.h`).
#![expect(unsafe_code, reason = "the ioctl's argument points to another structure")]

use std::ffi::c_void;

use linux_raw_sys::net::ifreq;
use rustix::ioctl::{Setter, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::Error;
use crate::tun::request;

/// `linux/sockios.h`.
const SIOCETHTOOL: u32 = 0x8946;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Turns generic receive offload of a netdev of the calling thread's namespace on or off.
/// On a veth it also makes the netdev receive what XDP programs at its other end send back.
///
/// # Errors
/// When there is no such netdev, its driver refuses, or CAP_NET_ADMIN is missing.
pub fn set_gro(netdev: &str, on: bool) -> Result<(), Error> {
    /// `ETHTOOL_SGRO`.
    const SET_GRO: u32 = 0x2c;
    let mut value = Value { command: SET_GRO, data: on.into() };
    let mut request = request(netdev, 0);
    request.ifr_ifru.ifru_data = (&raw mut value).cast::<c_void>();
    let set = || {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        // SAFETY: the request takes an `ifreq` that points to a live `ethtool_value`.
        unsafe { ioctl(&socket, Setter::<{ SIOCETHTOOL }, ifreq>::new(request)) }
    };
    let what = format!("GRO of netdev {netdev}");
    set().map_err(|errno| Error::system(what, &errno.into(), "CAP_NET_ADMIN"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::lab::Place;
    use crate::testing::in_own_netns;

    fn shown(netdev: &str) -> bool {
        let output = Command::new("ethtool").args(["-k", netdev]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.contains("generic-receive-offload: on")
    }

    #[test]
    fn turns_on_and_off() {
        in_own_netns(|| {
            Place::Here.links(|links| links.make_veth("one", "two")).unwrap();
            for on in [true, false, true] {
                set_gro("one", on).unwrap();
                assert_eq!(shown("one"), on);
            }
            assert_eq!(set_gro("absent", true).unwrap_err().why, "no such device");
        });
    }
}
