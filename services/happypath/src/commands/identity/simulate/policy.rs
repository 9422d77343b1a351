//! The rules of a simulation: a policy, and namespaces of files over the built-in ones.

use std::path::PathBuf;

use definitions::{Flaw, kind_word};
use identity::{Rules, compile_rules};
use kernel::nearest;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use proto::identity::v1::{ConflictRule, IdentityPolicy};

use crate::bundle::{Bundle, kind};
use crate::failure::Failure;

/// A rule that was named.
pub(super) type Named = ConflictRule;

/// The rules that can be named, each with its name.
const RULES: [(&str, ConflictRule); 6] = [
    ("drop_lowest_priority", ConflictRule::DropLowestPriority),
    ("reassign_newest", ConflictRule::ReassignNewest),
    ("ambiguous_anonymous", ConflictRule::AmbiguousAnonymous),
    ("refuse_if_known", ConflictRule::RefuseIfKnown),
    ("switch_session", ConflictRule::SwitchSession),
    ("union_all", ConflictRule::UnionAll),
];

/// Reads the name of a policy.
///
/// # Errors
/// The names that there are.
pub(super) fn named(text: &str) -> Result<Named, String> {
    let known = RULES.iter().find(|(name, _)| *name == text);
    known.map(|(_, rule)| *rule).ok_or_else(|| {
        let names = RULES.map(|(name, _)| name);
        let hint = nearest(text, names);
        let hint = hint.map_or(String::new(), |meant| format!("did you mean {meant}? "));
        format!("{hint}expected one of {}", names.join(", "))
    })
}

/// Compiles a policy with the definitions of files.
///
/// # Errors
/// Every mistake of the files.
pub(super) fn rules(rule: Named, files: &[PathBuf]) -> Result<Rules, Failure> {
    if files.is_empty() {
        let only = compile_rules(&[policy_of(rule, &IdentityPolicy::default())]);
        return only.map_err(|flaws| {
            let flaws = flaws.iter().map(|flaw| flaw.violation.to_string());
            Failure::failed(flaws.collect::<Vec<_>>().join("; "))
        });
    }
    let bundle = Bundle::read_or(files, "nothing was decided")?;
    let mut definitions: Vec<Definition> = Vec::with_capacity(bundle.definitions().len() + 1);
    let mut has_policy = false;
    let mut flaws = Vec::new();
    for (place, definition) in bundle.definitions().enumerate() {
        match &definition.kind {
            Some(Kind::Namespace(_)) => definitions.push(definition.clone()),
            Some(Kind::IdentityPolicy(own)) => {
                has_policy = true;
                definitions.push(policy_of(rule, own));
            }
            _ => {
                let word = kind_word(kind(definition));
                let kinds = [DefinitionKind::Namespace, DefinitionKind::IdentityPolicy];
                let [namespace, policy] = kinds.map(kind_word);
                let message = format!(
                    "does not count here: keep definitions of the kinds {namespace} and {policy}"
                );
                flaws.push(Flaw::new(place, word, message));
            }
        }
    }
    if !flaws.is_empty() {
        return Err(bundle.flawed(&flaws));
    }
    if !has_policy {
        definitions.push(policy_of(rule, &IdentityPolicy::default()));
    }
    compile_rules(&definitions).map_err(|flaws| bundle.flawed(&flaws))
}

/// A policy with this rule, whatever it had.
fn policy_of(rule: Named, policy: &IdentityPolicy) -> Definition {
    let policy = IdentityPolicy {
        name: "default".to_owned(),
        conflict_rule: rule.into(),
        ..policy.clone()
    };
    Definition {
        kind: Some(Kind::IdentityPolicy(policy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_known_by_its_name_and_nothing_else() {
        for (name, rule) in RULES {
            assert_eq!(named(name), Ok(rule));
            let in_contract = format!("CONFLICT_RULE_{}", name.to_ascii_uppercase());
            assert_eq!(rule.as_str_name(), in_contract);
        }
        assert_eq!(
            named("union-all").expect_err("a refusal"),
            "did you mean union_all? expected one of drop_lowest_priority, reassign_newest, \
             ambiguous_anonymous, refuse_if_known, switch_session, union_all"
        );
        assert_eq!(
            named("").expect_err("a refusal"),
            "expected one of drop_lowest_priority, reassign_newest, ambiguous_anonymous, \
             refuse_if_known, switch_session, union_all"
        );
    }
}
