//! Limits of posts, each with its reason.

use std::time::Duration;

/// Time to resolve a host and connect to it: a destination that needs longer is down.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for all of a post: within what Standard Webhooks lets receivers take, and a third of the
/// lease of an attempt of activation.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
/// Time to read the body of an answer: the head has decided already, the body is only detail.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer's body that are read before the connection is dropped.
pub const BODY_BYTES: usize = 16 * 1024;
/// Bytes of an answer's head.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Letters of an answer's body that are told: its first line, as a rule.
pub const DETAIL_LETTERS: usize = 200;
/// Idle connections kept to one destination, as many as activation posts to one at once.
pub const IDLE_CONNECTIONS: usize = 64;
/// The time for which an idle connection is kept: below the sixty seconds after which many servers
/// close theirs.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
