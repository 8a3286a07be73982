//! A TAP that another process holds, as QEMU does, joined through a macvtap on it.

use io_backends::lab::netns::in_netns;
use tests::lab::{BROADCAST, Frame, Lab, contains, mac, within};
use tun_tap::{Iface, Mode};

use crate::{MADE, ip, made};

/// A guest's side of a TAP.
struct Guest(Iface);

impl Guest {
    fn new(lab: &Lab, name: &str) -> Guest {
        let open = || Iface::without_packet_info(name, Mode::Tap).expect("a TAP");
        let iface = in_netns(&lab.host(), open).expect("the lab's host");
        iface.set_non_blocking().expect("a TAP");
        ip(lab, &format!("link set {name} up"));
        Guest(iface)
    }

    fn send(&self, frame: &Frame) {
        let bytes = frame.bytes();
        assert_eq!(self.0.send(&bytes).expect("a TAP that is up"), bytes.len());
    }

    /// The frames of ours up to and including `last`.
    #[track_caller]
    fn until(&self, last: &Frame) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut buffer = [0; 2048];
        let seen = within(10, || {
            while let Ok(length) = self.0.recv(&mut buffer) {
                frames.extend(Frame::read(&buffer[..length]));
            }
            if frames.contains(last) { Ok(()) } else { Err(()) }
        });
        assert!(seen.is_ok(), "{last:?} did not come, but {frames:?}");
        frames
    }
}

#[test]
fn frames_pass_both_ways() {
    let lab = Lab::new();
    let guest = Guest::new(&lab, "vmtap");
    lab.up("m", &["v=macvtap:vmtap", &made()]);
    let (nic, capture) = (lab.nic(MADE, "eth0"), lab.capture(MADE, "eth0"));
    let sent = [
        Frame::new(mac(9), mac(1), "to a station nobody knows"),
        Frame::new(mac(9), mac(1), "tagged").tag(0x8100, 0x600a),
        Frame::new(BROADCAST, mac(1), "everybody"),
    ];
    sent.iter().for_each(|frame| guest.send(frame));
    assert_eq!(capture.until(&sent[2]), sent);
    let sent = [
        Frame::new(mac(1), mac(2), "to the guest"),
        Frame::new(mac(1), mac(2), "tagged").tag(0x8100, 0x600a),
        Frame::new(BROADCAST, mac(2), "everybody"),
    ];
    sent.iter().for_each(|frame| nic.send(frame));
    assert_eq!(guest.until(&sent[2]), sent);
    let learned = lab.fdb("m");
    assert_eq!(learned[&("02:00:00:00:00:01".to_owned(), 0)], "v");
    assert_eq!(learned[&("02:00:00:00:00:02".to_owned(), 0)], "m");
}

#[test]
fn the_guest_goes_and_comes_back() {
    let lab = Lab::new();
    let guest = Guest::new(&lab, "vmtap");
    lab.up("m", &["v=macvtap:vmtap", &made()]);
    drop(guest);
    lab.port_is("m", "v", "fault");
    let guest = Guest::new(&lab, "vmtap");
    lab.port_is("m", "v", "up");
    let nic = lab.nic(MADE, "eth0");
    let frame = Frame::new(BROADCAST, mac(2), "welcome back");
    nic.send(&frame);
    assert_eq!(guest.until(&frame), [frame]);
    // The switch goes, the guest's TAP stays.
    lab.netloom(&["down", "m"]).ok();
    contains(&ip(&lab, "link show vmtap"), "vmtap");
}
