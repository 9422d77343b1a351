//! A Redis server of its own for a test.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::StartError;
use crate::child::{PORT_ATTEMPTS, find, free_port, kill_9, serves, tail};

/// How long one question to the server may take.
const ANSWER: Duration = Duration::from_secs(1);

/// A Redis server with its own port and folder; it ends, and the folder goes, when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    program: PathBuf,
    arguments: Vec<String>,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Arguments for a server that keeps its data when its process is killed.
    pub const APPEND_ONLY: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

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
        let usual = ["/usr/bin", "/usr/local/bin", "/opt/redis/bin"].map(PathBuf::from);
        let program = find("redis-server", "redis-server", &usual)?;
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let folder = tempfile::Builder::new()
            .prefix("happypath-redis-")
            .tempdir()?;
        let mut last = None;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            match spawn(&program, &arguments, folder.path(), port) {
                Ok(child) => {
                    return Ok(Self {
                        program,
                        arguments,
                        folder,
                        port,
                        child,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is at least one attempt"))
    }

    /// Its address, such as `redis://127.0.0.1:40123/`.
    pub fn url(&self) -> String {
        format!("redis://{}:{}/", Ipv4Addr::LOCALHOST, self.port)
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
        self.child = spawn(
            &self.program,
            &self.arguments,
            self.folder.path(),
            self.port,
        )?;
        Ok(())
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
    arguments: &[String],
    folder: &Path,
    port: u16,
) -> Result<Child, StartError> {
    let log = folder.join("log");
    let output = File::options().create(true).append(true).open(&log)?;
    let mut child = Command::new(program)
        .args(["--bind", "127.0.0.1", "--save", "", "--port"])
        .arg(port.to_string())
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let process = child.id();
    if serves(&mut child, || is_ready(port, process))? {
        Ok(child)
    } else {
        // The server may still hang in its start.
        let _gone = kill_9(&mut child);
        Err(StartError::Failed {
            program: "redis-server",
            log: tail(&log),
        })
    }
}

/// Whether this very process answers on the port, with its data loaded.
fn is_ready(port: u16, process: u32) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"INFO server\r\nPING\r\nQUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| {
        answer.contains(&format!("process_id:{process}\r")) && answer.contains("+PONG")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(server: &RedisServer, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).expect("connects");
        stream
            .write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    }

    #[test]
    fn a_killed_server_with_a_log_comes_back_with_its_data() {
        let mut server = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("starts");
        assert!(say(&server, "SET word kept").starts_with("+OK"));
        server.kill_9().expect("dies");
        server.restart().expect("starts again");
        assert!(say(&server, "GET word").contains("kept"));
    }

    #[test]
    fn servers_do_not_share_anything() {
        let (one, other) = (
            RedisServer::start().expect("starts"),
            RedisServer::start().expect("starts"),
        );
        assert_ne!(one.url(), other.url());
        assert!(say(&one, "SET word mine").starts_with("+OK"));
        assert!(say(&other, "GET word").starts_with("$-1"));
    }

    #[test]
    fn a_server_that_refuses_its_arguments_says_why() {
        let error = RedisServer::start_with(&["--no-such-option", "1"]).expect_err("refused");
        assert!(error.to_string().contains("no-such-option"), "{error}");
    }
}
