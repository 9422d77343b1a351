//! Whatever happens in whatever order, calls go where they may, and wait only for what is under
//! way.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    /// A call is made; its later plans follow until it is decided.
    Call,
    /// The oldest call is answered, or given up.
    End(bool),
    /// A look finds these addresses, or none.
    Found(Vec<u8>),
    /// An attempt to connect succeeds, or fails.
    Dialled(bool),
    /// A connection ends.
    Close(u8),
    /// Milliseconds pass.
    Pass(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => Just(Happening::Call),
        3 => any::<bool>().prop_map(Happening::End),
        1 => prop::collection::vec(1_u8..6, 0..5).prop_map(Happening::Found),
        3 => any::<bool>().prop_map(Happening::Dialled),
        1 => (1_u8..6).prop_map(Happening::Close),
        2 => (0_u16..3_000).prop_map(Happening::Pass),
    ]
}

/// A pool, and beside it what is known of it without looking inside.
struct Model {
    scene: Scene,
    known: BTreeSet<SocketAddr>,
    looks_under_way: usize,
    calls: Vec<ReplicaId>,
}

impl Model {
    fn new() -> Self {
        Self {
            scene: Scene::behind_name(),
            known: BTreeSet::new(),
            looks_under_way: 0,
            calls: Vec::new(),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Call => self.call(),
            Happening::End(was_heard) if !self.calls.is_empty() => {
                let id = self.calls.remove(0);
                if was_heard {
                    self.scene.pool.heard(id, self.scene.now);
                }
                self.scene.pool.ended(id, was_heard);
            }
            Happening::Found(hosts) if self.looks_under_way > 0 => self.find(&hosts),
            Happening::Dialled(is_connected) if !self.scene.dialled.is_empty() => {
                self.dialled(is_connected);
            }
            Happening::Close(host) => {
                if let Some(link) = self.scene.links.get(&address(host)) {
                    link.is_open.store(false, Ordering::Relaxed);
                }
            }
            Happening::Pass(millis) => self.scene.pass(Duration::from_millis(millis.into())),
            Happening::End(_) | Happening::Found(_) | Happening::Dialled(_) => {}
        }
    }

    fn call(&mut self) {
        for is_first in [true, false] {
            let choice = self.scene.call(is_first);
            self.looks_under_way += std::mem::take(&mut self.scene.lookups);
            assert!(self.looks_under_way <= 1, "one look at a time");
            let dialled: BTreeSet<_> = self.scene.dialled.iter().map(|(id, _)| *id).collect();
            assert_eq!(
                dialled.len(),
                self.scene.dialled.len(),
                "one attempt at a time"
            );
            match choice {
                Choice::Ask(id, link) => {
                    assert!(link.is_open(), "{} is closed", link.address);
                    assert!(
                        self.known.contains(&link.address),
                        "{} has gone",
                        link.address
                    );
                    self.calls.push(id);
                    return;
                }
                Choice::Wait => {
                    let known = &self.known;
                    let mut dialled = self.scene.dialled.iter();
                    let is_hopeful = dialled.any(|(_, address)| known.contains(address));
                    assert!(self.looks_under_way > 0 || is_hopeful, "a wait for nothing");
                }
                Choice::Fail => {
                    assert!(!is_first, "no call fails without an attempt");
                    assert!(!self.scene.pool.failure().is_empty());
                }
            }
        }
    }

    fn find(&mut self, hosts: &[u8]) {
        self.looks_under_way -= 1;
        if hosts.is_empty() {
            let error = io::Error::other("no answer");
            self.scene.pool.not_found(self.scene.now, error);
            return;
        }
        let change = self.scene.found(hosts.iter().copied());
        let found: BTreeSet<_> = hosts.iter().copied().map(address).collect();
        let added: BTreeSet<_> = found.difference(&self.known).copied().collect();
        let removed: BTreeSet<_> = self.known.difference(&found).copied().collect();
        assert_eq!(change.added.into_iter().collect::<BTreeSet<_>>(), added);
        assert_eq!(change.removed.into_iter().collect::<BTreeSet<_>>(), removed);
        self.known = found;
    }

    fn dialled(&mut self, is_connected: bool) {
        let (id, address) = self.scene.dialled.remove(0);
        if is_connected {
            let link = Fake {
                address,
                is_open: Arc::new(AtomicBool::new(true)),
            };
            if self.scene.pool.connected(id, link.clone()) {
                self.scene.links.insert(address, link);
            }
        } else {
            let refused = io::ErrorKind::ConnectionRefused.into();
            self.scene.pool.not_connected(id, self.scene.now, refused);
        }
    }

    /// Everything ends and all is well again: three replicas have calls.
    fn recover(mut self) {
        for _ in 0..3 {
            self.scene.pass(DIAL_PAUSE_MOST + LOOKUP_INTERVAL * 2);
            self.call();
            if self.looks_under_way > 0 {
                self.find(&[1, 2, 3]);
            }
            self.call();
            while !self.scene.dialled.is_empty() {
                self.dialled(true);
            }
            for id in std::mem::take(&mut self.calls) {
                self.scene.pool.heard(id, self.scene.now);
                self.scene.pool.ended(id, true);
            }
        }
        // Those that were silent get a call each.
        self.scene.pass(REPLICA_SILENCE + REPLICA_TRIAL_INTERVAL);
        self.scene.share_out(3);
        assert_eq!(self.scene.share_out(300).len(), 3);
    }
}

proptest! {
    #[test]
    fn no_order_of_events_leads_a_call_astray(
        happenings in prop::collection::vec(happening(), 0..200)
    ) {
        let mut model = Model::new();
        for happening in happenings {
            model.happen(happening);
        }
        model.recover();
    }
}
