//! Commits at their limits, and over one of them.

use kernel::PartitionId;

use super::{full, seen};
use crate::contract::counters::{changes, counters};
use crate::contract::quarantine::id;
use crate::contract::{SLOT, Subject, at, opened, removed, state, text, timed};
use crate::{
    Commit, Committed, CounterKey, HotError, OutboxMessage, StateWrite, StreamId, StreamName,
    Timer, limits,
};

/// A state with a value of so many bytes.
fn fat(key: &str, bytes: usize) -> StateWrite {
    StateWrite {
        value: Some(vec![7; bytes].into()),
        ..state(key, "")
    }
}

/// Commits that are over one limit each.
fn too_large() -> Vec<Commit> {
    vec![
        Commit {
            states: vec![state("a", "new"), fat("b", limits::STATE_BYTES + 1)],
            ..full(2)
        },
        Commit {
            states: vec![
                state("a", "new"),
                removed(&"k".repeat(limits::KEY_BYTES + 1)),
            ],
            ..full(2)
        },
        Commit {
            states: (0..=limits::STATES_PER_COMMIT)
                .map(|n| fat(&n.to_string(), 1))
                .collect(),
            ..full(2)
        },
        Commit {
            fired: vec![(text("a"), at(100)); limits::FIRED_PER_COMMIT + 1],
            ..full(2)
        },
        Commit {
            outputs: vec![(
                StreamName::Actions,
                vec![7; limits::COMMIT_BYTES + 1].into(),
            )],
            ..full(2)
        },
        Commit {
            quarantine: vec![vec![7; limits::QUARANTINED_BYTES + 1].into()],
            ..full(2)
        },
        Commit {
            quarantine: vec![vec![7; limits::QUARANTINED_BYTES].into(); 2],
            ..full(2)
        },
        Commit {
            released: vec![id(1, 0); limits::RELEASED_PER_COMMIT + 1],
            ..full(2)
        },
        Commit {
            dropped_groups: vec!["g".into(); limits::DROPPED_PER_COMMIT + 1],
            ..full(2)
        },
        Commit {
            dropped_groups: vec!["g".repeat(limits::COUNTER_BYTES + 1).into()],
            ..full(2)
        },
        Commit {
            counters: changes(&[("g", &"n".repeat(limits::COUNTER_BYTES + 1), 1)]),
            ..full(2)
        },
        Commit {
            counters: changes(&[(&"g".repeat(limits::COUNTER_BYTES + 1), "n", 1)]),
            ..full(2)
        },
    ]
}

/// A commit that is at the limits.
fn largest() -> Commit {
    let size = limits::COMMIT_BYTES / 4 * 3 / limits::STATES_PER_COMMIT;
    Commit {
        states: (0..limits::STATES_PER_COMMIT)
            .map(|n| {
                let times = [i64::MIN, -1, 0, i64::try_from(n).expect("small") << 20];
                let key = n.to_string();
                StateWrite {
                    value: Some(vec![7; size].into()),
                    ..timed(&key, "", Timer::NONE, Some(times[n % 4])).0
                }
            })
            .collect(),
        fired: (0..limits::FIRED_PER_COMMIT)
            .map(|n| (text(format!("unknown {n}")), at(-1)))
            .collect(),
        released: (0..limits::RELEASED_PER_COMMIT)
            .map(|n| id(1, u32::try_from(n).expect("small")))
            .collect(),
        counters: (0..5_000)
            .map(|n| {
                // Many in one group, and some in many.
                let group = if n % 5 == 0 { n } else { -1 };
                (CounterKey::new(group.to_string(), n.to_string()), n)
            })
            .collect(),
        dropped_groups: (0..limits::DROPPED_PER_COMMIT)
            .map(|n| format!("unknown {n}").into())
            .collect(),
        ..full(2)
    }
}

/// A commit that is over a limit somewhere changes nothing anywhere.
pub async fn a_commit_over_a_limit_changes_nothing(subject: &mut impl Subject) {
    let store = opened(subject).await;
    store.commit(SLOT, &full(1)).await.expect("commits");
    let before = seen(&store).await;
    for commit in too_large() {
        let error = store.commit(SLOT, &commit).await.expect_err("refused");
        assert!(matches!(error, HotError::TooLarge { .. }), "{error:?}");
        assert_eq!(seen(&store).await, before);
    }
    let twice = Commit {
        states: vec![state("a", "one"), state("a", "other")],
        ..full(2)
    };
    let error = store.commit(SLOT, &twice).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
    let nowhere = Commit {
        outbox: vec![OutboxMessage {
            to: StreamId {
                name: StreamName::Facts,
                partition: PartitionId::new(999),
            },
            payload: text("lost"),
        }],
        ..full(2)
    };
    let error = store.commit(SLOT, &nowhere).await.expect_err("refused");
    assert!(matches!(error, HotError::Invalid(_)), "{error:?}");
    assert_eq!(seen(&store).await, before);

    assert_eq!(
        store.commit(SLOT, &largest()).await.expect("commits"),
        Committed::Applied
    );
    let due = store.due(SLOT, at(i64::MAX), 20_000).await.expect("due");
    // The entry of `a` is not among the new ones.
    assert_eq!(due.timers.len(), limits::STATES_PER_COMMIT + 1);
    let found = counters(&store).await;
    assert_eq!(found.len(), 5_002);
    for n in [0, 1, 4_999] {
        let group = if n % 5 == 0 { n } else { -1 };
        assert!(found.contains(&format!("{group}:{n}={n}")), "{n}");
    }
}
