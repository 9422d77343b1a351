//! Tells the streams who became a member of an account, or is one no more: once the account, and
//! once the customer.
//!
//! A change is written before its records are appended. Where the process dies in between, another
//! look finds it: see `announce.rs`. One that is told twice changes nothing, since the newest
//! counts.

use std::collections::BTreeMap;

use hot::StreamName;
use kernel::{CustomerId, PartitionId, Timestamp};
use proto::convert::id_bytes;
use proto::stream::v1::{MembershipChanged, Record, record::Body};
use tokio::time::Instant;

use crate::append::{AppendError, Group, Sequenced, Took};
use crate::ingest::Intake;
use crate::store::AccountNews;

impl Intake {
    /// Appends changes of memberships, in their order, and notes that they are in the streams:
    /// those of a change of many in bulk. Returns what became of those that are not.
    ///
    /// # Errors
    /// [`AppendError`]: they are told later, by whoever looks for what is overdue.
    pub(crate) async fn announce_memberships(
        &self,
        news: &[AccountNews],
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        if news.is_empty() {
            return Ok(Took::NOTHING);
        }
        let _until_told = self.under_way.begin_members(news, &[]);
        let (bulk, live): (Vec<&AccountNews>, Vec<&AccountNews>) =
            news.iter().partition(|it| it.is_bulk);
        let mut took = self.tell(&live, StreamName::Events, deadline).await?;
        let lane = self.lane(StreamName::EventsBulk);
        let told = self.tell(&bulk, lane, deadline).await?;
        if live.is_empty() {
            took = told;
        }
        self.members_told(news).await;
        Ok(took)
    }

    async fn tell(
        &self,
        news: &[&AccountNews],
        stream: StreamName,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        if news.is_empty() {
            return Ok(Took::NOTHING);
        }
        let now = self.clock.now_of_partition();
        let mut records: BTreeMap<PartitionId, Vec<Sequenced>> = BTreeMap::new();
        for it in news {
            // A virtual clock moves with the records of a partition, and never back.
            let time = if self.clock.is_virtual() {
                now
            } else {
                it.time
            };
            for (to, record) in told(it, time) {
                let partition = self.partitions.partition_of(to.fragment());
                records.entry(partition).or_default().push(Sequenced {
                    sequence: 0,
                    stretch: None,
                    record,
                });
            }
        }
        let mut turn = self.pace.turn(&self.appender, deadline).await?;
        if let Some(turn) = &mut turn {
            turn.pass_time(records.keys().copied(), now).await?;
        }
        let groups = records.into_iter();
        let groups = groups.map(|(partition, records)| Group { partition, records });
        let groups = groups.collect();
        self.appender.append(stream, groups, None, deadline).await
    }

    /// Notes that changes are in the streams; where that fails, they are told once more, which
    /// changes nothing.
    pub(crate) async fn members_told(&self, news: &[AccountNews]) {
        if news.is_empty() {
            return;
        }
        if let Err(error) = self.resolver.tables().mark_account_news(news).await {
            tracing::warn!(%error, count = news.len(), "memberships not marked as told");
        }
    }
}

/// Returns the records of a change at a time, for those who are to be told.
pub(crate) fn told(
    news: &AccountNews,
    time: Timestamp,
) -> impl Iterator<Item = (CustomerId, Record)> {
    let record = |to: CustomerId, member_count: u32| {
        let body = MembershipChanged {
            account_id: id_bytes(news.account),
            member_id: id_bytes(news.customer),
            role: news.role.clone(),
            is_member: news.is_member,
            is_primary: news.is_primary,
            member_count,
            number: news.number,
        };
        let record = Record {
            customer_id: id_bytes(to),
            time_ms: time.as_millis(),
            body: Some(Body::Membership(body)),
            ..Record::default()
        };
        (to, record)
    };
    let account = news.tells_account;
    let account = account.then(|| record(news.account, news.member_count));
    let customer = news.tells_customer.then(|| record(news.customer, 0));
    account.into_iter().chain(customer)
}
