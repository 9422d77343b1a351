//! API keys: `hpk_ID_SECRET_CHECKSUM`, made of small letters and digits.
//!
//! The prefix tells a key from a token, and lets scanners find keys in places where they should
//! not be. The secret has 256 random bits, so that a plain hash of it cannot be guessed: a slow one
//! would only slow down every call. The checksum tells a key that was mistyped or cut from one that
//! does not exist, without asking anybody.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The beginning of every key.
pub const KEY_PREFIX: &str = "hpk_";

/// Random bytes of an id: two keys never have the same.
const ID_BYTES: usize = 10;
/// Characters of an id.
const ID_CHARS: usize = 16;
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// Characters of a secret.
const SECRET_CHARS: usize = 52;
/// Characters of the checksum.
const CHECKSUM_CHARS: usize = 7;
/// Characters of a key up to the checksum.
const BODY_CHARS: usize = KEY_PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS;
/// Characters of a key.
const KEY_CHARS: usize = BODY_CHARS + 1 + CHECKSUM_CHARS;
/// Digits of base 32 without the letters that look like digits, after Crockford.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of a key: it is no secret, and stays the same when the secret changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_CHARS]);

/// The hash of a whole key, which is what is kept of it.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; 32]);

/// A key that was made just now. Its text is shown once, and nowhere kept.
pub struct NewKey {
    id: KeyId,
    text: String,
}

/// A key that somebody presents.
#[derive(Clone, Copy)]
pub struct ApiKey<'a> {
    id: KeyId,
    text: &'a str,
}

/// A text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the id of a key: expected 16 small letters and digits, as `happypath keys list` shows them"
)]
pub struct ParseKeyIdError;

/// The machine has no random numbers to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no random numbers, so that no key can be made")]
pub struct NoRandomness;

impl NewKey {
    /// Makes a key with an id of its own.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn make() -> Result<Self, NoRandomness> {
        let id = encode(&random::<ID_BYTES>()?);
        let mut chars = [0; ID_CHARS];
        chars.copy_from_slice(id.as_bytes());
        Self::of(KeyId(chars))
    }

    /// Makes another secret for a key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn of(id: KeyId) -> Result<Self, NoRandomness> {
        let secret = encode(&random::<SECRET_BYTES>()?);
        let body = format!("{KEY_PREFIX}{id}_{secret}");
        let text = format!("{body}_{}", checksum(&body));
        Ok(Self { id, text })
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Its hash.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.text)
    }

    /// The whole key, for whoever is to have it.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl<'a> ApiKey<'a> {
    /// Reads a text that has the form of a key. Its checksum is not looked at:
    /// [`is_intact`](Self::is_intact) does, and only those who are not let in need it.
    pub fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != KEY_CHARS || !text.starts_with(KEY_PREFIX) {
            return None;
        }
        let rest = &bytes[KEY_PREFIX.len()..];
        let mut places = rest.iter().enumerate();
        let has_form = places.all(|(place, byte)| match place {
            ID_CHARS => *byte == b'_',
            place if place == BODY_CHARS - KEY_PREFIX.len() => *byte == b'_',
            _ => DIGITS.contains(byte),
        });
        let id = KeyId::read(&rest[..ID_CHARS])?;
        has_form.then_some(Self { id, text })
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Its hash.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.text)
    }

    /// The whole key.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    /// Returns whether its checksum is right.
    pub fn is_intact(&self) -> bool {
        let (body, sum) = (&self.text[..BODY_CHARS], &self.text[BODY_CHARS + 1..]);
        checksum(body) == sum
    }
}

impl KeyId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`ParseKeyIdError`].
    pub fn parse(text: &str) -> Result<Self, ParseKeyIdError> {
        Self::read(text.as_bytes()).ok_or(ParseKeyIdError)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let chars: [u8; ID_CHARS] = bytes.try_into().ok()?;
        let is_right = chars.iter().all(|byte| DIGITS.contains(byte));
        is_right.then_some(Self(chars))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("its characters are ASCII, as `read` checks")
    }
}

impl KeyHash {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The hash of a key in a store, or in a file as 64 hexadecimal digits.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        kernel::from_hex(text).map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        kernel::to_hex(&self.0)
    }

    /// Compares two hashes in the same time, wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| NoRandomness)
}

fn checksum(body: &str) -> String {
    encode(&Sha256::digest(body.as_bytes())[..4])
}

/// Writes bytes in base 32, the last digit filled up with zeros.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut push = |digit: u32| text.push(char::from(DIGITS[(digit & 31) as usize]));
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= 5 {
            count -= 5;
            push(bits >> count);
        }
    }
    if count > 0 {
        push(bits << (5 - count));
    }
    text
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.id)
    }
}

impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let made = NewKey::make().expect("randomness");
        let key = ApiKey::parse(made.reveal()).expect("a key");
        assert_eq!(key.id(), made.id());
        assert!(key.is_intact());
        assert!(key.hash().matches(&made.hash()));
        let next = NewKey::of(made.id()).expect("randomness");
        assert_eq!(next.id(), made.id());
        assert!(!next.hash().matches(&made.hash()));
        assert_ne!(NewKey::make().expect("randomness").id(), made.id());
    }

    #[test]
    fn no_debug_text_holds_the_secret() {
        let made = NewKey::make().expect("randomness");
        let secret = &made.reveal()[KEY_PREFIX.len() + ID_CHARS + 1..];
        let key = ApiKey::parse(made.reveal()).expect("a key");
        for text in [
            format!("{made:?}"),
            format!("{key:?}"),
            format!("{:?}", made.hash()),
        ] {
            assert!(!text.contains(&secret[..8]), "{text}");
            assert!(!text.contains(&made.hash().to_hex()[..8]), "{text}");
        }
    }

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = NewKey::make().expect("randomness").hash();
        let read = KeyHash::from_hex(&hash.to_hex()).expect("a hash");
        assert!(read.matches(&hash));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(KeyHash::from_hex(text).is_none(), "{text}");
        }
    }

    #[test]
    fn bytes_are_written_in_base_32() {
        for (bytes, expected) in [
            (&b""[..], ""),
            (&[0xff], "zw"),
            (&[0, 0, 0, 0, 1], "00000001"),
            (&[0xff; 5], "zzzzzzzz"),
        ] {
            assert_eq!(encode(bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in "\\PC{0,100}") {
            let _ = ApiKey::parse(&text);
            let _ = KeyId::parse(&text);
            let _ = KeyHash::from_hex(&text);
        }

        #[test]
        fn a_change_of_any_character_is_noticed(place in 0_usize..KEY_CHARS, letter in "[0-9a-z_]") {
            let made = NewKey::make().expect("randomness");
            let mut text = made.reveal().to_owned();
            text.replace_range(place..=place, &letter);
            prop_assume!(text != made.reveal());
            if let Some(key) = ApiKey::parse(&text) {
                prop_assert!(!key.hash().matches(&made.hash()));
                prop_assert!(!key.is_intact());
            }
        }
    }
}
