//! States as the hot store keeps them: the head, without the parts that are kept apart; and as they
//! move to a survivor, whole.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Part, Poison, UnknownParts, read_ordinal};
use kernel::{ActivationId, Reason, RunId, Timestamp};
use messages::activation::state_v1 as stored;
use messages::activation::v1::ActivationStatus;
use prost::Message;

use super::pending::{Admitted, Pending};
use super::settled::{Block, Settled};
use super::{Activation, State};
use crate::cap::SendTimes;
use crate::consent::{Consent, Consents};

impl State {
    /// Reads a head, or a whole state.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are neither.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let state = stored::CustomerState::decode(bytes)
            .map_err(|error| Poison::new(format!("not an activation state: {error}")))?;
        let consents = match (state.consents_apart_bytes, state.consents) {
            (Some(bytes), _) => Part::apart(bytes),
            (None, Some(consents)) => Part::inline(read_consents(consents)?),
            (None, None) => Part::default(),
        };
        let settled = state.settled.into_iter().map(read_settled);
        Ok(Self {
            consents,
            send_times: SendTimes::read(&state.send_time_deltas_ms, &state.send_ordinals)?,
            pending: state
                .pending
                .into_iter()
                .map(read_pending)
                .collect::<Result<_, _>>()?,
            settled: Settled {
                blocks: state.blocks.into_iter().map(read_block).collect(),
                open: settled.collect::<Result<_, _>>()?,
            },
            others: UnknownParts::read(state.other_parts)?,
            gone: Vec::new(),
        })
    }

    /// Writes the head of a state, whose parts were handed out before.
    pub(crate) fn encode(&self) -> Bytes {
        let consents_apart_bytes = self.consents.stored_bytes();
        let consents = match consents_apart_bytes {
            None => self.consents.get().ok().flatten().map(write_consents),
            Some(_) => None,
        };
        let blocks = self.settled.blocks.iter();
        stored::CustomerState {
            consents,
            consents_apart_bytes,
            pending: self.pending.iter().map(write_listed).collect(),
            settled: self.settled.open.iter().map(write_settled).collect(),
            blocks: blocks.map(write_block).collect(),
            other_parts: self.others.listed(),
            ..self.write_sends()
        }
        .encode_to_vec()
        .into()
    }

    /// Writes a state of which all parts are loaded, whole.
    pub(crate) fn encode_whole(&self) -> Bytes {
        let settled = self.settled.all().unwrap_or_default();
        stored::CustomerState {
            consents: self.consents.get().ok().flatten().map(write_consents),
            pending: self.pending.iter().map(write_whole).collect(),
            settled: settled.iter().map(write_settled).collect(),
            other_parts: self.others.whole(),
            ..self.write_sends()
        }
        .encode_to_vec()
        .into()
    }

    fn write_sends(&self) -> stored::CustomerState {
        stored::CustomerState {
            send_time_deltas_ms: self.send_times.deltas(),
            send_ordinals: self.send_times.ordinals(),
            ..stored::CustomerState::default()
        }
    }
}

/// Bytes of all that a customer said where it is stored, at the most.
pub(super) fn consents_bytes(consents: &Consents) -> usize {
    /// All but the texts: times, tags and lengths.
    const FRAME: usize = 26;
    let words = consents.iter().chain(consents.superseded());
    let words =
        words.map(|word| FRAME + word.purpose.len() + word.channel.len() + word.source.len());
    words.sum::<usize>() + FRAME
}

/// Writes all that a customer said.
pub(super) fn encode_consents(consents: &Consents) -> Bytes {
    write_consents(consents).encode_to_vec().into()
}

/// Reads all that a customer said.
///
/// # Errors
/// [`Poison`] where the bytes are not that.
pub(super) fn decode_consents(bytes: &[u8]) -> Result<Consents, Poison> {
    let consents = stored::Consents::decode(bytes)
        .map_err(|error| Poison::new(format!("no consents: {error}")))?;
    read_consents(consents)
}

/// Writes the activations of a block.
pub(super) fn encode_block(all: &[Arc<Activation>]) -> Bytes {
    let activations = all.iter().map(write_settled).collect();
    stored::SettledActivations { activations }
        .encode_to_vec()
        .into()
}

/// Reads the activations of a block.
///
/// # Errors
/// [`Poison`] where the bytes are none.
pub(super) fn decode_block(bytes: &[u8]) -> Result<Vec<Arc<Activation>>, Poison> {
    let block = stored::SettledActivations::decode(bytes)
        .map_err(|error| Poison::new(format!("no settled activations: {error}")))?;
    block.activations.into_iter().map(read_settled).collect()
}

fn read_consents(consents: stored::Consents) -> Result<Consents, Poison> {
    let read = |words: Vec<stored::Consent>| {
        let words = words.into_iter().map(read_word);
        words.collect::<Result<_, _>>()
    };
    Ok(Consents::restored(
        read(consents.words)?,
        read(consents.superseded)?,
        consents.rest_withdrawn_time_ms.map(Timestamp::from_millis),
    ))
}

fn read_word(word: stored::Consent) -> Result<Consent, Poison> {
    Ok(Consent {
        purpose: word.purpose.into(),
        channel: word.channel.into(),
        granted: word.granted,
        time: Timestamp::from_millis(word.time_ms),
        source: word.source.into(),
        ordinal: read_ordinal(word.ordinal)?,
    })
}

fn write_word(word: &Consent) -> stored::Consent {
    stored::Consent {
        purpose: word.purpose.to_string(),
        channel: word.channel.to_string(),
        granted: word.granted,
        time_ms: word.time.as_millis(),
        source: word.source.to_string(),
        ordinal: word.ordinal.into(),
    }
}

fn write_consents(consents: &Consents) -> stored::Consents {
    stored::Consents {
        words: consents.iter().map(write_word).collect(),
        superseded: consents.superseded().map(write_word).collect(),
        rest_withdrawn_time_ms: consents.rest_withdrawn().map(Timestamp::as_millis),
    }
}

fn read_id(run_id: &[u8], visit: u32) -> Result<ActivationId, Poison> {
    RunId::try_from_bytes(run_id)
        .map(|run| ActivationId { run, visit })
        .map_err(|error| Poison::new(error.to_string()))
}

fn read_reason(code: &str) -> Result<Reason, Poison> {
    Reason::from_code(code).ok_or_else(|| Poison::new("an activation has an unknown reason"))
}

fn read_pending(entry: stored::PendingActivation) -> Result<Pending, Poison> {
    let admitted = match entry.apart_bytes {
        Some(bytes) => (Part::apart(bytes), bytes as usize),
        None => {
            let bytes = entry.admitted.len();
            (Part::inline(Admitted::decode(entry.admitted)?), bytes)
        }
    };
    Ok(Pending {
        id: read_id(&entry.run_id, entry.visit)?,
        ordinal: read_ordinal(entry.ordinal)?,
        reason: read_reason(&entry.reason)?,
        detail: entry.detail.into(),
        attempts: entry.attempts,
        create_time: Timestamp::from_millis(entry.create_time_ms),
        update_time: Timestamp::from_millis(entry.update_time_ms),
        in_flight: entry.in_flight,
        due: Timestamp::from_millis(entry.due_time_ms),
        failures: entry.failures,
        lapses: entry.lapses,
        reserved: entry.reserved_time_ms.map(Timestamp::from_millis),
        is_apart: entry.apart_bytes.is_some(),
        admitted,
    })
}

/// Writes it as a head lists it.
fn write_listed(pending: &Pending) -> stored::PendingActivation {
    match pending.admitted.0.stored_bytes() {
        None => write_whole(pending),
        apart_bytes => stored::PendingActivation {
            apart_bytes,
            ..write_pending(pending)
        },
    }
}

fn write_whole(pending: &Pending) -> stored::PendingActivation {
    let admitted = pending.admitted().map(Admitted::encoded);
    stored::PendingActivation {
        admitted: admitted.unwrap_or_default(),
        ..write_pending(pending)
    }
}

fn write_pending(pending: &Pending) -> stored::PendingActivation {
    stored::PendingActivation {
        run_id: Bytes::copy_from_slice(pending.id.run.as_bytes()),
        visit: pending.id.visit,
        ordinal: pending.ordinal.into(),
        reason: pending.reason.code().to_owned(),
        detail: pending.detail.to_string(),
        attempts: pending.attempts,
        create_time_ms: pending.create_time.as_millis(),
        update_time_ms: pending.update_time.as_millis(),
        in_flight: pending.in_flight,
        due_time_ms: pending.due.as_millis(),
        failures: pending.failures,
        lapses: pending.lapses,
        reserved_time_ms: pending.reserved.map(Timestamp::as_millis),
        ..stored::PendingActivation::default()
    }
}

fn read_settled(entry: stored::SettledActivation) -> Result<Arc<Activation>, Poison> {
    let status = i32::try_from(entry.status)
        .ok()
        .and_then(|status| ActivationStatus::try_from(status).ok())
        .ok_or_else(|| Poison::new("an activation has an unknown status"))?;
    Ok(Arc::new(Activation {
        id: read_id(&entry.run_id, entry.visit)?,
        ordinal: read_ordinal(entry.ordinal)?,
        reason: read_reason(&entry.reason)?,
        journey: entry.journey.into(),
        step: entry.step.into(),
        channel: entry.channel.into(),
        template: entry.template.into(),
        status,
        detail: entry.detail.into(),
        attempts: entry.attempts,
        create_time: Timestamp::from_millis(entry.create_time_ms),
        update_time: Timestamp::from_millis(entry.update_time_ms),
    }))
}

fn write_settled(activation: &Arc<Activation>) -> stored::SettledActivation {
    stored::SettledActivation {
        run_id: Bytes::copy_from_slice(activation.id.run.as_bytes()),
        visit: activation.id.visit,
        ordinal: activation.ordinal.into(),
        journey: activation.journey.to_string(),
        step: activation.step.to_string(),
        channel: activation.channel.to_string(),
        template: activation.template.to_string(),
        status: u32::try_from(i32::from(activation.status)).expect("statuses are not negative"),
        reason: activation.reason.code().to_owned(),
        detail: activation.detail.to_string(),
        attempts: activation.attempts,
        create_time_ms: activation.create_time.as_millis(),
        update_time_ms: activation.update_time.as_millis(),
    }
}

fn read_block(block: stored::SettledBlock) -> Block {
    Block {
        number: block.number,
        ids: block.id_hashes.into(),
        part: Part::apart(block.apart_bytes),
    }
}

fn write_block(block: &Block) -> stored::SettledBlock {
    stored::SettledBlock {
        number: block.number,
        apart_bytes: block.part.stored_bytes().unwrap_or_default(),
        id_hashes: block.ids.to_vec(),
    }
}
