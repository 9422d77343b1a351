//! The bytes of a request as they came, in pieces, without room for what has not come.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes before each message: whether it is compressed, and its length.
pub(super) const HEADER_BYTES: usize = 5;

/// Pieces that arrived, in order.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    pieces: VecDeque<Bytes>,
    length: usize,
}

/// The words of gRPC before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Returns whether the message is one, and not compressed.
    pub(super) is_plain: bool,
    pub(super) length: usize,
}

impl Chunks {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Reads what is before the next message; none until that is here.
    pub(super) fn header(&self) -> Option<Header> {
        let mut bytes = self.pieces.iter().flatten();
        let mut header = [0; HEADER_BYTES];
        for place in &mut header {
            *place = *bytes.next()?;
        }
        let [flag, length @ ..] = header;
        Some(Header {
            is_plain: flag == 0,
            length: usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX),
        })
    }

    /// Takes so many bytes, which are here, in one piece. A piece that holds them all is not
    /// copied.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        self.length -= length;
        if let Some(first) = self.pieces.front_mut()
            && first.len() > length
        {
            return first.split_to(length);
        }
        let mut taken = BytesMut::new();
        let mut missing = length;
        while let Some(mut piece) = self.pieces.pop_front() {
            if piece.len() > missing {
                taken.extend_from_slice(&piece.split_to(missing));
                self.pieces.push_front(piece);
                return taken.freeze();
            }
            missing -= piece.len();
            if missing == 0 && taken.is_empty() {
                return piece;
            }
            if taken.is_empty() {
                taken.reserve(length);
            }
            taken.extend_from_slice(&piece);
            if missing == 0 {
                break;
            }
        }
        taken.freeze()
    }

    /// Takes everything that is here.
    pub(super) fn take_all(&mut self) -> Bytes {
        self.take(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(pieces: &[&'static [u8]]) -> Chunks {
        let mut chunks = Chunks::default();
        for piece in pieces {
            chunks.push(Bytes::from_static(piece));
        }
        chunks
    }

    #[test]
    fn messages_are_taken_out_of_any_pieces() {
        let whole = b"\0\0\0\0\x03abc\0\0\0\0\x01d";
        for first in 0..whole.len() {
            for second in first..whole.len() {
                let mut chunks =
                    chunks(&[&whole[..first], &whole[first..second], &whole[second..]]);
                let header = chunks.header().expect("whole");
                assert_eq!((header.is_plain, header.length), (true, 3));
                assert_eq!(chunks.take(8), whole[..8]);
                assert_eq!(chunks.header().map(|header| header.length), Some(1));
                assert_eq!(chunks.take_all(), whole[8..]);
                assert_eq!((chunks.len(), chunks.header()), (0, None));
            }
        }
    }

    #[test]
    fn what_is_compressed_is_not_plain() {
        let header = chunks(&[b"\x01\0\0", b"\x01\0"]).header().expect("whole");
        assert_eq!((header.is_plain, header.length), (false, 256));
        assert_eq!(chunks(&[b"\0\0\0\0"]).header(), None);
    }
}
