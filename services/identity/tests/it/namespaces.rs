//! Rules that another process defined a moment ago.

use std::sync::Arc;

use definitions::{Change, DefinitionStore, MIGRATIONS, Owner as _, References};
use engine::TimeSource;
use hot::StreamName;
use identity::store::IdentityStore;
use identity::{NamespaceCatalog, Source};
use identity_core::Rules;
use proto::definition::v1::{Definition, definition::Kind};
use proto::identity::v1;

use crate::fixture::{Fixture, Sql, event};

fn namespaces(names: &[&str]) -> Change {
    let definitions = names.iter().zip(1..).map(|(name, priority)| Definition {
        kind: Some(Kind::Namespace(v1::Namespace {
            name: (*name).to_owned(),
            priority,
            limit: 1,
            ..v1::Namespace::default()
        })),
    });
    Change::apply(definitions)
}

#[tokio::test]
async fn what_another_process_defined_before_an_event_was_sent_is_not_left_out_of_it() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let database = &fixture.identity.database;
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    // Neither polls.
    let load = || DefinitionStore::load(database.clone(), "identity", NamespaceCatalog::default());
    let (here, elsewhere) = (load().await.expect("loaded"), load().await.expect("loaded"));
    let mut identity = fixture.identity.clone();
    identity.namespaces = here.watch();
    identity.definitions = Some(Arc::clone(&here));
    let intake = identity.open().await.expect("opens");

    let change = namespaces(&["user_id", "loyalty"]);
    let nothing = References::unknown();
    let changed = elsewhere.change(&change, &nothing, false).await;
    changed.expect("defined");
    let events = ["user_id=u loyalty=l", "loyalty=l", "unheard=of"];
    let accepted = intake
        .accept(events.map(event).to_vec(), Source::None, StreamName::Events)
        .await
        .expect("resolved");
    let rejected: Vec<_> = accepted.rejected.iter().map(|(index, _)| index).collect();
    assert_eq!(rejected, [2]);
    let [first, second] = accepted.events.as_slice() else {
        panic!("two are accepted: {:?}", accepted.events);
    };
    let (first, second) = (&first.resolution, &second.resolution);
    assert!(first.dropped.is_empty(), "{:?}", first.dropped);
    assert_eq!(first.customer, second.customer);
}

fn normalized(name: &str, normalizer: v1::Normalizer) -> Change {
    let namespace = v1::Namespace {
        name: name.to_owned(),
        priority: 1,
        limit: 1,
        normalizer: normalizer.into(),
        ..v1::Namespace::default()
    };
    Change::apply([Definition {
        kind: Some(Kind::Namespace(namespace)),
    }])
}

#[tokio::test]
async fn a_normalizer_that_would_read_values_in_another_way_is_refused() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let database = fixture.identity.database.clone();
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    let intake = fixture.identity.clone().open().await.expect("opens");
    let events = ["user_id=U1 email=a@x.io", "user_id=u1", "user_id=U2"];
    let accepted = intake.accept(events.map(event).to_vec(), Source::None, StreamName::Events);
    assert_eq!(accepted.await.expect("resolved").events.len(), 3);

    let catalog = NamespaceCatalog::over(IdentityStore::new(database.clone()));
    let store = DefinitionStore::load(database, "identity", catalog).await;
    let store = store.expect("loaded");
    let nothing = References::unknown();
    let lower = normalized("user_id", v1::Normalizer::Lowercase);
    let refused = store.change(&lower, &nothing, false).await;
    let refused = refused.expect_err("it would join two");
    let refused = format!("{refused:?}");
    for part in [
        "definitions[0].namespace.normalizer",
        "2 would be read as others, 1 of them as one that is there too",
        "`U1` as `u1`",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    // Values that stay as they are may be read in any way.
    let plain = normalized("email", v1::Normalizer::Trim);
    let changed = store.change(&plain, &nothing, false).await;
    changed.expect("nothing changes");
}
