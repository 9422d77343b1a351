//! Packing a commit into the arguments of one function call.

use redis::{Cmd, ToRedisArgs};

use super::head::{CURSOR, WATERMARK};
use super::keys::{CHANNEL, Keys};
use super::reply::id;
use crate::{Commit, Slot, StreamId};

/// The call of a commit, in the order that the function expects.
pub(super) fn commit(function: &str, keys: &Keys, slot: Slot, commit: &Commit) -> Cmd {
    let (written, removed): (Vec<_>, Vec<_>) =
        commit.states.iter().partition(|(_, value)| value.is_some());
    let set: Vec<_> = commit
        .timers
        .iter()
        .filter_map(|(key, due)| Some((key, (*due)?)))
        .collect();
    let cleared = commit.timers.len() - set.len();
    let fields = commit.cursors.len() + usize::from(commit.watermark.is_some());

    let mut call = Cmd::with_capacity(64 + 4 * commit.states.len(), 4096);
    call.arg("FCALL")
        .arg(function)
        .arg(6 + commit.outputs.len() + commit.states.len());
    call.arg(keys.meta(slot))
        .arg(keys.timers(slot))
        .arg(keys.counters(slot))
        .arg(keys.outbox(slot))
        .arg(keys.quarantine(slot))
        .arg(keys.tails(slot.partition));
    for (name, _) in &commit.outputs {
        call.arg(keys.stream(StreamId {
            name: *name,
            partition: slot.partition,
        }));
    }
    let mut state_key = keys.states(slot);
    let prefix = state_key.len();
    for (key, _) in written.iter().chain(&removed) {
        state_key.truncate(prefix);
        state_key.extend_from_slice(key);
        call.arg(&state_key[..]);
    }

    call.arg(commit.epoch)
        .arg(commit.seq)
        .arg(commit.batch_id)
        .arg(slot.partition.number())
        .arg(CHANNEL);
    for count in [
        commit.outputs.len(),
        written.len(),
        removed.len(),
        set.len(),
        cleared,
        commit.counters.len(),
        commit.outbox.len(),
        fields,
        commit.quarantine.len(),
    ] {
        call.arg(count);
    }
    for (name, payload) in &commit.outputs {
        call.arg(name.name()).arg(&payload[..]);
    }
    for (_, value) in written {
        call.arg(value.as_deref().unwrap_or_default());
    }
    for (key, due) in set {
        call.arg(due.as_millis()).arg(&key[..]);
    }
    for (key, due) in &commit.timers {
        if due.is_none() {
            call.arg(&key[..]);
        }
    }
    for (name, value) in &commit.counters {
        call.arg(&**name).arg(*value);
    }
    for message in &commit.outbox {
        call.arg(target(message.to)).arg(&message.payload[..]);
    }
    for (name, cursor) in &commit.cursors {
        call.arg(format!("{CURSOR}{}", name.name()))
            .arg(id(*cursor));
    }
    if let Some(watermark) = commit.watermark {
        call.arg(WATERMARK).arg(watermark.as_millis());
    }
    for payload in &commit.quarantine {
        call.arg(&payload[..]);
    }
    call
}

/// A call of a function with a few keys and arguments.
pub(super) fn call(function: &str, keys: &[String], arguments: &[impl ToRedisArgs]) -> Cmd {
    let mut call = Cmd::new();
    call.arg("FCALL").arg(function).arg(keys.len());
    for key in keys {
        call.arg(key);
    }
    for argument in arguments {
        call.arg(argument);
    }
    call
}

/// The address of an outbox message.
fn target(to: StreamId) -> String {
    format!("{}:{}", to.partition, to.name.name())
}
