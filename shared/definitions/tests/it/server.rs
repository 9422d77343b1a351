//! The gRPC server over a store on SQLite: versions, pages, secrets, and what is refused.

use definitions::Owner as _;
use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyAction, DefinitionKind, GetDefinitionRequest, ListDefinitionsRequest,
};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::fixture::{JOURNEY, LOYAL, apply, delete, process, request, world};

#[tokio::test]
async fn versions_grow_with_changes_only_and_reach_watchers_and_replicas() {
    let world = world().await;
    let mut watch = world.segments.watch();
    assert_eq!(
        apply(&world.rpc, request("1", LOYAL))
            .await
            .expect("applied"),
        [(ApplyAction::Created, 1)]
    );
    assert_eq!(
        apply(&world.rpc, request("2", LOYAL))
            .await
            .expect("applied"),
        [(ApplyAction::Unchanged, 1)]
    );
    let changed = LOYAL.replace("expression: x", "expression: y");
    assert_eq!(
        apply(&world.rpc, request("3", &changed))
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
    apply(&world.rpc, request("1", LOYAL))
        .await
        .expect("applied");
    assert_eq!(
        apply(&world.rpc, request("1", LOYAL))
            .await
            .expect("replayed"),
        [(ApplyAction::Created, 1)]
    );
    let other = request("1", "segment: {name: other, expression: x}");
    let refused = apply(&world.rpc, other).await.expect_err("reused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn all_or_none_is_applied_and_every_mistake_is_said() {
    let world = world().await;
    let bundle = format!(
        "{LOYAL}\n---\nsegment: {{name: bad, expression: x}}\n---\n{}",
        JOURNEY.replace("loyal", "nobody")
    );
    let refused = apply(&world.rpc, request("1", &bundle))
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
            "definitions[2].journey.entry.triggers[0].segment_entered"
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
        .extend(request("1", "template: {name: t, text: {body: x}}").definitions);
    assert_eq!(
        apply(&world.rpc, bundle.clone())
            .await
            .expect("valid")
            .len(),
        2
    );
    assert!(
        world
            .segments
            .names(DefinitionKind::Segment)
            .await
            .expect("names")
            .is_empty()
    );
    bundle.validate_only = false;
    let refused = apply(&world.rpc, bundle)
        .await
        .expect_err("a kind of others");
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn what_is_referred_to_is_not_deleted() {
    let world = world().await;
    apply(
        &world.rpc,
        request("1", &format!("{LOYAL}\n---\n{JOURNEY}")),
    )
    .await
    .expect("applied");
    let refused = delete(&world.rpc, "2", DefinitionKind::Segment, "loyal")
        .await
        .expect_err("in use");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(
        refused.message(),
        "segment `loyal` is in use by journey `j`"
    );
    let details = refused.get_error_details();
    let user = &details.bad_request().expect("users").field_violations[0];
    assert_eq!(
        (user.field.as_str(), user.description.as_str()),
        (
            "journey[\"j\"].entry.triggers[0].segment_entered",
            "journey `j` refers to it: without it, there is no segment `loyal`"
        )
    );
    delete(&world.rpc, "3", DefinitionKind::Journey, "j")
        .await
        .expect("deleted");
    delete(&world.rpc, "4", DefinitionKind::Segment, "loyal")
        .await
        .expect("deleted");
    let gone = delete(&world.rpc, "5", DefinitionKind::Segment, "loyal").await;
    assert_eq!(gone.expect_err("gone").code(), Code::NotFound);
    assert_eq!(
        apply(&world.rpc, request("6", LOYAL))
            .await
            .expect("applied"),
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
    let refused = apply(&world.rpc, request("1", &masked))
        .await
        .expect_err("no secret");
    assert_eq!(refused.code(), Code::InvalidArgument);
    apply(&world.rpc, request("2", &yaml))
        .await
        .expect("applied");
    assert_eq!(
        apply(&world.rpc, request("3", &masked))
            .await
            .expect("same"),
        [(ApplyAction::Unchanged, 1)]
    );
    let moved = masked.replace("a.example", "b.example");
    assert_eq!(
        apply(&world.rpc, request("4", &moved))
            .await
            .expect("moved"),
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
    apply(&world.rpc, request("1", &yaml))
        .await
        .expect("applied");
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

#[tokio::test]
async fn a_store_is_polled_for_as_long_as_somebody_uses_it() {
    let world = world().await;
    let (_, store, _) = process(&world.database).await;
    let poll = tokio::spawn(std::sync::Arc::clone(&store).poll());
    let mut known = store.watch();
    apply(&world.rpc, request("1", LOYAL))
        .await
        .expect("applied");
    known
        .wait_for(|names| ***names == ["loyal@1"])
        .await
        .expect("is used");
    drop(store);
    poll.await.expect("ends");
}
