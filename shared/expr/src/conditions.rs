//! The conditions of a set of definitions: each text is compiled once, and taken over from the set
//! before.
//!
//! It does not know which definition a condition belongs to.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::condition::{Condition, Scope};
use crate::mistake::Mistake;

/// The compiled conditions of one set of definitions, by their texts.
#[derive(Debug, Default)]
pub struct Conditions {
    compiled: HashSet<Compiled>,
}

/// A condition with the scope that it was compiled in, found by its text.
#[derive(Debug, Clone)]
struct Compiled {
    condition: Arc<Condition>,
    aggregates: bool,
    event: bool,
}

impl Conditions {
    /// Returns an empty set with room for as many conditions as the last one has.
    pub fn following(last: &Self) -> Self {
        Self {
            compiled: HashSet::with_capacity(last.compiled.len()),
        }
    }

    /// Returns the condition of a text: from the last set, else from this one, else compiled.
    ///
    /// The result is that of [`Condition::compile`]. Which segments exist only decides whether a
    /// text is valid, so a compiled one serves every scope that has the segments it reads.
    ///
    /// # Errors
    /// Every [`Mistake`] in the text, in its order.
    pub fn compile(
        &mut self,
        text: &str,
        scope: &Scope,
        last: &Self,
    ) -> Result<Arc<Condition>, Vec<Mistake>> {
        let known = [last, &*self]
            .into_iter()
            .filter_map(|set| set.compiled.get(text))
            .find(|known| known.serves(scope))
            .cloned();
        let compiled = match known {
            Some(known) => known,
            None => Compiled {
                condition: Arc::new(Condition::compile(text, scope)?),
                aggregates: scope.aggregates,
                event: scope.event,
            },
        };
        let condition = Arc::clone(&compiled.condition);
        self.compiled.replace(compiled);
        Ok(condition)
    }
}

impl Compiled {
    fn serves(&self, scope: &Scope) -> bool {
        self.aggregates == scope.aggregates
            && self.event == scope.event
            && self
                .condition
                .reads()
                .segments
                .iter()
                .all(|segment| scope.has_segment(segment))
    }
}

impl Borrow<str> for Compiled {
    fn borrow(&self) -> &str {
        self.condition.source()
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.condition.source() == other.condition.source()
    }
}

impl Eq for Compiled {}

impl Hash for Compiled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.source().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "segments.has(\"vip\") && profile.x > 1";

    fn scope(segments: &[&str]) -> Scope {
        let segments = segments.iter().map(ToString::to_string).collect();
        Scope {
            segments: Some(Arc::new(segments)),
            ..Scope::default()
        }
    }

    #[test]
    fn a_text_is_compiled_once_and_taken_over() {
        let (mut first, mut second) = (Conditions::default(), Conditions::default());
        let none = Conditions::default();
        let compile =
            |set: &mut Conditions, last| set.compile(TEXT, &scope(&["vip"]), last).expect(TEXT);
        let one = compile(&mut first, &none);
        assert!(Arc::ptr_eq(&one, &compile(&mut first, &none)));
        assert!(Arc::ptr_eq(&one, &compile(&mut second, &first)));
    }

    #[test]
    fn a_scope_that_lacks_a_segment_is_told_so_though_another_had_it() {
        let mut first = Conditions::default();
        first
            .compile(TEXT, &scope(&["vip"]), &Conditions::default())
            .expect(TEXT);
        let mistakes = Conditions::default().compile(TEXT, &scope(&["vi"]), &first);
        let expected = Condition::compile(TEXT, &scope(&["vi"]));
        assert_eq!(
            mistakes.expect_err("there is no vip"),
            expected.expect_err("there is no vip")
        );
    }

    #[test]
    fn what_one_kind_of_scope_took_another_does_not() {
        let text = "event.x > 1";
        let with_event = Scope {
            event: true,
            ..Scope::default()
        };
        let (mut set, none) = (Conditions::default(), Conditions::default());
        set.compile(text, &with_event, &none).expect(text);
        let mistakes = set.compile(text, &Scope::default(), &none);
        mistakes.expect_err("there is no event at hand");
    }
}
