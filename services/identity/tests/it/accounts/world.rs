//! The installation that the tests of accounts in events share.

use std::sync::Arc;

use decision::{Names, Source as Defined};
use engine::{Clock, TimeSource, VirtualClock};
use hot::StreamName;
use identity::store::{IdentityStore, MembershipRecord};
use identity::{Accepted, AcceptedEvent, Announcer, Intake, Source};
use identity_core::Rules;
use kernel::{CustomerId, Duration, Timestamp};
use proto::definition::v1::definition::Kind;
use proto::identity::v1;
use proto::stream::v1::record::Body;
use proto::stream::v1::{Event, MembershipChanged, Record};

use crate::fixture::{Fixture, Sql, event};

/// The time from which events of a world are; it is an hour later.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The time at which it begins.
pub(super) const NOW: Timestamp = Timestamp::from_millis(BEGIN.as_millis() + 3_600_000);

/// An installation with a clock of its own.
pub(super) struct World {
    pub(super) fixture: Fixture,
    pub(super) clock: Arc<VirtualClock>,
}

impl World {
    pub(super) async fn open(sql: Sql, rules: Rules) -> Self {
        let clock = Arc::new(VirtualClock::new(NOW));
        let wall = TimeSource::Wall(Arc::clone(&clock) as Arc<dyn Clock>);
        Self::on(sql, rules, wall, clock).await
    }

    /// On stream time.
    pub(super) async fn on_stream_time(sql: Sql) -> Self {
        let clock = Arc::new(VirtualClock::new(NOW));
        Self::on(sql, Rules::default(), TimeSource::Stream, clock).await
    }

    async fn on(sql: Sql, rules: Rules, time: TimeSource, clock: Arc<VirtualClock>) -> Self {
        let mut fixture = Fixture::open(sql, time, rules).await;
        fixture.identity.own_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Self { fixture, clock }
    }

    pub(super) async fn process(&self) -> Arc<Intake> {
        self.fixture.identity.clone().open().await.expect("opens")
    }

    pub(super) fn store(&self) -> IdentityStore {
        IdentityStore::new(self.fixture.identity.database.clone())
    }

    /// Lets time pass until whatever was claimed is overdue.
    pub(super) fn pass(&self) {
        self.clock
            .advance_to(self.clock.now() + Duration::from_millis(20_000));
    }

    /// The memberships of an account that hold at a time.
    pub(super) async fn members(
        &self,
        account: CustomerId,
        at: Timestamp,
    ) -> Vec<MembershipRecord> {
        let store = self.store();
        let members = store.members(account, (at, None), None, 1_000);
        members.await.expect("reads")
    }

    /// The records of a stream that are of a subject.
    pub(super) async fn records_of(&self, subject: CustomerId, name: StreamName) -> Vec<Record> {
        let mut records = self.fixture.records(name).await;
        records.retain(|it| it.customer_id.as_ref() == subject.as_bytes());
        records
    }

    /// The events of a subject in the live lane.
    pub(super) async fn events_of(&self, subject: CustomerId) -> Vec<Event> {
        let records = self.records_of(subject, StreamName::Events).await;
        let events = records.into_iter().filter_map(|it| match it.body {
            Some(Body::Event(event)) => Some(event),
            _ => None,
        });
        events.collect()
    }

    /// The changes of memberships that a lane tells a subject.
    pub(super) async fn told(
        &self,
        subject: CustomerId,
        name: StreamName,
    ) -> Vec<MembershipChanged> {
        let records = self.records_of(subject, name).await;
        let told = records.into_iter().filter_map(|it| match it.body {
            Some(Body::Membership(told)) => Some(told),
            _ => None,
        });
        told.collect()
    }

    /// Joins accounts.
    pub(super) async fn merge(&self, accounts: Vec<String>) {
        use proto::identity::v1::account_service_server::AccountService as _;
        let rpc = identity::AccountRpc::new(self.resolution().await);
        let request = v1::MergeAccountsRequest {
            request_id: "m1".to_owned(),
            account_ids: accounts,
            ..Default::default()
        };
        let merged = rpc.merge_accounts(tonic::Request::new(request)).await;
        merged.expect("merges");
    }

    /// The calls of one more process.
    pub(super) async fn resolution(&self) -> identity::ResolutionRpc {
        let rpc = identity::IdentityRpc::new(self.process().await, self.idempotency());
        identity::ResolutionRpc::new(rpc)
    }

    fn idempotency(&self) -> rpc::Idempotency {
        let database = self.fixture.identity.database.clone();
        rpc::Idempotency::new(storage::Requests::new(database))
    }

    /// Looks for what is overdue, in a process.
    pub(super) async fn announce(&self, intake: &Arc<Intake>) {
        let mut announcer = Announcer::new(Arc::clone(intake));
        announcer.tick().await;
        announcer.finish().await;
    }
}

/// Rules with some definitions beside the built-in ones.
pub(super) fn rules(kinds: &[Kind]) -> Rules {
    let sources: Vec<Defined<'_>> = kinds.iter().map(Defined::current).collect();
    Rules::compile(&sources, &Names::default()).expect("rules")
}

/// The rules with a word of domains.
pub(super) fn domains(rule: v1::DomainRule) -> Rules {
    rules(&[Kind::IdentityPolicy(v1::IdentityPolicy {
        name: "accounts".to_owned(),
        domain_rule: rule.into(),
        excluded_domains: vec!["excluded.com".to_owned()],
        ..Default::default()
    })])
}

/// The event `visit` of `user_id=u1` for `account=a1`, some seconds after the beginning.
pub(super) fn acted(identifiers: &str, groups: &str, second: i64) -> v1::Event {
    let time = BEGIN + Duration::from_millis(second * 1_000);
    v1::Event {
        groups: event(groups).identifiers,
        time: Some(proto::convert::timestamp(time)),
        ..event(identifiers)
    }
}

/// Resolves and appends events.
pub(super) async fn take(intake: &Intake, events: Vec<v1::Event>) -> Accepted {
    take_from(intake, events, Source::None).await
}

pub(super) async fn take_from(
    intake: &Intake,
    events: Vec<v1::Event>,
    source: Source<'_>,
) -> Accepted {
    let mut accepted = accept(intake, events, source).await;
    let outbound = std::mem::replace(&mut accepted.outbound, nothing(intake).await);
    intake.append(outbound, None).await.expect("appends");
    accepted
}

/// Resolves events, and appends nothing.
pub(super) async fn accept(
    intake: &Intake,
    events: Vec<v1::Event>,
    source: Source<'_>,
) -> Accepted {
    let accepted = intake.accept(events, source, StreamName::Events).await;
    accepted.expect("accepts")
}

async fn nothing(intake: &Intake) -> identity::Outbound {
    accept(intake, Vec::new(), Source::None).await.outbound
}

/// The account of the first group of an event.
pub(super) fn account(event: &AcceptedEvent) -> CustomerId {
    event.groups[0].account().expect("an account")
}

/// The customer of an event.
pub(super) fn customer(event: &AcceptedEvent) -> CustomerId {
    event.resolution.as_ref().expect("a customer").customer
}

/// Stops what is done with a key of an account.
pub(super) async fn suppress(world: &World, pair: &str) {
    use proto::identity::v1::erasure_service_server::ErasureService as _;
    let (namespace, value) = pair.split_once('=').expect("namespace=value");
    let erasures = identity::ErasureRpc::new(world.process().await, world.idempotency());
    let request = v1::SuppressRequest {
        request_id: "s1".to_owned(),
        identifiers: vec![v1::Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        }],
    };
    let answer = erasures.suppress(tonic::Request::new(request)).await;
    answer.expect("suppressed");
}
