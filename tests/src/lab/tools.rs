//! Programs that tests use, and what happens where one is missing.

use std::path::Path;

/// What this host is known to lack: lines of `NAME: REASON`, `#` for comments.
const KNOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/known-missing");

/// Whether the program `tool` is there. Where it is not, but `tests/known-missing`
/// names it, the test says so and does without.
///
/// # Panics
/// When it is missing and nobody knew.
pub fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|directory| directory.join(tool).is_file()) {
        return true;
    }
    let known = std::fs::read_to_string(Path::new(KNOWN)).unwrap_or_default();
    match reason(&known, tool) {
        Some(reason) => {
            println!("not tested: {tool} is missing: {reason}");
            false
        }
        None => panic!(
            "{tool} is missing: tests/run installs what the tests need; \
             a host that can't have it names it in tests/known-missing"
        ),
    }
}

fn reason<'k>(known: &'k str, tool: &str) -> Option<&'k str> {
    let mut entries = known.lines().filter_map(|line| line.split_once(':'));
    entries.find_map(|(name, reason)| (name.trim() == tool).then(|| reason.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_tool_may_be_missing() {
        let known = "# a comment: with a colon\niperf3: not packaged here\n";
        assert_eq!(reason(known, "iperf3"), Some("not packaged here"));
        assert_eq!(reason(known, "tcpdump"), None);
        assert!(has("sh"));
        assert!(std::panic::catch_unwind(|| has("no-such-tool")).is_err());
    }
}
