//! Stretches of a source: events of one message that a stream may tell by one mark.
//!
//! A stream knows the highest sequence that it has of a name. Of a message that was taken in part
//! that tells what is there only if whatever comes for the stream now came for it at the first try
//! too. A merge in between moves events to another stream, whose mark may be past them already.
//!
//! 1. A fragment that was never joined into another customer is the customer, as it was at every
//!    earlier try. Its events are told by the mark of the source itself.
//! 2. All others are told by a name that has their fragment and the sequence at which its events
//!    begin to be of this customer in the message. If a merge moved one of them since, they begin
//!    elsewhere and have another name, so that none is lost. Those that the stream had are told by
//!    the ids of events then.

use std::collections::HashMap;
use std::sync::Arc;

use identity_core::Resolution;
use kernel::{CustomerId, FragmentId};

/// The stretches of one message.
#[derive(Debug, Default)]
pub(crate) struct Stretches {
    /// The customer of each fragment as of its last event, with the name of that stretch.
    open: HashMap<FragmentId, (CustomerId, Option<Arc<str>>)>,
}

impl Stretches {
    /// Takes the next event of the message. Returns the name of its stretch, or `None` where the
    /// mark of the source tells it.
    pub(crate) fn pass(&mut self, resolution: &Resolution, sequence: u64) -> Option<Arc<str>> {
        let (fragment, customer) = (resolution.fragment, resolution.customer);
        if let Some((last, name)) = self.open.get(&fragment)
            && *last == customer
        {
            return name.clone();
        }
        let is_joined = fragment != customer.fragment();
        let name = is_joined.then(|| format!("{fragment}/{sequence}").into());
        self.open.insert(fragment, (customer, name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Names the stretches of events, each given as its fragment and its customer.
    fn names(events: &[(u128, u128)]) -> Vec<Option<String>> {
        let mut stretches = Stretches::default();
        let events = events.iter().zip(1..);
        let names = events.map(|((fragment, customer), sequence)| {
            let resolution = Resolution {
                customer: CustomerId::new(Uuid::from_u128(*customer)),
                fragment: FragmentId::new(Uuid::from_u128(*fragment)),
                is_new: false,
                merged: Vec::new(),
                evidence: Vec::new(),
                dropped: Vec::new(),
                moved: Vec::new(),
                is_refused: false,
            };
            let name = stretches.pass(&resolution, sequence)?;
            Some(name.rsplit('/').next()?.to_owned())
        });
        names.collect()
    }

    #[test]
    fn a_stretch_ends_where_its_customer_changes() {
        for (events, expected) in [
            (&[][..], &[][..]),
            // Nobody was joined into another.
            (&[(1, 1), (2, 2), (1, 1)], &[None, None, None]),
            // One was before.
            (&[(2, 1), (1, 1), (2, 1)], &[Some("1"), None, Some("1")]),
            // One is by an event of the message, and then its customer is.
            (
                &[(2, 2), (2, 1), (3, 1), (2, 1), (2, 0)],
                &[None, Some("2"), Some("3"), Some("2"), Some("5")],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|it| it.map(str::to_owned)).collect();
            assert_eq!(names(events), expected, "{events:?}");
        }
    }
}
