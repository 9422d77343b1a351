//! The metrics of accounts, of who became a member of them, and of groups of events that name none.

use identity_core::Resolution;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

use super::{IngestMetrics, REASONS};
use crate::store::MembershipSource;

/// Those who say that a customer belongs to an account.
const SOURCES: [MembershipSource; 3] = [
    MembershipSource::Call,
    MembershipSource::Event,
    MembershipSource::Domain,
];

/// The metrics of accounts.
#[derive(Debug)]
pub(super) struct AccountMetrics {
    made: Counter<u64>,
    memberships: Counter<u64>,
    memberships_left_out: Counter<u64>,
    groups_left_out: Counter<u64>,
}

impl AccountMetrics {
    pub(super) fn new(meter: &Meter) -> Self {
        let own = Self {
            made: meter
                .u64_counter("happypath.identity.accounts")
                .with_unit("{account}")
                .with_description("Accounts seen for the first time")
                .build(),
            memberships: meter
                .u64_counter("happypath.identity.memberships")
                .with_unit("{membership}")
                .with_description("Memberships of customers in accounts that began, by who said so: call, event, domain")
                .build(),
            memberships_left_out: meter
                .u64_counter("happypath.identity.memberships.left_out")
                .with_unit("{membership}")
                .with_description("Memberships that events said and that were not written, since the customer or the account has as many as may be")
                .build(),
            groups_left_out: meter
                .u64_counter("happypath.identity.groups.left_out")
                .with_unit("{group}")
                .with_description("Groups of events whose keys were left out, by reason")
                .build(),
        };
        // From zero on, so that the first that a counter counts is seen as one more.
        own.made.add(0, &[]);
        own.memberships_left_out.add(0, &[]);
        for by in SOURCES {
            own.memberships.add(0, &[source(by)]);
        }
        for reason in REASONS {
            let reason = KeyValue::new("reason", reason.code());
            own.groups_left_out.add(0, &[reason]);
        }
        own
    }
}

impl IngestMetrics {
    /// Accounts were seen for the first time.
    pub(crate) fn accounts_made(&self, count: usize) {
        if count > 0 {
            self.accounts.made.add(count as u64, &[]);
        }
    }

    /// Memberships began.
    pub(crate) fn memberships_begun(&self, by: MembershipSource, count: usize) {
        if count > 0 {
            self.accounts.memberships.add(count as u64, &[source(by)]);
        }
    }

    /// Memberships were beyond a limit.
    pub(crate) fn memberships_left_out(&self, count: usize) {
        if count > 0 {
            self.accounts.memberships_left_out.add(count as u64, &[]);
        }
    }

    /// A group of an event was resolved, or its key was left out.
    pub(crate) fn resolved_group(&self, resolution: &Resolution) {
        for dropped in &resolution.dropped {
            let reason = KeyValue::new("reason", dropped.reason.code());
            self.accounts.groups_left_out.add(1, &[reason]);
        }
    }
}

fn source(by: MembershipSource) -> KeyValue {
    let word = match by {
        MembershipSource::Call => "call",
        MembershipSource::Event => "event",
        MembershipSource::Domain => "domain",
    };
    KeyValue::new("source", word)
}
