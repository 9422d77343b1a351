//! Copies of a Postgres cluster: of its files, of its write-ahead log, and of one database as
//! statements; and the ways back from them.
//!
//! The log is archived in the two ways that operators combine: filled segments by the server, and
//! each commit before it is acknowledged by a receiver that counts as a synchronous standby.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use super::PostgresServer;
use super::programs::Programs;
use crate::StartError;
use crate::child::{stop, tail, until};

/// The name by which the server knows the receiver.
const RECEIVER: &str = "receiver";

/// A copy of the files of a cluster, with the log that makes it consistent.
#[derive(Debug)]
pub struct BaseCopy {
    folder: TempDir,
}

impl BaseCopy {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Goes to the place where a server looks for its files.
    fn become_data(self, place: &Path) -> io::Result<()> {
        let Self { folder } = self;
        fs::rename(folder.path().join("data"), place)?;
        folder.close()
    }
}

/// Keeps the write-ahead log of a server in a folder that outlives it.
#[derive(Debug)]
pub struct LogArchive {
    programs: Programs,
    folder: TempDir,
    /// The log as received in each life of the server; the last may be of the present one.
    received: Vec<PathBuf>,
    receiver: Option<Child>,
}

impl LogArchive {
    /// Makes an empty archive.
    ///
    /// # Errors
    /// [`StartError`] where there is no Postgres, or no room.
    pub fn create() -> Result<Self, StartError> {
        let programs = Programs::find()?;
        let folder = tempfile::Builder::new()
            .prefix("happypath-archive-")
            .tempdir()?;
        programs.give(folder.path())?;
        let archive = Self {
            programs,
            folder,
            received: Vec::new(),
            receiver: None,
        };
        archive.make_folder(&archive.filled())?;
        Ok(archive)
    }

    /// Starts a server that archives its log here before it acknowledges anything.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub fn start_server(&mut self) -> Result<PostgresServer, StartError> {
        let server = PostgresServer::start_setup(self.arguments(), None)?;
        self.receive(&server)?;
        Ok(server)
    }

    /// The arguments of a server that acknowledges nothing while nobody receives.
    fn arguments(&self) -> Vec<String> {
        let filled = self.filled().display().to_string();
        let settings = [
            // The machine survives, so the page cache does.
            "fsync=off".to_owned(),
            "wal_level=replica".to_owned(),
            "archive_mode=on".to_owned(),
            format!("archive_command=test ! -f {filled}/%f && cp %p {filled}/%f"),
            "synchronous_commit=on".to_owned(),
            format!("synchronous_standby_names={RECEIVER}"),
        ];
        let settings = settings.into_iter();
        settings
            .flat_map(|setting| ["-c".to_owned(), setting])
            .collect()
    }

    /// Begins to receive the log of a server, and waits until the server waits for that.
    fn receive(&mut self, server: &PostgresServer) -> Result<(), StartError> {
        self.end();
        let life = self.received.len() + 1;
        let folder = self.folder.path().join(format!("received-{life}"));
        self.make_folder(&folder)?;
        let log = self.folder.path().join("receiver.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let from = format!("{}?application_name={RECEIVER}", server.url());
        let receiver = self
            .programs
            .command("pg_receivewal")
            .args(["--synchronous", "--no-loop", "-d", &from, "-D"])
            .arg(&folder)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        self.received.push(folder);
        self.receiver = Some(receiver);
        until("nobody receives the write-ahead log", || {
            let asked = "SELECT sync_state FROM pg_stat_replication";
            match server.ask(&server.url(), asked) {
                Ok(state) if state.trim() == "sync" => Ok(()),
                Ok(state) => Err(format!("{state} {}", tail(&log))),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    /// Ends the receiver, which has on disk what it acknowledged.
    fn end(&mut self) {
        if let Some(mut receiver) = self.receiver.take() {
            // It ends by itself where its server did.
            let _gone = stop(&mut receiver, "TERM");
        }
    }

    /// The segments that the server filled.
    fn filled(&self) -> PathBuf {
        self.folder.path().join("filled")
    }

    fn make_folder(&self, folder: &Path) -> Result<(), StartError> {
        fs::create_dir(folder)?;
        self.programs.give(folder)
    }

    /// The command by which a server that is restored fetches a segment: one that was filled, or
    /// else the part of it that was received.
    fn restore_command(&self) -> String {
        let mut ways = vec![format!("cp {}/%f %p", self.filled().display())];
        for folder in &self.received {
            let folder = folder.display();
            ways.push(format!("cp {folder}/%f %p"));
            ways.push(format!("cp {folder}/%f.partial %p"));
        }
        ways.join(" 2>/dev/null || ")
    }
}

impl Drop for LogArchive {
    fn drop(&mut self) {
        self.end();
    }
}

impl PostgresServer {
    /// Copies all files while the server runs.
    ///
    /// # Errors
    /// [`StartError::Failed`] with what `pg_basebackup` says.
    pub fn copy_base(&self) -> Result<BaseCopy, StartError> {
        let folder = tempfile::Builder::new()
            .prefix("happypath-base-")
            .tempdir()?;
        self.programs.give(folder.path())?;
        let copy = BaseCopy { folder };
        let mut command = self.programs.command("pg_basebackup");
        command
            .args(["--checkpoint=fast", "--no-sync", "-d", &self.url(), "-D"])
            .arg(copy.data());
        finish("pg_basebackup", &mut command)?;
        Ok(copy)
    }

    /// Writes a database, by its address, as the statements that make it again: as it is at one
    /// moment, without owners and rights.
    ///
    /// # Errors
    /// [`StartError::Failed`] with what `pg_dump` says.
    pub fn dump(&self, database: &str) -> Result<String, StartError> {
        let form = ["--no-owner", "--no-privileges", "-d", database];
        finish("pg_dump", self.programs.command("pg_dump").args(form))
    }

    /// Kills the server and deletes everything that it had.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn lose(&mut self) -> Result<(), StartError> {
        self.kill_9()?;
        Ok(fs::remove_dir_all(self.data())?)
    }

    /// Starts a server that is lost from a copy and all of the log that an archive has, at its old
    /// address, where it goes on archiving.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restore(&mut self, copy: BaseCopy, archive: &mut LogArchive) -> Result<(), StartError> {
        archive.end();
        copy.become_data(&self.data())?;
        let signal = self.data().join("recovery.signal");
        File::create(&signal)?;
        self.programs.give(&signal)?;
        let mut arguments = self.arguments.clone();
        let command = format!("restore_command={}", archive.restore_command());
        arguments.extend(["-c".to_owned(), command]);
        self.child = self
            .programs
            .spawn(&arguments, self.folder.path(), self.port)?;
        archive.receive(self)
    }

    /// Starts a server that is lost as an empty one, at its old address, with a database that was
    /// [dumped](Self::dump). It has the name of the first one that was created.
    ///
    /// # Errors
    /// As [`Self::start`], and [`StartError::Failed`] with what `psql` says.
    pub fn restore_dump(&mut self, dump: &str) -> Result<(), StartError> {
        self.programs.init(self.folder.path())?;
        self.child = self
            .programs
            .spawn(&self.arguments, self.folder.path(), self.port)?;
        self.databases.store(0, Ordering::Relaxed);
        let database = self.create_database()?;
        let file = self.folder.path().join("dump.sql");
        fs::write(&file, dump)?;
        self.run_file(&database, &file)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// Runs a program to its end, and returns what it wrote.
fn finish(program: &'static str, command: &mut Command) -> Result<String, StartError> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(StartError::Failed {
        program,
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
