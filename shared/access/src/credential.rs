//! The credential in the headers of a call: `authorization: Bearer …`, a key or a token.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::limits::CREDENTIAL_BYTES;
use crate::{ApiKey, KEY_PREFIX, Refusal};

/// The scheme of keys and tokens, which is read without regard to case.
const SCHEME: &str = "bearer ";

/// A credential as it was sent. It is not verified yet.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// An API key.
    Key(ApiKey<'a>),
    /// A token that somebody else issued.
    Token(&'a str),
}

impl<'a> Credential<'a> {
    /// Reads the credential of a call; none where it has no such header.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] where the header is there twice, too long, or neither.
    pub fn read(headers: &'a HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Refusal::invalid(
                "there are several authorization headers: send one",
            ));
        }
        if value.len() > CREDENTIAL_BYTES {
            return Err(Refusal::invalid(format!(
                "the authorization header has {} bytes: at most {CREDENTIAL_BYTES} are read",
                value.len()
            )));
        }
        let text = value.to_str().ok().and_then(bearer).ok_or_else(|| {
            Refusal::invalid(
                "the authorization header is not `Bearer`, a space, and a key or token",
            )
        })?;
        Self::parse(text).map(Some)
    }

    fn parse(text: &'a str) -> Result<Self, Refusal> {
        if !text.starts_with(KEY_PREFIX) {
            return Ok(Self::Token(text));
        }
        let key = ApiKey::parse(text).ok_or_else(mistyped)?;
        Ok(Self::Key(key))
    }
}

/// A key that was cut, or changed on its way.
pub(crate) fn mistyped() -> Refusal {
    Refusal::invalid("the key is not whole: copy it again, from `hpk_` to its last character")
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let rest = rest.trim();
    let is_right = scheme.eq_ignore_ascii_case(SCHEME) && !rest.is_empty();
    is_right.then_some(rest)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::NewKey;

    fn read(values: &[&str]) -> Result<&'static str, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(AUTHORIZATION, value);
        }
        match Credential::read(&headers) {
            Ok(None) => Ok("none"),
            Ok(Some(Credential::Key(_))) => Ok("key"),
            Ok(Some(Credential::Token(_))) => Ok("token"),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    #[test]
    fn keys_and_tokens_are_told_apart() {
        let key = NewKey::make().expect("randomness");
        let key = format!("Bearer {}", key.reveal());
        assert_eq!(read(&[]), Ok("none"));
        assert_eq!(read(&[&key]), Ok("key"));
        assert_eq!(read(&[&key.replace("Bearer", "bEARER")]), Ok("key"));
        assert_eq!(read(&["Bearer aa.bb.cc"]), Ok("token"));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused_with_the_reason() {
        let key = NewKey::make().expect("randomness");
        let cut = format!("Bearer {}", &key.reveal()[..40]);
        let long = format!("Bearer {}", "x".repeat(CREDENTIAL_BYTES));
        for (values, part) in [
            (&["Bearer a.b.c", "Bearer a.b.c"][..], "several"),
            (&["Basic dTpw"], "is not `Bearer`"),
            (&["Bearer"], "is not `Bearer`"),
            (&["Bearer "], "is not `Bearer`"),
            (&["é"], "is not `Bearer`"),
            (&[&cut], "not whole"),
            (&[&long], "at most 8192"),
        ] {
            let refused = read(values).expect_err(part);
            assert!(refused.contains(part), "{refused}");
            assert!(!refused.contains(&key.reveal()[25..40]), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert(AUTHORIZATION, value);
                let _ = Credential::read(&headers);
            }
        }
    }
}
