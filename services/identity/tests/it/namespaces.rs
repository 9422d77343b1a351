//! Rules that another process defined a moment ago, and rules that stored values hold on to.

mod subject;

use std::sync::Arc;

use definitions::{
    Change, DefinitionKey, DefinitionRpc, DefinitionStore, IfMatch, MIGRATIONS, Owner, References,
};
use engine::TimeSource;
use hot::StreamName;
use identity::store::IdentityStore;
use identity::{NamespaceCatalog, Source};
use identity_core::Rules;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    Definition, DefinitionKind, DeleteDefinitionRequest, definition::Kind,
};
use proto::identity::v1;
use rpc::Idempotency;
use storage::Requests;

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
    let named = |event: &identity::AcceptedEvent| event.resolution.clone().expect("of a customer");
    let (first, second) = (named(first), named(second));
    assert!(first.dropped.is_empty(), "{:?}", first.dropped);
    assert_eq!(first.customer, second.customer);
}

type Store = Arc<DefinitionStore<NamespaceCatalog>>;

/// A store of definitions over what became of these events.
async fn store_of(events: &[&str], rules: Rules) -> (Fixture, Store) {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), rules).await;
    let database = fixture.identity.database.clone();
    let migrated = database.migrate("definitions", MIGRATIONS).await;
    migrated.expect("migrated");
    let intake = fixture.identity.clone().open().await.expect("opens");
    let sent = events.iter().map(|it| event(it)).collect();
    let accepted = intake.accept(sent, Source::None, StreamName::Events);
    let accepted = accepted.await.expect("resolved");
    assert_eq!(accepted.events.len(), events.len());
    let catalog = NamespaceCatalog::over(IdentityStore::new(database.clone()));
    let store = DefinitionStore::load(database, "identity", catalog).await;
    (fixture, store.expect("loaded"))
}

/// Takes events under the rules of a store.
async fn accept(fixture: &Fixture, store: &Store, events: &[&str]) {
    let mut identity = fixture.identity.clone();
    identity.namespaces = store.watch();
    let intake = identity.open().await.expect("opens");
    let sent = events.iter().map(|it| event(it)).collect();
    let accepted = intake.accept(sent, Source::None, StreamName::Events);
    let accepted = accepted.await.expect("resolved");
    assert_eq!(accepted.events.len(), events.len());
}

fn plain(name: &str) -> v1::Namespace {
    v1::Namespace {
        name: name.to_owned(),
        ..v1::Namespace::default()
    }
}

fn normalized(name: &str, normalizer: v1::Normalizer) -> v1::Namespace {
    v1::Namespace {
        normalizer: normalizer.into(),
        priority: 1,
        limit: 1,
        ..plain(name)
    }
}

fn unique(name: &str, uniqueness: v1::Uniqueness) -> v1::Namespace {
    v1::Namespace {
        uniqueness: uniqueness.into(),
        ..plain(name)
    }
}

async fn change(store: &Store, change: Change) -> Result<(), String> {
    let nothing = References::unknown();
    let changed = store.change(&change, &nothing, false).await;
    changed
        .map(|_| ())
        .map_err(|failure| format!("{failure:?}"))
}

async fn define(store: &Store, namespace: v1::Namespace) -> Result<(), String> {
    let kind = Some(Kind::Namespace(namespace));
    change(store, Change::apply([Definition { kind }])).await
}

fn refused(answer: Result<(), String>, parts: &[&str]) {
    let refused = answer.expect_err("a refusal");
    for part in parts {
        assert!(refused.contains(part), "{part} in {refused}");
    }
}

#[tokio::test]
async fn a_normalizer_that_would_read_values_in_another_way_is_refused() {
    let events = ["user_id=U1 email=a@x.io", "user_id=u1", "user_id=U2"];
    let (_fixture, store) = store_of(&events, Rules::default()).await;
    let lower = define(&store, normalized("user_id", v1::Normalizer::Lowercase)).await;
    let parts = [
        "definitions[0].namespace.normalizer",
        "cannot become NORMALIZER_LOWERCASE from NORMALIZER_TRIM",
        "of 3, 2 would be read as other values (1 of them as one that is stored too",
        "keep `normalizer: NORMALIZER_TRIM`",
    ];
    let text = lower.clone().expect_err("it would join two");
    assert!(!text.contains("U1") && !text.contains("0 would"), "{text}");
    refused(lower, &parts);
    // A later `A@x.io` would be somebody else.
    let apart = define(&store, normalized("email", v1::Normalizer::Trim)).await;
    refused(
        apart,
        &[
            "of 1, 1 would be somebody else",
            "keep `normalizer: NORMALIZER_EMAIL`",
        ],
    );
    // What reads the same stays free, and so does what says nothing of it.
    let same = define(&store, normalized("email", v1::Normalizer::Lowercase)).await;
    same.expect("nothing changes");
    let usual = define(&store, plain("email")).await;
    usual.expect("it is the built-in one");
}

#[tokio::test]
async fn letters_that_are_not_there_are_not_told_apart() {
    let (_fixture, store) = store_of(&[], Rules::default()).await;
    let lower = normalized("loyalty", v1::Normalizer::Lowercase);
    define(&store, lower.clone())
        .await
        .expect("nothing is stored");
    let (_fixture, store) = store_of(&["user_id=12"], Rules::default()).await;
    let lower = normalized("user_id", v1::Normalizer::Lowercase);
    define(&store, lower).await.expect("digits have no case");
    let trim = define(&store, normalized("user_id", v1::Normalizer::Trim)).await;
    trim.expect("digits have no case");
}

#[tokio::test]
async fn deleting_or_switching_off_is_held_against_values_too() {
    let (fixture, store) = store_of(&[], Rules::default()).await;
    let trim = normalized("email", v1::Normalizer::Trim);
    define(&store, trim.clone())
        .await
        .expect("nothing is stored");
    accept(&fixture, &store, &["email=A@x.io"]).await;
    let key = DefinitionKey {
        kind: DefinitionKind::Namespace,
        name: "email".to_owned(),
    };
    let delete = || Change::Delete(key.clone(), IfMatch::Any);
    let gone = change(&store, delete()).await;
    refused(
        gone,
        &["cannot become NORMALIZER_EMAIL from NORMALIZER_TRIM"],
    );
    // The call says so as of what others refer to.
    let idempotency = Idempotency::new(Requests::new(fixture.identity.database.clone()));
    let owners: Vec<Arc<dyn Owner>> = vec![Arc::<DefinitionStore<_>>::clone(&store)];
    let rpc = DefinitionRpc::new(owners, None, idempotency);
    let request = DeleteDefinitionRequest {
        request_id: "r".to_owned(),
        kind: DefinitionKind::Namespace.into(),
        name: "email".to_owned(),
        ..DeleteDefinitionRequest::default()
    };
    let status = rpc.delete_definition(tonic::Request::new(request)).await;
    let status = status.expect_err("values are stored");
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let told = status.message();
    assert!(
        told.contains("is in use by what is stored: namespace[\"email\"].normalizer"),
        "{told}"
    );
    let off = v1::Namespace {
        disabled: true,
        ..plain("email")
    };
    let read = "cannot become NORMALIZER_EMAIL";
    refused(define(&store, off.clone()).await, &[read]);
    let off = v1::Namespace {
        normalizer: v1::Normalizer::Trim.into(),
        ..off
    };
    define(&store, off)
        .await
        .expect("it says how values are read");
    refused(define(&store, plain("email")).await, &[read]);
    define(&store, trim).await.expect("as before");
}

#[tokio::test]
async fn the_uniqueness_of_stored_values_stays() {
    let (fixture, store) = store_of(&[], Rules::default()).await;
    let shared = unique("email", v1::Uniqueness::Shared);
    define(&store, shared).await.expect("nothing is stored");
    accept(
        &fixture,
        &store,
        &["user_id=a email=f@x.io", "user_id=b email=f@x.io"],
    )
    .await;
    let to_unique = define(&store, unique("email", v1::Uniqueness::Unique)).await;
    let parts = [
        "definitions[0].namespace.uniqueness",
        "cannot become UNIQUENESS_UNIQUE from UNIQUENESS_SHARED",
        "(1, 1 of them with several customers)",
        "keep UNIQUENESS_SHARED, or define another namespace",
    ];
    refused(to_unique, &parts);
    for other in [v1::Uniqueness::Shared, v1::Uniqueness::Weak] {
        let changed = define(&store, unique("user_id", other)).await;
        refused(changed, &["from UNIQUENESS_UNIQUE", "are stored (2)"]);
    }
    define(&store, unique("phone", v1::Uniqueness::Weak))
        .await
        .expect("nothing is stored");
}
