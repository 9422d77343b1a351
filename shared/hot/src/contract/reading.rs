//! Readers beside the worker: what they see is of one commit.

use super::{SLOT, Subject, commit, opened, state, text};
use crate::{Commit, StateWrite};

/// A reader sees all states of a commit or none, however many it asks for.
pub async fn states_of_one_commit_are_read_together(subject: &mut impl Subject) {
    const COMMITS: u64 = 300;
    let store = opened(subject).await;
    let keys: Vec<_> = (0..20).map(|n| text(format!("key {n}"))).collect();
    let write = async {
        for seq in 1..=COMMITS {
            let states = keys.iter().map(|key| StateWrite {
                key: key.clone(),
                ..state("", &seq.to_string())
            });
            let commit = Commit {
                states: states.collect(),
                ..commit(seq)
            };
            store.commit(SLOT, &commit).await.expect("commits");
        }
    };
    let read = async {
        loop {
            let states = store.load(SLOT, &keys).await.expect("loads");
            let first = states[0].clone();
            assert!(states.iter().all(|it| *it == first), "{states:?}");
            if first.is_some_and(|it| it.value == COMMITS.to_string()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}
