//! Merges and unmerges as identity tells them, played through workers whose store may fail, and the
//! check of what comes of them: each customer has what happened to its fragments.

use hot::SharedHotStore;
use kernel::Duration;
use messages::stream::v1::{CustomerMerged, CustomerSplit, MergeAwaited, Record, record::Body};
use proptest::prelude::*;

use super::super::faulty::Faulty;
use super::graph::{Change, Graph};
use super::records::{by_fragment, customer, event, record};
use super::steps::{Failure, tick};
use super::world::{SERVICES, WORKERS, World};
use crate::Clock as _;
use crate::head::id_bytes;

/// The next thing to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// A record for a customer comes to a service, by their own id.
    Record(usize, u16, bool),
    /// An event of a customer comes by the id that they have now.
    Event(u16, bool),
    /// An event of a customer comes by an id that they had before.
    Late(u16, bool),
    /// Two customers are joined.
    Join(u16, u16, bool),
    /// A customer comes out of another, with those younger ones that a mask names.
    Split(u16, u16),
    /// A customer is told to do something, as the ledger knows it.
    Tell(u16, &'static str),
    /// A worker does one batch.
    Tick(usize),
    /// All workers do all they can.
    Settle,
    /// So many milliseconds pass, where the services go by a clock.
    Pass(i64),
}

/// The news of a merge for the younger customer.
pub(super) fn told_merged(change: &Change, time_ms: i64) -> Record {
    Record {
        body: Some(Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(customer(change.other)),
            graph_epoch: change.epoch,
            ..CustomerMerged::default()
        })),
        ..event(change.customer, "", "", time_ms)
    }
}

/// The word of a merge for the survivor.
pub(super) fn told_awaited(change: &Change, time_ms: i64) -> Record {
    Record {
        body: Some(Body::Awaited(MergeAwaited {
            from_customer_ids: id_bytes(customer(change.customer)),
            graph_epoch: change.epoch,
        })),
        ..event(change.other, "", "", time_ms)
    }
}

/// The news of an unmerge for the customer who comes out.
pub(super) fn told_split(change: &Change, time_ms: i64) -> Record {
    let with = change.with.iter();
    let with = with.flat_map(|it| *customer(*it).as_bytes());
    Record {
        body: Some(Body::Split(CustomerSplit {
            from_customer_id: id_bytes(customer(change.other)),
            fragment_ids: with.collect::<Vec<u8>>().into(),
            graph_epoch: change.epoch,
            ..CustomerSplit::default()
        })),
        ..event(change.customer, "", "", time_ms)
    }
}

/// An event of a fragment of a customer, as identity resolved it at a graph epoch.
pub(super) fn resolved(root: u16, fragment: u16, id: &str, epoch: u64, time_ms: i64) -> Record {
    let mut record = by_fragment(root, fragment, id, time_ms);
    if let Some(Body::Event(event)) = &mut record.body {
        event.graph_epoch = epoch;
    }
    record
}

/// The name of a record: the first service that sees it, its customer, and the number of the act.
fn name(number: usize, act: &Act) -> Option<(usize, u16, String)> {
    let (service, who) = match act {
        Act::Record(service, who, _) => (*service, *who),
        Act::Event(who, _) | Act::Late(who, _) | Act::Tell(who, _) => (0, *who),
        _ => return None,
    };
    Some((service, who, format!("{service}.{who}-{number}")))
}

/// Plays the acts, and then all that is left. Returns how many calls the store got, and who belongs
/// together.
pub(super) async fn play(
    mut world: World,
    acts: &[Act],
    (fails_at, fault, then): Failure,
) -> (World, u64, Graph) {
    world.has_changes = true;
    let faulty = Faulty::new(std::sync::Arc::clone(&world.hot), fails_at, fault);
    let world = world.through(std::sync::Arc::clone(&faulty) as SharedHotStore);
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(world.open(number).await);
    }
    let mut graph = Graph::default();
    // Of each customer, the one before and the epoch then.
    let mut before: std::collections::BTreeMap<u16, (u16, u64)> = std::collections::BTreeMap::new();
    for (number, act) in acts.iter().enumerate() {
        let time_ms = i64::try_from(number).expect("few acts");
        let id = name(number, act).map_or_else(String::new, |it| it.2);
        match *act {
            Act::Record(service, who, bulk) => {
                let record = record(service, who, &id, time_ms);
                world.tell_lane((service, bulk), record).await;
            }
            Act::Event(who, bulk) => {
                let (root, epoch) = (graph.root(who), graph.epoch(who));
                let event = resolved(root, who, &id, epoch, time_ms);
                world.tell_lane((0, bulk), event).await;
            }
            Act::Late(who, bulk) => {
                let (root, epoch) = before.get(&who).copied().unwrap_or((who, 0));
                let event = resolved(root, who, &id, epoch, time_ms);
                world.tell_lane((0, bulk), event).await;
            }
            Act::Join(one, other, bulk) => {
                note(&mut before, &graph, [one, other]);
                if let Some(change) = graph.join(one, other) {
                    let word = told_awaited(&change, time_ms);
                    world.tell_lane((0, bulk), word).await;
                    let news = told_merged(&change, time_ms);
                    world.tell_lane((0, bulk), news).await;
                }
            }
            Act::Split(who, mask) => {
                note(&mut before, &graph, [who]);
                let with = |it: u16| (mask >> (it % 16)) & 1 == 1;
                if let Some(change) = graph.split(who, with) {
                    world.tell(0, told_split(&change, time_ms)).await;
                }
            }
            Act::Tell(who, what) => world.tell(0, event(who, &id, what, time_ms)).await,
            Act::Tick(worker) => {
                tick(&world, &mut workers, worker, then).await;
            }
            Act::Settle => rest(&world, &mut workers, then).await,
            Act::Pass(millis) => {
                if let Some(clock) = &world.clock {
                    clock.advance_to(clock.now() + Duration::from_millis(millis));
                }
            }
        }
    }
    rest(&world, &mut workers, then).await;
    (world.direct(), faulty.calls(), graph)
}

/// Takes note of where customers, and those with them, are before a change.
fn note<const N: usize>(
    before: &mut std::collections::BTreeMap<u16, (u16, u64)>,
    graph: &Graph,
    changed: [u16; N],
) {
    for root in changed.map(|it| graph.root(it)) {
        let now = (root, graph.epoch(root));
        before.extend(graph.others(root).into_iter().map(|it| (it, now)));
        before.insert(root, now);
    }
}

async fn rest(
    world: &World,
    workers: &mut [Box<dyn super::world::Works>],
    then: super::steps::Then,
) {
    let (mut turn, mut resting) = (0, 0);
    while resting < 2 * WORKERS {
        let is_resting = tick(world, workers, turn % WORKERS, then).await;
        resting = if is_resting { resting + 1 } else { 0 };
        turn += 1;
        if turn > 30_000 {
            let waiting = world.waiting_customers().await;
            let records = world.unread_records().await;
            panic!("the workers never rest: {waiting:?} {records:?}");
        }
    }
}

/// Every record took effect once, on the customer whose fragment it happened to; nothing waits or is
/// on its way, and each customer has their fragments.
pub(super) async fn check(
    world: &World,
    acts: &[Act],
    graph: &Graph,
    customers: u16,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(world.quarantined().await, Vec::<String>::new());
    prop_assert_eq!(world.waiting_customers().await, Vec::<String>::new());
    for service in 0..SERVICES {
        let mut total = 0;
        for who in 1..=customers {
            let root = graph.root(who);
            let head = world.head(service, who).await;
            prop_assert!(!head.is_splitting(), "{} of {}: {:?}", who, service, head);
            prop_assert_eq!(
                head.redirect.is_none(),
                root == who,
                "{} of {}: {:?}",
                who,
                service,
                head
            );
            let found = world.found(service, who).await;
            prop_assert_eq!(found, root, "{} of {}", who, service);
            if root != who {
                continue;
            }
            let mut taken = world.fragments(service, who).await;
            taken.sort_unstable();
            let others = graph.others(who);
            prop_assert_eq!(taken, others, "fragments of {} of {}", who, service);
            let mut log = world.log(service, who).await;
            log.sort_unstable();
            let names = acts.iter().enumerate();
            let names = names.filter_map(|(number, act)| name(number, act));
            let own = names.filter(|(first, of, _)| *first <= service && graph.root(*of) == who);
            let mut expected: Vec<String> = own.map(|it| it.2).collect();
            expected.sort_unstable();
            total += i64::try_from(log.len()).expect("few");
            prop_assert_eq!(log, expected, "records of {} of {}", who, service);
        }
        let seen = world.count(service, "seen").await;
        prop_assert_eq!(seen, total, "counted by {}", service);
    }
    prop_assert_eq!(world.strays().await, Vec::<String>::new());
    Ok(())
}
