//! A guest: a Debian kernel and a busybox, told by a script what to do, heard
//! on its serial console.

use std::path::{Path, PathBuf};

use tests::lab::{FILES, Lab, Running, eventually, has, within};

use crate::KIB;

/// How long a guest may take for anything, in seconds: it is interpreted, and the CPUs may be busy.
const PATIENCE: u64 = 300;

/// The guest's first process. `$get` names whom to ask for a file.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /www
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# What a module needs differs from kernel to kernel.
for pass in 1 2 3; do
  for module in /modules/*.ko; do insmod $module 2>/dev/null; done
done
ip link set lo up
ip link set eth0 up
ip addr add $address/24 dev eth0 && echo "guest: an address"
dd if=/dev/urandom of=/www/file bs=1024 count=$kib 2>/dev/null
sum=$(md5sum /www/file)
httpd -h /www
echo "guest: serves ${sum%% *}."
if [ -n "$get" ]; then
  until ping -c 1 -W 1 $get >/dev/null; do :; done
  echo "guest: pings $get"
  until wget -q -O /got http://$get/file; do sleep 0.2; done
  sum=$(md5sum /got)
  echo "guest: got ${sum%% *}."
fi
while :; do sleep 1000; done
"#;

/// A running guest; its QEMU ends with the value.
pub struct Guest<'l> {
    lab: &'l Lab,
    number: u8,
    qemu: Running<'l>,
}

impl<'l> Guest<'l> {
    /// Boots the guest with this number, the last one of its address, which
    /// finds the variables `asked` in its environment. Returns when its TAP is there and up.
    ///
    /// # Panics
    /// When something it needs is missing.
    pub fn boot(lab: &'l Lab, number: u8, asked: &[(&str, &str)]) -> Guest<'l> {
        for tool in ["qemu-system-x86_64", "busybox", "cpio"] {
            assert!(has(tool), "a guest can't do without {tool}");
        }
        make_initramfs(lab);
        // What the kernel does not know on its command line goes to the first process.
        // The kernel takes a timer that ticks late, on a busy machine, for a broken one.
        let mut line = "console=ttyS0 quiet panic=1 no_timer_check".to_owned();
        line += &format!(" kib={KIB} address=10.6.0.{number}");
        for (name, value) in asked {
            line += &format!(" {name}={value}");
        }
        let qemu = start(lab, number, &["-append", &line]);
        Guest { lab, number, qemu }
    }

    /// Starts the guest's QEMU again, without letting the guest run.
    pub fn start_paused(&self) -> Running<'l> {
        start(self.lab, self.number, &["-S"])
    }

    /// The netdev of its TAP.
    pub fn tap(&self) -> String {
        tap(self.number)
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("10.6.0.{}", self.number)
    }

    /// Its MAC address.
    pub fn mac(&self) -> String {
        mac(self.number)
    }

    /// Waits until it says so.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let said = || self.qemu.out().contains(&format!("guest: {text}")).then_some(());
        self.until(said, text);
    }

    /// What it says after `word`.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn told(&self, word: &str) -> String {
        let find = || {
            let said = self.qemu.out();
            let (_, after) = said.split_once(&format!("guest: {word} "))?;
            let (told, _) = after.split_once('.')?;
            Some(told.to_owned())
        };
        self.until(find, word)
    }

    /// Ends its QEMU, and no other.
    pub fn kill(&mut self) {
        self.qemu.signal("KILL");
        eventually("QEMU has ended", || self.qemu.runs(), |runs| !runs);
    }

    #[track_caller]
    fn until<T>(&self, find: impl Fn() -> Option<T>, what: &str) -> T {
        let found = within(PATIENCE, || find().ok_or(()));
        found.unwrap_or_else(|()| {
            panic!("no {what:?} from the guest: {}{}", self.qemu.out(), self.qemu.err())
        })
    }
}

fn tap(number: u8) -> String {
    format!("vm{number}")
}

fn mac(number: u8) -> String {
    format!("52:54:00:00:06:{number:02x}")
}

fn start<'l>(lab: &'l Lab, number: u8, more: &[&str]) -> Running<'l> {
    let kernel = resources().join("vmlinuz");
    let kernel = kernel.to_str().expect("a path in UTF-8");
    let initramfs = format!("{FILES}/initramfs");
    let netdev = format!("tap,id=net,ifname={},script=no,downscript=no", tap(number));
    let device = format!("virtio-net-pci,netdev=net,mac={},romfile=", mac(number));
    let machine = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "256"];
    let boot = ["-nographic", "-no-reboot", "-kernel", kernel, "-initrd", &initramfs];
    let net = ["-netdev", &netdev, "-device", &device];
    let qemu = lab.spawn(&[&machine[..], &boot, &net, more].concat());
    let up = ["ip", "link", "set", &tap(number), "up"];
    let set_up = || (lab.run(&up), qemu.err());
    eventually("QEMU opens its TAP", set_up, |(answer, _)| answer.exit == Some(0));
    qemu
}

/// Where `tests/setup` puts the kernel and its modules.
fn resources() -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guest");
    assert!(
        place.join("complete").exists(),
        "{} is missing: tests/setup fetches the guests' kernel there",
        place.display()
    );
    place
}

fn make_initramfs(lab: &Lab) {
    let init = lab.file("init", INIT);
    let script = format!(
        "set -e; root={FILES}/root; mkdir -p $root/bin $root/modules; \
         cp \"$(command -v busybox)\" $root/bin/busybox; cp {init} $root/init; \
         cp {}/modules/*.ko $root/modules/; chmod +x $root/init; \
         cd $root; find . | cpio --quiet -o -H newc > {FILES}/initramfs",
        resources().display()
    );
    lab.run(&["sh", "-c", &script]).ok();
}
