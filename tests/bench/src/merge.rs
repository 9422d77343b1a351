//! Measures the merge of two customers of 20,000 events each: processor time of all services, and
//! how much longer others of the same partition wait for their own writes meanwhile.
//!
//! Everything is in one partition, on embedded stores and the clock. The ceiling is an embedded
//! store that writes and reads what segmentation has of one of the two.
//!
//! The delay of a merge is the longest wait beside it less the longest one of as many writes just
//! before. On a shared machine other work is in both, so the median of all merges is held to the
//! bound, and the worst is printed.

use std::time::Duration;

use decision::{Core, PartWrites};
use futures::{StreamExt as _, stream};
use hot::embedded::EmbeddedStore;
use hot::{Commit, HotStore, Owner, Slot, StateWrite, Timer};
use kernel::{CustomerId, PartitionCount, PartitionId};
use prost_types::{Struct, Timestamp, Value, value::Kind};
use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, MergeCustomersRequest};
use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use segmentation_core::SegmentationCore;
use tokio::time::Instant;

use crate::installation::{Installation, Level, Servers};
use crate::load::{event, ingest, send_stream};
use crate::result::{Measured, median};
use crate::segments::Customer;
use crate::{Failure, cpu};

/// Events in the history of each customer who is merged, unless somebody says otherwise.
pub(crate) const EVENTS: u32 = 20_000;
/// Pairs that are merged with nothing beside, and again as many beside others.
const PAIRS: u32 = 10;
/// The most milliseconds of processor time that a merge may take.
const BOUND_MS: f64 = 10.0;
/// The most milliseconds that a merge may delay anybody else.
const DELAY_BOUND_MS: f64 = 20.0;
/// Others, their writes beside each merge, and how many of those wait at once.
const OTHERS: u32 = 50;
const WRITES: u32 = 300;
const IN_FLIGHT: usize = 4;
/// The number of the first of the others.
const FIRST_OTHER: u32 = 1_000_000;
/// Events that are sent at once while histories are made.
const CHUNK: usize = 50_000;
/// Events, of a kilobyte each, that fill the write buffers of the store: several times 8 MiB.
const FILLER: u32 = 40_000;
/// Seconds that the histories go on, up to now.
const HISTORY_S: u32 = 80 * 86_400;
/// The time for which the services are watched to tell what they use with nothing to do.
const REST: Duration = Duration::from_secs(2);
/// Times that the ceiling is taken.
const BARE_ROUNDS: u32 = 50;
/// States in one commit of the ceiling.
const BARE_STATES: usize = 64;

/// Counts and sums over filtered purchases.
const SEGMENTS: [&str; 6] = [
    r#"events("purchase").within("30d").count() >= 3"#,
    r#"events("purchase").where(event.value > 50.0).within("90d").sum("value") > 1000.0"#,
    r#"events("purchase").where(event.value > 100.0).within("90d").count() >= 5"#,
    r#"events("purchase").where(event.value > 150.0).within("365d").sum("value") > 5000.0"#,
    r#"events("purchase").where(event.value > 200.0).within("365d").count() >= 5"#,
    r#"events("purchase").sum("value") > 100000.0"#,
];
/// A journey that every purchase moves.
const JOURNEY: &str = r#"
journey:
  name: again
  entry: {triggers: [{event: purchase}], reentry: REENTRY_AFTER_EXIT}
  steps:
    - id: again
      wait_for:
        branches: [{trigger: {event: purchase}, next: done}]
        timeout: 1d
        on_timeout: done
    - id: done
      exit: {outcome: RUN_OUTCOME_SUCCESS}
"#;

/// Measures merges one after another, then some beside writes of others.
pub(crate) async fn measure(events: u32) -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let load = Load::start(&servers, events).await?;
    let figure = load.cost_ms().await?;
    let longest = load.longest_ms().await?;
    drop(load);
    let (ceiling, bytes) = bare_ms(events).await?;
    let cpu = [("services", figure * 1e3)].into();
    let unit = "ms of processor time a merge";
    let delays = longest.iter().map(|(without, beside)| beside - without);
    Ok(Measured::new("merge", figure, unit, ceiling, cpu)
        .also("state_kib", bytes / 1_024.0)
        .also(
            "others_longest_ms",
            median(longest.iter().map(|it| it.1).collect()),
        )
        .also(
            "others_longest_without_ms",
            median(longest.iter().map(|it| it.0).collect()),
        )
        .also("delay_ms", median(delays.clone().collect()))
        .also("worst_delay_ms", delays.fold(0.0, f64::max))
        .at_most("figure", BOUND_MS)
        .at_most("delay_ms", DELAY_BOUND_MS))
}

/// An installation with customers who are to be merged, two by two.
struct Load {
    installation: Installation,
    /// Events of each of them.
    events: u32,
    /// Their ids.
    pairs: Vec<[String; 2]>,
}

impl Load {
    /// Makes the histories, in the order of time.
    async fn start(servers: &Servers, events: u32) -> Result<Self, Failure> {
        let settings = [("partitions", "1")];
        let installation = Installation::start(servers, Level::Embedded, &settings).await?;
        installation.apply(&definitions()).await?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let start_s = i64::try_from(now.as_secs())? - i64::from(HISTORY_S);
        let customers = 4 * PAIRS;
        let mut chunk = Vec::new();
        for number in 1..events {
            let past_s = u64::from(HISTORY_S) * u64::from(number) / u64::from(events);
            let time_s = start_s + i64::try_from(past_s)?;
            chunk.extend((0..customers).map(|one| purchase(one, number, time_s)));
            if chunk.len() >= CHUNK || number + 1 == events {
                send_stream(installation.channel.clone(), &chunk).await?;
                chunk.clear();
            }
        }
        // The last event of each tells who they are.
        let mut pairs = Vec::new();
        for pair in 0..customers / 2 {
            let mut ids = [String::new(), String::new()];
            for (id, one) in ids.iter_mut().zip([2 * pair, 2 * pair + 1]) {
                let last = purchase(one, events, start_s + i64::from(HISTORY_S));
                let answer = ingest(installation.channel.clone(), last).await?;
                id.clone_from(&answer.results[0].customer_id);
            }
            pairs.push(ids);
        }
        let load = Self {
            installation,
            events,
            pairs,
        };
        // A read after a write waits for an import that is far behind.
        load.installation.at_rest().await?;
        load.others().await?;
        load.let_go_of_histories().await?;
        load.installation.at_rest().await?;
        Ok(load)
    }

    /// Sends what fills the write buffers of the store, so that it frees those that the histories
    /// filled now, and not at the cost of the merges.
    async fn let_go_of_histories(&self) -> Result<(), Failure> {
        let filler: Vec<Event> = (0..FILLER).map(filler).collect();
        send_stream(self.installation.channel.clone(), &filler).await
    }

    /// Merges half of the pairs with nothing beside. Returns milliseconds of processor time for
    /// each.
    async fn cost_ms(&self) -> Result<f64, Failure> {
        let (begun, before) = (Instant::now(), self.installation.services_used());
        tokio::time::sleep(REST).await;
        let idle = (self.installation.services_used() - before) / begun.elapsed().as_secs_f64();
        let (begun, before) = (Instant::now(), self.installation.services_used());
        let mut merged = Vec::new();
        for pair in &self.pairs[..PAIRS as usize] {
            merged.push(self.merge(pair).await?);
            self.installation.idle().await?;
        }
        let used = self.installation.services_used() - before;
        let used = used - idle * begun.elapsed().as_secs_f64();
        for customer in merged {
            self.check(customer).await?;
        }
        Ok(used * 1e3 / f64::from(PAIRS))
    }

    /// Merges the other half beside writes of others. Returns for each the most milliseconds that
    /// one of these took, without the merge and beside it.
    async fn longest_ms(&self) -> Result<Vec<(f64, f64)>, Failure> {
        let mut longest = Vec::new();
        for pair in &self.pairs[PAIRS as usize..] {
            let without = self.others().await?;
            let merge = async { self.check(self.merge(pair).await?).await };
            let (beside, checked) = futures::join!(self.others(), merge);
            checked?;
            longest.push((without, beside?));
            self.installation.at_rest().await?;
        }
        Ok(longest)
    }

    /// Merges two customers. Returns who they are now, and the position of the merge.
    async fn merge(&self, pair: &[String; 2]) -> Result<(String, String), Failure> {
        let request = MergeCustomersRequest {
            request_id: pair[1].clone(),
            customer_ids: pair.to_vec(),
            ..MergeCustomersRequest::default()
        };
        let mut client = IdentityServiceClient::new(self.installation.channel.clone());
        let answer = client.merge_customers(request).await?.into_inner();
        let customer = answer.customer.ok_or("the answer names no customer")?;
        Ok((customer.customer_id, answer.position))
    }

    /// Reads a customer after their merge: all events of both are there.
    async fn check(&self, (customer_id, after): (String, String)) -> Result<(), Failure> {
        let count = self.purchases(customer_id, after).await?;
        if count == u64::from(2 * self.events) {
            return Ok(());
        }
        Err(format!("{count} events of two times {} are there", self.events).into())
    }

    async fn purchases(&self, customer_id: String, after: String) -> Result<u64, Failure> {
        let request = GetProfileRequest { customer_id, after };
        let mut client = SegmentationServiceClient::new(self.installation.channel.clone());
        let profile = client.get_profile(request).await?.into_inner().profile;
        let events = profile.unwrap_or_default().events;
        let found = events.iter().find(|event| event.name == "purchase");
        Ok(found.map_or(0, |event| event.count))
    }

    /// Writes events of others and reads each. Returns the most milliseconds that one took.
    async fn others(&self) -> Result<f64, Failure> {
        let mut times = stream::iter(0..WRITES)
            .map(|number| self.write(FIRST_OTHER + number % OTHERS))
            .buffer_unordered(IN_FLIGHT);
        let mut longest = 0.0_f64;
        while let Some(took) = times.next().await {
            longest = longest.max(took?);
        }
        Ok(longest)
    }

    async fn write(&self, customer: u32) -> Result<f64, Failure> {
        let begun = Instant::now();
        let purchase = event("purchase", customer);
        let answer = ingest(self.installation.channel.clone(), purchase).await?;
        let customer_id = answer.results[0].customer_id.clone();
        if self.purchases(customer_id, answer.position).await? == 0 {
            return Err("an event was written, and not read after it".into());
        }
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }
}

fn definitions() -> String {
    let segments = SEGMENTS.iter().enumerate();
    let segments = segments.map(|(number, expression)| {
        format!("segment: {{name: s{number}, expression: '{expression}'}}\n---")
    });
    let segments: Vec<String> = segments.collect();
    format!("{}{JOURNEY}", segments.join("\n"))
}

fn purchase(customer: u32, number: u32, seconds: i64) -> Event {
    let value = Value {
        kind: Some(Kind::NumberValue(f64::from(number * 37 % 211))),
    };
    Event {
        time: Some(Timestamp { seconds, nanos: 0 }),
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: [("value".to_owned(), value)].into(),
        })),
        ..event("purchase", customer)
    }
}

/// Returns an event that no definition reads, with a text that does not compress well.
fn filler(number: u32) -> Event {
    // The multiplier of a well-known generator of 64 bits.
    let spread = |place: u64| (u64::from(number) + place).wrapping_mul(0x5851_f42d_4c95_7f2d);
    let text: String = (1..64)
        .map(|place| format!("{:016x}", spread(place << 32)))
        .collect();
    let value = Value {
        kind: Some(Kind::StringValue(text)),
    };
    Event {
        properties_form: Some(PropertiesForm::Properties(Struct {
            fields: [("text".to_owned(), value)].into(),
        })),
        ..event("filler", FIRST_OTHER + number % OTHERS)
    }
}

/// Returns milliseconds of processor time for writing and reading what segmentation has of one
/// customer, and the bytes of that.
async fn bare_ms(events: u32) -> Result<(f64, f64), Failure> {
    let expressions = SEGMENTS.iter().map(ToString::to_string);
    let mut customer = Customer::new(expressions, events)?;
    let states = stored(&mut customer)?;
    let bytes: usize = states.iter().map(|state| state.key.len()).sum();
    let values = states.iter().filter_map(|state| state.value.as_ref());
    let bytes = bytes + values.map(bytes::Bytes::len).sum::<usize>();
    let folder = tempfile::tempdir()?;
    let store = EmbeddedStore::open(folder.path(), PartitionCount::try_new(1)?).await?;
    let slot = Slot {
        owner: Owner::Segmentation,
        partition: PartitionId::new(0),
    };
    let mut seq = store.open(slot, 1).await?.commit_seq;
    let before = cpu::own(std::process::id());
    for _ in 0..BARE_ROUNDS {
        for states in states.chunks(BARE_STATES) {
            seq += 1;
            let commit = Commit {
                epoch: 1,
                seq,
                batch_id: seq,
                states: states.to_vec(),
                ..Commit::default()
            };
            store.commit(slot, &commit).await?;
        }
        for states in states.chunks(BARE_STATES) {
            let keys: Vec<_> = states.iter().map(|state| state.key.clone()).collect();
            let loaded = store.load(slot, &keys).await?;
            if loaded.iter().any(Option::is_none) {
                return Err("what was written is not there".into());
            }
        }
    }
    let used = cpu::own(std::process::id()) - before;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 bytes")]
    let bytes = bytes as f64;
    Ok((used * 1e3 / f64::from(BARE_ROUNDS), bytes))
}

/// The head and the parts of a state, as they are stored.
fn stored(customer: &mut Customer) -> Result<Vec<StateWrite>, Failure> {
    let who = CustomerId::try_from_bytes(&[1; 16])?;
    let mut parts = PartWrites::default();
    SegmentationCore::drain_parts(&mut customer.state, &mut parts);
    let head = SegmentationCore::encode(&customer.state);
    let head = (bytes::Bytes::copy_from_slice(who.as_bytes()), Some(head));
    let parts = parts.into_iter();
    let parts = parts.map(|(part, value)| (part.of_customer(who), value));
    let write = |(key, value)| StateWrite {
        key,
        value,
        timer: Timer::NONE,
        adds_entry: false,
    };
    Ok(std::iter::once(head).chain(parts).map(write).collect())
}
