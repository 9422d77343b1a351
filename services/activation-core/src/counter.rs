//! The counters that change in the commit of what they count.
//!
//! Groups are `activation/<journey>`. Names of journeys and channels hold no slash. A group goes
//! when its journey is gone and nothing that it asked for is pending any more.

use kernel::{CounterKey, Reason};
use messages::activation::v1::ActivationStatus;

/// One counter: of activations that a journey asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter<'a> {
    /// The journey.
    pub journey: &'a str,
    /// The channel.
    pub channel: &'a str,
    /// The status.
    pub status: ActivationStatus,
    /// The reason.
    pub reason: Reason,
}

impl<'a> Counter<'a> {
    /// What the groups of all counters of activations begin with.
    pub const GROUPS: &'static str = "activation/";

    /// The group of what a journey asked for.
    pub fn group(journey: &str) -> String {
        [Self::GROUPS, journey].concat()
    }

    /// Names the counter in the store.
    pub fn key(&self) -> CounterKey {
        let (status, reason) = (word(self.status), self.reason.code());
        let name = [self.channel, "/", status, "/", reason].concat();
        CounterKey::new(Self::group(self.journey), name)
    }

    /// Returns whether it says how many are there now, and not how many ever were.
    pub(crate) fn counts_presence(&self) -> bool {
        self.status == ActivationStatus::Pending
    }

    /// Reads a counter back; none where it is not one of these, as a newer version may write.
    pub fn parse(key: &'a CounterKey) -> Option<Self> {
        let journey = key.group.strip_prefix(Self::GROUPS)?;
        let parts: Vec<&str> = key.name.split('/').collect();
        let [channel, status, reason] = *parts.as_slice() else {
            return None;
        };
        Some(Self {
            journey,
            channel,
            status: STATUSES.into_iter().find(|known| word(*known) == status)?,
            reason: Reason::from_code(reason)?,
        })
    }
}

const STATUSES: [ActivationStatus; 4] = [
    ActivationStatus::Pending,
    ActivationStatus::Delivered,
    ActivationStatus::Suppressed,
    ActivationStatus::Failed,
];

/// The word for a status, in counters.
const fn word(status: ActivationStatus) -> &'static str {
    match status {
        ActivationStatus::Unspecified => "unspecified",
        ActivationStatus::Pending => "pending",
        ActivationStatus::Delivered => "delivered",
        ActivationStatus::Suppressed => "suppressed",
        ActivationStatus::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_read_back_from_its_key() {
        for status in STATUSES {
            let counter = Counter {
                journey: "welcome",
                channel: "hook",
                status,
                reason: Reason::Holdout,
            };
            let key = counter.key();
            assert_eq!(Counter::parse(&key), Some(counter));
            assert_eq!(&*key.group, Counter::group("welcome"));
        }
        for (group, name) in [
            ("flow/a", "b/pending/HOLDOUT"),
            ("activation/a", "b/pending"),
            ("activation/a", "b/c/HOLDOUT"),
            ("activation/a", "b/pending/UNHEARD_OF"),
        ] {
            let key = CounterKey::new(group, name);
            assert_eq!(Counter::parse(&key), None, "{key}");
        }
    }
}
