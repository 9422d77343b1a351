//! A primary, a replica and three sentinels that watch them, for a test.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::child::{PORT_ATTEMPTS, free_port, kill_9, serves, tail, until};
use crate::{Login, RedisServer, RedisSetup, StartError, resp};

const SENTINELS: usize = 3;
/// The name of what the sentinels watch.
const NAME: &str = "main";
/// The time that a server may be silent before a sentinel takes it for dead.
const DOWN_AFTER_MILLIS: u32 = 1_500;
/// The time that a fail-over may take before it is tried again.
const FAILOVER_TIMEOUT_MILLIS: u32 = 10_000;

/// Two servers and three sentinels; they end when this is dropped.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
    login: Option<Login>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // A failure here means that the process is gone already.
        let _gone = kill_9(&mut self.child);
    }
}

impl RedisSentinel {
    /// Starts everything; the sentinels themselves ask for `login` where there is one, and the
    /// servers as `setup` says.
    ///
    /// # Errors
    /// [`StartError`] where something does not start or they do not find each other.
    pub fn start(setup: &RedisSetup, login: Option<&Login>) -> Result<Self, StartError> {
        let primary = setup
            .clone()
            .with(&["--repl-diskless-sync-delay", "0"])
            .start()?;
        let replica = setup.clone().replica_of(&primary).start()?;
        replica.await_replication()?;
        let sentinels = (0..SENTINELS)
            .map(|_| start_sentinel(setup, &primary, login))
            .collect::<Result<_, _>>()?;
        let all = Self {
            servers: [primary, replica],
            sentinels,
            login: login.cloned(),
        };
        all.await_each_other()?;
        Ok(all)
    }

    fn await_each_other(&self) -> Result<(), StartError> {
        until("the sentinels did not find each other", || {
            for sentinel in &self.sentinels {
                let known = resp::ask_text(
                    sentinel.port,
                    self.login.as_ref(),
                    &["SENTINEL", "MASTER", NAME],
                )
                .map_err(|error| error.to_string())?;
                let others = format!("num-other-sentinels\n{}\n", SENTINELS - 1);
                if !known.contains(&others) || !known.contains("num-slaves\n1\n") {
                    return Err(known);
                }
            }
            Ok(())
        })
    }

    /// The address of the installation, with the user and the password of the servers where they
    /// ask for them.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        let credentials = self.servers[0].credentials();
        format!("redis+sentinel://{credentials}{}/{NAME}", hosts.join(","))
    }

    /// A server: 0 was the primary at the start, 1 its replica.
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    /// [`Self::server`], to kill it or start it again.
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// Waits until the sentinels send clients to a server.
    ///
    /// # Errors
    /// [`StartError::Apart`] where that does not happen.
    pub fn await_primary(&self, index: usize) -> Result<(), StartError> {
        let port = self.servers[index].port().to_string();
        until("the sentinels did not choose the server", || {
            for sentinel in &self.sentinels {
                let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
                let found = resp::ask_text(sentinel.port, self.login.as_ref(), &words)
                    .map_err(|error| error.to_string())?;
                if !found.ends_with(&format!("\n{port}")) {
                    return Err(found);
                }
            }
            Ok(())
        })
    }

    /// Ends a sentinel as a crash does.
    ///
    /// # Errors
    /// [`StartError::Io`] where the system refuses.
    pub fn kill_sentinel(&mut self, index: usize) -> Result<(), StartError> {
        Ok(kill_9(&mut self.sentinels[index].child)?)
    }
}

fn start_sentinel(
    setup: &RedisSetup,
    primary: &RedisServer,
    login: Option<&Login>,
) -> Result<Sentinel, StartError> {
    let program = setup.program()?;
    let mut last = None;
    for _ in 0..PORT_ATTEMPTS {
        let folder = tempfile::Builder::new()
            .prefix("happypath-sentinel-")
            .tempdir()?;
        let port = free_port()?;
        let file = folder.path().join("sentinel.conf");
        fs::write(&file, configuration(port, folder.path(), primary, login))?;
        let log = folder.path().join("log");
        let output = File::create(&log)?;
        let mut child = Command::new(&program)
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let process = child.id();
        let is_ready = || {
            resp::ask_text(port, login, &["INFO", "server"])
                .is_ok_and(|answer| answer.contains(&format!("process_id:{process}\r")))
        };
        if serves(&mut child, is_ready)? {
            return Ok(Sentinel {
                port,
                child,
                _folder: folder,
            });
        }
        // The server may still hang in its start.
        let _gone = kill_9(&mut child);
        last = Some(StartError::Failed {
            program: setup.name(),
            log: tail(&log),
        });
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port").into()))
}

fn configuration(port: u16, folder: &Path, primary: &RedisServer, login: Option<&Login>) -> String {
    let mut lines = vec![
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        format!("dir {}", folder.display()),
        format!("sentinel monitor {NAME} 127.0.0.1 {} 2", primary.port()),
        format!("sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MILLIS}"),
        format!("sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT_MILLIS}"),
    ];
    if let Some(Login { user, password }) = primary.login() {
        lines.push(format!("sentinel auth-user {NAME} {user}"));
        lines.push(format!("sentinel auth-pass {NAME} {password}"));
    }
    if let Some(Login { user, password }) = login {
        lines.push(format!("user {user} on >{password} ~* &* +@all"));
        lines.push("user default off".to_owned());
        lines.push(format!("sentinel sentinel-user {user}"));
        lines.push(format!("sentinel sentinel-pass {password}"));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replica_is_chosen_when_the_primary_dies() {
        let servers = Login::new("tester", "secret");
        let sentinels = Login::new("watcher", "word");
        let setup = RedisSetup::new().login(&servers);
        let mut all = RedisSentinel::start(&setup, Some(&sentinels)).expect("starts");
        all.await_primary(0).expect("the first");
        all.server_mut(0).kill_9().expect("dies");
        all.await_primary(1).expect("the second");
    }
}
