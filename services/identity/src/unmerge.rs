//! Takes customers apart because somebody says so.

mod plan;
mod show;

use std::collections::HashSet;

use identity_core::{CustomerView, Identifier, NewFragment, UnmergePlan};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use self::plan::{plan, whose};
use self::show::{records, view};
use crate::append::{AppendError, Took};
use crate::ingest::Intake;
use crate::kind::Kind;
use crate::limits::RESOLVE_ATTEMPTS;
use crate::resolve::{ResolveError, Resolver};
use crate::store::{
    CommitError, CustomerGraph, CustomerRecord, EvidenceRecord, IdentityStore, News, OperationKind,
    OperationRecord, Parting, SplitRecord,
};

/// Fragments of an event's evidence that are looked at.
const EVENT_EVIDENCE: u64 = 100;

/// The thing that is to come apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnmergeBy {
    /// The customers that an operation joined.
    Operation(Uuid),
    /// A fragment from all others.
    Fragment(FragmentId),
    /// An identifier, with its fragment; where it shares that with others, alone.
    Identifier(Identifier),
    /// The customers that an event joined, by its id.
    Event(String),
}

/// A request to take a customer apart.
#[derive(Debug, Clone)]
pub struct Unmerge {
    /// True for an account, whose fragments are never a customer's.
    pub is_account: bool,
    /// The customer or account, by any fragment; absent where `by` says whose it is.
    pub customer: Option<CustomerId>,
    /// The thing that is to come apart.
    pub by: UnmergeBy,
    /// True to be told what would happen, with nothing changed.
    pub is_dry_run: bool,
    /// The reason, for the record.
    pub reason: String,
    /// Names the request.
    pub request_id: String,
}

impl Unmerge {
    /// The kind of what is taken apart.
    pub(crate) const fn kind(&self) -> Kind {
        if self.is_account {
            Kind::Account
        } else {
            Kind::Customer
        }
    }
}

/// The customers that came apart, or would.
#[derive(Debug, Clone)]
pub struct Unmerged {
    /// The customers, the one who keeps the id first.
    pub customers: Vec<CustomerRecord>,
    /// The operation; absent where nothing was changed.
    pub operation_id: Option<Uuid>,
    /// The evidence that holds together what was named.
    pub remaining: Vec<EvidenceRecord>,
    /// The fragment that an identifier leaves alone, with all that its events taught; absent where
    /// fragments come apart only.
    pub left: Option<FragmentId>,
    /// The news, to be told.
    pub news: Vec<News>,
}

/// The reason for which nothing was taken apart.
#[derive(Debug, thiserror::Error)]
pub enum UnmergeError {
    /// There is no such customer, operation, fragment, identifier or event: correct it.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// It is about somebody of the other kind: a customer, or an account. Call the other service.
    #[error("it is about {0}, which is {name}", name = kind_of(*.0))]
    OtherKind(CustomerId),
    /// It is not joined with anything.
    #[error("there is nothing to take apart: the customer has nothing else")]
    Nothing,
    /// As for any resolution.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It was taken apart, and its announcement is late: the same request again finds it done.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The kind of an id, with its article.
fn kind_of(id: CustomerId) -> &'static str {
    match Kind::of(id) {
        Kind::Customer => "a customer",
        Kind::Account => "an account",
    }
}

impl From<DbErr> for UnmergeError {
    fn from(error: DbErr) -> Self {
        Self::Resolve(error.into())
    }
}

impl Intake {
    /// Takes a customer apart, and tells the streams of those who come out. The same request again
    /// returns the same. Returns what became of the words, too.
    pub(crate) async fn unmerge(
        &self,
        request: &Unmerge,
        deadline: Option<Instant>,
    ) -> Result<(Unmerged, Took), UnmergeError> {
        let now = self.own_clock.now();
        let store = &self.store;
        let resolver = self.resolver_of(request.kind());
        let unmerged = resolver.unmerge(store, request, now).await?;
        if unmerged.news.is_empty() {
            return Ok((unmerged, Took::NOTHING));
        }
        self.metrics.unmerged();
        let _announcing = self.under_way.begin(&unmerged.news, None);
        let took = self.announce(&unmerged.news, deadline).await?;
        Ok((unmerged, took))
    }
}

impl Resolver {
    /// Takes a customer apart.
    ///
    /// # Errors
    /// [`UnmergeError`].
    pub async fn unmerge(
        &self,
        store: &IdentityStore,
        request: &Unmerge,
        now: Timestamp,
    ) -> Result<Unmerged, UnmergeError> {
        let id = operation_id(request);
        for attempt in 0..RESOLVE_ATTEMPTS {
            if !request.is_dry_run
                && let Some(done) = done_before(store, id).await?
            {
                return Ok(done);
            }
            let graph = whose(store, request).await?;
            let plan = plan(&graph, &request.by)?;
            let comes_apart = plan.parts.len() > 1 || plan.moved.is_some();
            if !comes_apart {
                return not_apart(store, &graph, &plan).await;
            }
            let made = plan.moved.as_ref().map(|_| NewFragment {
                create_time: now,
                id: self.draw_fragment(now),
            });
            let parting = self.parting(&graph, plan, (request, id, now), made);
            let left = parting.moved.as_ref().map(|(_, from, _)| *from);
            if request.is_dry_run {
                return Ok(Unmerged {
                    customers: records(&parting, &graph),
                    operation_id: None,
                    remaining: Vec::new(),
                    left,
                    news: Vec::new(),
                });
            }
            match store.commit_parting(&parting).await {
                Ok(()) => {
                    self.forget_parts(&parting);
                    return Ok(Unmerged {
                        customers: records(&parting, &graph),
                        operation_id: Some(id),
                        remaining: Vec::new(),
                        left,
                        news: parting.splits.into_iter().map(News::Split).collect(),
                    });
                }
                Err(CommitError::Raced | CommitError::Erased) => self.pause(attempt).await,
                Err(CommitError::Database(error)) => return Err(error.into()),
                Err(CommitError::Audit(error)) => return Err(ResolveError::Audit(error).into()),
            }
        }
        Err(ResolveError::Contended.into())
    }

    /// Has the cache forget who the customers were that came apart.
    fn forget_parts(&self, parting: &Parting) {
        let fragments = parting.parts.iter().flatten().copied();
        self.part(&fragments.collect());
    }

    /// Writes down a plan.
    fn parting(
        &self,
        graph: &CustomerGraph,
        plan: UnmergePlan<Uuid>,
        (request, id, now): (&Unmerge, Uuid, Timestamp),
        made: Option<NewFragment>,
    ) -> Parting {
        let moved = plan.moved.as_ref().zip(made).and_then(|(named, made)| {
            let held = graph.graph.held.iter().find(|(it, _)| it == named);
            held.map(|(identifier, from)| (identifier.clone(), *from, made))
        });
        let apart = moved.iter().map(|(_, from, made)| (*from, made.id));
        let apart: Vec<(FragmentId, FragmentId)> = apart.collect();
        let mut customers: Vec<CustomerView> = plan
            .parts
            .iter()
            .map(|part| view(graph, part, plan.moved.as_ref()))
            .collect();
        if let Some((identifier, _, made)) = &moved {
            let mut own = CustomerView::new(made.id.into(), made.create_time);
            own.add_identifiers(&identifier.namespace, 1);
            customers.push(own);
        }
        let merge_time = |part: &[FragmentId]| {
            let own = graph.merges.iter().filter(|merge| {
                let mut of = merge.from.iter().skip(1);
                of.any(|from| part.contains(&from.fragment()))
            });
            own.map(|merge| merge.time).min().unwrap_or(Timestamp::MIN)
        };
        let splits = plan.parts.iter().skip(1).filter_map(|part| {
            let (first, others) = part.split_first()?;
            Some(SplitRecord {
                id: self.draw_id(),
                operation: id,
                customer: (*first).into(),
                from: graph.view.id,
                fragments: others.to_vec(),
                merge_time: merge_time(part),
                graph_epoch: graph.epoch + 1,
            })
        });
        Parting {
            operation: OperationRecord {
                id,
                kind: OperationKind::Unmerge,
                time: now,
                from: vec![graph.view.id],
                to: customers.iter().map(|view| view.id).collect(),
                event_id: String::new(),
                request_id: request.request_id.clone(),
                reason: request.reason.clone(),
                retracted_by: None,
            },
            epoch: graph.epoch,
            splits: splits.collect(),
            merges: undone(graph, &plan.retracted),
            evidence: plan.retracted,
            cannot_links: plan.cannot_links.into_iter().chain(apart).collect(),
            parts: plan.parts,
            customers,
            moved,
        }
    }
}

/// The merges of which no evidence is left.
fn undone(graph: &CustomerGraph, retracted: &[Uuid]) -> Vec<Uuid> {
    let is_gone = |it: &&EvidenceRecord| retracted.contains(&it.id);
    let left = graph.joins.iter().filter(|it| !is_gone(it));
    let holding: HashSet<Uuid> = left.filter_map(|it| it.operation).collect();
    let gone = graph.joins.iter().filter(is_gone);
    let operations = gone.filter_map(|it| it.operation);
    let merges: HashSet<Uuid> = operations.chain(retracted.iter().copied()).collect();
    merges
        .into_iter()
        .filter(|it| !holding.contains(it))
        .collect()
}

/// Names the operation of a request, the same at every try.
fn operation_id(request: &Unmerge) -> Uuid {
    let mut hasher = Sha256::new();
    // Requests about accounts have ids of their own.
    hasher.update(match request.kind() {
        Kind::Customer => "unmerge",
        Kind::Account => "unmerge_account",
    });
    hasher.update([0]);
    hasher.update(&request.request_id);
    let hash = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Finds what an earlier try of a request did, with the news to be told again, which changes
/// nothing where they were told.
async fn done_before(store: &IdentityStore, id: Uuid) -> Result<Option<Unmerged>, UnmergeError> {
    let Some(operation) = store.operation(id).await? else {
        return Ok(None);
    };
    let mut customers = Vec::with_capacity(operation.to.len());
    for customer in operation.to {
        customers.extend(store.customer(customer.fragment()).await?);
    }
    let splits = store.splits_of(id).await?;
    // Of all who came out, one that an identifier alone was made of is told by no stream.
    let is_made = |it: &&CustomerRecord| !splits.iter().any(|split| split.customer == it.id);
    let left = match customers.iter().skip(1).find(is_made) {
        Some(made) => store.left_by(id, made.id.fragment()).await?,
        None => None,
    };
    Ok(Some(Unmerged {
        customers,
        operation_id: Some(id),
        remaining: Vec::new(),
        left,
        news: splits.into_iter().map(News::Split).collect(),
    }))
}

/// The answer where nothing comes apart.
async fn not_apart(
    store: &IdentityStore,
    graph: &CustomerGraph,
    plan: &UnmergePlan<Uuid>,
) -> Result<Unmerged, UnmergeError> {
    let remaining = graph.joins.iter();
    let remaining: Vec<EvidenceRecord> = remaining
        .filter(|it| plan.remaining.contains(&it.id))
        .cloned()
        .collect();
    if remaining.is_empty() {
        return Err(UnmergeError::Nothing);
    }
    let customer = store.customer(graph.view.id.fragment()).await?;
    Ok(Unmerged {
        customers: customer.into_iter().collect(),
        operation_id: None,
        remaining,
        left: None,
        news: Vec::new(),
    })
}
