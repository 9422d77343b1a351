//! Positions: what answers to writes carry, and reads come after.
//!
//! The text is opaque to clients. It begins with a version, so that it can grow. One of an
//! installation with a name ends with a hash of that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Written;
use hot::{HotStore, StreamName};
use kernel::{InstallationName, PartitionCount, StableHash, Timestamp};
use rpc::{ErrorReason, Failure, Violation};

/// The version of the text.
const VERSION: u8 = 1;
/// Bytes of the sum at the end, which tells a position from any other text.
const SUM_BYTES: usize = 4;
/// Bytes of the hash of a name: of two installations one in four billion pairs has the same.
const NAME_BYTES: usize = 4;

/// The marks that tell the positions of an installation from those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionScope {
    partitions: PartitionCount,
    /// A hash of the name; absent for none.
    name: Option<[u8; NAME_BYTES]>,
}

impl PositionScope {
    /// Returns the scope of what a store takes.
    pub fn of(store: &dyn HotStore) -> Self {
        Self::new(store.partition_count(), store.installation())
    }

    fn new(partitions: PartitionCount, name: Option<&InstallationName>) -> Self {
        Self {
            partitions,
            name: name.map(|name| hash(name.as_str().as_bytes())),
        }
    }
}

/// Returns the position of a write; empty where nothing of it is in a stream.
pub fn position_of(scope: PositionScope, written: Written) -> String {
    if written.time == Timestamp::MIN {
        return String::new();
    }
    let stream = u8::try_from(written.stream.index()).unwrap_or(u8::MAX);
    let mut bytes = vec![VERSION, stream];
    bytes.extend_from_slice(&scope.partitions.get().to_be_bytes());
    bytes.extend_from_slice(&written.time.as_millis().to_be_bytes());
    bytes.extend(scope.name.into_iter().flatten());
    bytes.extend_from_slice(&hash::<SUM_BYTES>(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the `after` of a request; `None` where it is empty.
///
/// # Errors
/// [`ErrorReason::PositionInvalid`] where it is no position of this installation.
pub fn read_after(scope: PositionScope, text: &str) -> Result<Option<Written>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let Some((told, end)) = bytes.split_last_chunk::<SUM_BYTES>() else {
        return Err(malformed());
    };
    if hash::<SUM_BYTES>(told) != *end {
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
    let (time, name) = time.split_first_chunk::<8>().ok_or_else(malformed)?;
    let (count, own) = (u16::from_be_bytes(count), scope.partitions.get());
    if count != own {
        return Err(refused(format!(
            "is of another installation, or of before the number of partitions was changed, of {count} \
             instead of {own}: ask that one, or leave it empty"
        )));
    }
    if name != scope.name.as_ref().map_or(&[][..], |name| &name[..]) {
        return Err(refused(
            "is of another installation, by its name: ask that one, or leave it empty".to_owned(),
        ));
    }
    let stream = StreamName::ALL.get(usize::from(*stream)).copied();
    Ok(Some(Written {
        stream: stream.ok_or_else(malformed)?,
        time: Timestamp::from_millis(i64::from_be_bytes(*time)),
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

/// Returns the beginning of a hash.
fn hash<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let hash = StableHash::new().with(bytes).finish().to_be_bytes();
    *hash.first_chunk().expect("no more than the hash has")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(count: u64, name: Option<&str>) -> PositionScope {
        let name = name.map(|name| name.parse().expect("a name"));
        let count = PartitionCount::try_new(count).expect("a count");
        PositionScope::new(count, name.as_ref())
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
            for (name, length) in [(None, 22), (Some("a"), 27)] {
                let position = position_of(scope(16, name), written(stream));
                assert_eq!(position.len(), length);
                let read = read_after(scope(16, name), &position).expect("a position");
                assert_eq!(read, Some(written(stream)));
            }
        }
    }

    #[test]
    fn nothing_written_has_no_position_and_an_empty_one_waits_for_nothing() {
        let nothing = Written {
            time: Timestamp::MIN,
            ..written(StreamName::Events)
        };
        assert_eq!(position_of(scope(16, None), nothing), "");
        assert_eq!(read_after(scope(16, None), "").expect("nothing"), None);
    }

    #[test]
    fn positions_are_of_one_name() {
        let names = [None, Some("a"), Some("b"), Some("a-b"), Some("a_b")];
        for of in names {
            let position = position_of(scope(16, of), written(StreamName::Events));
            for reader in names {
                let read = read_after(scope(16, reader), &position);
                if of == reader {
                    assert_eq!(read.expect("a position"), Some(written(StreamName::Events)));
                    continue;
                }
                let failure = read.expect_err("of another installation");
                assert_eq!(failure.reason(), ErrorReason::PositionInvalid);
                assert_eq!(
                    failure.violations()[0].description,
                    "is of another installation, by its name: ask that one, or leave it empty"
                );
            }
        }
    }

    #[test]
    fn what_is_no_position_of_this_installation_is_refused_with_the_remedy() {
        let position = position_of(scope(16, None), written(StreamName::Events));
        let mut newer = URL_SAFE_NO_PAD.decode(&position).expect("it is base64");
        newer.truncate(12);
        newer[0] = VERSION + 1;
        newer.push(9);
        let end = hash::<SUM_BYTES>(&newer);
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
                "is of another installation, or of before the number of partitions was changed, of 16 instead of 8",
            ),
        ] {
            let failure = read_after(scope(partitions, None), text).expect_err(text);
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
