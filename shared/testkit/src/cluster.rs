//! A cluster of six Redis nodes for a test: three primaries, each with a replica.

use std::io;
use std::thread;

use crate::child::until;
use crate::{RedisServer, RedisSetup, StartError};

/// Slots of a cluster, by its specification.
const SLOTS: usize = 16_384;
const PRIMARIES: usize = 3;
/// The time that a node may be silent before the others take it for dead: short for tests, long
/// enough for a busy machine.
const NODE_TIMEOUT_MILLIS: &str = "2000";
/// Keys that move at once with their slot.
const KEYS_AT_ONCE: &str = "16";

/// Six nodes; they end when this is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes and joins them: the first three are primaries, and each of the others
    /// copies the one three before it.
    ///
    /// # Errors
    /// [`StartError`] where a node does not start or they do not find each other.
    pub fn start(setup: &RedisSetup) -> Result<Self, StartError> {
        let starts: Vec<_> = (0..2 * PRIMARIES)
            .map(|_| {
                let setup = setup
                    .clone()
                    .with(&["--cluster-enabled", "yes"])
                    .with(&["--cluster-node-timeout", NODE_TIMEOUT_MILLIS])
                    // Whoever is there takes over, however old its copy looks after a busy moment.
                    .with(&["--cluster-replica-validity-factor", "0"])
                    .with(&["--repl-diskless-sync-delay", "0"]);
                thread::spawn(move || setup.start())
            })
            .collect();
        let nodes = starts
            .into_iter()
            .map(|start| {
                start
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a start panicked").into()))
            })
            .collect::<Result<_, _>>()?;
        let cluster = Self { nodes };
        cluster.join()?;
        Ok(cluster)
    }

    fn join(&self) -> Result<(), StartError> {
        for (index, node) in self.nodes.iter().enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
            if index < PRIMARIES {
                let first = index * SLOTS / PRIMARIES;
                let last = (index + 1) * SLOTS / PRIMARIES - 1;
                node.ask(&[
                    "CLUSTER",
                    "ADDSLOTSRANGE",
                    &first.to_string(),
                    &last.to_string(),
                ])?;
            }
        }
        for one in &self.nodes {
            for other in &self.nodes {
                let (port, bus) = (other.port().to_string(), other.bus_port().to_string());
                one.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        self.await_info("the nodes did not meet", "cluster_known_nodes:6\r")?;
        for (primary, replica) in self.nodes.iter().zip(&self.nodes[PRIMARIES..]) {
            let id = primary.ask(&["CLUSTER", "MYID"])?;
            until("a node did not become a replica", || {
                replica
                    .ask(&["CLUSTER", "REPLICATE", &id])
                    .map(|_| ())
                    .map_err(|error| error.to_string())
            })?;
        }
        self.await_info("the cluster did not come up", "cluster_state:ok\r")?;
        for replica in &self.nodes[PRIMARIES..] {
            replica.await_replication()?;
        }
        until("the nodes did not learn who copies whom", || {
            for node in &self.nodes {
                let nodes = node
                    .ask(&["CLUSTER", "NODES"])
                    .map_err(|error| error.to_string())?;
                if nodes.matches("slave ").count() != PRIMARIES {
                    return Err(nodes);
                }
            }
            Ok(())
        })
    }

    fn await_info(&self, what: &'static str, line: &str) -> Result<(), StartError> {
        until(what, || {
            for node in &self.nodes {
                let info = node
                    .ask(&["CLUSTER", "INFO"])
                    .map_err(|error| error.to_string())?;
                if !info.contains(line) {
                    return Err(info);
                }
            }
            Ok(())
        })
    }

    /// The addresses of all nodes, with the user and the password where they ask for them: what
    /// follows `redis+cluster://`.
    pub fn hosts(&self) -> String {
        let hosts: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("{}{}", self.nodes[0].credentials(), hosts.join(","))
    }

    /// [`Self::hosts`] for TLS: what follows `rediss+cluster://`.
    ///
    /// # Panics
    /// Where the nodes have no TLS: [`RedisSetup::tls`] gives it to them.
    pub fn tls_hosts(&self) -> String {
        let hosts: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.tls_port()))
            .collect();
        format!("{}{}", self.nodes[0].credentials(), hosts.join(","))
    }

    /// A node: 0 to 2 were the primaries at the start, 3 to 5 their replicas.
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// [`Self::node`], to kill it or start it again.
    pub fn node_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// The slot of a key.
    ///
    /// # Errors
    /// [`StartError::Io`] where no node answers.
    pub fn slot_of(&self, key: &str) -> Result<u16, StartError> {
        let answer = self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key])?;
        Ok(answer.parse().map_err(io::Error::other)?)
    }

    /// The node that serves a slot now.
    ///
    /// # Errors
    /// [`StartError::Apart`] where nobody says so.
    pub fn owner_of(&self, slot: u16) -> Result<usize, StartError> {
        let mut found = None;
        until("no node serves the slot", || {
            found = (0..self.nodes.len()).find(|index| {
                // A node answers about its own slots without an error.
                let answer = self.nodes[*index].ask(&["CLUSTER", "NODES"]);
                answer.is_ok_and(|nodes| serves_slot(&nodes, slot))
            });
            found.map(|_| ()).ok_or_else(|| format!("slot {slot}"))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Moves a slot with its keys to another primary while both serve, as an operator's tool does.
    ///
    /// # Errors
    /// [`StartError::Io`] where a node refuses.
    pub fn migrate_slot(&self, slot: u16, to: usize) -> Result<(), StartError> {
        let from = &self.nodes[self.owner_of(slot)?];
        let to = &self.nodes[to];
        let (from_id, to_id) = (
            from.ask(&["CLUSTER", "MYID"])?,
            to.ask(&["CLUSTER", "MYID"])?,
        );
        let slot = slot.to_string();
        to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])?;
        from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])?;
        loop {
            let keys = from.ask_bytes(&["CLUSTER", "GETKEYSINSLOT", &slot, KEYS_AT_ONCE])?;
            if keys.is_empty() {
                break;
            }
            let port = to.port().to_string();
            let mut words: Vec<Vec<u8>> = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000"]
                .map(|word| word.as_bytes().to_vec())
                .to_vec();
            if let Some(login) = to.login() {
                words.extend(
                    [
                        &b"AUTH2"[..],
                        login.user.as_bytes(),
                        login.password.as_bytes(),
                    ]
                    .map(<[u8]>::to_vec),
                );
            }
            words.push(b"KEYS".to_vec());
            words.extend(keys);
            from.ask_bytes(&words)?;
        }
        // The target first: otherwise nobody would serve the slot where the source dies in between.
        for node in [to, from] {
            node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])?;
        }
        Ok(())
    }
}

/// Returns whether the node that lists the nodes serves a slot.
fn serves_slot(nodes: &str, slot: u16) -> bool {
    let own = nodes.lines().find(|line| line.contains("myself,master"));
    own.is_some_and(|line| {
        line.split(' ').skip(8).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_moves_with_its_keys_and_a_replica_takes_over() {
        let mut cluster = RedisCluster::start(&RedisSetup::new()).expect("starts");
        let slot = cluster.slot_of("{word}").expect("a slot");
        let from = cluster.owner_of(slot).expect("an owner");
        let key = cluster.nodes[from].ask(&["SET", "{word}:1", "kept"]);
        assert_eq!(key.expect("sets"), "OK");
        let to = (from + 1) % PRIMARIES;
        cluster.migrate_slot(slot, to).expect("moves");
        assert_eq!(cluster.owner_of(slot).expect("an owner"), to);
        assert_eq!(
            cluster.nodes[to].ask(&["GET", "{word}:1"]).expect("gets"),
            "kept"
        );
        let replica = to + PRIMARIES;
        until("the replica did not copy the key", || {
            let size = cluster.nodes[replica].ask(&["DBSIZE"]);
            size.is_ok_and(|size| size == "1")
                .then_some(())
                .ok_or_else(String::new)
        })
        .expect("copied");
        cluster.node_mut(to).kill_9().expect("dies");
        until("the replica did not take over", || {
            let role = cluster.nodes[replica].ask(&["ROLE"]).unwrap_or_default();
            role.starts_with("master").then_some(()).ok_or(role)
        })
        .expect("takes over");
        assert_eq!(cluster.owner_of(slot).expect("an owner"), replica);
    }
}
