//! Reads the name of a customer on the command line: an id, or an identifier such as `user_id:u1`.

use proto::identity::v1::get_customer_request::Key;
use proto::identity::v1::{Customer, GetCustomerRequest, Identifier};

use crate::client::{Connection, ask};
use crate::failure::Failure;

/// Finds the customer that somebody named, after a write where a position is given.
pub(crate) async fn find_customer(
    connection: &Connection,
    text: &str,
    after: &str,
) -> Result<Customer, Failure> {
    let request = GetCustomerRequest {
        key: Some(parse(text)?),
        after: after.to_owned(),
    };
    let answer = connection.identity()?.get_customer(ask(request)).await?;
    answer
        .into_inner()
        .customer
        .ok_or_else(|| Failure::failed("identity answered without a customer"))
}

/// Reads an id, or `namespace:value`.
pub(crate) fn parse(text: &str) -> Result<Key, Failure> {
    if is_id(text) {
        return Ok(Key::CustomerId(text.to_owned()));
    }
    let found = read_identifier(text).map(Key::Identifier);
    found.ok_or_else(|| {
        Failure::mistake(format!(
            "`{text}` names no customer: expected an id, or namespace:value such as user_id:u1"
        ))
    })
}

/// Returns whether a text is an id.
pub(crate) fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

/// Reads `namespace:value`; absent where it is something else.
pub(crate) fn read_identifier(text: &str) -> Option<Identifier> {
    let (namespace, value) = text.split_once([':', '='])?;
    let is_whole = !namespace.is_empty() && !value.is_empty();
    is_whole.then(|| Identifier {
        namespace: namespace.to_owned(),
        value: value.to_owned(),
    })
}
