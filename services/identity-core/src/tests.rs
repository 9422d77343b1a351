//! The rules, tried out on a small world in memory.

mod acceptance;
mod accounts;
mod adobe;
mod beside;
mod evidence;
mod hostile;
mod policies;
mod properties;
mod reference;
mod simulation;
mod unmerge;
mod world;

use decision::{Names, Source};
use kernel::{CustomerId, FragmentId, Timestamp};
use messages::definition::v1::definition::Kind;
use messages::identity::v1;

use self::world::World;
use crate::{
    Changes, ConflictRule, CustomerView, Detail, DropReason, FanOut, HolderState, Holding,
    Identifier, Need, NewFragment, Overlay, Policy, Resolution, Rules, Screened, limits,
    plan_merge, screen,
};

fn uuid(number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(number as u128)
}

fn customer(number: usize) -> CustomerId {
    CustomerId::new(uuid(number))
}

fn drops(resolution: &Resolution) -> Vec<(&str, DropReason)> {
    resolution
        .dropped
        .iter()
        .map(|dropped| (dropped.identifier.value.as_str(), dropped.reason))
        .collect()
}

/// Namespaces of these names and limits, the first of the highest priority, and nothing built in.
fn namespaces(limits: &[(&str, u32)]) -> Rules {
    let namespaces = limits.iter().zip(1..).map(|((name, limit), priority)| {
        let mut own = namespace(name, *limit);
        own.priority = priority;
        own
    });
    compiled(namespaces.collect())
}

fn namespace(name: &str, limit: u32) -> v1::Namespace {
    v1::Namespace {
        name: name.to_owned(),
        priority: 1,
        limit,
        normalizer: v1::Normalizer::Trim.into(),
        ..Default::default()
    }
}

/// These namespaces, and none that are built in.
fn compiled(namespaces: Vec<v1::Namespace>) -> Rules {
    let built_in = ["user_id", "crm_id", "email", "phone", "anonymous_id"];
    let is_own = |name: &str| namespaces.iter().any(|it| it.name == name);
    let off = built_in.iter().filter(|name| !is_own(name));
    let off = off.map(|name| v1::Namespace {
        name: (*name).to_owned(),
        disabled: true,
        ..Default::default()
    });
    let off: Vec<_> = off.collect();
    let kinds: Vec<Kind> = namespaces
        .into_iter()
        .chain(off)
        .map(Kind::Namespace)
        .collect();
    let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
    Rules::compile(&sources, &Names::default()).expect("namespaces")
}

/// Rules under another policy.
fn under(rule: ConflictRule, mut rules: Rules) -> Rules {
    rules.policy = Policy::of(rule);
    rules
}
