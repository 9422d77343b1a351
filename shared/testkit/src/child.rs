//! Child processes: finding their programs, free ports, waiting until they serve, stopping them.

use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The time that a server may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two questions to it.
const PAUSE: Duration = Duration::from_millis(10);
/// The ports that are tried: between choosing a free one and using it, somebody else may take it.
pub(crate) const PORT_ATTEMPTS: usize = 5;

/// A server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not on this machine.
    #[error("`{program}` is not installed: install the Debian package `{package}`")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package that brings it.
        package: &'static str,
    },
    /// The program ended, or did not answer in time.
    #[error("`{program}` did not start: {log}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
    /// Valkey is not on this machine; few systems have a package of it.
    #[error(
        "`valkey-server` is not installed: run `tests/run`, which puts it into `.cache/valkey`, or name the program in \
         the environment variable {variable}"
    )]
    NoValkey {
        /// The environment variable that may name it.
        variable: &'static str,
    },
    /// Servers that belong together did not find each other in time.
    #[error("{what} within {PATIENCE:?}: {last}")]
    Apart {
        /// The thing that did not happen.
        what: &'static str,
        /// The last words of the server.
        last: String,
    },
    /// A certificate could not be made.
    #[error("a certificate for tests cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The machine refused a file, a port or a process.
    #[error("the test server cannot be prepared")]
    Io(#[from] io::Error),
}

/// Finds a program on the PATH or in other folders.
pub(crate) fn find(
    program: &'static str,
    package: &'static str,
    others: &[PathBuf],
) -> Result<PathBuf, StartError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(others.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or(StartError::Missing { program, package })
}

/// Asks the system for a port that nobody uses now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Waits until a child serves.
///
/// False where it ended or had too little time.
pub(crate) fn serves(child: &mut Child, mut is_ready: impl FnMut() -> bool) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if is_ready() {
            return Ok(true);
        }
        thread::sleep(PAUSE);
    }
    Ok(false)
}

/// Waits until an answer is the right one: `ask` returns what it saw where it is not.
pub(crate) fn until(
    what: &'static str,
    mut ask: impl FnMut() -> Result<(), String>,
) -> Result<(), StartError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(()) => return Ok(()),
            Err(last) if Instant::now() >= deadline => {
                return Err(StartError::Apart { what, last });
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Sends a signal to processes.
pub(crate) fn signal(name: &str, processes: &[u32]) -> io::Result<()> {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "no process took the signal {name}"
        )))
    }
}

/// Ends a child as a crash does, and collects it.
pub(crate) fn kill_9(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Asks a child to end by a signal, and ends it as a crash does where it stays.
pub(crate) fn stop(child: &mut Child, signal: &str) -> io::Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    let asked = self::signal(signal, &[child.id()]).is_ok();
    let deadline = Instant::now() + PATIENCE;
    while asked && Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    kill_9(child)
}

/// The end of a log, for an error.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = find("no-such-server", "no-such-package", &[]).expect_err("missing");
        assert_eq!(
            error.to_string(),
            "`no-such-server` is not installed: install the Debian package `no-such-package`"
        );
    }
}
