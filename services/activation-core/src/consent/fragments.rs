//! Last words of the fragments of a merged customer: the newest word on a purpose and channel counts,
//! and the others are kept for whoever comes apart again.

use super::{Consent, Consents, Taken};
use crate::limits;

impl Consents {
    /// The last words of fragments in whose place another fragment's word counts.
    pub(crate) fn superseded(&self) -> impl ExactSizeIterator<Item = &Consent> {
        self.superseded.iter()
    }

    /// Takes out what fragments that leave said, each under the ordinal that it has there. The
    /// newest word of each side counts for it. A withdrawal that is not listed is nobody's alone:
    /// it stands for both.
    pub(crate) fn split_off(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let all = std::mem::take(&mut self.words).into_iter();
        let all = all.chain(std::mem::take(&mut self.superseded));
        let (mut theirs, mut own) = (Vec::new(), Vec::new());
        for word in all {
            match ordinal_of(word.ordinal) {
                Some(ordinal) => theirs.push(Consent { ordinal, ..word }),
                None => own.push(word),
            }
        }
        let rest = self.rest_withdrawn;
        let of = |words: Vec<Consent>| {
            let mut consents = Self::restored(Vec::new(), Vec::new(), rest);
            words.into_iter().for_each(|word| consents.restore(word));
            consents
        };
        *self = of(own);
        of(theirs)
    }

    /// Takes a word of another fragment than the one whose word is known at a place.
    pub(super) fn put_of_fragment(&mut self, place: usize, word: Consent, counts: bool) -> Taken {
        let changed = if counts {
            let is_older = |own: &Consent| own.is_about_same(&word) && own.ordinal == word.ordinal;
            self.superseded.retain(|own| !is_older(own));
            let before = std::mem::replace(&mut self.words[place], word);
            self.supersede(before);
            true
        } else {
            self.supersede(word)
        };
        match changed {
            true => Taken::Changed,
            false => Taken::Unchanged,
        }
    }

    /// Keeps the last word of a fragment, which does not count. Returns whether it is news.
    pub(super) fn supersede(&mut self, word: Consent) -> bool {
        let is_same = |own: &Consent| own.is_about_same(&word) && own.ordinal == word.ordinal;
        match self.superseded.iter_mut().find(|own| is_same(own)) {
            Some(own) if own.time > word.time || *own == word => return false,
            Some(own) => *own = word,
            None => self.superseded.push(word),
        }
        self.fit_superseded();
        true
    }

    /// Makes room for what counts: the oldest words that do not are forgotten.
    pub(super) fn fit_superseded(&mut self) {
        while self.words.len() + self.superseded.len() > limits::CONSENTS {
            let places = self.superseded.iter().enumerate();
            let Some((oldest, _)) = places.min_by_key(|(_, own)| own.time) else {
                return;
            };
            self.superseded.remove(oldest);
        }
    }

    /// Puts a word where it counts, or where it is superseded. Nobody is refused.
    fn restore(&mut self, word: Consent) {
        let counts_more = |own: &Consent| (own.time, !own.granted) >= (word.time, !word.granted);
        match self.words.iter_mut().find(|own| own.is_about_same(&word)) {
            None => self.words.push(word),
            Some(own) if counts_more(own) => self.superseded.push(word),
            Some(own) => self.superseded.push(std::mem::replace(own, word)),
        }
    }
}
