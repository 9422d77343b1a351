//! Reads the name of an account on the command line: an id, or an identifier such as
//! `account:acme`.

use proto::identity::v1::account_key::Key;
use proto::identity::v1::get_account_request::Key as GetKey;
use proto::identity::v1::{Account, AccountKey, GetAccountRequest};

use crate::client::{Connection, ask};
use crate::customer_key::{is_id, read_identifier};
use crate::failure::Failure;

/// Finds the account that somebody named.
pub(crate) async fn find_account(connection: &Connection, text: &str) -> Result<Account, Failure> {
    let key = match parse(text)? {
        Key::AccountId(id) => GetKey::AccountId(id),
        Key::Identifier(identifier) => GetKey::Identifier(identifier),
    };
    let request = GetAccountRequest { key: Some(key) };
    let answer = connection.accounts()?.get_account(ask(request)).await?;
    answer
        .into_inner()
        .account
        .ok_or_else(|| Failure::failed("identity answered without an account"))
}

/// Reads the key of an account, for a request.
pub(crate) fn account_key(text: &str) -> Result<AccountKey, Failure> {
    Ok(AccountKey {
        key: Some(parse(text)?),
    })
}

/// Reads an id, or `namespace:value`.
pub(crate) fn parse(text: &str) -> Result<Key, Failure> {
    if is_id(text) {
        return Ok(Key::AccountId(text.to_owned()));
    }
    let found = read_identifier(text).map(Key::Identifier);
    found.ok_or_else(|| {
        Failure::mistake(format!(
            "`{text}` names no account: expected an id, or namespace:value such as account:acme or domain:acme.com"
        ))
    })
}
