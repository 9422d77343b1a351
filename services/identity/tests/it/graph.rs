//! The graph in the tables: policies, quarantine, unmerges and their races, the same on both
//! databases.

mod contention;
mod policies;
mod unmerge;
mod upgrade;

use std::collections::BTreeMap;

use decision::{Names, Source as Defined};
use engine::TimeSource;
use identity::erasure::Held;
use identity::store::{Cause, IdentityStore, MIGRATIONS, News, Origin, Origins, SentAs};
use identity::{Resolved, Resolver, Subject};
use identity_core::{Identifier, Resolution, Rules, screen};
use kernel::{CustomerId, Timestamp};
use proto::definition::v1::definition::Kind;
use proto::identity::v1;

use crate::fixture::{Fixture, Sql};

/// One process over tables that nobody else uses.
struct World {
    resolver: Resolver,
    store: IdentityStore,
    rules: Rules,
    /// Events so far: the time of the next one, and its name.
    events: u64,
    fixture: Fixture,
}

/// Events of a source, each named by its number.
#[derive(Debug)]
struct Numbered(Vec<String>);

impl Origins for Numbered {
    fn origin(&self, place: usize) -> Origin<'_> {
        Origin {
            event_id: &self.0[place],
            source: "test",
            time: Some(Timestamp::from_millis(7)),
        }
    }
}

impl World {
    async fn open(sql: Sql, rules: Rules) -> Self {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let database = fixture.identity.database.clone();
        let migrated = database.migrate("identity", MIGRATIONS).await;
        migrated.expect("migrates");
        let store = IdentityStore::new(database);
        Self {
            resolver: Resolver::new(store.clone()),
            store,
            rules,
            events: 0,
            fixture,
        }
    }

    /// Takes events as one batch; a name makes each the same when it is sent again.
    async fn batch(&mut self, events: &[&str], names: &[u64]) -> Resolved {
        let first = self.events;
        self.events += events.len() as u64;
        let numbers = (first + 1..).map(|it| format!("e{it}"));
        let numbered = Numbered(numbers.take(events.len()).collect());
        let subjects = events.iter().enumerate().map(|(place, event)| Subject {
            screened: screen(&self.rules, pairs(event)),
            time: time_of(first + place as u64 + 1),
            event_time: time_of(first + place as u64 + 1),
            sent: names.get(place).map(|name| SentAs::event("test", *name)),
        });
        let cause = Cause {
            reason: "event",
            request_id: "",
            time: time_of(self.events),
            looks_back: !names.is_empty(),
            origins: &numbered,
            policy_version: 0,
            held: Held::ANY,
        };
        let resolved = self
            .resolver
            .resolve(&self.rules, subjects.collect(), cause);
        let resolved = resolved.await.expect("resolves");
        let told = self.store.mark_announced(&resolved.news).await;
        told.expect("marks");
        resolved
    }

    /// Takes one event.
    async fn event(&mut self, event: &str) -> Resolution {
        self.batch(&[event], &[]).await.resolutions.remove(0)
    }

    /// Every customer as the values of its identifiers, oldest first.
    async fn picture(&self) -> Vec<String> {
        let customers = self.store.list(None, 1_000).await.expect("lists");
        customers
            .iter()
            .map(|customer| {
                let values = customer.identifiers.iter().map(|it| it.value.as_str());
                values.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// Checks that customers' counts are what their identifiers say.
    async fn check_counts(&self) {
        for customer in self.store.list(None, 1_000).await.expect("lists") {
            let graph = self.store.graph(customer.id.fragment()).await;
            let graph = graph.expect("reads").expect("there");
            let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
            let all = graph.graph.held.iter().chain(&graph.shared);
            for (identifier, _) in all {
                *counts.entry(&identifier.namespace).or_default() += 1;
            }
            let told = graph.view.identifier_counts.iter();
            let told = told.map(|(name, count)| (name.as_ref(), *count));
            let told: BTreeMap<&str, u32> = told.filter(|(_, count)| *count > 0).collect();
            assert_eq!(counts, told, "{}", customer.id);
            assert_eq!(
                graph.view.fragment_count as usize,
                graph.graph.fragments.len()
            );
        }
    }
}

fn time_of(event: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + i64::try_from(event).expect("few") * 1_000)
}

fn pairs(event: &str) -> Vec<(String, String)> {
    let words = event.split_whitespace();
    let pairs = words.map(|pair| pair.split_once('=').expect("namespace=value"));
    pairs
        .map(|(namespace, value)| (namespace.to_owned(), value.to_owned()))
        .collect()
}

fn identifier(pair: &str) -> Identifier {
    let (namespace, value) = pairs(pair).remove(0);
    Identifier { namespace, value }
}

/// The built-in rules with some namespaces of one's own, and a rule for conflicts.
fn rules(namespaces: &[v1::Namespace], rule: v1::ConflictRule) -> Rules {
    let policy = v1::IdentityPolicy {
        name: "default".to_owned(),
        conflict_rule: rule.into(),
        identifier_limit: 0,
        ..v1::IdentityPolicy::default()
    };
    let kinds = namespaces.iter().cloned().map(Kind::Namespace);
    let kinds: Vec<Kind> = kinds.chain([Kind::IdentityPolicy(policy)]).collect();
    let sources: Vec<Defined<'_>> = kinds.iter().map(Defined::current).collect();
    Rules::compile(&sources, &Names::default()).expect("rules")
}

fn merges(news: &[News]) -> Vec<[CustomerId; 2]> {
    let merges = news.iter().filter_map(News::merge);
    merges.map(|it| [it.from, it.into]).collect()
}
