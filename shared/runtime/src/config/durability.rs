//! The promise of an acknowledgement, and the stores that it fits.

use std::fmt;

use super::fault::{Fault, Origin};
use super::layers::Layers;
use super::setting::SETTINGS;
use super::{EffectiveValue, HotStoreAddress};

/// The promise of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The hot store has it, on as many replicas as asked for. What it loses is lost.
    Hot,
    /// The database has it, and the hot store is rebuilt from there.
    Journal,
    /// The folder of the embedded store has it.
    Embedded,
}

impl Durability {
    /// Its name, as settings carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Journal => "journal",
            Self::Embedded => "embedded",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The level that counts: the one that was set where it fits the stores, or the usual one. Absent
/// where something does not fit.
pub(super) fn fitting(
    layers: &Layers,
    hot_store: &HotStoreAddress,
    database: &storage::DatabaseUrl,
    set: Option<Durability>,
    replicas_acked: u16,
    faults: &mut Vec<Fault>,
) -> Option<Durability> {
    let is_embedded = matches!(hot_store, HotStoreAddress::Embedded(_));
    if is_embedded && replicas_acked > 0 {
        faults.push(layers.misfit(
            "replicas_acked",
            "an embedded store has no replicas: leave it at 0, or keep the hot store in Redis",
        ));
    }
    let problem = match (is_embedded, set) {
        (true, Some(Durability::Journal)) => {
            "an embedded store is its own journal: leave durability out, or keep the hot store in Redis"
        }
        (true, Some(Durability::Hot)) => {
            "an embedded store writes to disk before it acknowledges: leave durability out"
        }
        (false, Some(Durability::Embedded)) => {
            "the hot store is Redis: choose hot or journal, or an embedded store with --hot-store embedded:FOLDER"
        }
        (_, Some(fitting)) => return Some(fitting),
        (true, None) => return Some(Durability::Embedded),
        (false, None) if !database.is_sqlite() => {
            return Some(Durability::Journal);
        }
        (false, None) => return Some(Durability::Hot),
    };
    faults.push(layers.misfit("durability", problem));
    None
}

/// The effective values with the level among them, in the order of the list.
pub(super) fn told(
    mut effective: Vec<EffectiveValue>,
    durability: Durability,
) -> Vec<EffectiveValue> {
    let place_of = |name| SETTINGS.iter().position(|setting| setting.name == name);
    if effective.iter().any(|value| value.name == "durability") {
        return effective;
    }
    let own = place_of("durability");
    let place = effective.partition_point(|value| place_of(value.name) < own);
    let value = EffectiveValue {
        name: "durability",
        value: durability.to_string(),
        origin: Origin::Default,
    };
    effective.insert(place, value);
    effective
}
