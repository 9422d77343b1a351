//! Arrows between crates: they point inward, and what decides reaches nothing that moves bytes.

use super::crates::{Crate, Crates};
use super::{PURE, assert_none, is_core, is_pure};

/// Crates that no pure one reaches, by any way: runtimes, networks, stores, telemetry.
const HEAVY: [&str; 13] = [
    "fjall",
    "hyper",
    "opentelemetry",
    "opentelemetry_sdk",
    "redis",
    "rustls",
    "sea-orm",
    "sqlx-core",
    "tokio",
    "tonic",
    "tower",
    "tracing",
    "tracing-core",
];

/// The clients of stores, and the only crates that name them. The benchmarks measure Redis bare.
const STORES: [(&str, &[&str]); 2] = [
    ("redis", &["shared/hot", "tests/bench"]),
    ("fjall", &["shared/hot"]),
];

/// The binary that runs all services, and so depends on each of them.
const ALL_IN_ONE: &str = "services/happypath";

/// Lists every arrow that should not be there.
fn faults(crates: &Crates) -> Vec<String> {
    let mut faults = Vec::new();
    for one in crates.ours() {
        let every = || crates.named(one.normal.iter().chain(&one.aside));
        for used in every() {
            if let Some(reason) = outward(&one.folder, &used.folder) {
                faults.push(format!("{} depends on {}: {reason}", one.name, used.name));
            }
            for (store, holders) in STORES {
                if used.name == store && !holders.contains(&one.folder.as_str()) {
                    faults.push(format!(
                        "{} depends on {store}: only {} may",
                        one.name,
                        holders.join(" and ")
                    ));
                }
            }
        }
        if is_pure(&one.folder) {
            faults.extend(impure(crates, one));
        }
    }
    faults
}

/// Says why one crate of ours must not depend on another, or nothing where it may.
fn outward(from: &str, to: &str) -> Option<&'static str> {
    if to.starts_with("tests/") {
        return Some("nothing depends on tests");
    }
    if !to.starts_with("services/") || from.starts_with("tests/") {
        return None;
    }
    if from.starts_with("shared/") {
        return Some("what is shared knows no service");
    }
    let is_its_core = to.strip_suffix("-core") == Some(from);
    let is_part_of_all = from == ALL_IN_ONE && !is_core(to);
    (!is_its_core && !is_part_of_all).then_some("a service knows no other's crate")
}

/// Lists what a pure crate stands on though it moves bytes, each with the way to it.
fn impure(crates: &Crates, one: &Crate) -> Vec<String> {
    let ours = crates
        .named(&one.normal)
        .filter(|used| !used.folder.is_empty() && !is_pure(&used.folder))
        .map(|used| format!("{} depends on {}, which is not pure", one.name, used.name));
    let ways = crates.ways(one);
    let heavy = HEAVY
        .iter()
        .filter_map(|name| ways.get(name))
        .map(|way| format!("{} reaches {}", one.name, way.join(" → ")));
    ours.chain(heavy).collect()
}

#[test]
fn crates_depend_inward() {
    assert_none(&faults(&Crates::of_workspace()));
}

#[test]
fn rules_name_crates_that_exist() {
    let crates = Crates::of_workspace();
    let exists = |folder: &str| crates.ours().any(|one| one.folder == folder);
    let named = PURE
        .into_iter()
        .chain(STORES.into_iter().flat_map(|(_, holders)| holders).copied())
        .chain([ALL_IN_ONE]);
    let missing = named.filter(|folder| !exists(folder));
    assert_none(&missing.map(str::to_owned).collect::<Vec<_>>());
    let reached: Vec<&str> = crates.0.values().map(|one| one.name.as_str()).collect();
    let unknown = HEAVY.iter().filter(|name| !reached.contains(name));
    assert_none(&unknown.map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(crates.ours().filter(|one| is_core(&one.folder)).count(), 5);
}

/// Checks the arrows of a small workspace. A crate with a slash in its name is one of ours.
fn check(arrows: &[(&str, &[&str])], expected: &[&str]) {
    let mut crates = Crates::default();
    let named = |place: &str| Crate {
        name: place.rsplit('/').next().unwrap_or(place).to_owned(),
        folder: if place.contains('/') { place } else { "" }.to_owned(),
        ..Crate::default()
    };
    for (from, used) in arrows {
        for place in used.iter().chain([from]) {
            let one = crates.0.entry((*place).to_owned());
            one.or_insert_with(|| named(place));
        }
        if let Some(one) = crates.0.get_mut(*from) {
            one.normal.extend(used.iter().map(ToString::to_string));
        }
    }
    assert_eq!(faults(&crates), expected);
}

#[test]
fn an_arrow_outward_is_a_fault() {
    check(
        &[("shared/hot", &["services/journey-core"])],
        &["hot depends on journey-core: what is shared knows no service"],
    );
    check(
        &[("services/journey", &["services/segmentation-core"])],
        &["journey depends on segmentation-core: a service knows no other's crate"],
    );
    check(
        &[("services/happypath", &["services/journey-core"])],
        &["happypath depends on journey-core: a service knows no other's crate"],
    );
    check(
        &[("services/journey", &["tests/sim"])],
        &["journey depends on sim: nothing depends on tests"],
    );
}

#[test]
fn arrows_inward_are_none() {
    check(
        &[
            ("services/journey", &["services/journey-core", "shared/hot"]),
            (
                "services/journey-core",
                &["shared/kernel", "shared/decision"],
            ),
            ("services/happypath", &["services/journey"]),
            ("shared/hot", &["redis", "fjall", "tokio"]),
            ("tests/bench", &["redis", "services/happypath"]),
        ],
        &[],
    );
}

#[test]
fn a_heavy_crate_behind_a_pure_one_is_a_fault_with_its_way() {
    check(
        &[
            ("shared/decision", &["shared/messages"]),
            ("shared/messages", &["prost-more"]),
            ("prost-more", &["tokio"]),
        ],
        &[
            "decision reaches decision → messages → prost-more → tokio",
            "messages reaches messages → prost-more → tokio",
        ],
    );
    check(
        &[("services/journey-core", &["shared/engine"])],
        &["journey-core depends on engine, which is not pure"],
    );
}

#[test]
fn a_second_holder_of_a_store_is_a_fault() {
    check(
        &[("shared/journal", &["redis", "fjall"])],
        &[
            "journal depends on fjall: only shared/hot may",
            "journal depends on redis: only shared/hot and tests/bench may",
        ],
    );
}
