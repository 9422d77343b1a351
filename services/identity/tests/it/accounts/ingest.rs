//! Groups of events find and make accounts, each alone, and tell them what happened.

use hot::StreamName;
use identity_core::{DropReason, Rules};
use proto::identity::v1;
use proto::identity::v1::event::{ContextForm, PropertiesForm};
use proto::identity::v1::group_traits::TraitsForm;
use sea_orm::ConnectionTrait as _;

use super::world::{World, account, acted, customer, rules, take};
use crate::fixture::Sql;

/// Traits that an event tells of an account.
fn told(json: &str) -> v1::GroupTraits {
    v1::GroupTraits {
        traits_form: Some(TraitsForm::TraitsJson(json.to_owned())),
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_key_and_has_a_record_of_the_event_of_its_own() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let mut event = acted("user_id=ann", "account=acme", 1);
    event.event_id = "e1".to_owned();
    event.group_traits = [("account".to_owned(), told(r#"{"plan":"pro","old":null}"#))].into();
    event.properties_form = Some(PropertiesForm::PropertiesJson(r#"{"amount":5}"#.to_owned()));
    event.context_form = Some(ContextForm::ContextJson(r#"{"ip":"10.0.0.1"}"#.to_owned()));
    let first = take(&intake, vec![event]).await;
    let (ann, acme) = (customer(&first.events[0]), account(&first.events[0]));
    assert!(acme.is_account() && !ann.is_account());
    assert!(first.events[0].groups[0].resolution.is_new);

    let own = world.events_of(acme).await;
    let [own] = own.as_slice() else {
        panic!("{own:?}");
    };
    assert_eq!((own.event_id.as_str(), own.name.as_str()), ("e1", "visit"));
    assert_eq!(own.member_id.as_ref(), ann.as_bytes());
    assert!(own.member_fragment_id.is_empty(), "it is the member's own");
    assert_eq!(own.fragment_id.as_ref(), acme.as_bytes());
    let traits: Vec<(&str, bool)> = own
        .traits
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.value.as_ref().is_some_and(|it| it.kind.is_some()),
            )
        })
        .collect();
    assert_eq!(traits, [("old", false), ("plan", true)]);
    assert!(own.properties.is_empty() && own.identifiers.is_empty() && own.groups.is_empty());
    assert!(own.context_json.is_empty());

    let members = world.events_of(ann).await;
    assert_eq!(members[0].groups[0].key, "acme");
    assert_eq!(members[0].groups[0].account_id.as_ref(), acme.as_bytes());
    assert!(members[0].member_id.is_empty() && members[0].traits.is_empty());
    assert!(!members[0].properties.is_empty());

    let again = take(&intake, vec![acted("user_id=bob", "account=acme", 2)]).await;
    let group = &again.events[0].groups[0];
    assert_eq!(
        (group.account(), group.resolution.is_new),
        (Some(acme), false)
    );
    // Another process finds it too.
    let other = world.process().await;
    let again = take(&other, vec![acted("user_id=ann", "account=acme", 3)]).await;
    assert_eq!(account(&again.events[0]), acme);
}

#[tokio::test]
async fn the_groups_of_an_event_are_accounts_of_their_own_and_other_types_stay_as_they_came() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let groups = "account=same workspace=same team=same";
    let taken = take(&intake, vec![acted("user_id=ann", groups, 1)]).await;
    let own = &taken.events[0];
    let types: Vec<&str> = own.groups.iter().map(|it| it.r#type.as_str()).collect();
    assert_eq!(types, ["account", "workspace"]);
    let [one, other] = [0, 1].map(|place: usize| own.groups[place].account().expect("one"));
    assert_ne!(one, other);
    let record = &world.events_of(customer(own)).await[0];
    let named: Vec<_> = record
        .groups
        .iter()
        .map(|it| (it.r#type.as_str(), it.account_id.len()))
        .collect();
    assert_eq!(named, [("account", 16), ("team", 0), ("workspace", 16)]);
}

#[tokio::test]
async fn two_keys_of_one_account_bring_it_one_record_with_all_that_is_told() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let first = take(&intake, vec![acted("", "account=acme company=acme", 1)]).await;
    let ids = first.events[0].groups.iter();
    let ids = ids.map(|it| it.account().expect("one").to_string());
    world.merge(ids.collect()).await;
    let other = world.process().await;
    let mut event = acted("user_id=ann", "account=acme company=acme", 2);
    event.group_traits = [
        ("account".to_owned(), told(r#"{"plan":"pro","size":5}"#)),
        (
            "company".to_owned(),
            told(r#"{"city":"Graz","plan":"free"}"#),
        ),
    ]
    .into();
    let taken = take(&other, vec![event]).await;
    let groups = &taken.events[0].groups;
    assert_eq!(groups[0].account(), groups[1].account());
    let own = world.events_of(account(&taken.events[0])).await;
    let last = own.last().expect("two");
    let names: Vec<&str> = last.traits.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["city", "plan", "size"]);
    assert_eq!(
        last.member_id.as_ref(),
        customer(&taken.events[0]).as_bytes()
    );
    let told = world
        .told(customer(&taken.events[0]), StreamName::Events)
        .await;
    assert!(told.iter().all(|it| it.is_member));
}

#[tokio::test]
async fn a_key_that_names_nobody_is_left_out_with_its_reason_and_the_event_goes_on() {
    let suppressing = v1::Namespace {
        name: "account".to_owned(),
        subject: v1::Subject::Account.into(),
        blocked_values: vec!["demo".to_owned()],
        ..Default::default()
    };
    let kinds = [proto::definition::v1::definition::Kind::Namespace(
        suppressing,
    )];
    let world = World::open(Sql::Sqlite, rules(&kinds)).await;
    let intake = world.process().await;
    for key in ["null", "demo"] {
        let groups = format!("account={key} workspace=w1");
        let taken = take(&intake, vec![acted("user_id=ann", &groups, 1)]).await;
        let [account, workspace] = taken.events[0].groups.as_slice() else {
            panic!("{:?}", taken.events);
        };
        assert_eq!(account.reason(), Some(DropReason::BlockedValue));
        assert_eq!((account.account(), workspace.reason()), (None, None));
    }
}

#[tokio::test]
async fn an_event_of_accounts_alone_is_of_nobody_else() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let mut event = acted("", "account=acme household=smith", 1);
    event.name = "group".to_owned();
    event.group_traits = [("account".to_owned(), told(r#"{"plan":"pro"}"#))].into();
    event.properties_form = Some(PropertiesForm::PropertiesJson(r#"{"amount":5}"#.to_owned()));
    event.context_form = Some(ContextForm::ContextJson(r#"{"ip":"10.0.0.1"}"#.to_owned()));
    let events = vec![
        acted("user_id=ann", "", 1),
        event,
        acted("user_id=bob", "account=acme", 2),
    ];
    let taken = take(&intake, events).await;
    let [ann, alone, bob] = taken.events.as_slice() else {
        panic!("{taken:?}");
    };
    assert!(alone.resolution.is_none() && alone.groups.len() == 2);
    assert_eq!(account(alone), account(bob));
    assert_ne!(customer(ann), customer(bob));
    let records = world.events_of(account(alone)).await;
    assert_eq!(records.len(), 2);
    // Nobody else has its properties and its context, so each account does.
    let smith = alone.groups[1].account().expect("one");
    for own in [&records[0], &world.events_of(smith).await[0]] {
        assert!(own.member_id.is_empty());
        assert_eq!(own.properties[0].name, "amount");
        assert_eq!(own.context_json, r#"{"ip":"10.0.0.1"}"#);
    }
    assert_eq!(records[0].traits.len(), 1);
    assert_eq!(records[1].member_id.as_ref(), customer(bob).as_bytes());
    assert_eq!(world.events_of(customer(ann)).await.len(), 1);
    // Whoever acted is told in the other lane no more than in this one.
    assert!(
        world
            .records_of(account(alone), StreamName::EventsBulk)
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn known_accounts_and_members_need_no_sql() {
    let world = World::open(Sql::Sqlite, Rules::default()).await;
    let intake = world.process().await;
    let events = || {
        vec![
            acted("user_id=ann", "account=acme workspace=w1", 1),
            acted("user_id=bob", "account=acme", 2),
            acted("", "account=acme", 3),
        ]
    };
    let first = take(&intake, events()).await;
    let orm = world.fixture.identity.database.orm();
    for table in [
        "identity_identifier",
        "identity_customer",
        "identity_membership",
    ] {
        let sql = format!("ALTER TABLE {table} RENAME TO gone_{table}");
        orm.execute_unprepared(&sql).await.expect("renames");
    }
    let again = take(&intake, events()).await;
    assert_eq!(again.events.len(), 3);
    assert_eq!(account(&again.events[1]), account(&first.events[0]));
    // An account that is not known does.
    let new = vec![acted("user_id=ann", "account=other", 4)];
    let refused = intake
        .accept(new, identity::Source::None, StreamName::Events)
        .await;
    assert!(refused.is_err(), "{refused:?}");
}
