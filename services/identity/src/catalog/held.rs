//! Changes of a namespace that would change what its stored values are.

use std::collections::HashSet;

use identity_core::{Identifier, Namespace, Reading, Subject, Uniqueness};
use sea_orm::DbErr;

use crate::limits::{VALUES_HELD_AGAINST, VALUES_PAGE};
use crate::store::{IdentityStore, ValueCounts};

/// Values read in another way that are looked up among those that are there.
const OTHERS: usize = 1_000;

/// Returns the reasons for which a namespace cannot become this one, each behind its field; none
/// where it can. `before` is absent where it was not there, though it may have been once.
pub(super) async fn against(
    store: &IdentityStore,
    before: Option<&Namespace>,
    after: &Namespace,
) -> Result<Vec<(&'static str, String)>, DbErr> {
    let mut faults = Vec::new();
    if before.map(Namespace::subject) != Some(after.subject()) {
        let fault = subject_fault(store, after).await?;
        faults.extend(fault.map(|fault| ("namespace.subject", fault)));
    }
    if before.map(Namespace::normalizer) != Some(after.normalizer()) {
        let readings = Readings::of(store, before, after).await?;
        let fault = readings.fault(before, after);
        faults.extend(fault.map(|fault| ("namespace.normalizer", fault)));
    }
    if before.map(Namespace::uniqueness) != Some(after.uniqueness()) {
        let counts = store.value_counts(after.name()).await?;
        let before = before.map(Namespace::uniqueness);
        let fault = uniqueness_fault(before, after, counts);
        faults.extend(fault.map(|fault| ("namespace.uniqueness", fault)));
    }
    Ok(faults)
}

/// Returns the reason for which stored values cannot name others than they do. Whom they name is
/// told by the ids of those who have them, and is the same for all values of a namespace.
async fn subject_fault(store: &IdentityStore, after: &Namespace) -> Result<Option<String>, DbErr> {
    for is_shared in [false, true] {
        let own = (after.name(), is_shared);
        let first = store.values(own, "", 1).await?.into_iter().next();
        let Some(value) = first else { continue };
        let namespace = after.name().to_owned();
        let state = store
            .identifier_state(&Identifier { namespace, value })
            .await?;
        let Some((_, fragment)) = state else { continue };
        let stored = Subject::of(fragment);
        if stored != after.subject() {
            let (next, stored) = (after.subject().code(), stored.code());
            return Ok(Some(format!(
                "cannot become {next}, since values of {stored} are stored: keep `subject: {stored}`, or define another namespace",
            )));
        }
    }
    Ok(None)
}

/// Returns the word for those whom values of a namespace name.
fn subjects(namespace: &Namespace) -> &'static str {
    match namespace.subject() {
        Subject::Customer => "customers",
        Subject::Account => "accounts",
    }
}

/// Returns the reason for which stored values cannot have another uniqueness. Where nobody knows
/// which they had, it is told by where they are.
fn uniqueness_fault(
    before: Option<Uniqueness>,
    after: &Namespace,
    counts: ValueCounts,
) -> Option<String> {
    let (named, after) = (subjects(after), after.uniqueness());
    let ValueCounts {
        owned,
        listed,
        of_several,
    } = counts;
    let before = match before {
        Some(before) => before,
        None if after == Uniqueness::Shared && owned > 0 => Uniqueness::Unique,
        None if after != Uniqueness::Shared && listed > 0 => Uniqueness::Shared,
        None => return None,
    };
    let several = match of_several {
        0 => String::new(),
        some => format!(", {some} of them with several {named}"),
    };
    (owned + listed > 0).then(|| {
        format!(
            "cannot become {} from {}, since values are stored ({}{several}), and whom they are of was decided by it: keep {}, or define another namespace",
            after.code(),
            before.code(),
            owned + listed,
            before.code(),
        )
    })
}

/// The values that a namespace has, as another normaliser would read them.
#[derive(Debug, Default)]
struct Readings {
    /// Values looked at.
    seen: usize,
    /// Values that it would read as others.
    changed: usize,
    /// Of these, those that it would read as one that is there, or as another of these.
    joined: usize,
    /// Values that it would not take.
    refused: usize,
    /// Values of which another way of writing would be another value.
    apart: usize,
    /// True where there are more values than are looked at.
    is_part: bool,
}

impl Readings {
    async fn of(
        store: &IdentityStore,
        before: Option<&Namespace>,
        after: &Namespace,
    ) -> Result<Self, DbErr> {
        let mut readings = Self::default();
        let mut others = HashSet::new();
        for is_shared in [false, true] {
            let mut place = String::new();
            while !readings.is_part {
                let own = (after.name(), is_shared);
                let values = store.values(own, &place, VALUES_PAGE).await?;
                let Some(last) = values.last() else { break };
                place.clone_from(last);
                readings.seen += values.len();
                for value in values {
                    readings.take(after.read_again(before, &value), &mut others);
                }
                readings.is_part = readings.seen >= VALUES_HELD_AGAINST;
            }
        }
        // Of those that are read in another way, some are read as a value that stays as it is.
        for value in others {
            let namespace = after.name().to_owned();
            let identifier = Identifier { namespace, value };
            readings.joined += usize::from(store.identifier_state(&identifier).await?.is_some());
        }
        Ok(readings)
    }

    fn take(&mut self, reading: Reading, others: &mut HashSet<String>) {
        match reading {
            Reading::Same => {}
            Reading::Apart => self.apart += 1,
            Reading::Refused => self.refused += 1,
            Reading::Other(read) => {
                self.changed += 1;
                if others.len() < OTHERS && !others.insert(read) {
                    self.joined += 1;
                }
            }
        }
    }

    /// Returns the reason for which the normaliser cannot be this one; `None` where it can.
    fn fault(&self, before: Option<&Namespace>, after: &Namespace) -> Option<String> {
        let Self {
            seen,
            changed,
            joined,
            refused,
            apart,
            is_part,
        } = self;
        let mut reasons = Vec::new();
        if *changed > 0 {
            let joined = match joined {
                0 => String::new(),
                some => {
                    let named = subjects(after);
                    format!(" ({some} of them as one that is stored too, which joins {named})")
                }
            };
            reasons.push(format!(
                "{changed} would be read as other values{joined}, so that nobody is found by them any more"
            ));
        }
        if *refused > 0 {
            reasons.push(format!("{refused} would not be taken any more"));
        }
        if *apart > 0 {
            reasons.push(format!(
                "{apart} would be somebody else's where they come in another writing, such as in capitals"
            ));
        }
        let is_unsure = *is_part && before.is_some();
        if reasons.is_empty() && !is_unsure {
            return None;
        }
        if is_unsure {
            reasons.push("there are too many values to look at all".to_owned());
        }
        let code = after.normalizer().code();
        let (from, keep) = match before.map(|it| it.normalizer().code()) {
            Some(before) => (
                format!(" from {before}"),
                format!("keep `normalizer: {before}`, or "),
            ),
            None => Default::default(),
        };
        Some(format!(
            "cannot become {code}{from}, since values are stored: of {seen}, {}; {keep}define another namespace",
            reasons.join("; ")
        ))
    }
}
