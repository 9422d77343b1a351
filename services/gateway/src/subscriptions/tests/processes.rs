//! Several processes of one installation, which die and come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::gateway::v1::resume_subscription_request::From;
use testkit::PostgresServer;
use tokio::sync::watch;

use super::*;

/// Returns the owners of the subscriptions, with the number of those of each.
async fn owners(site: &Site) -> BTreeMap<String, usize> {
    let table = SubscriptionTable::open(site.database.clone()).await;
    let rows = table.expect("tables").all().await.expect("rows");
    let mut owners = BTreeMap::new();
    for row in rows {
        *owners.entry(row.owner).or_default() += 1;
    }
    owners
}

#[tokio::test]
async fn a_process_that_dies_between_a_post_and_its_note_is_followed_by_another_with_the_same_batch()
 {
    let site = Site::new().await;
    let (release, held) = watch::channel(false);
    let receiver = Receiver::start(Answer::Held(held)).await;
    let process = site.process().await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [1, 2]).await;
    posts(&receiver, 1).await;
    process.die().await;
    let died = Instant::now();
    release.send(true).expect("a receiver");
    site.write("loyal", [3]).await;
    let next = site.process().await;
    let posts = posts(&receiver, 3).await;
    assert!(
        died.elapsed() < Duration::from_secs(12),
        "{:?}",
        died.elapsed()
    );
    assert_eq!(posts[0], posts[1], "the same id, and the same bytes");
    assert_eq!(posts[2].customers, [3]);
    let status = next.status("warehouse", |it| it.lag == 0).await;
    assert_eq!(status.failed_attempts, 0);
}

#[tokio::test]
async fn processes_share_subscriptions_and_give_them_up_when_they_end() {
    let site = Site::new().await;
    let receiver = Receiver::start(takes()).await;
    let one = site.process().await;
    for number in 0..12 {
        one.define(subscription(&format!("s{number}"), &receiver))
            .await;
    }
    eventually(async || (owners(&site).await.len() == 1).then_some(())).await;
    let other = site.process().await;
    eventually(async || {
        let owners = owners(&site).await;
        let is_shared = owners.len() == 2 && !owners.contains_key("");
        is_shared.then_some(())
    })
    .await;
    site.write("loyal", [1]).await;
    assert_eq!(told(&receiver, 12).await.len(), 12);
    one.shut_down().await;
    let ended = Instant::now();
    site.write("loyal", [2]).await;
    assert_eq!(told(&receiver, 24).await.len(), 24);
    // Nobody waits until it counts as dead.
    assert!(
        ended.elapsed() < Duration::from_secs(4),
        "{:?}",
        ended.elapsed()
    );
    let ids = posts(&receiver, 24).await.into_iter().map(|it| it.id);
    let ids: std::collections::BTreeSet<String> = ids.collect();
    assert_eq!(ids.len(), 24, "each batch is posted by one process");
    let alive = owners(&site).await;
    assert_eq!(alive.values().sum::<usize>(), 12);
    other.shut_down().await;
    assert_eq!(owners(&site).await, BTreeMap::from([(String::new(), 12)]));
}

#[tokio::test]
async fn a_process_whose_subscription_was_taken_posts_no_more() {
    let site = Site::new().await;
    let receiver = Receiver::start(takes()).await;
    let process = site.process().await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [1]).await;
    told(&receiver, 1).await;
    process.status("warehouse", |it| it.lag == 0).await;
    // As another process does that counts this one as dead.
    let table = SubscriptionTable::open(site.database.clone()).await;
    let table = table.expect("tables");
    let row = table.find("warehouse").await.expect("rows").expect("a row");
    assert!(table.take(&row, "stranger").await.expect("taken"));
    // It is a stranger that is not alive, so that this process takes it back.
    let row = eventually(async || {
        let row = table.find("warehouse").await.expect("rows").expect("a row");
        (row.owner != "stranger").then_some(row)
    })
    .await;
    assert!(
        !table
            .save(&row.progress, row.epoch - 1)
            .await
            .expect("asked")
    );
    site.write("loyal", [2]).await;
    assert_eq!(told(&receiver, 2).await, [1, 2]);
}

#[tokio::test]
async fn postgres_keeps_progress_as_sqlite_does() {
    let server = PostgresServer::start().expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url().parse().expect("a URL");
    let site = Site::at(&url, folder).await;
    let receiver = Receiver::start(says(http::StatusCode::BAD_GATEWAY)).await;
    let process = site.process().await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [1]).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    process.die().await;
    let next = site.process().await;
    receiver.answer(takes());
    next.resume("r", "warehouse", None).await.expect("resumed");
    let both = posts(&receiver, 2).await;
    assert_eq!(both[0], both[1]);
    next.status("warehouse", |it| it.lag == 0).await;
    let start = Some(From::Start(true));
    next.resume("s", "warehouse", start).await.expect("resumed");
    assert_eq!(told(&receiver, 3).await, [1, 1, 1]);
    next.delete("warehouse").await;
    eventually(async || owners(&site).await.is_empty().then_some(())).await;
    next.shut_down().await;
}
