//! Overdue announcements: whoever died before its merges were in the streams, they come there.

use engine::TimeSource;
use hot::StreamName;
use identity::erasure::Held;
use identity::store::{Cause, IdentityStore};
use identity::{Announcer, Resolver, Subject};
use identity_core::{Rules, screen};
use kernel::{CustomerId, PartitionId, Timestamp};
use proto::stream::v1::record::Body;

use crate::fixture::{Fixture, Sql, event};
use crate::rpc::intake::fill_some;

/// Long ago.
const CAUSE: Cause<'static> = Cause {
    reason: "test",
    request_id: "",
    time: Timestamp::from_millis(1),
    looks_back: false,
    origins: &(),
    policy_version: 0,
    held: Held::ANY,
};

/// Joins two customers, and tells no stream. Returns the one that is gone, and the other.
async fn join(resolver: &Resolver, number: usize) -> [CustomerId; 2] {
    let (one, other) = (
        format!("anonymous_id=a{number}"),
        format!("user_id=u{number}"),
    );
    let both = format!("{one} {other}");
    let subjects = [one, other, both].map(|identifiers| Subject {
        screened: screen(&Rules::default(), event(&identifiers).identifiers),
        time: Timestamp::from_millis(5),
        event_time: Timestamp::from_millis(5),
        sent: None,
    });
    let namespaces = Rules::default();
    let resolved = resolver.resolve(&namespaces, subjects.into(), CAUSE);
    let news = resolved.await.expect("resolves").news;
    news[0].customers()
}

/// The customers that the streams say are gone, in order.
async fn announced(fixture: &Fixture) -> Vec<CustomerId> {
    let records = fixture.records(StreamName::Events).await;
    let merged = records
        .iter()
        .filter(|it| matches!(it.body, Some(Body::Merged(_))));
    let merged = merged.map(|it| CustomerId::try_from_bytes(&it.customer_id).expect("an id"));
    let mut merged: Vec<_> = merged.collect();
    merged.sort_unstable();
    merged
}

#[tokio::test]
async fn a_full_stream_holds_up_nobody_else() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let intake = fixture.identity.clone().open().await.expect("opens");
    let resolver = Resolver::new(IdentityStore::new(fixture.identity.database.clone()));
    let mut merges = Vec::new();
    for number in 0..24 {
        merges.push(join(&resolver, number).await);
    }
    let partition = |id: &CustomerId| fixture.partitions.partition_of(id.fragment());
    // The partition of the first to be told.
    let full: PartitionId = partition(&merges[0][1]);
    fill_some(&fixture, std::iter::once(full)).await;
    let free = merges
        .iter()
        .filter(|ids| !ids.iter().any(|id| partition(id) == full));
    let mut free: Vec<CustomerId> = free.map(|[from, _]| *from).collect();
    free.sort_unstable();
    assert!(!free.is_empty(), "there are four partitions");

    let mut announcer = Announcer::new(intake);
    announcer.tick().await;
    announcer.finish().await;
    assert_eq!(announced(&fixture).await, free);
    // A claimed merge is left alone for longer than it is tried.
    announcer.tick().await;
    announcer.finish().await;
    assert_eq!(announced(&fixture).await, free);
}
