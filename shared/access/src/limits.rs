//! Limits of what is accepted as a credential, each with its reason.

use std::time::Duration;

/// Bytes of an `authorization` header: tokens with many claims have 2 to 4 KiB, and whoever sends
/// more is refused before a byte of it is decoded.
pub const CREDENTIAL_BYTES: usize = 8 * 1024;
/// Bytes of the header of a token, decoded: it names an algorithm and a key.
pub const TOKEN_HEADER_BYTES: usize = 1024;
/// The time by which clocks of issuers may differ from ours.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(30);
/// Tokens whose verification is remembered, for each issuer: 4,096 callers at once.
pub const REMEMBERED_TOKENS: usize = 4_096;
/// Bytes of a set of keys of an issuer: large ones have 20 keys of 2 KiB.
pub const KEY_SET_BYTES: usize = 256 * 1024;
/// Keys of an issuer that are kept.
pub const KEYS_OF_ISSUER: usize = 100;
/// The time that a set of keys may take to arrive. Calls that wait for it are refused then.
pub const KEY_SET_TIME: Duration = Duration::from_secs(5);
/// The age at which a set of keys is fetched anew, beside the calls.
pub const KEY_SET_AGE: Duration = Duration::from_secs(10 * 60);
/// The age at which a set of keys counts no more, where no newer one could be fetched.
pub const KEY_SET_MOST_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause between two fetches that unknown keys ask for: a flood of wrong tokens asks the issuer
/// no more often.
pub const KEY_SET_PAUSE: Duration = Duration::from_secs(15);
/// Bytes of a file of certificates or keys.
pub const PEM_BYTES: u64 = 1024 * 1024;
/// Bytes of the file of callers.
pub const ACCESS_FILE_BYTES: u64 = 1024 * 1024;
/// The pause between two looks at files: certificates are renewed days before they expire.
pub const FILE_INTERVAL: Duration = Duration::from_secs(5);
/// The time before the end of a certificate at which the log begins to warn of it.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The pause between two warnings of one certificate.
pub const EXPIRY_WARNING_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The time that both sides may take to agree on TLS.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Secrets of a key that are accepted at once: the one in use, and the one that takes its place.
pub const LIVE_SECRETS: usize = 2;
/// Bytes of the name of a source, as of every definition.
pub const SOURCE_BYTES: usize = 64;
