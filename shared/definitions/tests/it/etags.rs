//! Changes that say which version they are of: nobody overwrites what they have not seen.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use proto::definition::v1::definition_service_server::DefinitionService as _;
use proto::definition::v1::{
    ApplyAction, DefinitionKind, DeleteDefinitionRequest, GetDefinitionRequest,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{JOURNEY, LOYAL, World, apply, delete, process, request, world};

/// Reads the etag of a segment.
async fn etag(world: &World, name: &str) -> String {
    let get = GetDefinitionRequest {
        kind: DefinitionKind::Segment.into(),
        name: name.to_owned(),
        version: 0,
    };
    let got = world.rpc.get_definition(Request::new(get)).await;
    let got = got.expect("found").into_inner();
    got.definition.expect("a definition").etag
}

/// Applies definitions that must have these etags.
async fn apply_if(
    world: &World,
    id: &str,
    yaml: &str,
    if_match: &[&str],
) -> Result<Vec<(ApplyAction, u32)>, Status> {
    let mut request = request(id, yaml);
    request.if_match = if_match.iter().map(|&etag| etag.to_owned()).collect();
    apply(&world.rpc, request).await
}

async fn delete_if(world: &World, id: &str, name: &str, if_match: &str) -> Result<(), Status> {
    let request = DeleteDefinitionRequest {
        request_id: id.to_owned(),
        kind: DefinitionKind::Segment.into(),
        name: name.to_owned(),
        if_match: if_match.to_owned(),
    };
    let deleted = world.rpc.delete_definition(Request::new(request)).await;
    deleted.map(drop)
}

/// Checks that a refusal says which fields do not match, and what they would have to be.
fn check_mismatch(status: &Status, expected: &[(&str, &str)]) {
    assert_eq!(status.code(), Code::Aborted, "{status}");
    let details = status.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!(info.reason, "ETAG_MISMATCH");
    let fields = &details.bad_request().expect("fields").field_violations;
    assert_eq!(fields.len(), expected.len(), "{fields:?}");
    for (field, (place, current)) in fields.iter().zip(expected) {
        assert_eq!(field.field, *place);
        assert!(field.description.contains(current), "{}", field.description);
    }
}

#[tokio::test]
async fn no_etag_comes_again() {
    let world = world().await;
    let other = LOYAL.replace("expression: x", "expression: y");
    let mut seen = Vec::new();
    for round in 0..3 {
        for (step, yaml) in [LOYAL, &other, LOYAL].into_iter().enumerate() {
            let id = format!("{round}-{step}");
            apply(&world.rpc, request(&id, yaml))
                .await
                .expect("applied");
            seen.push(etag(&world, "loyal").await);
        }
        let id = format!("{round}-deleted");
        let deleted = delete(&world.rpc, &id, DefinitionKind::Segment, "loyal").await;
        deleted.expect("deleted");
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    assert!(seen.iter().all(|etag| etag != "0" && etag.len() <= 100));
}

#[tokio::test]
async fn the_second_of_two_editors_is_told_what_is_stored_now() {
    let world = world().await;
    apply(&world.rpc, request("1", LOYAL))
        .await
        .expect("applied");
    let read = etag(&world, "loyal").await;
    let [first, second] = ["y", "z"].map(|text| LOYAL.replace(": x", &format!(": {text}")));
    let applied = apply_if(&world, "2", &first, &[&read]).await;
    assert_eq!(applied.expect("first"), [(ApplyAction::Updated, 2)]);

    let now = etag(&world, "loyal").await;
    let refused = apply_if(&world, "3", &second, &[&read]).await;
    check_mismatch(&refused.expect_err("overwrites"), &[("if_match[0]", &now)]);
    // Equal to what is stored, and still of a version that the editor has not seen.
    let refused = apply_if(&world, "4", &first, &[&read]).await;
    check_mismatch(&refused.expect_err("unseen"), &[("if_match[0]", &now)]);
    let mut checked = request("5", &second);
    checked.validate_only = true;
    checked.if_match = vec![read.clone()];
    let refused = apply(&world.rpc, checked).await;
    check_mismatch(&refused.expect_err("checked"), &[("if_match[0]", &now)]);
    // The first editor's request again gets its first answer.
    let again = apply_if(&world, "2", &first, &[&read]).await;
    assert_eq!(again.expect("replayed"), [(ApplyAction::Updated, 2)]);

    let refused = delete_if(&world, "6", "loyal", &read).await;
    check_mismatch(&refused.expect_err("unseen"), &[("if_match", &now)]);
    delete_if(&world, "7", "loyal", &now)
        .await
        .expect("deleted");
    let gone = delete_if(&world, "8", "loyal", &now).await;
    assert_eq!(gone.expect_err("gone").code(), Code::NotFound);
}

#[tokio::test]
async fn each_definition_of_a_bundle_takes_an_etag_and_all_or_none_is_applied() {
    let world = world().await;
    let bundle = format!("{LOYAL}\n---\n{JOURNEY}\n---\nsegment: {{name: new, expression: x}}");
    let created = apply_if(&world, "1", &bundle, &["0", "", "0"]).await;
    assert_eq!(created.expect("created"), [(ApplyAction::Created, 1); 3]);

    let changed = bundle.replace(": x", ": y");
    let (loyal, new) = (etag(&world, "loyal").await, etag(&world, "new").await);
    let refused = apply_if(&world, "2", &changed, &["0", "9-aa", &new]).await;
    // Those of several owners, in the order of the owners.
    let status = refused.expect_err("two do not match");
    let details = status.get_error_details();
    let fields = &details.bad_request().expect("fields").field_violations;
    let mut places: Vec<&str> = fields.iter().map(|it| it.field.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["if_match[0]", "if_match[1]"]);
    assert_eq!(etag(&world, "new").await, new, "nothing was applied");
    let applied = apply_if(&world, "3", &changed, &[&loyal, "", &new]).await;
    assert_eq!(
        applied.expect("applied"),
        [
            (ApplyAction::Updated, 2),
            (ApplyAction::Unchanged, 1),
            (ApplyAction::Updated, 2)
        ]
    );
}

#[tokio::test]
async fn an_etag_of_nothing_is_refused_and_so_are_too_few() {
    let world = world().await;
    let refused = apply_if(&world, "1", LOYAL, &["1-aa"]).await;
    check_mismatch(&refused.expect_err("absent"), &[("if_match[0]", "`0`")]);
    for if_match in [&["", ""][..], &["0", "0", "0"]] {
        let refused = apply_if(&world, "2", LOYAL, if_match).await;
        let status = refused.expect_err("not one for each");
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let fields = &details.bad_request().expect("fields").field_violations;
        assert_eq!(fields[0].field, "if_match");
    }
    let long = "x".repeat(101);
    let refused = apply_if(&world, "3", LOYAL, &[&long]).await;
    assert_eq!(refused.expect_err("long").code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_processes_that_change_the_same_version_one_wins() {
    let world = world().await;
    let (other, _, _) = process(&world.database).await;
    apply(&world.rpc, request("0", LOYAL))
        .await
        .expect("applied");
    let read = etag(&world, "loyal").await;
    let editors = [&world.rpc, &other].into_iter().cycle().take(8).enumerate();
    let editors = editors.map(|(editor, rpc)| {
        let text = LOYAL.replace(": x", &format!(": y{editor}"));
        let mut request = request(&format!("e{editor}"), &text);
        request.if_match = vec![read.clone()];
        let rpc = rpc.clone();
        tokio::spawn(async move { apply(&rpc, request).await })
    });
    let mut won = 0;
    for editor in editors.collect::<Vec<_>>() {
        match editor.await.expect("no panic") {
            Ok(applied) => {
                assert_eq!(applied, [(ApplyAction::Updated, 2)]);
                won += 1;
            }
            Err(status) => assert_eq!(status.code(), Code::Aborted, "{status}"),
        }
    }
    assert_eq!(won, 1);
}

/// Looks so often whether a call is done, and then gives it up.
async fn give_up_after<T>(looks: u32, call: impl Future<Output = T>) {
    let mut call = pin!(call);
    for _ in 0..looks {
        let is_done = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready()));
        if is_done.await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_that_nobody_waited_for_is_answered_when_it_is_sent_again() {
    let world = world().await;
    for round in 0..14_u32 {
        let (name, looks) = (format!("s{round}"), 1 << round);
        let text = LOYAL.replace("loyal", &name);
        let id = format!("{name}-1");
        let create = || apply_if(&world, &id, &text, &["0"]);
        give_up_after(looks, create()).await;
        assert_eq!(
            create().await.expect("the answer"),
            [(ApplyAction::Created, 1)]
        );
        let now = etag(&world, &name).await;
        let id = format!("{name}-2");
        give_up_after(looks, delete_if(&world, &id, &name, &now)).await;
        let deleted = delete_if(&world, &id, &name, &now).await;
        deleted.expect("the answer");
    }
}
