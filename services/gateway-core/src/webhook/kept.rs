//! The things of posts that could not be taken: kept with as much of the rest as their mapping may
//! read, and read once more.

use expr::{Document, Inputs};
use kernel::Timestamp;
use messages::identity::v1;

use crate::json::{self, Fields};
use crate::limits::{KEPT_HEADER_BYTES, KEPT_HEADERS, LETTER_BYTES};
use crate::{Fault, Mapped, Mappings, SourceRules, Thing, time};

/// The thing.
const ITEM: &str = "item";
/// The whole post; absent where it is the thing.
const BODY: &str = "body";
/// The headers that are kept.
const HEADERS: &str = "headers";

/// Words in the names of headers that may hold secrets.
const SECRET: [&str; 6] = ["signature", "hmac", "token", "key", "secret", "auth"];
/// The beginnings of headers that say how a post came, and from where.
const ON_THE_WAY: [&str; 3] = ["x-forwarded", "x-real-ip", "x-request"];

/// Returns what is kept of a thing. Of a post that is too large to be kept, only the texts, numbers
/// and truth values at its top are.
pub(super) fn payload(
    thing: &str,
    body: &str,
    headers: &[(&str, &str)],
    mappings: &Mappings,
) -> String {
    let kept = |(name, value): &&(&str, &str)| {
        value.len() <= KEPT_HEADER_BYTES
            && (mappings.headers().any(|own| own == *name) || is_harmless(name))
    };
    let headers = headers.iter().filter(kept).take(KEPT_HEADERS);
    let quoted: Vec<(&str, String)> = headers
        .map(|(name, value)| {
            let mut json = String::new();
            json::push_text(&mut json, value);
            (*name, json)
        })
        .collect();
    let headers = json::object(quoted.iter().map(|(name, json)| (*name, json.as_str())));
    let write = |body: Option<&str>| {
        let all = [
            (ITEM, Some(thing)),
            (HEADERS, Some(headers.as_str())),
            (BODY, body),
        ];
        let there = all.into_iter();
        json::object(there.filter_map(|(name, json)| Some((name, json?))))
    };
    if thing == body {
        return write(None);
    }
    if thing.len() + headers.len() + body.len() < LETTER_BYTES {
        return write(Some(body));
    }
    let fields = Fields::read(body).unwrap_or_default();
    let is_small = |(_, json): &(&str, &str)| !json.starts_with(['{', '[']);
    write(Some(&json::object(fields.iter().filter(is_small))))
}

/// Returns whether a header may be kept that no mapping reads yet: a mended one may.
fn is_harmless(name: &str) -> bool {
    name.starts_with("x-")
        && !SECRET.iter().any(|word| name.contains(word))
        && !ON_THE_WAY.iter().any(|begin| name.starts_with(begin))
}

/// Reads a thing that was kept once more, by the rules of now. Returns nothing where no mapping is
/// for it any more.
///
/// # Errors
/// [`Fault`] where it cannot be taken still.
pub fn reread_webhook(
    payload: &str,
    receive_time: Timestamp,
    rules: &SourceRules,
) -> Result<Option<v1::Event>, Fault> {
    let Some(webhook) = &rules.webhook else {
        let text = "came by a webhook, and its source takes none: set `webhook`";
        return Err(Fault::malformed("", text));
    };
    let wrong = || {
        let text = "is no thing of a webhook: send {\"item\": …, \"headers\": {…}, \"body\": …}";
        Fault::malformed("", text)
    };
    let fields = Fields::read(payload).map_err(|_| wrong())?;
    let item = fields.get(ITEM).ok_or_else(wrong)?;
    let body = fields.get(BODY).unwrap_or(item);
    let headers = fields.get(HEADERS).map(Fields::read).transpose();
    let headers = headers.map_err(|_| wrong())?.unwrap_or_default();
    let headers: Vec<_> = headers
        .iter()
        .filter_map(|(name, json)| Some((name.to_owned(), json::text(json)?.into_owned())))
        .collect();
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let read = |json| Document::read(json).map_err(|_| wrong());
    let (item_read, body_read) = (read(item)?, read(body)?);
    let inputs = Inputs::new(&item_read, &body_read, &headers);
    let thing = Thing {
        text: item,
        id: None,
        time: None,
    };
    match webhook.events.read(&inputs, &thing, rules) {
        Mapped::Event(event) => Ok(Some(time::settled(*event, receive_time))),
        Mapped::Fault(fault) => Err(fault),
        Mapped::Nothing => Ok(None),
    }
}
