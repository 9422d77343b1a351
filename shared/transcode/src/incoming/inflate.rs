//! Gzip of requests, a little at a time: what a few bytes become is bounded before they do.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Compressed bytes that are taken at a time. Gzip makes at most 1,032 times as many of them.
const SLICE_BYTES: usize = 512;

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// None.
    Identity,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// Reads a header; none where it names a compression that is not known here.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(CONTENT_ENCODING) {
            None => Some(Self::Identity),
            Some(value) => Self::named(value.to_str().ok()?),
        }
    }

    /// The compression of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }
}

/// A body that is decompressed as far as it is asked for.
pub(super) struct Inflate {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Compressed bytes that came.
    waiting: Bytes,
    has_begun: bool,
}

/// The bytes are not gzip.
#[derive(Debug)]
pub(super) struct NotGzip;

impl Inflate {
    pub(super) fn new() -> Self {
        Self {
            decoder: MultiGzDecoder::new(Vec::new()),
            waiting: Bytes::new(),
            has_begun: false,
        }
    }

    /// Returns whether it has bytes to go on with.
    pub(super) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes compressed bytes, once those before are used up.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.waiting = bytes;
    }

    /// Decompresses a little.
    pub(super) fn next(&mut self) -> Result<Vec<u8>, NotGzip> {
        let slice = self.waiting.split_to(SLICE_BYTES.min(self.waiting.len()));
        self.has_begun = true;
        self.decoder.write_all(&slice).map_err(|_| NotGzip)?;
        // The decoder may hold some back until more bytes come, or the end.
        Ok(std::mem::take(self.decoder.get_mut()))
    }

    /// The rest, at the end of the body.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, NotGzip> {
        if self.has_begun {
            self.decoder.try_finish().map_err(|_| NotGzip)?;
        }
        Ok(std::mem::take(self.decoder.get_mut()))
    }
}

/// Decompresses all of some bytes; none where they are not gzip, or become more than so many.
pub(crate) fn inflate_whole(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut inflate = Inflate::new();
    inflate.push(Bytes::copy_from_slice(bytes));
    let mut whole = Vec::new();
    while inflate.has_more() {
        whole.extend(inflate.next().ok()?);
        if whole.len() > most {
            return None;
        }
    }
    whole.extend(inflate.end().ok()?);
    (whole.len() <= most).then_some(whole)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn gzip_is_read_and_bounded() {
        let text = b"{\"a\": 1}".repeat(10_000);
        assert_eq!(inflate_whole(&gzip(&text), 80_000), Some(text.clone()));
        assert_eq!(inflate_whole(&gzip(&text), 79_999), None);
        let two = [gzip(b"a"), gzip(b"b")].concat();
        assert_eq!(inflate_whole(&two, 10), Some(b"ab".to_vec()));
    }

    #[test]
    fn what_is_not_gzip_or_not_all_of_it_is_refused() {
        let whole = gzip(b"some text");
        assert_eq!(inflate_whole(b"some text", 100), None);
        assert_eq!(inflate_whole(&whole[..whole.len() - 1], 100), None);
        assert_eq!(inflate_whole(&whole[..5], 100), None);
    }

    #[test]
    fn a_bomb_stops_early() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(inflate_whole(&bomb, 1 << 20), None);
    }
}
