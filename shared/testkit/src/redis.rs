//! A Redis or Valkey server of its own for a test.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::child::{PORT_ATTEMPTS, free_port, kill_9, serves, signal, tail, until};
use crate::{Login, RedisSetup, StartError, resp};

/// A Redis server with its own port and folder; it ends, and the folder goes, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    setup: RedisSetup,
    program: PathBuf,
    folder: TempDir,
    ports: Ports,
    child: Child,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: u16,
    tls: Option<u16>,
    /// The port for the other nodes of a cluster; the usual one is 10,000 higher and may not exist.
    bus: u16,
}

impl Ports {
    fn choose(setup: &RedisSetup) -> io::Result<Self> {
        Ok(Self {
            plain: free_port()?,
            tls: setup.has_tls.then(free_port).transpose()?,
            bus: free_port()?,
        })
    }
}

impl RedisServer {
    /// Arguments for a server that keeps its data when its process is killed, as operators usually
    /// run it: what is written while the disk is busy may be lost all the same.
    pub const APPEND_ONLY: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
    /// Arguments for a server that keeps everything that it acknowledged, at the price of a wait
    /// for the disk each.
    pub const SYNCED: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

    /// Starts a server that keeps nothing on disk.
    ///
    /// # Errors
    /// [`StartError`] where there is none, or it does not come up.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as [`Self::APPEND_ONLY`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(arguments: &[&str]) -> Result<Self, StartError> {
        RedisSetup::new().with(arguments).start()
    }

    pub(crate) fn start_setup(setup: RedisSetup) -> Result<Self, StartError> {
        let program = setup.program()?;
        let folder = tempfile::Builder::new()
            .prefix("happypath-redis-")
            .tempdir()?;
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let ports = Ports::choose(&setup)?;
            match spawn(&program, &setup, folder.path(), ports) {
                Ok(child) => {
                    return Ok(Self {
                        setup,
                        program,
                        folder,
                        ports,
                        child,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is at least one attempt"))
    }

    /// The id of its process: to read what it uses.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its address, such as `redis://127.0.0.1:40123/`, with the user and the password where it
    /// asks for them.
    pub fn url(&self) -> String {
        self.url_of("redis", self.ports.plain)
    }

    /// Its address for TLS.
    ///
    /// # Panics
    /// Where it has none: [`RedisSetup::tls`] gives it one.
    pub fn tls_url(&self) -> String {
        self.url_of("rediss", self.tls_port())
    }

    pub(crate) fn tls_port(&self) -> u16 {
        self.ports.tls.expect("the server was set up with TLS")
    }

    /// Returns the beginning of an address before its hosts: nothing, or the user and the password.
    pub fn credentials(&self) -> String {
        self.setup
            .login
            .as_ref()
            .map_or_else(String::new, |Login { user, password }| {
                format!("{user}:{password}@")
            })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    pub(crate) fn login(&self) -> Option<&Login> {
        self.setup.login.as_ref()
    }

    pub(crate) fn bus_port(&self) -> u16 {
        self.ports.bus
    }

    /// Asks it one thing; the parts of the answer come as lines.
    ///
    /// # Errors
    /// The refusal of the server, or that it does not answer.
    pub fn ask(&self, words: &[&str]) -> io::Result<String> {
        resp::ask_text(self.port(), self.setup.login.as_ref(), words)
    }

    pub(crate) fn ask_bytes<W: AsRef<[u8]>>(&self, words: &[W]) -> io::Result<Vec<Vec<u8>>> {
        resp::ask(self.port(), self.setup.login.as_ref(), words)
    }

    /// Waits until it, a replica, has what its primary has and follows it.
    ///
    /// # Errors
    /// [`StartError::Apart`] where that does not happen.
    pub fn await_replication(&self) -> Result<(), StartError> {
        until("a replica did not follow its primary", || {
            match self.ask(&["INFO", "replication"]) {
                Ok(info) if info.contains("master_link_status:up") => Ok(()),
                Ok(info) => Err(info),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    /// Stops the process in its tracks, as a machine that hangs does: connections stay, and nothing
    /// answers.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn suspend(&self) -> Result<(), StartError> {
        Ok(signal("STOP", &[self.child.id()])?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn resume(&self) -> Result<(), StartError> {
        Ok(signal("CONT", &[self.child.id()])?)
    }

    /// Kills the process as a crash does.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn kill_9(&mut self) -> Result<(), StartError> {
        Ok(kill_9(&mut self.child)?)
    }

    /// Starts the server again with the same port and folder, after ending it where it still runs.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<(), StartError> {
        if self.child.try_wait()?.is_none() {
            self.kill_9()?;
        }
        self.child = spawn(&self.program, &self.setup, self.folder.path(), self.ports)?;
        Ok(())
    }

    fn url_of(&self, scheme: &str, port: u16) -> String {
        format!(
            "{scheme}://{}{}:{port}/",
            self.credentials(),
            Ipv4Addr::LOCALHOST
        )
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // A failure here means that the process is gone already.
        let _gone = kill_9(&mut self.child);
    }
}

fn spawn(
    program: &Path,
    setup: &RedisSetup,
    folder: &Path,
    ports: Ports,
) -> Result<Child, StartError> {
    let log = folder.join("log");
    let output = File::options().create(true).append(true).open(&log)?;
    let mut command = Command::new(program);
    command
        .args(["--bind", "127.0.0.1", "--save", "", "--port"])
        .arg(ports.plain.to_string())
        .arg("--cluster-port")
        .arg(ports.bus.to_string())
        .arg("--dir")
        .arg(folder);
    if let Some(tls) = ports.tls {
        command.arg("--tls-port").arg(tls.to_string());
    }
    let mut child = command
        .args(&setup.arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let process = child.id();
    if serves(&mut child, || {
        is_ready(ports.plain, setup.login.as_ref(), process)
    })? {
        Ok(child)
    } else {
        // The server may still hang in its start.
        let _gone = kill_9(&mut child);
        Err(StartError::Failed {
            program: setup.name(),
            log: tail(&log),
        })
    }
}

/// Returns whether this very process answers on the port, with its data loaded.
fn is_ready(port: u16, login: Option<&Login>, process: u32) -> bool {
    let is_this = resp::ask_text(port, login, &["INFO", "server"])
        .is_ok_and(|answer| answer.contains(&format!("process_id:{process}\r")));
    is_this && resp::ask_text(port, login, &["PING"]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_with_a_log_comes_back_with_its_data() {
        let mut server = RedisServer::start_with(RedisServer::SYNCED).expect("starts");
        assert_eq!(server.ask(&["SET", "word", "kept"]).expect("sets"), "OK");
        server.kill_9().expect("dies");
        server.restart().expect("starts again");
        assert_eq!(server.ask(&["GET", "word"]).expect("gets"), "kept");
    }

    #[test]
    fn servers_do_not_share_anything() {
        let (one, other) = (
            RedisServer::start().expect("starts"),
            RedisServer::start().expect("starts"),
        );
        assert_ne!(one.url(), other.url());
        one.ask(&["SET", "word", "mine"]).expect("sets");
        assert_eq!(other.ask(&["EXISTS", "word"]).expect("asks"), "0");
    }

    #[test]
    fn a_server_that_refuses_its_arguments_says_why() {
        let error = RedisServer::start_with(&["--no-such-option", "1"]).expect_err("refused");
        assert!(error.to_string().contains("no-such-option"), "{error}");
    }

    #[test]
    fn a_server_with_a_login_lets_in_nobody_else() {
        let login = Login::new("tester", "secret");
        let server = RedisSetup::new().login(&login).start().expect("starts");
        assert_eq!(server.ask(&["PING"]).expect("answers"), "PONG");
        let error = resp::ask_text(server.port(), None, &["PING"]).expect_err("refused");
        assert!(error.to_string().starts_with("NOAUTH"), "{error}");
    }

    #[test]
    fn a_replica_has_what_its_primary_has() {
        let primary = RedisServer::start().expect("starts");
        primary.ask(&["SET", "word", "copied"]).expect("sets");
        let replica = RedisSetup::new()
            .replica_of(&primary)
            .start()
            .expect("starts");
        replica.await_replication().expect("follows");
        assert_eq!(replica.ask(&["GET", "word"]).expect("gets"), "copied");
    }

    #[test]
    fn valkey_is_a_server_like_another() {
        let server = RedisSetup::new().valkey().start().expect("starts");
        let info = server.ask(&["INFO", "server"]).expect("answers");
        assert!(info.contains("server_name:valkey"), "{info}");
    }
}
