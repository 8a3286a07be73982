//! What went wrong, said so that a person can mend it.

use std::fmt;
use std::io;

/// What a failure means for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The operation failed; the host is as it was.
    Failed,
    /// A privilege is missing.
    Privilege,
    /// A name that does not exist.
    Unknown,
}

/// An error that names the thing, the reason and, where there is one, the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// What the failure means.
    pub kind: ErrorKind,
    /// The thing: a port, netdev, namespace or file.
    pub what: String,
    /// The reason, in words; never a bare error number.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// A failed operation on `what`.
    pub fn failed(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Failed, what: what.into(), why: why.into(), hint: None }
    }

    /// A failed system call: EPERM and EACCES become [`ErrorKind::Privilege`]
    /// with `privilege` (like "CAP_NET_ADMIN") named in why and hint.
    pub fn system(what: impl Into<String>, error: &io::Error, privilege: &str) -> Error {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Error {
                kind: ErrorKind::Privilege,
                what: what.into(),
                why: format!("needs {privilege}"),
                hint: Some(match privilege.strip_prefix("CAP_") {
                    Some(name) if !name.contains(' ') => format!(
                        "run it as root, or with {privilege}; in a container: --cap-add={name}"
                    ),
                    _ => "run it as root".into(),
                }),
            },
            _ => Error::io(what, error),
        }
    }

    /// A failed system call on `what`, with the remedy where there is a known one.
    pub fn io(what: impl Into<String>, error: &io::Error) -> Error {
        let what = what.into();
        let hint = remedy(&what, error);
        Error { hint: hint.map(Into::into), ..Error::failed(what, describe(error)) }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

/// What helps against an error of the host that can come with any call.
fn remedy(what: &str, error: &io::Error) -> Option<&'static str> {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    match error.raw_os_error() {
        Some(libc::EMFILE) => Some("allow the process more: ulimit -n; in a service: LimitNOFILE="),
        Some(libc::ENFILE) => Some("allow the host more: sysctl fs.file-max"),
        _ if is_missing && what.starts_with("/proc/") => Some("mount it: mount -t proc proc /proc"),
        _ if is_missing && what == "/dev/null" => Some("make it: mknod -m 666 /dev/null c 1 3"),
        _ => None,
    }
}

/// The system's own words for an error, without the `(os error N)` behind them.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = plain.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Error {}
