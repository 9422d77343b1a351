//! Lines of an export.

use prost_reflect::{ReflectMessage, SerializeOptions};
use proto::gateway::v1::ExportCustomerResponse;
use rpc::Failure;

/// The parts of an export, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Ids and identifiers.
    Customer,
    /// The evidence of these.
    Evidence,
    /// Operations that changed who the customer is.
    History,
    /// Traits, and the events that were counted.
    Profile,
    /// The segments that they are in.
    Segment,
    /// Steps and decisions of journeys, and arms of experiments.
    Journey,
    /// Walks through journeys.
    Run,
    /// Progress on happy paths.
    HappyPath,
    /// Stages in maps.
    Position,
    /// Words on consent.
    Consent,
    /// Messages and actions.
    Activation,
    /// Events.
    Event,
    /// Changes, as connected tools were told.
    Change,
}

impl Section {
    /// All, in their order.
    pub(super) const ALL: [Self; 13] = [
        Self::Customer,
        Self::Evidence,
        Self::History,
        Self::Profile,
        Self::Segment,
        Self::Journey,
        Self::Run,
        Self::HappyPath,
        Self::Position,
        Self::Consent,
        Self::Activation,
        Self::Event,
        Self::Change,
    ];

    /// Its name in lines.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Evidence => "evidence",
            Self::History => "history",
            Self::Profile => "profile",
            Self::Segment => "segment",
            Self::Journey => "journey",
            Self::Run => "run",
            Self::HappyPath => "happy_path",
            Self::Position => "position",
            Self::Consent => "consent",
            Self::Activation => "activation",
            Self::Event => "event",
            Self::Change => "change",
        }
    }
}

/// The name of the last line.
const END: &str = "end";

/// A line with a message as JSON.
///
/// # Errors
/// A fault of ours where the message cannot be written.
pub(super) fn line<M: ReflectMessage>(
    section: Section,
    message: &M,
) -> Result<ExportCustomerResponse, Failure> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    message
        .transcode_to_dynamic()
        .serialize_with_options(&mut serializer, &SerializeOptions::new())
        .map_err(Failure::internal)?;
    Ok(ExportCustomerResponse {
        section: section.name().to_owned(),
        json: String::from_utf8(json).map_err(Failure::internal)?,
    })
}

/// The last line: how many lines each section has.
pub(super) fn end(counts: &[u64; Section::ALL.len()]) -> ExportCustomerResponse {
    let counts = Section::ALL.into_iter().zip(counts);
    let counts: serde_json::Map<String, serde_json::Value> = counts
        .map(|(section, count)| (section.name().to_owned(), (*count).into()))
        .collect();
    ExportCustomerResponse {
        section: END.to_owned(),
        json: serde_json::json!({ "line_counts": counts }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_each_section() {
        let mut counts = [0; Section::ALL.len()];
        counts[Section::Event as usize] = 7;
        let end = end(&counts);
        assert_eq!(end.section, "end");
        let told: serde_json::Value = serde_json::from_str(&end.json).expect("JSON");
        assert_eq!(told["line_counts"]["event"], 7);
        assert_eq!(told["line_counts"]["customer"], 0);
        for (place, section) in Section::ALL.into_iter().enumerate() {
            assert_eq!(section as usize, place);
        }
    }
}
