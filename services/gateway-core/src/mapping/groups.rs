//! Groups of a mapping: which accounts a thing tells of, and what it tells.

use expr::{Formula, Found, Inputs};

use super::entries::Entries;
use crate::Fault;
use crate::draft::{Draft, Group, is_group_key};

/// A group of a mapping.
#[derive(Debug, Clone)]
pub(super) struct GroupFormulas {
    /// Its type.
    pub(super) kind: String,
    /// Its key.
    pub(super) key: Formula,
    /// Its traits.
    pub(super) traits: Entries,
}

impl GroupFormulas {
    /// Returns the expressions.
    pub(super) fn formulas(&self) -> impl Iterator<Item = &Formula> {
        [&self.key].into_iter().chain(self.traits.formulas())
    }

    /// Adds the group to an event, where there is a key of it. `field` is its path in the source.
    ///
    /// # Errors
    /// Where its key is none.
    pub(super) fn add<'d, 't: 'd>(
        &'d self,
        draft: &mut Draft<'d>,
        inputs: &Inputs<'_, 't>,
        field: &str,
    ) -> Result<(), Fault> {
        let Some(key) = self.key.value(inputs).filter(|key| !is_blank(key)) else {
            return Ok(());
        };
        let key = key.into_id().filter(|key| is_group_key(key));
        let key = key.ok_or_else(|| {
            let text = "its expression finds something that is neither a short text nor a number";
            Fault::malformed(field, text)
        })?;
        let traits = (!self.traits.is_empty()).then(|| self.traits.object(&[], inputs).into());
        draft.groups.push(Group {
            kind: self.kind.as_str().into(),
            key,
            traits,
        });
        Ok(())
    }
}

/// Returns whether a value is a text of nothing.
pub(super) fn is_blank(found: &Found<'_>) -> bool {
    matches!(found, Found::Text(text) if text.trim().is_empty())
}
