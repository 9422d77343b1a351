//! Which rows go next, of those that nobody needs: the rule that every log follows.
//!
//! What is removed is always a beginning: clocks of writers may differ, and still no row goes before one with a lower
//! number. It goes a batch at a time, so that no statement takes long. Pure.

use kernel::Timestamp;

/// Rows removed at once: fewer than a database notices.
pub(crate) const CUT_ROWS: usize = 500;
/// Bytes after which no further row is removed at once: what a database frees in some milliseconds.
const CUT_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of a row that has lost what it held: how its payload is packed.
pub(crate) const ERASED_BYTES: u64 = 1;

/// A row as a cut sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgedRow {
    pub(crate) seq: u64,
    pub(crate) create_time: Timestamp,
    /// Bytes of what it holds, [`ERASED_BYTES`] where that is nothing.
    pub(crate) bytes: u64,
}

/// What a cut does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CutPlan {
    /// The last row that goes, with all before it.
    pub(crate) remove_upto: Option<u64>,
    /// The last row of all, where it stays and loses what it holds.
    pub(crate) erase: Option<u64>,
    /// Whether the next row is old enough, and needed.
    pub(crate) is_held: bool,
}

/// Plans a cut up to a number and before an instant, given the first rows in order: one more than [`CUT_ROWS`], or all.
pub(crate) fn plan(rows: &[AgedRow], upto: u64, written_before: Timestamp) -> CutPlan {
    let mut plan = CutPlan::default();
    let mut bytes = 0;
    for (row, number) in rows.iter().zip(1..) {
        if row.create_time >= written_before {
            return plan;
        }
        if row.seq > upto {
            plan.is_held = true;
            return plan;
        }
        if bytes >= CUT_BYTES || number > CUT_ROWS {
            return plan;
        }
        if number == rows.len() {
            plan.erase = (row.bytes > ERASED_BYTES).then_some(row.seq);
            return plan;
        }
        bytes += row.bytes;
        plan.remove_upto = Some(row.seq);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(numbers: std::ops::RangeInclusive<u64>, bytes: u64) -> Vec<AgedRow> {
        numbers
            .map(|seq| AgedRow {
                seq,
                create_time: Timestamp::from_millis(seq.cast_signed() * 10),
                bytes,
            })
            .collect()
    }

    #[test]
    fn a_beginning_goes_and_the_last_row_loses_what_it_holds() {
        let most = CUT_ROWS as u64;
        for (rows, upto, before, expected) in [
            (vec![], 9, 1_000, (None, None, false)),
            (rows(3..=6, 2), 9, 1_000, (Some(5), Some(6), false)),
            (rows(3..=6, 1), 9, 1_000, (Some(5), None, false)),
            (rows(6..=6, 1), 9, 1_000, (None, None, false)),
            (rows(6..=6, 2), 9, 1_000, (None, Some(6), false)),
            (rows(3..=6, 2), 9, 50, (Some(4), None, false)),
            (rows(3..=6, 2), 4, 1_000, (Some(4), None, true)),
            (rows(3..=6, 2), 4, 50, (Some(4), None, false)),
            (rows(3..=6, 2), 5, 1_000, (Some(5), None, true)),
            (rows(3..=6, 2), 2, 1_000, (None, None, true)),
            (rows(3..=6, 2), 9, 30, (None, None, false)),
            (
                rows(1..=most + 1, 2),
                u64::MAX,
                i64::MAX,
                (Some(most), None, false),
            ),
            (
                rows(1..=most, 2),
                u64::MAX,
                i64::MAX,
                (Some(most - 1), Some(most), false),
            ),
            (rows(1..=9, CUT_BYTES / 2), 9, 1_000, (Some(2), None, false)),
        ] {
            let plan = plan(&rows, upto, Timestamp::from_millis(before));
            let found = (plan.remove_upto, plan.erase, plan.is_held);
            assert_eq!(found, expected, "{rows:?} up to {upto} before {before}");
        }
    }

    #[test]
    fn a_row_that_is_too_young_keeps_what_follows_it() {
        let mut rows = rows(1..=4, 2);
        rows[1].create_time = Timestamp::MAX;
        let plan = plan(&rows, 9, Timestamp::from_millis(1_000));
        assert_eq!((plan.remove_upto, plan.erase), (Some(1), None));
    }
}
