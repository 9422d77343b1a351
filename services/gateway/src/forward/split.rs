//! A bundle of definitions, split by the services that keep them, and their answers put together
//! again. Pure.

use definitions::{key_of, kind_word};
use kernel::StableHash;
use proto::definition::v1::{
    AppliedDefinition, ApplyAction, ApplyDefinitionsRequest, ApplyDefinitionsResponse,
};
use rpc::Violation;
use tonic::Status;
use tonic_types::{FieldViolation, StatusExt as _};

use super::homes::Home;

/// Characters of a request id, by the contract.
const REQUEST_ID_CHARS: usize = 100;
/// Characters of a longer one that are kept beside its hash.
const KEPT_CHARS: usize = 60;

/// The definitions of a bundle that one service keeps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// The service.
    pub(super) home: Home,
    /// Their places in the bundle, in order.
    pub(super) places: Vec<usize>,
}

/// Splits a bundle, in the order in which its parts are applied.
pub(super) fn split(request: &ApplyDefinitionsRequest) -> Vec<Part> {
    let keys: Vec<_> = request.definitions.iter().map(key_of).collect();
    let parts = Home::BY_DEPENDENCE.into_iter().map(|home| {
        let own = |key: &Option<definitions::DefinitionKey>| {
            key.as_ref().and_then(|key| Home::of(key.kind)) == Some(home)
        };
        let places = (0..keys.len()).filter(|place| own(&keys[*place]));
        Part {
            home,
            places: places.collect(),
        }
    });
    parts.filter(|part| !part.places.is_empty()).collect()
}

impl Part {
    /// The request that applies this part.
    pub(super) fn request(&self, whole: &ApplyDefinitionsRequest) -> ApplyDefinitionsRequest {
        let definitions = self.places.iter().map(|place| &whole.definitions[*place]);
        let etags = self
            .places
            .iter()
            .filter_map(|place| whole.if_match.get(*place));
        ApplyDefinitionsRequest {
            request_id: part_id(&whole.request_id, self.home),
            definitions: definitions.cloned().collect(),
            validate_only: false,
            if_match: etags.cloned().collect(),
        }
    }

    /// The status about this part in the words of the whole: its fields name the places in the
    /// bundle.
    pub(super) fn restored(&self, status: &Status) -> Status {
        let mut details = status.get_error_details();
        let Some(bad) = details.bad_request() else {
            return status.clone();
        };
        let violations: Vec<FieldViolation> = bad
            .field_violations
            .iter()
            .map(|it| FieldViolation::new(self.field(&it.field), &it.description))
            .collect();
        details.set_bad_request(violations);
        Status::with_error_details(status.code(), status.message(), details)
    }

    /// Reads `definitions[1].segment.name` or `if_match[1]`, and puts the place in the bundle
    /// there.
    fn field(&self, field: &str) -> String {
        let renamed = || {
            let (list, rest) = field.split_once('[')?;
            let (index, rest) = rest.split_once(']')?;
            let place = self.places.get(index.parse::<usize>().ok()?)?;
            matches!(list, "definitions" | "if_match").then(|| format!("{list}[{place}]{rest}"))
        };
        renamed().unwrap_or_else(|| field.to_owned())
    }
}

/// Puts the answers of parts together, in the order of the bundle.
pub(super) fn join(answers: Vec<(Part, ApplyDefinitionsResponse)>) -> ApplyDefinitionsResponse {
    let mut applied: Vec<(usize, AppliedDefinition)> = answers
        .into_iter()
        .flat_map(|(part, answer)| part.places.into_iter().zip(answer.applied))
        .collect();
    applied.sort_by_key(|(place, _)| *place);
    ApplyDefinitionsResponse {
        applied: applied.into_iter().map(|(_, applied)| applied).collect(),
    }
}

/// The violations of a status.
pub(super) fn violations(status: &Status) -> Vec<Violation> {
    let details = status.get_error_details();
    let bad = details.bad_request().map(|bad| &bad.field_violations);
    let all = bad.into_iter().flatten();
    all.map(|it| Violation::new(it.field.clone(), it.description.clone()))
        .collect()
}

/// Says what was changed before a part was refused; absent where nothing was.
pub(super) fn told(applied: &[(Part, ApplyDefinitionsResponse)]) -> Option<String> {
    let all = applied.iter().flat_map(|(_, answer)| &answer.applied);
    let changed = all.filter(|it| it.action() != ApplyAction::Unchanged);
    let names: Vec<String> = changed
        .map(|it| format!("{}/{}", kind_word(it.kind()), it.name))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The request id of a part: services may share the database that remembers requests.
pub(super) fn part_id(id: &str, home: Home) -> String {
    if id.is_empty() {
        return String::new();
    }
    let whole = format!("{}.{id}", home.name());
    if whole.chars().count() <= REQUEST_ID_CHARS {
        return whole;
    }
    let kept: String = whole.chars().take(KEPT_CHARS).collect();
    let hash = StableHash::new().with(id.as_bytes()).finish();
    format!("{kept}~{hash:016x}")
}

#[cfg(test)]
mod tests {
    use kernel::Owner;
    use proto::activation::v1::Channel;
    use proto::definition::v1::Definition;
    use proto::definition::v1::definition::Kind;
    use proto::gateway::v1::Source;
    use proto::identity::v1::Namespace;
    use proto::journey::v1::Journey;
    use proto::segmentation::v1::Segment;
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    fn bundle(id: &str) -> ApplyDefinitionsRequest {
        let kinds = [
            Kind::Journey(Journey::default()),
            Kind::Segment(Segment::default()),
            Kind::Source(Source::default()),
            Kind::Channel(Channel::default()),
            Kind::Namespace(Namespace::default()),
            Kind::Segment(Segment::default()),
        ];
        let if_match = (0..kinds.len()).map(|place| place.to_string());
        ApplyDefinitionsRequest {
            request_id: id.to_owned(),
            if_match: if_match.collect(),
            definitions: kinds
                .into_iter()
                .map(|kind| Definition { kind: Some(kind) })
                .collect(),
            validate_only: false,
        }
    }

    #[test]
    fn a_bundle_is_split_so_that_what_others_name_comes_first() {
        let parts = split(&bundle("one"));
        let places: Vec<_> = parts
            .iter()
            .map(|part| (part.home.name(), part.places.as_slice()))
            .collect();
        assert_eq!(
            places,
            [
                ("identity", &[4][..]),
                ("segmentation", &[1, 5]),
                ("activation", &[3]),
                ("journey", &[0]),
                ("gateway", &[2]),
            ]
        );
        let request = parts[1].request(&bundle("one"));
        assert_eq!(request.request_id, "segmentation.one");
        assert_eq!(request.if_match, ["1", "5"]);
        assert_eq!(request.definitions.len(), 2);
    }

    #[test]
    fn long_request_ids_stay_apart_within_their_length() {
        let long = "é".repeat(100);
        let home = Home::Service(Owner::Segmentation);
        let (one, other) = (part_id(&long, home), part_id(&format!("{long}x"), home));
        assert!(one.chars().count() <= REQUEST_ID_CHARS && one != other);
        assert_ne!(one, part_id(&long, Home::Here));
        assert_eq!(part_id("", home), "");
    }

    #[test]
    fn faults_of_a_part_name_the_places_of_the_bundle() {
        let part = Part {
            home: Home::Here,
            places: vec![3, 7],
        };
        let fields = [
            ("definitions[1].segment.name", "definitions[7].segment.name"),
            ("if_match[0]", "if_match[3]"),
            ("definitions[2]", "definitions[2]"),
            ("request_id", "request_id"),
            ("steps[1]", "steps[1]"),
        ];
        let sent = fields.map(|(field, _)| FieldViolation::new(field, "x"));
        let mut details = ErrorDetails::new();
        details.set_bad_request(sent.to_vec());
        details.set_error_info("A", "b", []);
        let status = Status::with_error_details(Code::Aborted, "no", details);
        let restored = part.restored(&status);
        assert_eq!((restored.code(), restored.message()), (Code::Aborted, "no"));
        let violations: Vec<String> = violations(&restored)
            .into_iter()
            .map(|it| it.field)
            .collect();
        assert_eq!(violations, fields.map(|(_, field)| field));
        assert!(restored.get_error_details().error_info().is_some());
    }

    #[test]
    fn answers_are_in_the_order_of_the_bundle() {
        let answers = split(&bundle("x")).into_iter().map(|part| {
            let applied = part.places.iter().map(|place| AppliedDefinition {
                name: place.to_string(),
                action: ApplyAction::Created.into(),
                kind: 1,
                ..AppliedDefinition::default()
            });
            let applied = applied.collect();
            (part, ApplyDefinitionsResponse { applied })
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(told(&answers[..1]).as_deref(), Some("namespace/4"));
        assert_eq!(told(&[]), None);
        let names: Vec<String> = join(answers)
            .applied
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["0", "1", "2", "3", "4", "5"]);
    }
}
