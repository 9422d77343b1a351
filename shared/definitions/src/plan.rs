//! The plan of a change of one owner, and the faults that stand in its way: made before anything is
//! written.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use kernel::Timestamp;
use proto::definition::v1::{AppliedDefinition, ApplyAction, Definition};
use rpc::{ErrorReason, Failure, Violation};

use crate::owner::Applied;
use crate::stamp::{etag_of, now};
use crate::stored::StoredSet;
use crate::{
    Change, DefinitionKey, Edit, Flaw, IfMatch, Versioned, key_of, kind_word, limits, secret,
};

/// A fault of one definition after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The definition.
    pub key: DefinitionKey,
    /// Its place in the request; none for a stored one that the request does not contain.
    pub index: Option<usize>,
    /// The fault, with a path inside the definition.
    pub violation: Violation,
}

impl Fault {
    /// Returns whether both are at the same place of the same definition, in whatever words.
    pub(crate) fn is_at_place_of(&self, other: &Self) -> bool {
        self.key == other.key && self.violation.field == other.violation.field
    }

    /// As the answer says it: with a path in the request, or of a stored definition, such as
    /// `journey["welcome"].steps[2].next`.
    pub(crate) fn into_violation(self) -> Violation {
        match self.index {
            Some(index) => self.violation.under(&format!("definitions[{index}]")),
            None => Violation::new(
                self.stored_field(),
                format!("in the stored {}: {}", self.key, self.violation.description),
            ),
        }
    }

    /// As the answer to a deletion says it: who refers to what is to go.
    pub(crate) fn into_referrer(self) -> Violation {
        Violation::new(
            self.stored_field(),
            format!(
                "{} refers to it: without it, {}",
                self.key, self.violation.description
            ),
        )
    }

    fn stored_field(&self) -> String {
        let word = kind_word(self.key.kind);
        let field = &self.violation.field;
        let path = field.strip_prefix(word).unwrap_or(field);
        format!("{word}[{:?}]{path}", self.key.name)
    }
}

/// The places of definitions in a request.
pub(crate) type Places = HashMap<DefinitionKey, usize>;

/// The newest versions that were ever stored of definitions that are not in force.
pub(crate) type LastVersions = HashMap<DefinitionKey, u32>;

/// The plan of a change of one owner.
#[derive(Debug, Default)]
pub struct Planned {
    /// The action taken on each definition of the request.
    pub applied: Applied,
    /// The faults of definitions of the request, and of stored ones because of it.
    pub faults: Vec<Fault>,
    /// The faults of the request itself.
    pub violations: Vec<Violation>,
    /// The definitions that have another version than the request expects.
    pub mismatches: Vec<Violation>,
    /// The owner of the definitions.
    pub(crate) owner: String,
    /// The time of the plan, at which its versions come and go.
    pub(crate) time: Timestamp,
    /// The set as it is stored once the change is written.
    pub(crate) set: Arc<StoredSet>,
    /// The set as its owner compiled it, which comes into force with it; absent where it has flaws.
    pub(crate) compiled: Option<Arc<dyn Any + Send + Sync>>,
    /// True where a name comes back that was deleted once. The set does not have the versions from
    /// before that, which are kept again from now on.
    pub(crate) brings_back: bool,
    /// The versions to store.
    pub(crate) written: Vec<Arc<Versioned<Definition>>>,
    /// The definition to delete.
    pub(crate) deleted: Option<DefinitionKey>,
    /// The definitions of the request, and where they are in it.
    places: Places,
}

impl Planned {
    /// Makes a change to the set of an owner; other versions stay in it as they are kept.
    ///
    /// A name that was deleted once goes on counting where it stopped, as `last_versions` says.
    ///
    /// # Errors
    /// [`ErrorReason::DefinitionNotFound`] where what is to be deleted is not there.
    pub(crate) fn of_change(
        owner: &str,
        stored: &Arc<StoredSet>,
        change: &Change,
        last_versions: &LastVersions,
    ) -> Result<Self, Failure> {
        let mut planned = Self {
            owner: owner.to_owned(),
            set: Arc::clone(stored),
            time: now(),
            ..Self::default()
        };
        let mut retired = Vec::new();
        match change {
            Change::Delete(key, if_match) => {
                let place = stored.find(key).ok_or_else(|| not_found(key))?;
                planned.expect(if_match, Some(&stored.all[place].etag), "if_match");
                retired.push(place);
                planned.deleted = Some(key.clone());
            }
            Change::Apply(definitions) => {
                for edit in definitions {
                    retired.extend(planned.apply(edit.clone(), last_versions));
                }
            }
        }
        if !planned.is_change() {
            return Ok(planned);
        }
        let retired: Vec<_> = retired
            .into_iter()
            .map(|place| {
                let is_superseded = true;
                let old = Versioned::clone(&stored.all[place]);
                Arc::new(Versioned {
                    is_superseded,
                    ..old
                })
            })
            .collect();
        let set = stored.followed_by(&planned.written, &retired, planned.time);
        if set.all.iter().filter(|it| !it.is_superseded).count() > limits::DEFINITIONS {
            let text = format!(
                "one service keeps at most {} definitions",
                limits::DEFINITIONS
            );
            planned.violations.push(Violation::new("definitions", text));
        }
        planned.set = Arc::new(set);
        planned.brings_back = planned
            .written
            .iter()
            .filter_map(|it| key_of(&it.value))
            .any(|key| last_versions.contains_key(&key));
        Ok(planned)
    }

    /// Returns whether there is anything to write.
    pub(crate) fn is_change(&self) -> bool {
        self.deleted.is_some() || !self.written.is_empty()
    }

    /// Returns the set as its owner compiled it, or `None` where it is not the set as of this
    /// revision, because somebody else was faster.
    pub(crate) fn compiled_at<T: Send + Sync + 'static>(&self, revision: i64) -> Option<Arc<T>> {
        let compiled = self.compiled.clone()?;
        let is_newest = self.set.revision == revision;
        compiled.downcast().ok().filter(|_| is_newest)
    }

    /// Looks over each definition that is to be written.
    pub(crate) fn look_over(&mut self, look: impl Fn(&Definition) -> Vec<Violation>) {
        for written in &self.written {
            let Some(key) = key_of(&written.value) else {
                continue;
            };
            let found = look(&written.value).into_iter();
            self.faults.extend(found.map(|violation| Fault {
                index: self.places.get(&key).copied(),
                key: key.clone(),
                violation,
            }));
        }
    }

    /// Notes what stored data hold against the change.
    pub(crate) fn hold(&mut self, held: Vec<(DefinitionKey, Violation)>) {
        let places = &self.places;
        self.faults
            .extend(held.into_iter().map(|(key, violation)| Fault {
                index: places.get(&key).copied(),
                key,
                violation,
            }));
    }

    /// Says of which definition each flaw of the set is.
    pub(crate) fn faults_of(
        &self,
        all: &[Arc<Versioned<Definition>>],
        flaws: Vec<Flaw>,
    ) -> Vec<Fault> {
        faults_of(all, flaws, &self.places)
    }

    /// Notes where another version is in force than is expected.
    fn expect(&mut self, wanted: &IfMatch, found: Option<&str>, field: &str) {
        let checked = wanted.check(found);
        let mismatch = checked.err().map(|text| Violation::new(field, text));
        self.mismatches.extend(mismatch);
    }

    /// Plans one definition of the request, and returns the place of the version that it replaces.
    fn apply(&mut self, edit: Edit, last_versions: &LastVersions) -> Option<usize> {
        let Edit {
            index,
            mut definition,
            if_match,
        } = edit;
        let key = key_of(&definition)?;
        let place = format!("definitions[{index}]");
        if self.places.contains_key(&key) {
            self.violations.push(Violation::new(
                place,
                format!("{key} is there twice: keep one"),
            ));
            return None;
        }
        let stored = Arc::clone(&self.set);
        let replaced = stored.find(&key);
        let old = replaced.map(|place| &stored.all[place]);
        let found = old.map(|old| old.etag.as_str());
        self.expect(&if_match, found, &format!("if_match[{index}]"));
        if !secret::unmask(&mut definition, old.map(|old| &old.value)) {
            let text =
                format!("is masked, and no secret is stored for {key}: send the secret itself");
            self.violations.push(Violation::new(
                format!("{place}.channel.webhook.secret"),
                text,
            ));
        }
        let (action, version) = match old {
            Some(old) if old.value == definition => (ApplyAction::Unchanged, old.version),
            Some(old) => (ApplyAction::Updated, old.version + 1),
            None => {
                let last = last_versions.get(&key).copied().unwrap_or(0);
                (ApplyAction::Created, last + 1)
            }
        };
        let etag = match old.filter(|_| action == ApplyAction::Unchanged) {
            Some(old) => old.etag.clone(),
            None => etag_of(version, &definition),
        };
        if action != ApplyAction::Unchanged {
            self.written.push(Arc::new(Versioned {
                etag: etag.clone(),
                value: definition,
                version,
                is_superseded: false,
                update_time: self.time,
            }));
        }
        self.applied.push((
            index,
            AppliedDefinition {
                kind: key.kind.into(),
                name: key.name.clone(),
                action: action.into(),
                version,
                etag,
            },
        ));
        self.places.insert(key, index);
        replaced.filter(|_| action != ApplyAction::Unchanged)
    }
}

/// Says of which definition of a set each flaw is; flaws of superseded versions concern nobody.
pub(crate) fn faults_of(
    all: &[Arc<Versioned<Definition>>],
    flaws: Vec<Flaw>,
    places: &Places,
) -> Vec<Fault> {
    flaws
        .into_iter()
        .filter_map(|flaw| {
            let it = all.get(flaw.index).filter(|it| !it.is_superseded)?;
            let key = key_of(&it.value)?;
            Some(Fault {
                index: places.get(&key).copied(),
                key,
                violation: flaw.violation,
            })
        })
        .collect()
}

/// Refuses changes of versions that are not expected, and says all of them.
///
/// # Errors
/// [`ErrorReason::EtagMismatch`].
pub(crate) fn refuse_mismatches(planned: &mut [Planned]) -> Result<(), Failure> {
    let mismatches = planned
        .iter_mut()
        .flat_map(|it| std::mem::take(&mut it.mismatches));
    let mismatches: Vec<Violation> = mismatches.collect();
    let message = match mismatches.as_slice() {
        [] => return Ok(()),
        [only] => format!("the definition was changed by somebody else: {only}"),
        all => format!(
            "{} definitions were changed by somebody else: {}",
            all.len(),
            all[0]
        ),
    };
    Err(Failure::new(ErrorReason::EtagMismatch, message).with_violations(mismatches))
}

/// Refuses changes that something stands in the way of, and says all of it.
///
/// # Errors
/// [`ErrorReason::EtagMismatch`]; [`ErrorReason::DefinitionInvalid`].
pub(crate) fn refuse_faults(planned: &mut [Planned]) -> Result<(), Failure> {
    refuse_mismatches(planned)?;
    let mut violations = Vec::new();
    for it in planned {
        violations.append(&mut it.violations);
        violations.extend(it.faults.drain(..).map(Fault::into_violation));
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(invalid(violations))
}

/// Definitions with these mistakes.
pub(crate) fn invalid(violations: Vec<Violation>) -> Failure {
    let message = match violations.as_slice() {
        [only] => format!("the definitions are not valid: {only}"),
        all => format!("the definitions are not valid: {} mistakes", all.len()),
    };
    Failure::new(ErrorReason::DefinitionInvalid, message).with_violations(violations)
}

/// A definition that cannot go because of what is stored.
pub(crate) fn held(key: &DefinitionKey, faults: Vec<Fault>) -> Failure {
    let violations = faults
        .into_iter()
        .map(|fault| Violation::new(fault.stored_field(), fault.violation.description));
    let violations: Vec<Violation> = violations.collect();
    let first = violations.first().map(ToString::to_string);
    let message = format!(
        "{key} is in use by what is stored: {}",
        first.unwrap_or_default()
    );
    Failure::new(ErrorReason::DefinitionInUse, message).with_violations(violations)
}

/// A definition that others refer to.
pub(crate) fn in_use(key: &DefinitionKey, faults: Vec<Fault>) -> Failure {
    let mut users: Vec<&DefinitionKey> = faults.iter().map(|fault| &fault.key).collect();
    users.sort();
    users.dedup();
    let named: Vec<String> = users
        .iter()
        .take(limits::SHOWN_REFERRERS)
        .map(ToString::to_string)
        .collect();
    let more = match users.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("{key} is in use by {}{more}", named.join(", "));
    let violations = faults.into_iter().map(Fault::into_referrer);
    Failure::new(ErrorReason::DefinitionInUse, message).with_violations(violations)
}

pub(crate) fn not_found(key: &DefinitionKey) -> Failure {
    Failure::not_found(
        ErrorReason::DefinitionNotFound,
        kind_word(key.kind),
        &key.name,
    )
}
