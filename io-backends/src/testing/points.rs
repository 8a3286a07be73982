//! Stops a program at a point of its work instead of after some milliseconds.
//!
//! A point is a system call by which a process changes the host: a netlink
//! request that asks for more than an answer, a line written to a file, a name
//! made or removed, a mount, a netdev or namespace made, a program attached. Points are counted over
//! all threads and children of a command, so that a test can try one after the
//! other until the command gets through: each is tried on any machine, however
//! fast it is.
//!
//! How it works. The command runs under a seccomp filter that hands those calls
//! to this process before they are made (`SECCOMP_RET_USER_NOTIF`, Linux 5.5).
//! A thread here looks at each and lets it go on, or kills the process, or holds it.
//!
//! Not points: closing a descriptor (a kill closes it too), writing to a pipe,
//! socket or device, and the switch's log, which is never read back.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use libc::{seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog};
use linux_raw_sys::ptrace;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, kill_process};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = ptrace::AUDIT_ARCH_X86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = ptrace::AUDIT_ARCH_AARCH64;

/// Time between two looks at whether a process is still to be held.
const LOOK: Duration = Duration::from_millis(2);

/// Calls that may be points, with the names messages give them.
const CALLS: &[(libc::c_long, &str)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, "mkdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, "rmdir"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_write, "write"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_bpf, "bpf"),
];

/// The command of `bpf(2)` that attaches a program to a netdev.
const LINK_CREATE: u64 = 28;

/// What is done at a point, by its number from 1 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The process is killed when it is about to pass it.
    Kill(usize),
    /// It waits there until [`Points::let_pass`].
    Hold(usize),
}

/// The points that a command passes.
pub struct Points {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    passed: usize,
    stop: Option<Stop>,
    stopped: Option<String>,
}

impl Points {
    /// Starts a command and counts its points; it is stopped where `stop` says.
    ///
    /// # Errors
    /// When the command can't be started, or the kernel takes no such filter.
    pub fn spawn(command: &mut Command, stop: Option<Stop>) -> io::Result<(Child, Points)> {
        let (ours, theirs) = UnixStream::pair()?;
        let filter = filter();
        let hand_over = move || hand_over(&filter, &theirs);
        // SAFETY: between fork and exec it makes system calls only, and allocates nothing.
        unsafe { command.pre_exec(hand_over) };
        let child = command.spawn()?;
        let listener = listener(&ours)?;
        let state = Arc::new(Mutex::new(State { stop, ..State::default() }));
        let seen = Arc::clone(&state);
        // It ends with the last process under the filter.
        thread::spawn(move || while supervise(&listener, &seen).is_ok() {});
        Ok((child, Points { state }))
    }

    /// Kills the process when it is about to pass the `nth` point from now, 1 being the next.
    pub fn kill_at(&self, nth: usize) {
        let mut state = lock(&self.state);
        state.stop = Some(Stop::Kill(state.passed + nth));
    }

    /// Kills and holds nothing from now on.
    pub fn let_pass(&self) {
        lock(&self.state).stop = None;
    }

    /// How many points were passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        lock(&self.state).passed
    }

    /// The point a process was stopped at, in words; `None` as long as none was.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        lock(&self.state).stopped.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for one call and answers it. An error: no process is left.
fn supervise(listener: &OwnedFd, state: &Mutex<State>) -> io::Result<()> {
    let mut waiting = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut waiting, None)?;
    if !waiting[0].revents().contains(PollFlags::IN) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let call = match receive(listener) {
        Ok(call) => call,
        // The caller was killed meanwhile.
        Err(Errno::NOENT | Errno::INTR) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    match point(&call).and_then(|point| pass(state, &point)) {
        Some(Stop::Kill(_)) => match Pid::from_raw(call.pid.cast_signed()) {
            Some(pid) => Ok(kill_process(pid, Signal::KILL)?),
            None => Ok(()),
        },
        hold => {
            while hold.is_some() && lock(state).stop == hold {
                thread::sleep(LOOK);
            }
            go_on(listener, call.id)
        }
    }
}

/// Counts a point; what is to be done at it.
fn pass(state: &Mutex<State>, point: &str) -> Option<Stop> {
    let mut state = lock(state);
    state.passed += 1;
    let number = state.passed;
    let stop = state.stop.filter(|stop| [Stop::Kill(number), Stop::Hold(number)].contains(stop))?;
    state.stopped = Some(format!("point {number}: {point}"));
    Some(stop)
}

/// The call in words, if it changes the host.
fn point(call: &seccomp_notif) -> Option<String> {
    let number = libc::c_long::from(call.data.nr);
    let (_, name) = CALLS.iter().find(|(known, _)| *known == number)?;
    let [first, second, third, ..] = call.data.args;
    match number {
        libc::SYS_write => changed_file(call.pid, first).map(|path| format!("write to {path}")),
        libc::SYS_sendto => change_request(call.pid, second).map(|kind| format!("request {kind}")),
        libc::SYS_ioctl => sets_up_tun(second).then(|| format!("ioctl {second:#x}")),
        libc::SYS_bpf => (first == LINK_CREATE).then(|| "a program is attached".into()),
        libc::SYS_openat => {
            makes_a_file(third).then(|| format!("openat {}", text(call.pid, second)))
        }
        libc::SYS_bind => makes_a_socket(call.pid, second).then(|| "bind".into()),
        libc::SYS_unshare => Some("unshare".into()),
        libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_fchmodat | libc::SYS_renameat2 => {
            Some(format!("{name} {}", text(call.pid, second)))
        }
        libc::SYS_mount => Some(format!("mount {}", text(call.pid, second))),
        _ => Some(format!("{name} {}", text(call.pid, first))),
    }
}

/// The path of a regular file, unless it is a log.
fn changed_file(pid: u32, descriptor: u64) -> Option<String> {
    let link = format!("/proc/{pid}/fd/{descriptor}");
    if !std::fs::metadata(&link).ok()?.is_file() {
        return None;
    }
    let path = std::fs::read_link(link).ok()?;
    (!path.ends_with("log")).then(|| path.display().to_string())
}

/// The type of a netlink request that does not only ask: of each four types
/// (new, delete, get, set) the third is the one that does.
fn change_request(pid: u32, address: u64) -> Option<u16> {
    let mut header = [0; 6];
    memory(pid, address, &mut header)?;
    let kind = u16::from_ne_bytes([header[4], header[5]]);
    (kind % 4 != 2).then_some(kind)
}

/// Whether it is one of the requests `TUNSET…` of `linux/if_tun.h`: to the device, type `T`.
fn sets_up_tun(request: u64) -> bool {
    request & 0xc000_ff00 == 0x4000_5400
}

/// Whether a socket is bound to a name among the files.
fn makes_a_socket(pid: u32, address: u64) -> bool {
    let mut family = [0; 2];
    memory(pid, address, &mut family);
    u16::from_ne_bytes(family) == libc::AF_UNIX as u16
}

fn makes_a_file(flags: u64) -> bool {
    flags & libc::O_CREAT as u64 != 0
}

/// A text of the process's memory, or as much of it as messages need.
fn text(pid: u32, address: u64) -> String {
    let mut bytes = [0; 64];
    if memory(pid, address, &mut bytes).is_none() {
        return "…".into();
    }
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn memory(pid: u32, address: u64, into: &mut [u8]) -> Option<()> {
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let read = memory.read_at(into, address).ok()?;
    (read > 0).then_some(())
}

/// The filter: calls of other architectures and all that are not in [`CALLS`] pass.
fn filter() -> Vec<sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let count = CALLS.len() as u8;
    // The fields of `seccomp_data`: the call's number at 0, the architecture at 4.
    let mut steps =
        vec![step(LOAD, 0, 0, 4), step(IS, 0, count + 1, ARCHITECTURE), step(LOAD, 0, 0, 0)];
    steps.extend(
        (0..count).zip(CALLS).map(|(at, (number, _))| step(IS, count - at, 0, *number as u32)),
    );
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    steps.push(step(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF));
    steps
}

/// In the child: puts the filter on and sends its listener to the parent.
fn hand_over(filter: &[sock_filter], parent: &UnixStream) -> io::Result<()> {
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program is valid for the call, and the kernel only reads it.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this call alone.
    let listener = unsafe { OwnedFd::from_raw_fd(listener as i32) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(parent, &[io::IoSlice::new(b"f")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// The listener that the child has sent.
fn listener(ours: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut iov = [io::IoSliceMut::new(&mut byte)];
    recvmsg(ours, &mut iov, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut sent = ancillary.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    sent.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn receive(listener: &OwnedFd) -> rustix::io::Result<seccomp_notif> {
    // SAFETY: the type is made of numbers, and the kernel wants it zeroed.
    let mut call: seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one value of this type, whose size is in the request.
    let result =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    check(result).map(|()| call)
}

/// Lets the call be made.
fn go_on(listener: &OwnedFd, id: u64) -> io::Result<()> {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut answer = seccomp_notif_resp { id, val: 0, error: 0, flags };
    // SAFETY: the kernel reads one value of this type, whose size is in the request.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer)
    };
    match check(result) {
        // The caller was killed meanwhile.
        Err(Errno::NOENT) => Ok(()),
        answered => Ok(answered?),
    }
}

fn check(result: libc::c_int) -> rustix::io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

const _: () = assert!(size_of::<seccomp_notif>() == 80);

#[cfg(test)]
mod tests {
    use super::*;

    fn files(stop: Option<Stop>) -> (bool, Points, crate::lab::scratch::Directory) {
        let directory = crate::lab::scratch::directory();
        let mut command = Command::new("sh");
        command.args(["-c", "cd \"$1\"; mkdir a; sh -c 'mkdir b'; mkdir c", "sh"]);
        let (mut child, points) = Points::spawn(command.arg(&directory.0), stop).unwrap();
        (child.wait().unwrap().success(), points, directory)
    }

    #[test]
    fn counted_over_all_processes_and_killed_before_the_call() {
        let (succeeded, points, directory) = files(None);
        assert!(succeeded);
        assert_eq!((points.passed(), points.stopped()), (3, None));
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 3);
        for last in 1..=3 {
            let (_, points, directory) = files(Some(Stop::Kill(last)));
            let killed = points.stopped().unwrap();
            assert!(killed.starts_with(&format!("point {last}: mkdir")), "{killed}");
            let made = ["a", "b", "c"].map(|name| directory.0.join(name).exists());
            assert!(!made[last - 1], "{made:?}");
            assert_eq!(made[..last - 1], [true; 2][..last - 1]);
        }
    }
}
