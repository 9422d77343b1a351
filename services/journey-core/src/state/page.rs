//! Pages: lists of the newest so many entries, of which a new one touches the newest and the oldest
//! page alone.

use std::ops::{Deref, DerefMut};

use kernel::Timestamp;

/// An entry of a list that is kept in pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<E> {
    /// The number of its page: pages of higher numbers are newer.
    pub(crate) page: u32,
    entry: E,
}

impl<E> Paged<E> {
    pub(crate) const fn new(page: u32, entry: E) -> Self {
        Self { page, entry }
    }
}

impl<E> Deref for Paged<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.entry
    }
}

impl<E> DerefMut for Paged<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.entry
    }
}

/// The bounds of such a list.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// Entries of the list.
    pub entries: usize,
    /// Entries of a page.
    pub per_page: usize,
}

impl Pages {
    /// Pages of a list at the most: twice as many as it needs, since entries are removed from the
    /// midst of it.
    pub const fn most(self) -> usize {
        2 * self.entries.div_ceil(self.per_page)
    }

    /// Adds the newest entry. The oldest gives way where there are as many as may be.
    pub(crate) fn push<E: Clone>(self, list: &mut Vec<Paged<E>>, entry: E) {
        if list.len() >= self.entries {
            list.remove(0);
        }
        let newest = list.last().map_or(0, |last| last.page);
        let on_it = list.iter().rev().take_while(|own| own.page == newest);
        let is_full = on_it.count() >= self.per_page;
        // Numbers begin anew long before they end.
        let page = newest.saturating_add(u32::from(is_full));
        list.push(Paged::new(page, entry));
        let pages = list.chunk_by(|one, other| one.page == other.page).count();
        if pages > self.most() || page == u32::MAX {
            let entries = list.iter().map(|own| own.entry.clone()).collect();
            self.set(list, entries);
        }
    }

    /// Unites two lists by time. The newest entries of both stay.
    pub(crate) fn unite<E: Clone>(
        self,
        own: &mut Vec<Paged<E>>,
        other: &[Paged<E>],
        time: impl Fn(&E) -> Timestamp,
    ) {
        let both = own.iter().chain(other);
        let mut all: Vec<E> = both.map(|paged| paged.entry.clone()).collect();
        all.sort_by_key(time);
        all.drain(..all.len().saturating_sub(self.entries));
        self.set(own, all);
    }

    fn set<E>(self, list: &mut Vec<Paged<E>>, entries: Vec<E>) {
        let mut pages = (0..).flat_map(|page| std::iter::repeat_n(page, self.per_page));
        let paged = entries.into_iter();
        *list = paged
            .map(|entry| Paged::new(pages.next().unwrap_or(u32::MAX), entry))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const PAGES: Pages = Pages {
        entries: 10,
        per_page: 4,
    };

    fn by_page(list: &[Paged<i64>]) -> BTreeMap<u32, Vec<i64>> {
        let mut pages: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for own in list {
            pages.entry(own.page).or_default().push(**own);
        }
        pages
    }

    #[test]
    fn a_new_entry_touches_the_newest_and_the_oldest_page_alone() {
        let mut list = Vec::new();
        for entry in 0..100 {
            let before = by_page(&list);
            PAGES.push(&mut list, entry);
            let after = by_page(&list);
            let pages = before.keys().chain(after.keys());
            let mut changed: Vec<_> = pages
                .filter(|own| before.get(own) != after.get(own))
                .collect();
            changed.dedup();
            assert!(changed.len() <= 4, "two pages, each in both: {changed:?}");
            assert!(list.is_sorted_by_key(|own| own.page));
            assert!(after.values().all(|own| own.len() <= 4));
        }
        assert!(list.iter().map(|own| **own).eq(90..100));
    }

    #[test]
    fn pages_that_were_thinned_out_are_joined() {
        let mut list = Vec::new();
        for entry in 0..200 {
            PAGES.push(&mut list, entry);
            let newest = list.len() - 1;
            // Of each page one entry stays.
            if newest > 0 && list[newest - 1].page == list[newest].page {
                list.remove(newest - 1);
            }
            assert!(by_page(&list).len() <= PAGES.most());
        }
    }

    #[test]
    fn two_lists_are_united_by_time_and_the_newest_stay() {
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for entry in 0..8 {
            PAGES.push(&mut own, 2 * entry);
            PAGES.push(&mut other, 2 * entry + 1);
        }
        PAGES.unite(&mut own, &other, |entry| Timestamp::from_millis(*entry));
        assert!(own.iter().map(|own| **own).eq(6..16));
        assert_eq!(by_page(&own).len(), 3);
    }
}
