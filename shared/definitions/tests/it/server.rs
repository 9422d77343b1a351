//! The gRPC server over a store on SQLite, with a catalog of segments and one of journeys.

use std::sync::Arc;

use definitions::{
    Catalog, DefinitionRpc, DefinitionStore, Flaw, Owner, References, Versioned, migrations, parse,
};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyAction, ApplyDefinitionsRequest, Definition, DefinitionKind, DeleteDefinitionRequest,
    GetDefinitionRequest, ListDefinitionsRequest,
};
use rpc::Idempotency;
use storage::{Database, DatabaseUrl, Requests};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// Owns segments and channels; a segment named `bad` does not compile.
struct Segments;

impl Catalog for Segments {
    type Compiled = Vec<String>;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment, DefinitionKind::Channel]
    }

    fn compile(
        &self,
        all: &[Versioned<Definition>],
        _: &References,
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
struct Journeys;

impl Catalog for Journeys {
    type Compiled = usize;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Journey]
    }

    fn needs(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment]
    }

    fn compile(
        &self,
        all: &[Versioned<Definition>],
        references: &References,
    ) -> Result<usize, Vec<Flaw>> {
        use proto::journey::v1::trigger::Kind as TriggerKind;
        let flaws: Vec<Flaw> = all
            .iter()
            .enumerate()
            .filter_map(|(index, it)| {
                let Some(Kind::Journey(journey)) = &it.value.kind else {
                    return None;
                };
                let trigger = journey.entry.as_ref()?.trigger.as_ref()?;
                let Some(TriggerKind::SegmentEntered(name)) = &trigger.kind else {
                    return None;
                };
                let text = format!("there is no segment `{name}`");
                (!references.has(DefinitionKind::Segment, name))
                    .then(|| Flaw::new(index, "journey.entry.trigger.segment_entered", text))
            })
            .collect();
        if flaws.is_empty() {
            Ok(all.len())
        } else {
            Err(flaws)
        }
    }
}

struct World {
    rpc: DefinitionRpc,
    segments: Arc<DefinitionStore<Segments>>,
    replica: Arc<DefinitionStore<Segments>>,
    _folder: tempfile::TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("t.db").display())
        .parse()
        .expect("a url");
    let database = Database::connect(&url).await.expect("a database");
    database
        .migrate("definitions", migrations())
        .await
        .expect("migrated");
    let segments = DefinitionStore::load(database.clone(), "segmentation", Segments)
        .await
        .expect("loaded");
    let replica = DefinitionStore::load(database.clone(), "segmentation", Segments)
        .await
        .expect("loaded");
    let journeys = DefinitionStore::load(database.clone(), "journey", Journeys)
        .await
        .expect("loaded");
    let owners: Vec<Arc<dyn Owner>> = vec![segments.clone(), journeys];
    let rpc = DefinitionRpc::new(owners, None, Idempotency::new(Requests::new(database)));
    World {
        rpc,
        segments,
        replica,
        _folder: folder,
    }
}

fn request(id: &str, yaml: &str) -> ApplyDefinitionsRequest {
    ApplyDefinitionsRequest {
        request_id: id.to_owned(),
        definitions: parse("t.yaml", yaml)
            .expect(yaml)
            .into_iter()
            .map(|it| it.value)
            .collect(),
        validate_only: false,
    }
}

async fn apply(
    world: &World,
    request: ApplyDefinitionsRequest,
) -> Result<Vec<(ApplyAction, u32)>, Status> {
    let answer = world
        .rpc
        .apply_definitions(Request::new(request))
        .await?
        .into_inner();
    Ok(answer
        .applied
        .iter()
        .map(|it| (it.action(), it.version))
        .collect())
}

const LOYAL: &str = "segment: {name: loyal, expression: x}";
const JOURNEY: &str = "\
journey:
  name: j
  entry: {trigger: {segment_entered: loyal}, reentry: REENTRY_NEVER}
  steps: [{id: a, exit: {}}]";

#[tokio::test]
async fn versions_grow_with_changes_only_and_reach_watchers_and_replicas() {
    let world = world().await;
    let mut watch = world.segments.watch();
    assert_eq!(
        apply(&world, request("1", LOYAL)).await.expect("applied"),
        [(ApplyAction::Created, 1)]
    );
    assert_eq!(
        apply(&world, request("2", LOYAL)).await.expect("applied"),
        [(ApplyAction::Unchanged, 1)]
    );
    let changed = LOYAL.replace("expression: x", "expression: y");
    assert_eq!(
        apply(&world, request("3", &changed))
            .await
            .expect("applied"),
        [(ApplyAction::Updated, 2)]
    );
    assert_eq!(*watch.borrow_and_update().clone(), ["loyal@2"]);
    assert!(world.replica.watch().borrow().is_empty());
    assert!(world.replica.refresh().await.expect("refreshed"));
    assert_eq!(**world.replica.watch().borrow(), ["loyal@2"]);
    assert!(!world.replica.refresh().await.expect("refreshed"));
    assert_eq!(
        (
            world.segments.revision().await,
            world.replica.revision().await
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn a_replay_gets_the_first_answer_and_another_body_is_refused() {
    let world = world().await;
    apply(&world, request("1", LOYAL)).await.expect("applied");
    assert_eq!(
        apply(&world, request("1", LOYAL)).await.expect("replayed"),
        [(ApplyAction::Created, 1)]
    );
    let other = request("1", "segment: {name: other, expression: x}");
    let refused = apply(&world, other).await.expect_err("reused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn all_or_none_is_applied_and_every_mistake_is_said() {
    let world = world().await;
    let bundle = format!(
        "{LOYAL}\n---\nsegment: {{name: bad, expression: x}}\n---\n{}",
        JOURNEY.replace("loyal", "nobody")
    );
    let refused = apply(&world, request("1", &bundle))
        .await
        .expect_err("invalid");
    let details = refused.get_error_details();
    let fields: Vec<String> = details
        .bad_request()
        .expect("fields")
        .field_violations
        .iter()
        .map(|it| it.field.clone())
        .collect();
    assert_eq!(
        fields,
        [
            "definitions[1].segment.expression",
            "definitions[2].journey.entry.trigger.segment_entered"
        ]
    );
    assert!(
        world
            .segments
            .names(DefinitionKind::Segment)
            .await
            .expect("names")
            .is_empty()
    );
}

#[tokio::test]
async fn a_bundle_resolves_its_own_names_and_validating_changes_nothing() {
    let world = world().await;
    let mut bundle = request("1", &format!("{LOYAL}\n---\n{JOURNEY}"));
    bundle.validate_only = true;
    bundle
        .definitions
        .extend(request("1", "template: {name: t, body: x}").definitions);
    assert_eq!(apply(&world, bundle.clone()).await.expect("valid").len(), 2);
    assert!(
        world
            .segments
            .names(DefinitionKind::Segment)
            .await
            .expect("names")
            .is_empty()
    );
    bundle.validate_only = false;
    let refused = apply(&world, bundle).await.expect_err("a kind of others");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn what_is_referred_to_is_not_deleted() {
    let world = world().await;
    apply(&world, request("1", &format!("{LOYAL}\n---\n{JOURNEY}")))
        .await
        .expect("applied");
    let delete = |id: &str, kind: DefinitionKind, name: &str| {
        Request::new(DeleteDefinitionRequest {
            request_id: id.to_owned(),
            kind: kind.into(),
            name: name.to_owned(),
        })
    };
    let refused = world
        .rpc
        .delete_definition(delete("2", DefinitionKind::Segment, "loyal"))
        .await
        .expect_err("in use");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    let user = &details.bad_request().expect("users").field_violations[0].description;
    assert!(user.contains("journey `j`"), "{user}");
    world
        .rpc
        .delete_definition(delete("3", DefinitionKind::Journey, "j"))
        .await
        .expect("deleted");
    world
        .rpc
        .delete_definition(delete("4", DefinitionKind::Segment, "loyal"))
        .await
        .expect("deleted");
    let gone = world
        .rpc
        .delete_definition(delete("5", DefinitionKind::Segment, "loyal"))
        .await;
    assert_eq!(gone.expect_err("gone").code(), Code::NotFound);
    assert_eq!(
        apply(&world, request("6", LOYAL)).await.expect("applied"),
        [(ApplyAction::Created, 2)]
    );
}

#[tokio::test]
async fn secrets_are_masked_and_a_masked_one_keeps_what_is_stored() {
    let world = world().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let yaml =
        format!("channel: {{name: hook, webhook: {{url: 'https://a.example', secret: {secret}}}}}");
    let masked = yaml.replace(secret, "'whsec_***'");
    let refused = apply(&world, request("1", &masked))
        .await
        .expect_err("no secret");
    assert_eq!(refused.code(), Code::InvalidArgument);
    apply(&world, request("2", &yaml)).await.expect("applied");
    assert_eq!(
        apply(&world, request("3", &masked)).await.expect("same"),
        [(ApplyAction::Unchanged, 1)]
    );
    let moved = masked.replace("a.example", "b.example");
    assert_eq!(
        apply(&world, request("4", &moved)).await.expect("moved"),
        [(ApplyAction::Updated, 2)]
    );
    let get = GetDefinitionRequest {
        kind: DefinitionKind::Channel.into(),
        name: "hook".to_owned(),
        version: 0,
    };
    let got = world
        .rpc
        .get_definition(Request::new(get))
        .await
        .expect("found")
        .into_inner();
    let text = format!("{got:?}");
    assert!(
        text.contains("whsec_***") && !text.contains(secret),
        "{text}"
    );
    let key = definitions::DefinitionKey::new(DefinitionKind::Channel, "hook");
    let kept = world
        .segments
        .find(&key, 0)
        .await
        .expect("found")
        .expect("there");
    assert!(format!("{kept:?}").contains(secret));
}

#[tokio::test]
async fn pages_list_everything_once_by_kind_and_name() {
    let world = world().await;
    let yaml = format!(
        "{LOYAL}\n---\nsegment: {{name: a, expression: x}}\n---\nchannel: {{name: c, log: {{}}}}\n---\n{JOURNEY}"
    );
    apply(&world, request("1", &yaml)).await.expect("applied");
    let mut token = String::new();
    let mut names = Vec::new();
    loop {
        let page = ListDefinitionsRequest {
            kind: 0,
            page_size: 1,
            page_token: token,
        };
        let page = world
            .rpc
            .list_definitions(Request::new(page))
            .await
            .expect("a page")
            .into_inner();
        assert!(page.definitions.len() <= 1);
        names.extend(page.definitions.iter().map(|it| {
            definitions::key_of(it.definition.as_ref().expect("one"))
                .expect("a key")
                .to_string()
        }));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(
        names,
        [
            "segment `a`",
            "segment `loyal`",
            "journey `j`",
            "channel `c`"
        ]
    );
}
