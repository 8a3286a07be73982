//! A switch's place under the run directory: `/run/netloom/NAME/`.
//!
//! The record in it of what the switch made (see [`io_backends::lab::Journal`])
//! is locked by the switch's process for as long as it lives, so that a killed
//! switch is known for dead at once, whatever became of its process number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use io_backends::lab;

use crate::config;
use crate::error::Error;

/// The directory that holds one directory a switch: `NETLOOM_RUN_DIR`, or
/// `/run/netloom` for root, or `$XDG_RUNTIME_DIR/netloom`.
pub fn parent() -> PathBuf {
    static PARENT: OnceLock<PathBuf> = OnceLock::new();
    // Absolute, and worked out once: a daemon leaves the directory it was started in.
    let absolute = || {
        let parent = wanted_parent();
        std::path::absolute(&parent).unwrap_or(parent)
    };
    PARENT.get_or_init(absolute).clone()
}

fn wanted_parent() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("NETLOOM_RUN_DIR") {
        return dir;
    }
    let own = || set("XDG_RUNTIME_DIR").map(|dir| dir.join("netloom"));
    match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/run/netloom"),
        false => own().unwrap_or_else(|| PathBuf::from("/run/netloom")),
    }
}

/// The most bytes a socket's path has (`sun_path` of sys/un.h without its final zero).
const SOCKET_PATH_MAX: usize = 107;

/// One switch's directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunDir {
    name: String,
    path: PathBuf,
}

/// Whether a switch's process lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It does; this is its number.
    Running(u32),
    /// It was killed; what it made may still be there.
    Dead,
}

impl RunDir {
    /// The directory of the switch called `name`, whether there is one or not.
    pub fn of(name: &str) -> RunDir {
        RunDir::under(&parent(), name)
    }

    /// The directory of the switch called `name` of another run directory.
    pub fn under(parent: &Path, name: &str) -> RunDir {
        RunDir { name: name.to_owned(), path: parent.join(name) }
    }

    /// The switch's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Makes sure that a socket can have that path.
    ///
    /// # Errors
    /// Exit 1 when it is too long for one.
    pub fn check_socket(&self) -> Result<(), Error> {
        let socket = self.socket();
        match socket.as_os_str().len() {
            0..=SOCKET_PATH_MAX => Ok(()),
            length => {
                let why = format!(
                    "a socket's path has at most {SOCKET_PATH_MAX} bytes, this one {length}"
                );
                Err(Error::failed(socket.display().to_string(), why)
                    .hint("set NETLOOM_RUN_DIR to a directory with a shorter path"))
            }
        }
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The file with the process's number.
    fn pid(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// What became of the switch; `None` when there is nothing of that name.
    pub fn state(&self) -> Option<State> {
        if !self.path.is_dir() {
            return None;
        }
        if !self.path.parent().is_some_and(|parent| lab::is_running(parent, &self.name)) {
            return Some(State::Dead);
        }
        // A switch that has just begun and has not yet written its number runs all the same.
        let pid = fs::read_to_string(self.pid()).unwrap_or_default();
        Some(State::Running(pid.trim().parse().unwrap_or(0)))
    }

    /// Notes this process as the switch's.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub fn write_pid(&self) -> Result<(), Error> {
        let path = self.pid();
        fs::write(&path, format!("{}\n", std::process::id()))
            .map_err(|error| Error::io(path.display().to_string(), &error))
    }

    /// Removes the directory and what a switch keeps in it.
    ///
    /// # Errors
    /// Exit 1 when it can't be removed.
    pub fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(self.path.display().to_string(), &error))
            }
            _ => {
                // With the last switch, and only if Netloom made it.
                lab::remove_parent(&parent());
                Ok(())
            }
        }
    }
}

/// Every switch there is, dead ones too, by name.
pub fn switches() -> Vec<(RunDir, State)> {
    let Ok(entries) = fs::read_dir(parent()) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<_> = names
        .filter(|name| config::is_name(name))
        .filter_map(|name| {
            let dir = RunDir::of(&name);
            let state = dir.state()?;
            Some((dir, state))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    found
}

/// The running switch a command means: `name`, or the only one.
///
/// # Errors
/// Exit 3 when it does not run or none does, 2 when several run and none is named.
pub fn chosen(name: Option<&str>) -> Result<RunDir, Error> {
    if let Some(name) = name {
        let dir = RunDir::of(name);
        return match dir.state() {
            Some(State::Running(_)) => Ok(dir),
            Some(State::Dead) => Err(Error::unknown(format!("switch {name}"), "it was killed")
                .hint(format!("`netloom down {name}` removes what it left"))),
            None => Err(Error::unknown(format!("switch {name}"), "there is no such switch")
                .hint("`netloom ls` lists the switches")),
        };
    }
    let mut running = switches();
    running.retain(|(_, state)| *state != State::Dead);
    match &running[..] {
        [] => Err(Error::unknown("switch", "none runs").hint("`netloom up` starts one")),
        [(dir, _)] => Ok(dir.clone()),
        many => {
            let names: Vec<_> = many.iter().map(|(dir, _)| dir.name()).collect();
            Err(Error::usage("--switch", format!("several switches run: {}", names.join(", ")))
                .hint("say which with --switch NAME"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_of_107_bytes_is_the_longest() {
        let rest = "/lab/control.sock".len();
        let under = |length: usize| {
            RunDir::under(Path::new(&format!("/{}", "x".repeat(length - rest - 1))), "lab")
        };
        assert_eq!(under(107).check_socket(), Ok(()));
        let error = under(108).check_socket().unwrap_err();
        assert_eq!((error.kind.exit(), error.what), (1, under(108).socket().display().to_string()));
        assert!(error.why.contains("at most 107 bytes, this one 108"), "{}", error.why);
        assert!(error.hint.unwrap().contains("NETLOOM_RUN_DIR"));
        // What listening takes and refuses.
        use std::os::unix::net::SocketAddr;
        assert!(SocketAddr::from_pathname(under(107).socket()).is_ok());
        assert!(SocketAddr::from_pathname(under(108).socket()).is_err());
    }
}
