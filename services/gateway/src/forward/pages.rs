//! Pages of a list that several services keep parts of, one after another. Pure.
//!
//! A token carries the service that it leads on in, and the token of that service's own list.

use rpc::{ErrorReason, Failure, Violation};

/// Bytes of a page beyond which the next service is not asked for more: with what it may answer,
/// the page is still within what clients take, which is 4 MiB.
const PAGE_BYTES: usize = 512 * 1024;

/// A page that is being filled. `H` names a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page<H> {
    homes: Vec<H>,
    at: usize,
    token: String,
    missing: u32,
}

/// The question to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask<H> {
    /// The service.
    pub(super) home: H,
    /// The token of its own list.
    pub(super) token: String,
    /// The number of items that are wanted.
    pub(super) size: u32,
}

impl<H: Copy> Page<H> {
    /// Begins a page over services in their order. A size of 0 means `default_size`.
    ///
    /// # Errors
    /// [`ErrorReason::PageTokenInvalid`] where the token is of no such list.
    pub(super) fn begin(
        homes: &[H],
        name: impl Fn(H) -> &'static str,
        token: &str,
        (size, default_size): (u32, u32),
    ) -> Result<Self, Failure> {
        let (at, token) = match token.split_once('.') {
            None if token.is_empty() => (0, ""),
            None => return Err(refused()),
            Some((own, token)) => {
                let at = homes.iter().position(|home| name(*home) == own);
                (at.ok_or_else(refused)?, token)
            }
        };
        Ok(Self {
            homes: homes.to_vec(),
            at,
            token: token.to_owned(),
            missing: if size == 0 { default_size } else { size },
        })
    }

    /// The next question; absent where all services were asked.
    pub(super) fn ask(&self) -> Option<Ask<H>> {
        self.homes.get(self.at).map(|home| Ask {
            home: *home,
            token: self.token.clone(),
            size: self.missing,
        })
    }

    /// Takes an answer of so many items and the token of that list's next page. Returns the token
    /// of the next page of the whole list where this page is at its end, empty for the last.
    pub(super) fn take(
        &mut self,
        name: impl Fn(H) -> &'static str,
        (count, bytes): (usize, usize),
        next: String,
    ) -> Option<String> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.missing = self.missing.saturating_sub(count);
        if next.is_empty() {
            self.at += 1;
        }
        let has_more_here = !next.is_empty();
        self.token = next;
        let home = match self.homes.get(self.at) {
            None => return Some(String::new()),
            Some(home) => name(*home),
        };
        let is_full = has_more_here || self.missing == 0 || bytes > PAGE_BYTES;
        is_full.then(|| format!("{home}.{}", self.token))
    }
}

fn refused() -> Failure {
    let message = "the page token was not made for this request";
    Failure::new(ErrorReason::PageTokenInvalid, message).with_violations([Violation::new(
        "page_token",
        "is not the next_page_token of this request's page before: leave it empty for the first page",
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOMES: [&str; 3] = ["a", "b", "c"];

    fn name(home: &'static str) -> &'static str {
        home
    }

    /// Lists the items of services in pages of a size, as a client does; each service cuts its own
    /// pages to `most`.
    fn list(kept: [&[u32]; 3], size: u32, most: usize) -> (Vec<u32>, usize) {
        let (mut all, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            pages += 1;
            let mut page = Page::begin(&HOMES, name, &token, (size, 2)).expect("a token of ours");
            let mut count = 0;
            token = loop {
                let ask = page.ask().expect("somebody is left");
                let own = kept[HOMES.iter().position(|it| *it == ask.home).expect("one")];
                let from: usize = ask.token.parse().unwrap_or(0);
                let wanted = most.min(usize::try_from(ask.size).expect("small"));
                let until = own.len().min(from + wanted);
                all.extend(&own[from..until]);
                count += until - from;
                let next = match until < own.len() {
                    true => until.to_string(),
                    false => String::new(),
                };
                if let Some(next) = page.take(name, (until - from, 0), next) {
                    break next;
                }
            };
            let size = if size == 0 { 2 } else { size };
            assert!(count <= usize::try_from(size).expect("small"));
            if token.is_empty() {
                return (all, pages);
            }
        }
    }

    #[test]
    fn every_item_is_listed_once_in_the_order_of_services() {
        for size in 0..=7 {
            for most in 1..=4 {
                let (all, _) = list([&[1, 2, 3], &[], &[4, 5]], size, most);
                assert_eq!(all, [1, 2, 3, 4, 5], "{size} {most}");
            }
        }
        assert_eq!(list([&[], &[], &[]], 3, 3), (vec![], 1));
        assert_eq!(list([&[1], &[2], &[3]], 3, 3), (vec![1, 2, 3], 1));
    }

    #[test]
    fn a_heavy_page_ends_before_the_next_service_is_asked() {
        let mut page = Page::begin(&HOMES, name, "", (10, 2)).expect("no token");
        let token = page.take(name, (1, PAGE_BYTES + 1), String::new());
        assert_eq!(token.as_deref(), Some("b."));
    }

    #[test]
    fn tokens_of_nobody_are_refused() {
        for token in ["x", "d.1", ".", "a", "b"] {
            assert!(Page::begin(&HOMES, name, token, (1, 1)).is_err(), "{token}");
        }
        assert!(Page::begin(&HOMES, name, "a.", (1, 1)).is_ok());
    }
}
