//! `netloom doctor`: what this host offers, what is missing and what that costs.

use std::fs;
use std::path::Path;

use io_backends::ErrorKind;
use io_backends::bpf::lane::Lane;
use io_backends::host::probe::{self, Finding};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};
use serde::Serialize;

use crate::args::Global;
use crate::control::rundir;
use crate::daemon::lacks;
use crate::error::Error;
use crate::output;
use text::{Align, Paint, Table};

/// What was found.
#[derive(Serialize)]
struct Report {
    /// The running kernel's release.
    kernel: String,
    /// CPUs this process may use.
    cpus: Option<usize>,
    checks: Vec<Check>,
}

/// One thing looked at.
#[derive(Serialize)]
struct Check {
    /// Whether only a privilege of this process is missing.
    #[serde(skip)]
    is_denied: bool,
    what: &'static str,
    /// `ok`, `limited` or `missing`.
    state: &'static str,
    /// What was found, or what is missing.
    detail: String,
    /// What goes without it; `null` where nothing does.
    cost: Option<&'static str>,
    /// Whether most of Netloom needs it.
    needed: bool,
}

/// Looks at the host and reports.
///
/// # Errors
/// When standard output can't be written; when something that `up` needs is missing, exit 1,
/// or 4 when only privileges are.
pub(super) fn run(global: &Global) -> Result<(), Error> {
    let report = Report {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
        checks: checks(),
    };
    output::show(global, &report, |paint| text(&report, paint))?;
    judge(&report)
}

/// What is missing that `up` needs.
fn missing(report: &Report) -> Vec<&Check> {
    report.checks.iter().filter(|check| check.needed && check.state == "missing").collect()
}

/// Fails where the host or the process lacks something that `up` needs.
fn judge(report: &Report) -> Result<(), Error> {
    let missing = missing(report);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|check| check.what).collect();
    let why = format!("misses {}", names.join(", "));
    let privileges = missing.iter().filter(|check| check.is_denied).count();
    let (kind, what) = match privileges == missing.len() {
        true => (ErrorKind::Privilege, "this process"),
        false => (ErrorKind::Failed, "this host"),
    };
    let error = Error::new(kind, what, why);
    Err(match privileges {
        0 => error,
        _ => error.hint("as root it can see and do more: sudo netloom doctor"),
    })
}

fn checks() -> Vec<Check> {
    let mut checks = vec![
        needed("/dev/net/tun", probe::tun_device(), "no TAP ports"),
        needed("TAP", probe::tap(), "no TAP ports, or slow ones"),
        needed("CAP_NET_ADMIN", capability(CapabilitySet::NET_ADMIN), "no port can be made"),
        needed(
            "CAP_NET_BROADCAST",
            capability(CapabilitySet::NET_BROADCAST),
            "no switch: it could not follow its netdevs",
        ),
        needed(
            "CAP_SYS_ADMIN",
            capability(CapabilitySet::SYS_ADMIN),
            "no namespaces, no macvtap ports",
        ),
        needed("/run/netns", probe::named_namespaces(), "no netns=NAME"),
        needed("run directory", run_directory(), "no switch can be started"),
        check("tied netdevs", probe::tied_netdevs(), "no netdev and veth ports"),
        check("kernel lane", lane(), "every frame between netdevs goes by a worker"),
        check("macvtap", probe::macvtap(), "no macvtap ports"),
        check("CAP_MKNOD", capability(CapabilitySet::MKNOD), "no macvtap ports"),
        check("io_uring", probe::io_uring(), "a system call for each frame"),
        check("AF_XDP", probe::af_xdp(), "no fast path to network cards"),
        check("user namespaces", probe::user_namespaces(), "labs need root"),
    ];
    checks.extend(for_tests());
    checks
}

/// Whether known unicast can go by the kernel.
fn lane() -> Finding {
    match Lane::is_missing() {
        None => {
            Finding::Has("known unicast between netdev and veth ports goes by the kernel".into())
        }
        Some(missing) => Finding::Lacks(lacks(&missing).into()),
    }
}

/// What only tests and benchmarks use, to compare with.
fn for_tests() -> [Check; 4] {
    let [bridge, filtering, vlan] =
        probe::kernel_functions(["br_handle_frame", "br_vlan_filter_toggle", "register_vlan_dev"]);
    let in_kernel = |there: bool, module: &str| match there {
        true => Finding::Has("in the kernel".into()),
        false if is_loadable(module) => Finding::Has(format!("module {module}, not loaded")),
        false => Finding::Lacks("not in this kernel".into()),
    };
    let filtering = match (filtering, bridge) {
        (false, true) => Finding::Lacks("this kernel's bridge is built without it".into()),
        (there, _) => in_kernel(there, "bridge"),
    };
    let vhost = match Path::new("/dev/vhost-net").exists() {
        true => Finding::Has("/dev/vhost-net is there".into()),
        false if is_loadable("vhost_net") => Finding::Has("module vhost_net, not loaded".into()),
        false => Finding::Lacks("no /dev/vhost-net".into()),
    };
    let comparison = "tests and benchmarks compare with less";
    [
        check("kernel bridge", in_kernel(bridge, "bridge"), comparison),
        check("bridge VLANs", filtering, comparison),
        check("8021q", in_kernel(vlan, "8021q"), comparison),
        check("vhost-net", vhost, comparison),
    ]
}

fn needed(what: &'static str, finding: Finding, cost: &'static str) -> Check {
    Check { needed: true, ..check(what, finding, cost) }
}

fn check(what: &'static str, finding: Finding, cost: &'static str) -> Check {
    let is_denied = matches!(finding, Finding::Denied(_));
    let (state, detail) = match finding {
        Finding::Has(detail) => ("ok", detail),
        Finding::Limited(detail) => ("limited", detail),
        Finding::Lacks(detail) | Finding::Denied(detail) => ("missing", detail),
    };
    Check { what, state, detail, cost: (state != "ok").then_some(cost), needed: false, is_denied }
}

fn capability(wanted: CapabilitySet) -> Finding {
    match capabilities(None) {
        Ok(sets) if sets.effective.contains(wanted) => Finding::Has("held".into()),
        _ => Finding::Denied("not held: run it as root".into()),
    }
}

/// Whether a switch can keep its control socket and its record.
fn run_directory() -> Finding {
    let parent = rundir::parent();
    // It is made with the first switch: what counts is the nearest directory that is there.
    let there = parent.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    match access(there, Access::WRITE_OK) {
        Ok(()) => Finding::Has(parent.display().to_string()),
        Err(Errno::ACCESS) => Finding::Denied(format!("{} can't be written", there.display())),
        Err(_) => Finding::Lacks(format!("{} can't be written", there.display())),
    }
}

/// Whether the running kernel has a module of that name on disk.
fn is_loadable(module: &str) -> bool {
    let Some(release) = read("/proc/sys/kernel/osrelease") else { return false };
    let list = fs::read_to_string(format!("/lib/modules/{release}/modules.dep"));
    let is_it = |line: &str| {
        let file = line.split(':').next().unwrap_or_default().rsplit('/').next();
        file.and_then(|file| file.split(".ko").next()) == Some(module)
    };
    list.is_ok_and(|list| list.lines().any(is_it))
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn text(report: &Report, paint: Paint) -> String {
    let cpus = report.cpus.map_or("an unknown number of CPUs".into(), |cpus| match cpus {
        1 => "1 CPU".to_owned(),
        _ => format!("{cpus} CPUs"),
    });
    let mut table =
        Table::new(&[("WHAT", Align::Left), ("FOUND", Align::Left), ("STATE", Align::Left)]);
    for check in &report.checks {
        let state = match check.cost {
            Some(cost) => format!("{}: {cost}", check.state),
            None => check.state.to_owned(),
        };
        table.row(vec![check.what.into(), check.detail.clone(), state]);
    }
    let colour = |state: &str| match state {
        "ok" => paint.green(state),
        _ => paint.yellow(state),
    };
    format!(
        "Linux {}, {cpus}\n\n{}\n{}\n",
        report.kernel,
        table.render(paint, colour),
        verdict(report, paint)
    )
}

fn verdict(report: &Report, paint: Paint) -> String {
    let missing: Vec<_> = missing(report).iter().map(|check| check.what).collect();
    match missing.is_empty() {
        true => paint.green("Netloom can run here."),
        false => paint.red(format!("Netloom can't do much here without {}.", missing.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tun: Finding) -> Report {
        Report {
            kernel: "6.18.0".into(),
            cpus: Some(2),
            checks: vec![
                needed("/dev/net/tun", tun, "no TAP ports"),
                check("8021q", Finding::Lacks("not in this kernel".into()), "less to compare"),
            ],
        }
    }

    #[test]
    fn what_is_missing_says_what_it_costs() {
        assert_eq!(
            text(&report(Finding::Has("opens".into())), Paint::on(false)),
            "\
Linux 6.18.0, 2 CPUs

WHAT          FOUND               STATE
/dev/net/tun  opens               ok
8021q         not in this kernel  missing: less to compare

Netloom can run here.
"
        );
    }

    #[test]
    fn only_what_is_needed_makes_the_verdict() {
        let text = text(&report(Finding::Lacks("is not there".into())), Paint::on(false));
        assert!(text.ends_with("\nNetloom can't do much here without /dev/net/tun.\n"), "{text}");
    }

    #[test]
    fn what_up_needs_makes_the_exit_status() {
        let with = |tun: Finding, capability: Finding| {
            let mut report = report(tun);
            report.checks.push(needed("CAP_NET_ADMIN", capability, "no port"));
            judge(&report).err().map(|error| error.kind.exit())
        };
        let has = || Finding::Has("there".into());
        let lacks = || Finding::Lacks("not there".into());
        let denied = || Finding::Denied("not held".into());
        assert_eq!(with(has(), has()), None);
        assert_eq!(with(Finding::Limited("no offloads".into()), has()), None);
        assert_eq!(with(has(), denied()), Some(4));
        assert_eq!(with(denied(), denied()), Some(4));
        assert_eq!(with(lacks(), has()), Some(1));
        assert_eq!(with(lacks(), denied()), Some(1));
    }

    #[test]
    fn every_check_of_this_host_has_a_detail() {
        for check in checks() {
            assert!(!check.detail.is_empty(), "{}", check.what);
            assert_eq!(check.cost.is_none(), check.state == "ok");
        }
    }
}
