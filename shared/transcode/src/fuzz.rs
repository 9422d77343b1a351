//! The readers of what senders write, for `tests/fuzz`.
