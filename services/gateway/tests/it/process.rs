//! The gateway, and a `happypath dev` for the services behind it, as child processes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// The time that anything may take on a busy machine; nothing waits for it where all goes well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a question is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// A program of the workspace, which `tests/run` builds before the tests.
fn program(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_BIN_EXE_gateway")).with_file_name(name);
    assert!(
        file.exists(),
        "{} is missing: run `cargo build --workspace` first",
        file.display()
    );
    file
}

/// A program that does not see the variables of the tests.
fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HAPPYPATH_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Returns the words of a command of people.
pub(crate) fn told_by(arguments: &[&str]) -> String {
    let told = command("happypath").args(arguments).output();
    let told = told.expect("it runs");
    assert!(told.status.success(), "{arguments:?}: {told:?}");
    String::from_utf8_lossy(&told.stdout).into_owned()
}

/// A process that does not outlive its test.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Ends it with no warning.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("a running process");
        self.0.wait().expect("a killed process");
    }

    /// Tells it to end in order.
    pub(crate) fn terminate(&self) {
        let process = self.0.id().to_string();
        let told = Command::new("kill").args(["-TERM", &process]).status();
        assert!(told.expect("kill runs").success());
    }

    /// Bytes of memory that it has now.
    pub(crate) fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(status).expect("a process that runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 = line
            .and_then(|line| line.split_whitespace().next()?.parse().ok())
            .expect("a number");
        kilobytes * 1024
    }
}

/// A folder with the stores of an installation.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The address of the database.
    pub(crate) fn database(&self) -> String {
        format!(
            "sqlite:{}",
            self.folder.path().join("happypath.db").display()
        )
    }

    /// A key that may do everything, made in the database itself.
    pub(crate) fn bootstrap(&self) -> String {
        let made = command("happypath")
            .args(["keys", "bootstrap", "--database", &self.database()])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&made.stdout).into_owned();
        let key = text.lines().next().unwrap_or_default().to_owned();
        assert!(key.starts_with("hpk_"), "{made:?}");
        key
    }

    /// Starts all services behind the gateway in one process.
    pub(crate) fn dev(&self, address: &str, settings: &[&str]) -> (Process, SocketAddr) {
        let mut child = command("happypath")
            .args(["dev", "--partitions", "2", "--listen", address])
            .arg("--json")
            .arg("--folder")
            .arg(self.folder.path())
            .args(settings)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let told: serde_json::Value = serde_json::from_str(&line).expect("the addresses");
        drain(stdout);
        let url = told["address"].as_str().expect("an address");
        let address = url.split_once("://").expect("a URL").1.parse();
        (Process(child), address.expect("an address"))
    }
}

/// Reads what a process still says, so that it is never held up by it.
fn drain(mut rest: BufReader<ChildStdout>) {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = rest.read_to_end(&mut text);
    });
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts one in front of the services at an address, and waits until it takes calls.
    pub(crate) async fn start(site: &Site, peers: &str, settings: &[&str]) -> Self {
        let probe = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = probe.local_addr().expect("a bound port");
        drop(probe);
        let child = command("gateway")
            .env("HAPPYPATH_LOG_LEVEL", "warn")
            .args(["--listen", &address.to_string()])
            .args(["--database", &site.database()])
            .args(["--partitions", "2"])
            .args(["--identity-address", peers])
            .args(["--segmentation-address", peers])
            .args(["--journey-address", peers])
            .args(["--activation-address", peers])
            .args(settings)
            .spawn()
            .expect("started");
        let mut process = Process(child);
        eventually(async || {
            let ended = process.0.try_wait().expect("a child");
            assert!(ended.is_none(), "the gateway ended at its start: {ended:?}");
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        let gateway = Self { process, address };
        gateway.ready().await;
        gateway
    }

    /// Waits until it answers calls: connections wait in the listener before.
    async fn ready(&self) {
        eventually(async || {
            let mut stream = tokio::net::TcpStream::connect(self.address).await.ok()?;
            crate::web::send(&mut stream, "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let answer = crate::web::read_head(&mut stream).await;
            answer.starts_with("HTTP/1.1 200").then_some(())
        })
        .await;
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection of gRPC.
    pub(crate) async fn channel(&self) -> Channel {
        self.endpoint().connect().await.expect("it listens")
    }

    /// The place that a connection of gRPC is made to.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(self.url()).expect("a URL")
    }
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    asked.expect("an answer in time")
}
