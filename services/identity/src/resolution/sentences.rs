//! Tells who a customer is, and why, in sentences for people.

use kernel::{CustomerId, Timestamp};
use proto::convert;
use proto::identity::v1;

use crate::limits::SENTENCES_TOLD;

/// Says why a customer is who they are.
pub(super) fn sentences(explained: &v1::ExplainIdentityResponse) -> Vec<String> {
    let mut sentences = Vec::new();
    let state = explained.identifier_state.as_str();
    sentences.extend(of_state(state).map(str::to_owned));
    let Some(customer) = &explained.customer else {
        if state.is_empty() {
            sentences.push("Nobody is known by it.".to_owned());
        }
        return sentences;
    };
    sentences.push(of_customer(customer));
    let own = &explained.dangling_identifiers;
    sentences.extend(own.iter().map(|identifier| {
        format!(
            "{} never came with a value that names a person, and ties what it came with to this \
             customer: look at it first where two people seem to be one.",
            text(identifier)
        )
    }));
    let apart = &explained.cannot_link_fragment_ids;
    sentences.extend(apart.iter().map(|fragment| {
        format!("Events never join it with fragment {fragment} again, since an unmerge.")
    }));
    let room = SENTENCES_TOLD.saturating_sub(sentences.len());
    let told = explained.evidence.iter().take(room).map(of_evidence);
    sentences.extend(told);
    let more = explained.evidence.len().saturating_sub(room);
    if more > 0 {
        sentences.push(format!(
            "{more} more pieces of evidence are listed with it."
        ));
    }
    sentences
}

/// Says of an identifier what is special about it.
fn of_state(state: &str) -> Option<&'static str> {
    Some(match state {
        "BLOCKED_VALUE" => "The value names nobody, and is never an identifier.",
        "MALFORMED_VALUE" => "The value is none of its namespace, and is never an identifier.",
        "CONTESTED" => "Several known customers claimed the value, so that it is nobody's.",
        "QUARANTINED" => "The value stood between too many customers, so that it is nobody's.",
        "SHARED" => {
            "Values of this namespace may be of many customers, and join nobody; events that carry \
             nothing else go to an anonymous customer."
        }
        _ => return None,
    })
}

fn of_customer(customer: &v1::Customer) -> String {
    let fragments = match customer.fragment_ids.len() {
        0 | 1 => "one fragment".to_owned(),
        count => format!("{count} fragments, joined"),
    };
    let identifiers = match customer.identifiers.len() {
        1 => "one identifier".to_owned(),
        count => format!("{count} identifiers"),
    };
    let subject = match is_account(&customer.customer_id) {
        true => "Account",
        false => "Customer",
    };
    format!(
        "{subject} {} was first seen at {}, and has {fragments}, with {identifiers}.",
        customer.customer_id,
        at(customer.create_time.as_ref()),
    )
}

/// Returns whether an id is that of an account.
fn is_account(id: &str) -> bool {
    let id = id.parse::<CustomerId>();
    id.is_ok_and(CustomerId::is_account)
}

fn of_evidence(evidence: &v1::IdentityEvidence) -> String {
    use v1::EvidenceKind;
    let when = at(evidence.first_time.as_ref());
    let by = by(evidence);
    let (own, other) = (&evidence.fragment_id, &evidence.joined_fragment_id);
    let named = evidence.identifier.as_ref().map(text);
    let identifier = named.clone().unwrap_or_else(|| "an identifier".to_owned());
    let told = match evidence.kind() {
        EvidenceKind::Attached => {
            let found = match evidence.found_by.as_str() {
                "" => String::new(),
                namespace => {
                    let subject = match is_account(own) {
                        true => "account",
                        false => "customer",
                    };
                    format!(", where {namespace} named the {subject}")
                }
            };
            format!("{identifier} came to fragment {own} at {when}{by}{found}")
        }
        EvidenceKind::Joined => {
            let through = named.map_or(String::new(), |named| format!(", through {named}"));
            format!("fragments {own} and {other} were joined at {when}{by}{through}")
        }
        EvidenceKind::Forced => {
            format!("fragments {own} and {other} were joined at {when} by somebody who said so")
        }
        EvidenceKind::Demoted => {
            format!("{identifier} was left out at {when}{by}")
        }
        EvidenceKind::Moved if other.is_empty() => {
            format!("{identifier} moved to fragment {own} at {when}{by}")
        }
        EvidenceKind::Moved => {
            format!("{identifier} moved from fragment {other} to {own} at {when}{by}")
        }
        EvidenceKind::Released => {
            format!("{identifier} left fragment {own} at {when}{by}, and is nobody's since")
        }
        EvidenceKind::Unspecified => format!("{identifier} of fragment {own}, at {when}"),
    };
    let reason = match evidence.reason.as_str() {
        "" => String::new(),
        reason => format!(", because of {reason}"),
    };
    let seen = match evidence.count {
        0 | 1 => String::new(),
        count => format!(
            "; seen {count} times, last at {}",
            at(evidence.last_time.as_ref())
        ),
    };
    let retracted = if evidence.retracted {
        "; that was taken back"
    } else {
        ""
    };
    let sentence = format!("{told}{reason}{seen}{retracted}.");
    capital(&sentence)
}

/// Says by which event, and from where.
fn by(evidence: &v1::IdentityEvidence) -> String {
    let event = match evidence.event_id.as_str() {
        "" => String::new(),
        id => format!(" by event {id}"),
    };
    match evidence.source.as_str() {
        "" => event,
        source => format!("{event} from {source}"),
    }
}

fn text(identifier: &v1::Identifier) -> String {
    format!("{}:{}", identifier.namespace, identifier.value)
}

fn at(time: Option<&prost_types::Timestamp>) -> String {
    let instant = time.map_or(Timestamp::MIN, convert::instant);
    match time {
        None => "an unknown time".to_owned(),
        Some(_) => instant.to_string(),
    }
}

/// A sentence begins with a capital, unless that is part of a name.
fn capital(sentence: &str) -> String {
    match sentence.strip_prefix("fragments ") {
        Some(rest) => format!("Fragments {rest}"),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(namespace: &str, value: &str) -> v1::Identifier {
        v1::Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        }
    }

    fn time(millis: i64) -> Option<prost_types::Timestamp> {
        Some(convert::timestamp(Timestamp::from_millis(millis)))
    }

    #[test]
    fn a_customer_is_explained_with_the_suspect_first() {
        let explained = v1::ExplainIdentityResponse {
            customer: Some(v1::Customer {
                customer_id: "c".to_owned(),
                fragment_ids: vec!["c".to_owned(), "d".to_owned()],
                identifiers: vec![identifier("login", "ID_C")],
                create_time: time(0),
            }),
            evidence: vec![
                v1::IdentityEvidence {
                    fragment_id: "c".to_owned(),
                    identifier: Some(identifier("login", "ID_C")),
                    kind: v1::EvidenceKind::Attached.into(),
                    event_id: "e4".to_owned(),
                    source: "web".to_owned(),
                    found_by: "device".to_owned(),
                    first_time: time(1_000),
                    last_time: time(3_000),
                    count: 2,
                    ..v1::IdentityEvidence::default()
                },
                v1::IdentityEvidence {
                    fragment_id: "c".to_owned(),
                    joined_fragment_id: "d".to_owned(),
                    kind: v1::EvidenceKind::Forced.into(),
                    first_time: time(2_000),
                    retracted: true,
                    ..v1::IdentityEvidence::default()
                },
            ],
            dangling_identifiers: vec![identifier("login", "ID_C")],
            cannot_link_fragment_ids: vec!["x".to_owned()],
            ..v1::ExplainIdentityResponse::default()
        };
        assert_eq!(
            sentences(&explained),
            [
                "Customer c was first seen at 1970-01-01T00:00:00Z, and has 2 fragments, \
                 joined, with one identifier.",
                "login:ID_C never came with a value that names a person, and ties what it came \
                 with to this customer: look at it first where two people seem to be one.",
                "Events never join it with fragment x again, since an unmerge.",
                "login:ID_C came to fragment c at 1970-01-01T00:00:01Z by event e4 from web, \
                 where device named the customer; seen 2 times, last at 1970-01-01T00:00:03Z.",
                "Fragments c and d were joined at 1970-01-01T00:00:02Z by somebody who said \
                 so; that was taken back.",
            ]
        );
    }

    #[test]
    fn nobody_is_explained_too() {
        let of = |state: &str| {
            sentences(&v1::ExplainIdentityResponse {
                identifier_state: state.to_owned(),
                ..v1::ExplainIdentityResponse::default()
            })
        };
        assert_eq!(of(""), ["Nobody is known by it."]);
        assert_eq!(
            of("CONTESTED"),
            ["Several known customers claimed the value, so that it is nobody's."]
        );
    }
}
