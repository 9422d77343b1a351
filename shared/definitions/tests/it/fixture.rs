//! The world of the tests: a server over stores on SQLite, with a catalog of segments and one of
//! journeys.

use std::sync::{Arc, Mutex, PoisonError};

use definitions::{
    Catalog, DefinitionRpc, DefinitionStore, Flaw, MIGRATIONS, Owner, References, Versioned, parse,
};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyAction, ApplyDefinitionsRequest, Definition, DefinitionKind, DeleteDefinitionRequest,
};
use rpc::Idempotency;
use storage::{Database, DatabaseUrl, Requests};
use tokio::sync::watch;
use tonic::{Request, Status};

/// Owns segments and channels; a segment named `bad` does not compile.
pub(crate) struct Segments;

impl Catalog for Segments {
    type Compiled = Vec<String>;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment, DefinitionKind::Channel]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _: &References,
        _: Option<&Vec<String>>,
    ) -> Result<Vec<String>, Vec<Flaw>> {
        let mut names = Vec::new();
        let mut flaws = Vec::new();
        for (index, it) in all.iter().enumerate() {
            let name = definitions::key_of(&it.value).expect("validated").name;
            if name == "bad" {
                flaws.push(Flaw::new(index, "segment.expression", "does not compile"));
            }
            names.push(format!("{name}@{}", it.version));
        }
        if flaws.is_empty() {
            Ok(names)
        } else {
            Err(flaws)
        }
    }
}

/// Owns journeys, whose entry must name a known segment.
pub(crate) struct Journeys {
    segments: watch::Receiver<Arc<Vec<String>>>,
    segments_then: Arc<Mutex<Vec<String>>>,
}

/// A set of journeys. When another one takes its place, it notes the segments in force then.
pub(crate) struct Walked {
    segments: watch::Receiver<Arc<Vec<String>>>,
    segments_then: Arc<Mutex<Vec<String>>>,
}

impl Walked {
    /// The segments that were in force when this set took the place of the last one.
    pub(crate) fn segments_then(&self) -> Vec<String> {
        self.segments_then
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Walked {
    fn drop(&mut self) {
        let segments = self.segments.borrow().to_vec();
        *self
            .segments_then
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = segments;
    }
}

impl Catalog for Journeys {
    type Compiled = Walked;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Journey]
    }

    fn needs(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        _: Option<&Walked>,
    ) -> Result<Walked, Vec<Flaw>> {
        use proto::journey::v1::trigger::Kind as TriggerKind;
        let flaws: Vec<Flaw> = all
            .iter()
            .enumerate()
            .filter_map(|(index, it)| {
                let Some(Kind::Journey(journey)) = &it.value.kind else {
                    return None;
                };
                let trigger = journey.entry.as_ref()?.triggers.first()?;
                let Some(TriggerKind::SegmentEntered(name)) = &trigger.kind else {
                    return None;
                };
                let text = format!("there is no segment `{name}`");
                (!references.has(DefinitionKind::Segment, name))
                    .then(|| Flaw::new(index, "journey.entry.triggers[0].segment_entered", text))
            })
            .collect();
        if flaws.is_empty() {
            Ok(Walked {
                segments: self.segments.clone(),
                segments_then: Arc::clone(&self.segments_then),
            })
        } else {
            Err(flaws)
        }
    }
}

pub(crate) struct World {
    pub(crate) rpc: DefinitionRpc,
    pub(crate) segments: Arc<DefinitionStore<Segments>>,
    pub(crate) journeys: Arc<DefinitionStore<Journeys>>,
    pub(crate) replica: Arc<DefinitionStore<Segments>>,
    pub(crate) database: Database,
    _folder: tempfile::TempDir,
}

/// One process over a database.
pub(crate) async fn process(
    database: &Database,
) -> (
    DefinitionRpc,
    Arc<DefinitionStore<Segments>>,
    Arc<DefinitionStore<Journeys>>,
) {
    let segments = DefinitionStore::load(database.clone(), "segmentation", Segments)
        .await
        .expect("loaded");
    let catalog = Journeys {
        segments: segments.watch(),
        segments_then: Arc::default(),
    };
    let journeys = DefinitionStore::load(database.clone(), "journey", catalog)
        .await
        .expect("loaded");
    // In the wrong order: the server finds the right one.
    let owners: Vec<Arc<dyn Owner>> = vec![journeys.clone(), segments.clone()];
    let idempotency = Idempotency::new(Requests::new(database.clone()));
    let rpc = DefinitionRpc::new(owners, None, idempotency);
    (rpc, segments, journeys)
}

/// A process and a replica of it on SQLite.
pub(crate) async fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("t.db").display());
    world_on(&url, folder).await
}

/// The same on a database; the folder goes with it.
pub(crate) async fn world_on(url: &str, folder: tempfile::TempDir) -> World {
    let url: DatabaseUrl = url.parse().expect("a url");
    let database = Database::connect(&url).await.expect("a database");
    database
        .migrate("definitions", MIGRATIONS)
        .await
        .expect("migrated");
    let (rpc, segments, journeys) = process(&database).await;
    let replica = DefinitionStore::load(database.clone(), "segmentation", Segments)
        .await
        .expect("loaded");
    World {
        rpc,
        segments,
        journeys,
        replica,
        database,
        _folder: folder,
    }
}

pub(crate) fn request(id: &str, yaml: &str) -> ApplyDefinitionsRequest {
    ApplyDefinitionsRequest {
        request_id: id.to_owned(),
        definitions: parse("t.yaml", yaml)
            .expect(yaml)
            .into_iter()
            .map(|it| it.value)
            .collect(),
        ..ApplyDefinitionsRequest::default()
    }
}

/// Applies a request, and returns the action taken on each definition with its version.
pub(crate) async fn apply(
    rpc: &DefinitionRpc,
    request: ApplyDefinitionsRequest,
) -> Result<Vec<(ApplyAction, u32)>, Status> {
    let answer = rpc
        .apply_definitions(Request::new(request))
        .await?
        .into_inner();
    Ok(answer
        .applied
        .iter()
        .map(|it| (it.action(), it.version))
        .collect())
}

pub(crate) const LOYAL: &str = "segment: {name: loyal, expression: x}";
pub(crate) const JOURNEY: &str = "\
journey:
  name: j
  entry: {triggers: [{segment_entered: loyal}], reentry: REENTRY_NEVER}
  steps: [{id: a, exit: {}}]";

pub(crate) async fn delete(
    rpc: &DefinitionRpc,
    request_id: &str,
    kind: DefinitionKind,
    name: &str,
) -> Result<(), Status> {
    let request = DeleteDefinitionRequest {
        request_id: request_id.to_owned(),
        kind: kind.into(),
        name: name.to_owned(),
        ..DeleteDefinitionRequest::default()
    };
    rpc.delete_definition(Request::new(request)).await.map(drop)
}
