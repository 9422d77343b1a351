//! Takes what somebody says of one account: an event of that account alone, with as many
//! identifiers as it has.

use hot::StreamName;
use kernel::Timestamp;
use prost_types::Struct;
use proto::identity::v1;

use super::Intake;
use super::accepted::Accepted;
use crate::event::prepare_account;
use crate::rejected::Rejected;
use crate::resolve::ResolveError;
use crate::sources::{Replays, Source};

/// The name of the event.
const EVENT_NAME: &str = "account";

impl Intake {
    /// Finds or makes an account by identifiers, joins accounts that have any of them as events
    /// join customers, and tells its traits. The account is that of the only group of the only
    /// event.
    ///
    /// # Errors
    /// As [`crate::resolve::Resolver::resolve`]. What is wrong with the identifiers or the traits
    /// is among the refused events, by the fields `identifiers` and `traits`.
    pub(crate) async fn accept_account(
        &self,
        identifiers: Vec<v1::Identifier>,
        traits: Option<Struct>,
        source: Source<'_>,
    ) -> Result<Accepted, ResolveError> {
        // The type of a group may be that of another process, as of events of accounts alone.
        let groups = identifiers
            .iter()
            .map(|it| (it.namespace.clone(), String::new()));
        let event = v1::Event {
            groups: groups.collect(),
            ..v1::Event::default()
        };
        let rules = self.namespaces_for(std::slice::from_ref(&event)).await;
        let now = self.clock.read().now;
        let mut rejected = Rejected::default();
        let prepared = prepare_account((EVENT_NAME, now), identifiers, traits.as_ref(), &rules);
        let prepared = match prepared {
            Ok(prepared) => vec![prepared],
            Err(violations) => {
                rejected.push(0, violations);
                Vec::new()
            }
        };
        let none = Replays {
            count: 0,
            accept_time: Timestamp::MIN,
        };
        let accepted = Accepted::none(self.lane(StreamName::Events), rejected, none);
        self.resolve_prepared(prepared, source, &rules, accepted)
            .await
    }
}
