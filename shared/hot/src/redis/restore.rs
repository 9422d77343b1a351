//! Restoring a partition behind its gate, and what that needs to know.
//!
//! Every call names the gate, and is refused where another restore has taken it over. It decides
//! nothing: what is written comes from the journal.

use async_trait::async_trait;
use kernel::{PartitionId, Timestamp};
use redis::{Cmd, ToRedisArgs, Value, cmd};

use super::head::{CURSOR, NEXT_DUE, WATERMARK, mark_fields};
use super::index::{Moves, added};
use super::library::{Function, LIBRARY};
use super::reply::{PAYLOAD, items, maybe_bytes, number, pairs, text, unexpected};
use super::write::digits;
use super::{RedisStore, pack, record};
use crate::{
    Commit, CounterKey, Gate, GateAnswer, GateClaim, Gates, HotError, Origin, Owner,
    RestorableStore, RestoredHead, Slot, StateRestore, StateWrite, StreamId, StreamName,
    StreamRestore, Timer, Writer, check, limits,
};

/// The field that says that the gate is closed, among the marks of the writers.
const GATE: &str = "gate";

/// Says that a partition is being restored, by another process.
pub(super) fn closed() -> HotError {
    HotError::unavailable("the partition is being restored from the journal")
}

/// What entries of the index of timers do to the lists, where nobody knows which lists there are.
fn pushes<'a>(entries: impl Iterator<Item = (i64, &'a crate::StateKey)>) -> Moves {
    let mut moves = Moves::default();
    for (time_ms, key) in entries {
        let bucket = record::bucket(time_ms);
        record::push(moves.pushes.entry(bucket).or_default(), time_ms, key);
    }
    moves.begins = moves.pushes.keys().copied().collect();
    moves
}

#[async_trait]
impl RestorableStore for RedisStore {
    async fn check_follows(&self, slot: Slot, epoch: u64, seq: u64) -> Result<(), HotError> {
        let current = self.current(slot).await?;
        check::follows(slot, current, (epoch, seq))
    }

    async fn sources(&self, stream: StreamId) -> Result<Vec<(Box<str>, u64)>, HotError> {
        let mut all = cmd("HGETALL");
        all.arg(self.keys.marks(stream));
        let mut sources = pairs(self.ask(stream.partition, &all).await?)?
            .into_iter()
            .map(|(source, mark)| Ok((text(source)?.into(), number(mark)?)))
            .collect::<Result<Vec<_>, HotError>>()?;
        sources.sort_unstable();
        Ok(sources)
    }

    async fn origins(&self, stream: StreamId) -> Result<Vec<Origin>, HotError> {
        check::partition(self.count, stream.partition)?;
        let mut all = cmd("HGETALL");
        all.arg(self.keys.origins(stream));
        let mut origins = Vec::new();
        for (writer, seq) in pairs(self.ask(stream.partition, &all).await?)? {
            let writer = text(writer)?;
            if writer == GATE {
                continue;
            }
            let number_of_writer = writer
                .parse()
                .map_err(|_| unexpected(&format!("the writer `{writer}`")))?;
            origins.push(Origin {
                writer: Writer::from_number(number_of_writer),
                seq: number(seq)?,
            });
        }
        origins.sort_unstable();
        Ok(origins)
    }

    async fn gates(&self, partition: PartitionId) -> Result<Gates, HotError> {
        let mut get = cmd("HMGET");
        get.arg(self.keys.gate(partition))
            .arg("token")
            .arg("opened");
        let [closed, opened] = <[Value; 2]>::try_from(items(self.ask(partition, &get).await?)?)
            .map_err(|_| unexpected("the gates of a partition"))?;
        Ok(Gates {
            closed: maybe_gate(closed)?,
            opened: maybe_gate(opened)?,
        })
    }

    async fn close_gate(
        &self,
        partition: PartitionId,
        claim: GateClaim,
    ) -> Result<GateAnswer, HotError> {
        let opened = claim.opened.map(|gate| gate.0.to_string());
        let arguments = [
            claim.gate.0.to_string(),
            Owner::ALL.len().to_string(),
            claim.ttl.as_millis().to_string(),
            opened.unwrap_or_default(),
        ];
        let call = self.gate_call(Function::CloseGate, partition, &arguments);
        match self.outcome(partition, &call).await?.as_str() {
            "ok" => Ok(GateAnswer::Closed),
            "held" => Ok(GateAnswer::Held),
            "passed" => Ok(GateAnswer::Passed),
            _ => Err(unexpected("a reply")),
        }
    }

    async fn hold_gate(&self, partition: PartitionId, gate: Gate) -> Result<(), HotError> {
        let keys = [self.keys.gate(partition)];
        let call = pack::call(&LIBRARY.name(Function::HoldGate), &keys, &[gate.0]);
        self.restore(partition, &call).await
    }

    async fn restore_states(
        &self,
        slot: Slot,
        gate: Gate,
        part: &StateRestore,
    ) -> Result<(), HotError> {
        check::partition(self.count, slot.partition)?;
        check::states(&part.states)?;
        let states: Vec<StateWrite> = part.states.iter().map(snapshot_state).collect();
        for states in states.chunks(limits::STATES_PER_COMMIT) {
            let call = self.states_call(slot, gate, states, &StateRestore::default())?;
            self.restore(slot.partition, &call).await?;
        }
        let call = self.states_call(slot, gate, &[], part)?;
        self.restore(slot.partition, &call).await
    }

    async fn restore_commits(
        &self,
        slot: Slot,
        gate: Gate,
        before: u64,
        commit: &Commit,
    ) -> Result<(), HotError> {
        check::partition(self.count, slot.partition)?;
        check::commit(self.count, commit)?;
        let commit = Commit {
            outputs: Vec::new(),
            cursors: Vec::new(),
            states: commit.states.iter().map(StateWrite::with_entry).collect(),
            next_due: Some(Timestamp::MIN),
            ..commit.clone()
        };
        let moves = pushes(added(&commit));
        let function = LIBRARY.name(Function::RestoreCommits);
        let gate = (self.keys.gate(slot.partition), [gate.0, before]);
        let call = pack::commit(
            &function,
            &self.keys,
            slot,
            &commit,
            &moves,
            PAYLOAD,
            Some(gate),
        )?;
        let mut reply = self.call(slot.partition, &call).await?.into_iter();
        let mut next = || reply.next().ok_or_else(|| unexpected("a reply"));
        match text(next()?)?.as_str() {
            "ok" => Ok(()),
            "gated" => Err(closed()),
            "gap" => Err(HotError::Gap {
                partition: slot.partition,
                seq: commit.seq,
                current: number(next()?)?,
            }),
            _ => Err(unexpected("a reply")),
        }
    }

    async fn restore_stream(
        &self,
        stream: StreamId,
        gate: Gate,
        part: &StreamRestore,
    ) -> Result<(), HotError> {
        check::partition(self.count, stream.partition)?;
        let reader = Slot {
            owner: stream.name.reader(),
            partition: stream.partition,
        };
        let mut call = pack::call(
            &LIBRARY.name(Function::RestoreStream),
            &[
                self.keys.stream(stream),
                self.keys.tails(stream.partition),
                self.keys.marks(stream),
                self.keys.uses(stream),
                self.keys.origins(stream),
                self.keys.meta(reader),
                self.keys.gate(stream.partition),
            ],
            &[gate.0],
        );
        call.arg(stream.name.name())
            .arg(format!("{CURSOR}{}", stream.name.name()))
            .arg(limits::SOURCES_PER_STREAM)
            .arg(u8::from(part.is_first))
            .arg(&pack::counts([
                part.entries.len(),
                part.origins.len(),
                part.sources.len(),
            ])?);
        for (origin, payload) in &part.entries {
            call.arg(origin.to_string()).arg(&payload[..]);
        }
        for origin in &part.origins {
            call.arg(origin.writer.number()).arg(digits(origin.seq));
        }
        for (source, mark) in &part.sources {
            call.arg(&**source).arg(digits(*mark));
        }
        self.restore(stream.partition, &call).await
    }

    async fn open_gate(
        &self,
        partition: PartitionId,
        gate: Gate,
        fences: &[(Owner, u64)],
    ) -> Result<(), HotError> {
        let fence = |owner| fences.iter().find(|(of, _)| *of == owner);
        let epochs = Owner::ALL.map(|owner| fence(owner).map_or(0, |(_, epoch)| *epoch));
        let arguments: Vec<u64> = [gate.0].into_iter().chain(epochs).collect();
        let call = self.gate_call(Function::OpenGate, partition, &arguments);
        self.restore(partition, &call).await
    }
}

/// A gate, as the store names it.
fn maybe_gate(value: Value) -> Result<Option<Gate>, HotError> {
    maybe_bytes(value.clone())?
        .map(|_| number(value).map(Gate))
        .transpose()
}

impl RedisStore {
    fn gate_call(
        &self,
        function: Function,
        partition: PartitionId,
        arguments: &[impl ToRedisArgs],
    ) -> Cmd {
        let mut keys = vec![self.keys.gate(partition)];
        keys.extend(Owner::ALL.map(|owner| self.keys.meta(Slot { owner, partition })));
        keys.extend(StreamName::ALL.map(|name| self.keys.origins(StreamId { name, partition })));
        pack::call(&LIBRARY.name(function), &keys, arguments)
    }

    /// Calls a function that restores.
    async fn restore(&self, partition: PartitionId, call: &Cmd) -> Result<(), HotError> {
        match self.outcome(partition, call).await?.as_str() {
            "ok" => Ok(()),
            "gated" => Err(closed()),
            _ => Err(unexpected("a reply")),
        }
    }

    /// Calls a function that answers with one word.
    async fn outcome(&self, partition: PartitionId, call: &Cmd) -> Result<String, HotError> {
        let mut reply = self.call(partition, call).await?.into_iter();
        text(reply.next().ok_or_else(|| unexpected("a reply"))?)
    }

    /// The call that writes these states, and everything but the states of a part.
    fn states_call(
        &self,
        slot: Slot,
        gate: Gate,
        states: &[StateWrite],
        part: &StateRestore,
    ) -> Result<Cmd, HotError> {
        let written: Vec<&StateWrite> = states.iter().filter(|it| it.value.is_some()).collect();
        let entries = written.iter().filter(|it| it.adds_entry);
        let entries = entries.filter_map(|it| Some((it.timer.entry?.as_millis(), &it.key)));
        let moves = pushes(entries);
        let fields = part.head.as_ref().map(head_fields).unwrap_or_default();
        let outbox = part.head.as_ref().map_or(&[][..], |head| &head.outbox);
        let marks = part.head.iter().flat_map(|head| &head.marks);
        let marks: Vec<(String, String)> = marks
            .flat_map(|(stream, marks)| mark_fields(*stream, marks))
            .collect();
        let groups = CounterKey::by_group(&part.counters);

        let mut call = Cmd::new();
        call.arg("FCALL")
            .arg(LIBRARY.name(Function::RestoreStates))
            .arg(7 + written.len() + moves.pushes.len() + groups.len())
            .arg(self.keys.gate(slot.partition))
            .arg(self.keys.meta(slot))
            .arg(self.keys.consumed(slot))
            .arg(self.keys.outbox(slot))
            .arg(self.keys.quarantine(slot))
            .arg(self.keys.buckets(slot))
            .arg(self.keys.groups(slot));
        pack::state_keys(&mut call, &self.keys, slot, written.iter());
        pack::list_keys(&mut call, &self.keys, slot, &moves);
        for group in groups.keys() {
            call.arg(self.keys.counters(slot, group));
        }
        call.arg(gate.0).arg(&pack::counts([
            written.len(),
            moves.pushes.len(),
            groups.len(),
            part.quarantine.len(),
            marks.len(),
            fields.len(),
            outbox.len(),
        ])?);
        pack::values(&mut call, &written);
        pack::move_arguments(&mut call, &moves);
        pack::counters(&mut call, &groups);
        for entry in &part.quarantine {
            call.arg(entry.id.to_string()).arg(&entry.payload[..]);
        }
        for (field, value) in marks {
            call.arg(field).arg(value);
        }
        for (field, value) in fields {
            call.arg(field).arg(value);
        }
        for (number, message) in outbox {
            call.arg(*number)
                .arg(pack::target(message.to))
                .arg(&message.payload[..]);
        }
        Ok(call)
    }
}

/// A state of a snapshot with an entry at the time its timer is due.
fn snapshot_state(state: &StateWrite) -> StateWrite {
    let due = state.timer.due;
    StateWrite {
        timer: Timer { due, entry: due },
        adds_entry: due.is_some(),
        ..state.clone()
    }
}

/// The fields of the head of a slot.
fn head_fields(head: &RestoredHead) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("seq", head.commit_seq.to_string()),
        ("batch", head.batch_id.to_string()),
        ("outbox", head.outbox_seq.to_string()),
        ("forwarded", head.forwarded_seq.to_string()),
        (NEXT_DUE, Timestamp::MIN.as_millis().to_string()),
    ];
    if let Some(watermark) = head.watermark {
        fields.push((WATERMARK, watermark.as_millis().to_string()));
    }
    fields
}
