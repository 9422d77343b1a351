//! Identifiers, and customers as a plan sees them.

use kernel::{CustomerId, Timestamp};

/// A namespace and a value that name a customer, as screened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// The namespace, such as `email`.
    pub namespace: String,
    /// The value, as normalised by its namespace.
    pub value: String,
}

/// What a plan must know of a customer. Identifiers have one holder, so that counts are enough to judge a union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerView {
    /// The canonical id.
    pub id: CustomerId,
    /// When the oldest fragment was made.
    pub create_time: Timestamp,
    /// How many fragments it has, at least 1.
    pub fragment_count: u32,
    /// How many identifiers of each namespace it has, by namespace; none is not listed.
    pub identifier_counts: Vec<(Box<str>, u32)>,
}

impl CustomerView {
    /// A customer just seen, of whom nothing is known.
    pub const fn new(id: CustomerId, create_time: Timestamp) -> Self {
        Self {
            id,
            create_time,
            fragment_count: 1,
            identifier_counts: Vec::new(),
        }
    }

    /// Whether this customer is older: the one that survives when the two are joined.
    pub fn is_older_than(&self, other: &Self) -> bool {
        (self.create_time, self.id) < (other.create_time, other.id)
    }

    /// How many identifiers of a namespace it has.
    pub fn identifiers_in(&self, namespace: &str) -> u32 {
        self.place(namespace)
            .map_or(0, |place| self.identifier_counts[place].1)
    }

    /// How many identifiers it has.
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
    }

    fn place(&self, namespace: &str) -> Result<usize, usize> {
        self.identifier_counts
            .binary_search_by(|(own, _)| own.as_ref().cmp(namespace))
    }
}
