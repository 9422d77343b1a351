//! Accounts, and memberships of customers in them.
//!
//! An account learns traits, counts and recent events from its own events, as a customer does. It
//! is in no segment: it is decided by a set of definitions in which there is none. Of its members
//! it knows how many they are, and not who.

use std::sync::LazyLock;

use bytes::Bytes;
use decision::{Outcome, Poison};
use kernel::{CustomerId, EventIdHash};
use messages::convert;
use messages::stream::v1::{
    AccountMembership, ChangeRecord, MembershipChanged, Record, change_record::Kind, record::Body,
};

use crate::core::Pass;
use crate::definitions::Definitions;
use crate::state::{MemberCount, MissingParts};

/// The definitions that accounts are decided by.
static OF_ACCOUNTS: LazyLock<Definitions> = LazyLock::new(Definitions::empty);

/// Returns the definitions that a subject is decided by, of those that are in force.
pub(crate) fn definitions_of(subject: CustomerId, in_force: &Definitions) -> &Definitions {
    if subject.is_account() {
        &OF_ACCOUNTS
    } else {
        in_force
    }
}

/// Checks that a change of a membership says of which account it is.
///
/// # Errors
/// [`Poison`] where it does not.
pub(crate) fn check(told: &MembershipChanged) -> Result<(), Poison> {
    let account = CustomerId::try_from_bytes(&told.account_id);
    let is_one = account.is_ok_and(CustomerId::is_account);
    is_one
        .then_some(())
        .ok_or_else(|| Poison::new("a membership is of no account"))
}

/// Returns the id of a record by which a repetition is told; absent for one that is told otherwise,
/// and for one that repeats nothing.
pub(crate) fn repetition_id(record: &Record) -> Option<EventIdHash> {
    let subject = || CustomerId::try_from_bytes(&record.customer_id);
    match &record.body {
        Some(Body::Event(event)) => convert::repetition_id(event),
        // At the account its number tells it.
        Some(Body::Membership(_)) if subject().is_ok_and(CustomerId::is_account) => None,
        Some(Body::Membership(told)) => id_of_change(told),
        _ => None,
    }
}

/// The id of a change of a membership, at the member. No event has one like it: ids of events have
/// no control characters.
fn id_of_change(told: &MembershipChanged) -> Option<EventIdHash> {
    let account = CustomerId::try_from_bytes(&told.account_id).ok()?;
    let MembershipChanged {
        role,
        is_member,
        is_primary,
        number,
        ..
    } = told;
    let id = format!("\0{account} {number} {role} {is_member} {is_primary}");
    // Without a number one cannot be told from another, but that an account which is gone has no
    // members any more.
    EventIdHash::of(&id).filter(|_| *number > 0 || !is_member)
}

impl Pass<'_> {
    /// Takes a change of a membership: of the account's members, or of the customer.
    ///
    /// # Errors
    /// [`MissingParts`] where a part of the state is not loaded.
    pub(crate) fn membership(
        &mut self,
        key: &Bytes,
        time_ms: i64,
        told: &MembershipChanged,
    ) -> Result<Outcome, MissingParts> {
        if self.is_account {
            self.count_members(key, told)
        } else {
            self.tell_membership(key, time_ms, told)
        }
    }

    /// Takes how many members the account has, where that is newer than what is known. What was
    /// said of an account that is part of this one now is kept for it alone.
    fn count_members(
        &mut self,
        key: &Bytes,
        told: &MembershipChanged,
    ) -> Result<Outcome, MissingParts> {
        let newer = MemberCount {
            count: told.member_count,
            number: told.number,
        };
        if told.account_id == *key || self.ordinal == 0 {
            if !newer.is_after(self.state.members) {
                return Ok(Outcome::Unchanged);
            }
            if !self.state.is_known() {
                self.state.fingerprint = self.definitions.fingerprint;
            }
            self.state.members = Some(newer);
            return Ok(self.keep());
        }
        let mut own = self.state.fragments.of(self.ordinal)?;
        if !newer.is_after(own.members) {
            return Ok(Outcome::Unchanged);
        }
        self.state.begin_fragments();
        own.members = Some(newer);
        self.state.fragments.put(self.ordinal, own);
        Ok(self.keep())
    }

    /// Tells consumers outside, once, that the customer became a member of an account, or is one no
    /// more. All that is kept of it is the id.
    fn tell_membership(
        &mut self,
        key: &Bytes,
        time_ms: i64,
        told: &MembershipChanged,
    ) -> Result<Outcome, MissingParts> {
        let id = id_of_change(told);
        if let Some(id) = id {
            if self.state.event_ids.is_repeated(id, self.now)? {
                return Ok(Outcome::Unchanged);
            }
            // An unmerge gives no id back of which nobody can say whose it was.
            self.state.event_ids.add(id, self.now, 0)?;
        }
        self.effects.change(ChangeRecord {
            customer_id: key.clone(),
            time_ms,
            kind: Some(Kind::Account(AccountMembership {
                account_id: told.account_id.clone(),
                role: told.role.clone(),
                is_member: told.is_member,
                is_primary: told.is_primary,
            })),
        });
        Ok(id.map_or(Outcome::Unchanged, |_| self.keep()))
    }

    /// Forgets the ids of changes of one of whom nothing else is known.
    pub(crate) fn forget_ids(&mut self) -> Outcome {
        if self.state.event_ids.is_empty() {
            return Outcome::Unchanged;
        }
        self.state.event_ids.forget(self.now);
        self.keep()
    }
}
