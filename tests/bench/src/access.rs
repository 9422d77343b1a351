//! Milliseconds that credentials and scopes add to a call, and its processor time: calls of an
//! installation that asks for a key, beside the same calls of one that lets in everybody.

use proto::segmentation::v1::GetProfileRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use tokio::time::Instant;

use crate::Failure;
use crate::installation::{Demand, Installation, Level, Servers};
use crate::load::{event, ingest};
use crate::result::{Measured, median, quantile};

const ROUNDS: usize = 5;
/// Calls of each kind in each round, one after another.
const CALLS: u32 = 1_000;
/// Customers who are written of and read in turn.
const CUSTOMERS: u32 = 50;
/// The most milliseconds that half of the calls may take longer.
const BOUND_MS: f64 = 0.2;

/// The kinds of calls: one that is not audited, and a read of personal data, which is.
const KINDS: [&str; 2] = ["ingest", "get_profile"];

/// One installation, and the milliseconds of the calls of a kind there: a median for each round.
struct Measuring {
    installation: Installation,
    customers: Vec<String>,
    halves: [Vec<f64>; KINDS.len()],
    used: [f64; KINDS.len()],
}

/// Measures both installations in turns.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let guarded = Servers::start_with(Demand::GUARDED)?;
    let mut open = Measuring::start(&servers).await?;
    let mut guarded = Measuring::start(&guarded).await?;
    for round in 0..ROUNDS {
        // Whoever is second finds a warmer machine.
        let both = if round % 2 == 0 {
            [&mut open, &mut guarded]
        } else {
            [&mut guarded, &mut open]
        };
        for one in both {
            one.round().await?;
        }
    }
    let (without, with) = (open.halves.map(median), guarded.halves.map(median));
    let cost = [("services", guarded.used[1] * 1e6)].into();
    let mut measured = Measured::new("access", with[1], "ms (p50, get_profile)", without[1], cost);
    for (place, kind) in KINDS.into_iter().enumerate() {
        let more = format!("{kind}_added_ms");
        measured = measured
            .also(&more, with[place] - without[place])
            .also(format!("{kind}_ms"), with[place])
            .also(format!("{kind}_open_ms"), without[place])
            .also(format!("{kind}_us"), guarded.used[place] * 1e6)
            .also(format!("{kind}_open_us"), open.used[place] * 1e6)
            .at_most(&more, BOUND_MS);
    }
    Ok(measured)
}

impl Measuring {
    /// Starts one on embedded stores, which answer fastest, and makes everybody known.
    async fn start(servers: &Servers) -> Result<Self, Failure> {
        let settings = [("partitions", "16")];
        let installation = Installation::start(servers, Level::Embedded, &settings).await?;
        let mut customers = Vec::new();
        for customer in 0..CUSTOMERS {
            let answer = ingest(installation.channel.clone(), event("seen", customer)).await?;
            customers.push(answer.results[0].customer_id.clone());
        }
        installation.at_rest().await?;
        Ok(Self {
            installation,
            customers,
            halves: [const { Vec::new() }; KINDS.len()],
            used: [0.0; KINDS.len()],
        })
    }

    async fn round(&mut self) -> Result<(), Failure> {
        for place in 0..KINDS.len() {
            let before = self.installation.services_used();
            let mut times = Vec::new();
            for number in 0..CALLS {
                let begun = Instant::now();
                self.call(place, number % CUSTOMERS).await?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            self.halves[place].push(quantile(&mut times, 0.5));
            self.installation.at_rest().await?;
            let used = self.installation.services_used() - before;
            #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
            let calls = f64::from(CALLS) * ROUNDS as f64;
            self.used[place] += used / calls;
        }
        Ok(())
    }

    async fn call(&self, place: usize, customer: u32) -> Result<(), Failure> {
        let channel = self.installation.channel.clone();
        if place == 0 {
            ingest(channel, event("seen", customer)).await?;
            return Ok(());
        }
        let request = GetProfileRequest {
            customer_id: self.customers[customer as usize].clone(),
            ..GetProfileRequest::default()
        };
        let mut client = SegmentationServiceClient::new(channel);
        client.get_profile(request).await?;
        Ok(())
    }
}
