//! Subscriptions of whole installations, with receivers on this machine.

mod addresses;
mod batches;
mod failures;
mod orders;
mod processes;
mod site;

use proto::gateway::v1::SubscriptionState;
use testkit::{Answer, Receiver};

use self::site::{Process, Site, eventually, position_of, posts, subscription, told};
use super::*;

/// Starts a process whose only subscription, `warehouse`, posts to a receiver that answers so.
async fn warehouse(answer: Answer) -> (Site, Receiver, Process) {
    let (site, receiver) = (Site::new().await, Receiver::start(answer).await);
    let process = site.process().await;
    process.define(subscription("warehouse", &receiver)).await;
    (site, receiver, process)
}

/// Takes everything.
const fn takes() -> Answer {
    Answer::Fixed(http::StatusCode::OK, None, "")
}

/// Answers with a status.
const fn says(status: http::StatusCode) -> Answer {
    Answer::Fixed(status, None, "")
}
