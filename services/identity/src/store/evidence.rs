//! Evidence: which event, or whose word, holds fragments and identifiers together.
//!
//! The row of an identifier tells which event attached it; all else has rows of its own, written in
//! the transaction of the change. Sightings of what is known are not written.

mod keep;

use std::collections::HashMap;

use identity_core::{Changes, EvidenceKind, EvidenceRow, HolderState, Identifier};
use kernel::{FragmentId, StableHash, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

pub(super) use self::keep::keep_attachment;
use super::commit::{Cause, Origin};
use super::entity::{evidence, identifier, shared};
use super::operation::fragments_of;
use super::{IdentityStore, SentBy, damaged};
use crate::chance::Chance;
use crate::limits::ROWS_PER_STATEMENT;

/// The kinds of evidence, each at the place of its number in rows, less 1.
const KINDS: [EvidenceKind; 6] = [
    EvidenceKind::Attached,
    EvidenceKind::Joined,
    EvidenceKind::Forced,
    EvidenceKind::Demoted,
    EvidenceKind::Moved,
    EvidenceKind::Released,
];

/// A piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// Its name; nil where the row of an identifier tells it.
    pub id: Uuid,
    /// The fragment that it concerns.
    pub fragment: FragmentId,
    /// The identifier; absent for a merge by ids, and for those of before.
    pub identifier: Option<Identifier>,
    /// The other fragment: joined with the first one, or had the identifier before.
    pub joined: Option<FragmentId>,
    /// The kind.
    pub kind: EvidenceKind,
    /// The event, by the id of its sender; empty for none, and where nobody knows.
    pub event_id: String,
    /// The source, import or sender of the event; empty where nobody knows.
    pub source: String,
    /// When the event happened.
    pub event_time: Timestamp,
    /// When it was first seen, by the time of acceptance.
    pub first_time: Timestamp,
    /// When it was last written.
    pub last_time: Timestamp,
    /// The number of times that it was written.
    pub count: u64,
    /// The version of the policy that decided so; 0 for the built-in one.
    pub policy_version: u32,
    /// The reason code; empty where the kind says it.
    pub reason: String,
    /// The operation that this belongs to.
    pub operation: Option<Uuid>,
    /// The unmerge that took it back.
    pub retracted_by: Option<Uuid>,
    /// Of [`EvidenceKind::Attached`]: the namespace of the identifier that named the customer,
    /// empty where the customer was new; absent where nobody knows.
    pub found_by: Option<String>,
}

impl IdentityStore {
    /// Reads the evidence of a customer, oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn evidence(
        &self,
        customer: kernel::CustomerId,
        limit: u64,
    ) -> Result<Vec<EvidenceRecord>, DbErr> {
        let own = || fragments_of(customer);
        let rows = evidence::Entity::find()
            .filter(
                Condition::any()
                    .add(evidence::Column::FragmentId.in_subquery(own()))
                    .add(evidence::Column::JoinedFragmentId.in_subquery(own())),
            )
            .order_by_asc(evidence::Column::FirstTime)
            .order_by_asc(evidence::Column::EvidenceId)
            .limit(limit)
            .all(self.database.orm())
            .await?;
        let attached = identifier::Entity::find()
            .filter(identifier::Column::FragmentId.in_subquery(own()))
            .filter(identifier::Column::State.eq(super::holding::state_code(HolderState::Live)))
            .limit(limit)
            .all(self.database.orm())
            .await?;
        let listed = shared::Entity::find()
            .filter(shared::Column::FragmentId.in_subquery(own()))
            .limit(limit)
            .all(self.database.orm())
            .await?;
        let mut found = Vec::with_capacity(rows.len() + attached.len() + listed.len());
        for row in rows {
            found.push(record(row)?);
        }
        found.extend(attached.into_iter().map(|row| {
            let named = (row.namespace, row.value, row.fragment_id, row.create_time);
            let by = (row.event_id, row.source, row.event_time, row.policy_version);
            attached_record(named, by, row.found_by)
        }));
        found.extend(listed.into_iter().map(|row| {
            let named = (row.namespace, row.value, row.fragment_id, row.create_time);
            let by = (row.event_id, row.source, row.event_time, row.policy_version);
            attached_record(named, by, row.found_by)
        }));
        found.sort_by(|a, b| {
            (a.first_time, a.kind as u8, a.id).cmp(&(b.first_time, b.kind as u8, b.id))
        });
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Finds the fragments that an event joined, each with its evidence, in the order in which they
    /// were joined. What was taken back is left out.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn joined_by_event(
        &self,
        event_id: &str,
        limit: u64,
    ) -> Result<Vec<FragmentId>, DbErr> {
        let rows = evidence::Entity::find()
            .filter(evidence::Column::EventId.eq(event_id))
            .filter(evidence::Column::RetractedBy.is_null())
            .order_by_asc(evidence::Column::EvidenceId)
            .limit(limit)
            .all(self.database.orm())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| FragmentId::new(row.fragment_id))
            .collect())
    }
}

/// An identifier's own row: namespace, value, fragment and time.
type Named = (String, String, Uuid, i64);
/// The event that attached it: id, source, time and version of the policy.
type By = (Option<String>, Option<String>, Option<i64>, Option<i64>);

fn attached_record(
    (namespace, value, fragment, time): Named,
    (event_id, source, event_time, version): By,
    found_by: Option<String>,
) -> EvidenceRecord {
    let time = Timestamp::from_millis(time);
    EvidenceRecord {
        id: Uuid::nil(),
        fragment: FragmentId::new(fragment),
        identifier: Some(Identifier { namespace, value }),
        joined: None,
        kind: EvidenceKind::Attached,
        event_id: event_id.unwrap_or_default(),
        source: source.unwrap_or_default(),
        event_time: event_time.map_or(time, Timestamp::from_millis),
        first_time: time,
        last_time: time,
        count: 1,
        policy_version: version.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        reason: String::new(),
        operation: None,
        retracted_by: None,
        found_by,
    }
}

pub(super) fn record(row: evidence::Model) -> Result<EvidenceRecord, DbErr> {
    let place = usize::try_from(row.kind - 1).ok();
    let kind = place.and_then(|place| KINDS.get(place).copied());
    let identifier = row.namespace.zip(row.value);
    Ok(EvidenceRecord {
        id: row.evidence_id,
        fragment: FragmentId::new(row.fragment_id),
        identifier: identifier.map(|(namespace, value)| Identifier { namespace, value }),
        joined: row.joined_fragment_id.map(FragmentId::new),
        kind: kind.ok_or_else(|| damaged("the kind of evidence"))?,
        event_id: row.event_id,
        source: row.source,
        event_time: Timestamp::from_millis(row.event_time),
        first_time: Timestamp::from_millis(row.first_time),
        last_time: Timestamp::from_millis(row.last_time),
        count: u64::try_from(row.count).unwrap_or(0),
        policy_version: u32::try_from(row.policy_version).unwrap_or(0),
        reason: row.reason,
        operation: row.operation_id,
        retracted_by: row.retracted_by,
        found_by: row.found_by,
    })
}

/// Returns the number of a kind in rows.
pub(super) fn kind_code(kind: EvidenceKind) -> i16 {
    let place = KINDS.iter().position(|it| *it == kind).unwrap_or(0);
    i16::try_from(place + 1).unwrap_or(1)
}

/// The way in which a batch attached an identifier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attachment<'a> {
    /// The number of the event.
    pub(super) place: usize,
    /// The namespace of the identifier that named the customer, empty where the customer was new;
    /// absent where the event gave the identifier from one customer to another.
    pub(super) found_by: Option<&'a str>,
}

/// Returns how a batch attached each identifier to a fragment.
pub(super) fn attachments(changes: &Changes) -> HashMap<&Identifier, Attachment<'_>> {
    let attached = changes.evidence.iter().filter(|row| {
        matches!(
            row.kind,
            EvidenceKind::Attached | EvidenceKind::Moved | EvidenceKind::Forced
        )
    });
    let attached = attached.filter_map(|row| {
        let is_attached = row.kind == EvidenceKind::Attached;
        let attachment = Attachment {
            place: row.event_place,
            found_by: is_attached.then(|| row.by.as_deref().unwrap_or("")),
        };
        Some((row.identifier.as_ref()?, attachment))
    });
    attached.collect()
}

/// Writes the evidence of a batch that rows of identifiers do not tell. `merges` are the ids of
/// those that the batch made, by the customers that are gone.
pub(super) async fn insert_evidence(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    (sent, chance): (&SentBy, &dyn Chance),
    merges: &HashMap<kernel::CustomerId, Uuid>,
) -> Result<(), DbErr> {
    let rows = changes.evidence.iter().enumerate();
    let rows = rows.filter(|(_, row)| row.kind != EvidenceKind::Attached);
    // Of identifiers that were left out there may be one twice, which no statement can update
    // twice.
    let mut demoted: HashMap<Uuid, [SimpleExpr; 15]> = HashMap::new();
    let mut others = Vec::new();
    for (place, row) in rows {
        let operation = sent.join(place).and_then(|from| merges.get(&from)).copied();
        let origin = cause.origins.origin(row.event_place);
        if row.kind == EvidenceKind::Demoted {
            let id = demotion_id(row);
            demoted.insert(id, values(id, row, cause, &origin, operation));
        } else {
            others.push(values(chance.merge(), row, cause, &origin, operation));
        }
    }
    others.extend(demoted.into_values());
    for chunk in others.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(evidence::Entity)
            .columns([
                evidence::Column::EvidenceId,
                evidence::Column::FragmentId,
                evidence::Column::JoinedFragmentId,
                evidence::Column::Namespace,
                evidence::Column::Value,
                evidence::Column::Kind,
                evidence::Column::EventId,
                evidence::Column::Source,
                evidence::Column::EventTime,
                evidence::Column::FirstTime,
                evidence::Column::LastTime,
                evidence::Column::Count,
                evidence::Column::PolicyVersion,
                evidence::Column::Reason,
                evidence::Column::OperationId,
            ])
            .on_conflict(
                OnConflict::column(evidence::Column::EvidenceId)
                    .update_column(evidence::Column::LastTime)
                    .value(
                        evidence::Column::Count,
                        Expr::col((evidence::Entity, evidence::Column::Count)).add(1),
                    )
                    .to_owned(),
            );
        for row in chunk {
            insert.values_panic(row.clone());
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// One row for each identifier that was left out of events of a fragment for a reason, so that a
/// default id that everybody sends does not fill the table.
pub(crate) fn demotion_id(row: &EvidenceRow) -> Uuid {
    let (namespace, value) = row
        .identifier
        .as_ref()
        .map_or(("", ""), |it| (it.namespace.as_str(), it.value.as_str()));
    let hash = |seed: &[u8]| {
        StableHash::new()
            .with(seed)
            .with(row.fragment.as_bytes())
            .with(namespace.as_bytes())
            .with(value.as_bytes())
            .with(row.reason.as_bytes())
            .finish()
    };
    let (high, low) = (hash(b"demotion 1"), hash(b"demotion 2"));
    uuid::Builder::from_custom_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
        .into_uuid()
}

fn values(
    id: Uuid,
    row: &EvidenceRow,
    cause: Cause<'_>,
    origin: &Origin<'_>,
    operation: Option<Uuid>,
) -> [SimpleExpr; 15] {
    let identifier = row.identifier.as_ref();
    let reason = match row.kind {
        EvidenceKind::Forced if row.reason.is_empty() => cause.reason,
        _ => row.reason,
    };
    [
        id.into(),
        row.fragment.uuid().into(),
        row.joined.map(|it| it.uuid()).into(),
        identifier.map(|it| it.namespace.clone()).into(),
        identifier.map(|it| it.value.clone()).into(),
        kind_code(row.kind).into(),
        origin.event_id.into(),
        origin.source.into(),
        origin.time.unwrap_or(cause.time).as_millis().into(),
        cause.time.as_millis().into(),
        cause.time.as_millis().into(),
        1_i64.into(),
        i64::from(cause.policy_version).into(),
        reason.into(),
        operation.into(),
    ]
}
