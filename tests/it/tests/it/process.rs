//! The binaries of the workspace as child processes, and a receiver of webhooks.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
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

/// Names a folder with the binaries of an older version, for tests in which versions take turns.
const OLDER_BINARIES: &str = "HAPPYPATH_OLDER_BINARIES";

/// The file of a binary of the version before this one, where the environment names a folder with
/// some; of this version otherwise.
pub(crate) fn older_binary(name: &str) -> PathBuf {
    match std::env::var_os(OLDER_BINARIES) {
        Some(folder) => Path::new(&folder).join(name),
        None => binary(name),
    }
}

/// Where services listen: below the ports that systems give to clients, so that nobody takes the
/// port of a process that was killed before it is back.
const PORTS: std::ops::Range<u16> = 15_000..32_000;
/// The ports that this process looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    // Test processes that run at the same time begin at different places.
    let length = PORTS.end - PORTS.start;
    let begin = u16::try_from(std::process::id() * 97 % u32::from(length)).expect("below a u16");
    for _ in 0..length {
        let place = LOOKED_AT
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(begin);
        let port = PORTS.start + place % length;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("every port of {PORTS:?} is taken");
}

/// Where a service listens.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// The file of the network namespace that it is started in; absent for that of the test.
    pub(crate) namespace: Option<PathBuf>,
}

impl Site {
    /// A port of this machine.
    fn near(port: u16) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            namespace: None,
        }
    }

    /// A command that starts a program there.
    fn command(&self, program: &Path) -> Command {
        let Some(namespace) = &self.namespace else {
            return unset(program);
        };
        let mut command = unset(Path::new("nsenter"));
        command
            .arg(format!("--net={}", namespace.display()))
            .arg(program);
        command
    }
}

/// A service as a process of its own; killed when dropped.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    arguments: Vec<String>,
    program: PathBuf,
    log: Option<PathBuf>,
    child: Child,
}

impl Service {
    /// Starts a service and waits until it accepts connections.
    pub(crate) async fn start(name: &'static str, port: u16, arguments: Vec<String>) -> Self {
        let mut service = Self::spawn(binary(name), name, port, arguments, None);
        service.ready().await;
        service
    }

    /// Starts a program as a service, with its log in a file where one is named; does not wait for
    /// it.
    pub(crate) fn spawn(
        program: PathBuf,
        name: &'static str,
        port: u16,
        arguments: Vec<String>,
        log: Option<PathBuf>,
    ) -> Self {
        Self::spawn_at(program, name, Site::near(port), arguments, log)
    }

    /// As [`Self::spawn`], at any site.
    pub(crate) fn spawn_at(
        program: PathBuf,
        name: &'static str,
        site: Site,
        arguments: Vec<String>,
        log: Option<PathBuf>,
    ) -> Self {
        let child = spawn(&program, &site, &arguments, log.as_deref());
        Self {
            name,
            site,
            arguments,
            program,
            log,
            child,
        }
    }

    /// The arguments that it is started with.
    pub(crate) const fn arguments(&mut self) -> &mut Vec<String> {
        &mut self.arguments
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.site.address)
    }

    /// Kills it with no warning, and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.kill();
        self.respawn();
        self.ready().await;
    }

    /// Kills it with no warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a killed process");
    }

    /// Starts it again after its end; does not wait for it.
    pub(crate) fn respawn(&mut self) {
        self.child = spawn(
            &self.program,
            &self.site,
            &self.arguments,
            self.log.as_deref(),
        );
    }

    /// Stops it in its tracks: it keeps its connections and does nothing.
    pub(crate) fn suspend(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Asks it to end; [`Self::ended`] waits for that.
    pub(crate) fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// Waits until it has ended, and returns whether it ended in order.
    pub(crate) async fn ended(&mut self) -> bool {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.success();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns whether it ended without being told to.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Asks it to end, and returns whether it ended in order.
    pub(crate) fn terminate(mut self) -> bool {
        self.ask_to_end();
        self.child.wait().expect("an ended process").success()
    }

    /// The names of its threads, which Linux cuts to 15 letters.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(tasks).expect("the threads of a process that runs");
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .map(|name| name.trim_end().to_owned())
            .collect()
    }

    /// Returns the bytes of memory that it has now, and the most that it ever had, as Linux counts
    /// them.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("a process that runs");
        let kilobytes = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).expect(name)
        };
        (kilobytes("VmRSS:") * 1024, kilobytes("VmHWM:") * 1024)
    }

    /// Waits until it accepts connections.
    pub(crate) async fn ready(&mut self) {
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{} ended at its start: {status}", self.name);
            }
            let connected = tokio::net::TcpStream::connect(self.site.address).await;
            if connected.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not listen after 30 s", self.name);
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(sent.success(), "{} took no signal {name}", self.name);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, site: &Site, arguments: &[String], log: Option<&Path>) -> Child {
    let mut command = site.command(program);
    if let Some(log) = log {
        let log = File::options().create(true).append(true).open(log);
        command.stderr(log.expect("a file for the log"));
    }
    command
        // A test says by its arguments what else is logged.
        .env("HAPPYPATH_LOG_LEVEL", "warn")
        // Receivers of webhooks are on this machine.
        .env("HAPPYPATH_OUTBOUND_ALLOW", "public,private")
        .args(["--listen", &site.address.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// A binary that does not see the variables of the tests, which it would refuse.
pub(crate) fn unset(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HAPPYPATH_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a binary to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    run_program(&binary(name), arguments, None)
}

/// Runs a program to its end, with a key that it shows to the services that it asks.
pub(crate) fn run_program(program: &Path, arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = unset(program);
    command.envs(key.map(|key| ("HAPPYPATH_KEY", key)));
    command
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
    /// Returns whether there is a header.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        let prefix = format!("{name}:");
        let mut lines = self.headers.lines();
        lines.any(|line| line.to_ascii_lowercase().starts_with(&prefix))
    }

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

/// Receives webhooks on this machine and answers 204 to each.
pub(crate) async fn receive_hooks() -> (SocketAddr, mpsc::UnboundedReceiver<Hook>) {
    receive_hooks_at(Ipv4Addr::LOCALHOST.into()).await
}

/// As [`receive_hooks`], at an address of this machine.
pub(crate) async fn receive_hooks_at(host: IpAddr) -> (SocketAddr, mpsc::UnboundedReceiver<Hook>) {
    let listener = tokio::net::TcpListener::bind((host, 0))
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
