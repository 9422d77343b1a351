//! Receivers that fail, and are slow.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::StatusCode;
use proto::gateway::v1::Subscription;

use super::*;

#[tokio::test]
async fn a_batch_that_fails_is_posted_again_as_it_was_before_any_later_change() {
    let (site, receiver, process) = warehouse(says(StatusCode::INTERNAL_SERVER_ERROR)).await;
    site.write("loyal", [1, 2]).await;
    let retrying = process.in_state("warehouse", SubscriptionState::Retrying);
    let retrying = retrying.await;
    assert_eq!(retrying.failed_attempts, 1);
    assert_eq!(retrying.last_error, "500 Internal Server Error");
    assert!(retrying.next_attempt_time.is_some());
    site.write("loyal", [3]).await;
    receiver.answer(takes());
    process
        .resume("r", "warehouse", None)
        .await
        .expect("resumed");
    let posts = posts(&receiver, 3).await;
    assert_eq!(posts[0], posts[1], "the same id, and the same bytes");
    assert_eq!(posts[1].customers, [1, 2]);
    assert_eq!(posts[2].customers, [3]);
    let active = process.status("warehouse", |it| it.lag == 0).await;
    assert_eq!(active.state(), SubscriptionState::Active);
    assert_eq!(
        (active.failed_attempts, active.last_error.as_str()),
        (0, "")
    );
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let busy = |status| Answer::Fixed(status, Some(("retry-after", "2".to_owned())), "");
    let (site, receiver, process) = warehouse(busy(StatusCode::TOO_MANY_REQUESTS)).await;
    site.write("loyal", [1]).await;
    posts(&receiver, 1).await;
    let begun = Instant::now();
    let retrying = process.in_state("warehouse", SubscriptionState::Retrying);
    assert_eq!(retrying.await.failed_attempts, 0, "it is not counted");
    receiver.answer(takes());
    let posts = posts(&receiver, 2).await;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(1_800), "{waited:?}");
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    assert_eq!(posts[0], posts[1]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_asked_no_more_until_somebody_says_so() {
    let (site, receiver, process) = warehouse(says(StatusCode::GONE)).await;
    site.write("loyal", [1]).await;
    let stopped = process.in_state("warehouse", SubscriptionState::Stopped);
    let stopped = stopped.await;
    assert_eq!(stopped.last_error, "410 Gone");
    assert_eq!(stopped.next_attempt_time, None);
    site.write("loyal", [2]).await;
    receiver.answer(takes());
    assert_eq!(receiver.requests().len(), 1);
    process
        .resume("r", "warehouse", None)
        .await
        .expect("resumed");
    assert_eq!(told(&receiver, 3).await, [1, 1, 2]);
}

#[tokio::test]
async fn slow_and_dead_receivers_delay_no_others() {
    let site = Site::new().await;
    let fast = Receiver::start(takes()).await;
    let dead = Receiver::start(Answer::Silence).await;
    let process = site.process().await;
    for number in 0..20 {
        process
            .define(subscription(&format!("dead_{number}"), &dead))
            .await;
    }
    process.define(subscription("fast", &fast)).await;
    let begun = Instant::now();
    for customer in 1..=50 {
        site.write("loyal", [customer]).await;
    }
    let expected: Vec<u64> = (1..=50).collect();
    assert_eq!(told(&fast, 50).await, expected);
    // The dead ones hold their posts for twenty seconds.
    assert!(begun.elapsed() < Duration::from_secs(15));
    let posts = posts(&dead, 20).await;
    let ids: BTreeSet<&str> = posts.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), 20, "one batch is under way to each");
    assert_eq!(dead.requests().len(), 20);
}

#[tokio::test]
async fn an_erased_customer_is_not_posted_again() {
    let (site, receiver, process) = warehouse(says(StatusCode::BAD_GATEWAY)).await;
    site.write("loyal", [1, 2]).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    let erased = site.log.erase(&BTreeSet::from([[1; 16]])).await;
    assert_eq!(erased.expect("erased"), 1);
    receiver.answer(takes());
    process
        .resume("r", "warehouse", None)
        .await
        .expect("resumed");
    let both = posts(&receiver, 2).await;
    assert_eq!(both[0].id, both[1].id);
    assert_eq!(both[1].customers, [2]);
    assert_eq!(both[0].body["changes"][1], both[1].body["changes"][0]);
    // A batch of which nothing is left is not posted.
    receiver.answer(says(StatusCode::BAD_GATEWAY));
    site.write("loyal", [3]).await;
    posts(&receiver, 3).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    let erased = site.log.erase(&BTreeSet::from([[3; 16]])).await;
    assert_eq!(erased.expect("erased"), 1);
    process
        .resume("r2", "warehouse", None)
        .await
        .expect("resumed");
    process.status("warehouse", |it| it.lag == 0).await;
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn another_filter_makes_another_batch_of_the_same_changes() {
    let (site, receiver, process) = warehouse(says(StatusCode::BAD_GATEWAY)).await;
    site.write("loyal", [1]).await;
    site.write("other", [2]).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    let narrow = Subscription {
        filter: Some(proto::gateway::v1::ChangeFilter {
            segments: vec!["other".to_owned()],
            ..Default::default()
        }),
        ..subscription("warehouse", &receiver)
    };
    process.define(narrow).await;
    receiver.answer(takes());
    process
        .resume("r", "warehouse", None)
        .await
        .expect("resumed");
    let both = posts(&receiver, 2).await;
    assert_ne!(both[0].id, both[1].id);
    assert_eq!(both[1].customers, [2]);
}
