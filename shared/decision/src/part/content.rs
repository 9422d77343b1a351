//! One part as its core holds it.

use std::sync::Arc;

use bytes::Bytes;

use super::{PartKey, PartLoad, PartWrites, is_apart};

/// A part of a decoded state. Cheap to clone.
///
/// # Contract
/// A part that is kept apart and not loaded is neither read nor changed in place; it can be
/// replaced or removed as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<T> {
    content: Content<T>,
    /// Its size under its own key in the store; absent where the store has none.
    stored: Option<u32>,
    is_dirty: bool,
    /// It goes apart whatever its size.
    is_sent_apart: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Content<T> {
    Absent,
    NotLoaded,
    Loaded(Arc<T>),
}

/// The part is kept apart and was not loaded: the step says so by [`crate::Effects::need`], and is
/// taken again with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the part is kept apart and not loaded: ask for it by Effects::need, and the step is taken again with it"
)]
pub struct NotLoaded;

impl<T> Clone for Content<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::NotLoaded => Self::NotLoaded,
            Self::Loaded(value) => Self::Loaded(Arc::clone(value)),
        }
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self {
            content: self.content.clone(),
            ..*self
        }
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            content: Content::Absent,
            stored: None,
            is_dirty: false,
            is_sent_apart: false,
        }
    }
}

impl<T> Part<T> {
    /// A part that stands in the head.
    pub fn inline(value: T) -> Self {
        Self {
            content: Content::Loaded(Arc::new(value)),
            ..Self::default()
        }
    }

    /// A part that the head lists as kept apart, with its size there.
    #[must_use]
    pub fn apart(bytes: u32) -> Self {
        Self {
            content: Content::NotLoaded,
            stored: Some(bytes),
            ..Self::default()
        }
    }

    /// The value; absent where there is none.
    ///
    /// # Errors
    /// [`NotLoaded`] where only the store knows.
    pub fn get(&self) -> Result<Option<&T>, NotLoaded> {
        match &self.content {
            Content::Absent => Ok(None),
            Content::NotLoaded => Err(NotLoaded),
            Content::Loaded(value) => Ok(Some(value)),
        }
    }

    /// The value to change; absent where there is none. It counts as changed from now on.
    ///
    /// # Errors
    /// [`NotLoaded`] where only the store knows.
    pub fn get_mut(&mut self) -> Result<Option<&mut T>, NotLoaded>
    where
        T: Clone,
    {
        match &mut self.content {
            Content::Absent => Ok(None),
            Content::NotLoaded => Err(NotLoaded),
            Content::Loaded(value) => {
                self.is_dirty = true;
                Ok(Some(Arc::make_mut(value)))
            }
        }
    }

    /// Replaces whatever there is.
    pub fn set(&mut self, value: T) {
        self.content = Content::Loaded(Arc::new(value));
        self.is_dirty = true;
    }

    /// Removes whatever there is.
    pub fn remove(&mut self) {
        self.is_dirty |= !self.is_absent();
        self.content = Content::Absent;
    }

    /// Takes what the store has under the part's key. Changes nothing where the part is there
    /// already, or was removed.
    pub fn load(&mut self, value: T) {
        if self.is_not_loaded() {
            self.content = Content::Loaded(Arc::new(value));
        }
    }

    /// Keeps the part apart from the next [`drain`](Self::drain) on, whatever its size: the head
    /// has no room for it, or it is seldom needed. It comes back once it was larger than the bound
    /// and shrinks.
    pub fn send_apart(&mut self) {
        if !self.is_absent() {
            self.is_sent_apart = true;
            self.is_dirty |= self.stored.is_none();
        }
    }

    /// Tells whether there is nothing.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.content, Content::Absent)
    }

    /// Tells whether it is kept apart and not loaded.
    #[must_use]
    pub const fn is_not_loaded(&self) -> bool {
        matches!(self.content, Content::NotLoaded)
    }

    /// Tells whether it has changed since it was written.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Its size under its own key in the store, for the head to list; absent where the head itself
    /// has it. Right after [`drain`](Self::drain).
    #[must_use]
    pub const fn stored_bytes(&self) -> Option<u32> {
        self.stored
    }

    /// The bytes that it takes in the head after the next [`drain`](Self::drain).
    pub fn head_bytes(&self, size: impl Fn(&T) -> usize) -> usize {
        match &self.content {
            Content::Absent | Content::NotLoaded => 0,
            Content::Loaded(_) if !self.is_dirty && self.stored.is_some() => 0,
            Content::Loaded(value) => {
                let bytes = size(value);
                if self.is_dirty && self.goes_apart(bytes) {
                    0
                } else {
                    bytes
                }
            }
        }
    }

    /// Tells whether a value of so many bytes is kept apart.
    fn goes_apart(&self, bytes: usize) -> bool {
        let was_sent = self
            .stored
            .is_some_and(|stored| !is_apart(true, stored as usize));
        self.is_sent_apart || was_sent || is_apart(self.stored.is_some(), bytes)
    }

    /// Writes the part where it changed and is kept apart, and removes what the store has where it
    /// is not any more. It is clean afterwards.
    pub fn drain(
        &mut self,
        key: PartKey,
        size: impl Fn(&T) -> usize,
        encode: impl Fn(&T) -> Bytes,
        writes: &mut PartWrites,
    ) {
        if !std::mem::take(&mut self.is_dirty) {
            return;
        }
        let apart = match &self.content {
            Content::Loaded(value) if self.goes_apart(size(value)) => Some(encode(value)),
            // Nobody changes what is not loaded.
            Content::NotLoaded => return,
            Content::Loaded(_) | Content::Absent => None,
        };
        self.is_sent_apart = false;
        let before = self.stored.take();
        match apart {
            Some(bytes) => {
                self.stored = Some(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                writes.put(key, bytes);
            }
            None if before.is_some() => writes.remove(key),
            None => {}
        }
    }

    /// Adds what it takes to a state's parts.
    pub fn measure(&self, size: impl Fn(&T) -> usize, load: &mut PartLoad) {
        let stored = self.stored.map_or(0, |bytes| bytes as usize);
        match &self.content {
            Content::NotLoaded => {}
            Content::Loaded(_) if !self.is_dirty => load.loaded_bytes += stored,
            Content::Loaded(value) => {
                let bytes = size(value);
                if self.goes_apart(bytes) {
                    load.loaded_bytes += bytes;
                    load.dirty += 1;
                    load.dirty_bytes += bytes + PartKey::STORE_BYTES;
                } else if self.stored.is_some() {
                    load.dirty += 1;
                    load.dirty_bytes += PartKey::STORE_BYTES;
                }
            }
            Content::Absent if self.is_dirty && self.stored.is_some() => {
                load.dirty += 1;
                load.dirty_bytes += PartKey::STORE_BYTES;
            }
            Content::Absent => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PartKey = PartKey {
        ordinal: 0,
        kind: 1,
        name: 2,
    };

    fn drain(part: &mut Part<Vec<u8>>) -> Vec<Option<usize>> {
        let mut measured = PartLoad::default();
        part.measure(Vec::len, &mut measured);
        let mut writes = PartWrites::default();
        part.drain(
            KEY,
            Vec::len,
            |value| Bytes::copy_from_slice(value),
            &mut writes,
        );
        let writes: Vec<_> = writes.into_iter().map(|(_, value)| value).collect();
        assert_eq!(measured.dirty, writes.len(), "measured as it is drained");
        let sizes: Vec<_> = writes
            .iter()
            .map(|it| it.as_ref().map(Bytes::len))
            .collect();
        let written: usize = sizes.iter().flatten().sum();
        assert_eq!(measured.dirty_bytes, written + 27 * writes.len());
        sizes
    }

    #[test]
    fn not_loaded_is_never_empty() {
        let mut part = Part::<Vec<u8>>::apart(2_000);
        assert_eq!(part.get(), Err(NotLoaded));
        assert_eq!(part.get_mut(), Err(NotLoaded));
        assert!(!part.is_absent());
        assert!(drain(&mut part).is_empty());
        assert_eq!(part.stored_bytes(), Some(2_000));
        part.load(vec![1; 2_000]);
        assert_eq!(part.get(), Ok(Some(&vec![1; 2_000])));
        assert!(drain(&mut part).is_empty(), "it is as the store has it");
        assert_eq!(Part::<Vec<u8>>::default().get(), Ok(None));
    }

    #[test]
    fn a_part_goes_apart_when_it_grows_and_comes_back_when_it_shrinks() {
        let mut part = Part::inline(vec![0; 10]);
        for (size, drained, stored) in [
            (1_024, vec![], None),
            (1_025, vec![Some(1_025)], Some(1_025)),
            (1_000, vec![Some(1_000)], Some(1_000)),
            (769, vec![Some(769)], Some(769)),
            (768, vec![None], None),
            (1_024, vec![], None),
        ] {
            part.get_mut()
                .expect("it is loaded")
                .expect("it is there")
                .resize(size, 0);
            assert!(part.is_dirty());
            assert_eq!(drain(&mut part), drained, "{size}");
            assert_eq!(part.stored_bytes(), stored, "{size}");
            assert!(drain(&mut part).is_empty(), "{size} twice");
        }
    }

    #[test]
    fn a_small_part_that_was_sent_apart_stays_there() {
        let mut part = Part::inline(vec![0; 10]);
        part.send_apart();
        assert_eq!(drain(&mut part), [Some(10)]);
        part.set(vec![0; 20]);
        assert_eq!(drain(&mut part), [Some(20)]);
        part.send_apart();
        assert!(drain(&mut part).is_empty(), "it is there already");
    }

    #[test]
    fn a_part_that_was_large_stays_apart_as_long_as_it_is_sent_there() {
        let mut part = Part::default();
        part.set(vec![0; 2_000]);
        assert_eq!(drain(&mut part), [Some(2_000)]);
        part.set(vec![0; 10]);
        part.send_apart();
        assert_eq!(drain(&mut part), [Some(10)]);
        part.set(vec![0; 2_000]);
        assert_eq!(drain(&mut part), [Some(2_000)]);
        part.set(vec![0; 10]);
        assert_eq!(drain(&mut part), [None], "nobody sends it any more");
    }

    #[test]
    fn what_is_not_loaded_can_be_replaced_and_removed() {
        let mut part = Part::apart(2_000);
        part.remove();
        assert_eq!(part.get(), Ok(None));
        part.load(vec![1]);
        assert_eq!(
            part.get(),
            Ok(None),
            "what comes late is not wanted any more"
        );
        assert_eq!(drain(&mut part), [None]);
        assert_eq!(part.stored_bytes(), None);
        let mut part = Part::apart(2_000);
        part.set(vec![2; 3_000]);
        assert_eq!(drain(&mut part), [Some(3_000)]);
        let mut part = Part::<Vec<u8>>::default();
        part.remove();
        assert!(drain(&mut part).is_empty(), "there never was one");
    }

    #[test]
    fn a_clone_does_not_feel_what_is_done_to_the_other() {
        let mut part = Part::inline(vec![1]);
        let before = part.clone();
        part.get_mut()
            .expect("it is loaded")
            .expect("it is there")
            .push(2);
        assert_eq!(before.get(), Ok(Some(&vec![1])));
        assert!(!before.is_dirty());
    }

    #[test]
    fn what_is_loaded_counts_by_its_bytes() {
        let mut load = PartLoad::default();
        let mut part = Part::apart(2_000);
        part.measure(Vec::<u8>::len, &mut load);
        assert_eq!(load, PartLoad::default());
        part.load(vec![0; 2_000]);
        part.measure(Vec::len, &mut load);
        assert_eq!((load.loaded_bytes, load.dirty), (2_000, 0));
    }
}
