//! A door in front of a server that a test can slow down, block, and shut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Passes bytes between clients and a server on this machine; it shuts when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    door: Arc<Door>,
}

#[derive(Debug)]
struct Door {
    state: Mutex<State>,
    changed: Condvar,
    target: u16,
}

#[derive(Debug)]
struct State {
    way: Way,
    delay: Duration,
    is_over: bool,
    open: Vec<TcpStream>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections stay, and no byte passes.
    Blocked,
    /// No connection lives.
    Cut,
}

impl Door {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as the door is blocked, then for the delay; false where it is shut.
    fn pass(&self) -> bool {
        let mut state = self.state();
        while state.way == Way::Blocked && !state.is_over {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let (is_open, delay) = (state.way == Way::Open && !state.is_over, state.delay);
        drop(state);
        if is_open && !delay.is_zero() {
            thread::sleep(delay);
        }
        is_open
    }

    fn serve(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target))?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        {
            let mut state = self.state();
            if state.way == Way::Cut {
                return Ok(());
            }
            let alive = |stream: &TcpStream| stream.peer_addr().is_ok();
            state.open.retain(alive);
            state
                .open
                .extend([client.try_clone()?, server.try_clone()?]);
        }
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let door = Arc::clone(self);
            thread::spawn(move || {
                // Either side going away ends the connection; the other side learns it by the
                // shutdown.
                let _ended = pump(&door, &from, &to);
                let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
        Ok(())
    }
}

fn pump(door: &Door, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 || !door.pass() {
            return Ok(());
        }
        to.write_all(&bytes[..count])?;
    }
}

impl Proxy {
    /// Opens a door to a port of this machine.
    ///
    /// # Errors
    /// Where the system gives no port.
    pub fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let door = Arc::new(Door {
            state: Mutex::new(State {
                way: Way::Open,
                delay: Duration::ZERO,
                is_over: false,
                open: Vec::new(),
            }),
            changed: Condvar::new(),
            target,
        });
        let proxy = Self {
            port,
            door: Arc::clone(&door),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if door.state().is_over {
                    return;
                }
                // A client whose server is not there sees its connection end.
                let _refused = door.serve(client);
            }
        });
        Ok(proxy)
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// An address with its port replaced by the door's.
    pub fn url(&self, url: &str) -> String {
        url.replacen(
            &format!(":{}", self.door.target),
            &format!(":{}", self.port),
            1,
        )
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.set(Way::Cut);
        for stream in self.door.state().open.drain(..) {
            // One that is gone already needs no end.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections be and no byte pass, as a network does that swallows packets.
    pub fn block(&self) {
        self.set(Way::Blocked);
    }

    /// Lets everything pass again; what was blocked arrives now.
    pub fn resume(&self) {
        self.set(Way::Open);
    }

    /// Holds up every piece for a while, on each way.
    pub fn delay(&self, delay: Duration) {
        self.door.state().delay = delay;
    }

    fn set(&self, way: Way) {
        self.door.state().way = way;
        self.door.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.state().is_over = true;
        self.cut();
        // Wakes the listener, which then sees that it is over.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let _woken = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RedisServer, resp};

    #[test]
    fn a_door_passes_cuts_and_blocks() {
        let server = RedisServer::start().expect("starts");
        let door = Proxy::start(server.port()).expect("opens");
        assert_eq!(
            door.url(&server.url()),
            format!("redis://127.0.0.1:{}/", door.port())
        );
        let ping = || resp::ask_text(door.port(), None, &["PING"]);
        assert_eq!(ping().expect("passes"), "PONG");
        door.cut();
        ping().expect_err("is cut");
        door.resume();
        assert_eq!(ping().expect("passes again"), "PONG");
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, door.port())).expect("connects");
        let patience = Some(Duration::from_millis(200));
        client.set_read_timeout(patience).expect("is set");
        let mut answer = [0; 7];
        client.write_all(b"PING\r\n").expect("sends");
        client.read_exact(&mut answer).expect("answers");
        door.block();
        client.write_all(b"PING\r\n").expect("sends");
        let silence = client.read_exact(&mut answer).expect_err("no answer");
        assert_eq!(silence.kind(), io::ErrorKind::WouldBlock);
        client.set_read_timeout(None).expect("is set");
        door.resume();
        client.read_exact(&mut answer).expect("what waited passes");
        assert_eq!(&answer, b"+PONG\r\n");
    }
}
