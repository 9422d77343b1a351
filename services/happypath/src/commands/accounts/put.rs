//! `happypath accounts put`: an account by what it is known by, with traits.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use proto::identity::v1::{Identifier, PutAccountRequest};

use super::Common;
use crate::client::{ask, request_id};
use crate::commands::identity::{identifier, show_dropped};
use crate::failure::Failure;
use crate::import::value::scalar;
use crate::output::{json_of, print, print_json};

/// Arguments of `accounts put`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Identifiers are of namespaces of accounts: account, company, workspace, household,
crm_account_id, domain, and those that are defined with `subject: SUBJECT_ACCOUNT`. Where two
accounts are known by them, they become one, within the limits of these namespaces.

  happypath accounts put account:acme domain:acme.com --trait plan=pro --trait seats=40")]
pub(super) struct Args {
    /// Identifiers, such as account:acme, 20 at the most
    #[arg(required = true, num_args = 1..=20, value_name = "NAMESPACE:VALUE", value_parser = identifier)]
    identifiers: Vec<Identifier>,
    /// Traits to set; numbers and true or false are read as such
    #[arg(long = "trait", value_name = "NAME=VALUE", value_parser = pair)]
    traits: Vec<(String, String)>,
    /// Traits to remove
    #[arg(long = "remove-trait", value_name = "NAME")]
    removed: Vec<String>,
    /// Names the request, so that it can be repeated; drawn where absent
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Makes it, or adds to it.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let traits = traits(&args.traits, &args.removed)?;
    let request = PutAccountRequest {
        request_id: args.request_id.unwrap_or_else(request_id),
        identifiers: args.identifiers,
        traits,
    };
    let mut client = args.common.connection.accounts()?;
    let answer = client.put_account(ask(request)).await?.into_inner();
    if args.common.format.json {
        return print_json(&json_of(&answer)?);
    }
    let account = answer.account.unwrap_or_default();
    let how = if answer.created { "new" } else { "known" };
    let (id, kind) = (&account.account_id, &account.r#type);
    print(&format!("Account {id} (a {how} {kind})"))?;
    for merged in &answer.merged_account_ids {
        print(&format!("  joined account {merged} into it"))?;
    }
    show_dropped(&answer.dropped_identifiers)
}

/// Reads `name=value`; a value may be empty.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected a name, = and a value, such as plan=pro".to_owned()),
    }
}

/// Returns the traits to set and to remove; absent where there are none.
fn traits(set: &[(String, String)], removed: &[String]) -> Result<Option<Struct>, Failure> {
    let mut fields = BTreeMap::new();
    let set = set.iter().map(|(name, text)| (name, Some(text)));
    for (name, text) in set.chain(removed.iter().map(|name| (name, None))) {
        let value = match text {
            None => serde_json::Value::Null,
            Some(text) => serde_json::from_str(&scalar(text))
                .map_err(|error| Failure::mistake(format!("--trait {name}: {error}")))?,
        };
        if fields.insert(name.clone(), value_of(value)).is_some() {
            return Err(Failure::mistake(format!(
                "the trait `{name}` is there twice: keep one"
            )));
        }
    }
    Ok((!fields.is_empty()).then_some(Struct { fields }))
}

/// A value as the contracts have it.
fn value_of(json: serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(truth) => Kind::BoolValue(truth),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(number) => Kind::NumberValue(number),
            None => Kind::StringValue(number.to_string()),
        },
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(value_of).collect(),
        }),
        serde_json::Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .into_iter()
                .map(|(name, value)| (name, value_of(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_are_set_and_removed() {
        let set = [
            ("plan", "pro"),
            ("seats", "40"),
            ("vip", "true"),
            ("note", ""),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let traits = traits(&set, &["old".to_owned()]).expect("traits");
        let told: Vec<_> = traits.expect("some").fields.into_iter().collect();
        let kind = |kind| Value { kind: Some(kind) };
        assert_eq!(
            told,
            [
                ("note".to_owned(), kind(Kind::StringValue(String::new()))),
                ("old".to_owned(), kind(Kind::NullValue(0))),
                ("plan".to_owned(), kind(Kind::StringValue("pro".to_owned()))),
                ("seats".to_owned(), kind(Kind::NumberValue(40.0))),
                ("vip".to_owned(), kind(Kind::BoolValue(true))),
            ]
        );
        assert!(super::traits(&set, &["plan".to_owned()]).is_err());
        assert_eq!(super::traits(&[], &[]).expect("none"), None);
    }
}
