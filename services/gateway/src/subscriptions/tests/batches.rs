//! The changes that are in a batch.

use proto::gateway::v1::{ChangeFilter, Subscription};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_batch_has_changes_as_streams_have_them_and_the_position_behind_them() {
    let (site, receiver, process) = warehouse(takes()).await;
    site.write("loyal", [1, 2]).await;
    let post = posts(&receiver, 1).await.remove(0);
    let log = format!("{:016x}", site.log.id());
    let id = |index| format!("{log}-1-{index}");
    let customer = "01010101-0101-0101-0101-010101010101";
    let change = json!({
        "id": id(0),
        "time": "2027-01-15T08:00:00Z",
        "customerId": customer,
        "membership": {"segment": "loyal", "version": 1, "isMember": true},
    });
    assert_eq!(post.body["type"], "changes");
    assert_eq!(post.body["subscription"], "warehouse");
    assert_eq!(post.body["changes"][0], change);
    assert_eq!(post.body["changes"][1]["id"], id(1));
    let status = process.status("warehouse", |it| it.lag == 0).await;
    assert_eq!(post.body["position"], status.position);
    assert!(status.last_success_time.is_some());
    process.shut_down().await;
}

#[tokio::test]
async fn posts_are_signed_and_a_new_secret_signs_the_next_one() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let first = subscription("warehouse", &receiver);
    process.define(first.clone()).await;
    site.write("loyal", [1]).await;
    posts(&receiver, 1).await;
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let second = Subscription {
        secret: other.to_owned(),
        ..first.clone()
    };
    process.define(second).await;
    site.write("loyal", [2]).await;
    posts(&receiver, 2).await;
    for ((head, body), secret) in receiver
        .requests()
        .iter()
        .zip([first.secret.as_str(), other])
    {
        let header = |name: &str| head.headers[name].to_str().expect("text");
        let id = header("webhook-id");
        let seconds = header("webhook-timestamp").parse().expect("seconds");
        let key = destination::Destination::parse("https://example.com/", secret, false);
        let key = key.expect("a secret").key;
        let expected = destination::sign(&key, id, seconds, body);
        assert_eq!(header("webhook-signature"), expected);
    }
}

#[tokio::test]
async fn a_full_batch_goes_at_once_and_the_rest_when_its_time_is_over() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let slow = Subscription {
        batch_size: 2,
        max_delay: "1h".to_owned(),
        ..subscription("warehouse", &receiver)
    };
    process.define(slow.clone()).await;
    site.write("loyal", 1..=3).await;
    site.write("loyal", 4..=5).await;
    let full = posts(&receiver, 2).await;
    let customers: Vec<_> = full.iter().map(|it| it.customers.clone()).collect();
    assert_eq!(customers, [[1, 2], [3, 4]]);
    assert_ne!(full[0].id, full[1].id);
    let status = process.status("warehouse", |it| it.last_success_time.is_some());
    assert_eq!(status.await.lag, 1, "the fifth waits for a sixth");
    let quick = Subscription {
        max_delay: "300ms".to_owned(),
        ..slow
    };
    process.define(quick).await;
    assert_eq!(told(&receiver, 5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn many_rows_are_one_batch_and_one_row_many_batches_in_order() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let gathered = Subscription {
        max_delay: "500ms".to_owned(),
        ..subscription("warehouse", &receiver)
    };
    process.define(gathered.clone()).await;
    for customer in 1..=4 {
        site.write("loyal", [customer]).await;
    }
    assert_eq!(posts(&receiver, 1).await[0].customers, [1, 2, 3, 4]);
    let single = Subscription {
        batch_size: 1,
        ..gathered
    };
    process.define(single).await;
    site.write("loyal", 5..=50).await;
    let expected: Vec<u64> = (1..=50).collect();
    assert_eq!(told(&receiver, 50).await, expected);
    assert_eq!(receiver.requests().len(), 47);
}

#[tokio::test]
async fn only_what_matches_is_posted_and_the_rest_is_passed() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let some = Subscription {
        filter: Some(ChangeFilter {
            segments: vec!["loyal".to_owned()],
            ..ChangeFilter::default()
        }),
        ..subscription("warehouse", &receiver)
    };
    process.define(some).await;
    site.write("other", 1..=3).await;
    site.write("loyal", [4]).await;
    site.write("other", [5]).await;
    assert_eq!(told(&receiver, 1).await, [4]);
    // A note of that is made every few seconds.
    let status = process.status("warehouse", |it| it.lag == 0).await;
    assert_eq!(position_of(&status).row, 4);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_new_subscription_begins_with_what_changes_after_it_was_defined() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    site.write("loyal", [1, 2]).await;
    let process = site.process().await;
    // The clock of the log counts in milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let applied = process.apply(subscription("warehouse", &receiver)).await;
    applied.expect("a right definition");
    site.write("loyal", [3]).await;
    assert_eq!(told(&receiver, 1).await, [3]);
}

#[tokio::test]
async fn a_subscription_that_is_deleted_is_forgotten_and_one_of_its_name_begins_anew() {
    let (site, receiver, process) = warehouse(takes()).await;
    site.write("loyal", [1]).await;
    told(&receiver, 1).await;
    process.delete("warehouse").await;
    let table = SubscriptionTable::open(site.database.clone()).await;
    let table = table.expect("tables");
    eventually(async || {
        let rows = table.all().await.expect("rows");
        rows.is_empty().then_some(())
    })
    .await;
    site.write("loyal", [2]).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [3]).await;
    assert_eq!(told(&receiver, 2).await, [1, 3]);
}

#[tokio::test]
async fn a_paused_subscription_posts_nothing_and_loses_nothing() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let paused = Subscription {
        is_paused: true,
        ..subscription("warehouse", &receiver)
    };
    process.define(paused).await;
    site.write("loyal", [1]).await;
    let status = process.in_state("warehouse", SubscriptionState::Paused);
    assert_eq!(status.await.lag, 1);
    assert_eq!(receiver.connections(), 0);
    process.define(subscription("warehouse", &receiver)).await;
    assert_eq!(told(&receiver, 1).await, [1]);
}
