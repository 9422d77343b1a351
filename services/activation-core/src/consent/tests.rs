//! Words of consent, one by one and of customers who are joined.

use super::*;

fn word(purpose: &str, channel: &str, granted: bool, time: i64) -> Consent {
    Consent {
        purpose: purpose.into(),
        channel: channel.into(),
        granted,
        time: Timestamp::from_millis(time),
        source: "test".into(),
        ordinal: 0,
    }
}

fn said(words: &[(&str, bool, i64)]) -> Consents {
    let mut consents = Consents::default();
    for (channel, granted, time) in words {
        consents.take(word("marketing", channel, *granted, *time));
    }
    consents
}

fn check(words: &[(&str, bool, i64)], mail_allowed: bool) {
    assert_eq!(
        said(words).allows("marketing", "mail", true),
        mail_allowed,
        "{words:?}"
    );
}

#[test]
fn the_newest_word_that_covers_the_channel_counts() {
    check(&[], true);
    check(&[("", false, 1)], false);
    check(&[("sms", false, 1)], true);
    check(&[("", false, 1), ("mail", true, 2)], true);
    check(&[("mail", true, 1), ("", false, 2)], false);
    check(&[("mail", false, 1), ("", true, 2)], true);
    check(&[("mail", true, 1), ("", false, 1)], false);
    check(&[("mail", true, 5), ("mail", false, 4)], true);
    check(&[("mail", true, 5), ("mail", false, 5)], false);
}

#[test]
fn another_purpose_is_another_matter() {
    let consents = said(&[("", false, 1)]);
    assert!(consents.allows("service", "mail", true));
    assert!(!consents.allows("service", "mail", false));
}

#[test]
fn a_merge_takes_the_newest_and_at_the_same_time_the_stricter() {
    let (mut a, b) = (
        said(&[("mail", true, 5), ("sms", true, 5)]),
        said(&[("mail", false, 5), ("sms", false, 4), ("push", false, 1)]),
    );
    let mut other_way = b.clone();
    other_way.fold(a.clone(), 1);
    a.fold(b, 1);
    for folded in [&a, &other_way] {
        assert!(!folded.allows("marketing", "mail", true));
        assert!(folded.allows("marketing", "sms", false));
        assert!(!folded.allows("marketing", "push", true));
    }
}

fn full(granted: bool) -> Consents {
    let mut consents = Consents::default();
    for place in 0..limits::CONSENTS {
        let time = i64::try_from(place).expect("a small number");
        consents.take(word(&format!("p{place}"), "", granted, time));
    }
    consents
}

#[test]
fn a_grant_beyond_the_bound_is_refused_and_nothing_is_forgotten() {
    for granted in [false, true] {
        let mut consents = full(granted);
        let refused = word("more", "mail", true, 900);
        assert!(!consents.has_room_for("more", "mail"));
        assert_eq!(consents.take(refused.clone()), Taken::Refused(refused));
        assert_eq!(consents, full(granted));
        // A listed word can still change.
        assert!(consents.has_room_for("p7", ""));
        let changed = consents.take(word("p7", "", !granted, 900));
        assert_eq!(changed, Taken::Changed);
        assert_eq!(consents.allows("p7", "mail", granted), !granted);
    }
}

#[test]
fn a_withdrawal_beyond_the_bound_counts_and_no_other_word_is_forgotten() {
    let mut consents = full(true);
    assert_eq!(
        consents.take(word("more", "mail", false, 900)),
        Taken::Changed
    );
    assert!(!consents.allows("more", "mail", true));
    assert_eq!(consents.iter().len(), limits::CONSENTS);
    for place in 0..limits::CONSENTS {
        assert!(consents.allows(&format!("p{place}"), "mail", false));
    }
    // Of a purpose that is listed, the purpose is withdrawn, until a newer word.
    assert_eq!(
        consents.take(word("p7", "mail", false, 901)),
        Taken::Changed
    );
    assert!(!consents.allows("p7", "mail", true) && !consents.allows("p7", "sms", true));
    consents.take(word("p7", "", true, 902));
    assert!(consents.allows("p7", "mail", false));
    assert_eq!(consents.latest(), Some(Timestamp::from_millis(902)));
}

#[test]
fn every_withdrawal_of_either_arrives_in_a_merge() {
    for (own, other) in [(true, true), (false, false), (true, false), (false, true)] {
        let mut consents = full(own);
        let mut theirs = Consents::default();
        for place in 0..limits::CONSENTS - 1 {
            theirs.take(word(&format!("q{place}"), "mail", other, 5));
        }
        theirs.take(word("marketing", "mail", false, 6));
        let refused = consents.fold(theirs, 1);
        assert_eq!(consents.iter().len(), limits::CONSENTS);
        assert!(!consents.allows("marketing", "mail", true));
        assert!(own || !consents.allows("p3", "mail", true));
        assert!(other || !consents.allows("q3", "mail", true));
        assert_eq!(refused.is_empty(), !other);
    }
}

#[test]
fn what_was_withdrawn_without_being_listed_is_withdrawn_of_the_other_too() {
    let mut theirs = full(true);
    theirs.take(word("marketing", "", false, 900));
    let (mut own, mut turned) = (said(&[("mail", true, 5)]), theirs.clone());
    let refused = turned.fold(own.clone(), 1);
    assert_eq!(refused.len(), 1, "{refused:?}");
    // The grant that counts no more is told, and nobody is said to have withdrawn it.
    let refused = own.fold(theirs, 1);
    assert!(refused.contains(&word("marketing", "mail", true, 5)));
    let source = own.iter().next().map(|word| word.source.as_ref());
    assert_eq!(source, Some("CONSENT_LIMIT"));
    assert!(!own.allows("marketing", "mail", true));
    assert!(!turned.allows("marketing", "mail", true));
}

#[test]
fn a_word_carries_the_fragment_that_said_it_last() {
    let mut own = said(&[("mail", true, 5), ("sms", true, 5), ("push", true, 5)]);
    let theirs = said(&[("mail", false, 6), ("sms", true, 5), ("post", true, 1)]);
    own.fold(theirs.clone(), 2);
    let mut twice = Consents::default();
    twice.fold(own.clone(), 4);
    for (consents, expected) in [(&own, [2, 0, 0, 2]), (&twice, [6, 4, 4, 6])] {
        let channels = ["mail", "sms", "push", "post"];
        let ordinals = channels.map(|channel| {
            let mut words = consents.iter();
            let word = words.find(|word| word.channel.as_ref() == channel);
            word.map(|word| word.ordinal)
        });
        assert_eq!(ordinals, expected.map(Some));
    }
    // A new word is the customer's own.
    own.take(word("marketing", "mail", true, 9));
    assert!(
        own.iter()
            .all(|word| word.ordinal != 2 || word.channel.as_ref() == "post")
    );
}
