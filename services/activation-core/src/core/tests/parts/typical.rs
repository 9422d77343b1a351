//! A customer as most are: everything stands in the head, in as many bytes as before there were
//! parts.

use super::*;

/// The form that kept a state whole.
#[derive(Clone, PartialEq, prost::Message)]
struct Whole {
    #[prost(message, repeated, tag = "2")]
    consents: Vec<stored::Consent>,
    #[prost(sint64, repeated, tag = "3")]
    send_time_deltas_ms: Vec<i64>,
    #[prost(message, repeated, tag = "4")]
    activations: Vec<Entry>,
}

/// An activation in that form: what a settled one is, and what delivery still needs.
#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(bytes = "bytes", tag = "1")]
    run_id: Bytes,
    #[prost(uint32, tag = "2")]
    visit: u32,
    #[prost(string, tag = "3")]
    journey: String,
    #[prost(string, tag = "4")]
    step: String,
    #[prost(string, tag = "5")]
    channel: String,
    #[prost(string, tag = "6")]
    template: String,
    #[prost(uint32, tag = "7")]
    status: u32,
    #[prost(string, tag = "8")]
    reason: String,
    #[prost(string, tag = "9")]
    detail: String,
    #[prost(uint32, tag = "10")]
    attempts: u32,
    #[prost(int64, tag = "11")]
    create_time_ms: i64,
    #[prost(int64, tag = "12")]
    update_time_ms: i64,
    #[prost(message, optional, tag = "13")]
    pending: Option<Waiting>,
}

/// The rest of a pending one, in that form.
#[derive(Clone, PartialEq, prost::Message)]
struct Waiting {
    #[prost(message, optional, tag = "1")]
    action: Option<Action>,
    #[prost(string, tag = "2")]
    trace_parent: String,
    #[prost(bool, tag = "3")]
    in_flight: bool,
    #[prost(int64, tag = "4")]
    due_time_ms: i64,
    #[prost(int64, optional, tag = "7")]
    reserved_time_ms: Option<i64>,
}

/// The bytes that a state took when it was kept whole.
fn whole_bytes(world: &World) -> usize {
    let head = stored::CustomerState::decode(world.stored.head.clone()).expect("a head");
    let pending = world.state.pending.iter();
    let waits = pending.map(|own| {
        let admitted = own.admitted().expect("it is loaded");
        let waiting = Waiting {
            action: Some(admitted.action().clone()),
            trace_parent: admitted.trace_parent().to_owned(),
            in_flight: own.in_flight,
            due_time_ms: own.due.as_millis(),
            reserved_time_ms: own.reserved.map(Timestamp::as_millis),
        };
        (own.id, waiting)
    });
    let waits: Vec<_> = waits.collect();
    let activations = world.activations().into_iter().map(|own| Entry {
        run_id: Bytes::copy_from_slice(own.id.run.as_bytes()),
        visit: own.id.visit,
        journey: own.journey.to_string(),
        step: own.step.to_string(),
        channel: own.channel.to_string(),
        template: own.template.to_string(),
        status: u32::try_from(i32::from(own.status)).expect("not negative"),
        reason: own.reason.code().to_owned(),
        detail: own.detail.to_string(),
        attempts: own.attempts,
        create_time_ms: own.create_time.as_millis(),
        update_time_ms: own.update_time.as_millis(),
        pending: waits
            .iter()
            .find(|(id, _)| *id == own.id)
            .map(|(_, waiting)| waiting.clone()),
    });
    Whole {
        consents: head.consents.unwrap_or_default().words,
        send_time_deltas_ms: head.send_time_deltas_ms,
        activations: activations.collect(),
    }
    .encoded_len()
}

#[test]
fn a_customer_as_most_are_keeps_one_key_and_its_bytes() {
    let mut world = World::new(&policy(50, "7d"));
    world.now = 1_790_000_000_000;
    world.consent("log", true);
    world.consent("", true);
    for visit in 1..=6 {
        world.send(Body::Action(action(visit))).expect("an action");
        if visit < 5 {
            world.outcome(visit, 1, DeliveryResult::Delivered);
        }
        let (now, before) = (world.stored.head.len(), whole_bytes(&world));
        assert!(10 * now <= 11 * before, "{now} bytes, {before} before");
        assert_eq!(world.stored.parts.len(), 0, "one key, as before");
        world.now += 86_400_000;
    }
}
