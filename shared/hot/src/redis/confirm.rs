//! Writes that count only when replicas, or disks, have them: the write and the wait go to the server in one round trip.

use kernel::PartitionId;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, Value, cmd};

use super::link::Link;
use super::reply::{failure, items, number, text, unexpected};
use super::{RedisOptions, RedisStore};
use crate::HotError;

/// What must have a write before it is acknowledged.
#[derive(Debug)]
pub(super) struct Confirm {
    wait: Cmd,
    replicas: u64,
    fsyncs: bool,
}

/// A write that is not where it has to be yet. Trying again finds it applied and waits again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unconfirmed {
    #[error(
        "{found} of {wanted} replicas have the write, so it does not count yet: bring the replicas back, or lower \
         replicas_acked"
    )]
    Replicas { found: u64, wanted: u64 },
    #[error("the write is not on the disk of the server yet, so it does not count yet")]
    Disk,
}

impl Confirm {
    /// What the options ask for; absent where they ask for nothing.
    pub(super) fn new(options: &RedisOptions) -> Option<Self> {
        if options.replicas_acked == 0 && !options.fsync_acked {
            return None;
        }
        let millis = options.wait_timeout.as_millis().max(1);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let mut wait = if options.fsync_acked {
            let mut wait = cmd("WAITAOF");
            wait.arg(1);
            wait
        } else {
            cmd("WAIT")
        };
        wait.arg(options.replicas_acked).arg(millis);
        Some(Self {
            wait,
            replicas: options.replicas_acked.into(),
            fsyncs: options.fsync_acked,
        })
    }

    /// The answer to a call, and to the wait after it.
    async fn ask(&self, link: &mut Link, call: &Cmd) -> Result<[Value; 2], HotError> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(call.clone())
            .add_command(self.wait.clone());
        let replies = link.req_packed_commands(&both, 0, 2).await;
        <[Value; 2]>::try_from(replies.map_err(failure)?).map_err(|_| unexpected("a reply"))
    }

    /// Reads the answer to the wait.
    fn check(&self, reply: Value) -> Result<Result<(), Unconfirmed>, HotError> {
        let reply = reply.extract_error().map_err(failure)?;
        let (local, replicas): (u64, u64) = if self.fsyncs {
            let [local, replicas] =
                <[Value; 2]>::try_from(items(reply)?).map_err(|_| unexpected("a reply"))?;
            (number(local)?, number(replicas)?)
        } else {
            (1, number(reply)?)
        };
        if local == 0 {
            return Ok(Err(Unconfirmed::Disk));
        }
        if replicas < self.replicas {
            return Ok(Err(Unconfirmed::Replicas {
                found: replicas,
                wanted: self.replicas,
            }));
        }
        Ok(Ok(()))
    }
}

impl RedisStore {
    /// Calls a function that writes, and waits until the write is where the options want it.
    ///
    /// A retry of what was applied already waits for all that the server has, so for that, too.
    pub(super) async fn confirmed(
        &self,
        partition: PartitionId,
        call: &Cmd,
    ) -> Result<Vec<Value>, HotError> {
        let Some(confirm) = &self.confirm else {
            return self.call(partition, call).await;
        };
        let mut lane = self.lane(partition);
        let [mut reply, mut wait] = confirm.ask(&mut lane, call).await?;
        if is_unknown(&reply) {
            self.load_functions().await?;
            [reply, wait] = confirm.ask(&mut lane, call).await?;
        }
        let reply = items(reply.extract_error().map_err(failure)?)?;
        if is_refusal(&reply) {
            return Ok(reply);
        }
        match confirm.check(wait)? {
            Ok(()) => Ok(reply),
            Err(unconfirmed) => Err(HotError::unavailable(unconfirmed)),
        }
    }
}

/// Whether the server has lost the functions.
fn is_unknown(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error)
        if error.details().is_some_and(|text| text.contains("Function not found")))
}

/// Whether the call has written nothing, so that there is nothing to wait for.
fn is_refusal(reply: &[Value]) -> bool {
    let word = reply.first().cloned().map(text);
    matches!(word, Some(Ok(word)) if matches!(&*word, "fenced" | "gap" | "full" | "gated"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn confirm(replicas_acked: u16, fsync_acked: bool) -> Option<Confirm> {
        let options = RedisOptions {
            replicas_acked,
            fsync_acked,
            wait_timeout: Duration::from_millis(70),
            ..RedisOptions::new("redis://localhost")
        };
        Confirm::new(&options)
    }

    #[test]
    fn what_is_asked_for_is_what_is_waited_for() {
        assert!(confirm(0, false).is_none());
        for (replicas, fsyncs, command) in [
            (2, false, "WAIT 2 70"),
            (0, true, "WAITAOF 1 0 70"),
            (1, true, "WAITAOF 1 1 70"),
        ] {
            let confirm = confirm(replicas, fsyncs).expect("something");
            let packed = String::from_utf8(confirm.wait.get_packed_command()).expect("text");
            let words: Vec<&str> = packed
                .split("\r\n")
                .filter(|word| !word.starts_with(['$', '*']) && !word.is_empty())
                .collect();
            assert_eq!(words.join(" "), command);
        }
    }

    #[test]
    fn fewer_than_asked_for_is_not_enough() {
        let two = |local, replicas| Value::Array(vec![Value::Int(local), Value::Int(replicas)]);
        let few = |found, wanted| Err(Unconfirmed::Replicas { found, wanted });
        for (replicas, fsyncs, reply, outcome) in [
            (2, false, Value::Int(1), few(1, 2)),
            (2, false, Value::Int(2), Ok(())),
            (1, false, Value::Int(3), Ok(())),
            (0, true, two(0, 0), Err(Unconfirmed::Disk)),
            (0, true, two(1, 0), Ok(())),
            (1, true, two(1, 0), few(0, 1)),
            (1, true, two(1, 1), Ok(())),
        ] {
            let confirm = confirm(replicas, fsyncs).expect("something");
            assert_eq!(confirm.check(reply).expect("is read"), outcome);
        }
    }
}
