//! The rows of fragments and identifiers.

use std::collections::HashMap;

use identity_core::{Changes, HolderState, Holding, HoldingChange, Identifier, SharedListing};
use kernel::{CustomerId, FragmentId};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use super::{Cause, CommitError};
use crate::chance::Chance;
use crate::limits::ROWS_PER_STATEMENT;
use crate::store::SentBy;
use crate::store::entity::{fragment, identifier, shared};
use crate::store::evidence::{Attachment, attachments, keep_attachment};
use crate::store::holding::state_code;

/// An identifier's row to be written, with how an event attached it.
struct Row<'a> {
    identifier: &'a Identifier,
    fragment: FragmentId,
    state: HolderState,
    fan_out: Option<Vec<u8>>,
    attached: Option<Attachment<'a>>,
}

/// Returns the rows of identifiers that nobody held, by value.
fn new_rows(changes: &Changes) -> Vec<Row<'_>> {
    let by = attachments(changes);
    let attached = changes
        .identifiers
        .iter()
        .map(|(identifier, fragment)| Row {
            identifier,
            fragment: *fragment,
            state: HolderState::Live,
            fan_out: None,
            attached: by.get(identifier).copied(),
        });
    let others = changes.holdings.iter().filter_map(|change| {
        let after = change.after.as_ref().filter(|_| change.before.is_none())?;
        Some(Row {
            identifier: &change.identifier,
            fragment: after.fragment,
            state: after.state,
            fan_out: fan_out(after),
            attached: by.get(&change.identifier).copied(),
        })
    });
    let mut rows: Vec<Row<'_>> = attached.chain(others).collect();
    rows.sort_unstable_by_key(|row| row.identifier);
    rows
}

/// Writes the identifiers that nobody held. The unique index tells who was first.
pub(super) async fn insert_identifiers(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    sent: &SentBy,
) -> Result<(), CommitError> {
    for chunk in new_rows(changes).chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(identifier::Entity)
            .columns([
                identifier::Column::Namespace,
                identifier::Column::Value,
                identifier::Column::FragmentId,
                identifier::Column::CreateTime,
                identifier::Column::SentAs,
                identifier::Column::State,
                identifier::Column::FanOut,
                identifier::Column::EventId,
                identifier::Column::Source,
                identifier::Column::EventTime,
                identifier::Column::PolicyVersion,
                identifier::Column::FoundBy,
            ])
            .on_conflict(
                OnConflict::columns([identifier::Column::Namespace, identifier::Column::Value])
                    .do_nothing()
                    .to_owned(),
            );
        for row in chunk {
            let [event_id, source, time, version, found_by] = origin(cause, row.attached);
            insert.values_panic([
                row.identifier.namespace.as_str().into(),
                row.identifier.value.as_str().into(),
                row.fragment.uuid().into(),
                cause.time.as_millis().into(),
                sent.identifier(row.identifier).map(|it| it.0).into(),
                state_code(row.state).into(),
                row.fan_out.clone().into(),
                event_id,
                source,
                time,
                version,
                found_by,
            ]);
        }
        let inserted = transaction.execute(&insert).await?.rows_affected();
        if inserted != chunk.len() as u64 {
            return Err(CommitError::Raced);
        }
    }
    Ok(())
}

/// The id, source, time and policy of the event that attached something, and by which namespace it
/// found the customer; nothing where nobody knows.
fn origin(cause: Cause<'_>, attached: Option<Attachment<'_>>) -> [SimpleExpr; 5] {
    let origin = attached.map(|it| cause.origins.origin(it.place));
    let text = |text: Option<&str>| text.filter(|it| !it.is_empty()).map(str::to_owned);
    let found_by = attached.and_then(|it| it.found_by);
    [
        text(origin.map(|it| it.event_id)).into(),
        text(origin.map(|it| it.source)).into(),
        origin
            .and_then(|it| it.time)
            .map(|it| it.as_millis())
            .into(),
        i64::from(cause.policy_version).into(),
        found_by.map(str::to_owned).into(),
    ]
}

fn fan_out(holding: &Holding) -> Option<Vec<u8>> {
    (holding.fan_out.count() > 0).then(|| holding.fan_out.to_bytes())
}

/// Lists values that may have several holders. Somebody else may have listed one for the same
/// fragment, but of those who have the events that carry nothing else there is one.
pub(super) async fn insert_shared(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
) -> Result<(), CommitError> {
    let by = attachments(changes);
    let mut sorted: Vec<&SharedListing> = changes.shared.iter().collect();
    // Of one fragment the one that stands alone comes first, since the other is left out then.
    sorted.sort_unstable_by_key(|it| (&it.identifier, it.fragment, !it.is_alone));
    sorted.dedup_by_key(|it| (&it.identifier, it.fragment));
    for is_alone in [true, false] {
        let own = sorted.iter().filter(|it| it.is_alone == is_alone);
        let own: Vec<&SharedListing> = own.copied().collect();
        for chunk in own.chunks(ROWS_PER_STATEMENT) {
            let mut insert = Query::insert();
            insert
                .into_table(shared::Entity)
                .columns([
                    shared::Column::Namespace,
                    shared::Column::Value,
                    shared::Column::FragmentId,
                    shared::Column::CreateTime,
                    shared::Column::IsAlone,
                    shared::Column::EventId,
                    shared::Column::Source,
                    shared::Column::EventTime,
                    shared::Column::PolicyVersion,
                    shared::Column::FoundBy,
                ])
                .on_conflict(OnConflict::new().do_nothing().to_owned());
            for row in chunk {
                let attached = by.get(&row.identifier).copied();
                let [event_id, source, time, version, found_by] = origin(cause, attached);
                insert.values_panic([
                    row.identifier.namespace.as_str().into(),
                    row.identifier.value.as_str().into(),
                    row.fragment.uuid().into(),
                    cause.time.as_millis().into(),
                    row.is_alone.into(),
                    event_id,
                    source,
                    time,
                    version,
                    found_by,
                ]);
            }
            let inserted = transaction.execute(&insert).await?.rows_affected();
            if is_alone && inserted != chunk.len() as u64 {
                return Err(CommitError::Raced);
            }
        }
    }
    Ok(())
}

/// Changes the identifiers that are held in another way than before.
pub(super) async fn change_holdings(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    (sent, chance): (&SentBy, &dyn Chance),
) -> Result<(), CommitError> {
    let by = attachments(changes);
    let mut sorted: Vec<&HoldingChange> = changes.holdings.iter().collect();
    sorted.sort_unstable_by_key(|change| &change.identifier);
    for change in sorted {
        let Some(before) = &change.before else {
            continue;
        };
        keep_attachment(transaction, change, chance.merge()).await?;
        let column = |it| Expr::col((identifier::Entity, it));
        let own = [
            column(identifier::Column::Namespace).eq(change.identifier.namespace.as_str()),
            column(identifier::Column::Value).eq(change.identifier.value.as_str()),
            column(identifier::Column::FragmentId).eq(before.fragment.uuid()),
            column(identifier::Column::State).eq(state_code(before.state)),
        ];
        let changed = match &change.after {
            None => {
                let mut delete = Query::delete();
                delete.from_table(identifier::Entity);
                for condition in own {
                    delete.and_where(condition);
                }
                transaction.execute(&delete).await?
            }
            Some(after) => {
                let mut update = Query::update();
                update
                    .table(identifier::Entity)
                    .value(identifier::Column::FragmentId, after.fragment.uuid())
                    .value(identifier::Column::State, state_code(after.state))
                    .value(identifier::Column::FanOut, fan_out(after));
                if change.is_attached {
                    let attached = by.get(&change.identifier).copied();
                    let [event_id, source, time, version, found_by] = origin(cause, attached);
                    let sent = sent.identifier(&change.identifier).map(|it| it.0);
                    update
                        .value(identifier::Column::CreateTime, cause.time.as_millis())
                        .value(identifier::Column::SentAs, sent)
                        .value(identifier::Column::EventId, event_id)
                        .value(identifier::Column::Source, source)
                        .value(identifier::Column::EventTime, time)
                        .value(identifier::Column::PolicyVersion, version)
                        .value(identifier::Column::FoundBy, found_by);
                }
                for condition in own {
                    update.and_where(condition);
                }
                transaction.execute(&update).await?
            }
        };
        if changed.rows_affected() != 1 {
            return Err(CommitError::Raced);
        }
    }
    Ok(())
}

/// Writes the fragments that were made, each under the customer that it belongs to after the batch.
pub(super) async fn insert_fragments(
    transaction: &DatabaseTransaction,
    changes: &Changes,
) -> Result<(), DbErr> {
    let roots: HashMap<_, _> = changes.redirects.iter().copied().collect();
    for chunk in changes.fragments.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert.into_table(fragment::Entity).columns([
            fragment::Column::FragmentId,
            fragment::Column::RootId,
            fragment::Column::CreateTime,
        ]);
        for fragment in chunk {
            let own = CustomerId::from(fragment.id);
            let root = roots.get(&own).copied().unwrap_or(own);
            insert.values_panic([
                fragment.id.uuid().into(),
                root.uuid().into(),
                fragment.create_time.as_millis().into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}
