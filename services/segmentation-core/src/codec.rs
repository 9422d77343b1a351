//! States as the hot store keeps them.

use std::sync::Arc;

use bytes::Bytes;
use decision::Poison;
use kernel::{Timestamp, Value};
use messages::convert;
use messages::segmentation::state_v1 as stored;
use prost::Message;

use crate::past::{Column, Folded, Past, Sums};
use crate::profile::{Trait, Traits};
use crate::state::{Membership, RecentEvent, State};

/// Writes a state.
pub(crate) fn encode(state: &State) -> Bytes {
    let message = stored::State {
        traits: state.traits.0.iter().map(write_trait).collect(),
        pasts: state.pasts.iter().map(|past| write_past(past)).collect(),
        memberships: state.memberships.iter().map(write_membership).collect(),
        due_segments: state.dues.iter().map(|(segment, _)| *segment).collect(),
        due_times_ms: state.dues.iter().map(|(_, due)| due.as_millis()).collect(),
        recent_events: state
            .recent
            .iter()
            .map(|event| write_recent(event))
            .collect(),
        event_id_hashes: state.event_ids.iter().copied().collect(),
        first_seen_time_ms: state.first_seen.map(Timestamp::as_millis),
        last_seen_time_ms: state.last_seen.map(Timestamp::as_millis),
        definitions_fingerprint: state.fingerprint,
        clock_time_ms: state.clock.map(Timestamp::as_millis),
    };
    message.encode_to_vec().into()
}

/// Reads a state.
pub(crate) fn decode(bytes: &[u8]) -> Result<State, Poison> {
    let message = stored::State::decode(bytes)
        .map_err(|error| Poison::new(format!("the state cannot be read: {error}")))?;
    let dues = message.due_segments.into_iter().zip(message.due_times_ms);
    Ok(State {
        traits: Arc::new(Traits(
            message.traits.into_iter().filter_map(read_trait).collect(),
        )),
        pasts: message
            .pasts
            .into_iter()
            .map(|past| Arc::new(read_past(past)))
            .collect(),
        memberships: message
            .memberships
            .into_iter()
            .map(read_membership)
            .collect(),
        dues: dues
            .map(|(segment, due)| (segment, Timestamp::from_millis(due)))
            .collect(),
        recent: message
            .recent_events
            .into_iter()
            .map(|event| Arc::new(read_recent(event)))
            .collect(),
        event_ids: message.event_id_hashes.into(),
        first_seen: message.first_seen_time_ms.map(Timestamp::from_millis),
        last_seen: message.last_seen_time_ms.map(Timestamp::from_millis),
        fingerprint: message.definitions_fingerprint,
        clock: message.clock_time_ms.map(Timestamp::from_millis),
    })
}

fn write_trait(own: &Trait) -> stored::Trait {
    stored::Trait {
        name: own.name.to_string(),
        value: Some(convert::stream_value(&own.value)),
        set_time_ms: own.set_time.as_millis(),
    }
}

fn read_trait(message: stored::Trait) -> Option<Trait> {
    Some(Trait {
        value: convert::value(message.value.as_ref()?)?,
        name: message.name.into(),
        set_time: Timestamp::from_millis(message.set_time_ms),
    })
}

fn write_past(past: &Past) -> stored::Past {
    let mut last = 0;
    let time_steps_ms = past.times.iter().map(|at| {
        let step = at.as_millis().wrapping_sub(last);
        last = at.as_millis();
        step
    });
    stored::Past {
        name: past.name.to_string(),
        count: past.count,
        first_time_ms: past.first_time.as_millis(),
        last_time_ms: past.last_time.as_millis(),
        time_steps_ms: time_steps_ms.collect(),
        columns: past.columns.iter().map(write_column).collect(),
        folded: past.folded.iter().map(write_folded).collect(),
    }
}

fn read_past(message: stored::Past) -> Past {
    let mut last: i64 = 0;
    let times: Vec<Timestamp> = message
        .time_steps_ms
        .into_iter()
        .map(|step| {
            last = last.wrapping_add(step);
            Timestamp::from_millis(last)
        })
        .collect();
    let rows = times.len();
    Past {
        name: message.name.into(),
        count: message.count,
        first_time: Timestamp::from_millis(message.first_time_ms),
        last_time: Timestamp::from_millis(message.last_time_ms),
        times,
        columns: message
            .columns
            .into_iter()
            .map(|column| read_column(column, rows))
            .collect(),
        folded: message.folded.into_iter().map(read_folded).collect(),
    }
}

fn write_column(column: &Column) -> stored::Column {
    let is_number = |value: &Option<Value>| matches!(value, Some(Value::Number(_)));
    let number = |value: &Option<Value>| {
        value
            .as_ref()
            .and_then(Value::as_number)
            .unwrap_or(f64::NAN)
    };
    let others = column
        .values
        .iter()
        .enumerate()
        .filter_map(|(row, value)| match value {
            None | Some(Value::Number(_)) => None,
            Some(other) => Some(stored::Cell {
                row: u32::try_from(row).ok()?,
                value: Some(convert::stream_value(other)),
            }),
        });
    stored::Column {
        name: column.name.to_string(),
        numbers: if column.values.iter().any(is_number) {
            column.values.iter().map(number).collect()
        } else {
            Vec::new()
        },
        others: others.collect(),
    }
}

fn read_column(message: stored::Column, rows: usize) -> Column {
    let number = |number: f64| (!number.is_nan()).then_some(Value::Number(number));
    let mut values: Vec<Option<Value>> = message.numbers.into_iter().map(number).collect();
    values.resize(rows, None);
    for cell in message.others {
        let row = usize::try_from(cell.row).unwrap_or(usize::MAX);
        if let Some(place) = values.get_mut(row) {
            *place = cell.value.as_ref().and_then(convert::value);
        }
    }
    Column {
        name: message.name.into(),
        values,
    }
}

fn write_folded(folded: &Folded) -> stored::Folded {
    let sums = &folded.sums;
    stored::Folded {
        filter: folded.filter.to_string(),
        property: folded.property.to_string(),
        count: sums.count,
        number_count: sums.number_count,
        sum: sums.sum,
        min: sums.min,
        max: sums.max,
        first_time_ms: sums.first.as_millis(),
        last_time_ms: sums.last.as_millis(),
    }
}

fn read_folded(message: stored::Folded) -> Folded {
    Folded {
        filter: message.filter.into(),
        property: message.property.into(),
        sums: Sums {
            count: message.count,
            number_count: message.number_count,
            sum: message.sum,
            min: message.min,
            max: message.max,
            first: Timestamp::from_millis(message.first_time_ms),
            last: Timestamp::from_millis(message.last_time_ms),
        },
    }
}

fn write_membership(membership: &Membership) -> stored::Membership {
    stored::Membership {
        segment: membership.segment.to_string(),
        version: membership.version,
        enter_time_ms: membership.enter_time.as_millis(),
    }
}

fn read_membership(message: stored::Membership) -> Membership {
    Membership {
        segment: message.segment.into(),
        version: message.version,
        enter_time: Timestamp::from_millis(message.enter_time_ms),
    }
}

fn write_recent(event: &RecentEvent) -> stored::RecentEvent {
    stored::RecentEvent {
        event_id: event.event_id.to_string(),
        name: event.name.to_string(),
        time_ms: event.time.as_millis(),
        properties: convert::named_values(&event.properties),
    }
}

fn read_recent(message: stored::RecentEvent) -> RecentEvent {
    RecentEvent {
        properties: convert::properties(&message.properties),
        event_id: message.event_id.into(),
        name: message.name.into(),
        time: Timestamp::from_millis(message.time_ms),
    }
}
