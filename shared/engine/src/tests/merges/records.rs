//! Customers by numbers, and what is told of them.

use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, Event, Fact, Record, record::Body};

use super::super::driver;
use crate::head::id_bytes;

/// The customer of a number; smaller ones are older.
pub(super) fn customer(number: u16) -> CustomerId {
    CustomerId::try_from_bytes(&u128::from(number).to_be_bytes()).expect("an id")
}

/// The number of a customer.
pub(super) fn number(customer: CustomerId) -> u16 {
    u16::try_from(customer.uuid().as_u128()).expect("a small id")
}

/// An event: see [`Ledger`].
pub(super) fn event(who: u16, id: &str, what: &str, time_ms: i64) -> Record {
    Record {
        customer_id: id_bytes(customer(who)),
        ..driver::event(0, id, what, time_ms)
    }
}

/// A record of a service's input that adds a name to what it has seen.
pub(super) fn record(service: usize, who: u16, name: &str, time_ms: i64) -> Record {
    if service == 0 {
        return event(who, name, "add", time_ms);
    }
    let event = Event {
        name: name.to_owned(),
        ..Event::default()
    };
    Record {
        customer_id: id_bytes(customer(who)),
        time_ms,
        trace_parent: String::new(),
        body: Some(Body::Fact(Fact {
            event: Some(event),
            ..Fact::default()
        })),
        ..Record::default()
    }
}

/// An event by which identity joined younger customers into its own.
pub(super) fn joins(who: u16, younger: &[u16], id: &str, time_ms: i64) -> Record {
    let mut record = event(who, id, "add", time_ms);
    if let Some(Body::Event(event)) = &mut record.body {
        let joined = younger.iter().flat_map(|it| *customer(*it).as_bytes());
        event.joined_ids = joined.collect::<Vec<u8>>().into();
    }
    record
}

/// An event by an identifier of a customer who was joined into its own.
pub(super) fn by_fragment(who: u16, fragment: u16, id: &str, time_ms: i64) -> Record {
    let mut record = event(who, id, "add", time_ms);
    if let Some(Body::Event(event)) = &mut record.body {
        event.fragment_id = id_bytes(customer(fragment));
    }
    record
}

/// The word that a customer was joined into another.
pub(super) fn merged(from: u16, into: u16, time_ms: i64) -> Record {
    Record {
        customer_id: id_bytes(customer(from)),
        time_ms,
        trace_parent: String::new(),
        body: Some(Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(customer(into)),
            ..CustomerMerged::default()
        })),
        ..Record::default()
    }
}
