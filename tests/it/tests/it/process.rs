//! The binaries of the workspace as child processes, and a receiver of webhooks.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// The file of a binary of the workspace, which `tests/run` builds before the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/<profile>/deps");
    let file = folder.join(name);
    assert!(
        file.exists(),
        "{} is missing: run `cargo build --workspace` first",
        file.display()
    );
    file
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound port").port()
}

/// A service as a process of its own; killed when dropped.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Service {
    /// Starts a service and waits until it accepts connections.
    pub(crate) async fn start(name: &'static str, port: u16, arguments: Vec<String>) -> Self {
        let child = spawn(name, port, &arguments);
        let mut service = Self {
            name,
            port,
            arguments,
            child,
        };
        service.ready().await;
        service
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it with no warning, and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a killed process");
        self.child = spawn(self.name, self.port, &self.arguments);
        self.ready().await;
    }

    /// Asks it to end, and returns whether it ended in order.
    pub(crate) fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill");
        assert!(sent.success());
        self.child.wait().expect("an ended process").success()
    }

    async fn ready(&mut self) {
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{} ended at its start: {status}", self.name);
            }
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not listen after 30 s", self.name);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(name: &str, port: u16, arguments: &[String]) -> Child {
    Command::new(binary(name))
        .args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--log-level",
            "warn",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// Runs a binary to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(binary(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

/// A request that the receiver got.
#[derive(Debug)]
pub(crate) struct Hook {
    headers: String,
    pub(crate) body: String,
}

impl Hook {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}:");
        let line = self
            .headers
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        line.map(|line| line[prefix.len()..].trim()).expect(name)
    }
}

/// Receives webhooks and answers 204 to each.
pub(crate) async fn receive_hooks() -> (SocketAddr, mpsc::UnboundedReceiver<Hook>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(hook) = read_hook(&mut stream).await {
                    let answered = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    if answered.is_err() || sender.send(hook).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, receiver)
}

/// Reads one HTTP/1.1 request with a content length; none where the connection ended.
async fn read_hook(stream: &mut tokio::net::TcpStream) -> Option<Hook> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let headers = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let mut hook = Hook {
        headers,
        body: String::new(),
    };
    let length: usize = hook.header("content-length").parse().ok()?;
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    hook.body = String::from_utf8(bytes[head..head + length].to_vec()).ok()?;
    Some(hook)
}
