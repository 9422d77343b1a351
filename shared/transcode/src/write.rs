//! Protobuf to JSON: exact proto3 JSON, as `prost-reflect` writes it.
//!
//! Names are in lowerCamelCase, and fields that have their default are left out, as the standard
//! says and as Google's own APIs do.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::contract::Message;

/// A message of an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// It is not one of its contract.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
    /// A value of it has no form in JSON, such as an instant of the year 10000.
    #[error("the answer cannot be written as JSON: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// Appends a message as JSON, on one line.
///
/// # Errors
/// [`WriteError`].
pub(crate) fn write(message: &Message, bytes: Bytes, to: &mut Vec<u8>) -> Result<(), WriteError> {
    write_read(&read(message, bytes)?, to)
}

/// Reads a message of an answer.
///
/// # Errors
/// [`WriteError::Unreadable`].
pub(crate) fn read(message: &Message, bytes: Bytes) -> Result<DynamicMessage, WriteError> {
    let dynamic = DynamicMessage::decode(message.descriptor.clone(), bytes)?;
    Ok(dynamic)
}

/// Appends a message that was read as JSON, on one line.
///
/// # Errors
/// [`WriteError::Unwritable`].
pub(crate) fn write_read(message: &DynamicMessage, to: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut serializer = serde_json::Serializer::new(to);
    message.serialize_with_options(&mut serializer, &SerializeOptions::new())?;
    Ok(())
}
