//! Triggers, conditions and durations, as maps, happy paths and journeys share them.

use std::str::FromStr as _;
use std::sync::Arc;

use expr::{Condition, Scope};
use kernel::{Duration, read_name};
use messages::journey::v1::{self as api, trigger::Kind};

use super::names::{Known, check_exists};
use super::{Trigger, TriggerKind};
use decision::Mistakes;

/// Compiles a trigger.
pub(crate) fn compile(
    trigger: Option<&api::Trigger>,
    path: &str,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Trigger> {
    let Some((trigger, kind)) = trigger.and_then(|trigger| Some((trigger, trigger.kind.as_ref()?)))
    else {
        mistakes.add(
            path,
            "a trigger needs exactly one of `event`, `segment_entered` and `segment_left`",
        );
        return None;
    };
    let segments = known.names.segments.as_ref();
    let kind = match kind {
        Kind::Event(event) => match read_name(event) {
            Ok(event) => TriggerKind::Event(event.into()),
            Err(fault) => {
                mistakes.add(format!("{path}.event"), fault.to_string());
                return None;
            }
        },
        Kind::SegmentEntered(segment) => {
            let place = format!("{path}.segment_entered");
            check_exists(mistakes, &place, "segment", segment, segments);
            TriggerKind::Entered(segment.as_str().into())
        }
        Kind::SegmentLeft(segment) => {
            let place = format!("{path}.segment_left");
            check_exists(mistakes, &place, "segment", segment, segments);
            TriggerKind::Left(segment.as_str().into())
        }
    };
    let condition = match trigger.r#where.as_str() {
        "" => None,
        text => Some(condition(text, &format!("{path}.where"), known, mistakes)?),
    };
    Some(Trigger { kind, condition })
}

/// Compiles a condition; each mistake says its line and column in the text.
pub(crate) fn condition(
    text: &str,
    path: &str,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Arc<Condition>> {
    let scope = Scope {
        aggregates: false,
        event: true,
        segments: known.names.segments.clone(),
    };
    match known.conditions.compile(text, &scope, known.last) {
        Ok(condition) => Some(condition),
        Err(found) => {
            for mistake in found {
                mistakes.add(path, mistake.to_string());
            }
            None
        }
    }
}

/// Reads a duration; empty is none.
pub(crate) fn optional_duration(
    text: &str,
    path: &str,
    mistakes: &mut Mistakes,
) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    Duration::from_str(text)
        .map_err(|error| mistakes.add(path, error.to_string()))
        .ok()
}

/// Reads a duration that must be there, longer than nothing and at most [`WAIT`](crate::limits::WAIT).
pub(crate) fn waiting_time(text: &str, path: &str, mistakes: &mut Mistakes) -> Option<Duration> {
    if text.is_empty() {
        mistakes.add(path, "must say how long, such as 3d or 12h");
        return None;
    }
    let duration = optional_duration(text, path, mistakes)?;
    if duration == Duration::ZERO {
        mistakes.add(
            path,
            "must be longer than nothing: leave the step out instead",
        );
        return None;
    }
    if duration > crate::limits::WAIT {
        mistakes.add(
            path,
            format!("`{text}` is too long: at most {}", crate::limits::WAIT),
        );
        return None;
    }
    Some(duration)
}

/// Adds a mistake for each name that stands twice in a list.
pub(crate) fn check_unique<'a>(
    mistakes: &mut Mistakes,
    names: impl Iterator<Item = (String, &'a str)>,
    what: &str,
) {
    let mut seen = std::collections::HashMap::new();
    for (path, name) in names {
        if let Some(first) = seen.get(name) {
            mistakes.add(
                path,
                format!("`{name}` is the name of {first} too: give each {what} its own"),
            );
        } else {
            seen.insert(
                name,
                path.rsplit_once('.')
                    .map_or_else(|| path.clone(), |(owner, _)| owner.to_owned()),
            );
        }
    }
}
