//! Stored states: between the customer's state and the message that keeps it.

mod read;
mod write;

pub(crate) use read::decode;
pub(crate) use write::encode;

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn bytes_that_are_no_state_are_refused() {
        assert!(decode(&[0xff, 0xff]).is_err());
    }
}
