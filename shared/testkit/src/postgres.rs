//! A Postgres cluster of its own for a test.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::StartError;
use crate::child::{PORT_ATTEMPTS, find, free_port, kill_9, serves, stop, tail};

const PACKAGE: &str = "postgresql";

/// A Postgres cluster with its own port and folder; it ends, and the folder goes, when this is dropped.
///
/// It trusts everybody on this machine, and does not wait for the disk.
#[derive(Debug)]
pub struct PostgresServer {
    programs: Programs,
    folder: TempDir,
    port: u16,
    child: Child,
    databases: AtomicU32,
}

/// The programs of one version, and who runs them: Postgres refuses to be root.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
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
        let programs = Programs::find()?;
        let folder = tempfile::Builder::new()
            .prefix("happypath-postgres-")
            .tempdir()?;
        if let Some((user, group)) = programs.user {
            chown(folder.path(), Some(user), Some(group))?;
        }
        programs.init(folder.path())?;
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            match programs.spawn(arguments, folder.path(), port) {
                Ok(child) => {
                    return Ok(Self {
                        programs,
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
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
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

    /// Kills the server as a crash does.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn kill_9(&mut self) -> Result<(), StartError> {
        Ok(kill_9(&mut self.child)?)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Immediate shutdown frees the shared memory; a failure means that the process is gone already.
        let _gone = stop(&mut self.child, "QUIT");
    }
}

impl Programs {
    /// Takes the newest version that is installed.
    fn find() -> Result<Self, StartError> {
        let mut folders: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        folders.sort();
        let mut newest = folders
            .into_iter()
            .rev()
            .map(|(_, path)| path.join("initdb"));
        let initdb = match newest.find(|file| file.is_file()) {
            Some(initdb) => initdb,
            // On the PATH it may be a link, and its neighbours are where it leads.
            None => find("initdb", PACKAGE, &[])?.canonicalize()?,
        };
        let folder = initdb.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let user = is_root.then(postgres_user).transpose()?;
        Ok(Self { folder, user })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null()).current_dir("/");
        command
    }

    fn init(&self, folder: &Path) -> Result<(), StartError> {
        let log = folder.join("initdb.log");
        let output = File::create(&log)?;
        let made = self
            .command("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "postgres"])
            .args(["--locale=C", "-E", "UTF8", "-D"])
            .arg(folder.join("data"))
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        if made.success() {
            Ok(())
        } else {
            Err(StartError::Failed {
                program: "initdb",
                log: tail(&log),
            })
        }
    }

    fn spawn(&self, arguments: &[&str], folder: &Path, port: u16) -> Result<Child, StartError> {
        let log = folder.join("postgres.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=127.0.0.1", "-p"])
            .arg(port.to_string())
            .args(arguments)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let is_ready = || {
            // The server writes "ready" into its own lock file, so another one on the port cannot be taken for it.
            fs::read_to_string(folder.join("data/postmaster.pid"))
                .is_ok_and(|text| text.lines().any(|line| line.trim() == "ready"))
        };
        if serves(&mut child, is_ready)? {
            Ok(child)
        } else {
            // The server may still hang in its start.
            let _gone = kill_9(&mut child);
            Err(StartError::Failed {
                program: "postgres",
                log: tail(&log),
            })
        }
    }
}

/// The ids of the user that the package creates.
fn postgres_user() -> Result<(u32, u32), StartError> {
    let users = fs::read_to_string("/etc/passwd")?;
    users
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == "postgres").then_some(())?;
            let user = fields.nth(1)?.parse().ok()?;
            Some((user, fields.next()?.parse().ok()?))
        })
        .ok_or_else(|| {
            StartError::Io(io::Error::new(
                io::ErrorKind::NotFound,
                "postgres refuses to run as root, and there is no user `postgres`",
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_gives_each_test_its_own_database() {
        let server = PostgresServer::start().expect("starts");
        let (one, other) = (
            server.create_database().expect("created"),
            server.create_database().expect("created"),
        );
        assert_ne!(one, other);
        let tables = server
            .programs
            .command("psql")
            .args([one.as_str(), "-qtAc", "CREATE TABLE t (); SELECT 40 + 2"])
            .output()
            .expect("runs");
        assert_eq!(String::from_utf8_lossy(&tables.stdout).trim(), "42");
    }
}
