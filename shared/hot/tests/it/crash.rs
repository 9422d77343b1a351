//! Killing the process that holds the data in the middle of commits: what was acknowledged is
//! there, and nothing half.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use hot::marks::Marks;
use hot::{
    Commit, CounterKey, Cursor, EmbeddedStore, HotStore, OutboxMessage, Owner, PageBounds,
    QuarantineId, RedisStore, SharedHotStore, Slot, StateWrite, Stored, StreamId, StreamName,
    Timer, Writer,
};
use kernel::{PartitionId, Timestamp};
use testkit::RedisServer;
use tokio::sync::watch;

use crate::embedded::partitions;

const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(3),
};
const FACTS: StreamId = StreamId {
    name: StreamName::Facts,
    partition: SLOT.partition,
};
/// States that every commit writes.
const STATES: u8 = 40;
/// Commits to wait for before the kill.
const ENOUGH: u64 = 300;
/// Tells the child which folder to write to.
const FOLDER: &str = "HOT_TEST_CRASH_FOLDER";

/// The entries of its stream that a commit has read, of those that the commits up to it wrote.
const fn read_by(seq: u64) -> u64 {
    seq / 2
}

/// A commit that writes its number everywhere.
fn commit(seq: u64) -> Commit {
    let number = Bytes::from(seq.to_string());
    Commit {
        epoch: 1,
        seq,
        batch_id: seq,
        states: (0..STATES)
            .map(|key| {
                let time = Timestamp::from_millis(seq.cast_signed());
                let due = (key == 0).then_some(time);
                let (timer, adds_entry) = Timer::NONE.set(due);
                StateWrite {
                    key: vec![key].into(),
                    value: Some(number.clone()),
                    timer,
                    adds_entry,
                }
            })
            .collect(),
        fired: vec![(
            vec![0].into(),
            Timestamp::from_millis(seq.cast_signed() - 1),
        )],
        outputs: vec![(StreamName::Facts, number.clone())],
        outbox: vec![OutboxMessage {
            to: FACTS,
            payload: number.clone(),
        }],
        dropped_groups: vec![(seq - 1).to_string().into()],
        counters: vec![
            (CounterKey::new("crash", "commits"), 1),
            (CounterKey::new(seq.to_string(), "commits"), 1),
        ],
        marks: vec![(
            StreamName::Facts,
            Marks {
                seen: [(Writer::process(1), seq)].into(),
                part: None,
            },
        )],
        cursors: vec![(
            StreamName::Facts,
            Cursor {
                major: 0,
                minor: read_by(seq),
            },
        )],
        watermark: Some(Timestamp::from_millis(seq.cast_signed())),
        next_due: None,
        quarantine: vec![number.clone(), number],
        released: vec![QuarantineId {
            commit_seq: seq.saturating_sub(1),
            index: 1,
        }],
    }
}

/// Checks that exactly one commit is the last, everywhere, and that it is not before the last
/// acknowledged one.
async fn check(store: &SharedHotStore, acknowledged: u64, removed_by: fn(u64) -> u64) {
    let head = store.head(SLOT).await.expect("a head");
    let last = head.commit_seq;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&last),
        "{last} is there, {acknowledged} was acknowledged"
    );
    let written = commit(last);
    assert_eq!(head.cursors, written.cursors);
    let counters = store.counters(SLOT, &["crash"]).await.expect("counters");
    let commits = CounterKey::new("crash", "commits");
    assert_eq!(counters, [(commits, last.cast_signed())]);
    let groups = store.counter_groups(SLOT).await.expect("groups");
    assert_eq!(groups, [last.to_string().into(), Box::from("crash")]);
    assert_eq!(head.marks(StreamName::Facts), written.marks[0].1);
    assert_eq!(head.watermark, written.watermark);
    let keys: Vec<_> = written.states.iter().map(|it| it.key.clone()).collect();
    let stored = written.states.into_iter().map(|it| {
        let (value, timer) = (it.value?, it.timer);
        Some(Stored { value, timer })
    });
    let expected: Vec<_> = stored.collect();
    assert_eq!(store.load(SLOT, &keys).await.expect("loads"), expected);
    store.open(SLOT, 1).await.expect("opens");
    let all = usize::try_from(last).expect("small") + 1;
    let due = store.due(SLOT, Timestamp::MAX, all).await.expect("due");
    // Entries that fired may come back after a new owner has opened the partition.
    assert_eq!(due.timers.last().map(|(_, time)| *time), written.watermark);
    let read = removed_by(last);
    let left = last - read;
    assert_eq!(store.lag(FACTS, Cursor::START).await.expect("a lag"), left);
    let entries = store.poll(FACTS, Cursor::START, all).await.expect("polls");
    let unread = read + 1..=last;
    let numbers: Vec<String> = unread.map(|seq| seq.to_string()).collect();
    let read: Vec<Bytes> = entries.into_iter().map(|entry| entry.payload).collect();
    assert_eq!(read, numbers);
    let outbox = store.outbox(SLOT, 0, all).await.expect("an outbox");
    let sent: Vec<u64> = outbox.iter().map(|outgoing| outgoing.seq).collect();
    assert_eq!(sent, (1..=last).collect::<Vec<_>>());
    let aside = store.quarantine_size(SLOT).await.expect("a size");
    assert_eq!(aside.records, last + 1);
    let aside = store
        .quarantined(SLOT, None, PageBounds::entries(all + 1))
        .await
        .expect("a list");
    let mut ids: Vec<_> = (1..=last).map(|commit_seq| (commit_seq, 0)).collect();
    ids.push((last, 1));
    let found: Vec<_> = aside
        .iter()
        .map(|it| (it.id.commit_seq, it.id.index))
        .collect();
    assert_eq!(found, ids);
}

/// Commits for ever, and says so after each acknowledgement.
async fn commit_until_killed(folder: &Path) -> ! {
    let store = EmbeddedStore::open(folder, partitions())
        .await
        .expect("opens");
    store.open(SLOT, 1).await.expect("opens");
    let mut seq = 0;
    loop {
        seq += 1;
        store.commit(SLOT, &commit(seq)).await.expect("commits");
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {seq}").expect("the parent reads");
        out.flush().expect("the parent reads");
    }
}

#[tokio::test]
async fn a_killed_process_keeps_what_the_embedded_store_acknowledged() {
    if let Some(folder) = env::var_os(FOLDER) {
        commit_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let name = "crash::a_killed_process_keeps_what_the_embedded_store_acknowledged";
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut acknowledged = 0;
    let mut is_killed = false;
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        // The test harness writes, too; a line may be cut by the kill.
        let Some((_, number)) = line.split_once("acknowledged ") else {
            continue;
        };
        acknowledged = number
            .parse()
            .map_or(acknowledged, |it: u64| it.max(acknowledged));
        if acknowledged >= ENOUGH && !is_killed {
            child.kill().expect("is killed");
            is_killed = true;
        }
    }
    child.wait().expect("ended");
    assert!(acknowledged >= ENOUGH, "the child ended by itself");
    let store = EmbeddedStore::open(folder.path(), partitions())
        .await
        .expect("opens");
    check(&(Arc::new(store) as SharedHotStore), acknowledged, read_by).await;
}

#[tokio::test]
async fn a_killed_server_keeps_what_the_redis_store_acknowledged() {
    let mut server = RedisServer::start_with(RedisServer::SYNCED).expect("a server");
    let store = RedisStore::connect(server.url(), partitions())
        .await
        .expect("connects");
    store.open(SLOT, 1).await.expect("opens");
    let (report, mut acknowledged) = watch::channel(0);
    let committer = tokio::spawn(async move {
        let mut seq = 1;
        while store.commit(SLOT, &commit(seq)).await.is_ok() {
            report.send_replace(seq);
            seq += 1;
        }
        seq - 1
    });
    acknowledged
        .wait_for(|seq| *seq >= ENOUGH)
        .await
        .expect("the committer lives");
    server.kill_9().expect("dies");
    let acknowledged = committer.await.expect("the committer ended");
    server.restart().expect("starts again");
    let store = RedisStore::connect(server.url(), partitions())
        .await
        .expect("connects");
    // Its cursors begin with a time, and those of the test are before all of them.
    check(&(Arc::new(store) as SharedHotStore), acknowledged, |_| 0).await;
}
