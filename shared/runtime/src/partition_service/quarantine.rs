//! Quarantined records: listed with what can be read of them, retried, discarded.
//!
//! It only passes on what an operator wants; the engines carry it out.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::{
    QuarantineEntry, QuarantineFilter, QuarantineOrder, QuarantinePlace, QuarantineSelection,
    QuarantineTaken, Status as EngineStatus,
};
use kernel::PartitionId;
use prost_reflect::{DynamicMessage, SerializeOptions};
use proto::engine::v1::{
    self, DiscardQuarantinedRecordsRequest, DiscardQuarantinedRecordsResponse,
    ListQuarantinedRecordsRequest, ListQuarantinedRecordsResponse, QuarantinedKind,
    QuarantinedRecord, QuarantinedRecordIds, RetryQuarantinedRecordsRequest,
    RetryQuarantinedRecordsResponse, discard_quarantined_records_request as discard,
    retry_quarantined_records_request as retry,
};
use proto::stream::v1::QuarantineVerb;
use rpc::{ErrorReason, Failure, PageRequest, Violation};

use super::{Partitions, failure};
use crate::limits::{QUARANTINED_JSON_BYTES, QUARANTINED_PER_PAGE};

impl Partitions {
    pub(super) async fn list_quarantined(
        &self,
        request: ListQuarantinedRecordsRequest,
    ) -> Result<ListQuarantinedRecordsResponse, Failure> {
        let filter = filter(request.filter.unwrap_or_default());
        let partition = filter.partition.map(|only| only.to_string());
        let page = PageRequest::read(
            &[
                "ListQuarantinedRecords",
                &request.service,
                partition.as_deref().unwrap_or_default(),
                &filter.customer_id,
                &filter.reason,
            ],
            request.page_size,
            &request.page_token,
            QUARANTINED_PER_PAGE,
        )?;
        let after = page
            .after()
            .and_then(|key| QuarantinePlace::parse(std::str::from_utf8(key).ok()?));
        let engine = self.engine_of(&request.service)?;
        let found = engine.list_quarantined(&filter, after, page.size()).await;
        let found = found.map_err(failure)?;
        let customers = found.entries.iter().map(|it| it.record.customer_id.parse());
        audit::subjects(customers.filter_map(Result::ok));
        let next_page_token = match found.entries.last() {
            Some(last) if found.has_more => page.token(last.place.to_string().as_bytes()),
            _ => String::new(),
        };
        Ok(ListQuarantinedRecordsResponse {
            records: found
                .entries
                .into_iter()
                .map(|entry| shown(entry, request.with_bytes))
                .collect(),
            next_page_token,
        })
    }

    pub(super) async fn retry_quarantined(
        &self,
        request: &RetryQuarantinedRecordsRequest,
    ) -> Result<RetryQuarantinedRecordsResponse, Failure> {
        let selection = match &request.selection {
            Some(retry::Selection::Records(ids)) => places(ids)?,
            Some(retry::Selection::Filter(by)) => QuarantineSelection::Filter(filter(by.clone())),
            None => return Err(nothing_selected()),
        };
        let order = QuarantineOrder {
            verb: QuarantineVerb::Retry,
            reason: String::new(),
            request_id: request.request_id.clone(),
        };
        let taken = self.order(&request.service, &selection, &order).await?;
        tell("retried", &request.service, &taken, "");
        Ok(RetryQuarantinedRecordsResponse {
            taken_count: count(&taken),
            missing_ids: missing(&taken),
            has_more: taken.has_more,
        })
    }

    pub(super) async fn discard_quarantined(
        &self,
        request: &DiscardQuarantinedRecordsRequest,
    ) -> Result<DiscardQuarantinedRecordsResponse, Failure> {
        let selection = match &request.selection {
            Some(discard::Selection::Records(ids)) => places(ids)?,
            Some(discard::Selection::Filter(by)) => QuarantineSelection::Filter(filter(by.clone())),
            None => return Err(nothing_selected()),
        };
        let order = QuarantineOrder {
            verb: QuarantineVerb::Discard,
            reason: request.reason.clone(),
            request_id: request.request_id.clone(),
        };
        let taken = self.order(&request.service, &selection, &order).await?;
        let audit_line = format!(
            "{} quarantined records of {} are to be discarded, by request {}: {}",
            taken.taken, request.service, request.request_id, request.reason
        );
        tell("discarded", &request.service, &taken, &request.reason);
        Ok(DiscardQuarantinedRecordsResponse {
            taken_count: count(&taken),
            missing_ids: missing(&taken),
            has_more: taken.has_more,
            audit_line,
        })
    }

    async fn order(
        &self,
        service: &str,
        selection: &QuarantineSelection,
        order: &QuarantineOrder,
    ) -> Result<QuarantineTaken, Failure> {
        let engine = self.engine_of(service)?;
        let taken = engine.order_quarantined(selection, order).await;
        taken.map_err(failure)
    }

    /// The engine of a service.
    fn engine_of(&self, service: &str) -> Result<&Arc<dyn EngineStatus>, Failure> {
        let engines = self.engines_of(service)?;
        engines.first().copied().ok_or_else(|| {
            Failure::not_found(
                ErrorReason::ServiceNotFound,
                "service with partitions",
                service,
            )
        })
    }
}

/// Tells of an order in the logs and in the audit log. The reason is in the latter only: nobody
/// knows what people write into it.
fn tell(verb: &str, service: &str, taken: &QuarantineTaken, reason: &str) {
    let taken = taken.taken;
    tracing::info!(
        service,
        taken,
        verb,
        "an order about quarantined records was taken"
    );
    audit::about(format!("{taken} records of {service} {verb}: {reason}"));
}

fn filter(by: v1::QuarantineFilter) -> QuarantineFilter {
    QuarantineFilter {
        // The contract has it below the number of partitions that there can be.
        partition: by
            .partition
            .map(|number| PartitionId::new(u16::try_from(number).unwrap_or(u16::MAX))),
        // Ids are kept in lower case.
        customer_id: by.customer_id.to_ascii_lowercase(),
        reason: by.reason,
    }
}

/// The places that ids name.
fn places(named: &QuarantinedRecordIds) -> Result<QuarantineSelection, Failure> {
    let mut violations = Vec::new();
    let mut places = BTreeSet::new();
    for (index, id) in named.ids.iter().enumerate() {
        match QuarantinePlace::parse(id) {
            Some(place) => {
                places.insert(place);
            }
            None => violations.push(Violation::new(
                format!("records.ids[{index}]"),
                "is no id: take one from ListQuarantinedRecords",
            )),
        }
    }
    if violations.is_empty() {
        Ok(QuarantineSelection::Places(places))
    } else {
        Err(Failure::invalid(violations))
    }
}

/// The contract refuses this before.
fn nothing_selected() -> Failure {
    Failure::invalid([Violation::new("selection", "must be set")])
}

fn count(taken: &QuarantineTaken) -> u32 {
    u32::try_from(taken.taken).unwrap_or(u32::MAX)
}

fn missing(taken: &QuarantineTaken) -> Vec<String> {
    taken.missing.iter().map(ToString::to_string).collect()
}

/// A record as the answer shows it.
fn shown(entry: QuarantineEntry, with_bytes: bool) -> QuarantinedRecord {
    let mut record = entry.record;
    if record.kind() == QuarantinedKind::Record {
        record.record_json = json(&record.record).unwrap_or_default();
    }
    if !with_bytes {
        record.record.clear();
    }
    record
}

/// A record of a stream as JSON; absent where it is none, or too long.
fn json(bytes: &[u8]) -> Option<String> {
    let descriptor = proto::DESCRIPTORS.get_message_by_name("happypath.stream.v1.Record")?;
    let message = DynamicMessage::decode(descriptor, bytes).ok()?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    let mut json = Vec::new();
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options)
        .ok()?;
    if json.len() > QUARANTINED_JSON_BYTES {
        return None;
    }
    String::from_utf8(json).ok()
}

#[cfg(test)]
mod tests;
