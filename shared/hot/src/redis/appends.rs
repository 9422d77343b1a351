//! Appends without a source that are made at one moment go to the server in one call.
//!
//! They may be of any partitions, so only one server can take them, and none that confirms its
//! writes. Each has its own answer: one that is refused stops no other.

use std::sync::Arc;

use redis::{Cmd, Value, cmd};

use super::calls::call_function;
use super::gather::Carrier;
use super::keys::Keys;
use super::library::{Function, LIBRARY};
use super::link::Link;
use super::reply::{PAYLOAD, accept_time, cursor, items, number, text, unexpected};
use super::restore;
use super::write::digits;
use crate::{Append, AppendAnswer, Appended, HotError, limits};

/// Makes appends on one connection.
#[derive(Clone)]
pub(super) struct Appends {
    pub(super) keys: Arc<Keys>,
    pub(super) link: Link,
}

impl Carrier for Appends {
    type Call = Append;
    type Answer = Result<AppendAnswer, HotError>;

    async fn carry(self, appends: Vec<Append>) -> Vec<Self::Answer> {
        match self.append(&appends).await {
            Ok(answers) => answers,
            Err(error) => appends.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn ended() -> Self::Answer {
        Err(HotError::unavailable("the process ends"))
    }
}

impl Appends {
    async fn append(&self, appends: &[Append]) -> Result<Vec<AppendResult>, HotError> {
        let mut call = cmd("FCALL");
        call.arg(LIBRARY.name(Function::AppendTogether))
            .arg(3 * appends.len());
        for append in appends {
            call.arg(self.keys.stream(append.to))
                .arg(self.keys.tails(append.to.partition))
                .arg(self.keys.origins(append.to));
        }
        call.arg(&**self.keys.channel()).arg(limits::STREAM_ENTRIES);
        for append in appends {
            call.arg(append.to.name.name())
                .arg(append.to.partition.number())
                .arg(&append.payload[..]);
            origin(&mut call, append);
        }
        let replies = call_function(&self.link, &call).await?;
        if replies.len() != appends.len() {
            return Err(unexpected("what became of appends"));
        }
        let answers = replies.into_iter().map(|reply| answer(items(reply)?));
        Ok(answers.collect())
    }
}

/// The answer to one of several.
type AppendResult = Result<AppendAnswer, HotError>;

/// Adds the field of the entry, and then the writer, its number and the one before, empty where
/// there is none.
pub(super) fn origin(call: &mut Cmd, append: &Append) {
    match append.origin {
        Some(origin) => call
            .arg(origin.to_string())
            .arg(origin.writer.number())
            .arg(digits(origin.seq))
            .arg(digits(origin.seq - 1)),
        None => call.arg(PAYLOAD).arg("").arg("").arg(""),
    };
}

/// Reads what became of an append.
pub(super) fn answer(reply: Vec<Value>) -> AppendResult {
    let mut reply = reply.into_iter();
    let mut next = || reply.next().ok_or_else(|| unexpected("a reply"));
    let word = text(next()?)?;
    match word.as_str() {
        "full" => return Ok(AppendAnswer::refused(Appended::Full)),
        "gap" => {
            let mark = number(next()?)?;
            return Ok(AppendAnswer::refused(Appended::Gap { mark }));
        }
        "gated" => return Err(restore::closed()),
        _ => {}
    }
    let newest = accept_time(cursor(&text(next()?)?)?);
    let appended = match word.as_str() {
        "ok" => Appended::Applied,
        "replayed" => Appended::Replayed,
        "overlaps" => Appended::Overlaps {
            mark: number(next()?)?,
        },
        _ => return Err(unexpected("a reply")),
    };
    Ok(AppendAnswer { appended, newest })
}
