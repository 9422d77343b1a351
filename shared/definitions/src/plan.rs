//! What a change of one owner would do, and what stands in its way: decided before anything is written.

use proto::definition::v1::{AppliedDefinition, ApplyAction, Definition};
use rpc::{ErrorReason, Failure, Violation};

use crate::owner::Applied;
use crate::stamp::{etag_of, now};
use crate::{Change, DefinitionKey, Flaw, Versioned, key_of, kind_word, limits, secret};

/// What is wrong with one definition after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which definition.
    pub key: DefinitionKey,
    /// Its place in the request; none for a stored one that the request does not contain.
    pub index: Option<usize>,
    /// What is wrong, with a path inside the definition.
    pub violation: Violation,
}

impl Fault {
    /// Whether both are at the same place of the same definition, in whatever words.
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

/// What a change of one owner would do.
#[derive(Debug, Default)]
pub struct Planned {
    /// What became of each definition of the request.
    pub applied: Applied,
    /// What is wrong with definitions of the request, or with stored ones because of it.
    pub faults: Vec<Fault>,
    /// What is wrong with the request itself.
    pub violations: Vec<Violation>,
    /// Whose definitions they are.
    pub(crate) owner: String,
    /// The set after the change, sorted by kind and name, newest version first.
    pub(crate) all: Vec<Versioned<Definition>>,
    /// What is stored anew.
    pub(crate) written: Vec<Versioned<Definition>>,
    /// What is deleted.
    pub(crate) deleted: Option<DefinitionKey>,
    /// The definitions of the request, and where they are in it.
    places: Vec<(DefinitionKey, usize)>,
}

impl Planned {
    /// Makes a change to the set of an owner; superseded versions stay in it where the catalog wants them.
    ///
    /// # Errors
    /// [`ErrorReason::DefinitionNotFound`] where what is to be deleted is not there.
    pub(crate) fn of_change(
        owner: &str,
        mut all: Vec<Versioned<Definition>>,
        change: &Change,
        wants_older_versions: bool,
    ) -> Result<Self, Failure> {
        let mut planned = Self {
            owner: owner.to_owned(),
            ..Self::default()
        };
        match change {
            Change::Delete(key) => {
                let before = all.len();
                all.retain(|it| key_of(&it.value).as_ref() != Some(key));
                if all.len() == before {
                    return Err(not_found(key));
                }
                planned.deleted = Some(key.clone());
            }
            Change::Apply(definitions) => {
                for (index, definition) in definitions {
                    planned.apply(&mut all, *index, definition.clone());
                }
            }
        }
        if !wants_older_versions {
            all.retain(|it| !it.is_superseded);
        }
        if all.iter().filter(|it| !it.is_superseded).count() > limits::DEFINITIONS {
            let text = format!(
                "one service keeps at most {} definitions",
                limits::DEFINITIONS
            );
            planned.violations.push(Violation::new("definitions", text));
        }
        all.sort_by_cached_key(|it| (key_of(&it.value), std::cmp::Reverse(it.version)));
        planned.all = all;
        Ok(planned)
    }

    /// Whether there is anything to write.
    pub(crate) fn is_change(&self) -> bool {
        self.deleted.is_some() || !self.written.is_empty()
    }

    /// Says of which definition each flaw of the set is.
    pub(crate) fn faults_of(&self, flaws: Vec<Flaw>) -> Vec<Fault> {
        faults_of(&self.all, flaws, &self.places)
    }

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

/// Says of which definition of a set each flaw is; flaws of superseded versions concern nobody.
pub(crate) fn faults_of(
    all: &[Versioned<Definition>],
    flaws: Vec<Flaw>,
    places: &[(DefinitionKey, usize)],
) -> Vec<Fault> {
    flaws
        .into_iter()
        .filter_map(|flaw| {
            let it = all.get(flaw.index).filter(|it| !it.is_superseded)?;
            let key = key_of(&it.value)?;
            let place = places.iter().find(|(place, _)| *place == key);
            Some(Fault {
                index: place.map(|(_, index)| *index),
                key,
                violation: flaw.violation,
            })
        })
        .collect()
}

/// Refuses changes that something stands in the way of, and says all of it.
///
/// # Errors
/// [`ErrorReason::DefinitionInvalid`].
pub(crate) fn refuse_faults(planned: &mut [Planned]) -> Result<(), Failure> {
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

/// Definitions with these mistakes; no more are told than an answer holds.
pub(crate) fn invalid(mut violations: Vec<Violation>) -> Failure {
    violations.truncate(rpc::limits::VIOLATIONS);
    let message = match violations.as_slice() {
        [only] => format!("the definitions are not valid: {only}"),
        all => format!("the definitions are not valid: {} mistakes", all.len()),
    };
    Failure::new(ErrorReason::DefinitionInvalid, message).with_violations(violations)
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
    Failure::new(ErrorReason::DefinitionInUse, message)
        .with_violations(violations.take(rpc::limits::VIOLATIONS))
}

pub(crate) fn not_found(key: &DefinitionKey) -> Failure {
    Failure::not_found(
        ErrorReason::DefinitionNotFound,
        kind_word(key.kind),
        &key.name,
    )
}
