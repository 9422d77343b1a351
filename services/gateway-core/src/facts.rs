//! The facts of a call by which each of its events is read.

use std::borrow::Cow;

use kernel::Timestamp;

use crate::json::{self, Fields};
use crate::limits::OLDEST_TRY;
use crate::{Fault, Reason, SourceRules};

/// The facts of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'t> {
    /// The rules of its source.
    pub(crate) rules: &'t SourceRules,
    /// The write key that it came with; absent where events may have any.
    pub(crate) key: Option<&'t str>,
    /// When it was received.
    pub(crate) receive_time: Timestamp,
    /// When it was sent.
    pub(crate) sent: Option<Sent>,
    /// The context of events that have none of their own.
    pub(crate) context: Option<&'t str>,
    /// True where its events stand in a list.
    pub(crate) is_batch: bool,
}

/// When something was sent, by its sender's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The time.
    pub(crate) time: Timestamp,
    /// True where it can be that of the first try, however long that is ago.
    pub(crate) may_be_old: bool,
}

impl Sent {
    /// Returns the time, where it tells how wrong the sender's clock is. One that may be old and
    /// lies in the past tells how long the call was under way as well: taken for the clock's fault,
    /// it would move the event with every try. No call is under way for [`OLDEST_TRY`].
    pub(crate) fn by(self, receive_time: Timestamp) -> Option<Timestamp> {
        let is_possible = (receive_time - OLDEST_TRY..=receive_time).contains(&self.time);
        let is_told = !self.may_be_old || !is_possible;
        is_told.then_some(self.time)
    }
}

impl<'t> Facts<'t> {
    /// Reads the fields of an event.
    pub(crate) fn fields(&self, event: &'t str) -> Result<Fields<'t>, Fault> {
        let fields = Fields::read(event);
        let fields = fields.map_err(|_| Fault::malformed("", "is no object: send {…}"))?;
        match fields.twice() {
            None => Ok(fields),
            Some(key) => Err(Fault::malformed(key, "is there twice: keep one")),
        }
    }

    /// Refuses an event with another write key than its call's: it may be another source's.
    pub(crate) fn check_key(&self, field: &str, key: Option<&str>) -> Result<(), Fault> {
        let (Some(own), Some(key)) = (self.key, key.and_then(json::text)) else {
            return Ok(());
        };
        if own == key {
            return Ok(());
        }
        let text = "is another write key than that of the call: send the events of each apart";
        Err(Fault::new(Reason::OtherKey, field, text))
    }

    /// Returns the name that an event has here.
    pub(crate) fn name(&self, sent: Cow<'t, str>) -> Cow<'t, str> {
        match self.rules.event_names.get(sent.as_ref()) {
            Some(name) => Cow::Borrowed(name),
            None => sent,
        }
    }
}
