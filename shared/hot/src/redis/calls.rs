//! Questions and function calls, each on the connection of its partition.

use kernel::{PartitionId, Timestamp};
use redis::{Cmd, Value, cmd};

use super::keys::commits_topic;
use super::library::{Function, LIBRARY};
use super::link::Link;
use super::reply::{failure, items, maybe_bytes, maybe_number, number, text, unexpected};
use super::{RedisStore, head, pack, restore};
use crate::{Frontier, Head, HotError, Slot, Standing, StreamId, StreamName, Unread, check};

impl RedisStore {
    pub(super) async fn load_functions(&self) -> Result<(), HotError> {
        load_functions(&self.lanes[0]).await
    }

    pub(super) fn lane(&self, partition: PartitionId) -> Link {
        self.lanes[self.lane_number(partition)].clone()
    }

    pub(super) fn lane_number(&self, partition: PartitionId) -> usize {
        usize::from(partition.number()) % self.lanes.len()
    }

    /// Asks one question about a partition.
    pub(super) async fn ask(
        &self,
        partition: PartitionId,
        command: &Cmd,
    ) -> Result<Value, HotError> {
        check::partition(self.count, partition)?;
        let mut lane = self.lane(partition);
        command.query_async(&mut lane).await.map_err(failure)
    }

    /// Calls a function; where the server has lost the functions, loads them and calls again.
    pub(super) async fn call(
        &self,
        partition: PartitionId,
        call: &Cmd,
    ) -> Result<Vec<Value>, HotError> {
        check::partition(self.count, partition)?;
        call_function(&self.lane(partition), call).await
    }

    /// Calls a function that does nothing where the partition has moved, and says where it is then.
    pub(super) async fn call_at(&self, at: Standing, call: &Cmd) -> Result<(), HotError> {
        let answer = self.call(at.slot.partition, call).await?;
        let Some(word) = answer.into_iter().next() else {
            return Err(unexpected("what became of a trim"));
        };
        if text(word)? == "ok" {
            return Ok(());
        }
        check::stands(at, self.current(at.slot).await?)?;
        // It was elsewhere a moment ago: as good as no answer.
        Err(unexpected("a partition that moves"))
    }

    /// Returns the epoch and the last commit of a partition.
    pub(super) async fn current(&self, slot: Slot) -> Result<(u64, u64), HotError> {
        let mut get = cmd("HMGET");
        get.arg(self.keys.meta(slot)).arg("epoch").arg("seq");
        let [epoch, seq] = <[Value; 2]>::try_from(items(self.ask(slot.partition, &get).await?)?)
            .map_err(|_| unexpected("where a partition is"))?;
        // While a partition is restored its epoch has a sign.
        if maybe_bytes(epoch.clone())?.is_some_and(|text| text.starts_with(b"-")) {
            return Err(restore::closed());
        }
        Ok((maybe_number(epoch)?, maybe_number(seq)?))
    }

    /// Tells how far the readers of streams are.
    pub(super) async fn read_frontier(
        &self,
        partition: PartitionId,
        streams: &[StreamName],
    ) -> Result<Frontier, HotError> {
        let streams_and_readers = streams.iter().flat_map(|name| {
            let stream = StreamId {
                name: *name,
                partition,
            };
            let owner = name.reader();
            let reader = self.keys.meta(Slot { owner, partition });
            [self.keys.stream(stream), reader]
        });
        let mut keys = vec![self.keys.tails(partition)];
        keys.extend(streams_and_readers);
        let fields: Vec<String> = streams.iter().map(|name| cursor_field(*name)).collect();
        let call = pack::call(&LIBRARY.name(Function::Frontier), &keys, &fields);
        let [now, time] = <[Value; 2]>::try_from(self.call(partition, &call).await?)
            .map_err(|_| unexpected("a frontier"))?;
        let (now, time): (i64, i64) = (number(now)?, number(time)?);
        Ok(Frontier {
            time: time_or_min(time),
            now: Timestamp::from_millis(now),
        })
    }

    /// Tells what the reader of some streams has still to take.
    pub(super) async fn read_unread(
        &self,
        slot: Slot,
        streams: &[StreamName],
    ) -> Result<Unread, HotError> {
        let partition = slot.partition;
        let mut keys = vec![self.keys.tails(partition), self.keys.meta(slot)];
        keys.extend(streams.iter().map(|name| {
            self.keys.stream(StreamId {
                name: *name,
                partition,
            })
        }));
        let mut words = vec![commits_topic(slot.owner)];
        words.extend(streams.iter().map(|name| cursor_field(*name)));
        let call = pack::call(&LIBRARY.name(Function::Unread), &keys, &words);
        let mut times = self.call(partition, &call).await?.into_iter();
        let newest = times.next().ok_or_else(|| unexpected("what is unread"))?;
        let oldest = times.next().map(number).transpose()?;
        Ok(Unread {
            oldest: oldest.map(time_or_min),
            newest: Timestamp::from_millis(number(newest)?),
        })
    }

    pub(super) async fn read_head(&self, slot: Slot, epoch: Option<u64>) -> Result<Head, HotError> {
        let call = pack::call(
            &LIBRARY.name(Function::Open),
            &[
                self.keys.meta(slot),
                self.keys.consumed(slot),
                self.keys.buckets(slot),
            ],
            epoch.as_slice(),
        );
        let mut reply = self.call(slot.partition, &call).await?.into_iter();
        let mut next = || reply.next().ok_or_else(|| unexpected("a head"));
        match text(next()?)?.as_str() {
            "ok" => {
                let head = head::read(next()?, next()?)?;
                if epoch.is_some() {
                    self.timers.open(slot, next()?)?;
                }
                Ok(head)
            }
            "gated" => Err(restore::closed()),
            "fenced" => Err(HotError::Fenced {
                partition: slot.partition,
                epoch: epoch.unwrap_or_default(),
                current: number(next()?)?,
            }),
            _ => Err(unexpected("a head")),
        }
    }
}

/// Calls a function; where the server has lost the functions, loads them and calls again.
pub(super) async fn call_function(link: &Link, call: &Cmd) -> Result<Vec<Value>, HotError> {
    let mut link = link.clone();
    let reply = match call.query_async(&mut link).await {
        Err(error) if error.to_string().contains("Function not found") => {
            load_functions(&link).await?;
            call.query_async(&mut link).await
        }
        other => other,
    };
    items(reply.map_err(failure)?)
}

async fn load_functions(link: &Link) -> Result<(), HotError> {
    let mut load = cmd("FUNCTION");
    load.arg("LOAD").arg("REPLACE").arg(&LIBRARY.source);
    let _name: Value = load.query_async(&mut link.clone()).await.map_err(failure)?;
    Ok(())
}

/// The field of a head with the cursor of a stream.
fn cursor_field(name: StreamName) -> String {
    format!("{}{}", head::CURSOR, name.name())
}

/// Reads a time of a function, of which 0 is before all times of the store's clock.
fn time_or_min(millis: i64) -> Timestamp {
    match millis {
        0 => Timestamp::MIN,
        millis => Timestamp::from_millis(millis),
    }
}
