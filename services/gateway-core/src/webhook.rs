//! Webhooks of CRMs, shops and others: posts that are verified, split and read as the source says.
//!
//! A post becomes one JSON text, whatever it came as. That is split into things, and each is read
//! by the first mapping that is for it. Replays read the same things once more.

mod compile;
mod form;
mod kept;
mod presets;
mod signature;
mod template;
mod xml;

use std::borrow::Cow;

use expr::{Document, Formula, Found, Inputs, elements};
use kernel::Timestamp;

pub use self::kept::reread_webhook;
pub use self::presets::PRESETS;
pub use self::signature::SignatureFault;
use self::signature::Verification;
use crate::limits::EVENTS_PER_CALL;
use crate::{CallFault, Fault, Letter, Mapped, Mappings, Readable, Reading, SourceRules, Thing};

/// The path of posts, by which their letters are read again. It never has a key in it.
pub const WEBHOOK_PATH: &str = "/v1/webhooks";

/// The reading of a source's webhooks, compiled.
#[derive(Debug, Clone)]
pub struct Webhook {
    verification: Verification,
    /// The public address, without a slash at its end.
    public_url: String,
    form: BodyForm,
    /// Absent for the body, or each element of it.
    items: Option<Formula>,
    events: Mappings,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    /// JSON, or a form of HTML where its type says so.
    Json,
    /// An outbound message of Salesforce: SOAP.
    OutboundMessage,
}

/// A post, as it came.
#[derive(Debug, Clone, Copy)]
pub struct WebhookPost<'t> {
    /// The method of HTTP.
    pub method: &'t str,
    /// Its path with its query, as the sender knows it.
    pub target: &'t str,
    /// Its headers, the names in small letters.
    pub headers: &'t [(&'t str, &'t str)],
    /// Its body.
    pub body: &'t [u8],
}

/// The things of a post that was verified.
#[derive(Debug)]
pub struct WebhookCall<'t> {
    webhook: &'t Webhook,
    text: &'t str,
    headers: &'t [(&'t str, &'t str)],
    things: Vec<&'t str>,
}

impl Webhook {
    /// Checks that a post is of the sender.
    ///
    /// # Errors
    /// [`SignatureFault`] where it is not, or was signed too long ago.
    pub fn verify(&self, post: &WebhookPost<'_>, now: Timestamp) -> Result<(), SignatureFault> {
        self.verification.verify(post, &self.public_url, now)
    }

    /// Returns the JSON that a body is read as.
    ///
    /// # Errors
    /// [`CallFault`] where it cannot be read.
    pub fn text<'t>(&self, post: &WebhookPost<'t>) -> Result<Cow<'t, str>, CallFault> {
        let malformed = |text: String| CallFault::Malformed(text);
        let body = str::from_utf8(post.body)
            .map_err(|_| malformed("the body is no UTF-8".to_owned()))?
            .trim_start_matches('\u{feff}');
        if self.form == BodyForm::OutboundMessage {
            return xml::notifications(body)
                .map(Cow::Owned)
                .map_err(|fault| malformed(format!("the body is no outbound message: {fault}")));
        }
        let kind = header(post.headers, "content-type").unwrap_or_default();
        if is_form(kind) {
            return form::object(body)
                .map(Cow::Owned)
                .map_err(|fault| malformed(format!("the body is no form: {fault}")));
        }
        Ok(Cow::Borrowed(body))
    }

    /// Splits a post into its things, by the text that [`Self::text`] returned.
    ///
    /// # Errors
    /// [`CallFault`] where that is no JSON, or has too many things.
    pub fn read<'t>(
        &'t self,
        text: &'t str,
        headers: &'t [(&'t str, &'t str)],
    ) -> Result<WebhookCall<'t>, CallFault> {
        let document = Document::read(text);
        let document = document
            .map_err(|fault| CallFault::Malformed(format!("the body cannot be read: {fault}")))?;
        let inputs = Inputs::new(&document, &document, headers);
        let list = match &self.items {
            None => Some(document.text()),
            Some(items) => match items.value(&inputs) {
                Some(Found::Json(list)) => Some(list),
                _ => None,
            },
        };
        let things = match list {
            None => Vec::new(),
            Some(list) => elements(list, EVENTS_PER_CALL).ok_or(CallFault::TooManyEvents)?,
        };
        if inputs.is_exhausted() {
            return Err(CallFault::TooManyEvents);
        }
        Ok(WebhookCall {
            webhook: self,
            text: document.text(),
            headers,
            things,
        })
    }

    /// Returns the headers that expressions may read: all but those that show who sends.
    pub fn shown<'t>(&self, post: &WebhookPost<'t>) -> Vec<(&'t str, &'t str)> {
        let headers = post.headers.iter().copied();
        let own = self.verification.header();
        headers
            .filter(|(name, _)| !CREDENTIALS.contains(name) && own != Some(*name))
            .collect()
    }

    /// Returns the answer to a post that was taken, with its type.
    pub const fn answer(&self) -> (&'static str, &'static str) {
        match self.form {
            BodyForm::Json => ("application/json", "{\"success\":true}"),
            BodyForm::OutboundMessage => ("text/xml; charset=utf-8", ACKNOWLEDGEMENT),
        }
    }
}

/// The headers that show who sends, which are secrets.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The only answer that Salesforce takes for one: without it, it sends the message again for a day.
const ACKNOWLEDGEMENT: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>",
    "<notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack>",
    "</notificationsResponse></soapenv:Body></soapenv:Envelope>",
);

impl<'t> WebhookCall<'t> {
    /// Reads the things.
    pub fn events(&self, rules: &SourceRules) -> Reading<'t> {
        let mut reading = Reading::default();
        let Ok(body) = Document::read(self.text) else {
            return reading;
        };
        if self.things.is_empty() {
            reading.nothing_count = 1;
        }
        let mut left = expr::limits::WORK;
        for (place, sent) in self.things.iter().enumerate() {
            // It is a part of what was read.
            let Ok(item) = Document::read(sent) else {
                continue;
            };
            let inputs = Inputs::new(&item, &body, self.headers).with_work(left);
            let thing = Thing {
                text: sent,
                id: None,
                time: None,
            };
            let mapped = self.webhook.events.read(&inputs, &thing, rules);
            left = inputs.work_left();
            match mapped {
                Mapped::Event(event) => reading.events.push(Readable {
                    event: *event,
                    sent,
                    place,
                }),
                Mapped::Fault(fault) => reading.letters.push(self.letter(fault, sent)),
                Mapped::Nothing => reading.nothing_count += 1,
            }
        }
        reading
    }

    /// Returns a letter for a thing of this post, with what its mapping may read of the rest.
    pub fn letter(&self, fault: Fault, thing: &str) -> Letter {
        let payload = kept::payload(thing, self.text, self.headers, &self.webhook.events);
        Letter::new(WEBHOOK_PATH, fault, &payload, None)
    }
}

/// Returns the first header of a name.
fn header<'t>(headers: &[(&'t str, &'t str)], name: &str) -> Option<&'t str> {
    let found = headers.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| *value)
}

/// Returns whether a type of a body is that of a form.
fn is_form(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
