//! Writes what was planned, of every owner at once, and who wanted it.

use std::collections::BTreeMap;

use audit::{Act, Operation};
use prost::Message as _;
use proto::definition::v1::{AppliedDefinition, ApplyAction, Definition};
use rpc::{ErrorReason, Failure};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
};
use storage::Database;
use vault::Vault;

use crate::entity::{definition, revision};
use crate::key::name_of;
use crate::{DefinitionKey, Planned, Versioned, limits, secret};

/// The number of changes of an owner's stored definitions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// The owner of the definitions.
    pub owner: String,
    /// The number of changes.
    pub number: i64,
}

/// Writes changes in one transaction, all or none, unless one of the revisions that they were
/// planned on has moved.
///
/// Owners that only lend their names are among the revisions too, so that no name goes while
/// another change refers to it. Changes take a few statements however many definitions they have.
/// Secrets are sealed where there is a vault, and each changed definition has an entry in the audit
/// log of the call at hand.
///
/// # Errors
/// [`ErrorReason::DefinitionContended`] where a revision has moved;
/// [`ErrorReason::StoreUnavailable`]; [`ErrorReason::AuditUnavailable`].
pub(crate) async fn commit(
    database: &Database,
    vault: Option<&Vault>,
    mut seen: Vec<Revision>,
    planned: &[Planned],
) -> Result<(), Failure> {
    let rows = rows(planned, vault).await?;
    // Every writer takes the rows in the same order, so that none waits for another in a circle.
    seen.sort();
    let transaction = database
        .begin_write()
        .await
        .map_err(Failure::store_unavailable)?;
    for revision in &seen {
        let is_changed = planned
            .iter()
            .any(|it| it.owner == revision.owner && it.is_change());
        if !advance(&transaction, revision, i64::from(is_changed)).await? {
            let message = "another change of the definitions was faster";
            return Err(Failure::new(ErrorReason::DefinitionContended, message)
                .with_retry_after(limits::CONTENTION_PAUSE));
        }
    }
    for it in planned {
        retire(&transaction, it).await?;
    }
    insert(&transaction, rows).await?;
    if let Some(operation) = Operation::current() {
        let acts = planned.iter().flat_map(acts).collect();
        operation.record(&transaction, acts).await?;
    }
    transaction
        .commit()
        .await
        .map_err(Failure::store_unavailable)
}

/// Moves a revision on by so much, unless somebody else did, and keeps others from it until the
/// transaction ends.
async fn advance(
    connection: &impl ConnectionTrait,
    seen: &Revision,
    by: i64,
) -> Result<bool, Failure> {
    let first = revision::ActiveModel {
        owner: Set(seen.owner.clone()),
        revision: Set(0),
    };
    revision::Entity::insert(first)
        .on_conflict(
            OnConflict::column(revision::Column::Owner)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    let moved = revision::Entity::update_many()
        .col_expr(
            revision::Column::Revision,
            Expr::col(revision::Column::Revision).add(by),
        )
        .filter(revision::Column::Owner.eq(seen.owner.as_str()))
        .filter(revision::Column::Revision.eq(seen.number))
        .exec(connection)
        .await
        .map_err(Failure::store_unavailable)?;
    Ok(moved.rows_affected == 1)
}

/// Takes the versions in force of what is written or deleted out of force.
async fn retire(connection: &impl ConnectionTrait, planned: &Planned) -> Result<(), Failure> {
    let mut names: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    let written = planned.written.iter().filter_map(|it| name_of(&it.value));
    let deleted = planned.deleted.iter();
    for (kind, name) in written.chain(deleted.map(|key| (key.kind, key.name.as_str()))) {
        names.entry(kind as i32).or_default().push(name);
    }
    for (kind, names) in &names {
        for some in names.chunks(limits::STATEMENT_ROWS) {
            definition::Entity::update_many()
                .col_expr(
                    definition::Column::DeleteTime,
                    Expr::value(planned.time.as_millis()),
                )
                .filter(definition::Column::Kind.eq(*kind))
                .filter(definition::Column::Name.is_in(some.iter().copied()))
                .filter(definition::Column::DeleteTime.is_null())
                .exec(connection)
                .await
                .map_err(Failure::store_unavailable)?;
        }
    }
    Ok(())
}

/// Says what a change does, for the audit log.
fn acts(planned: &Planned) -> Vec<Act> {
    let applied = planned.applied.iter().filter_map(|(_, it)| act_of(it));
    let deleted = planned.deleted.iter();
    let deleted = deleted.map(|key| Act::done("definition.delete", key.to_string()));
    applied.chain(deleted).collect()
}

fn act_of(applied: &AppliedDefinition) -> Option<Act> {
    let action = match applied.action() {
        ApplyAction::Created => "definition.create",
        ApplyAction::Updated => "definition.update",
        ApplyAction::Unchanged | ApplyAction::Unspecified => return None,
    };
    let key = DefinitionKey::new(applied.kind(), applied.name.as_str());
    Some(Act::done(
        action,
        format!("{key} version {}", applied.version),
    ))
}

/// Makes the rows of a change: before its transaction, since a service for keys may take a moment.
async fn rows(
    planned: &[Planned],
    vault: Option<&Vault>,
) -> Result<Vec<definition::ActiveModel>, Failure> {
    let mut rows = Vec::new();
    for it in planned.iter().flat_map(|it| &it.written) {
        rows.extend(row(it, vault).await?);
    }
    Ok(rows)
}

async fn insert(
    connection: &impl ConnectionTrait,
    mut rows: Vec<definition::ActiveModel>,
) -> Result<(), Failure> {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(limits::STATEMENT_ROWS));
        definition::Entity::insert_many(rows)
            .exec_without_returning(connection)
            .await
            .map_err(Failure::store_unavailable)?;
        rows = rest;
    }
    Ok(())
}

async fn row(
    it: &Versioned<Definition>,
    vault: Option<&Vault>,
) -> Result<Option<definition::ActiveModel>, Failure> {
    let Some((kind, name)) = name_of(&it.value) else {
        return Ok(None);
    };
    let body = match vault {
        Some(_) => secret::sealed(&it.value, vault).await?.encode_to_vec(),
        None => it.value.encode_to_vec(),
    };
    Ok(Some(definition::ActiveModel {
        kind: Set(kind as i32),
        name: Set(name.to_owned()),
        version: Set(i32::try_from(it.version).map_err(Failure::internal)?),
        body: Set(body),
        etag: Set(it.etag.clone()),
        create_time: Set(it.update_time.as_millis()),
        delete_time: Set(None),
    }))
}
