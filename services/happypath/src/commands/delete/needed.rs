//! The runs that still need what is to be deleted: those on older versions of journeys, which no
//! definition in force tells of.

use definitions::{key_of, kind_word};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind, GetDefinitionRequest};
use proto::journey::v1::GetFlowRequest;
use serde_json::Value;

use crate::client::{Connection, ServiceName, ask};
use crate::commands::get::list;
use crate::failure::Failure;
use crate::output::json_of;

/// Versions of a journey that are kept beside the newest, and that runs may be on.
const OLDER_VERSIONS: u32 = 20;

/// Runs under way on a version of a journey that refers to a definition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Needed {
    journey: String,
    version: u32,
    runs: u64,
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runs = if self.runs == 1 { "run" } else { "runs" };
        let (count, version, journey) = (self.runs, self.version, &self.journey);
        write!(
            f,
            "{count} {runs} on version {version} of journey {journey}"
        )
    }
}

/// Returns the runs on older versions that need a segment or a channel. Templates are sent on when
/// they are deleted, and other kinds are no part of a journey.
///
/// # Errors
/// Where the journey service does not answer, or does not let the caller read.
pub(super) async fn runs_that_need(
    connection: &Connection,
    kind: DefinitionKind,
    name: &str,
) -> Result<Vec<Needed>, Failure> {
    if !matches!(kind, DefinitionKind::Segment | DefinitionKind::Channel) {
        return Ok(Vec::new());
    }
    let mut definitions = connection.definitions(ServiceName::Journey)?;
    let mut journeys = connection.journey()?;
    let mut needed = Vec::new();
    for stored in list(connection, DefinitionKind::Journey).await? {
        let Some(key) = stored.definition.as_ref().and_then(key_of) else {
            continue;
        };
        let oldest = stored.version.saturating_sub(OLDER_VERSIONS).max(1);
        for version in oldest..stored.version {
            let journey = key.name.clone();
            let flow = journeys.get_flow(ask(GetFlowRequest { journey, version }));
            let runs = flow.await?.into_inner().active_count;
            if runs == 0 {
                continue;
            }
            let request = GetDefinitionRequest {
                kind: DefinitionKind::Journey.into(),
                name: key.name.clone(),
                version,
            };
            let older = definitions.get_definition(ask(request)).await?.into_inner();
            let older = older.definition.and_then(|stored| stored.definition);
            if older.is_some_and(|older| refers(&older, kind, name)) {
                needed.push(Needed {
                    journey: key.name.clone(),
                    version,
                    runs,
                });
            }
        }
    }
    Ok(needed)
}

/// Returns whether a journey names a definition: as a channel, a trigger, or in an expression.
fn refers(journey: &Definition, kind: DefinitionKind, name: &str) -> bool {
    let Some(Kind::Journey(journey)) = &journey.kind else {
        return false;
    };
    json_of(journey).is_ok_and(|json| has(&json, kind_word(kind), name))
}

fn has(json: &Value, word: &str, name: &str) -> bool {
    match json {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_named = match key.as_str() {
                "segment_entered" | "segment_left" => word == "segment",
                key => key == word,
            };
            (is_named && value.as_str() == Some(name)) || has(value, word, name)
        }),
        Value::Array(values) => values.iter().any(|value| has(value, word, name)),
        // An expression names segments in quotes, and nothing else as often.
        Value::String(text) => {
            let quoted = [format!("\"{name}\""), format!("'{name}'")];
            word == "segment"
                && text.contains("segments.has")
                && quoted.iter().any(|quoted| text.contains(quoted.as_str()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_journey_names_segments_and_channels() {
        let journey = json!({
            "entry": {"triggers": [{"segment_entered": "vip"}]},
            "steps": [
                {"id": "a", "send": {"channel": "mail", "template": "hello"}},
                {"id": "b", "branch": {"arms": [{"when": "segments.has(\"buyers\")", "next": "c"}]}},
                {"id": "c", "milestone": {"name": "lapsed"}},
            ],
        });
        for (word, name, expected) in [
            ("segment", "vip", true),
            ("segment", "buyers", true),
            ("segment", "buyer", false),
            ("segment", "mail", false),
            ("segment", "lapsed", false),
            ("channel", "mail", true),
            ("channel", "vip", false),
        ] {
            assert_eq!(has(&journey, word, name), expected, "{word} {name}");
        }
    }
}
