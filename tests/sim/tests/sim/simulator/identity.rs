//! Identity inside: the real way in of every process, over tables in SQLite.
//!
//! A call of SQL blocks the one thread of the simulation while its clock stands still, and ids are
//! drawn from the seed. So a seed runs the same every time here too.

mod chance;
mod checks;
mod overdue;
mod tables;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Clock, TimeSource};
use hot::{SharedHotStore, StreamName};
use identity::store::{IdentityStore, MIGRATIONS};
use identity::{Accepted, Identity, Intake, Source, announce_overdue};
use identity_core::Rules;
use kernel::{CustomerId, FragmentId};
use proto::identity::v1;
use proto::stream::v1::record::Body;
use storage::Database;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::chance::SeededChance;
use self::tables::TablesLink;
use super::installation::Shared;
use super::link::Link;
use super::world::World;

/// The time for which a call tries to append, as in production.
const APPEND_PATIENCE: Duration = identity::limits::APPEND_PATIENCE;

/// Runs SQL: in real time, on a thread of its own.
static SQL: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Waits for SQL, and blocks the thread.
pub(crate) fn wait<T: Send>(call: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || SQL.block_on(call));
        waiting.join().expect("a call of SQL does not panic")
    })
}

/// The tables of identity, in SQL.
#[derive(Debug)]
pub(crate) struct Registry {
    database: Database,
    chance: Arc<SeededChance>,
    pub(crate) store: IdentityStore,
    /// Merges that are written and not told of.
    owed: Mutex<BTreeSet<Uuid>>,
    /// True once anybody became a member of an account.
    pub(super) has_members: AtomicBool,
}

impl Registry {
    /// Nobody is known yet.
    pub(crate) fn empty(world: &Arc<World>) -> Self {
        let database = wait(async {
            let url = "sqlite::memory:".parse().expect("a URL");
            let database = Database::connect(&url).await.expect("SQLite opens");
            let migrated = database.migrate("identity", MIGRATIONS).await;
            migrated.expect("SQLite takes the tables");
            database
        });
        let chance = Arc::new(SeededChance::new(Arc::clone(world)));
        Self {
            store: IdentityStore::with_chance(database.clone(), Arc::clone(&chance) as _),
            database,
            chance,
            owed: Mutex::default(),
            has_members: AtomicBool::new(false),
        }
    }

    fn owed(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether every merge is told of.
    pub(crate) fn is_all_told(&self) -> bool {
        self.owed().is_empty()
    }

    /// The customer of an identifier, if there is one.
    pub(crate) fn find(&self, namespace: &str, value: &str) -> Option<CustomerId> {
        let identifier = identity_core::Identifier {
            namespace: namespace.to_owned(),
            value: value.to_owned(),
        };
        let found = wait(
            self.store
                .find(&std::collections::HashSet::from([&identifier])),
        );
        let found = found.expect("SQLite answers").identifiers;
        found.first().map(|found| found.customer)
    }
}

/// Opens the way in of a process, and has it tell of what others owe.
pub(crate) fn open(
    shared: &Shared,
    link: &Arc<Link>,
    hot: &SharedHotStore,
    clock: &Arc<dyn Clock>,
    stop: CancellationToken,
) -> Option<Arc<Intake>> {
    let registry = Arc::clone(shared.registry.as_ref()?);
    let identity = Identity {
        database: registry.database.clone(),
        hot: Arc::clone(hot),
        partitions: hot.partition_count(),
        time: if shared.options.is_wall {
            TimeSource::Wall(Arc::clone(clock))
        } else {
            TimeSource::Stream
        },
        own_clock: Arc::clone(clock),
        chance: Arc::clone(&registry.chance) as _,
        namespaces: watch::channel(Arc::new(namespaces())).1,
        definitions: None,
        downstream: None,
    };
    let link = Arc::clone(link);
    let opened = wait(identity.open_over(move |store| {
        Arc::new(TablesLink {
            store,
            registry,
            link,
        })
    }));
    let intake = opened.expect("SQLite answers");
    tokio::spawn(announce_overdue(Arc::clone(&intake), stop));
    Some(intake)
}

/// The namespaces, with limits that events come to.
fn namespaces() -> Rules {
    let yaml = "namespace: {name: user_id, priority: 1, limit: 1}\n---\n\
                namespace: {name: email, priority: 2, limit: 2, normalizer: NORMALIZER_TRIM}\n---\n\
                namespace: {name: device, priority: 3, limit: 3}\n";
    let parsed = definitions::parse("simulation", yaml);
    let parsed = parsed.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let kinds: Vec<_> = parsed.into_iter().filter_map(|it| it.value.kind).collect();
    let sources: Vec<_> = kinds.iter().map(decision::Source::current).collect();
    Rules::compile(&sources, &decision::Names::default())
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// An event on its way to identity.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The number of the event.
    pub(crate) number: u64,
    pub(crate) event: v1::Event,
    /// True where its sender counts its events; otherwise each is a request with an id.
    pub(crate) is_counted: bool,
}

/// The answer of identity to an event.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) customer: CustomerId,
    /// The fragments that the record names as evidence.
    pub(crate) fragments: Vec<FragmentId>,
    /// The identifiers that were sent and are neither named nor left out by a limit.
    pub(crate) unexplained: usize,
}

/// Takes an event in, as the handlers of requests and of streams do. Returns `None` where the event
/// is known as a replay of its source, which nobody resolves again.
///
/// # Errors
/// The reason; the client sends it again.
pub(crate) async fn take(
    intake: Arc<Intake>,
    arrival: Arrival,
    source: Box<str>,
) -> Result<Option<Resolved>, String> {
    let request = format!("request-{}", arrival.number);
    let source = if arrival.is_counted {
        intake
            .source(&source)
            .await
            .map_err(|error| error.to_string())?
    } else {
        Source::Request(&request)
    };
    let sent = arrival.event.identifiers.len();
    let events = vec![arrival.event];
    let accepted = intake.accept(events, source, StreamName::Events).await;
    let Accepted {
        events,
        rejected,
        replays,
        outbound,
    } = accepted.map_err(|error| error.to_string())?;
    if replays.count > 0 {
        return Ok(None);
    }
    let event = events.into_iter().next();
    let event = event.ok_or_else(|| format!("it is refused: {rejected:?}"))?;
    let records = outbound.groups.iter().flat_map(|group| &group.records);
    let bodies = records.filter_map(|it| match &it.record.body {
        Some(Body::Event(event)) => Some(event),
        _ => None,
    });
    let mut fragments = Vec::new();
    let mut named = 0;
    for body in bodies {
        named += body.identifiers.len();
        let own = &body.fragment_id;
        let others = body.identifiers.iter().map(|it| &it.fragment_id);
        let others = others.filter(|id| !id.is_empty());
        let ids = std::iter::once(own).chain(others);
        fragments.extend(ids.filter_map(|id| FragmentId::try_from_bytes(id).ok()));
    }
    let deadline = Some(Instant::now() + APPEND_PATIENCE);
    let appended = intake.append(outbound, deadline).await;
    appended.map_err(|error| error.to_string())?;
    let resolution = event.resolution.ok_or("it names accounts alone")?;
    Ok(Some(Resolved {
        customer: resolution.customer,
        fragments,
        unexplained: sent - named - resolution.dropped.len(),
    }))
}
