//! Subscriptions of whole installations, with receivers on this machine.

mod addresses;
mod batches;
mod failures;
mod orders;
mod processes;
mod site;

use proto::gateway::v1::SubscriptionState;
use testkit::{Answer, Receiver};

use self::site::{Site, eventually, position_of, posts, subscription, told};
use super::*;

/// Takes everything.
const fn takes() -> Answer {
    Answer::Fixed(http::StatusCode::OK, None, "")
}

/// Answers with a status.
const fn says(status: http::StatusCode) -> Answer {
    Answer::Fixed(status, None, "")
}
