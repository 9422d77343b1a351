//! From what identity says of an event to the words of its sender.

use crate::{Dialect, Fault, Reason};

/// The field of traits inside the contract's.
const TRAITS_JSON: &str = "traits_json";

/// Returns the fault of an event that identity refused, by the field of the contract that it names.
pub fn fault_of(dialect: Dialect, event: &str, field: &str, description: &str) -> Fault {
    let words = Words::of(dialect);
    let (head, rest) = match field.find(['.', '[']) {
        Some(place) => field.split_at(place),
        None => (field, ""),
    };
    let (reason, own) = match head {
        "" if description.contains("bytes") => (Reason::EventTooLarge, ""),
        "" => (Reason::Refused, ""),
        "event_id" => (Reason::MalformedEvent, words.id),
        "name" => (Reason::MalformedEvent, words.name),
        "time" => (Reason::BadTime, words.time),
        "sent_time" => (Reason::BadTime, words.sent_time),
        "identifiers" | "other_identifiers" => return nobody(words.who, description),
        // Data that is no object is a property of its name.
        "properties_json" if dialect == Dialect::CloudEvents && !has_object(event) => {
            (Reason::MalformedEvent, "")
        }
        "properties_json" => (Reason::MalformedEvent, words.properties),
        "traits_json" => (Reason::MalformedEvent, traits(dialect, event)),
        "context_json" => (Reason::MalformedEvent, words.context),
        // It names nobody, and no account by a group either.
        "groups" => return nobody(groups(dialect, event), description),
        "group_traits" => {
            let inner = rest
                .find(TRAITS_JSON)
                .map(|at| &rest[at + TRAITS_JSON.len()..]);
            let field = format!("{}{}", words.group_traits, inner.unwrap_or_default());
            let field = field.trim_start_matches('.');
            return Fault::new(Reason::MalformedEvent, field, description);
        }
        other => (Reason::Refused, other),
    };
    let is_object = matches!(head, "properties_json" | "traits_json");
    let field = if is_object {
        format!("{own}{rest}").trim_start_matches('.').to_owned()
    } else {
        own.to_owned()
    };
    Fault::new(reason, &field, description)
}

/// The fault of an event that names nobody by a field, of which identity speaks in the plural.
fn nobody(field: &str, description: &str) -> Fault {
    let reason = reason_of_nobody(description);
    let is_plural = field.ends_with('s');
    match description.strip_prefix("name nobody") {
        Some(rest) if !is_plural => Fault::new(reason, field, format!("names nobody{rest}")),
        _ => Fault::new(reason, field, description),
    }
}

/// The reason why an event names nobody. Identity names the reason of each identifier.
fn reason_of_nobody(description: &str) -> Reason {
    if description.contains(Reason::Erased.code()) {
        Reason::Erased
    } else if description.contains(Reason::Suppressed.code()) {
        Reason::Suppressed
    } else {
        Reason::NoIdentifier
    }
}

/// Returns whether the data of a `CloudEvent` is an object, or was one in bytes.
fn has_object(event: &str) -> bool {
    let fields = crate::json::Fields::read(event).unwrap_or_default();
    match fields.get("data") {
        Some(data) => crate::json::is_object(data),
        None => fields.get("datacontenttype").is_some(),
    }
}

/// The words of a dialect for the fields of the contract.
struct Words {
    id: &'static str,
    name: &'static str,
    time: &'static str,
    sent_time: &'static str,
    who: &'static str,
    properties: &'static str,
    context: &'static str,
    group_traits: &'static str,
}

impl Words {
    const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Segment => Self {
                id: "messageId",
                name: "event",
                time: "timestamp",
                sent_time: "sentAt",
                who: "userId",
                properties: "properties",
                context: "context",
                group_traits: "traits",
            },
            Dialect::PostHog | Dialect::PostHogV1 => Self {
                id: "uuid",
                name: "event",
                time: "timestamp",
                sent_time: "sent_at",
                who: "distinct_id",
                properties: "properties",
                context: "context",
                group_traits: "properties.$group_set",
            },
            Dialect::Webhook => Self {
                id: "event_id",
                name: "name",
                time: "time",
                sent_time: "time",
                who: "identifiers",
                properties: "properties",
                context: "",
                group_traits: "group_traits",
            },
            // Attributes that have no place of their own are the context.
            Dialect::CloudEvents => Self {
                id: "id",
                name: "type",
                time: "time",
                sent_time: "time",
                who: "",
                properties: "data",
                context: "",
                group_traits: "data",
            },
        }
    }
}

/// Returns the place of the groups in an event.
fn groups(dialect: Dialect, event: &str) -> &'static str {
    match dialect {
        Dialect::Segment => "groupId",
        Dialect::PostHog | Dialect::PostHogV1 if event.contains("\"$group_key\"") => {
            "properties.$group_key"
        }
        Dialect::PostHog | Dialect::PostHogV1 => "properties.$groups",
        Dialect::CloudEvents => "data",
        Dialect::Webhook => "groups",
    }
}

/// Returns the place of the traits in an event.
fn traits(dialect: Dialect, event: &str) -> &'static str {
    let has = |field: &str| {
        let fields = crate::json::Fields::read(event).unwrap_or_default();
        fields.get(field).is_some()
    };
    match dialect {
        Dialect::Segment if has("traits") => "traits",
        Dialect::Segment => "context.traits",
        Dialect::PostHog | Dialect::PostHogV1 if has("$set") => "$set",
        Dialect::PostHog | Dialect::PostHogV1 => "properties.$set",
        Dialect::CloudEvents => "data",
        Dialect::Webhook => "traits",
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
            (
                "groups[company]",
                "groupId",
                "properties.$groups",
                Reason::NoIdentifier,
            ),
            (
                "group_traits[account].traits_json.a",
                "traits.a",
                "properties.$group_set.a",
                Reason::MalformedEvent,
            ),
        ] {
            let fault = fault_of(Dialect::Segment, event, field, "x");
            assert_eq!((fault.field.as_str(), fault.reason), (segment, reason));
            let fault = fault_of(Dialect::PostHogV1, event, field, "x");
            assert_eq!((fault.field.as_str(), fault.reason), (posthog, reason));
        }
        for (event, field, told) in [
            (r#"{"data":{}}"#, "properties_json.a", "data.a"),
            (r#"{"data":[]}"#, "properties_json.data[0]", "data[0]"),
        ] {
            let fault = fault_of(Dialect::CloudEvents, event, field, "x");
            assert_eq!(fault.field, told);
        }
        let text = |dialect, field| fault_of(dialect, event, field, "name nobody (x)").description;
        for (dialect, field, told) in [
            (Dialect::Segment, "groups", "names nobody (x)"),
            (Dialect::Segment, "identifiers", "names nobody (x)"),
            (Dialect::PostHog, "groups", "name nobody (x)"),
            (Dialect::Webhook, "identifiers", "name nobody (x)"),
        ] {
            assert_eq!(text(dialect, field), told, "{dialect:?} {field}");
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
