//! Which names are legal, and the values that command line options take.

use std::path::Path;

use io_backends::lab::Netns;
use switch_core::{Mac, Vid};

use crate::error::Error;

/// The most characters a switch's or port's name has.
pub const NAME_MAX: usize = 32;
/// The most bytes a namespace's name has, that of a file (NAME_MAX of limits.h).
const NETNS_MAX: usize = 255;
/// The most bytes a path has (PATH_MAX of limits.h, without its final zero).
const PATH_MAX: usize = 4095;
/// A switch's name when nothing else names it.
pub const DEFAULT_SWITCH: &str = "netloom0";

/// What [`is_name`] asks for, for people.
pub(crate) const NAME_FORM: &str =
    "a name: a letter or digit, then up to 31 letters, digits, \"_\", \".\" or \"-\"";
/// What [`netns`] asks for, for people.
pub(crate) const NETNS_FORM: &str = "a namespace's name or an absolute path";

/// Whether a switch or a port can have this name: `[A-Za-z0-9][A-Za-z0-9_.-]{0,31}`.
///
/// ```
/// use netloom::config::is_name;
/// assert!(is_name("lab-1") && is_name("0") && !is_name("-a") && !is_name("é"));
/// ```
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The namespace that `text` names: an absolute path, or a name as `ip netns` has it.
pub fn netns(text: &str) -> Option<Netns> {
    if text.contains(char::is_control) {
        return None;
    }
    if text.starts_with('/') {
        return (text.len() <= PATH_MAX).then(|| Netns::Path(text.into()));
    }
    let is_name =
        (1..=NETNS_MAX).contains(&text.len()) && !text.contains('/') && text != "." && text != "..";
    is_name.then(|| Netns::Name(text.to_owned()))
}

/// A switch's name: `given` on the command line, else `configured` in the
/// file, else the file's stem, else [`DEFAULT_SWITCH`].
///
/// # Errors
/// Exit 2 if the name that is chosen is not legal.
pub fn switch_name(
    given: Option<&str>,
    configured: Option<&str>,
    file: Option<&Path>,
) -> Result<String, Error> {
    if let Some(name) = given.or(configured) {
        return match is_name(name) {
            true => Ok(name.to_owned()),
            false => Err(Error::usage(format!("switch {name:?}"), format!("not {NAME_FORM}"))),
        };
    }
    let Some(file) = file else { return Ok(DEFAULT_SWITCH.to_owned()) };
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    match is_name(&stem) {
        true => Ok(stem.into_owned()),
        false => Err(Error::usage(
            file.display().to_string(),
            format!("its stem {stem:?} cannot name the switch"),
        )
        .hint("give the switch a name with --name")),
    }
}

/// A name on the command line; the error is the reason alone.
pub(crate) fn name_arg(text: &str) -> Result<String, String> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(format!("not {NAME_FORM}")) }
}

/// A VID on the command line, 0 being the untagged traffic of transparent ports.
pub(crate) fn vid_arg(text: &str) -> Result<Vid, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let vid = digits.then(|| text.parse().ok().and_then(Vid::new)).flatten();
    vid.ok_or_else(|| "not a VID from 1 to 4094, or 0 for untagged traffic".to_owned())
}

/// A station's address on the command line.
pub(crate) fn mac_arg(text: &str) -> Result<Mac, String> {
    let mac: Mac = text.parse().map_err(|_| "not a MAC address like 02:00:00:00:00:0a")?;
    match mac.is_group() || mac.is_zero() {
        true => Err("not the address of one station".to_owned()),
        false => Ok(mac),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "0", "lab", "a_b.c-d", &"x".repeat(32)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "a,b", "ä", "a\n", &"x".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn namespaces() {
        assert_eq!(netns("blue"), Some(Netns::Name("blue".into())));
        assert_eq!(netns("/proc/1/ns/net"), Some(Netns::Path("/proc/1/ns/net".into())));
        for bad in ["", ".", "..", "a/b", "a\0", "/a\0", &"x".repeat(256), &"/x".repeat(2048)] {
            assert_eq!(netns(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_switch_is_named_by_the_first_that_does() {
        let file = Some(Path::new("/etc/lab.toml"));
        assert_eq!(switch_name(Some("a"), Some("b"), file).unwrap(), "a");
        assert_eq!(switch_name(None, Some("b"), file).unwrap(), "b");
        assert_eq!(switch_name(None, None, file).unwrap(), "lab");
        assert_eq!(switch_name(None, None, None).unwrap(), "netloom0");
    }

    #[test]
    fn an_illegal_name_is_refused() {
        let error = switch_name(None, None, Some(Path::new("x/my lab.toml"))).unwrap_err();
        assert_eq!(
            crate::error::as_text(&error, false),
            "netloom: x/my lab.toml: its stem \"my lab\" cannot name the switch\n\
             hint: give the switch a name with --name\n"
        );
        let error = switch_name(Some("-x"), None, None).unwrap_err();
        assert_eq!((error.kind.exit(), error.what.as_str()), (2, "switch \"-x\""));
    }

    #[test]
    fn values_of_options() {
        assert_eq!(vid_arg("0"), Ok(Vid::UNTAGGED));
        assert_eq!(vid_arg("4094").unwrap().get(), 4094);
        for bad in ["", "4095", "70000", "-1", "+1", "x"] {
            assert!(vid_arg(bad).is_err(), "{bad}");
        }
        assert!(mac_arg("02:00:00:00:00:0a").is_ok());
        for bad in ["", "01:00:5e:00:00:01", "00:00:00:00:00:00", "2:0:0:0:0:0"] {
            assert!(mac_arg(bad).is_err(), "{bad}");
        }
    }
}
