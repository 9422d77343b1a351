//! Reads and writes a state as its contract says.

use bytes::Bytes;
use decision::Poison;
use kernel::{ActivationId, Reason, RunId, Timestamp};
use messages::activation::state_v1 as stored;
use messages::activation::v1::ActivationStatus;
use prost::Message;

use super::{Activation, Pending, State};
use crate::cap::SendTimes;
use crate::consent::{Consent, Consents};

impl State {
    /// Reads a stored state.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Poison> {
        let state = stored::CustomerState::decode(bytes)
            .map_err(|error| Poison::new(format!("not an activation state: {error}")))?;
        Ok(Self {
            consents: Consents::restored(
                state.consents.into_iter().map(consent).collect(),
                state.rest_withdrawn_time_ms.map(Timestamp::from_millis),
            ),
            send_times: SendTimes::restored(send_times(&state.send_time_deltas_ms)),
            activations: state
                .activations
                .into_iter()
                .map(activation)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Writes the state.
    pub fn encode(&self) -> Bytes {
        stored::CustomerState {
            consents: self.consents.iter().map(stored_consent).collect(),
            send_time_deltas_ms: deltas(self.send_times.as_slice()),
            activations: self.activations.iter().map(stored_activation).collect(),
            rest_withdrawn_time_ms: self.consents.rest_withdrawn().map(Timestamp::as_millis),
        }
        .encode_to_vec()
        .into()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err` by name")]
fn poison(error: impl ToString) -> Poison {
    Poison::new(error.to_string())
}

fn consent(word: stored::ConsentEntry) -> Consent {
    Consent {
        purpose: word.purpose.into(),
        channel: word.channel.into(),
        granted: word.granted,
        time: Timestamp::from_millis(word.time_ms),
        source: word.source.into(),
    }
}

fn stored_consent(word: &Consent) -> stored::ConsentEntry {
    stored::ConsentEntry {
        purpose: word.purpose.to_string(),
        channel: word.channel.to_string(),
        granted: word.granted,
        time_ms: word.time.as_millis(),
        source: word.source.to_string(),
    }
}

fn send_times(deltas: &[i64]) -> Vec<Timestamp> {
    let mut last = 0_i64;
    deltas
        .iter()
        .map(|delta| {
            last = last.wrapping_add(*delta);
            Timestamp::from_millis(last)
        })
        .collect()
}

fn deltas(times: &[Timestamp]) -> Vec<i64> {
    let mut last = 0_i64;
    times
        .iter()
        .map(|time| {
            let delta = time.as_millis().wrapping_sub(last);
            last = time.as_millis();
            delta
        })
        .collect()
}

fn activation(entry: stored::ActivationEntry) -> Result<Activation, Poison> {
    let status = i32::try_from(entry.status)
        .ok()
        .and_then(|status| ActivationStatus::try_from(status).ok())
        .ok_or_else(|| Poison::new("an activation has an unknown status"))?;
    let reason = Reason::from_code(&entry.reason)
        .ok_or_else(|| Poison::new("an activation has an unknown reason"))?;
    Ok(Activation {
        id: ActivationId {
            run: RunId::try_from_bytes(&entry.run_id).map_err(poison)?,
            visit: entry.visit,
        },
        journey: entry.journey.into(),
        step: entry.step.into(),
        channel: entry.channel.into(),
        template: entry.template.into(),
        status,
        reason,
        detail: entry.detail.into(),
        attempts: entry.attempts,
        create_time: Timestamp::from_millis(entry.create_time_ms),
        update_time: Timestamp::from_millis(entry.update_time_ms),
        pending: entry
            .pending
            .map(|pending| Box::new(self::pending(pending))),
    })
}

fn pending(pending: stored::PendingDelivery) -> Pending {
    Pending {
        action: pending.action.unwrap_or_default(),
        trace_parent: pending.trace_parent.into(),
        in_flight: pending.in_flight,
        due: Timestamp::from_millis(pending.due_time_ms),
        failures: pending.failures,
        lapses: pending.lapses,
        reserved: pending.reserved_time_ms.map(Timestamp::from_millis),
    }
}

fn stored_activation(activation: &Activation) -> stored::ActivationEntry {
    stored::ActivationEntry {
        run_id: Bytes::copy_from_slice(activation.id.run.as_bytes()),
        visit: activation.id.visit,
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
        pending: activation
            .pending
            .as_ref()
            .map(|pending| stored::PendingDelivery {
                action: Some(pending.action.clone()),
                trace_parent: pending.trace_parent.to_string(),
                in_flight: pending.in_flight,
                due_time_ms: pending.due.as_millis(),
                failures: pending.failures,
                lapses: pending.lapses,
                reserved_time_ms: pending.reserved.map(Timestamp::as_millis),
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let id = ActivationId {
            run: RunId::try_from_bytes(&[3; 16]).expect("an id"),
            visit: 2,
        };
        let mut state = State {
            activations: vec![Activation {
                id,
                journey: "welcome".into(),
                step: "mail".into(),
                channel: "hook".into(),
                template: "hello".into(),
                status: ActivationStatus::Pending,
                reason: Reason::Retrying,
                detail: "503".into(),
                attempts: 2,
                create_time: Timestamp::from_millis(10),
                update_time: Timestamp::from_millis(20),
                pending: Some(Box::new(Pending {
                    action: messages::stream::v1::Action {
                        journey: "welcome".to_owned(),
                        ..Default::default()
                    },
                    trace_parent: "00-a".into(),
                    in_flight: true,
                    due: Timestamp::from_millis(30),
                    failures: 1,
                    lapses: 1,
                    reserved: Some(Timestamp::from_millis(0)),
                })),
            }],
            ..State::default()
        };
        state.send_times.reserve(Timestamp::from_millis(1_500));
        state.send_times.reserve(Timestamp::from_millis(1_700));
        state.consents.take(Consent {
            purpose: "marketing".into(),
            channel: "".into(),
            granted: true,
            time: Timestamp::from_millis(5),
            source: "form".into(),
        });
        assert_eq!(State::decode(&state.encode()), Ok(state));
        assert_eq!(State::decode(&[]), Ok(State::default()));
        assert!(State::decode(&[0xff, 0xff]).is_err());
    }
}
