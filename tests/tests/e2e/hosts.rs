//! A switch with hosts whose frames the test sends itself.

use tests::lab::{BROADCAST, Frame, Lab, Nic, mac};

/// The switch that [`hosts`] starts.
pub const SWITCH: &str = "x";

/// One port and one host for each of `keys`, which are added to the port's SPEC:
/// port `p1` in namespace `n1`, and so on.
pub fn hosts<const N: usize>(lab: &Lab, keys: [&str; N]) -> [Nic; N] {
    let specs: Vec<_> = keys.iter().enumerate().map(|(n, keys)| spec(n + 1, keys)).collect();
    lab.up(SWITCH, &specs.iter().map(String::as_str).collect::<Vec<_>>());
    nics(lab)
}

/// The SPEC of port `p{number}`.
pub fn spec(number: usize, keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { "," };
    format!("p{number}=tap,netns=n{number}{comma}{keys}")
}

/// The netdevs of the first hosts.
pub fn nics<const N: usize>(lab: &Lab) -> [Nic; N] {
    std::array::from_fn(|n| lab.nic(&format!("n{}", n + 1), "eth0"))
}

/// What each host receives of the frames already sent. `from` sends one more to
/// all, which by order comes after them.
#[track_caller]
pub fn received<const N: usize>(from: &Nic, others: [&Nic; N]) -> [Vec<Frame>; N] {
    let last = Frame::new(BROADCAST, mac(0xfffe), "the last one");
    from.send(&last);
    others.map(|nic| {
        let mut frames = nic.until(&last);
        assert_eq!(frames.pop(), Some(last.clone()), "nothing comes after the last one");
        frames
    })
}
