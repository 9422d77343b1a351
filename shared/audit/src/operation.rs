//! The call at hand, for whoever carries it out: who asked, and which customers are read.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use access::now;
use kernel::CustomerId;
use rpc::{Failure, TraceParent};
use sea_orm::ConnectionTrait;

use crate::append::Told;
use crate::{Act, AuditError, AuditLog, Class, Origin, Outcome, limits};

tokio::task_local! {
    static CURRENT: Option<Operation>;
}

/// A call under way. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: AuditLog,
    origin: Origin,
    /// The W3C trace context of the call; empty for none.
    trace: String,
    class: Class,
    /// The name of the call, such as `identity.get_customer`.
    action: Arc<str>,
    about: Mutex<About>,
    /// True once an entry says that something is about to be done.
    is_asked: AtomicBool,
}

/// The things that a call is about, as far as its handler has said.
#[derive(Debug, Default, Clone)]
pub(crate) struct About {
    pub(crate) object: String,
    pub(crate) subjects: Vec<CustomerId>,
}

impl About {
    fn include(&mut self, customer: CustomerId) {
        if self.subjects.len() < limits::SUBJECTS && !self.subjects.contains(&customer) {
            self.subjects.push(customer);
        }
    }
}

impl Operation {
    /// A call of somebody, with its trace context where it has one.
    pub fn new(
        log: AuditLog,
        origin: Origin,
        (class, action): (Class, impl Into<Arc<str>>),
        trace: Option<TraceParent>,
    ) -> Self {
        Self(Arc::new(Inner {
            log,
            origin,
            trace: trace.map_or_else(String::new, |trace| trace.to_string()),
            class,
            action: action.into(),
            about: Mutex::default(),
            is_asked: AtomicBool::new(false),
        }))
    }

    /// Returns the call that this task carries out; `None` outside of calls.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok().flatten()
    }

    /// Runs work as part of a call, or of none.
    pub async fn scope<F: Future>(operation: Option<Self>, work: F) -> F::Output {
        CURRENT.scope(operation, work).await
    }

    /// Runs work as part of the call at hand: for what is about to become a task of its own.
    pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
        Self::scope(Self::current(), work)
    }

    /// Records what a transaction changes, in that transaction: both take effect, or neither.
    ///
    /// # Errors
    /// [`AuditError`]: roll the transaction back.
    ///
    /// # Contract
    /// It comes last in the transaction, since it holds up all others of the process until the
    /// commit.
    pub async fn record(
        &self,
        transaction: &impl ConnectionTrait,
        acts: Vec<Act>,
    ) -> Result<(), AuditError> {
        let changes = acts.into_iter().map(|act| Told {
            class: Class::Change,
            ..self.tell(act)
        });
        let changes: Vec<Told> = changes.collect();
        self.0.log.append(transaction, &changes).await
    }

    /// Puts on record that something is about to be done outside of SQL, before it is. The layer
    /// around the call adds the outcome.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::AuditUnavailable`]: do not do it.
    pub async fn ask(
        &self,
        object: impl Into<String>,
        customer: CustomerId,
    ) -> Result<(), Failure> {
        let object = object.into();
        self.about(|about| {
            about.object.clone_from(&object);
            about.include(customer);
        });
        let act = Act::done(self.0.action.to_string(), object).of(customer);
        let told = self.tell(act.with_outcome(Outcome::Asked));
        self.0.log.write_first(told).await?;
        self.0.is_asked.store(true, Ordering::Release);
        Ok(())
    }

    /// The class of the call.
    pub(crate) fn class(&self) -> Class {
        self.0.class
    }

    /// The log that it is recorded in.
    pub fn log(&self) -> &AuditLog {
        &self.0.log
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::Acquire)
    }

    /// Returns what is recorded of the call as a whole: one act for each customer that it is about,
    /// or one without.
    pub(crate) fn acts(&self, outcome: Outcome) -> Vec<Told> {
        let about = self.about(|about| about.clone());
        let act = Act {
            action: self.0.action.to_string(),
            object: about.object,
            subject: None,
            outcome,
        };
        if about.subjects.is_empty() {
            return vec![self.tell(act)];
        }
        let each = about.subjects.into_iter();
        each.map(|customer| self.tell(act.clone().of(customer)))
            .collect()
    }

    fn tell(&self, act: Act) -> Told {
        Told {
            time: now(),
            class: self.0.class,
            origin: self.0.origin.clone(),
            trace: self.0.trace.clone(),
            act,
        }
    }

    fn about<T>(&self, use_it: impl FnOnce(&mut About) -> T) -> T {
        let mut about = self.0.about.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut about)
    }
}

/// Records acts of the call at hand in a transaction, or of the process itself outside of calls.
pub(crate) async fn record(
    log: &AuditLog,
    transaction: &impl ConnectionTrait,
    acts: Vec<Act>,
) -> Result<(), AuditError> {
    match Operation::current() {
        Some(operation) => operation.record(transaction, acts).await,
        None => log.record(transaction, acts).await,
    }
}

/// Says that the call at hand reads or changes a customer.
pub fn subject(customer: CustomerId) {
    subjects([customer]);
}

/// Says that the call at hand reads or changes these customers, each of whom is named once.
pub fn subjects(customers: impl IntoIterator<Item = CustomerId>) {
    let Some(operation) = Operation::current() else {
        return;
    };
    operation.about(|about| customers.into_iter().for_each(|it| about.include(it)));
}

/// Says what else the call at hand is about: names and numbers, never data of a customer.
pub fn about(object: impl Into<String>) {
    if let Some(operation) = Operation::current() {
        operation.about(|about| about.object = object.into());
    }
}
