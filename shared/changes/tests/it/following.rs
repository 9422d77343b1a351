//! Readers who follow while several processes write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use changes::{ChangeLog, ChangeSink as _, Position, Scribe};
use kernel::{Owner, PartitionId};
use tokio_util::sync::CancellationToken;

use crate::world::{Chance, Read, World, change, push, read_next};

const WRITERS: u8 = 3;
const COMMITS: u64 = 150;

/// A process that commits for a partition of its own: changes are of a customer of its own, and
/// numbered.
async fn write(log: ChangeLog, writer: u8) {
    let scribe = Scribe::new(log);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scribe.clone().run(shutdown.clone()));
    let slot = (Owner::Segmentation, PartitionId::new(writer.into()));
    scribe.open(slot.0, slot.1, 1, Vec::new());
    let mut chance = Chance::new(writer.into());
    let mut time = 0;
    for seq in 1..=COMMITS {
        let changes = (0..chance.below(60)).map(|_| {
            time += 1;
            change(writer, time)
        });
        push(&scribe, slot, (1, seq), changes.collect());
        match chance.below(4) {
            0 => scribe.flush().await.expect("it is written"),
            1 => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => {}
        }
    }
    shutdown.cancel();
    running.await.expect("it ends");
}

/// Follows the log until the writers have ended and nothing is left, from wherever it was: each
/// read begins at some change of the one before.
async fn follow(log: ChangeLog, is_over: Arc<AtomicBool>, seed: u64) -> Vec<Read> {
    let mut chance = Chance::new(seed);
    let mut position = Position::behind(log.id(), 0);
    let mut all = Vec::new();
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        let mut read = Vec::new();
        let bytes = 1 + chance.below(20_000);
        let behind = read_next(&log, position, bytes, &mut read).await;
        let behind = behind.expect("it can be read");
        if behind == position && is_last {
            return all;
        }
        let taken = chance.below(read.len() + 1);
        if taken == read.len() {
            position = behind;
        } else {
            read.truncate(taken);
            position = read.last().map_or(position, |(position, _)| *position);
        }
        all.extend(read);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_nothing_and_gets_nothing_twice_while_others_write() {
    for world in World::all().await {
        let is_over = Arc::new(AtomicBool::new(false));
        let readers = [1, 2].map(|seed| {
            let follow = follow(world.log.clone(), Arc::clone(&is_over), seed);
            tokio::spawn(follow)
        });
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(world.log.clone(), writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("it ends");
        }
        is_over.store(true, Ordering::Release);
        let all = world.read_all().await;
        for reader in readers {
            assert_eq!(reader.await.expect("it ends"), all);
        }
        let mut last = BTreeMap::new();
        for (_, change) in &all {
            let last: &mut i64 = last.entry(change.customer_id.clone()).or_default();
            assert_eq!(change.time_ms, *last + 1, "in order, without a gap");
            *last = change.time_ms;
        }
        assert_eq!(last.len(), usize::from(WRITERS));
    }
}
