//! Stored states: between the customer's state and the message that keeps it.

mod read;
mod write;

pub(crate) use read::decode;
pub(crate) use write::encode;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;
    use kernel::CustomerId;

    #[test]
    fn a_redirect_is_read_back() {
        let id: CustomerId = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"
            .parse()
            .expect("an id");
        let state = State::redirect_to(id);
        assert_eq!(decode(&encode(&state)), Ok(state));
    }

    #[test]
    fn bytes_that_are_no_state_are_refused() {
        assert!(decode(&[0xff, 0xff]).is_err());
    }
}
