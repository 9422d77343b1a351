//! The rules, tried out on a small world in memory.

mod acceptance;
mod properties;

use std::collections::{BTreeMap, BTreeSet};

use decision::{Names, Source};
use kernel::{CustomerId, FragmentId, Timestamp};
use messages::definition::v1::definition::Kind;
use messages::identity::v1;

use crate::{
    Changes, CustomerView, Identifier, Namespaces, Overlay, Resolution, limits, plan_merge, screen,
};

/// All customers there are, as the service's tables would hold them.
struct World {
    namespaces: Namespaces,
    holders: BTreeMap<Identifier, FragmentId>,
    roots: BTreeMap<FragmentId, CustomerId>,
    customers: BTreeMap<CustomerId, (CustomerView, u64)>,
    log: Vec<(usize, CustomerId, CustomerId)>,
    events: usize,
    /// True once there was an alias, for which limits are others.
    has_alias: bool,
}

impl World {
    fn new(namespaces: Namespaces) -> Self {
        Self {
            namespaces,
            holders: BTreeMap::new(),
            roots: BTreeMap::new(),
            customers: BTreeMap::new(),
            log: Vec::new(),
            events: 0,
            has_alias: false,
        }
    }

    /// Takes one event, such as `user_id=u1 email=e@x.io`, as a batch of its own. The word `alias`
    /// among the identifiers makes it one.
    fn event(&mut self, identifiers: &str) -> Resolution {
        self.batch(&[identifiers]).remove(0)
    }

    /// Takes a batch of events at once.
    fn batch(&mut self, events: &[&str]) -> Vec<Resolution> {
        let screened: Vec<_> = events
            .iter()
            .map(|event| {
                let words = event.split_whitespace();
                let pairs = words.clone().filter(|word| *word != "alias").map(|pair| {
                    let (namespace, value) = pair.split_once('=').expect("namespace=value");
                    (namespace.to_owned(), value.to_owned())
                });
                let mut screened = screen(&self.namespaces, pairs);
                screened.is_alias = words.clone().any(|word| word == "alias");
                screened
            })
            .collect();
        self.has_alias |= screened.iter().any(|screened| screened.is_alias);
        let namespaces = self.namespaces.clone();
        let mut overlay = Overlay::new(&namespaces);
        for (_, identifier) in screened.iter().flat_map(|screened| &screened.kept) {
            if let Some(fragment) = self.holders.get(identifier) {
                let (view, epoch) = &self.customers[&self.roots[fragment]];
                overlay.hold(identifier.clone(), *fragment, view.id);
                overlay.know(view.clone(), *epoch);
            }
        }
        let mut resolutions = Vec::new();
        for screened in screened {
            self.events += 1;
            let fragment = FragmentId::new(uuid(self.events));
            let now = Timestamp::from_millis(i64::try_from(self.events).expect("few events"));
            let resolution = overlay
                .resolve(&screened, || fragment, now)
                .expect("everything is loaded");
            let event = self.events;
            self.log.extend(
                resolution
                    .merged
                    .iter()
                    .map(|from| (event, *from, resolution.customer)),
            );
            resolutions.push(resolution);
        }
        self.apply(&overlay.into_changes());
        resolutions
    }

    fn apply(&mut self, changes: &Changes) {
        for fragment in &changes.fragments {
            self.roots.insert(fragment.id, fragment.id.into());
        }
        for (identifier, fragment) in &changes.identifiers {
            assert!(
                self.holders.insert(identifier.clone(), *fragment).is_none(),
                "an identifier has one holder"
            );
        }
        for merge in &changes.merges {
            for root in self.roots.values_mut().filter(|root| **root == merge.from) {
                *root = merge.into;
            }
        }
        for (id, epoch) in &changes.removed {
            assert_eq!(self.customers.remove(id).map(|(_, own)| own), Some(*epoch));
        }
        for change in &changes.customers {
            let before = self.customers.get(&change.view.id).map(|(_, epoch)| *epoch);
            assert_eq!(before, change.epoch, "the plan was made for what is there");
            self.customers.insert(
                change.view.id,
                (change.view.clone(), change.epoch.unwrap_or(0) + 1),
            );
        }
        self.check();
    }

    /// What holds whatever happens.
    fn check(&self) {
        let mut fragments: BTreeMap<CustomerId, Vec<FragmentId>> = BTreeMap::new();
        for (fragment, root) in &self.roots {
            fragments.entry(*root).or_default().push(*fragment);
        }
        let mut counts: BTreeMap<(CustomerId, &str), u32> = BTreeMap::new();
        for (identifier, fragment) in &self.holders {
            let key = (self.roots[fragment], identifier.namespace.as_str());
            *counts.entry(key).or_default() += 1;
        }
        assert!(
            fragments.keys().eq(self.customers.keys()),
            "redirects lead to customers"
        );
        for (id, (view, _)) in &self.customers {
            let own = &fragments[id];
            assert_eq!(CustomerId::from(own[0]), *id, "the oldest survives");
            assert_eq!(own.len(), view.fragment_count as usize);
            assert!(view.fragment_count <= limits::FRAGMENTS_PER_CUSTOMER);
            assert!(view.identifier_count() <= limits::IDENTIFIERS_PER_CUSTOMER);
            for namespace in self.namespaces.iter() {
                let key = (*id, namespace.name());
                let count = counts.get(&key).copied().unwrap_or(0);
                assert_eq!(count, view.identifiers_in(namespace.name()));
                let least = if self.has_alias {
                    limits::ALIAS_VALUES
                } else {
                    0
                };
                assert!(
                    count <= namespace.limit().max(least),
                    "{} over its limit",
                    namespace.name()
                );
            }
        }
    }

    fn identifiers(&self, customer: CustomerId) -> Vec<&Identifier> {
        self.holders
            .iter()
            .filter(|(_, fragment)| self.roots[fragment] == customer)
            .map(|(identifier, _)| identifier)
            .collect()
    }

    /// Every customer as the values of its identifiers, oldest first.
    fn picture(&self) -> Vec<String> {
        self.customers
            .keys()
            .map(|id| {
                let values: Vec<_> = self
                    .identifiers(*id)
                    .iter()
                    .map(|i| i.value.as_str())
                    .collect();
                values.join(" ")
            })
            .collect()
    }

    fn merge(&mut self, customers: &[CustomerId]) -> CustomerId {
        let roots: BTreeSet<_> = customers
            .iter()
            .map(|id| self.roots[&id.fragment()])
            .collect();
        let namespaces = self.namespaces.clone();
        let mut overlay = Overlay::new(&namespaces);
        let views: Vec<_> = roots.iter().map(|root| &self.customers[root]).collect();
        for (view, epoch) in &views {
            overlay.know(view.clone(), *epoch);
        }
        let views: Vec<_> = views.iter().map(|(view, _)| view).collect();
        let (into, others) = plan_merge(&views).expect("small customers");
        overlay.merge(into, &others);
        self.apply(&overlay.into_changes());
        into
    }
}

fn uuid(number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(number as u128)
}

/// Namespaces of these names and limits, the first of the highest priority.
fn namespaces(limits: &[(&str, u32)]) -> Namespaces {
    let kinds: Vec<Kind> = limits
        .iter()
        .zip(1..)
        .map(|((name, limit), priority)| v1::Namespace {
            name: (*name).to_owned(),
            priority,
            limit: *limit,
            ..Default::default()
        })
        .map(Kind::Namespace)
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Namespaces::compile(&sources, &Names::default()).expect("namespaces")
}
