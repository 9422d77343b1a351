//! Goes through the rows of some partitions in the order of time, and hands out those that may hold what is searched.

use std::collections::VecDeque;

use futures::future::try_join_all;

use super::headers::{Header, HeaderQuery, Row};
use super::index::has_any;
use super::limits::{BYTES_PER_PAGE, HEADERS, HEADERS_PER_PAGE, ROWS};
use super::place::RowKey;
use crate::LogError;
use crate::sql::Statements;

/// A walk through the rows of a few partitions.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) partitions: &'a [u16],
    /// Customers to look for, by hash; absent for all events.
    pub(crate) hashes: Option<&'a [u32]>,
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Rows that were found and not looked at yet.
    pub(crate) headers: VecDeque<Header>,
    /// The last row that was looked at, and whether all of its events are done with.
    pub(crate) after: Option<(RowKey, bool)>,
    /// What may be spent still.
    pub(crate) budget: Budget,
}

/// What a page may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    headers: usize,
    bytes: u64,
}

impl Budget {
    pub(crate) const PAGE: Self = Self {
        headers: HEADERS_PER_PAGE,
        bytes: BYTES_PER_PAGE,
    };

    /// Whether there is nothing left.
    pub(crate) const fn is_spent(self) -> bool {
        self.headers == 0 || self.bytes == 0
    }
}

/// What a step of a scan found.
#[derive(Debug)]
pub(crate) enum Step {
    /// Rows that may hold what is searched, in order; none for rows that do not.
    Rows(Vec<Row>),
    /// There are no more rows.
    End,
}

impl Scan<'_> {
    /// Looks at some further rows.
    pub(crate) async fn step(&mut self) -> Result<Step, LogError> {
        if self.headers.is_empty() {
            self.headers = self.further().await?;
        }
        if self.headers.is_empty() {
            return Ok(Step::End);
        }
        let mut wanted = Vec::new();
        while let Some(header) = self.headers.pop_front() {
            let is_wanted = self
                .hashes
                .is_none_or(|hashes| has_any(&header.customers, hashes));
            self.after = Some((header.key, true));
            self.budget.headers = self.budget.headers.saturating_sub(1);
            if is_wanted {
                self.budget.bytes = self.budget.bytes.saturating_sub(header.bytes);
                wanted.push(header.key);
                if wanted.len() == ROWS || self.budget.bytes == 0 {
                    break;
                }
            }
        }
        let mut rows = self.statements.rows(&wanted).await?;
        rows.sort_by_key(|row| row.key);
        Ok(Step::Rows(rows))
    }

    /// Further rows of all partitions, in order, as far as they are complete.
    async fn further(&self) -> Result<VecDeque<Header>, LogError> {
        let looks = self.partitions.iter().map(|partition| {
            self.statements.headers(HeaderQuery {
                partition: *partition,
                after: self.after,
                from: self.from,
                to: self.to,
            })
        });
        let found = try_join_all(looks).await?;
        // Of a partition that has more, nothing is known after its last row.
        let known = found
            .iter()
            .filter(|rows| rows.len() == HEADERS)
            .filter_map(|rows| rows.last().map(|last| last.key))
            .min();
        let mut headers: Vec<Header> = found
            .into_iter()
            .flatten()
            .filter(|header| known.is_none_or(|known| header.key <= known))
            .collect();
        headers.sort_by_key(|header| header.key);
        Ok(headers.into())
    }
}
