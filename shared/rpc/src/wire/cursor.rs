//! Steps over the bytes of protobuf: keys, numbers, lengths, and fields that nobody knows.

use super::fault::Fault;

/// The form of a field's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Fixed64,
    Length,
    Group,
    EndOfGroup,
    Fixed32,
}

/// A place in the bytes of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Returns how many bytes were passed.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    /// Reads the number of a field and the form of its bytes.
    pub(super) fn key(&mut self) -> Result<(u32, Wire), Fault> {
        let key = self.varint()?;
        let key = u32::try_from(key).map_err(|_| Fault::malformed("invalid key"))?;
        let wire = match key & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Length,
            3 => Wire::Group,
            4 => Wire::EndOfGroup,
            5 => Wire::Fixed32,
            _ => return Err(Fault::malformed("invalid wire type")),
        };
        match key >> 3 {
            0 => Err(Fault::malformed("invalid field number 0")),
            number => Ok((number, wire)),
        }
    }

    /// Reads a number of at most 64 bits.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for place in 0..10 {
            let Some(byte) = self.bytes.get(self.at) else {
                break;
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << (place * 7);
            if *byte < 0x80 {
                if place == 9 && *byte > 1 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(Fault::malformed("invalid varint"))
    }

    /// Passes so many bytes and returns them.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(length);
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(Fault::malformed("buffer underflow"));
        };
        self.at += length;
        Ok(taken)
    }

    /// Passes a length and as many bytes, and returns these.
    pub(super) fn delimited(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.varint()?;
        let length = usize::try_from(length).map_err(|_| Fault::malformed("buffer underflow"))?;
        self.take(length)
    }

    /// Passes a field that the contract does not know, groups in groups at most so deep.
    pub(super) fn skip(&mut self, number: u32, wire: Wire, depth: u32) -> Result<(), Fault> {
        if depth == 0 {
            return Err(Fault::deep());
        }
        match wire {
            Wire::Varint => self.varint().map(drop),
            Wire::Fixed64 => self.take(8).map(drop),
            Wire::Length => self.delimited().map(drop),
            Wire::Fixed32 => self.take(4).map(drop),
            Wire::EndOfGroup => Err(Fault::malformed("unexpected end group tag")),
            Wire::Group => loop {
                let (inner, wire) = self.key()?;
                match wire {
                    Wire::EndOfGroup if inner == number => return Ok(()),
                    Wire::EndOfGroup => return Err(Fault::malformed("unexpected end group tag")),
                    wire => self.skip(inner, wire, depth - 1)?,
                }
            },
        }
    }
}
