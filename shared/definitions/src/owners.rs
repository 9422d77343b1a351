//! Every owner of a process, and changes over them: checked together, written together.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use proto::definition::v1::{Definition, DefinitionKind};
use rpc::{ErrorReason, Failure, Violation};

use crate::commit::commit;
use crate::owner::Applied;
use crate::plan::{held, in_use, refuse_faults, refuse_mismatches};
use crate::rotation::Rotation;
use crate::{
    Change, DefinitionKey, Edit, IfMatch, Owner, Planned, ReferenceSource, References, Revision,
    key_of, kind_word, limits,
};

/// The owners of a process.
pub(crate) struct Owners {
    /// Each after those whose names it must know.
    all: Vec<Arc<dyn Owner>>,
    elsewhere: Option<Arc<dyn ReferenceSource>>,
    /// One change at a time: names are read, checked and written as one. Other processes are told
    /// apart by revisions.
    turn: tokio::sync::Mutex<()>,
}

impl Owners {
    pub(crate) fn new(
        owners: Vec<Arc<dyn Owner>>,
        elsewhere: Option<Arc<dyn ReferenceSource>>,
    ) -> Self {
        Self {
            all: in_dependency_order(owners),
            elsewhere,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Every kind of every owner.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = DefinitionKind> {
        self.all.iter().flat_map(|owner| owner.kinds()).copied()
    }

    /// The owner of a kind.
    ///
    /// # Errors
    /// [`ErrorReason::DefinitionKindNotServed`], blaming this field.
    pub(crate) fn owner(
        &self,
        kind: DefinitionKind,
        field: &str,
    ) -> Result<&Arc<dyn Owner>, Failure> {
        let place = self.place(kind).ok_or_else(|| {
            let message = format!(
                "this process does not keep definitions of kind {}",
                kind_word(kind)
            );
            Failure::new(ErrorReason::DefinitionKindNotServed, message).with_violations([
                Violation::new(field, "belongs to another service: send it there"),
            ])
        })?;
        Ok(&self.all[place])
    }

    /// Creates or updates definitions, all or none.
    ///
    /// # Errors
    /// [`ErrorReason::EtagMismatch`] with every definition that has another version than its
    /// `if_match`; [`ErrorReason::DefinitionInvalid`] with every mistake;
    /// [`ErrorReason::DefinitionContended`] where other processes won every attempt.
    pub(crate) async fn apply(
        &self,
        definitions: &[Definition],
        if_match: &[String],
        validate_only: bool,
    ) -> Result<Applied, Failure> {
        let mut groups: BTreeMap<usize, Vec<Edit>> = BTreeMap::new();
        let mut bundle: Vec<DefinitionKey> = Vec::new();
        for (index, definition) in definitions.iter().enumerate() {
            let Some(key) = key_of(definition) else {
                continue;
            };
            if let Some(owner) = self.place(key.kind) {
                let group = groups.entry(owner).or_default();
                group.push(Edit {
                    index,
                    definition: definition.clone(),
                    if_match: if_match
                        .get(index)
                        .map_or(IfMatch::Any, |text| IfMatch::parse(text)),
                });
            } else if !validate_only {
                self.owner(key.kind, &format!("definitions[{index}]"))?;
            }
            bundle.push(key);
        }
        let changes: Vec<(&Arc<dyn Owner>, Change)> = groups
            .into_iter()
            .map(|(owner, group)| (&self.all[owner], Change::Apply(group)))
            .collect();
        // Other processes are asked before the turn is taken, so that a slow one holds up nobody
        // else.
        let elsewhere = self
            .names_elsewhere(changes.iter().map(|(owner, _)| *owner))
            .await?;
        let _turn = self.turn.lock().await;
        retry(|| self.try_apply(&changes, &bundle, &elsewhere, validate_only)).await
    }

    async fn try_apply(
        &self,
        changes: &[(&Arc<dyn Owner>, Change)],
        bundle: &[DefinitionKey],
        elsewhere: &References,
        validate_only: bool,
    ) -> Result<Applied, Failure> {
        let seen = self.revisions().await?;
        let mut planned = Vec::with_capacity(changes.len());
        for (owner, change) in changes {
            let before = self.references(owner, elsewhere).await?;
            let mut after = before.clone();
            for key in bundle {
                // A name that the bundle brings counts as there. A kind that nothing is known of
                // stays unknown.
                if after.knows(key.kind) {
                    after.add(key.kind, [key.name.clone()]);
                }
            }
            planned.push(owner.plan(change, &before, &after).await?);
        }
        refuse_faults(&mut planned)?;
        if !validate_only {
            self.write(seen, &planned).await?;
        }
        let mut applied: Applied = planned.into_iter().flat_map(|it| it.applied).collect();
        applied.sort_by_key(|(index, _)| *index);
        Ok(applied)
    }

    /// Deletes a definition.
    ///
    /// # Errors
    /// [`ErrorReason::DefinitionInUse`] with everything that refers to it, or what is stored that
    /// would be read in another way without it;
    /// [`ErrorReason::DefinitionNotFound`]; [`ErrorReason::EtagMismatch`] where it has another
    /// version than is expected; [`ErrorReason::DefinitionContended`] where other processes won
    /// every attempt.
    pub(crate) async fn delete(
        &self,
        key: &DefinitionKey,
        if_match: &IfMatch,
    ) -> Result<(), Failure> {
        let owner = self.owner(key.kind, "kind")?;
        let users = || self.all.iter().filter(|it| it.needs().contains(&key.kind));
        let elsewhere = self
            .names_elsewhere(users().chain(std::iter::once(owner)))
            .await?;
        let _turn = self.turn.lock().await;
        retry(|| self.try_delete(owner, (key, if_match), &elsewhere)).await
    }

    async fn try_delete(
        &self,
        owner: &Arc<dyn Owner>,
        (key, if_match): (&DefinitionKey, &IfMatch),
        elsewhere: &References,
    ) -> Result<(), Failure> {
        let seen = self.revisions().await?;
        let own = self.references(owner, elsewhere).await?;
        let change = Change::Delete(key.clone(), if_match.clone());
        let mut planned = [owner.plan(&change, &own, &own).await?];
        refuse_mismatches(&mut planned)?;
        let faults = std::mem::take(&mut planned[0].faults).into_iter();
        let (own, mut broken): (Vec<_>, Vec<_>) = faults.partition(|fault| fault.key == *key);
        if !own.is_empty() {
            return Err(held(key, own));
        }
        for other in self
            .all
            .iter()
            .filter(|other| other.needs().contains(&key.kind))
        {
            let before = self.references(other, elsewhere).await?;
            let mut after = before.clone();
            after.remove(key.kind, &key.name);
            let nothing = Change::Apply(Vec::new());
            broken.extend(other.plan(&nothing, &before, &after).await?.faults);
        }
        if !broken.is_empty() {
            return Err(in_use(key, broken));
        }
        self.write(seen, &planned).await
    }

    /// Writes every change in one transaction and brings it into force, each owner after those that
    /// it needs.
    async fn write(&self, seen: Vec<Revision>, planned: &[Planned]) -> Result<(), Failure> {
        let (Some(first), true) = (
            self.all.first(),
            planned.iter().any(|planned| planned.is_change()),
        ) else {
            return Ok(());
        };
        // All owners of a process share its database.
        let vault = self.all.iter().find_map(|owner| owner.vault());
        commit(first.database(), vault, seen, planned).await?;
        for owner in &self.all {
            owner.bring_into_force(planned).await;
        }
        Ok(())
    }

    /// Has the newest key seal the secrets of all owners, or counts them.
    ///
    /// # Errors
    /// As [`Owner::rotate_secrets`]; [`ErrorReason::SecretKeysAbsent`] where no owner has keys.
    pub(crate) async fn rotate_secrets(&self, validate_only: bool) -> Result<Rotation, Failure> {
        let mut all = Rotation::default();
        for owner in &self.all {
            all.add(owner.rotate_secrets(validate_only).await?);
        }
        if all.key_id.is_empty() {
            let message = "this process has no keys for secrets";
            return Err(Failure::new(ErrorReason::SecretKeysAbsent, message));
        }
        Ok(all)
    }

    async fn revisions(&self) -> Result<Vec<Revision>, Failure> {
        let mut revisions = Vec::with_capacity(self.all.len());
        for owner in &self.all {
            revisions.push(owner.stored_revision().await?);
        }
        Ok(revisions)
    }

    /// Every name that an owner must know of kinds that it does not own.
    async fn references(
        &self,
        owner: &Arc<dyn Owner>,
        elsewhere: &References,
    ) -> Result<References, Failure> {
        let mut references = elsewhere.clone();
        for kind in owner.needs().iter().copied() {
            if let Some(place) = self.place(kind) {
                references.add(kind, self.all[place].names(kind).await?);
            }
        }
        Ok(references)
    }

    /// The names that owners must know of kinds that other processes own.
    async fn names_elsewhere(
        &self,
        owners: impl Iterator<Item = &Arc<dyn Owner>> + Send,
    ) -> Result<References, Failure> {
        let mut references = References::unknown();
        let Some(elsewhere) = &self.elsewhere else {
            return Ok(references);
        };
        let mut kinds: Vec<DefinitionKind> =
            owners.flat_map(|owner| owner.needs()).copied().collect();
        kinds.sort_by_key(|kind| *kind as i32);
        kinds.dedup();
        for kind in kinds {
            if self.place(kind).is_none()
                && let Some(names) = elsewhere.names(kind).await?
            {
                references.add(kind, names);
            }
        }
        Ok(references)
    }

    fn place(&self, kind: DefinitionKind) -> Option<usize> {
        self.all
            .iter()
            .position(|owner| owner.kinds().contains(&kind))
    }
}

/// Tries again where another process was faster.
async fn retry<T, F>(attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for pause in 1..limits::ATTEMPTS {
        match attempt().await {
            Err(failure) if failure.reason() == ErrorReason::DefinitionContended => {
                tokio::time::sleep(limits::CONTENTION_PAUSE * pause).await;
            }
            done => return done,
        }
    }
    attempt().await
}

/// Each owner after those whose names it must know; in the order given where nothing else decides.
fn in_dependency_order(mut owners: Vec<Arc<dyn Owner>>) -> Vec<Arc<dyn Owner>> {
    let mut ordered = Vec::with_capacity(owners.len());
    while !owners.is_empty() {
        let is_free = |owner: &Arc<dyn Owner>| {
            let mut others = owners.iter().filter(|other| !Arc::ptr_eq(other, owner));
            !others.any(|other| {
                owner
                    .needs()
                    .iter()
                    .any(|kind| other.kinds().contains(kind))
            })
        };
        // Where owners need each other, any order serves.
        let next = owners.iter().position(is_free).unwrap_or(0);
        ordered.push(owners.remove(next));
    }
    ordered
}
