//! Erasure and suppression of accounts, and of members of accounts.

use engine::TimeSource;
use identity::store::{AccountNews, IdentityStore, Moment, Slot};
use identity_core::Rules;
use kernel::{CustomerId, Timestamp};
use proto::identity::v1;
use proto::identity::v1::erasure_service_server::ErasureService as _;
use proto::identity::v1::identity_service_server::IdentityService as _;
use tonic::Request;

use super::{Process, a_moment, fixtures, identifier, of, refused, rows_with};
use crate::fixture::{Fixture, Sql, event};

/// The outcome of an event of a customer, if any, in the context of the account `acme`.
struct Acted {
    customer: String,
    account: String,
    reason: String,
}

async fn act(process: &Process, identifiers: &str, time: Option<i64>) -> Acted {
    let event = v1::Event {
        time: time.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        groups: [("account".to_owned(), "acme".to_owned())].into(),
        ..event(identifiers)
    };
    let request = v1::IngestRequest {
        events: vec![event],
        ..v1::IngestRequest::default()
    };
    let answer = process.events.ingest(Request::new(request)).await;
    let result = answer.expect("taken").into_inner().results.remove(0);
    let group = result.groups.first().expect("a group");
    Acted {
        customer: result.customer_id.clone(),
        account: group.account_id.clone(),
        reason: group.reason.clone(),
    }
}

fn id(text: &str) -> CustomerId {
    text.parse().expect("an id")
}

fn moment() -> Moment {
    let now = engine::Clock::now(&engine::SystemClock);
    // As if nobody had told the news of this second.
    Moment {
        at: now,
        own: Timestamp::from_millis(now.as_millis() + 60_000),
    }
}

/// A store of an account with a role that somebody fills.
async fn with_group(fixture: &Fixture, account: &str, customer: &str) -> IdentityStore {
    let store = IdentityStore::new(fixture.identity.database.clone());
    let slots = [Slot {
        role: "champion of the deal".to_owned(),
        required_count: 1,
        customers: vec![id(customer).fragment()],
    }];
    let put = store.put_buying_group(id(account).fragment(), "the deal", &slots, moment().at);
    put.await.expect("a buying group");
    store
}

/// All that is owed, of an account or a customer.
async fn owed(store: &IdentityStore) -> Vec<AccountNews> {
    let mut all = Vec::new();
    loop {
        let some = store.claim_account_news(moment()).await.expect("claims");
        if some.is_empty() {
            return all;
        }
        store.mark_account_news(&some).await.expect("marks");
        all.extend(some);
    }
}

async fn rows(fixture: &Fixture, table: &str) -> usize {
    rows_with(fixture, table, "'x'", "").await
}

/// Holds that no table has anything of the account or its members.
async fn acme_is_gone(fixture: &Fixture) {
    for table in [
        "identity_membership",
        "identity_buying_group",
        "identity_buying_group_slot",
        "identity_buying_group_member",
    ] {
        assert_eq!(rows(fixture, table).await, 0, "{table}");
    }
    assert_eq!(
        rows_with(fixture, "identity_identifier", "value", "acme").await,
        0
    );
}

#[tokio::test]
async fn an_account_goes_with_its_memberships_and_buying_groups_and_its_members_stay() {
    for fixture in fixtures().await {
        let (one, other) = (Process::over(&fixture).await, Process::over(&fixture).await);
        let ann = act(&one, "user_id=ann", Some(1_000)).await;
        let bob = act(&other, "user_id=bob", Some(1_000)).await;
        assert_eq!(
            (ann.account.as_str(), ann.reason.as_str()),
            (bob.account.as_str(), "")
        );
        let store = with_group(&fixture, &ann.account, &ann.customer).await;
        owed(&store).await;

        let dry = v1::EraseRequest {
            dry_run: true,
            ..of("1", &["account=acme"])
        };
        let told = one.erase(dry).await.expect("told");
        let counts = (
            told.account_count,
            told.membership_count,
            told.buying_group_count,
        );
        assert_eq!((counts, told.identifier_count), ((1, 2, 1), 1));
        assert_eq!(rows(&fixture, "identity_membership").await, 2);

        let erased = one.erase(of("1", &["account=acme"])).await.expect("erased");
        assert_eq!(erased.customer_ids, std::slice::from_ref(&ann.account));
        let counts = (
            erased.account_count,
            erased.membership_count,
            erased.buying_group_count,
        );
        assert_eq!(counts, (1, 2, 1));
        acme_is_gone(&fixture).await;
        let news = owed(&store).await;
        let mut members: Vec<String> = news.iter().map(|it| it.customer.to_string()).collect();
        members.sort_unstable();
        let mut expected = vec![ann.customer.clone(), bob.customer.clone()];
        expected.sort_unstable();
        assert_eq!(members, expected);
        let is_right = |it: &AccountNews| !it.is_member && it.tells_customer && !it.tells_account;
        assert!(news.iter().all(is_right), "{news:?}");

        // An event of before does not bring it back, at whichever process, and is taken all the
        // same.
        let new = Process::over(&fixture).await;
        other.intake.catch_up().await.expect("reads");
        for process in [&one, &other, &new] {
            let again = act(process, "user_id=bob", Some(1_000)).await;
            assert_eq!(
                (again.customer.as_str(), again.account.as_str()),
                (bob.customer.as_str(), "")
            );
            assert_eq!(again.reason, "ERASED");
        }
        assert_eq!(rows(&fixture, "identity_membership").await, 0);
        a_moment().await;
        let later = act(&other, "user_id=bob", None).await;
        assert_eq!(later.customer, bob.customer);
        assert!(!later.account.is_empty() && later.account != ann.account);
        assert_eq!(rows(&fixture, "identity_membership").await, 1);
    }
}

#[tokio::test]
async fn a_member_who_is_erased_leaves_the_account_which_stays() {
    for fixture in fixtures().await {
        let process = Process::over(&fixture).await;
        let ann = act(&process, "user_id=ann", None).await;
        let bob = act(&process, "user_id=bob", None).await;
        let store = with_group(&fixture, &ann.account, &ann.customer).await;
        owed(&store).await;
        let erased = process
            .erase(of("1", &["user_id=ann"]))
            .await
            .expect("erased");
        let counts = (
            erased.account_count,
            erased.membership_count,
            erased.buying_group_count,
        );
        assert_eq!(counts, (0, 1, 0));
        assert_eq!(rows(&fixture, "identity_membership").await, 1);
        assert_eq!(rows(&fixture, "identity_buying_group").await, 1);
        assert_eq!(rows(&fixture, "identity_buying_group_member").await, 0);
        let at = moment().at;
        assert_eq!(
            store
                .member_count(id(&ann.account), at)
                .await
                .expect("counts"),
            1
        );
        let news = owed(&store).await;
        assert_eq!(news.len(), 1, "{news:?}");
        let own = &news[0];
        assert_eq!(own.account, id(&ann.account));
        assert_eq!((own.is_member, own.member_count), (false, 1));
        assert_eq!((own.tells_customer, own.tells_account), (false, true));
        let again = act(&process, "user_id=bob", None).await;
        assert_eq!((again.account, again.customer), (ann.account, bob.customer));
    }
}

#[tokio::test]
async fn an_account_and_its_member_go_at_once_and_nobody_is_told() {
    for fixture in fixtures().await {
        let process = Process::over(&fixture).await;
        let ann = act(&process, "user_id=ann", None).await;
        let store = with_group(&fixture, &ann.account, &ann.customer).await;
        owed(&store).await;
        let both = of("1", &["user_id=ann", "account=acme"]);
        let erased = process.erase(both).await.expect("erased");
        let counts = (
            erased.account_count,
            erased.membership_count,
            erased.buying_group_count,
        );
        assert_eq!((counts, erased.found_count), ((1, 1, 1), 2));
        let told = owed(&store).await;
        let told = told
            .iter()
            .filter(|it| it.tells_customer || it.tells_account);
        assert_eq!(told.count(), 0);
    }
}

#[tokio::test]
async fn the_key_of_an_account_is_suppressed_until_that_is_taken_back() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let process = Process::over(&fixture).await;
    let before = act(&process, "user_id=ann", None).await;
    let suppress = v1::SuppressRequest {
        request_id: "1".to_owned(),
        identifiers: vec![identifier("account=acme")],
    };
    let answer = process.erasures.suppress(Request::new(suppress)).await;
    assert_eq!(answer.expect("suppressed").into_inner().suppressed_count, 1);
    let acted = act(&process, "user_id=ann", None).await;
    assert_eq!(
        (acted.customer, acted.account),
        (before.customer.clone(), String::new())
    );
    assert_eq!(acted.reason, "SUPPRESSED");
    let unsuppress = v1::UnsuppressRequest {
        request_id: "2".to_owned(),
        identifiers: vec![identifier("account=acme")],
    };
    let answer = process.erasures.unsuppress(Request::new(unsuppress)).await;
    assert_eq!(
        answer.expect("taken back").into_inner().unsuppressed_count,
        1
    );
    let acted = act(&process, "user_id=ann", None).await;
    assert_eq!(
        (acted.account, acted.customer),
        (before.account, before.customer)
    );
}

#[tokio::test]
async fn a_value_that_names_no_account_is_refused() {
    let fixture = Fixture::open(Sql::Sqlite, TimeSource::system(), Rules::default()).await;
    let process = Process::over(&fixture).await;
    let answer = process.erase(of("1", &["domain=gmail.com"])).await;
    refused(
        answer.map(|it| it.operation_id),
        "Give a value of an account",
    );
}
