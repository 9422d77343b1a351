//! A value as a step holds it: read and changed in place, and put back where it changed.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The value of a section in the hands of a step.
///
/// # Contract
/// One that is not loaded reads as an empty one and takes note of that. A step that ends asks
/// [`is_missed`](Self::is_missed) of all that it was lent: where one was missed, the step is void,
/// and says so by [`crate::Effects::need`].
#[derive(Debug, Clone)]
pub struct Lent<V> {
    value: Held<V>,
    is_loaded: bool,
    is_missed: Cell<bool>,
    is_changed: bool,
}

#[derive(Debug, Clone)]
enum Held<V> {
    Shared(Arc<V>),
    Own(V),
}

impl<V> Lent<V> {
    /// Lends a value that others share; it is copied with the first change.
    pub const fn shared(value: Arc<V>) -> Self {
        Self::of(Held::Shared(value), true)
    }

    /// Lends a value that nobody shares.
    pub const fn own(value: V) -> Self {
        Self::of(Held::Own(value), true)
    }

    /// Lends what is not loaded.
    pub fn not_loaded() -> Self
    where
        V: Default,
    {
        Self::of(Held::Own(V::default()), false)
    }

    const fn of(value: Held<V>, is_loaded: bool) -> Self {
        Self {
            value,
            is_loaded,
            is_missed: Cell::new(false),
            is_changed: false,
        }
    }

    /// Returns whether it was looked at and is not loaded.
    pub const fn is_missed(&self) -> bool {
        self.is_missed.get()
    }

    /// Returns the value where it may have changed; absent where nobody asked to change it, or it
    /// is not loaded.
    pub fn into_changed(self) -> Option<V> {
        match self.value {
            Held::Own(value) if self.is_changed && self.is_loaded => Some(value),
            Held::Own(_) | Held::Shared(_) => None,
        }
    }
}

impl<V: Default> Default for Lent<V> {
    /// Lends an empty value.
    fn default() -> Self {
        Self::own(V::default())
    }
}

impl<V> Deref for Lent<V> {
    type Target = V;

    fn deref(&self) -> &V {
        if !self.is_loaded {
            self.is_missed.set(true);
        }
        match &self.value {
            Held::Shared(value) => value,
            Held::Own(value) => value,
        }
    }
}

impl<V: Clone> DerefMut for Lent<V> {
    fn deref_mut(&mut self) -> &mut V {
        if !self.is_loaded {
            self.is_missed.set(true);
        }
        self.is_changed = true;
        if let Held::Shared(value) = &self.value {
            self.value = Held::Own(V::clone(value));
        }
        match &mut self.value {
            Held::Own(value) => value,
            // Just replaced.
            Held::Shared(value) => Arc::make_mut(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_loaded_is_missed_when_it_is_looked_at() {
        let lent = Lent::<Vec<u8>>::not_loaded();
        assert!(!lent.is_missed());
        assert!(lent.is_empty());
        assert!(lent.is_missed());
        let mut lent = Lent::<Vec<u8>>::not_loaded();
        lent.push(1);
        assert!(lent.is_missed());
        assert_eq!(lent.into_changed(), None, "nothing is known of it");
    }

    #[test]
    fn what_is_only_read_is_shared_and_what_is_changed_is_a_copy() {
        let value = Arc::new(vec![1]);
        let lent = Lent::shared(Arc::clone(&value));
        assert_eq!(lent.first(), Some(&1));
        assert_eq!(lent.into_changed(), None);
        let mut lent = Lent::shared(Arc::clone(&value));
        lent.push(2);
        assert!(!lent.is_missed());
        assert_eq!(lent.into_changed(), Some(vec![1, 2]));
        assert_eq!(*value, [1]);
    }
}
