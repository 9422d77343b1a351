//! Measures changes of 500 segments, where there are 500 and where there are 10,000.
//!
//! All services run on embedded stores, in a process of their own. The ceiling inserts the same
//! rows into a table of as many, in one statement.

use std::time::Instant;

use prost::Message as _;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::{ApplyDefinitionsRequest, Definition, DefinitionKind};
use proto::segmentation::v1::Segment;
use rpc::PeerChannel;
use sea_orm::ConnectionTrait as _;
use storage::Database;

use crate::Failure;
use crate::installation::{Installation, Level, Servers};
use crate::result::{Measured, median};

/// Segments in one change: as many as a request may have.
const AT_ONCE: u32 = 500;
/// Segments that are stored: as many as one service may have.
const STORED: u32 = 10_000;
/// Changes of each kind that are measured.
const ROUNDS: u32 = 7;
/// The most milliseconds that a change may take where many are stored.
const BOUND_MS: f64 = 100.0;

/// Measures changes into few, then creates the others, then changes into many.
pub(crate) async fn measure() -> Result<Measured, Failure> {
    let servers = Servers::start()?;
    let installation = Installation::start(&servers, Level::Embedded, &[]).await?;
    let mut definitions = Definitions {
        client: DefinitionServiceClient::new(installation.channel.clone()),
        version: 0,
    };
    definitions.apply(0).await?;
    let few = definitions.rounds(AT_ONCE).await?;
    let mut created = Vec::new();
    for first in (AT_ONCE..STORED).step_by(AT_ONCE as usize) {
        created.push(definitions.apply(first).await?);
    }
    installation.at_rest().await?;
    let before = installation.services_used();
    let many = definitions.rounds(STORED).await?;
    let used = (installation.services_used() - before) * 1e6 / f64::from(ROUNDS);
    drop(installation);
    let last = created.split_off(created.len().saturating_sub(ROUNDS as usize));
    let cpu = [("services", used)].into();
    Ok(Measured::new("apply", many, "ms", bare(STORED).await?, cpu)
        .also("into_500_ms", few)
        .also("created_ms", median(last))
        .at_most("figure", BOUND_MS))
}

/// The definitions of an installation.
struct Definitions {
    client: DefinitionServiceClient<PeerChannel>,
    /// Changes so far.
    version: u32,
}

impl Definitions {
    /// Applies 500 segments from a number on, each changed, and returns milliseconds.
    async fn apply(&mut self, first: u32) -> Result<f64, Failure> {
        self.version += 1;
        let numbers = first..first + AT_ONCE;
        let request = ApplyDefinitionsRequest {
            request_id: format!("apply-{}", self.version),
            definitions: numbers
                .map(|number| segment(number, self.version))
                .collect(),
            ..ApplyDefinitionsRequest::default()
        };
        let begun = Instant::now();
        let answer = self.client.apply_definitions(request).await?.into_inner();
        let taken = milliseconds(begun);
        if answer.applied.len() == AT_ONCE as usize {
            return Ok(taken);
        }
        Err(format!("{} definitions were applied", answer.applied.len()).into())
    }

    /// Changes 500 of those that are stored, others each time, and returns the median.
    async fn rounds(&mut self, stored: u32) -> Result<f64, Failure> {
        let mut taken = Vec::new();
        for round in 0..ROUNDS {
            taken.push(self.apply(round * AT_ONCE % stored).await?);
        }
        Ok(median(taken))
    }
}

fn segment(number: u32, version: u32) -> Definition {
    Definition {
        kind: Some(Kind::Segment(Segment {
            name: format!("s{number:05}"),
            expression: format!(
                "events(\"e{number}\").within(\"30d\").count() >= {version} && profile.plan == \"pro\""
            ),
            ..Segment::default()
        })),
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Inserts the rows of changes into a table of as many as are stored, and returns the median of the
/// milliseconds that each takes.
async fn bare(stored: u32) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("bare.db").display());
    let database = Database::connect(&url.parse()?).await?;
    database
        .migrate("definitions", definitions::MIGRATIONS)
        .await?;
    for first in (0..stored).step_by(AT_ONCE as usize) {
        database.orm().execute_unprepared(&rows(first, 1)).await?;
    }
    let mut taken = Vec::new();
    for round in 0..ROUNDS {
        let statement = rows(round * AT_ONCE % stored, round + 2);
        let begun = Instant::now();
        database.orm().execute_unprepared(&statement).await?;
        taken.push(milliseconds(begun));
    }
    Ok(median(taken))
}

/// A statement that inserts 500 rows.
fn rows(first: u32, version: u32) -> String {
    let kind = DefinitionKind::Segment as i32;
    let rows: Vec<String> = (first..first + AT_ONCE)
        .map(|number| {
            let body = segment(number, version).encode_to_vec();
            let body = kernel::to_hex(&body);
            format!(
                "({kind}, 's{number:05}', {version}, X'{body}', '{version}-0123456789ab', 0, NULL)"
            )
        })
        .collect();
    let columns = "kind, name, version, body, etag, create_time, delete_time";
    format!(
        "INSERT INTO definition ({columns}) VALUES {}",
        rows.join(", ")
    )
}
