//! Processes are killed between a change and its entry in the audit log: both are there, or
//! neither, and the log verifies.
//!
//! Failures of the database of the log are tested in its crate.

mod changes;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::changes::{Client, Read};
use crate::faults::whole_machine;
use crate::random::Random;
use crate::suite::{ACTIVATION, IDENTITY, Suite};

/// The number of kills, unless the environment names another one: a long series runs apart.
const KILLS: usize = 8;
const KILLS_VARIABLE: &str = "HAPPYPATH_AUDIT_KILLS";
/// The time from the moment at which a process is up to its end: some dozen changes.
const PAUSES_MS: Range<u64> = 200..1_200;
/// A read is on record after this time at the latest.
const WRITTEN: Duration = Duration::from_secs(1);
const PARTITIONS: u16 = 4;

/// The entries that the changes in SQL must have, by action and object.
const CHANGES: &str = "
    SELECT CASE version WHEN 1 THEN 'definition.create' ELSE 'definition.update' END AS action,
        'template `' || name || '` version ' || version AS object
        FROM definition WHERE name LIKE 'crash\\_%'
    UNION ALL SELECT 'definition.delete', 'template `' || name || '`'
        FROM definition WHERE name LIKE 'crash\\_%' GROUP BY name HAVING bool_and(delete_time IS NOT NULL)
    UNION ALL SELECT 'key.create', 'key ' || id FROM api_key WHERE name = 'crash'
    UNION ALL SELECT 'key.revoke', 'key ' || id FROM api_key WHERE name = 'crash' AND revoke_time IS NOT NULL
    UNION ALL SELECT 'key.create', 'service key ' || id FROM api_key WHERE kind = 2
    UNION ALL SELECT 'identity.merge', 'merge ' || merge_id
        FROM identity_merge, generate_series(1, 2)";
/// The entries that tell of changes in SQL.
const ENTRIES: &str = "
    SELECT action, object FROM audit_entry WHERE outcome = 'OK' AND action IN ('definition.create',
        'definition.update', 'definition.delete', 'key.create', 'key.revoke', 'identity.merge')";

/// Chains whose entries have gaps, or that do not end where their heads say.
const TORN_CHAINS: &str = "
    SELECT chain_id FROM audit_chain LEFT JOIN (
        SELECT chain_id, count(*) AS entries, max(sequence) AS newest FROM audit_entry GROUP BY chain_id
    ) AS own USING (chain_id)
    WHERE sequence IS DISTINCT FROM newest OR sequence IS DISTINCT FROM entries
        OR hash IS DISTINCT FROM (SELECT hash FROM audit_entry AS entry
            WHERE entry.chain_id = audit_chain.chain_id AND entry.sequence = audit_chain.sequence)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_between_a_change_and_its_entry_leaves_both_or_neither() {
    let _machine = whole_machine().await;
    let mut random = Random::new();
    let settings = |_: &str| vec!["--lease-ttl".to_owned(), "1s".to_owned()];
    let mut suite = Suite::start(PARTITIONS, settings).await;
    let client = Arc::new(Client::new(suite.url(IDENTITY), suite.url(ACTIVATION)).await);
    let mut load: JoinSet<()> = JoinSet::new();
    client.start(&mut load);

    let count = std::env::var(KILLS_VARIABLE).ok();
    let count = count.map_or(KILLS, |count| count.parse().expect("a number of kills"));
    let mut kills = Vec::new();
    for round in 0..count {
        tokio::time::sleep(Duration::from_millis(random.within(PAUSES_MS))).await;
        let victim = [IDENTITY, ACTIVATION][round % 2];
        let (service, before) = (&mut suite.services[victim], Instant::now());
        service.kill();
        kills.push((victim, before..Instant::now()));
        service.respawn();
        service.ready().await;
    }
    tokio::time::sleep(Duration::from_millis(random.within(PAUSES_MS))).await;
    client.stop();
    while let Some(ended) = load.join_next().await {
        ended.expect("no panic");
    }
    tokio::time::sleep(WRITTEN).await;

    changes_and_entries_are_the_same(&suite);
    consents_were_asked_first(&suite, &client).await;
    let of_identity = kills.iter().filter(|(victim, _)| *victim == IDENTITY);
    let ends: Vec<Range<Instant>> = of_identity.map(|(_, time)| time.clone()).collect();
    reads_are_on_record(&suite, &client.reads(), &ends);
    chains_are_whole(&suite);
}

fn changes_and_entries_are_the_same(suite: &Suite) {
    let differ = |one: &str, other: &str| suite.sql(&format!("({one}) EXCEPT ALL ({other})"));
    let (none, lost) = (Vec::<String>::new(), differ(CHANGES, ENTRIES));
    assert_eq!(lost, none, "changes without their entries");
    assert_eq!(differ(ENTRIES, CHANGES), none, "entries without changes");
    for action in [
        "definition.create",
        "definition.update",
        "definition.delete",
        "key.create",
        "key.revoke",
        "identity.merge",
    ] {
        let found = suite.sql(&format!(
            "SELECT 1 FROM audit_entry WHERE action = '{action}'"
        ));
        assert!(found.len() > 4, "too few of {action}: {}", found.len());
    }
}

/// Consents are not in SQL: each is asked for before it is given, with its end where the process
/// lived to see it.
async fn consents_were_asked_first(suite: &Suite, client: &Client) {
    let consents = client.consents().await;
    let asked = suite.sql(
        "SELECT object FROM audit_entry WHERE action = 'activation.set_consent' AND outcome = 'ASKED'",
    );
    assert!(consents.len() > 4, "{consents:?}");
    for purpose in consents {
        let object = format!("grant purpose {purpose:?} channel \"\"");
        let count = asked.iter().filter(|it| **it == object).count();
        assert_eq!(count, 1, "{object}");
    }
}

/// Each read that was answered more than a second before the end of its process has one entry.
fn reads_are_on_record(suite: &Suite, reads: &[Read], ends: &[Range<Instant>]) {
    let traces = suite.sql(
        "SELECT split_part(trace_parent, '-', 2) FROM audit_entry
            WHERE action = 'identity.get_customer' AND outcome = 'OK' AND length(subject) = 32",
    );
    let mut surely = 0;
    for read in reads {
        let is_lost = |end: &Range<Instant>| {
            read.time <= end.end && end.start.saturating_duration_since(read.time) <= WRITTEN
        };
        let count = traces.iter().filter(|trace| **trace == read.trace).count();
        assert!(count <= 1, "{count} entries of {read:?}");
        if !ends.iter().any(is_lost) {
            assert_eq!(count, 1, "no entry of {read:?}");
            surely += 1;
        }
    }
    assert!(surely > 10, "{surely} of {} reads", reads.len());
}

fn chains_are_whole(suite: &Suite) {
    assert_eq!(suite.sql(TORN_CHAINS), Vec::<String>::new());
    let folder = tempfile::tempdir().expect("a folder");
    let heads = folder.path().join("heads").display().to_string();
    suite.run(&["audit", "verify", "--save-heads", &heads]);
    let verdict = suite.run(&["audit", "verify", "--heads", &heads, "--json"]);
    let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("JSON");
    let chains = suite.sql("SELECT count(*) FROM audit_chain");
    assert_eq!(verdict["chains"].to_string(), chains[0]);
    assert_eq!(verdict["faults"], serde_json::json!([]));
}
