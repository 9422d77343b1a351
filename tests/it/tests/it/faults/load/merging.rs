//! A client that joins customers: somebody buys as a visitor, and as a user, and then proves to be
//! one person.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::identity::v1::{Event, MergeCustomersRequest};
use tonic::Request;

use super::replicas::Replicas;
use super::{ANSWER, Shared};

/// The pause between two merges: some happen within the life of any process.
const MERGE_PAUSE: Duration = Duration::from_millis(100);

impl Shared {
    /// Joins a visitor into each user in turn, with purchases of both under way. A visitor buys
    /// once, so that only users become buyers.
    pub(super) async fn join(self: Arc<Self>) {
        let mut replicas = self.replicas();
        while !self.is_stopped() {
            let sent = self.next();
            let (user, visitor) = (sent.user, format!("{}-{}", self.name, sent.order));
            let bought = self.event(&sent, 0);
            let bought = Event {
                identifiers: HashMap::from([("anonymous_id".to_owned(), visitor)]),
                ..bought
            };
            let visitor_id = self.send(&mut replicas, sent, bought).await;
            let sent = self.next_of(user);
            let bought = self.event(&sent, 0);
            let user_id = self.send(&mut replicas, sent, bought).await;
            let last = self.next_of(user);
            let name = last.order;
            let bought = self.event(&last, 0);
            let mut other = replicas.clone();
            tokio::join!(
                self.merge(&mut replicas, name, [visitor_id, user_id]),
                self.send(&mut other, last, bought),
            );
            tokio::time::sleep(MERGE_PAUSE).await;
        }
    }

    /// Joins two customers, and tries until that is acknowledged.
    async fn merge(&self, replicas: &mut Replicas, name: u32, customer_ids: [String; 2]) {
        let begun = Instant::now();
        if customer_ids[0] == customer_ids[1] {
            return;
        }
        for attempt in 0.. {
            let mut request = Request::new(MergeCustomersRequest {
                // Another name at each attempt: joining once more changes nothing.
                request_id: format!("{}-{name}-joined-{attempt}", self.name),
                customer_ids: customer_ids.to_vec(),
                reason: "a visitor logged in".to_owned(),
            });
            request.set_timeout(ANSWER);
            match replicas.current().merge_customers(request).await {
                Ok(_) => return,
                Err(status) => {
                    replicas.go_on();
                    self.refused(&status, begun).await;
                }
            }
        }
    }
}
