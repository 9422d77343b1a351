//! Consent: a customer's last word on each purpose and channel.

use kernel::Timestamp;

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
}

/// All that a customer has said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consents(Vec<Consent>);

impl Consents {
    /// What was said, in the order in which each purpose and channel was first spoken about.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Consent> {
        self.0.iter()
    }

    /// When the newest word was said.
    pub fn latest(&self) -> Option<Timestamp> {
        self.0.iter().map(|word| word.time).max()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a word. An older one than what is known for the purpose and channel changes nothing.
    ///
    /// Returns whether anything changed.
    pub fn take(&mut self, word: Consent) -> bool {
        self.put(word, |known, word| word.time >= known.time)
    }

    /// Folds in what the same person said under another id: the newest word counts, of two at the same time the
    /// stricter.
    pub fn fold(&mut self, other: Self) {
        for word in other.0 {
            self.put(word, |known, word| {
                word.time > known.time || (word.time == known.time && !word.granted)
            });
        }
    }

    /// Whether a purpose may be served through a channel: by the newest word that covers both, of two at the same time
    /// the stricter; by `default` where nothing was said.
    pub fn allows(&self, purpose: &str, channel: &str, default: bool) -> bool {
        self.0
            .iter()
            .filter(|word| {
                word.purpose.as_ref() == purpose
                    && (word.channel.is_empty() || word.channel.as_ref() == channel)
            })
            .max_by_key(|word| (word.time, !word.granted))
            .map_or(default, |word| word.granted)
    }

    /// Restores what was stored.
    pub(crate) const fn restored(words: Vec<Consent>) -> Self {
        Self(words)
    }

    fn put(&mut self, word: Consent, wins: impl Fn(&Consent, &Consent) -> bool) -> bool {
        let known = self
            .0
            .iter_mut()
            .find(|known| known.purpose == word.purpose && known.channel == word.channel);
        match known {
            Some(known) if !wins(known, &word) || *known == word => false,
            Some(known) => {
                *known = word;
                true
            }
            None => {
                if self.0.len() >= limits::CONSENTS {
                    self.forget_oldest_grant();
                }
                self.0.push(word);
                true
            }
        }
    }

    /// Makes room without ever forgetting a withdrawal while a grant is left to forget.
    fn forget_oldest_grant(&mut self) {
        let oldest = (0..self.0.len()).min_by_key(|place| {
            let word = &self.0[*place];
            (!word.granted, word.time)
        });
        if let Some(place) = oldest {
            self.0.remove(place);
        }
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
        other_way.fold(a.clone());
        a.fold(b);
        for folded in [&a, &other_way] {
            assert!(!folded.allows("marketing", "mail", true));
            assert!(folded.allows("marketing", "sms", false));
            assert!(!folded.allows("marketing", "push", true));
        }
    }

    #[test]
    fn what_one_customer_says_is_bounded_and_withdrawals_stay() {
        let mut consents = Consents::default();
        consents.take(word("first", "", false, 0));
        for place in 0..500 {
            consents.take(word(&format!("p{place}"), "", true, 10 + place));
        }
        assert_eq!(consents.iter().len(), limits::CONSENTS);
        assert!(!consents.allows("first", "mail", true));
    }
}
