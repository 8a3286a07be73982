//! Virtual machines: QEMU opens a TAP of its own, as it always does, and the
//! switch joins it through a macvtap on that TAP. QEMU knows nothing of it.

mod guest;

use guest::Guest;
use tests::lab::Lab;

const NEAR: &str = "near";
const NEAR_V4: &str = "10.6.0.1";

/// What a transfer carries, in bytes of 1 KiB.
const KIB: u32 = 4096;

/// The port of a host with a web server, which runs while the value lives.
fn near() -> String {
    format!("n=tap,netns={NEAR},addr={NEAR_V4}/24")
}

/// Makes a file and serves it from the host `near`; its checksum.
fn serve(lab: &Lab) -> String {
    let make = format!("mkdir /run/www; dd if=/dev/urandom of=/run/www/file bs=1024 count={KIB}");
    lab.run(&["sh", "-c", &make]).ok();
    // It goes on in the background by itself, and ends with the lab.
    lab.run_in(NEAR, &["busybox", "httpd", "-h", "/run/www"]).ok();
    first_word(&lab.run(&["md5sum", "/run/www/file"]).ok())
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn a_guest_joins_through_its_tap() {
    let lab = Lab::new();
    let mut guest = Guest::boot(&lab, 2, &[("get", NEAR_V4)]);
    lab.up("vms", &[&format!("v=macvtap:{}", guest.tap()), &near()]);
    let checksum = serve(&lab);

    guest.says("an address");
    guest.says(&format!("pings {NEAR_V4}"));
    lab.ping(NEAR, &guest.address());
    // TCP into the guest, and out of it.
    assert_eq!(guest.told("got"), checksum);
    let fetch = format!("busybox wget -q -O - http://{}/file | md5sum", guest.address());
    let fetched = lab.run_in(NEAR, &["sh", "-c", &fetch]).ok();
    assert_eq!(first_word(&fetched), guest.told("serves"));

    // QEMU goes, and with it the TAP; another one takes its place.
    guest.kill();
    lab.port_is("vms", "v", "fault");
    let _paused = guest.start_paused();
    lab.port_is("vms", "v", "up");
    lab.netloom(&["down", "vms"]).ok();
}

#[test]
fn two_guests_talk_to_each_other() {
    let lab = Lab::new();
    let first = Guest::boot(&lab, 2, &[]);
    let second = Guest::boot(&lab, 3, &[("get", &first.address())]);
    let ports = [&first, &second].map(|guest| {
        let tap = guest.tap();
        format!("{tap}=macvtap:{tap},access=10")
    });
    lab.up("vms", &[&ports[0], &ports[1]]);
    second.says(&format!("pings {}", first.address()));
    assert_eq!(second.told("got"), first.told("serves"));
    let learned = lab.fdb("vms");
    for guest in [&first, &second] {
        assert_eq!(learned[&(guest.mac(), 10)], guest.tap());
    }
}
