//! Consent: a customer's last word on each purpose and channel.
//!
//! A withdrawal is never forgotten. Where a customer has spoken about as many purposes and channels
//! as are kept, a grant for another one is refused, and a withdrawal counts for more than was said:
//! for its whole purpose where words on that are kept, else for everything that is not listed.

mod fragments;

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
    /// Returns whether another word is on the same purpose and channel.
    fn is_about_same(&self, other: &Self) -> bool {
        (&self.purpose, &self.channel) == (&other.purpose, &other.channel)
    }

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
    /// Of a merged customer, last words of fragments in whose place another fragment's word counts.
    superseded: Vec<Consent>,
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
            superseded: Vec::new(),
            rest_withdrawn: None,
        }
    }

    /// What was said and counts, in the order in which each purpose and channel was first spoken about.
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
        self.words.is_empty() && self.superseded.is_empty() && self.rest_withdrawn.is_none()
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
    /// newest word counts, of two at the same time the stricter. The other one is kept as the last
    /// word of its fragment.
    ///
    /// Returns the grants that were refused.
    pub fn fold(&mut self, mut other: Self, first_ordinal: u16) -> Vec<Consent> {
        for word in other.words.iter_mut().chain(&mut other.superseded) {
            word.ordinal = fragment_ordinal(first_ordinal, word.ordinal);
        }
        if self.is_empty() {
            *self = other;
            return Vec::new();
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
        for word in other.superseded {
            self.supersede(word);
        }
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
    pub(crate) const fn restored(
        words: Vec<Consent>,
        superseded: Vec<Consent>,
        rest_withdrawn: Option<Timestamp>,
    ) -> Self {
        Self {
            words,
            superseded,
            rest_withdrawn,
        }
    }

    fn put(&mut self, word: Consent, wins: impl Fn(&Consent, &Consent) -> bool) -> Taken {
        let known = self.words.iter().position(|own| own.is_about_same(&word));
        if let Some(place) = known {
            let known = &mut self.words[place];
            let counts = wins(known, &word) && !word.says_the_same_as(known);
            if known.ordinal != word.ordinal {
                return self.put_of_fragment(place, word, counts);
            }
            if !counts {
                return Taken::Unchanged;
            }
            *known = word;
        } else if word.granted && (self.is_full() || self.may_be_withdrawn(&word)) {
            return Taken::Refused(word);
        } else if self.is_full() {
            self.withdraw_more(word);
        } else {
            self.words.push(word);
            self.fit_superseded();
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
        let (gone, words): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.words).into_iter().partition(same);
        self.words = words;
        let ordinal = word.ordinal;
        let of_others = gone.into_iter().filter(|own| own.ordinal != ordinal);
        self.superseded.extend(of_others);
        word.channel = Box::default();
        word.time = word.time.max(newest);
        self.words.push(word);
        self.fit_superseded();
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
mod tests;
