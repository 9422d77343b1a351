//! Values that nobody should send.

use proptest::prelude::*;

use super::*;
use crate::{Normalizer, Simulation};

#[test]
fn what_names_nobody_is_never_an_identifier_and_the_event_is_resolved_without() {
    let huge = "x".repeat(401);
    let rules = Rules::default();
    for value in [
        "",
        " ",
        "\u{200b}",
        "\u{0}",
        "a\u{7}b",
        "null",
        "NULL",
        "'null'",
        "undefined",
        "[object Object]",
        "(null)",
        "\\N",
        "N/A",
        "NaN",
        "None",
        "nil",
        "void",
        "anonymous",
        "guest",
        "unknown",
        "-1",
        "0",
        "0000-0000",
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "%user_id%",
        "{{ id }}",
        "{{{id}}}",
        "${id}",
        "#{id}",
        "<user_id>",
        "<%= id %>",
        "*|EMAIL|*",
        "%%email%%",
        "[[id]]",
        ":user_id",
        "@{id}",
        "{user_id}",
        "nu\u{ad}ll",
        &huge,
    ] {
        let mut simulation = Simulation::new(&rules);
        let named = |namespace: &str, value: &str| Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        };
        let event = vec![named("user_id", "u1"), named("anonymous_id", value)];
        let outcome = simulation.event(Timestamp::MIN, event);
        assert_eq!(outcome.customer, Some(1), "{value:?}");
        assert_eq!(outcome.dropped.len(), 1, "{value:?}");
        assert_eq!(outcome.dropped[0].identifier.value, value);
        let alone = simulation.event(Timestamp::MIN, vec![named("anonymous_id", value)]);
        assert_eq!(alone.customer, None, "{value:?}");
    }
}

#[test]
fn of_a_thousand_identifiers_twenty_of_the_highest_priority_are_looked_at() {
    let rules = Rules::default();
    let mut simulation = Simulation::new(&rules);
    let named = (0..1_000).map(|number| Identifier {
        namespace: "anonymous_id".to_owned(),
        value: format!("a{number}"),
    });
    let user = Identifier {
        namespace: "user_id".to_owned(),
        value: "u1".to_owned(),
    };
    let outcome = simulation.event(Timestamp::MIN, named.chain([user]));
    let of = |reason| {
        outcome
            .dropped
            .iter()
            .filter(|it| it.reason == reason)
            .count()
    };
    assert_eq!(of(DropReason::TooMany), 981);
    assert_eq!(of(DropReason::LimitExceeded), 14);
    assert_eq!(simulation.customers()[0].identifiers.len(), 6);
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(
        values in prop::collection::vec((0_usize..6, any::<String>()), 1..30),
    ) {
        let names = ["user_id", "crm_id", "email", "phone", "anonymous_id", "other"];
        let rules = Rules::default();
        let mut simulation = Simulation::new(&rules);
        let identifiers = values.iter().map(|(name, value)| Identifier {
            namespace: names[*name].to_owned(),
            value: value.clone(),
        });
        let outcome = simulation.event(Timestamp::MIN, identifiers);
        prop_assert!(outcome.dropped.len() <= values.len());
        for dropped in &outcome.dropped {
            prop_assert!(values.iter().any(|(_, value)| *value == dropped.identifier.value));
        }
    }

    #[test]
    fn any_number_is_one_or_none(digits in "[+0-9 ()./-]{0,44}") {
        if let Ok(number) = Normalizer::Phone.normalize(digits) {
            prop_assert!(number.starts_with('+') && number.len() <= 16);
        }
    }
}
