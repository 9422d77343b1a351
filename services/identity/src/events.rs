//! Lists events of the event log, as `ListEvents` answers.
//!
//! The log knows customers by the ids that they had; this module asks for all fragments of the
//! customer, so that events from before merges are found.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use ::rpc::{ErrorReason, Failure, PageRequest, Violation};
use journal::{EventLog, EventPage, EventPlace, EventQuery, EventsBy, LogError, LoggedEvent};
use kernel::{CustomerId, FragmentId, PartitionId, Timestamp};
use proto::convert;
use proto::identity::v1;
use proto::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use proto::json::object_text;
use proto::stream::v1 as stream;

use crate::ingest::Intake;
use crate::limits::PAGE_SIZE;

impl Intake {
    /// A page of events.
    pub(crate) async fn events(
        &self,
        log: Option<&EventLog>,
        request: v1::ListEventsRequest,
    ) -> Result<v1::ListEventsResponse, Failure> {
        let (from, to) = times(&request)?;
        let page = PageRequest::read(
            &[
                "ListEvents",
                &format!("{:?}", request.by),
                &from.as_millis().to_string(),
                &to.as_millis().to_string(),
                // Rows are elsewhere where it was changed.
                &self.partitions.get().to_string(),
            ],
            request.page_size,
            &request.page_token,
            PAGE_SIZE,
        )?;
        let after = page.after().and_then(EventPlace::try_from_bytes);
        let (by, own) = self.whose(request.by).await?;
        let Some(log) = log else {
            return Err(Failure::new(
                ErrorReason::EventLogAbsent,
                "this deployment keeps no event log",
            ));
        };
        let query = EventQuery {
            by,
            from,
            to,
            is_on_stream_time: self.clock.is_virtual(),
        };
        let is_of_one = matches!(query.by, EventsBy::Customers(_));
        let mut found =
            log.read(&query, after, page.size())
                .await
                .map_err(|error| match error {
                    LogError::Damaged(_) => Failure::internal(error),
                    _ => Failure::store_unavailable(error),
                })?;
        if !is_of_one {
            self.put_back(&mut found).await?;
        }
        if let Some(own) = own {
            found
                .events
                .retain(|logged| own.contains(&fragment_of(logged)));
        }
        audit::subjects(found.events.iter().map(|logged| logged.customer));
        Ok(v1::ListEventsResponse {
            events: found.events.into_iter().map(message).collect(),
            next_page_token: found
                .next
                .map(|place| page.token(&place.to_bytes()))
                .unwrap_or_default(),
        })
    }

    /// Puts back the repetitions of a page of a partition whose customers have had other ids: what
    /// they repeat may itself have repeated an event of another one, and then it did not count.
    async fn put_back(&self, page: &mut EventPage) -> Result<(), Failure> {
        let fragments: HashSet<FragmentId> = page
            .left_out
            .iter()
            .map(|logged| logged.customer.fragment())
            .collect();
        if fragments.is_empty() {
            return Ok(());
        }
        let fragments: Vec<FragmentId> = fragments.into_iter().collect();
        let roots = self.store.find_roots(&fragments).await;
        let (roots, found) = roots.map_err(Failure::store_unavailable)?;
        let alone = roots.into_iter().flatten().filter(|root| {
            let view = found.customers.get(root).map(|(view, _)| view);
            view.is_some_and(|view| view.fragment_count == 1)
        });
        let alone: HashSet<CustomerId> = alone.collect();
        let others = page.left_out.drain(..);
        let others = others.filter(|logged| !alone.contains(&logged.customer));
        page.events.extend(others);
        page.events
            .sort_by_key(|logged| (logged.time, logged.accept_time));
        Ok(())
    }

    /// Returns the ids by which the log knows whose events are wanted; and the fragments that these
    /// are of, where the ids had others too, since a customer was taken apart.
    async fn whose(
        &self,
        by: Option<v1::list_events_request::By>,
    ) -> Result<(EventsBy, Option<HashSet<FragmentId>>), Failure> {
        use v1::get_customer_request::Key;
        use v1::list_events_request::By;
        let key = match by {
            Some(By::Partition(number)) => return Ok((self.partition(number)?, None)),
            Some(By::CustomerId(id)) => Some(Key::CustomerId(id)),
            Some(By::Identifier(identifier)) => Some(Key::Identifier(identifier)),
            None => None,
        };
        let customer = self.subject_of(key).await?;
        audit::subject(customer.id);
        let from = self.store.split_off_from(&customer.fragments).await;
        let from = from.map_err(Failure::store_unavailable)?;
        let is_parted = from.is_some();
        let own: HashSet<FragmentId> = customer.fragments.into_iter().collect();
        let ids = own.iter().map(|it| CustomerId::from(*it));
        let mut ids: Vec<CustomerId> = ids.chain(from.into_iter().flatten()).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok((EventsBy::Customers(ids), is_parted.then_some(own)))
    }

    fn partition(&self, number: u32) -> Result<EventsBy, Failure> {
        let count = self.partitions.get();
        match u16::try_from(number) {
            Ok(number) if number < count => Ok(EventsBy::Partition(PartitionId::new(number))),
            _ => {
                let last = count - 1;
                let description = format!("must be 0 to {last}: there are {count} partitions");
                Err(Failure::invalid([Violation::new("partition", description)]))
            }
        }
    }
}

/// The fragment of an event; its customer where it names none.
fn fragment_of(logged: &LoggedEvent) -> FragmentId {
    FragmentId::try_from_bytes(&logged.event.fragment_id)
        .unwrap_or_else(|_| logged.customer.fragment())
}

/// The range of time of a request.
fn times(request: &v1::ListEventsRequest) -> Result<(Timestamp, Timestamp), Failure> {
    let read = |field, time: &Option<prost_types::Timestamp>, absent| {
        let Some(time) = time else {
            return Ok(absent);
        };
        if convert::is_instant(time) {
            return Ok(convert::instant(time));
        }
        let violation = Violation::new(field, convert::NO_INSTANT);
        Err(Failure::invalid([violation]))
    };
    let from = read("start_time", &request.start_time, Timestamp::MIN)?;
    let to = read("end_time", &request.end_time, Timestamp::MAX)?;
    if from < to {
        return Ok((from, to));
    }
    let description = format!("is {to}: must be after start_time, {from}");
    Err(Failure::invalid([Violation::new("end_time", description)]))
}

fn message(logged: LoggedEvent) -> v1::LoggedEvent {
    let event = logged.event;
    let lane = if logged.is_bulk {
        v1::Lane::Bulk
    } else {
        v1::Lane::Live
    };
    let evidence = event.identifiers.iter();
    let evidence = evidence
        .map(|it| evidence_of(it, &event.fragment_id))
        .collect();
    let (identifiers, other_identifiers) = identifiers(event.identifiers);
    let groups = event.groups.into_iter();
    v1::LoggedEvent {
        customer_id: logged.customer.to_string(),
        evidence,
        merged_customer_ids: event.joined_ids.chunks(16).map(id_text).collect(),
        accept_time: Some(convert::timestamp(logged.accept_time)),
        sender_time: event.sender_time_ms.map(time_of),
        member_id: id_text(&event.member_id),
        event: Some(v1::Event {
            properties_form: some(
                object_text(&event.properties),
                PropertiesForm::PropertiesJson,
            ),
            traits_form: some(object_text(&event.traits), TraitsForm::TraitsJson),
            context_form: some(event.context_json, ContextForm::ContextJson),
            event_id: event.event_id,
            name: event.name,
            time: Some(convert::timestamp(logged.time)),
            identifiers,
            other_identifiers,
            groups: groups.map(|group| (group.r#type, group.key)).collect(),
            sequence: 0,
            sent_time: event.sent_time_ms.map(time_of),
            is_alias: false,
            group_traits: HashMap::new(),
        }),
        lane: lane.into(),
    }
}

/// Returns the identifiers of an event as it was sent: one of each namespace, and the others.
fn identifiers(all: Vec<stream::Identifier>) -> (HashMap<String, String>, Vec<v1::Identifier>) {
    let (mut first, mut others) = (HashMap::with_capacity(all.len()), Vec::new());
    for stream::Identifier {
        namespace, value, ..
    } in all
    {
        match first.entry(namespace) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(entry) => others.push(v1::Identifier {
                namespace: entry.key().clone(),
                value,
            }),
        }
    }
    (first, others)
}

fn time_of(millis: i64) -> prost_types::Timestamp {
    convert::timestamp(Timestamp::from_millis(millis))
}

/// Returns an id as clients write it; empty for what is none.
fn id_text(bytes: &[u8]) -> String {
    let id = CustomerId::try_from_bytes(bytes);
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// Returns how an identifier named the customer of an event of this fragment.
fn evidence_of(identifier: &stream::Identifier, own: &[u8]) -> v1::Evidence {
    let fragment = match identifier.fragment_id.as_ref() {
        [] => own,
        other => other,
    };
    v1::Evidence {
        identifier: Some(v1::Identifier {
            namespace: identifier.namespace.clone(),
            value: identifier.value.clone(),
        }),
        fragment_id: id_text(fragment),
        attached: identifier.is_attached,
    }
}

/// Returns the form of a text; absent where there is none.
fn some<F>(text: String, form: fn(String) -> F) -> Option<F> {
    (!text.is_empty()).then(|| form(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_time_has_a_length() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let odd = Some(prost_types::Timestamp {
            seconds: 5,
            nanos: -5,
        });
        for (start_time, end_time, is_valid) in [
            (None, None, true),
            (at(1), None, true),
            (None, at(1), true),
            (at(1), at(2), true),
            (at(2), at(2), false),
            (at(3), at(2), false),
            (at(i64::MIN), at(2), false),
            (None, at(i64::MAX), false),
            (None, odd, false),
        ] {
            let request = v1::ListEventsRequest {
                start_time,
                end_time,
                ..Default::default()
            };
            assert_eq!(times(&request).is_ok(), is_valid, "{request:?}");
        }
    }
}
