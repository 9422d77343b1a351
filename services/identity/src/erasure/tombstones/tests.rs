//! Screening by tombstones.

use super::*;

fn identifier(namespace: &str, value: &str) -> Identifier {
    Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    }
}

fn screened(of: &[(&str, &str)]) -> Screened {
    let kept = of.iter().enumerate();
    Screened {
        kept: kept
            .map(|(rank, (namespace, value))| (rank, identifier(namespace, value)))
            .collect(),
        ..Screened::default()
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn set(words: &[(&str, &str, Word)]) -> Set {
    let key = TombstoneKey::of([7; 32]);
    let hashed = words.iter().map(|(namespace, value, word)| {
        let hash = key.hash(&identifier(namespace, value));
        (short(&hash), *word)
    });
    let hashed: Vec<_> = hashed.collect();
    let mut set = Set::default();
    set.take(1, Some(key), hashed);
    set
}

const ERASED: Word = Word {
    erase_time: Timestamp::from_millis(100),
    is_suppressed: false,
};
const SUPPRESSED: Word = Word {
    erase_time: Timestamp::MIN,
    is_suppressed: true,
};

/// Screens an event and returns the namespaces that are kept, and those that are dropped with their
/// reasons.
fn check(set: &Set, of: &[(&str, &str)], time: i64) -> (Vec<String>, Vec<String>) {
    let mut own = screened(of);
    set.screen(&mut own, at(time));
    let kept = own.kept.into_iter().map(|(_, it)| it.namespace);
    let dropped = own.dropped.into_iter();
    let dropped = dropped.map(|it| format!("{} {}", it.identifier.namespace, it.reason.code()));
    (kept.collect(), dropped.collect())
}

#[test]
fn events_of_before_an_erasure_are_dropped_and_those_of_after_it_are_not() {
    let set = set(&[("user_id", "ann", ERASED)]);
    let ann = [("user_id", "ann")];
    let dropped = (vec![], vec!["user_id ERASED".to_owned()]);
    assert_eq!(check(&set, &ann, 99), dropped);
    assert_eq!(check(&set, &ann, 100), dropped);
    assert_eq!(check(&set, &ann, 101).0, ["user_id"]);
    assert_eq!(check(&set, &[("user_id", "bob")], 1).0, ["user_id"]);
    assert_eq!(check(&set, &[("email", "ann")], 1).0, ["email"]);
}

#[test]
fn an_event_about_an_erased_person_goes_with_all_its_identifiers() {
    let set = set(&[("user_id", "ann", ERASED), ("email", "a@x.de", ERASED)]);
    let (kept, dropped) = check(&set, &[("user_id", "ann"), ("anonymous_id", "new")], 5);
    assert_eq!(kept, [""; 0]);
    assert_eq!(dropped, ["anonymous_id ERASED", "user_id ERASED"]);
    // It is about Bob, and keeps what is his.
    let (kept, dropped) = check(&set, &[("user_id", "bob"), ("email", "a@x.de")], 5);
    assert_eq!(
        (kept, dropped),
        (vec!["user_id".to_owned()], vec!["email ERASED".to_owned()])
    );
}

#[test]
fn who_is_suppressed_is_dropped_at_any_time_until_that_is_taken_back() {
    let mut set = set(&[("user_id", "ann", SUPPRESSED)]);
    for time in [0, 100, i64::MAX] {
        let (kept, dropped) = check(&set, &[("user_id", "ann")], time);
        assert_eq!(
            (kept.len(), dropped),
            (0, vec!["user_id SUPPRESSED".to_owned()])
        );
    }
    let key = set.key.clone();
    let hash = key
        .as_ref()
        .expect("there")
        .hash(&identifier("user_id", "ann"));
    let nothing = Word {
        is_suppressed: false,
        ..SUPPRESSED
    };
    set.take(2, key, vec![(short(&hash), nothing)]);
    assert!(set.words.is_empty());
    assert_eq!(check(&set, &[("user_id", "ann")], 1).0, ["user_id"]);
}

#[test]
fn keys_are_written_and_read_and_give_other_hashes() {
    let (one, two) = (TombstoneKey::of([1; 32]), TombstoneKey::of([2; 32]));
    let ann = identifier("user_id", "ann");
    assert_ne!(one.hash(&ann), two.hash(&ann));
    // The boundary between namespace and value counts.
    assert_ne!(
        one.hash(&identifier("a", "bc")),
        one.hash(&identifier("ab", "c"))
    );
    let again = TombstoneKey::parse(&one.text()).expect("a key");
    assert_eq!(one.hash(&ann), again.hash(&ann));
    for wrong in ["", "12", "x", &"g".repeat(64)] {
        assert!(TombstoneKey::parse(wrong).is_none(), "{wrong:?}");
    }
}
