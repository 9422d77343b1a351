//! Values that are stored, as another definition of their namespace reads them.

use crate::namespace::Namespace;
use crate::normalizer::Normalizer;

/// A stored value, as a namespace that is defined in another way reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// As it is, in whatever way it is written.
    Same,
    /// As it is; but another way of writing it, which was the same value, is another one now.
    Apart,
    /// As another value.
    Other(String),
    /// It is none of the namespace.
    Refused,
}

impl Namespace {
    /// Reads a value that was stored under an earlier definition of this namespace; absent where
    /// nobody knows that any more.
    pub fn read_again(&self, before: Option<&Self>, value: &str) -> Reading {
        match self.normalize(value.to_owned()) {
            Err(_) => Reading::Refused,
            Ok(read) if read != value => Reading::Other(read),
            Ok(_) => {
                let before = before.map_or(self.normalizer, Self::normalizer);
                match tells_apart(before, self.normalizer, value) {
                    true => Reading::Apart,
                    false => Reading::Same,
                }
            }
        }
    }
}

/// Returns whether what one normaliser reads as this value may be several to the next.
fn tells_apart(before: Normalizer, after: Normalizer, value: &str) -> bool {
    use Normalizer::{Domain, Email, Lowercase, Nfkc, Phone, Trim};
    match (before, after) {
        _ if before == after => false,
        // Any digit may have white space before it, and any sign a full-width form. A domain has
        // hosts below it.
        (Phone | Nfkc | Domain, _) => true,
        (Lowercase | Email, Trim) => value.chars().any(has_capital),
        // A number has no letters. Joiners inside a word are no letters.
        (Lowercase | Email, _) | (Trim, _) => false,
    }
}

fn has_capital(sign: char) -> bool {
    !sign.to_uppercase().eq([sign])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(before: Normalizer, after: Normalizer, value: &str) -> Reading {
        let own = |normalizer| Namespace::new("x", 1, 1, normalizer);
        own(after).read_again(Some(&own(before)), value)
    }

    #[test]
    fn a_stored_value_is_the_same_another_or_no_longer_alone() {
        use Normalizer::{Domain, Email, Lowercase, Nfkc, Phone, Trim};
        let other = |value: &str| Reading::Other(value.to_owned());
        for (before, after, value, expected) in [
            (Trim, Lowercase, "U1", other("u1")),
            (Trim, Lowercase, "u1", Reading::Same),
            (Lowercase, Trim, "u1", Reading::Apart),
            (Lowercase, Trim, "é", Reading::Apart),
            (Lowercase, Trim, "12-7", Reading::Same),
            (Email, Trim, "a@x.io", Reading::Apart),
            (Email, Lowercase, "a@x.io", Reading::Same),
            (Lowercase, Email, "a", Reading::Refused),
            (Lowercase, Nfkc, "a", Reading::Same),
            (Nfkc, Lowercase, "12", Reading::Apart),
            (Phone, Trim, "+4930123456", Reading::Apart),
            (Trim, Phone, "+4930123456", Reading::Same),
            (Trim, Phone, "ada", Reading::Refused),
            (Trim, Domain, "www.example.com", other("example.com")),
            (Trim, Domain, "example.com", Reading::Same),
            (Domain, Trim, "example.com", Reading::Apart),
        ] {
            let seen = reads(before, after, value);
            assert_eq!(seen, expected, "{before:?} {after:?} {value}");
        }
        let unknown = Namespace::new("x", 1, 1, Trim).read_again(None, "u1");
        assert_eq!(unknown, Reading::Same);
    }

    proptest! {
        #[test]
        fn what_is_the_same_is_so_in_any_case_and_width(text in "[a-zA-ZäÄß0-9@. -]{1,12}") {
            use Normalizer::{Domain, Email, Lowercase, Nfkc, Phone, Trim};
            let all = [Trim, Lowercase, Email, Phone, Nfkc, Domain];
            let wide = |sign: char| char::from_u32(u32::from(sign) + 0xfee0).expect("a sign");
            let is_plain = |sign: &char| sign.is_ascii_graphic();
            let full: String = text.chars().filter(is_plain).map(wide).collect();
            let writings = [text.to_uppercase(), text.to_lowercase(), full, text];
            for (before, after) in all.iter().flat_map(|one| all.map(|other| (*one, other))) {
                let read = |by: Normalizer, text: &str| by.normalize(text.to_owned()).ok();
                let values = writings.iter().filter_map(|it| read(before, it));
                for value in values.filter(|it| reads(before, after, it) == Reading::Same) {
                    for written in writings.iter().filter(|it| read(before, it).as_ref() == Some(&value)) {
                        let again = read(after, written);
                        prop_assert_eq!(again.as_ref(), Some(&value));
                    }
                }
            }
        }
    }
}
