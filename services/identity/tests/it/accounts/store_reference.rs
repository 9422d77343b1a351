//! Memberships as they were said, in a list that is looked through.

use std::collections::{BTreeMap, BTreeSet};

use identity::store::{MembershipRecord, MembershipSource};
use kernel::{CustomerId, FragmentId, Timestamp};

/// A row as it was said.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) place: usize,
    pub(super) customer: FragmentId,
    pub(super) account: FragmentId,
    pub(super) role: &'static str,
    pub(super) source: MembershipSource,
    pub(super) begin: Timestamp,
    pub(super) end: Option<Timestamp>,
    /// The number of the step that made it the primary one.
    pub(super) primary: Option<usize>,
}

/// A membership: customer, account, role, source, begin, end, and whether it is primary.
pub(super) type Shown = (
    CustomerId,
    CustomerId,
    String,
    MembershipSource,
    Timestamp,
    Option<Timestamp>,
    bool,
);

/// The customers and accounts that fragments belong to.
pub(super) type Roots = BTreeMap<FragmentId, CustomerId>;

impl Said {
    pub(super) fn is_over(&self, at: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= at)
    }

    pub(super) fn holds(&self, at: Timestamp) -> bool {
        self.begin <= at && !self.is_over(at)
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        !self.is_over(other.begin) && !other.is_over(self.begin)
    }
}

#[derive(Debug, Default)]
pub(super) struct Reference(pub(super) Vec<Said>);

impl Reference {
    pub(super) fn add(
        &mut self,
        (customer, account): (FragmentId, FragmentId),
        (role, source): (&'static str, MembershipSource),
        (begin, end): (Timestamp, Option<Timestamp>),
    ) -> &mut Said {
        self.0.push(Said {
            place: self.0.len(),
            customer,
            account,
            role,
            source,
            begin,
            end,
            primary: None,
        });
        self.0.last_mut().expect("just added")
    }

    /// Times at which something has ended that begins again later.
    pub(super) fn gaps(&self, roots: &Roots) -> Vec<Timestamp> {
        let key = |it: &Said| (roots[&it.customer], roots[&it.account], it.role, it.source);
        let again = |it: &&Said| {
            let mut others = self.0.iter();
            others.any(|other| key(other) == key(it) && it.is_over(other.begin))
        };
        self.0
            .iter()
            .filter(again)
            .filter_map(|it| it.end)
            .collect()
    }

    pub(super) fn union<'a>(
        &'a mut self,
        roots: &'a Roots,
        (customer, account): (FragmentId, FragmentId),
        (role, source): (&'a str, MembershipSource),
    ) -> Vec<&'a mut Said> {
        let own = move |it: &&mut Said| {
            roots[&it.customer] == roots[&customer]
                && roots[&it.account] == roots[&account]
                && (it.role, it.source) == (role, source)
        };
        self.0.iter_mut().filter(own).collect()
    }

    pub(super) fn shown(&self, roots: &Roots, at: Timestamp) -> BTreeSet<Sorted> {
        let mut shown: Vec<Shown> = Vec::new();
        let holding = |it: &&Said| it.holds(at);
        for it in self.0.iter().filter(holding) {
            let (customer, account) = (roots[&it.customer], roots[&it.account]);
            let of_customer = self.0.iter().filter(holding);
            let of_customer = of_customer.filter(|it| roots[&it.customer] == customer);
            let first = of_customer.max_by_key(|it| it.primary);
            let first = first.filter(|it| it.primary.is_some());
            let is_primary = first.is_some_and(|first| {
                roots[&first.account] == account
                    && (first.role, first.source) == (it.role, it.source)
            });
            let other = shown.iter_mut().find(|other| {
                (other.0, other.1, other.2.as_str(), other.3)
                    == (customer, account, it.role, it.source)
            });
            match other {
                None => shown.push((
                    customer,
                    account,
                    it.role.to_owned(),
                    it.source,
                    it.begin,
                    it.end,
                    is_primary,
                )),
                Some(other) => {
                    other.4 = other.4.min(it.begin);
                    other.5 = other.5.zip(it.end).map(|(one, two)| one.max(two));
                }
            }
        }
        shown.into_iter().map(Sorted).collect()
    }
}

/// Shown memberships, which sort by anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sorted(pub(super) Shown);

pub(super) fn shown(record: MembershipRecord) -> Sorted {
    Sorted((
        record.customer,
        record.account,
        record.role,
        record.source,
        record.valid_from,
        record.valid_to,
        record.is_primary,
    ))
}
