//! Positions: what answers to writes carry, and reads come after.
//!
//! The text is opaque to clients. It begins with a version, so that it can grow.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Written;
use hot::StreamName;
use kernel::{PartitionCount, StableHash, Timestamp};
use rpc::{ErrorReason, Failure, Violation};

/// The version of the text.
const VERSION: u8 = 1;
/// Bytes of the sum at the end, which tells a position from any other text.
const SUM_BYTES: usize = 4;

/// Returns the position of a write; empty where nothing of it is in a stream.
pub fn position_of(partitions: PartitionCount, written: Written) -> String {
    if written.time == Timestamp::MIN {
        return String::new();
    }
    let stream = u8::try_from(written.stream.index()).unwrap_or(u8::MAX);
    let mut bytes = vec![VERSION, stream];
    bytes.extend_from_slice(&partitions.get().to_be_bytes());
    bytes.extend_from_slice(&written.time.as_millis().to_be_bytes());
    bytes.extend_from_slice(&sum(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the `after` of a request; `None` where it is empty.
///
/// # Errors
/// [`ErrorReason::PositionInvalid`] where it is no position of this installation.
pub fn read_after(partitions: PartitionCount, text: &str) -> Result<Option<Written>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let Some((told, end)) = bytes.split_last_chunk::<SUM_BYTES>() else {
        return Err(malformed());
    };
    if sum(told) != *end {
        return Err(malformed());
    }
    let (VERSION, [stream, rest @ ..]) = told
        .split_first()
        .map_or((0, told), |(it, rest)| (*it, rest))
    else {
        return Err(refused(
            "is of another version of the program: pass on a position of an answer of this one, or \
             leave it empty"
                .to_owned(),
        ));
    };
    let (count, time) = rest.split_at_checked(2).ok_or_else(malformed)?;
    let count = <[u8; 2]>::try_from(count).map_err(|_| malformed())?;
    let time = <[u8; 8]>::try_from(time).map_err(|_| malformed())?;
    let (count, own) = (u16::from_be_bytes(count), partitions.get());
    if count != own {
        return Err(refused(format!(
            "is of another installation, of {count} partitions instead of {own}: ask that one, or leave \
             it empty"
        )));
    }
    let stream = StreamName::ALL.get(usize::from(*stream)).copied();
    Ok(Some(Written {
        stream: stream.ok_or_else(malformed)?,
        time: Timestamp::from_millis(i64::from_be_bytes(time)),
    }))
}

/// Refuses a position.
pub(crate) fn refused(description: String) -> Failure {
    Failure::new(ErrorReason::PositionInvalid, "the position is not valid")
        .with_violations([Violation::new("after", description)])
}

fn malformed() -> Failure {
    refused(
        "is not the `position` of an answer to a write: pass one on as it came, or leave it empty"
            .to_owned(),
    )
}

fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let [first, second, third, fourth, ..] = StableHash::new().with(bytes).finish().to_be_bytes();
    [first, second, third, fourth]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(count: u64) -> PartitionCount {
        PartitionCount::try_new(count).expect("a count")
    }

    fn written(stream: StreamName) -> Written {
        Written {
            stream,
            time: Timestamp::from_millis(1_700_000_000_123),
        }
    }

    #[test]
    fn a_position_is_read_back_and_is_short() {
        for stream in StreamName::ALL {
            let position = position_of(count(16), written(stream));
            assert_eq!(position.len(), 22);
            let read = read_after(count(16), &position).expect("a position");
            assert_eq!(read, Some(written(stream)));
        }
    }

    #[test]
    fn nothing_written_has_no_position_and_an_empty_one_waits_for_nothing() {
        let nothing = Written {
            time: Timestamp::MIN,
            ..written(StreamName::Events)
        };
        assert_eq!(position_of(count(16), nothing), "");
        assert_eq!(read_after(count(16), "").expect("nothing"), None);
    }

    #[test]
    fn what_is_no_position_of_this_installation_is_refused_with_the_remedy() {
        let position = position_of(count(16), written(StreamName::Events));
        let mut newer = URL_SAFE_NO_PAD.decode(&position).expect("it is base64");
        newer.truncate(12);
        newer[0] = VERSION + 1;
        newer.push(9);
        let end = sum(&newer);
        newer.extend_from_slice(&end);
        let newer = URL_SAFE_NO_PAD.encode(newer);
        let altered = format!("B{}", &position[1..]);
        for (partitions, text, expected) in [
            (16, "!!!", "is not the `position`"),
            (16, "AAAA", "is not the `position`"),
            (16, &position[1..], "is not the `position`"),
            (16, &altered, "is not the `position`"),
            (16, "AAAAAAAAAAAAAAAAAAAAAA", "is not the `position`"),
            (16, &newer, "is of another version"),
            (
                8,
                &position,
                "is of another installation, of 16 partitions instead of 8",
            ),
        ] {
            let failure = read_after(count(partitions), text).expect_err(text);
            assert_eq!(failure.reason(), ErrorReason::PositionInvalid);
            let violation = &failure.violations()[0];
            assert_eq!(violation.field, "after");
            assert!(violation.description.starts_with(expected), "{violation}");
            assert!(
                violation.description.ends_with("leave it empty"),
                "{violation}"
            );
        }
    }
}
