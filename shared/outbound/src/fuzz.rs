//! Checks of answers, whatever a destination says: for the fuzz targets of `tests/fuzz`, and for
//! nobody else.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::Timestamp;

use crate::{Attempted, Verdict};

/// Reads an answer of a status with a `Retry-After`.
///
/// # Panics
/// Where a wait is before now, or one follows from what is not tried again.
pub fn answer(status: u16, retry_after: &[u8]) {
    let (Ok(status), Ok(value)) = (
        StatusCode::from_u16(status),
        HeaderValue::from_bytes(retry_after),
    ) else {
        return;
    };
    let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value)]);
    let read = Attempted::of_head(status, &headers, Timestamp::from_millis(1_800_000_000_000));
    assert!(read.retry_after_ms >= 0);
    let is_retry = read.verdict == Verdict::Retry;
    assert!(is_retry || read.retry_after_ms == 0);
    assert_eq!(is_retry, read.is_struggling);
    assert_eq!(status.is_success(), read.verdict == Verdict::Taken);
    assert!(read.detail.starts_with(status.as_str()));
}
