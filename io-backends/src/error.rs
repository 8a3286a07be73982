//! What went wrong, said so that a person can mend it.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// What a failure means for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
pub enum ErrorKind {
    /// The operation failed; the host is as it was.
    #[default]
    Failed,
    /// The same: somebody else has the name.
    Taken,
    /// What a user wrote is wrong; nothing was touched.
    Usage,
    /// A name that does not exist.
    Unknown,
    /// A privilege is missing.
    Privilege,
    /// There is no such command to run.
    NoCommand,
    /// A command that can't be run.
    NotRunnable,
}

impl ErrorKind {
    /// The exit status of a program that ends with it. 126 and 127 are what shells give.
    pub const fn exit(self) -> u8 {
        match self {
            ErrorKind::Failed | ErrorKind::Taken => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Unknown => 3,
            ErrorKind::Privilege => 4,
            ErrorKind::NotRunnable => 126,
            ErrorKind::NoCommand => 127,
        }
    }
}

impl From<ErrorKind> for u8 {
    fn from(kind: ErrorKind) -> u8 {
        kind.exit()
    }
}

impl From<u8> for ErrorKind {
    /// What an exit status means; one that is none of these is a failure.
    fn from(exit: u8) -> ErrorKind {
        match exit {
            2 => ErrorKind::Usage,
            3 => ErrorKind::Unknown,
            4 => ErrorKind::Privilege,
            126 => ErrorKind::NotRunnable,
            127 => ErrorKind::NoCommand,
            _ => ErrorKind::Failed,
        }
    }
}

/// An error that names the thing, the reason and, where there is one, the remedy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Error {
    /// What the failure means.
    #[serde(rename = "exit", default)]
    pub kind: ErrorKind,
    /// The thing: a port, netdev, namespace or file.
    pub what: String,
    /// The reason, in words; never a bare error number.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// An error of this kind without a remedy.
    pub fn new(kind: ErrorKind, what: impl Into<String>, why: impl Into<String>) -> Error {
        Error { kind, what: what.into(), why: why.into(), hint: None }
    }

    /// A failed operation on `what`.
    pub fn failed(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Failed, what, why)
    }

    /// What a user wrote about `what` is wrong.
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, what, why)
    }

    /// `what` is a name that does not exist.
    pub fn unknown(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unknown, what, why)
    }

    /// A name `what` that something else has.
    pub fn taken(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Taken, ..Error::failed(what, why) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_exit_status_on_the_wire() {
        let error = Error::unknown("switch x", "there is no such switch").hint("y");
        let text = serde_json::to_string(&error).unwrap();
        assert!(text.starts_with(r#"{"exit":3,"what":"switch x""#), "{text}");
        assert_eq!(serde_json::from_str::<Error>(&text).unwrap(), error);
        let without: Error = serde_json::from_str(r#"{"what":"a","why":"b"}"#).unwrap();
        assert_eq!(without, Error::failed("a", "b"));
    }
}
