//! Packing a commit into the arguments of one function call.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::{Cmd, ToRedisArgs};

use super::head::{CURSOR, NEXT_DUE, WATERMARK, mark_fields};
use super::index::Moves;
use super::keys::Keys;
use super::reply::id;
use crate::marks::Marks;
use crate::{Commit, CounterKey, HotError, Slot, StateWrite, StreamId, StreamName, stored};

/// The call of a commit, in the order that the function expects; `field` is that of the entries it
/// writes, `gate` the key and the token of the gate behind which it is written, with the number of
/// the commit before.
pub(super) fn commit(
    function: &str,
    keys: &Keys,
    slot: Slot,
    commit: &Commit,
    moves: &Moves,
    field: &str,
    gate: Option<(String, [u64; 2])>,
) -> Result<Cmd, HotError> {
    let (written, removed): (Vec<_>, Vec<_>) = commit
        .states
        .iter()
        .partition(|state| state.value.is_some());
    let times = [(WATERMARK, commit.watermark), (NEXT_DUE, commit.next_due)];
    let times = times.map(|(field, time)| Some((field, time?.as_millis())));
    let fields = commit.cursors.len() + times.iter().flatten().count();
    let lists = moves.ends.len() + moves.pushes.len();
    let marks = marks(&commit.marks);
    let groups = CounterKey::by_group(&commit.counters);
    let (dropped, changed) = (commit.dropped_groups.len(), groups.len());
    // Behind a gate streams are restored after the commits, without what these have consumed.
    let consumed = match gate {
        Some(_) => &[],
        None => &commit.cursors[..],
    };
    let (gate, token_and_before) = gate.unzip();

    let mut call = Cmd::with_capacity(64 + 4 * commit.states.len(), bytes_of(commit));
    call.arg("FCALL").arg(function).arg(
        7 + commit.outputs.len()
            + commit.states.len()
            + lists
            + dropped
            + changed
            + consumed.len()
            + usize::from(gate.is_some()),
    );
    call.arg(keys.meta(slot))
        .arg(keys.consumed(slot))
        .arg(keys.outbox(slot))
        .arg(keys.quarantine(slot))
        .arg(keys.tails(slot.partition))
        .arg(keys.buckets(slot))
        .arg(keys.groups(slot));
    let stream = |name| {
        let partition = slot.partition;
        keys.stream(StreamId { name, partition })
    };
    for (name, _) in &commit.outputs {
        call.arg(stream(*name));
    }
    state_keys(&mut call, keys, slot, written.iter().chain(&removed));
    list_keys(&mut call, keys, slot, moves);
    let dropped_groups = commit.dropped_groups.iter().map(|group| &**group);
    for group in dropped_groups.chain(groups.keys().copied()) {
        call.arg(keys.counters(slot, group));
    }
    for (name, _) in consumed {
        call.arg(stream(*name));
    }
    call.arg(gate);

    call.arg(commit.epoch)
        .arg(commit.seq)
        .arg(commit.batch_id)
        .arg(slot.partition.number())
        .arg(&**keys.channel())
        .arg(field)
        .arg(
            &counts([
                commit.outputs.len(),
                written.len(),
                removed.len(),
                moves.pushes.len(),
                moves.ends.len(),
                moves.begins.len(),
                moves.closes.len(),
                marks.len(),
                commit.outbox.len(),
                fields,
                commit.released.len(),
                commit.quarantine.len(),
                dropped,
                changed,
                consumed.len(),
            ])?[..],
        );
    for (name, payload) in &commit.outputs {
        call.arg(name.name()).arg(&payload[..]);
    }
    values(&mut call, &written);
    move_arguments(&mut call, moves);
    for (field, value) in marks {
        call.arg(field).arg(value);
    }
    head_arguments(&mut call, commit, &times);
    for group in &commit.dropped_groups {
        call.arg(&**group);
    }
    counters(&mut call, &groups);
    for (_, cursor) in consumed {
        call.arg(id(cursor.next()));
    }
    call.arg(token_and_before.as_ref().map(<[u64; 2]>::as_slice));
    Ok(call)
}

/// Adds the arguments after the marks: messages of the outbox, the fields of the head, and the quarantine.
fn head_arguments(call: &mut Cmd, commit: &Commit, times: &[Option<(&str, i64)>]) {
    for message in &commit.outbox {
        call.arg(target(message.to)).arg(&message.payload[..]);
    }
    for (name, cursor) in &commit.cursors {
        call.arg(format!("{CURSOR}{}", name.name()))
            .arg(id(*cursor));
    }
    for (field, millis) in times.iter().flatten() {
        call.arg(*field).arg(*millis);
    }
    for id in &commit.released {
        call.arg(id.to_string());
    }
    for payload in &commit.quarantine {
        call.arg(&payload[..]);
    }
}

/// About how many bytes the arguments of a commit take; what grows from less is copied on the way.
fn bytes_of(commit: &Commit) -> usize {
    let states = commit.states.iter();
    let states = states.map(|it| 64 + 2 * it.key.len() + it.value.as_ref().map_or(0, Bytes::len));
    let payloads = commit.outputs.iter().map(|(_, payload)| payload);
    let payloads = payloads.chain(commit.outbox.iter().map(|message| &message.payload));
    let payloads = payloads.chain(&commit.quarantine).map(|it| 64 + it.len());
    2048 + states.chain(payloads).sum::<usize>()
}

/// The marks of streams, as fields and values.
fn marks(marks: &[(StreamName, Marks)]) -> Vec<(String, String)> {
    let fields = marks.iter();
    fields
        .flat_map(|(stream, marks)| mark_fields(*stream, marks))
        .collect()
}

/// Counters by group: each with its name and how many there are, then those.
pub(super) fn counters(call: &mut Cmd, groups: &BTreeMap<&str, Vec<(&str, i64)>>) {
    for (group, counters) in groups {
        call.arg(*group).arg(counters.len());
        for (name, value) in counters {
            call.arg(*name).arg(*value);
        }
    }
}

/// The keys of states.
pub(super) fn state_keys<'a>(
    call: &mut Cmd,
    keys: &Keys,
    slot: Slot,
    states: impl Iterator<Item = &'a &'a StateWrite>,
) {
    let mut key = keys.states(slot);
    let prefix = key.len();
    for state in states {
        key.truncate(prefix);
        key.extend_from_slice(&state.key);
        call.arg(&key[..]);
    }
}

/// The keys of the lists of timers to remove, then of those to add to.
pub(super) fn list_keys(call: &mut Cmd, keys: &Keys, slot: Slot, moves: &Moves) {
    let prefix = keys.timers(slot);
    for bucket in moves.ends.iter().chain(moves.pushes.keys()) {
        call.arg(format!("{prefix}{bucket}"));
    }
}

/// The values of states, each with its timer.
pub(super) fn values(call: &mut Cmd, written: &[&StateWrite]) {
    let mut value = Vec::new();
    for state in written {
        value.clear();
        let bytes = state.value.as_deref().unwrap_or_default();
        stored::encode(&mut value, state.timer, bytes);
        call.arg(&value[..]);
    }
}

/// What is added to lists of timers, then the buckets that begin and those that end.
pub(super) fn move_arguments(call: &mut Cmd, moves: &Moves) {
    for records in moves.pushes.values() {
        call.arg(&records[..]);
    }
    for bucket in moves.begins.iter().chain(&moves.closes) {
        call.arg(*bucket);
    }
}

/// How many there are of each, as the function unpacks them.
pub(super) fn counts<const N: usize>(counts: [usize; N]) -> Result<Vec<u8>, HotError> {
    let mut packed = Vec::with_capacity(2 * N);
    for count in counts {
        let count = u16::try_from(count).map_err(|_| HotError::TooLarge {
            what: "the number of parts of a commit",
            limit: usize::from(u16::MAX),
        })?;
        packed.extend_from_slice(&count.to_le_bytes());
    }
    Ok(packed)
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
pub(super) fn target(to: StreamId) -> String {
    format!("{}:{}", to.partition, to.name.name())
}
