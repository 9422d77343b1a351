//! Joins customers because somebody says so.

use hot::StreamName;
use identity_core::Identifier;
use kernel::CustomerId;
use tokio::time::Instant;
use uuid::Uuid;

use crate::append::{AppendError, Group, Sequenced, Took};
use crate::erasure::Held;
use crate::groups::{awaited, merged, split};
use crate::ingest::Intake;
use crate::kind::Kind;
use crate::resolve::{Given, ResolveError, Resolver};
use crate::store::{Cause, MergeRecord, News, SentAs};

/// The reason on record of a merge that gave none.
const FORCED_REASON: &str = "forced";

/// Identifiers and customers that are one now.
#[derive(Debug)]
pub(crate) struct Linked {
    /// The customer.
    pub(crate) customer: CustomerId,
    /// The customers that were joined into it.
    pub(crate) merged: Vec<CustomerId>,
    /// The last of the merges; absent for none.
    pub(crate) operation_id: Option<Uuid>,
    /// The fate of the news.
    pub(crate) took: Took,
}

/// The reason for which a merge was not carried out, or not yet announced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// It was not carried out.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It was, and its announcement is late: the same request again finds it done.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Intake {
    /// The one who resolves subjects of a kind.
    pub(crate) const fn resolver_of(&self, kind: Kind) -> &Resolver {
        match kind {
            Kind::Customer => &self.resolver,
            Kind::Account => &self.accounts,
        }
    }

    /// Joins customers, or accounts, into the oldest of them, and tells the streams of the others.
    /// Returns that one, the others, and what became of the words. The same request again returns
    /// the same.
    pub(crate) async fn merge(
        &self,
        customers: &[CustomerId],
        reason: &str,
        request_id: &str,
        deadline: Option<Instant>,
    ) -> Result<(CustomerId, Vec<CustomerId>, Took), MergeError> {
        let rules = std::sync::Arc::clone(&self.namespaces.borrow());
        let cause = Cause {
            request_id,
            ..self.word(reason)
        };
        let kind = customers.first().copied().map_or(Kind::Customer, Kind::of);
        let own = kind.rules(&rules);
        let merged = self.resolver_of(kind).merge(own, customers, cause);
        let (into, mut news) = merged.await?;
        if news.is_empty() {
            let made = self.made_before(customers, request_id).await?;
            news = made.into_iter().map(News::Merge).collect();
        }
        let _announcing = self.under_way.begin(&news, None);
        let took = self.announce(&news, deadline).await?;
        let merged = news.iter().filter_map(News::merge).map(|it| it.from);
        Ok((into, merged.collect(), took))
    }

    /// Gives identifiers to a customer, joins all who hold any of them, and tells the streams of
    /// those who are gone. Without a customer it is whoever holds any of them, or somebody new.
    pub(crate) async fn link(
        &self,
        customer: Option<CustomerId>,
        identifiers: Vec<Identifier>,
        (reason, request_id): (&str, &str),
        deadline: Option<Instant>,
    ) -> Result<Linked, MergeError> {
        let rules = std::sync::Arc::clone(&self.namespaces.borrow());
        let cause = Cause {
            request_id,
            ..self.word(reason)
        };
        let linked = self.resolver.link(&rules, customer, &identifiers, cause);
        let Given { customer, mut news } = linked.await?;
        if news.is_empty() {
            let made = self.made_before(&[customer], request_id).await?;
            news = made.into_iter().map(News::Merge).collect();
        }
        let _announcing = self.under_way.begin(&news, None);
        let took = self.announce(&news, deadline).await?;
        let members = self.join_by_domains(&rules, customer, (&identifiers, cause));
        let members = members.await?;
        let took = took.and(self.announce_memberships(&members, deadline).await?);
        let merged = news.iter().filter_map(News::merge);
        Ok(Linked {
            customer,
            merged: merged.map(|it| it.from).collect(),
            operation_id: news.last().map(News::id),
            took,
        })
    }

    /// The cause of what somebody says now.
    fn word<'a>(&self, reason: &'a str) -> Cause<'a> {
        Cause {
            reason: if reason.is_empty() {
                FORCED_REASON
            } else {
                reason
            },
            request_id: "",
            time: self.own_clock.now(),
            looks_back: true,
            origins: &(),
            policy_version: 0,
            held: Held::ANY,
        }
    }

    /// Finds the merges that an earlier try of a request made, which are its own too. It made all
    /// of them or none, so that they are looked for only where this try makes none. They are
    /// announced again, which changes nothing where they were, and tells where that is.
    async fn made_before(
        &self,
        customers: &[CustomerId],
        request_id: &str,
    ) -> Result<Vec<MergeRecord>, ResolveError> {
        let (Some(sent), Some(one)) = (SentAs::merge(request_id), customers.first()) else {
            return Ok(Vec::new());
        };
        let sent = [(sent, one.fragment())];
        let made = self.resolver.tables().merges_sent_as(&sent).await?;
        Ok(made.into_iter().map(|(_, merge)| merge).collect())
    }

    /// Appends news of customers, in their order, and notes that they are in the streams. Returns
    /// what became of them.
    ///
    /// Of a merge the survivor is told first, so that whatever comes for them afterwards waits for
    /// the other. A split is told to the customer who comes out.
    pub(crate) async fn announce(
        &self,
        news: &[News],
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let now = self.clock.now_of_partition();
        let mut turn = self.pace.turn(&self.appender, deadline).await?;
        if let Some(turn) = &mut turn {
            let customers = news.iter().flat_map(News::customers);
            let partitions = customers.map(|it| self.partitions.partition_of(it.fragment()));
            turn.pass_time(partitions, now).await?;
        }
        let mut took = Took::NOTHING;
        for it in news {
            let records = match it {
                News::Merge(merge) => {
                    let (way, epoch) = ((merge.from, merge.into), merge.graph_epoch);
                    vec![
                        (merge.into, awaited(way, epoch, now)),
                        merged(way, epoch, now, ""),
                    ]
                }
                News::Split(record) => vec![split(record, now, "")],
            };
            // Its own source, so that what was announced before is not announced again.
            let source = match it {
                News::Merge(merge) => format!("merge:{}", merge.id),
                News::Split(split) => format!("split:{}", split.id),
            };
            for (sequence, (to, record)) in (1..).zip(records) {
                let group = Group {
                    partition: self.partitions.partition_of(to.fragment()),
                    records: vec![Sequenced {
                        sequence,
                        stretch: None,
                        record,
                    }],
                };
                let appended =
                    self.appender
                        .append(StreamName::Events, vec![group], Some(&source), deadline);
                took = took.and(appended.await?);
            }
        }
        self.announced(news).await;
        Ok(took)
    }
}
