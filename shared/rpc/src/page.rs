//! Pages of lists, and the opaque tokens that lead from one to the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::limits::{ANSWER_BYTES, PAGE_TOKEN_BYTES};
use crate::{ErrorReason, Failure, Violation};

/// The version of the tokens; another one is refused.
const VERSION: u8 = 1;
/// Bytes of the hash that ties a token to its request.
const FILTER_BYTES: usize = 8;
/// Bytes of the tag and the length of an item in a list: five for each at the most.
const ITEM_BYTES: usize = 10;

/// The page of a list that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    size: usize,
    after: Option<Vec<u8>>,
    filter: [u8; FILTER_BYTES],
}

impl PageRequest {
    /// Reads the page of a request.
    ///
    /// `filter` is everything else that the request asks for, beginning with the name of the
    /// method: a token of another request is refused, because it would skip or repeat items. A size
    /// of 0 means `default_size`.
    ///
    /// # Errors
    /// [`ErrorReason::PageTokenInvalid`] where the token was not made for this request.
    pub fn read(
        filter: &[&str],
        size: u32,
        token: &str,
        default_size: usize,
    ) -> Result<Self, Failure> {
        let filter = hash(filter);
        let after = match token {
            "" => None,
            _ => Some(decode(token, filter).ok_or_else(refused)?),
        };
        Ok(Self {
            size: match usize::try_from(size) {
                Ok(0) | Err(_) => default_size,
                Ok(size) => size,
            },
            after,
            filter,
        })
    }

    /// Returns the number of items that the page holds at the most.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The key of the last item of the page before; none for the first page.
    pub fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// The token of the page that begins after the item with this key.
    pub fn token(&self, key: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + FILTER_BYTES + key.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&sum(&self.filter, key));
        bytes.extend_from_slice(key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Cuts items, of which one more than [`size`](Self::size) was fetched, to the page and the
    /// token of the next one, which is empty where there is none.
    ///
    /// A page also ends where the answer would weigh more than [`ANSWER_BYTES`]; it has one item at
    /// least.
    pub fn cut<T>(
        &self,
        mut items: Vec<T>,
        key: impl Fn(&T) -> Vec<u8>,
        bytes: impl Fn(&T) -> usize,
    ) -> (Vec<T>, String) {
        let fitting = self.fitting(items.iter().map(bytes));
        if items.len() <= fitting {
            return (items, String::new());
        }
        items.truncate(fitting);
        let token = items.last().map(|last| self.token(&key(last)));
        (items, token.unwrap_or_default())
    }

    /// Returns how many of the items that weigh these bytes fit the page.
    pub fn fitting(&self, bytes: impl IntoIterator<Item = usize>) -> usize {
        let mut answer = 0;
        let fits = bytes.into_iter().take(self.size).take_while(|bytes| {
            answer += bytes + ITEM_BYTES;
            answer <= ANSWER_BYTES
        });
        fits.count().max(1)
    }
}

fn refused() -> Failure {
    Failure::new(
        ErrorReason::PageTokenInvalid,
        "the page token was not made for this request",
    )
    .with_violations([Violation::new(
        "page_token",
        "is not the next_page_token of this request's page before: keep every other field the same, or leave it empty for the first page",
    )])
}

fn decode(token: &str, filter: [u8; FILTER_BYTES]) -> Option<Vec<u8>> {
    if token.len() > PAGE_TOKEN_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (own, key) = rest.split_at_checked(FILTER_BYTES)?;
    (*version == VERSION && own == sum(&filter, key)).then(|| key.to_vec())
}

/// Binds a key to the request that it was made for, so that a token that lost its end on the way
/// is not one of another page.
fn sum(filter: &[u8; FILTER_BYTES], key: &[u8]) -> [u8; FILTER_BYTES] {
    let digest = Sha256::new()
        .chain_update(filter)
        .chain_update(key)
        .finalize();
    std::array::from_fn(|place| digest[place])
}

fn hash(filter: &[&str]) -> [u8; FILTER_BYTES] {
    let mut hasher = Sha256::new();
    for part in filter {
        // The length keeps ["ab", "c"] and ["a", "bc"] apart.
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(filter: &[&str]) -> PageRequest {
        PageRequest::read(filter, 2, "", 100).expect("a first page")
    }

    #[test]
    fn a_token_leads_to_the_next_page() {
        let page = first(&["List", "a"]);
        let (items, token) = page.cut(vec![1_u8, 2, 3], |item| vec![*item], |_| 1);
        assert_eq!(items, [1, 2]);
        let next = PageRequest::read(&["List", "a"], 2, &token, 100).expect("the next page");
        assert_eq!(next.after(), Some([2].as_slice()));
        let (items, token) = next.cut(vec![3], |item| vec![*item], |_| 1);
        assert_eq!((items, token), (vec![3], String::new()));
    }

    #[test]
    fn a_page_ends_where_the_answer_is_full_and_goes_on_there() {
        let page = PageRequest::read(&["List"], 100, "", 100).expect("a page");
        let check = |bytes: &[usize], expected: usize| {
            let items: Vec<usize> = (0..bytes.len()).collect();
            let key = |item: &usize| vec![u8::try_from(*item).expect("few")];
            let (items, token) = page.cut(items, key, |item| bytes[*item]);
            assert_eq!(items.len(), expected, "{bytes:?}");
            let is_last = expected == bytes.len();
            assert_eq!(token.is_empty(), is_last, "{bytes:?}");
            if !is_last {
                let next = PageRequest::read(&["List"], 100, &token, 100).expect("the next");
                let last = u8::try_from(expected - 1).expect("few");
                assert_eq!(next.after(), Some([last].as_slice()));
            }
        };
        let third = ANSWER_BYTES / 3;
        check(&[], 0);
        check(&[third, third, third - 3 * ITEM_BYTES], 3);
        check(&[third, third, third], 2);
        check(&[ANSWER_BYTES - ITEM_BYTES, 0], 1);
        check(&[ANSWER_BYTES, 1, 1], 1);
        check(&[1, ANSWER_BYTES, 1], 1);
    }

    #[test]
    fn a_size_of_nothing_is_the_default() {
        assert_eq!(
            PageRequest::read(&[], 0, "", 20).expect("a page").size(),
            20
        );
    }

    #[test]
    fn a_token_of_another_request_or_an_altered_one_is_refused() {
        let token = first(&["List", "a"]).token(b"key");
        let long = "A".repeat(PAGE_TOKEN_BYTES + 1);
        for (filter, token) in [
            (["List", "b"], token.as_str()),
            (["Other", "a"], &token),
            (["Lis", "ta"], &token),
            (["List", "a"], "!!!"),
            (["List", "a"], "AAAA"),
            (["List", "a"], &token[1..]),
            (["List", "a"], &token[..token.len() - 2]),
            (["List", "a"], &format!("{token}AAAA")),
            (["List", "a"], &long),
        ] {
            let failure = PageRequest::read(&filter, 2, token, 100).expect_err(token);
            assert_eq!(failure.reason(), ErrorReason::PageTokenInvalid);
            assert_eq!(failure.violations()[0].field, "page_token");
        }
    }
}
