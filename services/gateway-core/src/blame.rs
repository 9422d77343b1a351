//! From what identity says of an event to the words of its sender.

use crate::{Dialect, Fault, Reason};

/// Returns the fault of an event that identity refused, by the field of the contract that it names.
pub fn fault_of(dialect: Dialect, event: &str, field: &str, description: &str) -> Fault {
    let is_segment = dialect == Dialect::Segment;
    let pick = |segment: &'static str, posthog: &'static str| {
        if is_segment { segment } else { posthog }
    };
    let (head, rest) = match field.find(['.', '[']) {
        Some(place) => field.split_at(place),
        None => (field, ""),
    };
    let (reason, own) = match head {
        "" if description.contains("bytes") => (Reason::EventTooLarge, ""),
        "" => (Reason::Refused, ""),
        "event_id" => (Reason::MalformedEvent, pick("messageId", "uuid")),
        "name" => (Reason::MalformedEvent, "event"),
        "time" => (Reason::BadTime, "timestamp"),
        "sent_time" => (Reason::BadTime, pick("sentAt", "sent_at")),
        "identifiers" | "other_identifiers" => {
            return Fault::new(
                Reason::NoIdentifier,
                pick("userId", "distinct_id"),
                description,
            );
        }
        "properties_json" => (Reason::MalformedEvent, "properties"),
        "traits_json" => (Reason::MalformedEvent, traits(is_segment, event)),
        "context_json" => (Reason::MalformedEvent, "context"),
        "groups" => (
            Reason::MalformedEvent,
            pick("groupId", "properties.$groups"),
        ),
        other => (Reason::Refused, other),
    };
    let is_object = matches!(head, "properties_json" | "traits_json");
    let field = if is_object {
        format!("{own}{rest}")
    } else {
        own.to_owned()
    };
    Fault::new(reason, &field, description)
}

/// Returns the place of the traits in an event.
fn traits(is_segment: bool, event: &str) -> &'static str {
    let has = |fields: &crate::json::Fields<'_>| fields.get("traits").is_some();
    let fields = crate::json::Fields::read(event).unwrap_or_default();
    match is_segment {
        true if has(&fields) => "traits",
        true => "context.traits",
        false if fields.get("$set").is_some() => "$set",
        false => "properties.$set",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_contracts_is_told_by_the_word_of_its_sender() {
        let event = r#"{"context":{"traits":{}},"properties":{"$set":{}}}"#;
        for (field, segment, posthog, reason) in [
            ("time", "timestamp", "timestamp", Reason::BadTime),
            ("sent_time", "sentAt", "sent_at", Reason::BadTime),
            (
                "identifiers[\"user_id\"]",
                "userId",
                "distinct_id",
                Reason::NoIdentifier,
            ),
            (
                "properties_json.a.b",
                "properties.a.b",
                "properties.a.b",
                Reason::MalformedEvent,
            ),
            (
                "traits_json.a",
                "context.traits.a",
                "properties.$set.a",
                Reason::MalformedEvent,
            ),
            ("event_id", "messageId", "uuid", Reason::MalformedEvent),
            ("name", "event", "event", Reason::MalformedEvent),
            ("sequence", "sequence", "sequence", Reason::Refused),
        ] {
            let fault = fault_of(Dialect::Segment, event, field, "x");
            assert_eq!((fault.field.as_str(), fault.reason), (segment, reason));
            let fault = fault_of(Dialect::PostHogV1, event, field, "x");
            assert_eq!((fault.field.as_str(), fault.reason), (posthog, reason));
        }
        let large = fault_of(
            Dialect::Segment,
            event,
            "",
            "has 40000 bytes: at most 32768",
        );
        assert_eq!(large.reason, Reason::EventTooLarge);
    }
}
