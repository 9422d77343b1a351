//! The crates of the workspace and what they stand on, as `cargo metadata` tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use serde_json::Value;

use super::root;

/// A crate of the workspace or of the registry.
#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Its folder from the root, such as `shared/hot`. Empty for a crate of the registry.
    pub(super) folder: String,
    /// Ids of the crates that its own code uses.
    pub(super) normal: BTreeSet<String>,
    /// Ids of the crates that only its tests and its build script use.
    pub(super) aside: BTreeSet<String>,
}

/// All crates by id.
#[derive(Debug, Default)]
pub(super) struct Crates(pub(super) BTreeMap<String, Crate>);

impl Crates {
    /// Asks cargo, without the network, for this machine's platform.
    pub(super) fn of_workspace() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--locked"])
            .args(["--filter-platform", "host-tuple"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self::parse(&serde_json::from_slice(&output.stdout).expect("metadata as JSON"))
    }

    fn parse(metadata: &Value) -> Self {
        let root = text(&metadata["workspace_root"]);
        let mut crates = Self::default();
        for package in list(&metadata["packages"]) {
            let folder = package["manifest_path"]
                .as_str()
                .and_then(|path| path.strip_prefix(&root)?.strip_suffix("/Cargo.toml"));
            let one = Crate {
                name: text(&package["name"]),
                folder: folder
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned(),
                ..Crate::default()
            };
            crates.0.insert(text(&package["id"]), one);
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let one = crates.0.get_mut(&text(&node["id"]));
            let one = one.expect("a node is a package");
            for used in list(&node["deps"]) {
                let is_normal = list(&used["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null());
                let ids = if is_normal {
                    &mut one.normal
                } else {
                    &mut one.aside
                };
                ids.insert(text(&used["pkg"]));
            }
        }
        crates
    }

    /// The crates of the workspace.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Crate> {
        self.0.values().filter(|one| !one.folder.is_empty())
    }

    /// The crates behind ids.
    pub(super) fn named<'a>(
        &'a self,
        ids: impl IntoIterator<Item = &'a String>,
    ) -> impl Iterator<Item = &'a Crate> {
        ids.into_iter().filter_map(|id| self.0.get(id))
    }

    /// The shortest way of normal dependencies from a crate to each that it reaches, by the name of
    /// the latter. Both ends are part of the way.
    pub(super) fn ways<'a>(&'a self, from: &'a Crate) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut ways = BTreeMap::new();
        let mut next = VecDeque::from([(from, vec![])]);
        while let Some((one, mut way)) = next.pop_front() {
            way.push(one.name.as_str());
            if ways.contains_key(one.name.as_str()) {
                continue;
            }
            next.extend(self.named(&one.normal).map(|used| (used, way.clone())));
            ways.insert(one.name.as_str(), way);
        }
        ways
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
