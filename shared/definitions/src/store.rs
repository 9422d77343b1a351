//! Keeps the definitions of one owner: every version in SQL, the compiled set in memory.

mod query;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use kernel::Timestamp;
use prost::Message as _;
use proto::definition::v1::{AppliedDefinition, ApplyAction, Definition, DefinitionKind};
use rpc::{ErrorReason, Failure, Violation};
use sha2::{Digest as _, Sha256};
use storage::Database;
use tokio::sync::watch;

use self::query::Rows;
use crate::owner::Applied;
use crate::{
    Catalog, Change, DefinitionKey, Flaw, Owner, References, Versioned, key_of, limits, secret,
};

/// The definitions of one owner.
pub struct DefinitionStore<C: Catalog> {
    rows: Rows,
    catalog: C,
    compiled: watch::Sender<Arc<C::Compiled>>,
    /// The revision that is compiled; held while a newer one takes its place.
    revision: tokio::sync::Mutex<i64>,
}

impl<C: Catalog> DefinitionStore<C> {
    /// Loads and compiles what is stored for this owner, such as `journey`.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`]; [`ErrorReason::DefinitionInvalid`] where this version of the program does
    /// not understand what an older one stored.
    pub async fn load(database: Database, owner: &str, catalog: C) -> Result<Arc<Self>, Failure> {
        let rows = Rows::new(database, owner);
        let revision = rows.revision().await?;
        let all = rows
            .load(catalog.kinds(), catalog.wants_older_versions())
            .await?;
        let compiled = catalog
            .compile(&all, &References::unknown())
            .map_err(|flaws| invalid(named_paths(&all, flaws, &[])))?;
        Ok(Arc::new(Self {
            rows,
            catalog,
            compiled: watch::Sender::new(Arc::new(compiled)),
            revision: tokio::sync::Mutex::new(revision),
        }))
    }

    /// The compiled set, now and after each change.
    pub fn watch(&self) -> watch::Receiver<Arc<C::Compiled>> {
        self.compiled.subscribe()
    }

    /// How often the definitions changed, as far as this process has seen.
    pub async fn revision(&self) -> i64 {
        *self.revision.lock().await
    }

    /// Compiles the set again if another replica changed it. Says whether it did.
    ///
    /// # Errors
    /// [`ErrorReason::StoreUnavailable`], and [`ErrorReason::DefinitionInvalid`] where a newer program stored what
    /// this one does not understand: it keeps the set that it has.
    pub async fn refresh(&self) -> Result<bool, Failure> {
        let mut seen = self.revision.lock().await;
        let revision = self.rows.revision().await?;
        if revision == *seen {
            return Ok(false);
        }
        let all = self
            .rows
            .load(self.catalog.kinds(), self.catalog.wants_older_versions())
            .await?;
        // Not tried again and again: the next change is the next chance.
        *seen = revision;
        let compiled = self
            .catalog
            .compile(&all, &References::unknown())
            .map_err(|flaws| invalid(named_paths(&all, flaws, &[])))?;
        self.compiled.send_replace(Arc::new(compiled));
        Ok(true)
    }

    /// Refreshes twice a second, for ever: run it as a task that shutdown aborts.
    pub async fn poll(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(limits::POLL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, owner = self.rows.owner(), "definitions not refreshed");
            }
        }
    }

    /// The set after a change, and the flaws of what the change itself asks for.
    fn plan(&self, mut all: Vec<Versioned<Definition>>, change: &Change) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        match change {
            Change::Delete(key) => {
                let before = all.len();
                all.retain(|it| key_of(&it.value).as_ref() != Some(key));
                if all.len() == before {
                    return Err(not_found(key));
                }
            }
            Change::Apply(definitions) => {
                for (index, definition) in definitions {
                    plan.apply(&mut all, *index, definition.clone());
                }
            }
        }
        if all.iter().filter(|it| !it.is_superseded).count() > limits::DEFINITIONS {
            let text = format!(
                "one service keeps at most {} definitions",
                limits::DEFINITIONS
            );
            plan.violations.push(Violation::new("definitions", text));
        }
        all.sort_by_cached_key(|it| (key_of(&it.value), std::cmp::Reverse(it.version)));
        plan.all = all;
        Ok(plan)
    }

    fn flaws(&self, plan: &Plan, references: &References) -> Vec<Violation> {
        let mut violations = plan.violations.clone();
        if let Err(flaws) = self.catalog.compile(&plan.all, references) {
            violations.extend(named_paths(&plan.all, flaws, &plan.places));
        }
        violations
    }

    async fn current(&self) -> Result<(i64, Vec<Versioned<Definition>>), Failure> {
        let revision = self.rows.revision().await?;
        let all = self
            .rows
            .load(self.catalog.kinds(), self.catalog.wants_older_versions())
            .await?;
        Ok((revision, all))
    }
}

/// The set as it is after a change.
#[derive(Default)]
struct Plan {
    all: Vec<Versioned<Definition>>,
    /// The definitions of the request, and where they are in it.
    places: Vec<(DefinitionKey, usize)>,
    applied: Applied,
    /// What is stored anew.
    written: Vec<Versioned<Definition>>,
    violations: Vec<Violation>,
}

impl Plan {
    fn apply(
        &mut self,
        all: &mut Vec<Versioned<Definition>>,
        index: usize,
        mut definition: Definition,
    ) {
        let Some(key) = key_of(&definition) else {
            return;
        };
        let place = format!("definitions[{index}]");
        if self.places.iter().any(|(known, _)| *known == key) {
            self.violations.push(Violation::new(
                place,
                format!("{key} is there twice: keep one"),
            ));
            return;
        }
        let old = all
            .iter()
            .position(|it| !it.is_superseded && key_of(&it.value).as_ref() == Some(&key));
        let stored = old.map(|old| &all[old].value);
        if !secret::unmask(&mut definition, stored) {
            let text =
                format!("is masked, and no secret is stored for {key}: send the secret itself");
            self.violations.push(Violation::new(
                format!("{place}.channel.webhook.secret"),
                text,
            ));
        }
        let same = stored == Some(&definition);
        let version = old.map_or(0, |old| all[old].version);
        let (action, version) = match old {
            Some(_) if same => (ApplyAction::Unchanged, version),
            Some(_) => (ApplyAction::Updated, version + 1),
            None => (ApplyAction::Created, 1),
        };
        if !same {
            let written = Versioned {
                etag: etag_of(version, &definition),
                value: definition,
                version,
                is_superseded: false,
                update_time: now(),
            };
            if let Some(old) = old {
                all[old].is_superseded = true;
            }
            all.push(written.clone());
            self.written.push(written);
        }
        self.applied.push((
            index,
            AppliedDefinition {
                kind: key.kind.into(),
                name: key.name.clone(),
                action: action.into(),
                version,
            },
        ));
        self.places.push((key, index));
    }
}

#[async_trait]
impl<C: Catalog> Owner for DefinitionStore<C> {
    fn kinds(&self) -> &'static [DefinitionKind] {
        self.catalog.kinds()
    }

    fn needs(&self) -> &'static [DefinitionKind] {
        self.catalog.needs()
    }

    async fn names(&self, kind: DefinitionKind) -> Result<Vec<String>, Failure> {
        self.rows.names(kind).await
    }

    async fn find(
        &self,
        key: &DefinitionKey,
        version: u32,
    ) -> Result<Option<Versioned<Definition>>, Failure> {
        self.rows.find(key, version).await
    }

    async fn list(
        &self,
        kind: DefinitionKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Versioned<Definition>>, Failure> {
        self.rows.list(kind, after, limit).await
    }

    async fn check(
        &self,
        change: &Change,
        references: &References,
    ) -> Result<Vec<Violation>, Failure> {
        let (_, all) = self.current().await?;
        Ok(self.flaws(&self.plan(all, change)?, references))
    }

    async fn change(
        &self,
        change: &Change,
        references: &References,
        validate_only: bool,
    ) -> Result<Applied, Failure> {
        let (revision, all) = self.current().await?;
        let mut plan = self.plan(all, change)?;
        let violations = self.flaws(&plan, references);
        if !violations.is_empty() {
            return Err(invalid(violations));
        }
        let deleted = match change {
            Change::Delete(key) => Some(key),
            Change::Apply(_) => None,
        };
        if !validate_only && (deleted.is_some() || !plan.written.is_empty()) {
            self.rows
                .write(
                    revision,
                    &mut plan.written,
                    deleted,
                    now(),
                    &mut plan.applied,
                )
                .await?;
            if let Err(error) = self.refresh().await {
                // Stored already: the poll brings it into force.
                tracing::warn!(%error, owner = self.rows.owner(), "definitions not refreshed");
            }
        }
        Ok(plan.applied)
    }
}

/// Paths of a request for its own definitions; others are named.
fn named_paths(
    all: &[Versioned<Definition>],
    flaws: Vec<Flaw>,
    places: &[(DefinitionKey, usize)],
) -> Vec<Violation> {
    flaws
        .into_iter()
        .filter_map(|flaw| {
            let it = all.get(flaw.index).filter(|it| !it.is_superseded)?;
            let key = key_of(&it.value)?;
            Some(match places.iter().find(|(place, _)| *place == key) {
                Some((_, index)) => flaw.violation.under(&format!("definitions[{index}]")),
                None => Violation::new(
                    flaw.violation.field,
                    format!("in the stored {key}: {}", flaw.violation.description),
                ),
            })
        })
        .take(rpc::limits::VIOLATIONS)
        .collect()
}

pub(crate) fn invalid(violations: Vec<Violation>) -> Failure {
    let message = match violations.as_slice() {
        [only] => format!("the definitions are not valid: {only}"),
        all => format!("the definitions are not valid: {} mistakes", all.len()),
    };
    Failure::new(ErrorReason::DefinitionInvalid, message).with_violations(violations)
}

pub(crate) fn not_found(key: &DefinitionKey) -> Failure {
    Failure::not_found(
        ErrorReason::DefinitionNotFound,
        crate::kind_word(key.kind),
        &key.name,
    )
}

fn etag_of(version: u32, definition: &Definition) -> String {
    let digest = Sha256::digest(definition.encode_to_vec());
    let hex: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{version}-{hex}")
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
