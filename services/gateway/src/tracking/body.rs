//! The body of a call: read within the memory of the process, and inflated as far as it may go.
//!
//! The bytes of an SDK's call decide whether it is compressed. Headers say it wrongly, or not at
//! all where a browser sends from a page that is closing. Other senders' headers are right, and
//! their bodies may be files that are compressed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use gateway_core::{Denial, Reason};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use rpc::{Charge, Failure, Memory, Partial};
use tonic::body::Body;

use super::Refused;
use crate::limits::{BODY_COST, BODY_TIME};

/// The first bytes of gzip (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The names of compressions in headers.
const GZIP_NAME: &str = "gzip";
/// As above: zlib (RFC 1950), in spite of its name.
const DEFLATE_NAME: &str = "deflate";

/// A body, with the memory that it takes.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its bytes, inflated.
    pub(crate) bytes: Bytes,
    /// The memory of all that is made of it.
    charge: Charge,
}

impl Whole {
    /// Splits it into its bytes and their memory.
    pub(crate) fn into_parts(self) -> (Bytes, Charge) {
        (self.bytes, self.charge)
    }
}

/// The bodies that a way in takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// The most bytes, as they arrive and inflated.
    pub(crate) most: usize,
    /// True where the first bytes tell what is compressed, and false where headers do alone.
    pub(crate) bytes_tell: bool,
}

/// Reads a body, as it arrives and inflated.
///
/// # Errors
/// Where it is larger, too slow, compressed in an unknown way or not as it says, ends early, or
/// finds no memory.
pub(crate) async fn read(
    body: &mut Body,
    headers: &HeaderMap,
    taken: Taken,
    memory: &Memory,
) -> Result<Whole, Refused> {
    let Taken { most, bytes_tell } = taken;
    let told = headers
        .get(CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let mut partial = memory.partial();
    let arriving = arrive(body, told.unwrap_or_default(), most, &mut partial);
    let bytes = tokio::time::timeout(BODY_TIME, arriving).await;
    let bytes = bytes.unwrap_or_else(|_elapsed| {
        let text = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
        Err(Refused::new(Reason::SlowCall, Denial::Slow, text))
    })?;
    partial.whole();
    let arrived = bytes.len();
    let encoding = encoding(headers)?;
    let may_be_gzip = bytes_tell || encoding == Some(GZIP_NAME);
    // A compressed body may be any size: it is inflated in turn, as one of the largest.
    let is_gzip = may_be_gzip && bytes.starts_with(&GZIP);
    let is_plain = !is_gzip && encoding != Some(DEFLATE_NAME);
    let bytes = if is_plain {
        bytes
    } else {
        let _turn = memory.turn(most).await;
        inflate(bytes, encoding, most)?
    };
    let cost = bytes.len().saturating_mul(BODY_COST);
    let charge = memory
        .charge(cost, arrived, false)
        .await
        .map_err(|it| full(&it))?;
    Ok(Whole { bytes, charge })
}

async fn arrive(
    body: &mut Body,
    told: usize,
    most: usize,
    partial: &mut Partial,
) -> Result<Bytes, Refused> {
    let mut bytes = BytesMut::new();
    let gives_way = partial.gives_way();
    let mut gives_way = std::pin::pin!(gives_way);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            failure = &mut gives_way => return Err(full(&failure)),
        };
        let Some(frame) = frame else {
            return Ok(bytes.freeze());
        };
        let broken = |error: tonic::Status| {
            let text = format!("the body ended early: {}", error.message());
            Refused::new(Reason::MalformedCall, Denial::Slow, text)
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > most {
            return Err(too_large(most));
        }
        partial.grow(data.len()).await.map_err(|it| full(&it))?;
        if bytes.is_empty() {
            if data.len() >= told {
                // All of it came at once, which needs no copy.
                bytes = BytesMut::from(data);
                continue;
            }
            bytes.reserve(told.min(most));
        }
        bytes.extend_from_slice(&data);
    }
}

/// The compression that headers tell; `None` where they tell none.
fn encoding(headers: &HeaderMap) -> Result<Option<&'static str>, Refused> {
    let Some(told) = headers.get(CONTENT_ENCODING) else {
        return Ok(None);
    };
    match told
        .to_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(GZIP_NAME)),
        "deflate" => Ok(Some(DEFLATE_NAME)),
        other => {
            let text =
                format!("the body is compressed by {other:?}: send gzip, deflate or plain JSON");
            Err(Refused::new(Reason::MalformedCall, Denial::Encoding, text))
        }
    }
}

/// Inflates what is compressed, up to a limit.
fn inflate(bytes: Bytes, encoding: Option<&str>, most: usize) -> Result<Bytes, Refused> {
    if bytes.starts_with(&GZIP) {
        return inflated(MultiGzDecoder::new(&bytes[..]), bytes.len(), most);
    }
    if encoding == Some(DEFLATE_NAME) && !matches!(bytes.first(), Some(b'{' | b'[')) {
        return inflated(ZlibDecoder::new(&bytes[..]), bytes.len(), most);
    }
    Ok(bytes)
}

fn inflated(reader: impl Read, arrived: usize, most: usize) -> Result<Bytes, Refused> {
    /// JSON of events is six to ten times as long as its gzip.
    const GUESS: usize = 8;
    let mut inflated = Vec::with_capacity(arrived.saturating_mul(GUESS).min(most));
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = reader.take(limit).read_to_end(&mut inflated);
    if inflated.len() > most {
        return Err(too_large(most));
    }
    read.map_err(|error| {
        let text = format!("the body is not compressed as it says: {error}");
        Refused::new(Reason::MalformedCall, Denial::Malformed, text)
    })?;
    Ok(inflated.into())
}

fn too_large(most: usize) -> Refused {
    let text = format!("the body has more than {most} bytes: send fewer events at once");
    Refused::new(Reason::CallTooLarge, Denial::TooLarge, text)
}

/// The refusal of a call for which there is no memory.
pub(crate) fn full(failure: &Failure) -> Refused {
    Refused::new(Reason::Overloaded, Denial::Overloaded, failure.message())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use http_body_util::Full;

    use super::*;

    const MOST: usize = 1_000;

    /// The bytes of a body that was read, or the reason why it was not.
    type Lengths = Result<usize, Denial>;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("it fits");
        encoder.finish().expect("it fits")
    }

    async fn check(
        bytes: Vec<u8>,
        encoding: Option<&'static str>,
        expected: Result<usize, Denial>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let (read, _) = both(bytes, &headers).await;
        assert_eq!(read, expected, "{encoding:?}");
    }

    /// Reads a body whose bytes may tell that they are compressed, and one whose headers do alone.
    async fn both(bytes: Vec<u8>, headers: &HeaderMap) -> (Lengths, Lengths) {
        let read_by = async |bytes_tell| {
            let mut body = Body::new(Full::new(Bytes::from(bytes.clone())));
            let taken = Taken {
                most: MOST,
                bytes_tell,
            };
            let whole = read(&mut body, headers, taken, &Memory::default()).await;
            whole.map(|it| it.bytes.len()).map_err(|it| it.denial)
        };
        (read_by(true).await, read_by(false).await)
    }

    #[tokio::test]
    async fn a_file_stays_compressed_unless_headers_say_that_the_body_is() {
        let file = gzip(b"{\"a\":1}");
        let length = file.len();
        let mut headers = HeaderMap::new();
        let read = both(file.clone(), &headers).await;
        assert_eq!(read, (Ok(7), Ok(length)));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(both(file, &headers).await, (Ok(7), Ok(7)));
        let plain = both(b"{}".to_vec(), &headers).await;
        assert_eq!(plain, (Ok(2), Ok(2)));
    }

    #[tokio::test]
    async fn bytes_tell_whether_they_are_compressed() {
        let json = b"{\"a\":1}";
        check(json.to_vec(), None, Ok(7)).await;
        check(json.to_vec(), Some("gzip"), Ok(7)).await;
        check(json.to_vec(), Some("deflate"), Ok(7)).await;
        check(gzip(json), None, Ok(7)).await;
        check(gzip(json), Some("gzip"), Ok(7)).await;
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(json).expect("it fits");
        check(zlib.finish().expect("it fits"), Some("deflate"), Ok(7)).await;
        check(json.to_vec(), Some("br"), Err(Denial::Encoding)).await;
    }

    #[tokio::test]
    async fn what_is_too_large_or_broken_is_refused() {
        check(vec![b'x'; MOST], None, Ok(MOST)).await;
        check(vec![b'x'; MOST + 1], None, Err(Denial::TooLarge)).await;
        check(gzip(&[b'x'; MOST]), None, Ok(MOST)).await;
        check(gzip(&vec![b'x'; 10_000_000]), None, Err(Denial::TooLarge)).await;
        let cut = gzip(&[b'x'; MOST]);
        check(cut[..cut.len() - 9].to_vec(), None, Err(Denial::Malformed)).await;
        check(vec![0x1f, 0x8b, 8, 0], None, Err(Denial::Malformed)).await;
        check(vec![b'x'; 9], Some("deflate"), Err(Denial::Malformed)).await;
    }
}
