//! A network of nodes on one machine: each has a namespace, an address and a line to the [`Wire`].
//!
//! The test runs itself again in a network and a view of files of its own, so that nothing of this
//! machine changes, and nothing is left behind however it ends. That takes root on Linux.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wire::{self, Node, Wire};
use crate::random::Random;

/// Tells the test that it is in a network of its own.
const VARIABLE: &str = "HAPPYPATH_NETWORK";
/// The node of the stores, of those who send events, and of the receiver of webhooks.
pub(super) const HUB: Node = 1;
/// The two ends of the line from the kernel to the wire.
const WIRE: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);

/// The file of names, where only this network sees it.
const HOSTS: &str = "/run/hosts";

/// Returns whether this process is in a network of its own.
pub(super) fn is_inside() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Runs a test of this program again, in a network of its own, and fails where it does.
#[expect(
    clippy::print_stderr,
    reason = "what the test said there belongs to what it says here"
)]
pub(super) fn enter(test: &str) {
    let program = std::env::current_exe().expect("a test has a file");
    let ended = Command::new("unshare")
        .args(["--net", "--mount"])
        .arg(program)
        .args([test, "--exact", "--nocapture"])
        .env(VARIABLE, "own")
        .output();
    let ended = ended.expect("unshare, which is part of util-linux, starts");
    let said = [&ended.stdout[..], &ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    eprintln!("{said}");
    assert!(
        ended.status.success(),
        "{test} failed in a network of its own: it needs root, ip, ethtool and VXLAN, or leave it out \
         with --skip {test}"
    );
    assert!(said.contains("1 passed"), "{test} is the name of the test");
}

/// The nodes and what is between them.
pub(super) struct Network {
    nodes: Node,
    wire: Wire,
}

impl Network {
    /// Makes nodes with the numbers from 1 on, of which [`HUB`] is the place of the test itself.
    pub(super) fn create(nodes: Node, random: Random) -> Self {
        // Whatever is written there is of no concern to others.
        run("mount -t tmpfs network /run");
        run("ip link set lo up");
        run("ip netns add kernel");
        run("ip link add wire type veth peer name wire netns kernel");
        run(&format!("ip address add {WIRE}/24 dev wire"));
        run("ip link set wire up");
        run(&format!("ip -n kernel address add {KERNEL}/24 dev wire"));
        run("ip -n kernel link set wire up");
        let own = std::process::id().to_string();
        for node in 1..=nodes {
            let name = name(node);
            let (place, inside) = if node == HUB {
                (own.clone(), ("ip".to_owned(), String::new()))
            } else {
                run(&format!("ip netns add {name}"));
                let enter = format!("nsenter --net={} ", namespace(node).display());
                (name.clone(), (format!("ip -n {name}"), enter))
            };
            join(node, &place, &inside);
        }
        Self {
            nodes,
            wire: Wire::start(WIRE, KERNEL, nodes, random),
        }
    }

    /// Gives names to nodes: each name leads to all of its nodes, as that of a headless service
    /// does.
    pub(super) fn name(&self, names: &[(&str, Vec<Node>)]) {
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for (name, nodes) in names {
            for node in nodes {
                hosts.push_str(&format!("{} {name}\n", address(*node)));
            }
        }
        std::fs::write(HOSTS, hosts).expect("a file");
        run(&format!("mount --bind {HOSTS} /etc/hosts"));
    }

    /// Cuts a node off from the stores and the senders of events.
    pub(super) fn cut_from_hub(&self, node: Node) {
        self.wire.cut(node, std::iter::once(HUB));
    }

    /// Cuts a node off from the other processes.
    pub(super) fn cut_from_neighbours(&self, node: Node) {
        self.wire.cut(node, HUB + 1..=self.nodes);
    }

    /// Lets all nodes hear each other again.
    pub(super) fn heal(&self) {
        self.wire.heal();
    }

    /// Makes the packets of one node late and some of them lost, and those of no other.
    pub(super) fn slow_down(&self, node: Option<Node>) {
        self.wire.slow_down(node);
    }
}

/// Gives a node its line and its address. The line stays at the kernel's end of the wire, wherever
/// the node is.
fn join(node: Node, place: &str, (ip, enter): &(String, String)) {
    let device = format!("line{node}");
    let [.., last] = wire::hardware_address(node);
    let port = wire::PORT;
    run(&format!(
        "ip -n kernel link add {device} type vxlan id {node} remote {WIRE} dstport {port} dev wire nolearning"
    ));
    run(&format!("ip -n kernel link set {device} netns {place}"));
    run(&format!(
        "{ip} link set {device} address 02:00:00:00:00:{last:02x} addrgenmode none"
    ));
    run(&format!(
        "{ip} address add {}/24 dev {device}",
        address(node)
    ));
    // The wire takes packets as they are: each with a sum of its own, and none for several.
    run(&format!("{enter}ethtool -K {device} tx off"));
    run(&format!("{ip} link set {device} up"));
    run(&format!("{ip} link set lo up"));
}

/// The address of a node.
pub(super) const fn address(node: Node) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, node)
}

/// The file of a node's namespace.
pub(super) fn namespace(node: Node) -> PathBuf {
    Path::new("/run/netns").join(name(node))
}

fn name(node: Node) -> String {
    format!("node{node}")
}

/// Runs a command whose words have no blanks.
fn run(command: &str) {
    let mut words = command.split_whitespace();
    let program = words.next().expect("a program");
    let ended = Command::new(program).args(words).output();
    let ended = ended.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(
        ended.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
}
