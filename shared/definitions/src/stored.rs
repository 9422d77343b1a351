//! The definitions that an owner has stored as of a revision, decoded.
//!
//! It does not read SQL: `store` does, and keeps the newest of these.

use std::cmp::Reverse;
use std::sync::Arc;

use kernel::{Duration, Timestamp};
use proto::definition::v1::{Definition, DefinitionKind};

use crate::key::name_of;
use crate::{DefinitionKey, Versioned, limits};

/// The definitions of an owner as of a revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StoredSet {
    /// The number of changes that led to it.
    pub(crate) revision: i64,
    /// Sorted by kind and name, newest version first. Superseded versions are there where the
    /// catalog wants them, none without the version in force before it.
    pub(crate) all: Vec<Arc<Versioned<Definition>>>,
    /// The versions that went lately, in the same order, where the catalog wants them.
    pub(crate) gone: Vec<Gone>,
    /// The versions beside those in force that it keeps.
    kept: Kept,
}

/// A version that was deleted or superseded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gone {
    /// The time of that.
    pub(crate) time: Timestamp,
    pub(crate) definition: Arc<Versioned<Definition>>,
}

/// The versions that a set keeps beside those in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Superseded versions follow the one in force.
    pub(crate) older_versions: bool,
    /// For so long deleted and superseded versions stay behind all others; absent for not at all.
    pub(crate) gone_for: Option<Duration>,
}

impl StoredSet {
    /// Returns a set of these definitions, which may be in any order.
    pub(crate) fn new(
        revision: i64,
        kept: Kept,
        mut all: Vec<Arc<Versioned<Definition>>>,
        mut gone: Vec<Gone>,
    ) -> Self {
        // Not every database orders texts by their bytes.
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        gone.sort_by(|a, b| order(&a.definition).cmp(&order(&b.definition)));
        let mut newest = NewestVersions::default();
        all.retain(|it| kept.older_versions || !it.is_superseded);
        all.retain(|it| match name_of(&it.value) {
            Some((kind, name)) => newest.include(kind as i32, name, it.is_superseded),
            None => false,
        });
        Self {
            revision,
            all,
            gone,
            kept,
        }
    }

    /// Returns the set that follows: `retired` versions, which are marked as superseded, go at this
    /// time, and `written` ones are in force instead.
    pub(crate) fn followed_by(
        &self,
        written: &[Arc<Versioned<Definition>>],
        retired: &[Arc<Versioned<Definition>>],
        time: Timestamp,
    ) -> Self {
        let mut all = self.all.clone();
        for it in retired {
            if let Some(place) = name_of(&it.value).and_then(|key| self.place(key)) {
                all[place] = Arc::clone(it);
            }
        }
        all.extend(written.iter().cloned());
        let mut gone = Vec::new();
        if let Some(span) = self.kept.gone_for {
            let known = self.gone.iter().filter(|it| it.time > time - span);
            gone.extend(known.cloned());
            gone.extend(retired.iter().map(|it| Gone {
                time,
                definition: Arc::clone(it),
            }));
        }
        Self::new(self.revision + 1, self.kept, all, gone)
    }

    /// Returns all that a catalog sees at an instant.
    pub(crate) fn shown(&self, now: Timestamp) -> Vec<Arc<Versioned<Definition>>> {
        let gone = self.gone.iter().filter(|it| {
            let span = self.kept.gone_for;
            span.is_some_and(|span| it.time > now - span)
        });
        let gone = gone.map(|it| &it.definition);
        self.all.iter().chain(gone).cloned().collect()
    }

    /// Returns the place of the version in force.
    pub(crate) fn find(&self, key: &DefinitionKey) -> Option<usize> {
        self.place((key.kind, &key.name))
    }

    fn place(&self, key: (DefinitionKind, &str)) -> Option<usize> {
        let place = self
            .all
            .partition_point(|it| name_of(&it.value) < Some(key));
        let found = self.all.get(place)?;
        (name_of(&found.value) == Some(key) && !found.is_superseded).then_some(place)
    }

    /// Returns the names in force of a kind, in order.
    pub(crate) fn names(&self, kind: DefinitionKind) -> impl Iterator<Item = &str> {
        let current = self.all.iter().filter(|it| !it.is_superseded);
        current
            .filter_map(|it| name_of(&it.value))
            .filter(move |(own, _)| *own == kind)
            .map(|(_, name)| name)
    }
}

fn order(it: &Versioned<Definition>) -> (Option<(DefinitionKind, &str)>, Reverse<u32>) {
    (name_of(&it.value), Reverse(it.version))
}

/// Chooses versions to keep from a list in which the newest of each definition comes first.
#[derive(Debug, Default)]
pub(crate) struct NewestVersions {
    /// The kind of the last version in force; absent before the first.
    kind: Option<i32>,
    /// Its name.
    name: String,
    /// The versions that were kept behind it.
    older: usize,
}

impl NewestVersions {
    /// Returns whether the next version of the list is kept: it is in force, or one of the newest
    /// that the version in force took the place of. Without one in force the definition is deleted.
    pub(crate) fn include(&mut self, kind: i32, name: &str, is_superseded: bool) -> bool {
        if !is_superseded {
            self.kind = Some(kind);
            name.clone_into(&mut self.name);
            self.older = 0;
            return true;
        }
        let is_headed = self.kind == Some(kind) && self.name == name;
        let is_kept = is_headed && self.older < limits::OLDER_VERSIONS;
        self.older += usize::from(is_kept);
        is_kept
    }
}
