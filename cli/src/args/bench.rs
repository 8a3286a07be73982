//! `netloom bench`.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use netloom_bench::{Peer, What, setting_text};

use crate::config::parse_file;

/// `bench`.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct Bench {
    /// What to measure
    #[arg(value_enum)]
    pub what: What,
    /// Whom to measure beside, by commas: kernel-bridge, ovs, vde, plain, or none; not for
    /// idle-ports and stopped-receiver [default: all that are installed]
    #[arg(long, value_name = "PEERS", value_delimiter = ',', value_enum)]
    #[arg(hide_possible_values = true)]
    pub against: Option<Vec<Peer>>,
    /// Netloom's engines, by commas, each measured: auto, epoll, io_uring [default: auto]
    #[arg(long = "engine", value_name = "ENGINES", value_delimiter = ',', value_parser = engine_arg)]
    pub engines: Vec<String>,
    /// Netloom's workers, a count, a CPU list or auto, as in a file; repeats, each
    /// measured [default: auto]
    #[arg(long, value_parser = workers_arg)]
    pub workers: Vec<String>,
    /// How long one measurement takes
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds_arg)]
    pub duration: Duration,
    /// How often each is repeated
    #[arg(long, default_value = "5", value_parser = number::<u16>(1, 1000))]
    pub rounds: u16,
    /// Frame sizes, by commas, with FCS [default: those of RFC 2544 and 9000 for loop,
    /// 64 and 1518 for udp, also 512 for throughput, 64 for idle-ports and stopped-receiver]
    #[arg(long, value_name = "BYTES", value_delimiter = ',')]
    #[arg(value_parser = number::<u32>(64, 9000))]
    pub sizes: Vec<u32>,
    /// Queues of a port, by commas, for loop [default: 1 and one a CPU, at most 8]
    #[arg(long, value_name = "COUNTS", value_delimiter = ',')]
    #[arg(value_parser = number::<u16>(1, 256))]
    pub queues: Vec<u16>,
    /// Flows at once, by commas, for tcp, udp and rtt [default: 1 and 8]
    #[arg(long, value_name = "COUNTS", value_delimiter = ',')]
    #[arg(value_parser = number::<u16>(1, 1000))]
    pub flows: Vec<u16>,
    /// Where to stop looking for an FDB's capacity, for fdb [default: 131072]
    #[arg(long, value_name = "COUNT")]
    #[arg(value_parser = number::<u32>(64, 4_194_304))]
    pub addresses: Option<u32>,
    /// How many idle ports there are, for idle-ports [default: 1000]
    #[arg(long = "ports", value_name = "COUNT")]
    #[arg(value_parser = number::<u16>(1, 4000))]
    pub idle_ports: Option<u16>,
    /// Keep idle CPUs from sleeping meanwhile, so that waking them stays out of the figures:
    /// on virtual machines it can be most of a round trip
    #[arg(long)]
    pub awake: bool,
    /// Write a page with plots into this file
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// A reader of numbers from `least` to `most`.
fn number<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("not a number from {least} to {most}"))
    }
}

/// Seconds on the command line, whole or not.
fn seconds_arg(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "not seconds from 0.05 to 3600".to_owned())
}

/// A value of `engine` in `[switch]`.
fn engine_arg(text: &str) -> Result<String, String> {
    setting("engine", text, "not auto, epoll or io_uring")
}

/// A value of `workers` in `[switch]`.
fn workers_arg(text: &str) -> Result<String, String> {
    setting(
        "workers",
        text,
        "not a number from 1 to 256, a list of CPUs like 0-1,3, or auto; repeat --workers for several",
    )
}

/// `text`, if it is what a file can say of `key`.
fn setting(key: &str, text: &str, why: &str) -> Result<String, String> {
    let given = setting_text(text);
    match parse_file(Path::new(key), &format!("[switch]\n{key} = {given}\n")) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_a_file() {
        for good in ["1", "256", "auto", "0-1,3"] {
            assert_eq!(workers_arg(good).as_deref(), Ok(good));
        }
        for bad in ["0", "257", "x", "", "1-0", "\"", "1\nname = \"x\""] {
            assert!(workers_arg(bad).is_err(), "{bad}");
        }
        assert!(engine_arg("io_uring").is_ok() && engine_arg("dpdk").is_err());
        assert_eq!(seconds_arg("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "x", "nan", "1e9"] {
            assert!(seconds_arg(bad).is_err(), "{bad}");
        }
    }
}
