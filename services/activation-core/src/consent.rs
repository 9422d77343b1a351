//! Consent: a customer's last word on each purpose and channel.
//!
//! A withdrawal is never forgotten. Where a customer has spoken about as many purposes and channels
//! as are kept, a grant for another one is refused, and a withdrawal counts for more than was said:
//! for its whole purpose where words on that are kept, else for everything that is not listed.

use decision::fragment_ordinal;
use kernel::{Reason, Timestamp};

use crate::limits;

/// A last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The purpose.
    pub purpose: Box<str>,
    /// The channel; empty for all.
    pub channel: Box<str>,
    /// Given or withdrawn.
    pub granted: bool,
    /// When.
    pub time: Timestamp,
    /// Where it was said.
    pub source: Box<str>,
    /// The fragment of the customer that said it; 0 is the customer's own.
    pub ordinal: u16,
}

impl Consent {
    /// Returns whether another word says the same, whoever said it.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let ordinal = other.ordinal;
        other
            == &Self {
                ordinal,
                ..self.clone()
            }
    }
}

/// All that a customer has said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consents {
    words: Vec<Consent>,
    /// When something was withdrawn last that is not listed; absent where nothing was.
    rest_withdrawn: Option<Timestamp>,
}

/// The fate of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It counts now.
    Changed,
    /// It says nothing new, or a newer word stands.
    Unchanged,
    /// It is a grant that there is no room for, or one that was withdrawn when there was none.
    Refused(Consent),
}

impl Consents {
    /// Nothing was said.
    pub(crate) const fn nothing() -> Self {
        Self {
            words: Vec::new(),
            rest_withdrawn: None,
        }
    }

    /// What was said, in the order in which each purpose and channel was first spoken about.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Consent> {
        self.words.iter()
    }

    /// When something was withdrawn last that had no room of its own: all that is not listed counts
    /// as withdrawn.
    pub const fn rest_withdrawn(&self) -> Option<Timestamp> {
        self.rest_withdrawn
    }

    /// When the newest word was said.
    pub fn latest(&self) -> Option<Timestamp> {
        let newest = self.words.iter().map(|word| word.time).max();
        newest.max(self.rest_withdrawn)
    }

    /// Whether nothing was said.
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty() && self.rest_withdrawn.is_none()
    }

    /// Returns whether a grant for a purpose and channel would be kept.
    pub fn has_room_for(&self, purpose: &str, channel: &str) -> bool {
        let is_known =
            |word: &Consent| word.purpose.as_ref() == purpose && word.channel.as_ref() == channel;
        !self.is_full() || self.words.iter().any(is_known)
    }

    /// Takes a word. An older one than what is known for the purpose and channel changes nothing.
    pub fn take(&mut self, word: Consent) -> Taken {
        self.put(word, |known, word| word.time >= known.time)
    }

    /// Folds in what the same person said under another id, as words of fragments of their own: the
    /// newest word counts, of two at the same time the stricter.
    ///
    /// Returns the grants that were refused.
    pub fn fold(&mut self, mut other: Self, first_ordinal: u16) -> Vec<Consent> {
        for word in &mut other.words {
            word.ordinal = fragment_ordinal(first_ordinal, word.ordinal);
        }
        let mut refused = self.withdraw_unlisted(&other);
        refused.extend(other.withdraw_unlisted(self));
        // Withdrawals have the room first.
        other.words.sort_by_key(|word| word.granted);
        let words = other.words.into_iter();
        refused.extend(words.filter_map(|word| {
            let taken = self.put(word, |known, word| {
                word.time > known.time || (word.time == known.time && !word.granted)
            });
            match taken {
                Taken::Refused(word) => Some(word),
                Taken::Changed | Taken::Unchanged => None,
            }
        }));
        self.rest_withdrawn = self.rest_withdrawn.max(other.rest_withdrawn);
        refused
    }

    /// Whether a purpose may be served through a channel: by the newest word that covers both, of two at the same time
    /// the stricter; by `default` where nothing was said, and nothing that is not listed was
    /// withdrawn.
    pub fn allows(&self, purpose: &str, channel: &str, default: bool) -> bool {
        self.words
            .iter()
            .filter(|word| {
                word.purpose.as_ref() == purpose
                    && (word.channel.is_empty() || word.channel.as_ref() == channel)
            })
            .max_by_key(|word| (word.time, !word.granted))
            .map_or(default && self.rest_withdrawn.is_none(), |word| {
                word.granted
            })
    }

    /// Restores what was stored.
    pub(crate) const fn restored(words: Vec<Consent>, rest_withdrawn: Option<Timestamp>) -> Self {
        Self {
            words,
            rest_withdrawn,
        }
    }

    fn put(&mut self, word: Consent, wins: impl Fn(&Consent, &Consent) -> bool) -> Taken {
        let same = |own: &Consent| own.purpose == word.purpose && own.channel == word.channel;
        if let Some(place) = self.words.iter().position(same) {
            let known = &mut self.words[place];
            if !wins(known, &word) || word.says_the_same_as(known) {
                return Taken::Unchanged;
            }
            *known = word;
        } else if word.granted && (self.is_full() || self.may_be_withdrawn(&word)) {
            return Taken::Refused(word);
        } else if self.is_full() {
            self.withdraw_more(word);
        } else {
            self.words.push(word);
        }
        Taken::Changed
    }

    const fn is_full(&self) -> bool {
        self.words.len() >= limits::CONSENTS
    }

    /// Returns whether a grant may have been withdrawn after it was given, when there was no room
    /// to list that.
    fn may_be_withdrawn(&self, grant: &Consent) -> bool {
        let is_listed = self.words.iter().any(|own| own.purpose == grant.purpose);
        !is_listed && self.rest_withdrawn >= Some(grant.time)
    }

    /// Takes a withdrawal that there is no room for: its whole purpose counts as withdrawn, or,
    /// where nothing is listed of that, all that is not listed.
    fn withdraw_more(&mut self, mut word: Consent) {
        let same = |own: &Consent| own.purpose == word.purpose;
        let newest = self.words.iter().filter(|own| same(own));
        let Some(newest) = newest.map(|own| own.time).max() else {
            self.rest_withdrawn = self.rest_withdrawn.max(Some(word.time));
            return;
        };
        self.words.retain(|own| !same(own));
        word.channel = Box::default();
        word.time = word.time.max(newest);
        self.words.push(word);
    }

    /// Withdraws what another id of the same person may have withdrawn when there was no room to
    /// list it. Nobody said that, so the reason stands where a source would.
    ///
    /// Returns the grants that count no more.
    fn withdraw_unlisted(&mut self, other: &Self) -> Vec<Consent> {
        let mut refused = Vec::new();
        let Some(time) = other.rest_withdrawn else {
            return refused;
        };
        for word in &mut self.words {
            let is_listed = other.words.iter().any(|own| own.purpose == word.purpose);
            if word.granted && word.time <= time && !is_listed {
                refused.push(word.clone());
                word.granted = false;
                word.time = time;
                word.source = Reason::ConsentLimit.code().into();
            }
        }
        refused
    }
}

#[cfg(test)]
mod tests {
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
}
