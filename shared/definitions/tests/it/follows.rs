//! Names of another service that a catalog follows: known in force, and followed as they change.

use std::sync::Arc;

use definitions::{Catalog, DefinitionStore, Flaw, References, Versioned};
use proto::definition::v1::{Definition, DefinitionKind};

use crate::fixture::{JOURNEY, LOYAL, apply, delete, request, world};

/// Owns templates; compiled, it tells which journeys there are.
struct Followers;

impl Catalog for Followers {
    type Compiled = Option<Vec<String>>;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Template]
    }

    fn follows(&self) -> Option<(&'static str, DefinitionKind)> {
        Some(("journey", DefinitionKind::Journey))
    }

    fn compile(
        &self,
        _: &[Arc<Versioned<Definition>>],
        references: &References,
        _: Option<&Option<Vec<String>>>,
    ) -> Result<Option<Vec<String>>, Vec<Flaw>> {
        let names = references.all(DefinitionKind::Journey);
        Ok(names.map(|names| names.iter().cloned().collect()))
    }
}

#[tokio::test]
async fn names_that_are_followed_are_known_in_force_and_change_with_their_owner() {
    let world = world().await;
    let load = async || {
        DefinitionStore::load(world.database.clone(), "activation", Followers)
            .await
            .expect("loaded")
    };
    let store = load().await;
    let known = || Option::clone(&store.watch().borrow());
    assert_eq!(known(), None, "their owner stored nothing here so far");
    assert!(!store.refresh().await.expect("refreshed"));
    let bundle = format!("{JOURNEY}\n---\n{LOYAL}");
    apply(&world.rpc, request("a", &bundle))
        .await
        .expect("applied");
    assert!(store.refresh().await.expect("refreshed"));
    assert_eq!(known(), Some(vec!["j".to_owned()]));
    assert_eq!(*load().await.watch().borrow().as_ref(), known());
    assert!(
        !store.refresh().await.expect("refreshed"),
        "nothing changed"
    );
    delete(&world.rpc, "b", DefinitionKind::Journey, "j")
        .await
        .expect("deleted");
    assert!(store.refresh().await.expect("refreshed"));
    assert_eq!(known(), Some(Vec::new()));
    assert_eq!(store.revision().await, 0, "none of its own");
}
