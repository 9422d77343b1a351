//! The things that a formula reads.

use std::cell::Cell;

use crate::ast::Step;
use crate::limits;

use super::Document;
use super::found::Found;
use super::program::Root;

/// The things that formulas read: one thing of a post, the whole post, and its headers.
///
/// Work is counted over all formulas that read the same inputs: see [`limits::WORK`].
#[derive(Debug)]
pub struct Inputs<'i, 't> {
    item: &'i Document<'t>,
    body: &'i Document<'t>,
    headers: &'i [(&'t str, &'t str)],
    left: Cell<u64>,
}

impl<'i, 't> Inputs<'i, 't> {
    /// Reads these documents, and headers whose names are in small letters.
    pub const fn new(
        item: &'i Document<'t>,
        body: &'i Document<'t>,
        headers: &'i [(&'t str, &'t str)],
    ) -> Self {
        Self {
            item,
            body,
            headers,
            left: Cell::new(limits::WORK),
        }
    }

    /// Allows so much work, such as what is left of that for all things of a post.
    #[must_use]
    pub const fn with_work(self, left: u64) -> Self {
        Self {
            left: Cell::new(left),
            ..self
        }
    }

    /// Returns how much work may still be done.
    pub const fn work_left(&self) -> u64 {
        self.left.get()
    }

    /// Returns whether formulas did all the work that they may do, or a document has more values
    /// than are read: some values are unknown for that reason alone.
    pub fn is_exhausted(&self) -> bool {
        self.left.get() == 0 || self.item.is_exhausted() || self.body.is_exhausted()
    }

    /// Takes so much from the work that may still be done; none where that is not there.
    pub(super) fn spend(&self, work: usize) -> Option<()> {
        let work = u64::try_from(work).unwrap_or(u64::MAX);
        match self.left.get().checked_sub(work) {
            Some(left) => {
                self.left.set(left);
                Some(())
            }
            None => {
                self.left.set(0);
                None
            }
        }
    }

    /// Returns the value that a path leads to.
    pub(super) fn find(&self, root: Root, steps: &[Step]) -> Option<Found<'t>> {
        let document = match (root, steps) {
            (Root::Item, _) => self.item,
            (Root::Body, _) => self.body,
            (Root::Headers, [Step::Field(name)]) => {
                let header = |(own, _): &&(&str, &str)| *own == name.as_ref();
                let (_, value) = self.headers.iter().find(header)?;
                return Some(Found::Text((*value).into()));
            }
            (Root::Headers, _) => return None,
        };
        let text = document.find(steps)?;
        self.spend(1)?;
        Found::of(text)
    }
}
