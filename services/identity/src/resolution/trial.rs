//! Namespaces and a policy that are tried, and are in force nowhere.

use std::sync::Arc;

use definitions::{Flaw, References, Versioned};
use kernel::Timestamp;
use proto::definition::v1::Definition;

pub use identity_core::{Rules, Simulation};

/// Compiles definitions of namespaces and of the policy, laid over the built-in ones.
///
/// # Errors
/// Every mistake, with the place of its definition.
pub fn compile_rules(definitions: &[Definition]) -> Result<Rules, Vec<Flaw>> {
    let versions: Vec<_> = definitions
        .iter()
        .map(|definition| {
            Arc::new(Versioned {
                value: definition.clone(),
                version: 1,
                is_superseded: false,
                etag: String::new(),
                update_time: Timestamp::MIN,
            })
        })
        .collect();
    definitions::compile(&versions, &References::default(), Rules::compile)
}
