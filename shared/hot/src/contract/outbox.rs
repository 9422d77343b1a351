//! Messages to other partitions: once, whichever step the forwarder dies after.

use kernel::PartitionId;

use super::{SLOT, Subject, append, commit, opened, payloads, text};
use crate::{
    Append, Appended, Commit, Cursor, HotError, OutboxMessage, SharedHotStore, SourceRange,
    Standing, StreamId, StreamName,
};

const TARGET: StreamId = StreamId {
    name: StreamName::Facts,
    partition: PartitionId::new(2),
};

const EVENTS: StreamId = StreamId {
    name: StreamName::Events,
    partition: SLOT.partition,
};

/// The slot after so many commits under epoch 1.
const fn standing(commit_seq: u64) -> Standing {
    Standing {
        slot: SLOT,
        epoch: 1,
        commit_seq,
    }
}

async fn send(store: &SharedHotStore, seq: u64, payloads: &[&str]) {
    let commit = Commit {
        outbox: payloads
            .iter()
            .map(|payload| OutboxMessage {
                to: TARGET,
                payload: text(*payload),
            })
            .collect(),
        ..commit(seq)
    };
    store.commit(SLOT, &commit).await.expect("commits");
}

/// Messages are numbered from 1 without gaps, also after trimming and reopening.
pub async fn an_outbox_is_numbered_without_gaps(subject: &mut impl Subject) {
    let store = opened(subject).await;
    send(&store, 1, &["a", "b"]).await;
    send(&store, 2, &["c"]).await;
    let all = store.outbox(SLOT, 0, 9).await.expect("an outbox");
    let numbers: Vec<u64> = all.iter().map(|outgoing| outgoing.seq).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(all[2].message.to, TARGET);
    assert_eq!(all[2].message.payload, text("c"));
    assert_eq!(
        store.outbox(SLOT, 1, 1).await.expect("an outbox"),
        all[1..2]
    );
    store.trim_outbox(standing(2), 99).await.expect("trims");
    store.trim_outbox(standing(2), 2).await.expect("trims");
    assert!(
        store
            .outbox(SLOT, 0, 9)
            .await
            .expect("an outbox")
            .is_empty()
    );
    let store = subject.reopen(store).await;
    assert_eq!(store.head(SLOT).await.expect("a head").forwarded_seq, 3);
    send(&store, 3, &["d"]).await;
    let rest = store.outbox(SLOT, 0, 9).await.expect("an outbox");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].seq, 4);
}

/// Who believes a partition to be elsewhere removes nothing from it.
pub async fn a_worker_trims_only_where_its_partition_is_where_it_was(subject: &mut impl Subject) {
    let store = opened(subject).await;
    append(&store, EVENTS, "read").await;
    append(&store, EVENTS, "not read").await;
    send(&store, 1, &["a", "b"]).await;
    let read = store.poll(EVENTS, Cursor::START, 9).await.expect("polls")[0].cursor;
    let here = standing(1);
    // As after a store that went back: it has fewer commits, or another epoch. Or a worker that has
    // slept through a commit.
    for elsewhere in [
        Standing {
            commit_seq: 0,
            ..here
        },
        Standing {
            commit_seq: 2,
            ..here
        },
        Standing { epoch: 0, ..here },
        Standing { epoch: 2, ..here },
    ] {
        for refused in [
            store.trim(elsewhere, EVENTS.name, read).await,
            store.trim_outbox(elsewhere, 1).await,
        ] {
            assert!(
                matches!(refused, Err(HotError::Gap { .. } | HotError::Fenced { .. })),
                "{elsewhere:?}: {refused:?}"
            );
        }
    }
    assert_eq!(payloads(&store, EVENTS).await.len(), 2);
    assert_eq!(store.outbox(SLOT, 0, 9).await.expect("an outbox").len(), 2);
    store.trim(here, EVENTS.name, read).await.expect("trims");
    store.trim_outbox(here, 1).await.expect("trims");
    assert_eq!(payloads(&store, EVENTS).await, [text("not read")]);
    assert_eq!(store.outbox(SLOT, 0, 9).await.expect("an outbox").len(), 1);
}

/// A forwarder that dies after its append, before its trim, or half-way, and starts again from what it finds.
pub async fn a_message_is_delivered_once_wherever_the_forwarder_crashes(
    subject: &mut impl Subject,
) {
    for appends_before_crash in 0..=3 {
        for trims in [None, Some(1), Some(3)] {
            let store = opened(subject).await;
            send(&store, 1, &["a", "b", "c"]).await;
            forward(&store, appends_before_crash).await;
            if let Some(upto) = trims.filter(|upto| *upto <= appends_before_crash) {
                store.trim_outbox(standing(1), upto).await.expect("trims");
            }
            let store = subject.reopen(store).await;
            let outcomes = forward(&store, u64::MAX).await;
            assert!(!outcomes.contains(&Appended::Full));
            store.trim_outbox(standing(1), 3).await.expect("trims");
            assert_eq!(
                payloads(&store, TARGET).await,
                ["a", "b", "c"],
                "crashed after {appends_before_crash} appends, trimmed to {trims:?}"
            );
        }
    }
}

/// Forwards up to a message, each with its own number as the range of its source.
async fn forward(store: &SharedHotStore, upto: u64) -> Vec<Appended> {
    let mut outcomes = Vec::new();
    for outgoing in store.outbox(SLOT, 0, 9).await.expect("an outbox") {
        if outgoing.seq > upto {
            break;
        }
        let append = Append {
            to: outgoing.message.to,
            payload: outgoing.message.payload,
            source: Some(SourceRange {
                source: "journey/1".into(),
                first: outgoing.seq,
                last: outgoing.seq,
            }),
            origin: None,
        };
        outcomes.push(store.append(&append).await.expect("appends"));
    }
    outcomes
}
