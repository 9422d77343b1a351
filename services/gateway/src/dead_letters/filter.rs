//! A choice of dead letters.

use kernel::Timestamp;
use proto::convert::{instant, is_instant};
use proto::gateway::v1::DeadLetterFilter;
use rpc::{Failure, Violation};
use sea_orm::{ColumnTrait as _, Condition};

use super::row::first_id;
use crate::entity::dead_letter::Column;

/// The dead letters that match everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LetterFilter {
    source: String,
    reason: String,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl LetterFilter {
    /// Reads the filter of a request, under the name of its field.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::InvalidRequest`] for a time that is none.
    pub(crate) fn read(field: &str, filter: Option<&DeadLetterFilter>) -> Result<Self, Failure> {
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let time = |name: &str, given: &Option<_>| match given {
            None => Ok(None),
            Some(time) if is_instant(time) => Ok(Some(instant(time))),
            Some(_) => Err(Violation::new(
                format!("{field}.{name}"),
                "is no time of the calendar",
            )),
        };
        let start = time("start_time", &filter.start_time);
        let end = time("end_time", &filter.end_time);
        let (start, end) = match (start, end) {
            (Ok(start), Ok(end)) => (start, end),
            (start, end) => {
                let faults = start.err().into_iter().chain(end.err());
                return Err(Failure::invalid(faults.collect::<Vec<_>>()));
            }
        };
        Ok(Self {
            source: filter.source.clone(),
            reason: filter.reason.clone(),
            start,
            end,
        })
    }

    /// The parts that make up a request, for the token of its pages.
    pub(crate) fn parts(&self) -> [String; 4] {
        let text = |time: Option<Timestamp>| {
            time.map_or_else(String::new, |time| time.as_millis().to_string())
        };
        [
            self.source.clone(),
            self.reason.clone(),
            text(self.start),
            text(self.end),
        ]
    }

    /// The source, for the audit log; empty for all.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The rows that match. Times are looked up by ids, which begin with them.
    pub(super) fn condition(&self) -> Condition {
        let mut condition = Condition::all();
        if !self.source.is_empty() {
            condition = condition.add(Column::Source.eq(self.source.as_str()));
        }
        if !self.reason.is_empty() {
            condition = condition.add(Column::Reason.eq(self.reason.as_str()));
        }
        if let Some(start) = self.start {
            condition = condition.add(Column::Id.gte(first_id(start.as_millis())));
        }
        if let Some(end) = self.end {
            condition = condition.add(Column::Id.lt(first_id(end.as_millis())));
        }
        condition
    }
}
