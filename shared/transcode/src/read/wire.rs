//! The bytes of protobuf that a reader writes.

use prost::encoding::encode_varint;

use crate::limits::MESSAGE_BYTES;

/// Types of fields on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Length = 2,
    Fixed32 = 5,
}

/// A message of gRPC that is written: its frame, then its bytes.
#[derive(Debug)]
pub(crate) struct Output(Vec<u8>);

/// Bytes of the header of a frame: a flag, and the length.
const HEADER_BYTES: usize = 5;

impl Output {
    /// Begins a message, with room for about so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES + bytes);
        out.extend_from_slice(&[0; HEADER_BYTES]);
        Self(out)
    }

    /// The message, framed.
    pub(crate) fn into_frame(mut self) -> bytes::Bytes {
        // Nothing longer than a message may be is written.
        let length = u32::try_from(self.0.len() - HEADER_BYTES).unwrap_or(u32::MAX);
        self.0[1..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
        self.0.into()
    }

    /// The message without its frame.
    pub(crate) fn message(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() > MESSAGE_BYTES + HEADER_BYTES
    }

    /// Appends bytes that are encoded already.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn key(&mut self, number: u32, wire: Wire) {
        self.varint(u64::from(number << 3 | wire as u32));
    }

    #[inline]
    pub(crate) fn varint(&mut self, value: u64) {
        if value < 0x80 {
            // Always in range.
            self.0.push((value & 0x7f) as u8);
        } else {
            encode_varint(value, &mut self.0);
        }
    }

    pub(crate) fn fixed32(&mut self, bytes: [u8; 4]) {
        self.0.extend_from_slice(&bytes);
    }

    pub(crate) fn fixed64(&mut self, bytes: [u8; 8]) {
        self.0.extend_from_slice(&bytes);
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Begins a message inside of this one, behind its key; give what it returns to
    /// [`Output::close`].
    #[inline]
    pub(crate) fn open(&mut self) -> usize {
        self.0.push(0);
        self.0.len()
    }

    /// Ends a message that was begun: its length goes before it. Most are short, and have their
    /// room already; longer ones move.
    pub(crate) fn close(&mut self, start: usize) {
        let length = self.0.len() - start;
        if let Ok(short @ 0..0x80) = u8::try_from(length) {
            self.0[start - 1] = short;
            return;
        }
        let mut varint = Vec::with_capacity(5);
        encode_varint(length as u64, &mut varint);
        self.0[start - 1] = varint[0];
        let more = &varint[1..];
        let end = self.0.len();
        self.0.resize(end + more.len(), 0);
        self.0.copy_within(start..end, start + more.len());
        self.0[start..start + more.len()].copy_from_slice(more);
    }
}
