//! Writes what the core knows as answers.

use kernel::{CustomerId, Reason};
use proto::convert;
use proto::segmentation::v1 as api;
use segmentation_core::{Explanation, State};

use crate::limits;

/// The profile of a customer or an account.
pub(crate) fn profile(customer: CustomerId, state: &State) -> api::Profile {
    let memberships = state
        .memberships()
        .iter()
        .map(|membership| api::Membership {
            segment: membership.segment.to_string(),
            enter_time: Some(convert::timestamp(membership.enter_time)),
        });
    let totals = state.event_totals().iter();
    let events = totals.map(|total| api::EventSummary {
        name: total.name.to_string(),
        count: total.count,
        last_time: Some(convert::timestamp(total.last_time)),
    });
    let recent = state.recent().map(|event| api::RecentEvent {
        event_id: event.event_id.to_string(),
        name: event.name.to_string(),
        time: Some(convert::timestamp(event.time)),
        properties: Some(convert::struct_of(&event.properties)),
    });
    let left_out = state
        .left_out_traits()
        .map(|(name, time)| api::LeftOutTrait {
            name: name.to_owned(),
            reason: Reason::TraitLimit.code().to_owned(),
            set_time: Some(convert::timestamp(time)),
        });
    api::Profile {
        customer_id: customer.to_string(),
        traits: Some(convert::struct_of(&state.traits())),
        memberships: memberships.collect(),
        events: events.collect(),
        recent_events: recent.collect(),
        first_seen_time: state.first_seen().map(convert::timestamp),
        last_seen_time: state.last_seen().map(convert::timestamp),
        left_out_traits: left_out.collect(),
        member_count: state.member_count(),
    }
}

/// Returns why a customer is in a segment, or not.
pub(crate) fn explanation(explanation: Explanation) -> api::SegmentExplanation {
    let term = |term: expr::Term| api::Term {
        text: term.text,
        value: shown(term.value),
    };
    api::SegmentExplanation {
        segment: explanation.segment,
        expression: explanation.expression,
        holds: explanation.holds,
        terms: explanation.terms.into_iter().map(term).collect(),
        next_change_time: explanation.next_change.map(convert::timestamp),
    }
}

/// Returns a value as explanations show it: the beginning of one that is long.
fn shown(mut value: String) -> String {
    if let Some((end, _)) = value.char_indices().nth(limits::SHOWN_VALUE_CHARS) {
        value.truncate(end);
        value.push('…');
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let fits = "é".repeat(limits::SHOWN_VALUE_CHARS);
        assert_eq!(shown(fits.clone()), fits);
        assert_eq!(shown(format!("{fits}a")), format!("{fits}…"));
    }
}
