//! The graph of one customer, as an unmerge needs it and people ask for it.

use std::collections::HashSet;

use identity_core::{CustomerView, Edge, EvidenceKind, Graph, HolderState, Identifier};
use kernel::{CustomerId, FragmentId};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::entity::{cannot_link, evidence, identifier, merge, shared};
use super::evidence::{EvidenceRecord, kind_code, record};
use super::holding::state_of;
use super::operation::fragments_of;
use super::{IdentityStore, OperationRecord};

/// All that holds a customer together.
#[derive(Debug, Clone)]
pub struct CustomerGraph {
    /// The customer.
    pub view: CustomerView,
    /// The epoch of all of this.
    pub epoch: u64,
    /// The fragments and identifiers, and the evidence by its name, or that of its merge.
    pub graph: Graph<Uuid>,
    /// The values that may have several holders, each with the fragment that lists it.
    pub shared: Vec<(Identifier, FragmentId)>,
    /// The evidence that joins fragments and was not taken back, oldest first.
    pub joins: Vec<EvidenceRecord>,
    /// The merges that made it and were not taken back, oldest first.
    pub merges: Vec<OperationRecord>,
}

impl IdentityStore {
    /// Reads the graph of the customer that a fragment belongs to.
    ///
    /// # Errors
    /// As the database says.
    pub async fn graph(&self, of: FragmentId) -> Result<Option<CustomerGraph>, DbErr> {
        let (roots, mut found) = self.find_roots(&[of]).await?;
        let Some((root, (view, epoch))) = roots
            .first()
            .copied()
            .flatten()
            .and_then(|root| found.customers.remove_entry(&root))
        else {
            return Ok(None);
        };
        let mut details = self.details(&[root]).await?;
        let detail = details.remove(&root).unwrap_or_default();
        let listed = shared::Entity::find()
            .filter(shared::Column::FragmentId.in_subquery(fragments_of(root)))
            .all(self.database.orm())
            .await?;
        let joins = self.joins(root).await?;
        let merges = self.merges_into(root).await?;
        let told: HashSet<Uuid> = joins.iter().filter_map(|it| it.operation).collect();
        let by_evidence = joins.iter().filter_map(|it| {
            Some(Edge {
                key: it.id,
                a: it.fragment,
                b: it.joined?,
                identifier: it.identifier.clone(),
            })
        });
        // A merge without evidence holds too.
        let by_merge = merges.iter().filter(|it| !told.contains(&it.id));
        let by_merge = by_merge.filter_map(|it| {
            let [into, from] = it.from.as_slice() else {
                return None;
            };
            Some(Edge {
                key: it.id,
                a: from.fragment(),
                b: into.fragment(),
                identifier: None,
            })
        });
        let held = detail.held.into_iter();
        Ok(Some(CustomerGraph {
            view,
            epoch,
            graph: Graph {
                fragments: detail.fragments,
                edges: by_evidence.chain(by_merge).collect(),
                held: held.map(|it| (it.identifier, it.fragment)).collect(),
            },
            shared: listed
                .into_iter()
                .map(|row| {
                    let (namespace, value) = (row.namespace, row.value);
                    let fragment = FragmentId::new(row.fragment_id);
                    (Identifier { namespace, value }, fragment)
                })
                .collect(),
            joins,
            merges,
        }))
    }

    /// The evidence that joins the fragments of a customer, oldest first.
    async fn joins(&self, root: CustomerId) -> Result<Vec<EvidenceRecord>, DbErr> {
        let kinds = [EvidenceKind::Joined, EvidenceKind::Forced].map(kind_code);
        let rows = evidence::Entity::find()
            .filter(
                Condition::any()
                    .add(evidence::Column::FragmentId.in_subquery(fragments_of(root)))
                    .add(evidence::Column::JoinedFragmentId.in_subquery(fragments_of(root))),
            )
            .filter(evidence::Column::Kind.is_in(kinds))
            .filter(evidence::Column::RetractedBy.is_null())
            .order_by_asc(evidence::Column::FirstTime)
            .order_by_asc(evidence::Column::EvidenceId)
            .all(self.database.orm())
            .await?;
        rows.into_iter().map(record).collect()
    }

    /// The merges of which fragments of a customer were the ones that are gone, oldest first.
    async fn merges_into(&self, root: CustomerId) -> Result<Vec<OperationRecord>, DbErr> {
        let rows = merge::Entity::find()
            .filter(merge::Column::FromCustomerId.in_subquery(fragments_of(root)))
            .filter(merge::Column::RetractedBy.is_null())
            .order_by_asc(merge::Column::CreateTime)
            .order_by_asc(merge::Column::MergeId)
            .all(self.database.orm())
            .await?;
        Ok(rows.into_iter().map(super::operation::of_merge).collect())
    }

    /// Returns the state of an identifier with the fragment that has it, or had it last; absent
    /// where nobody knows it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn identifier_state(
        &self,
        named: &Identifier,
    ) -> Result<Option<(HolderState, FragmentId)>, DbErr> {
        let row = identifier::Entity::find_by_id((named.namespace.clone(), named.value.clone()))
            .one(self.database.orm())
            .await?;
        if let Some(row) = row {
            return Ok(Some((
                state_of(row.state)?,
                FragmentId::new(row.fragment_id),
            )));
        }
        let row = shared::Entity::find()
            .filter(shared::Column::Namespace.eq(named.namespace.as_str()))
            .filter(shared::Column::Value.eq(named.value.as_str()))
            .order_by_desc(shared::Column::IsAlone)
            .order_by_asc(shared::Column::CreateTime)
            .one(self.database.orm())
            .await?;
        Ok(row.map(|row| (HolderState::Alone, FragmentId::new(row.fragment_id))))
    }

    /// Returns the fragments that a customer must never be joined with by events.
    ///
    /// # Errors
    /// As the database says.
    pub async fn cannot_links(&self, root: CustomerId) -> Result<Vec<FragmentId>, DbErr> {
        let own = || fragments_of(root);
        let rows = cannot_link::Entity::find()
            .filter(
                Condition::any()
                    .add(cannot_link::Column::FragmentA.in_subquery(own()))
                    .add(cannot_link::Column::FragmentB.in_subquery(own())),
            )
            .all(self.database.orm())
            .await?;
        let fragments = super::list::fragments(self, root).await?;
        let own: HashSet<FragmentId> = fragments.into_iter().collect();
        let ends = rows
            .into_iter()
            .flat_map(|row| [row.fragment_a, row.fragment_b])
            .map(FragmentId::new);
        let mut others: Vec<FragmentId> = ends.filter(|it| !own.contains(it)).collect();
        others.sort_unstable();
        others.dedup();
        Ok(others)
    }
}
