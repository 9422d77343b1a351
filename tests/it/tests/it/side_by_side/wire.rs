//! The wire between the nodes of a network: it passes their packets on, late, or not at all.
//!
//! Packets are Ethernet frames in VXLAN (RFC 7348). The number of a network in a packet is that of
//! the node that sent it, and becomes that of the node that is to have it. The wire is a switch
//! that knows the nodes by their hardware addresses, and does by itself what `tc netem` does where
//! a kernel has that: each packet is on its way for a time of its own, so that packets overtake
//! each other, and some are lost.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::random::Random;

/// A node, by its number: from 1 to the number of nodes.
pub(super) type Node = u8;

/// Where the kernel sends packets, and where it takes them: the port that RFC 7348 assigns.
pub(super) const PORT: u16 = 4_789;
/// The bytes in front of a frame.
const HEADER_BYTES: usize = 8;
/// The place of the last byte of the number of the network in that header.
const NUMBER: usize = 6;
/// The place of the hardware address that a frame is for, and its length.
const RECEIVER: Range<usize> = HEADER_BYTES..HEADER_BYTES + 6;
/// Bytes of the largest packet.
const PACKET_BYTES: usize = 64 * 1024;
/// The longest wait for a packet before the wire looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);
/// The time that a packet of a slow node is on its way: 50 ms, give or take 20.
const DELAY_MS: Range<u64> = 30..71;
/// The packets of a slow node that are lost, in a hundred.
const LOST_PERCENT: u64 = 2;

/// The hardware address of a node.
pub(super) const fn hardware_address(node: Node) -> [u8; 6] {
    [2, 0, 0, 0, 0, node]
}

/// Returns the node that sent a packet, and those that are to have it; absent for what is no packet
/// of a node.
fn addressed(packet: &[u8], nodes: Node) -> Option<(Node, Vec<Node>)> {
    let from = *packet.get(NUMBER)?;
    let receiver: [u8; 6] = packet.get(RECEIVER)?.try_into().ok()?;
    let is_group = receiver[0] & 1 == 1;
    let is_meant = |node: &Node| is_group || receiver == hardware_address(*node);
    let to = (1..=nodes).filter(|node| *node != from && is_meant(node));
    (1..=nodes).contains(&from).then(|| (from, to.collect()))
}

/// The state of the wire.
struct Conditions {
    random: Random,
    /// Pairs of nodes that do not hear each other, the lower number first.
    cuts: BTreeSet<(Node, Node)>,
    /// Nodes whose packets are late, and sometimes lost.
    slow: BTreeSet<Node>,
}

impl Conditions {
    /// Draws how long a packet is on its way; absent where it is lost.
    fn delay(&mut self, from: Node, to: Node) -> Option<Duration> {
        if self.cuts.contains(&(from.min(to), from.max(to))) {
            return None;
        }
        if !self.slow.contains(&from) {
            return Some(Duration::ZERO);
        }
        let is_lost = self.random.within(0..100) < LOST_PERCENT;
        let delay_ms = self.random.within(DELAY_MS);
        (!is_lost).then(|| Duration::from_millis(delay_ms))
    }
}

/// A packet on its way: when it arrives, and its number among all, so that none compares equal.
type Late = Reverse<(Instant, u64, Vec<u8>)>;

/// The wire; it is over when dropped.
pub(super) struct Wire {
    conditions: Arc<Mutex<Conditions>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Passes packets between `nodes` that the kernel sends to `here` and takes at `kernel`.
    pub(super) fn start(here: Ipv4Addr, kernel: Ipv4Addr, nodes: Node, random: Random) -> Self {
        let socket = UdpSocket::bind((here, PORT)).expect("the address of the wire");
        socket.set_read_timeout(Some(LOOK)).expect("a time-out");
        let conditions = Arc::new(Mutex::new(Conditions {
            random,
            cuts: BTreeSet::new(),
            slow: BTreeSet::new(),
        }));
        let is_over = Arc::new(AtomicBool::new(false));
        let switch = Switch {
            socket,
            kernel: (kernel, PORT).into(),
            nodes,
            conditions: Arc::clone(&conditions),
            is_over: Arc::clone(&is_over),
            late: BinaryHeap::new(),
            count: 0,
        };
        let thread = Some(thread::spawn(move || switch.run()));
        Self {
            conditions,
            is_over,
            thread,
        }
    }

    fn conditions(&self) -> MutexGuard<'_, Conditions> {
        lock(&self.conditions)
    }

    /// Cuts a node off from others, without a word to either.
    pub(super) fn cut(&self, node: Node, others: impl Iterator<Item = Node>) {
        let pairs = others.map(|other| (node.min(other), node.max(other)));
        self.conditions().cuts.extend(pairs);
    }

    /// Lets all nodes hear each other again.
    pub(super) fn heal(&self) {
        self.conditions().cuts.clear();
    }

    /// Makes the packets of one node late and some of them lost, and those of no other.
    pub(super) fn slow_down(&self, node: Option<Node>) {
        self.conditions().slow = node.into_iter().collect();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it was told when it happened.
            let _ended = thread.join();
        }
    }
}

/// Moves the packets.
struct Switch {
    socket: UdpSocket,
    kernel: SocketAddr,
    nodes: Node,
    conditions: Arc<Mutex<Conditions>>,
    is_over: Arc<AtomicBool>,
    late: BinaryHeap<Late>,
    count: u64,
}

impl Switch {
    fn run(mut self) {
        let mut bytes = vec![0; PACKET_BYTES];
        while !self.is_over.load(Ordering::Relaxed) {
            self.deliver_due();
            // Where nothing is late, the time-out is as it was set.
            if let Some(wait) = self.wait() {
                let set = self.socket.set_read_timeout(Some(wait));
                set.expect("a time-out above zero");
            }
            if let Ok(count) = self.socket.recv(&mut bytes) {
                self.take(&bytes[..count]);
            }
        }
    }

    /// The time until the next packet arrives; absent where none is on its way.
    fn wait(&self) -> Option<Duration> {
        let Reverse((time, ..)) = self.late.peek()?;
        let wait = time.saturating_duration_since(Instant::now());
        Some(wait.clamp(Duration::from_micros(100), LOOK))
    }

    fn take(&mut self, packet: &[u8]) {
        let Some((from, receivers)) = addressed(packet, self.nodes) else {
            return;
        };
        for to in receivers {
            let Some(delay) = lock(&self.conditions).delay(from, to) else {
                continue;
            };
            let mut packet = packet.to_vec();
            packet[NUMBER] = to;
            if delay.is_zero() {
                self.deliver(&packet);
            } else {
                self.count += 1;
                let due = (Instant::now() + delay, self.count, packet);
                self.late.push(Reverse(due));
            }
        }
    }

    fn deliver_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((time, ..))) = self.late.peek()
            && *time <= now
            && let Some(Reverse((.., packet))) = self.late.pop()
        {
            self.deliver(&packet);
        }
    }

    fn deliver(&self, packet: &[u8]) {
        // A packet that the kernel does not take is one more that is lost.
        let _sent = self.socket.send_to(packet, self.kernel);
    }
}

fn lock(conditions: &Mutex<Conditions>) -> MutexGuard<'_, Conditions> {
    conditions.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: Node = 4;

    fn packet(from: Node, receiver: [u8; 6]) -> Vec<u8> {
        let header = [8, 0, 0, 0, 0, 0, from, 0];
        [&header[..], &receiver, b"the rest"].concat()
    }

    #[test]
    fn a_packet_goes_to_whom_it_is_for_and_one_for_a_group_to_all_others() {
        let to_one = packet(2, hardware_address(3));
        assert_eq!(addressed(&to_one, NODES), Some((2, vec![3])));
        let to_all = packet(2, [0xff; 6]);
        assert_eq!(addressed(&to_all, NODES), Some((2, vec![1, 3, 4])));
        let to_nobody = packet(2, hardware_address(9));
        assert_eq!(addressed(&to_nobody, NODES), Some((2, vec![])));
        assert_eq!(addressed(&packet(9, [0xff; 6]), NODES), None);
        assert_eq!(addressed(b"short", NODES), None);
    }

    #[test]
    fn what_is_cut_loses_all_and_what_is_slow_loses_some_and_no_other_packet_waits() {
        let mut conditions = Conditions {
            random: Random::from_seed(1),
            cuts: BTreeSet::from([(1, 2)]),
            slow: BTreeSet::from([3]),
        };
        assert_eq!(conditions.delay(1, 2), None);
        assert_eq!(conditions.delay(2, 1), None);
        assert_eq!(conditions.delay(1, 3), Some(Duration::ZERO));
        let drawn: Vec<_> = (0..1_000).map(|_| conditions.delay(3, 1)).collect();
        let lost = drawn.iter().filter(|delay| delay.is_none()).count();
        assert!((5..50).contains(&lost), "{lost} of 1,000");
        let delays: BTreeSet<_> = drawn.into_iter().flatten().collect();
        assert!(delays.first() >= Some(&Duration::from_millis(30)));
        assert!(delays.last() <= Some(&Duration::from_millis(70)));
        assert!(delays.len() > 30, "{delays:?}");
    }
}
