//! Has servers write their files again, without what was removed: the append-only file, and the
//! snapshot where they keep one.
//!
//! Streams are written again first: a server keeps an entry that was removed in the same node as
//! those that came before and after it.
//!
//! A server counts how often it began to write either. So a ticket says how often it is to have
//! done so, for each server, and a server that was restarted since begins anew. A server that
//! refuses is left alone, and the answer says so: whoever runs it has to see to its files. So has
//! whoever keeps replicas, which have files of their own.

use std::collections::BTreeMap;

use redis::{Value, cmd};

use super::library::{Function, LIBRARY};
use super::link::Link;
use super::reply::failure;
use super::server::field;
use super::{RedisStore, pack};
use crate::{HotError, Owner, Scrubbed, Slot, StreamId, StreamName};

/// The sections of `INFO` that are read.
const SECTIONS: [&str; 4] = ["server", "persistence", "stats", "replication"];

/// A kind of file.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    /// The command that has it written again.
    command: &'static [&'static str],
    /// The fields of `INFO`: how often it was begun, and whether it is being written.
    begun: &'static str,
    running: &'static str,
    /// The field that says how the last time ended.
    status: &'static str,
}

const APPEND_ONLY_FILE: Kind = Kind {
    name: "append-only file",
    command: &["BGREWRITEAOF"],
    begun: "aof_rewrites",
    running: "aof_rewrite_in_progress",
    status: "aof_last_bgrewrite_status",
};

const SNAPSHOT: Kind = Kind {
    name: "snapshot",
    command: &["BGSAVE", "SCHEDULE"],
    begun: "rdb_saves",
    running: "rdb_bgsave_in_progress",
    status: "rdb_last_bgsave_status",
};

/// Files that are to be written again, by server and kind, with the number of times that each is to
/// have been begun by then.
type Targets = BTreeMap<String, u64>;

impl RedisStore {
    /// Has streams written again, and then the files.
    pub(super) async fn scrub_files(&self, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
        if ticket.is_none() {
            self.repack().await?;
        }
        scrub(&self.lanes[0], ticket).await
    }

    /// Writes all streams again, each for itself, without the bytes of entries that were removed.
    async fn repack(&self) -> Result<(), HotError> {
        for partition in self.count.iter() {
            let names = StreamName::ALL.into_iter();
            let streams = names.map(|name| self.keys.stream(StreamId { name, partition }));
            let slots = Owner::ALL.map(|owner| Slot { owner, partition });
            let logs = slots
                .iter()
                .flat_map(|slot| [self.keys.outbox(*slot), self.keys.quarantine(*slot)]);
            for key in streams.chain(logs) {
                let copy = format!("{key}:copy");
                let call = pack::call(
                    &LIBRARY.name(Function::Repack),
                    &[key, copy],
                    &[] as &[&str],
                );
                self.call(partition, &call).await?;
            }
        }
        Ok(())
    }
}

/// Asks for files to be written again, and tells how far that is.
async fn scrub(link: &Link, ticket: Option<&str>) -> Result<Scrubbed, HotError> {
    let before = ticket.map(read_ticket).unwrap_or_default();
    let (mut targets, mut waiting, mut told) = (Targets::new(), 0_usize, Vec::new());
    let infos = link.info(&SECTIONS).await.map_err(failure)?;
    for kind in [APPEND_ONLY_FILE, SNAPSHOT] {
        let (mut running, mut lacking) = (0, 0);
        for info in files_of(link, kind, &infos).await? {
            let file = File::read(kind, info, &before);
            running += usize::from(file.is_running);
            lacking += usize::from(!file.is_running && file.begun < file.target);
            targets.insert(file.name, file.target);
        }
        let refused = if lacking > 0 {
            ask(link, kind).await?
        } else {
            None
        };
        // Where it is refused, asking again would not help.
        waiting += running + if refused.is_some() { 0 } else { lacking };
        told.extend(refused.map(|why| format!("the {} is not written again: {why}", kind.name)));
    }
    let has_replicas = |(_, info): &(String, String)| number(info, "connected_slaves") > 0;
    if infos.iter().any(has_replicas) {
        told.push("replicas have files of their own".to_owned());
    }
    Ok(Scrubbed {
        is_done: waiting == 0,
        ticket: write_ticket(&targets),
        detail: told.join("; "),
    })
}

/// A file of a server.
struct File {
    name: String,
    begun: u64,
    /// The number of times that it is to have been begun.
    target: u64,
    is_running: bool,
}

impl File {
    fn read(kind: Kind, info: &str, before: &Targets) -> Self {
        let server = field(info, "run_id").unwrap_or_default();
        let name = format!("{server}/{}", kind.begun);
        let begun = number(info, kind.begun);
        let is_running = number(info, kind.running) > 0;
        let has_failed = field(info, kind.status).is_some_and(|status| status != "ok");
        let target = match before.get(&name) {
            Some(target) if *target <= begun && has_failed && !is_running => begun + 1,
            Some(target) => *target,
            None => begun + 1,
        };
        Self {
            name,
            begun,
            target,
            is_running,
        }
    }
}

/// The servers that have a file of a kind, by what they say of themselves.
async fn files_of<'a>(
    link: &Link,
    kind: Kind,
    infos: &'a [(String, String)],
) -> Result<Vec<&'a str>, HotError> {
    let infos = infos.iter().map(|(_, info)| info.as_str());
    if kind.begun == APPEND_ONLY_FILE.begun {
        let has = |info: &&str| field(info, "aof_enabled") == Some("1");
        return Ok(infos.filter(has).collect());
    }
    let mut config = cmd("CONFIG");
    config.arg("GET").arg("save");
    let answers = link.send_everywhere(config).await.map_err(failure)?;
    // A server that does not tell may have one.
    let is_off = |answer: &Value| {
        let values: Vec<String> = redis::from_redis_value_ref(answer).unwrap_or_default();
        matches!(values.as_slice(), [_, points] if points.is_empty())
    };
    if answers.iter().all(|(_, answer)| is_off(answer)) {
        return Ok(Vec::new());
    }
    Ok(infos.collect())
}

/// Asks every server to write a file. Returns why one does not, other than because it is about to.
async fn ask(link: &Link, kind: Kind) -> Result<Option<String>, HotError> {
    let mut command = cmd(kind.command[0]);
    command.arg(&kind.command[1..]);
    let answers = link.send_everywhere(command).await.map_err(failure)?;
    Ok(answers.into_iter().find_map(|(_, answer)| {
        let error = answer.extract_error().err()?.to_string();
        // It is begun once what is under way has ended.
        (!error.contains("in progress")).then_some(error)
    }))
}

fn number(info: &str, name: &str) -> u64 {
    field(info, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn write_ticket(targets: &Targets) -> String {
    let words = targets
        .iter()
        .map(|(name, target)| format!("{name}={target}"));
    words.collect::<Vec<_>>().join(" ")
}

fn read_ticket(ticket: &str) -> Targets {
    let words = ticket.split(' ').filter_map(|word| word.split_once('='));
    words
        .filter_map(|(name, target)| Some((name.to_owned(), target.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back() {
        let targets: Targets = [
            ("a/aof_rewrites", 3),
            ("a/rdb_saves", 1),
            ("b/rdb_saves", 9),
        ]
        .map(|(name, target)| (name.to_owned(), target))
        .into();
        assert_eq!(read_ticket(&write_ticket(&targets)), targets);
        assert_eq!(read_ticket("of an older version"), Targets::new());
    }
}
