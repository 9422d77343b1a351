//! A Postgres cluster of its own for a test.

mod backup;
mod programs;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

pub use self::backup::{BaseCopy, LogArchive};
use self::programs::Programs;
use crate::child::{PORT_ATTEMPTS, free_port, signal, stop, tail, until};
use crate::{Certificates, StartError};

/// A Postgres cluster with its own port and folder; it ends, and the folder goes, when this is
/// dropped.
///
/// It trusts everybody on this machine, and does not wait for the disk.
#[derive(Debug)]
pub struct PostgresServer {
    programs: Programs,
    arguments: Vec<String>,
    folder: TempDir,
    port: u16,
    child: Child,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Starts a cluster that does not wait for the disk.
    ///
    /// # Errors
    /// [`StartError`] where there is none, or it does not come up.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&["-c", "fsync=off", "-c", "synchronous_commit=off"])
    }

    /// Starts a cluster with further arguments of `postgres`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(arguments: &[&str]) -> Result<Self, StartError> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self::start_setup(arguments, None)
    }

    /// Starts a cluster that speaks TLS to everybody on the network, and asks for a certificate of
    /// the same authority.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls(certificates: &Certificates) -> Result<Self, StartError> {
        Self::start_setup(Vec::new(), Some(certificates))
    }

    fn start_setup(
        mut arguments: Vec<String>,
        tls: Option<&Certificates>,
    ) -> Result<Self, StartError> {
        let programs = Programs::find()?;
        let folder = tempfile::Builder::new()
            .prefix("happypath-postgres-")
            .tempdir()?;
        programs.give(folder.path())?;
        programs.init(folder.path())?;
        if let Some(certificates) = tls {
            arguments.extend(programs.secure(folder.path(), certificates)?);
        }
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            match programs.spawn(&arguments, folder.path(), port) {
                Ok(child) => {
                    return Ok(Self {
                        programs,
                        arguments,
                        folder,
                        port,
                        child,
                        databases: AtomicU32::new(0),
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is at least one attempt"))
    }

    /// The id of its process: to read what it uses, or to signal it.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The address of the database `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Creates an empty database and returns its address.
    ///
    /// # Errors
    /// [`StartError`] where the server refuses.
    pub fn create_database(&self) -> Result<String, StartError> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let log = self.folder.path().join("createdb.log");
        let created = self
            .programs
            .command("createdb")
            // By its socket, where nobody asks for a certificate.
            .arg("-h")
            .arg(self.folder.path())
            .args(["-U", "postgres", "-p"])
            .arg(self.port.to_string())
            .arg(&name)
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .status()?;
        if created.success() {
            Ok(self.url_of(&name))
        } else {
            Err(StartError::Failed {
                program: "createdb",
                log: tail(&log),
            })
        }
    }

    /// Asks a database, by its address, and returns the rows of the answer: a line each, with `|`
    /// between two columns.
    ///
    /// # Errors
    /// [`StartError::Failed`] where the server refuses, with what it says.
    pub fn ask(&self, database: &str, statement: &str) -> Result<String, StartError> {
        let form = ["-X", "-q", "-t", "-A", "-c", statement, database];
        let answer = self.programs.command("psql").args(form).output()?;
        if answer.status.success() {
            Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
        } else {
            Err(StartError::Failed {
                program: "psql",
                log: String::from_utf8_lossy(&answer.stderr).into_owned(),
            })
        }
    }

    /// Runs the statements of a file in a database, all or none.
    ///
    /// # Errors
    /// [`StartError::Failed`] where the server refuses, with what it says.
    pub fn run_file(&self, database: &str, file: &Path) -> Result<(), StartError> {
        let form = ["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", database];
        let mut command = self.programs.command("psql");
        // By its input: the user that runs the programs may not reach the file.
        command.args(form).stdin(File::open(file)?);
        let ran = command.output()?;
        if ran.status.success() {
            Ok(())
        } else {
            Err(StartError::Failed {
                program: "psql",
                log: String::from_utf8_lossy(&ran.stderr).into_owned(),
            })
        }
    }

    /// Asks a database the same again and again, after a pause each time.
    ///
    /// The rows of the answers are lines of the standard output of the process that it returns, in
    /// the form of [`Self::ask`]. It asks until it is killed.
    ///
    /// # Errors
    /// [`StartError::Io`] where the process does not start.
    pub fn watch(
        &self,
        database: &str,
        statement: &str,
        pause: Duration,
    ) -> Result<Child, StartError> {
        let mut child = self
            .programs
            .command("psql")
            .args(["-X", "-q", "-t", "-A", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut words) = child.stdin.take() {
            writeln!(words, "{statement} \\watch {}", pause.as_secs_f64())?;
        }
        Ok(child)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server as a crash does: all its processes, and none has a say.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn kill_9(&mut self) -> Result<(), StartError> {
        self.suspend()?;
        let processes = self.processes()?;
        signal("KILL", &processes)?;
        self.child.wait()?;
        // The next server needs the shared memory that the last of them frees.
        until("the processes of postgres did not end", || {
            if processes.iter().all(|process| !is_running(*process)) {
                Ok(())
            } else {
                Err(format!("{processes:?}"))
            }
        })
    }

    /// Starts the server again with the same port and folder, after ending it where it still runs.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), StartError> {
        if self.child.try_wait()?.is_none() {
            self.kill_9()?;
        }
        // The file of the dead server says that it is ready.
        let _absent = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        self.child = self
            .programs
            .spawn(&self.arguments, self.folder.path(), self.port)?;
        Ok(())
    }

    /// Stops all its processes in their tracks, as a machine that hangs does: connections stay, and
    /// nothing answers.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn suspend(&self) -> Result<(), StartError> {
        // Its first process starts the others: once it stands still, there are no new ones.
        signal("STOP", &[self.child.id()])?;
        Ok(signal("STOP", &self.processes()?)?)
    }

    /// Lets all its processes go on.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn resume(&self) -> Result<(), StartError> {
        Ok(signal("CONT", &self.processes()?)?)
    }

    /// The processes that the first one started, and last it: while it stands still, none of them
    /// is collected, so that each takes a signal.
    fn processes(&self) -> Result<Vec<u32>, StartError> {
        let first = self.child.id();
        let listed = Command::new("ps")
            .args(["-A", "-o", "pid=,ppid="])
            .output()?;
        let mut all = Vec::new();
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            if let (Some(Ok(process)), Some(Ok(parent))) = (numbers.next(), numbers.next())
                && parent == first
            {
                all.push(process);
            }
        }
        all.push(first);
        Ok(all)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // One that stands still hears nothing.
        let _gone = self.resume();
        // Immediate shutdown frees the shared memory; a failure means that the process is gone
        // already.
        let _gone = stop(&mut self.child, "QUIT");
    }
}

/// Returns whether there is such a process that has not ended yet.
fn is_running(process: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "state=", "-p", &process.to_string()])
        .output();
    state.is_ok_and(|output| {
        let state = String::from_utf8_lossy(&output.stdout);
        !state.trim().is_empty() && !state.trim().starts_with('Z')
    })
}

#[cfg(test)]
mod tests;
