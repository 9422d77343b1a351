//! Orders about subscriptions.

use proto::gateway::v1::resume_subscription_request::From;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;

fn reason_of(status: &tonic::Status) -> (Code, String) {
    let details = status.get_error_details();
    let info = details.error_info().expect("a reason");
    (status.code(), info.reason.clone())
}

#[tokio::test]
async fn a_subscription_goes_on_from_any_position_that_is_kept() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    site.write("loyal", [1]).await;
    let process = site.process().await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [2]).await;
    assert_eq!(told(&receiver, 1).await, [2]);
    let behind_two = process.status("warehouse", |it| it.lag == 0).await.position;
    let start = Some(From::Start(true));
    let resumed = process.resume("start", "warehouse", start).await;
    let resumed = resumed.expect("resumed").subscription.expect("a status");
    assert_eq!(resumed.state(), SubscriptionState::Active);
    assert_eq!(told(&receiver, 3).await, [2, 1, 2]);
    process.status("warehouse", |it| it.lag == 0).await;
    site.write("loyal", [3]).await;
    assert_eq!(told(&receiver, 4).await, [2, 1, 2, 3]);
    let position = Some(From::Position(behind_two));
    process
        .resume("position", "warehouse", position)
        .await
        .expect("resumed");
    assert_eq!(told(&receiver, 5).await, [2, 1, 2, 3, 3]);
    // The change that is there is left out.
    receiver.answer(says(http::StatusCode::BAD_GATEWAY));
    site.write("loyal", [4]).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    receiver.answer(takes());
    let now = Some(From::Now(true));
    process
        .resume("now", "warehouse", now)
        .await
        .expect("resumed");
    site.write("loyal", [5]).await;
    assert_eq!(told(&receiver, 7).await, [2, 1, 2, 3, 3, 4, 5]);
    let posts = posts(&receiver, 6).await;
    let ids: std::collections::BTreeSet<_> = posts.iter().map(|it| &it.id).collect();
    assert_eq!(
        ids.len(),
        6,
        "a receiver that knows ids takes what comes again"
    );
}

#[tokio::test]
async fn an_order_is_taken_once_for_each_request_id() {
    let (site, receiver, process) = warehouse(takes()).await;
    site.write("loyal", [1]).await;
    told(&receiver, 1).await;
    let start = || Some(From::Start(true));
    let first = process.resume("once", "warehouse", start()).await;
    assert_eq!(told(&receiver, 2).await, [1, 1]);
    process.status("warehouse", |it| it.lag == 0).await;
    let again = process.resume("once", "warehouse", start()).await;
    assert_eq!(first.expect("resumed"), again.expect("the first answer"));
    let other = process.resume("once", "warehouse", None).await;
    let other = other.expect_err("another body");
    assert_eq!(reason_of(&other).1, "REQUEST_ID_REUSED");
    site.write("loyal", [2]).await;
    assert_eq!(told(&receiver, 3).await, [1, 1, 2]);
}

#[tokio::test]
async fn wrong_orders_are_refused_and_change_nothing() {
    let (site, _receiver, process) = warehouse(takes()).await;
    site.write("loyal", [1]).await;
    let status = process.status("warehouse", |it| {
        it.lag == 0 && it.last_success_time.is_some()
    });
    let status = status.await;
    let here = position_of(&status);
    let other = ::changes::Position {
        log: here.log + 1,
        ..here
    };
    let newer = ::changes::Position {
        row: here.row + 9,
        ..here
    };
    for (name, from, code, reason) in [
        ("nobody", None, Code::NotFound, "SUBSCRIPTION_NOT_FOUND"),
        (
            "warehouse",
            Some(From::Position("nonsense".to_owned())),
            Code::InvalidArgument,
            "POSITION_INVALID",
        ),
        (
            "warehouse",
            Some(From::Position(other.to_string())),
            Code::InvalidArgument,
            "POSITION_INVALID",
        ),
        (
            "warehouse",
            Some(From::Position(newer.to_string())),
            Code::OutOfRange,
            "CHANGES_OUT_OF_RANGE",
        ),
        ("Not A Name", None, Code::InvalidArgument, "INVALID_REQUEST"),
        (
            "warehouse",
            Some(From::Start(false)),
            Code::InvalidArgument,
            "INVALID_REQUEST",
        ),
    ] {
        let refused = process
            .resume(&format!("{name} {reason}"), name, from)
            .await;
        let refused = refused.expect_err(reason);
        assert_eq!(reason_of(&refused), (code, reason.to_owned()));
    }
    assert_eq!(process.list().await, [status]);
}

#[tokio::test]
async fn what_is_no_more_in_the_log_is_told_and_not_skipped() {
    let site = Site::new().await;
    let receiver = Receiver::start(says(http::StatusCode::BAD_GATEWAY)).await;
    let process = site.process().await;
    process.define(subscription("warehouse", &receiver)).await;
    site.write("loyal", [1]).await;
    process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    let far = access::now() + kernel::Duration::from_days(1);
    assert_eq!(site.log.prune(far).await.expect("pruned"), 1);
    site.write("loyal", [2]).await;
    receiver.answer(takes());
    process
        .resume("none", "warehouse", None)
        .await
        .expect("it is not known yet");
    let lost = process
        .in_state("warehouse", SubscriptionState::OutOfRange)
        .await;
    assert!(
        lost.last_error.contains("older than what is kept"),
        "{lost:?}"
    );
    let refused = process.resume("again", "warehouse", None).await;
    let refused = refused.expect_err("out of range");
    assert_eq!(reason_of(&refused).1, "CHANGES_OUT_OF_RANGE");
    assert_eq!(receiver.requests().len(), 1);
    let start = Some(From::Start(true));
    process
        .resume("start", "warehouse", start)
        .await
        .expect("resumed");
    assert_eq!(told(&receiver, 2).await, [1, 2]);
}

#[tokio::test]
async fn subscriptions_are_listed_by_name_in_pages() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    for name in ["crm", "cache", "warehouse"] {
        process.define(subscription(name, &receiver)).await;
    }
    let mut names = Vec::new();
    let mut request = proto::gateway::v1::ListSubscriptionsRequest {
        page_size: 2,
        ..Default::default()
    };
    loop {
        let page = process.orders.list(&request).await.expect("a page");
        names.push(
            page.subscriptions
                .into_iter()
                .map(|it| it.name)
                .collect::<Vec<_>>(),
        );
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, [vec!["cache", "crm"], vec!["warehouse"]]);
}
