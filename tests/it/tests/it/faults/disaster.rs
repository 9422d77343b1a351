//! Redis and PostgreSQL are lost with all that is on their disks, and copies kept elsewhere bring
//! an installation back: the drill of "Backup and restore" in k8s/README.md, step by step.
//!
//! The loss of Redis alone is a fault of its own, and so is each end of a single process.

mod consents;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::segmentation::v1::ListEventNamesRequest;
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use testkit::{LogArchive, PostgresServer, RedisServer};
use tonic::{Code, Status};

use self::consents::{Consents, are_given};
use super::installation::{Durability, Installation, PARTITIONS};
use super::load::{self, Load, Record, USERS};
use super::review::{completed, count};
use super::{CALM, run_load, shared_machine};
use crate::history::{Arrived, Loss, Sent};
use crate::process;
use crate::suite::{IDENTITY, SECRET, SEGMENTATION, eventually};

/// The time before and after a copy, and after the way back: some dozen events.
const SHORT: Duration = Duration::from_millis(1_500);
/// Events that are acknowledged in such a time, at the least, also on a slow machine.
const SOME: usize = 20;

/// The name of the events that a journey remembers over the disaster.
const VISIT: &str = "visit";
/// The journey that does: its runs wait for longer than the load before the disaster lasts.
const REMINDERS: &str = "
journey:
  name: remind_visitors
  entry: {triggers: [{event: visit}], key: order, reentry: REENTRY_AFTER_EXIT}
  steps:
    - id: pause
      wait: {duration: 6s}
    - id: done
      exit: {outcome: RUN_OUTCOME_SUCCESS}
";

/// Loses everything that stands on the machines of an installation, and its processes.
fn lose(installation: &mut Installation) {
    installation.postgres.lose().expect("is lost");
    installation.redis.kill_9().expect("dies");
    let folder = &installation.redis_folder;
    std::fs::remove_dir_all(folder).expect("removed");
    std::fs::create_dir(folder).expect("made");
    for service in &mut installation.services {
        service.kill();
    }
}

/// Starts Redis, which is empty, and the services, once PostgreSQL is back.
async fn come_back(installation: &mut Installation) {
    installation.redis.restart().expect("starts");
    let keys = installation.redis.ask(&["DBSIZE"]).expect("an answer");
    assert_eq!(keys, "0", "nothing of Redis is kept");
    for service in &mut installation.services {
        service.respawn();
    }
    for service in &mut installation.services {
        service.ready().await;
    }
}

/// Counts what was acknowledged within a time.
fn acknowledged(sent: &[Sent], from: Instant, to: Instant) -> usize {
    let times = sent.iter().filter_map(|sent| sent.ack_time);
    times.filter(|time| (from..to).contains(time)).count()
}

/// Writes down the heads of the audit log, to be kept away from the database.
fn save_heads(installation: &Installation, file: &Path) {
    let file = file.display().to_string();
    let (is_clean, _, said) = installation.command(&["audit", "verify", "--save-heads", &file]);
    assert!(is_clean, "{said}");
}

/// Holds the audit log against heads; returns whether it is clean, and what was said.
fn verify(installation: &Installation, file: &Path) -> (bool, String) {
    let file = file.display().to_string();
    let (is_clean, found, said) = installation.command(&["audit", "verify", "--heads", &file]);
    (is_clean, found + &said)
}

/// Waits until each visit counts once, but for those that may be lost: what was not acknowledged
/// before a copy was made.
async fn visits_count_once(
    installation: &Installation,
    visits: &Mutex<Record>,
    copy_time: Option<Instant>,
) {
    let sent = load::lock(visits).sent.clone();
    let mut last = String::new();
    let whole = eventually(async || {
        last = match faults_of_visits(installation, &sent, copy_time).await {
            Ok(faults) => faults,
            Err(status) => format!("{status:?}"),
        };
        last.is_empty().then_some(())
    });
    let is_whole = whole.await.is_some();
    assert!(is_whole, "{last}\n{}", installation.logs());
}

async fn faults_of_visits(
    installation: &Installation,
    sent: &[Sent],
    copy_time: Option<Instant>,
) -> Result<String, Status> {
    let is_kept = |sent: &&&Sent| {
        copy_time.is_none_or(|copy| {
            sent.ack_time
                .is_some_and(|acknowledged| acknowledged < copy)
        })
    };
    let mut faults = String::new();
    for user in 0..USERS {
        let own: Vec<&Sent> = sent.iter().filter(|sent| sent.user == user).collect();
        let (least, most) = (own.iter().filter(is_kept).count(), own.len());
        let (_, profile) = installation.user(user).await?;
        let found = count(&profile, VISIT);
        if !(least as u64..=most as u64).contains(&found) {
            let _ = writeln!(faults, "user {user}: {found} visits, not {least} to {most}");
        }
        let visits = profile.recent_events.iter().map(|event| &event.event_id);
        let visits: Vec<&String> = visits.filter(|id| id.starts_with(VISIT)).collect();
        if visits.iter().collect::<BTreeSet<_>>().len() < visits.len() {
            let _ = writeln!(faults, "user {user} has a visit twice: {visits:?}");
        }
    }
    Ok(faults)
}

/// Waits until each visit has had its wait, once.
async fn waits_ended_once(installation: &Installation, visits: &Mutex<Record>) {
    let all = load::lock(visits).sent.len() as u64;
    let mut last = (0, 0, 0);
    let ended = eventually(async || {
        let flow = installation.flow("remind_visitors").await.ok()?;
        last = (flow.entered_count, completed(&flow), flow.active_count);
        (last == (all, all, 0)).then_some(())
    });
    let are_ended = ended.await.is_some();
    assert!(are_ended, "(begun, ended, under way) of {all}: {last:?}");
}

/// Holds that nothing of what had arrived and was acknowledged in time arrived again.
fn nothing_arrived_again(before: &[Arrived], after: &[Arrived]) {
    let known: BTreeSet<&str> = before.iter().map(|it| it.effect_id.as_str()).collect();
    let again = after.iter().filter(|it| known.contains(&*it.effect_id));
    assert_eq!(again.count(), before.len(), "a webhook arrived again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_was_acknowledged_comes_back_from_an_older_copy_and_the_log_since() {
    let _machine = shared_machine().await;
    let kept = tempfile::tempdir().expect("a folder");
    let heads = kept.path().join("heads");
    let mut archive = LogArchive::create().expect("an archive");
    let postgres = archive.start_server().expect("a PostgreSQL");
    let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
    let mut installation = Installation::start_on(Durability::Journal, redis, Some(postgres)).await;
    let url = installation.services[IDENTITY].url();

    // Yesterday: a copy is made under load. Whatever comes after it is in the log alone.
    let purchases: Arc<Mutex<Record>> = Arc::default();
    let mut load = Load::start(url.clone(), &purchases);
    load.join_visitors();
    tokio::time::sleep(SHORT).await;
    let copy = installation.postgres.copy_base().expect("a copy");
    let copied = Instant::now();
    tokio::time::sleep(SHORT).await;
    load.stop().await;
    let before = installation.review(&purchases, None).await.arrived;

    // Today: definitions, events, merges and consents, up to the very moment of the disaster.
    installation.apply(REMINDERS).await;
    let visits: Arc<Mutex<Record>> = Arc::default();
    let mut load = Load::start_of(VISIT, url.clone(), &visits);
    load.join_visitors();
    let consents = Consents::start(&installation).await;
    save_heads(&installation, &heads);
    tokio::time::sleep(CALM).await;
    let lost = Instant::now();
    lose(&mut installation);

    let restored = installation.postgres.restore(copy, &mut archive);
    restored.expect("comes back");
    come_back(&mut installation).await;
    tokio::time::sleep(SHORT).await;
    load.stop().await;
    let consents = consents.stop().await;
    run_load(url, &purchases, SHORT).await;

    let history = installation.review(&purchases, None).await;
    nothing_arrived_again(&before, &history.arrived);
    visits_count_once(&installation, &visits, None).await;
    waits_ended_once(&installation, &visits).await;
    are_given(&installation, &consents).await;
    let (is_clean, found) = verify(&installation, &heads);
    assert!(is_clean, "{found}");
    let recovered = installation.recoveries();
    assert_eq!(recovered.len(), usize::from(PARTITIONS), "{recovered:?}");
    let sent = load::lock(&visits).sent.clone();
    for in_log_alone in [
        acknowledged(&history.sent, copied, lost),
        acknowledged(&sent, copied, lost),
    ] {
        assert!(in_log_alone > SOME, "{in_log_alone} events tell little");
    }
}

/// Imports a file of events, and returns how many are in, and how many of them were before.
fn import(installation: &Installation, file: &Path) -> (u64, u64) {
    let file = file.display().to_string();
    let (is_done, found, said) = installation.command(&["import", &file, "--json"]);
    assert!(is_done, "{said}");
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let number = |name: &str| found["files"][0][name].as_u64().expect("a number");
    (number("accepted"), number("replayed"))
}

/// Writes a file of events, one for each of some customers of its own.
fn write_events(file: &Path, events: u64) {
    let name = file.file_stem().expect("a name").display();
    let lines = (0..events).map(|number| {
        format!(
            r#"{{"event": "imported", "user_id": "{name}-{number}", "time": "2026-01-01T00:00:00Z"}}"#
        )
    });
    let lines: Vec<String> = lines.collect();
    std::fs::write(file, lines.join("\n")).expect("a file");
}

/// Waits until as many events count as were imported.
async fn imported(installation: &Installation, expected: u64) {
    let mut last = 0;
    let whole = eventually(async || {
        let mut segmentation = SegmentationServiceClient::new(installation.channel(SEGMENTATION));
        let names = segmentation.list_event_names(ListEventNamesRequest::default());
        let names = names.await.ok()?.into_inner().events;
        let found = names.iter().find(|event| event.name == "imported");
        last = found.map_or(0, |event| event.count);
        (last == expected).then_some(())
    });
    let is_whole = whole.await.is_some();
    assert!(is_whole, "{last} of {expected}\n{}", installation.logs());
}

/// A file with a key for secrets, which no copy of the database has.
fn secret_keys(folder: &Path) -> String {
    let made = process::run("happypath", &["secrets", "generate-key", "drill"]);
    let file = folder.join("keys");
    std::fs::write(&file, made.stdout).expect("a file");
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_alone_is_an_older_installation_that_goes_on() {
    let _machine = shared_machine().await;
    let kept = tempfile::tempdir().expect("a folder");
    let file = |name: &str| kept.path().join(name);
    let (early, late) = (file("early.jsonl"), file("late.jsonl"));
    write_events(&early, 40);
    write_events(&late, 30);
    let redis = RedisServer::start_with(RedisServer::APPEND_ONLY).expect("a Redis");
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    let settings = [("--secret-keys", secret_keys(kept.path()))];
    let mut installation =
        Installation::start_with(Durability::Journal, redis, Some(postgres), &settings).await;
    let url = installation.services[IDENTITY].url();

    // The dump is made under load. All that was sent by then has arrived: what is under way in a
    // dump is sent again a minute later.
    let (record, visits): (Arc<Mutex<Record>>, Arc<Mutex<Record>>) = Default::default();
    run_load(url.clone(), &record, SHORT).await;
    assert_eq!(import(&installation, &early), (40, 0));
    let before = installation.review(&record, None).await.arrived;
    // Nobody is joined meanwhile: who is joined after the dump is two again, each with own visits.
    let load = Load::start_of(VISIT, url.clone(), &visits);
    tokio::time::sleep(SHORT).await;
    save_heads(&installation, &file("heads-of-before"));
    let copy_time = Instant::now();
    let dump = installation.dump();
    assert!(!dump.contains(SECRET), "secrets of channels are sealed");

    // Newer than the dump, and so lost.
    installation.apply(REMINDERS).await;
    assert_eq!(import(&installation, &late), (30, 0));
    run_load(url.clone(), &record, SHORT).await;
    load.stop().await;
    save_heads(&installation, &file("heads-of-after"));
    lose(&mut installation);

    let restored = installation.postgres.restore_dump(&dump);
    restored.expect("comes back");
    come_back(&mut installation).await;
    let loss = Loss {
        copy_time,
        restore_time: Instant::now(),
        has_customers: true,
    };
    run_load(url, &record, SHORT).await;
    let history = installation.review(&record, Some(loss)).await;
    assert!(history.missing() > 0, "the dump is older than the disaster");
    nothing_arrived_again(&before, &history.arrived);
    visits_count_once(&installation, &visits, Some(copy_time)).await;

    // Senders and authors repeat what is newer; sources know what of theirs is there.
    let unknown = installation.flow("remind_visitors").await;
    let unknown = unknown.expect_err("a definition that is lost").code();
    assert_eq!(unknown, Code::NotFound);
    installation.apply(REMINDERS).await;
    assert_eq!(import(&installation, &early), (40, 40));
    assert_eq!(import(&installation, &late), (30, 0));
    imported(&installation, 70).await;

    // The audit log has lost what is newer too, and that shows.
    let (is_clean, found) = verify(&installation, &file("heads-of-before"));
    assert!(is_clean, "{found}");
    let (is_clean, found) = verify(&installation, &file("heads-of-after"));
    assert!(!is_clean, "{found}");
}
