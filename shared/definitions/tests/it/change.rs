//! Changes over several owners: at the same moment, whole or not at all, and in nobody's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use definitions::{Change, Owner as _, References};
use proto::definition::v1::{ApplyAction, DefinitionKind};
use sea_orm::ConnectionTrait as _;
use testkit::PostgresServer;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{JOURNEY, LOYAL, World, apply, delete, process, request, world, world_on};

/// Changes of a definition while others ask for the newest.
const CHANGES: u32 = 20;

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("fields").field_violations;
    violations.iter().map(|it| it.field.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn teams_that_define_things_at_the_same_moment_do_not_refuse_each_other() {
    teams(&world().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn teams_do_not_refuse_each_other_on_postgres_either() {
    let server = PostgresServer::start().expect("starts");
    let folder = tempfile::tempdir().expect("a folder");
    teams(&world_on(&server.url(), folder).await).await;
}

/// Eight teams, on two processes over the same database, each make a bundle of their own and delete
/// it again.
async fn teams(world: &World) {
    let (other, _, _) = process(&world.database).await;
    let teams = (0..8).map(|team| {
        let rpc = if team % 2 == 0 { &world.rpc } else { &other };
        let rpc = rpc.clone();
        tokio::spawn(async move {
            let name = format!("team{team}");
            let bundle = format!("{JOURNEY}\n---\n{LOYAL}")
                .replace("loyal", &name)
                .replace("name: j", &format!("name: {name}"));
            let created = apply(&rpc, request(&format!("{name}-1"), &bundle)).await?;
            assert_eq!(created, [(ApplyAction::Created, 1); 2]);
            delete(&rpc, &format!("{name}-2"), DefinitionKind::Journey, &name).await?;
            delete(&rpc, &format!("{name}-3"), DefinitionKind::Segment, &name).await
        })
    });
    for team in teams.collect::<Vec<_>>() {
        team.await.expect("no panic").expect("not refused");
    }
    let kinds = [DefinitionKind::Segment, DefinitionKind::Channel];
    for kind in kinds {
        assert!(world.segments.names(kind).await.expect("names").is_empty());
    }
    // Eight teams, three changes each; a bundle is one change of each owner.
    world.segments.refresh().await.expect("refreshed");
    assert_eq!(world.segments.revision().await, 16);
}

#[tokio::test]
async fn a_bundle_of_several_owners_is_written_whole_or_not_at_all() {
    let world = world().await;
    let bundle = format!("{JOURNEY}\n---\n{LOYAL}");
    let full = format!(
        "CREATE TRIGGER full BEFORE INSERT ON definition WHEN NEW.kind = {} \
         BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        DefinitionKind::Journey as i32
    );
    let sql = world.database.orm();
    sql.execute_unprepared(&full).await.expect("a trigger");
    let refused = apply(&world.rpc, request("1", &bundle)).await;
    assert_eq!(refused.expect_err("full").code(), Code::Unavailable);
    let names = world.segments.names(DefinitionKind::Segment).await;
    assert!(names.expect("names").is_empty());
    assert_eq!(
        world.segments.stored_revision().await.expect("one").number,
        0
    );
    sql.execute_unprepared("DROP TRIGGER full")
        .await
        .expect("dropped");
    let applied = apply(&world.rpc, request("1", &bundle)).await;
    assert_eq!(
        applied.expect("applied"),
        [(ApplyAction::Created, 1), (ApplyAction::Created, 1)]
    );
}

#[tokio::test]
async fn segments_are_in_force_before_the_journeys_that_name_them() {
    let world = world().await;
    let bundle = format!("{JOURNEY}\n---\n{LOYAL}");
    apply(&world.rpc, request("1", &bundle))
        .await
        .expect("applied");
    let journeys = world.journeys.watch();
    assert_eq!(journeys.borrow().segments_then(), ["loyal@1"]);
}

#[tokio::test]
async fn a_stored_definition_that_is_at_fault_already_stands_in_nobodys_way() {
    let world = world().await;
    apply(
        &world.rpc,
        request("1", &format!("{LOYAL}\n---\n{JOURNEY}")),
    )
    .await
    .expect("applied");
    // A process that keeps segments only cannot know who refers to them.
    let gone = Change::delete(DefinitionKind::Segment, "loyal");
    let nothing = References::unknown();
    let alone = world.segments.change(&gone, &nothing, false).await;
    alone.expect("deleted");

    let others = format!("{LOYAL}\n---\n{JOURNEY}")
        .replace("loyal", "new")
        .replace("name: j", "name: other");
    apply(&world.rpc, request("2", &others))
        .await
        .expect("of no concern");
    delete(&world.rpc, "3", DefinitionKind::Journey, "other")
        .await
        .expect("of no concern");
    delete(&world.rpc, "4", DefinitionKind::Segment, "new")
        .await
        .expect("of no concern");
    let own = JOURNEY.replace("id: a", "id: b");
    let refused = apply(&world.rpc, request("5", &own))
        .await
        .expect_err("at fault itself");
    assert_eq!(
        fields(&refused),
        ["definitions[0].journey.entry.triggers[0].segment_entered"]
    );
    apply(&world.rpc, request("6", &format!("{own}\n---\n{LOYAL}")))
        .await
        .expect("repaired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_gets_what_was_stored_before_though_one_looks_for_many() {
    let world = world().await;
    let published = Arc::new(AtomicU32::new(0));
    let askers = (0..16).map(|_| {
        let (replica, published) = (Arc::clone(&world.replica), Arc::clone(&published));
        tokio::spawn(async move {
            let mut newest = 0;
            while newest < CHANGES {
                let least = published.load(Ordering::SeqCst);
                replica.refresh().await.expect("refreshed");
                let known = replica.watch().borrow().clone();
                newest = known.first().map_or(0, |name| {
                    let (_, version) = name.split_once('@').expect("name@version");
                    version.parse().expect("a version")
                });
                assert!(newest >= least, "{newest} is older than {least}");
            }
        })
    });
    let askers: Vec<_> = askers.collect();
    for version in 1..=CHANGES {
        let changed = LOYAL.replace(": x", &format!(": x{version}"));
        apply(&world.rpc, request(&format!("r{version}"), &changed))
            .await
            .expect("applied");
        published.store(version, Ordering::SeqCst);
    }
    for asker in askers {
        asker.await.expect("no panic");
    }
}
