//! Explains memberships: of all segments or some, by page, or of one expression.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::segmentation::v1 as api;
use rpc::{ErrorReason, Failure, PageRequest, Violation};
use segmentation_core::{Definitions, ExplainError, Explanation, State};

use super::{SegmentationRpc, violation};
use crate::{limits, message};

/// The conditions that are explained.
enum Asked<'a> {
    /// An expression of the request.
    Expression(&'a str),
    /// Segments of a page, and one more where there are more.
    Segments(BTreeSet<&'a str>),
}

impl SegmentationRpc {
    pub(super) async fn explain(
        &self,
        request: &api::ExplainMembershipRequest,
    ) -> Result<api::ExplainMembershipResponse, Failure> {
        let page = page(request)?;
        let definitions = self.definitions();
        let segments = definitions.segments();
        // Mistakes are told even where the customer is not known.
        let asked = asked(request, &page, &definitions, &segments)?;
        let text = &request.customer_id;
        if text.parse().is_ok_and(CustomerId::is_account) {
            return Err(Failure::is_account("customer_id", text));
        }
        let known = self.find(text, &request.after, |_| Vec::new()).await?;
        let now = self.now(&known).await?;
        let explain = |state: &State| asked.explain(&definitions, state, now);
        // An explanation that misses parts names them, until all that it looks at is loaded.
        let want = |state: &State| match explain(state) {
            Err(ExplainError::Missing(missing)) => state.parts_to_read(&missing),
            Ok(_) | Err(ExplainError::Mistakes(_)) => Vec::new(),
        };
        let found = self.find(text, &request.after, want).await?;
        let explanations = explain(&found.state).map_err(|error| match error {
            ExplainError::Mistakes(mistakes) => mistaken(&mistakes),
            ExplainError::Missing(missing) => Failure::internal(missing),
        })?;
        let (explanations, next_page_token) = page.cut(
            explanations.into_iter().map(message::explanation).collect(),
            |explanation: &api::SegmentExplanation| explanation.segment.clone().into_bytes(),
            |explanation| explanation.encoded_len(),
        );
        Ok(api::ExplainMembershipResponse {
            explanations,
            next_page_token,
        })
    }
}

impl Asked<'_> {
    fn explain(
        &self,
        definitions: &Definitions,
        state: &State,
        now: Timestamp,
    ) -> Result<Vec<Explanation>, ExplainError> {
        match self {
            Self::Expression(text) => {
                segmentation_core::explain_expression(definitions, text, state, now)
                    .map(|it| vec![it])
            }
            Self::Segments(names) => {
                let is_wanted = |name: &str| names.contains(name);
                let explained =
                    segmentation_core::explain_segments(definitions, is_wanted, state, now);
                Ok(explained?)
            }
        }
    }
}

/// Reads the page of a request, which is of its customer, segments and expression.
fn page(request: &api::ExplainMembershipRequest) -> Result<PageRequest, Failure> {
    let mut names: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    names.sort_unstable();
    let fixed = [
        "ExplainMembership",
        &request.customer_id,
        &request.expression,
    ];
    let filter: Vec<&str> = fixed.into_iter().chain(names).collect();
    let (size, token) = (request.page_size, &request.page_token);
    PageRequest::read(&filter, size, token, limits::PAGE_SIZE)
}

/// Chooses what the page explains, and refuses what cannot be explained for any customer.
fn asked<'a>(
    request: &'a api::ExplainMembershipRequest,
    page: &PageRequest,
    definitions: &Definitions,
    segments: &BTreeMap<&'a str, (u32, &str)>,
) -> Result<Asked<'a>, Failure> {
    if !request.expression.is_empty() {
        if !request.segments.is_empty() {
            let text = "and an expression exclude each other: send one of them";
            return Err(Failure::invalid([Violation::new("segments", text)]));
        }
        let compiled = expr::Condition::compile(&request.expression, &definitions.scope());
        compiled.map_err(|mistakes| mistaken(&mistakes))?;
        return Ok(Asked::Expression(&request.expression));
    }
    check_known(&request.segments, segments)?;
    let named: BTreeSet<&str> = request.segments.iter().map(String::as_str).collect();
    let after = page.after().unwrap_or_default();
    let names = segments
        .keys()
        .copied()
        .filter(|name| named.is_empty() || named.contains(name))
        .filter(|name| name.as_bytes() > after);
    Ok(Asked::Segments(names.take(page.size() + 1).collect()))
}

/// Refuses names of segments that are not defined, all at once.
fn check_known(names: &[String], segments: &BTreeMap<&str, (u32, &str)>) -> Result<(), Failure> {
    let unknown = names
        .iter()
        .enumerate()
        .filter(|(_, name)| !segments.contains_key(name.as_str()));
    let unknown: Vec<(usize, &String)> = unknown.collect();
    let Some((_, first)) = unknown.first() else {
        return Ok(());
    };
    let failure = Failure::not_found(ErrorReason::SegmentNotFound, "segment", first);
    Err(failure.with_violations(unknown.iter().map(|(place, name)| {
        let near = kernel::nearest(name, segments.keys().copied());
        let hint = near.map_or("ListSegments tells all".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
        let text = format!("there is no segment `{name}`: {hint}");
        Violation::new(format!("segments[{place}]"), text)
    })))
}

fn mistaken(mistakes: &[expr::Mistake]) -> Failure {
    let violations = mistakes
        .iter()
        .map(|mistake| violation("expression", mistake));
    Failure::new(
        ErrorReason::ExpressionInvalid,
        "the expression has mistakes",
    )
    .with_violations(violations)
}
