//! Identifiers, and customers as a plan sees them.

use std::sync::Arc;

use kernel::{CustomerId, FragmentId, Timestamp};

use crate::rules::Rules;

/// A namespace and a value that name a customer, as screened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The namespace, such as `email`.
    pub namespace: String,
    /// The value, as normalised by its namespace.
    pub value: String,
}

/// A customer as a plan sees it. Identifiers have one holder, so that counts are enough to judge a
/// union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerView {
    /// The canonical id.
    pub id: CustomerId,
    /// When the oldest fragment was made.
    pub create_time: Timestamp,
    /// The number of its fragments, at least 1.
    pub fragment_count: u32,
    /// The number of its identifiers of each namespace, by namespace; none is not listed. Shared
    /// ones count once for each fragment that lists them.
    pub identifier_counts: Vec<(Box<str>, u32)>,
    /// All that is known of it; absent where only the counts were loaded.
    pub detail: Option<Arc<Detail>>,
}

/// The fragments and identifiers of a customer: where counts alone do not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// All its fragments.
    pub fragments: Vec<NewFragment>,
    /// All its identifiers but shared ones; of those of one time the ones that came first are
    /// first.
    pub held: Vec<Held>,
    /// The shared values that are listed for it, each with the fragment that lists it.
    pub listed: Vec<(Identifier, FragmentId)>,
}

/// An identifier that a customer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The identifier.
    pub identifier: Identifier,
    /// The fragment that has it.
    pub fragment: FragmentId,
    /// When it came to the customer, by the time of acceptance.
    pub attach_time: Timestamp,
}

/// A fragment, and when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewFragment {
    /// When it was first seen.
    pub create_time: Timestamp,
    /// Its id.
    pub id: FragmentId,
}

impl CustomerView {
    /// A customer just seen, of whom nothing is known.
    pub const fn new(id: CustomerId, create_time: Timestamp) -> Self {
        Self {
            id,
            create_time,
            fragment_count: 1,
            identifier_counts: Vec::new(),
            detail: None,
        }
    }

    /// Returns whether the customer is known: has an identifier of a namespace that names people.
    pub fn is_known(&self, rules: &Rules) -> bool {
        self.identifier_counts.iter().any(|(name, count)| {
            let named = rules.find(name);
            *count > 0 && named.is_some_and(|(_, namespace)| namespace.names_people())
        })
    }

    /// Returns whether this customer is older: the one that survives when the two are joined.
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.create_time, self.id) < (other.create_time, other.id)
    }

    /// Returns the number of its identifiers of a namespace.
    pub fn identifiers_in(&self, namespace: &str) -> u32 {
        self.place(namespace)
            .map_or(0, |place| self.identifier_counts[place].1)
    }

    /// Returns the number of its identifiers.
    pub fn identifier_count(&self) -> u32 {
        self.identifier_counts.iter().map(|(_, count)| count).sum()
    }

    /// Counts further identifiers of a namespace.
    pub fn add_identifiers(&mut self, namespace: &str, count: u32) {
        match self.place(namespace) {
            Ok(place) => self.identifier_counts[place].1 += count,
            Err(place) => self
                .identifier_counts
                .insert(place, (namespace.into(), count)),
        }
    }

    /// Counts one identifier of a namespace less.
    pub fn remove_identifier(&mut self, namespace: &str) {
        if let Ok(place) = self.place(namespace) {
            let count = &mut self.identifier_counts[place].1;
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.identifier_counts.remove(place);
            }
        }
    }

    /// Returns the number of its identifiers of a namespace that came at a time or since; 0 where
    /// they are not loaded.
    pub fn count_since(&self, namespace: &str, since: Timestamp) -> u32 {
        let held = self.detail.iter().flat_map(|detail| &detail.held);
        let counted =
            held.filter(|it| it.identifier.namespace == namespace && it.attach_time >= since);
        counted.fold(0, |count, _| count + 1)
    }

    /// Counts what another customer brings, and keeps the age of the older one.
    pub fn fold(&mut self, other: &Self) {
        if other.is_older_than(self) {
            self.id = other.id;
            self.create_time = other.create_time;
        }
        self.fragment_count += other.fragment_count;
        for (namespace, count) in &other.identifier_counts {
            self.add_identifiers(namespace, *count);
        }
        match (&mut self.detail, &other.detail) {
            (Some(own), Some(other)) => {
                let own = Arc::make_mut(own);
                own.fragments.extend(&other.fragments);
                own.held.extend(other.held.iter().cloned());
                own.listed.extend(other.listed.iter().cloned());
            }
            (own, _) => *own = None,
        }
    }

    fn place(&self, namespace: &str) -> Result<usize, usize> {
        self.identifier_counts
            .binary_search_by(|(own, _)| own.as_ref().cmp(namespace))
    }
}
