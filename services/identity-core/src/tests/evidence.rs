//! Evidence, and the fragments that it is about.

use super::*;
use crate::EvidenceKind::{Attached, Demoted, Joined};

#[test]
fn a_new_identifier_is_attached_to_the_fragment_that_named_the_customer() {
    let mut world = World::new(Rules::default());
    world.event("anonymous_id=a1 email=e@x.io");
    world.event("anonymous_id=a2");
    world.event("anonymous_id=a2 email=e@x.io");
    let resolution = world.event("anonymous_id=a2 phone=+4930123456");
    assert_eq!(resolution.customer, customer(1));
    let phone = world.rows.iter().find(|(it, _)| it.namespace == "phone");
    let fragment = phone.map(|(_, row)| row.holding.fragment);
    assert_eq!(fragment, Some(FragmentId::new(uuid(2))));
}

#[test]
fn evidence_says_which_event_attached_and_joined_what_and_by_what() {
    let mut world = World::new(Rules::default());
    world.batch(&[
        "anonymous_id=a1",
        "anonymous_id=a1 email=e@x.io",
        "anonymous_id=a2",
        "anonymous_id=a2 email=e@x.io",
        "user_id=u1 email=e@x.io",
        "user_id=u2 email=e@x.io",
    ]);
    let rows = world.evidence.iter().map(|row| {
        let value = row.identifier.as_ref().map_or("", |it| it.value.as_str());
        let by = row.by.as_deref().unwrap_or("");
        let number = |fragment: FragmentId| fragment.uuid().as_u128();
        let ends = (number(row.fragment), row.joined.map_or(0, number));
        (row.event_place, row.kind, value, ends, by)
    });
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            (0, Attached, "a1", (1, 0), ""),
            (1, Attached, "e@x.io", (1, 0), "anonymous_id"),
            (2, Attached, "a2", (2, 0), ""),
            (3, Joined, "a2", (1, 2), ""),
            (4, Attached, "u1", (1, 0), "email"),
            (5, Attached, "u2", (3, 0), ""),
            (5, Demoted, "e@x.io", (3, 0), ""),
        ]
    );
    // The same conflict again is none of which anybody has to be told.
    let before = world.evidence.len();
    world.event("user_id=u2 email=e@x.io");
    assert_eq!(world.evidence.len(), before);
}

#[test]
fn an_event_of_stale_knowledge_changes_nothing() {
    let rules = Rules::default();
    let mut overlay = Overlay::new(&rules);
    let identifier = |namespace: &str, value: &str| Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    };
    let live = HolderState::Live;
    let fragment = FragmentId::new(uuid(1));
    let email = identifier("email", "e@x.io");
    overlay.hold(email, fragment, customer(7), live, FanOut::default());
    let pairs = ["user_id=u1", "email=e@x.io"].map(|pair| pair.split_once('=').expect("a pair"));
    let pairs = pairs.map(|(namespace, value)| (namespace.to_owned(), value.to_owned()));
    let screened = screen(&rules, pairs);
    let drawn = || FragmentId::new(uuid(9));
    let need = overlay.resolve(&screened, drawn, Timestamp::MIN);
    assert_eq!(need, Err(Need::View(customer(7))));
    assert!(overlay.into_changes().is_empty());
}
