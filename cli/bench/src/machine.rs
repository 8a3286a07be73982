//! The machine that figures were measured on.

use std::fs;

use serde::Serialize;

/// What a reader needs to place figures.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Machine {
    /// The processor's name for itself.
    pub(super) cpu: Option<String>,
    /// CPUs that this process may use.
    pub(super) cpus: Option<usize>,
    /// Whether a hypervisor is below.
    pub(super) virtual_machine: bool,
    /// Bytes.
    pub(super) memory: Option<u64>,
    /// The running kernel's release.
    pub(super) kernel: Option<String>,
    /// How many threads wanted a CPU in the minute before, on average.
    pub(super) load: Option<f64>,
    /// Whether idle CPUs are kept from halting.
    pub(super) awake: bool,
}

/// Looks at this one, where idle CPUs are kept `awake` or not.
pub(super) fn this(awake: bool) -> Machine {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kib = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    Machine {
        cpu: field(&cpu, "model name"),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
        virtual_machine: field(&cpu, "flags")
            .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        memory: kib.map(|kib: u64| kib * 1024),
        kernel: kernel(),
        load: load.split(' ').next().and_then(|text| text.parse().ok()),
        awake,
    }
}

/// The running kernel's release.
pub(super) fn kernel() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

/// The first line `NAME : VALUE` of the kernel's tables.
fn field(table: &str, name: &str) -> Option<String> {
    let mut lines = table.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_what_it_is() {
        let machine = this(false);
        assert!(machine.memory.is_some_and(|bytes| bytes > 1 << 20));
        assert!(machine.kernel.is_some_and(|kernel| kernel.contains('.')));
        assert!(machine.cpus.is_some_and(|cpus| cpus > 0));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let table = "cpu family\t: 6\nmodel\t\t: 106\nmodel name\t: A CPU: fast\n";
        assert_eq!(field(table, "model name").as_deref(), Some("A CPU: fast"));
        assert_eq!(field(table, "family"), None);
    }
}
