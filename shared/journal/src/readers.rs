//! Who reads which stream.

use hot::{Owner, StreamName};

/// The service that reads a stream; each has exactly one.
pub(crate) const fn reader_of(stream: StreamName) -> Owner {
    stream.reader()
}

/// The streams that a service reads.
pub(crate) fn inputs_of(owner: Owner) -> impl Iterator<Item = StreamName> {
    StreamName::ALL
        .into_iter()
        .filter(move |stream| reader_of(*stream) == owner)
}
