//! Compiles the reading of a source's webhooks: what it says itself, and what its preset says where
//! it says nothing.

use kernel::Duration;
use messages::gateway::v1::signature::Kind;
use messages::gateway::v1::{
    HmacSignature, SecretEncoding, Signature as Definition, SignatureEncoding, SignatureHash,
    WebhookReading,
};

use super::presets::{self, OUTBOUND, PRESETS};
use super::signature::{Hash, Place, Signature, Verification, of_base64, of_hex};
use super::template::{self, Part};
use super::{BodyForm, Webhook};
use crate::limits::{LEAST_TOLERANCE, MOST_TOLERANCE, USUAL_TOLERANCE};
use crate::mapping::formula;
use crate::{Mappings, SourceFault};

/// The beginning of secrets of Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";

/// The faults of a definition, as they are found.
#[derive(Default)]
struct Faults(Vec<SourceFault>);

impl Faults {
    fn add(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(SourceFault {
            field: format!("webhook.{field}"),
            description: description.into(),
        });
    }
}

impl Webhook {
    /// Compiles a reading. `has` returns whether there is a namespace of a name.
    ///
    /// # Errors
    /// Every fault, with its path in the source.
    pub fn compile(
        reading: &WebhookReading,
        has: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Faults::default();
        let preset = match reading.preset.as_str() {
            "" => None,
            name => {
                let preset = presets::find(name);
                if preset.is_none() {
                    faults.add("preset", unknown(name));
                    return Err(faults.0);
                }
                preset
            }
        };
        let said = reading.signature.as_ref();
        let said = said.or_else(|| preset.and_then(|it| it.signature.as_ref()));
        let verification = verification(said, reading, &mut faults);
        let items = match (reading.items.as_str(), preset.map(|it| it.items.as_str())) {
            ("", None | Some("")) => None,
            ("", Some(items)) | (items, _) => {
                let field = "webhook.items".to_owned();
                formula(field, items, &[expr::Type::Any], &mut faults.0)
            }
        };
        let events = events(reading, preset, has, &mut faults);
        match (verification, events) {
            (Some(verification), Some(events)) if faults.0.is_empty() => Ok(Self {
                verification,
                public_url: reading.public_url.trim_end_matches('/').to_owned(),
                form: match reading.preset.as_str() {
                    OUTBOUND => BodyForm::OutboundMessage,
                    _ => BodyForm::Json,
                },
                items,
                events,
            }),
            _ => Err(faults.0),
        }
    }
}

fn unknown(name: &str) -> String {
    let names = PRESETS.map(|(name, _)| name);
    let hint = kernel::nearest(name, names);
    let hint = hint.map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
    let names = names.join(", ");
    format!("there is no preset `{name}`{hint}; there are {names}")
}

fn events(
    reading: &WebhookReading,
    preset: Option<&WebhookReading>,
    has: &dyn Fn(&str) -> bool,
    faults: &mut Faults,
) -> Option<Mappings> {
    const FIELD: &str = "webhook.events";
    if !reading.events.is_empty() {
        let own = Mappings::compile(FIELD, &reading.events, has);
        return own.map_err(|own| faults.0.extend(own)).ok();
    }
    let Some(preset) = preset else {
        faults.add(
            "events",
            "is empty: say how a thing becomes an event, or name a preset",
        );
        return None;
    };
    let own = Mappings::compile(FIELD, &preset.events, has);
    own.map_err(|own| {
        let mut told: Vec<String> = own.into_iter().map(|fault| fault.description).collect();
        told.dedup();
        for description in told {
            let name = &reading.preset;
            let text = format!(
                "the events of `{name}` cannot be used: {description}; or list `events` of your own"
            );
            faults.add("preset", text);
        }
    })
    .ok()
}

fn verification(
    said: Option<&Definition>,
    reading: &WebhookReading,
    faults: &mut Faults,
) -> Option<Verification> {
    let Some(kind) = said.and_then(|it| it.kind.as_ref()) else {
        let text = "is missing: say how a post shows that it is of the sender (hmac, token or unsigned), or name a preset";
        faults.add("signature", text);
        return None;
    };
    match kind {
        Kind::Unsigned(_) => {
            for (field, secret) in [
                ("secret", &reading.secret),
                ("previous_secret", &reading.previous_secret),
            ] {
                if !secret.is_empty() {
                    let text =
                        "is not used, since nothing is signed: leave it out, or set `signature`";
                    faults.add(field, text);
                }
            }
            Some(Verification::None)
        }
        Kind::Token(token) => Some(Verification::Token {
            header: token.header.to_ascii_lowercase(),
            prefix: token.prefix.clone(),
            secrets: secrets(reading, SecretEncoding::Text, faults),
        }),
        Kind::Hmac(hmac) => signature(hmac, reading, faults),
    }
}

fn signature(
    hmac: &HmacSignature,
    reading: &WebhookReading,
    faults: &mut Faults,
) -> Option<Verification> {
    let secrets = secrets(reading, hmac.secret_encoding(), faults);
    let signed = match template::parse(&hmac.signed) {
        Ok(signed) => signed,
        Err(text) => {
            faults.add("signature.hmac.signed", text);
            return None;
        }
    };
    let timestamp = place(&hmac.timestamp, faults);
    for (part, field, is_there, text) in [
        (
            Part::Timestamp,
            "signature.hmac.timestamp",
            timestamp.is_some(),
            "is missing: {timestamp} is signed, so say in which header it is",
        ),
        (
            Part::Id,
            "signature.hmac.id",
            !hmac.id.is_empty(),
            "is missing: {id} is signed, so say in which header it is",
        ),
    ] {
        if signed.contains(&part) && !is_there {
            faults.add(field, text);
        }
    }
    let needs_url = signed.contains(&Part::Url) || signed.contains(&Part::DecodedUrl);
    if needs_url && reading.public_url.is_empty() {
        let text = "is missing: the sender signs the address that it posts to, so say how it begins, such as https://events.example.com";
        faults.add("public_url", text);
    }
    let tolerance = tolerance(hmac, timestamp.is_some(), faults);
    Some(Verification::Signature(Box::new(Signature {
        header: hmac.header.to_ascii_lowercase(),
        prefix: hmac.prefix.clone(),
        hash: match hmac.hash() {
            SignatureHash::Unspecified | SignatureHash::Sha256 => Hash::Sha256,
            SignatureHash::Sha1 => Hash::Sha1,
            SignatureHash::Sha512 => Hash::Sha512,
        },
        is_base64: hmac.encoding() == SignatureEncoding::Base64,
        signed,
        timestamp,
        tolerance,
        id: (!hmac.id.is_empty()).then(|| hmac.id.to_ascii_lowercase()),
        secrets,
    })))
}

/// Reads `HEADER` or `HEADER:KEY`.
fn place(text: &str, faults: &mut Faults) -> Option<Place> {
    let (header, key) = match text.split_once(':') {
        Some((header, key)) => (header, Some(key)),
        None => (text, None),
    };
    let is_wrong = header.is_empty() || key.is_some_and(str::is_empty);
    if is_wrong {
        if !text.is_empty() {
            let text = "is no header, and no HEADER:KEY such as Stripe-Signature:t";
            faults.add("signature.hmac.timestamp", text);
        }
        return None;
    }
    Some(Place {
        header: header.to_ascii_lowercase(),
        key: key.map(str::to_owned),
    })
}

fn tolerance(hmac: &HmacSignature, has_time: bool, faults: &mut Faults) -> Duration {
    const FIELD: &str = "signature.hmac.tolerance";
    if hmac.tolerance.is_empty() {
        return USUAL_TOLERANCE;
    }
    if !has_time {
        let text = "is not used: no `timestamp` says when a post was signed";
        faults.add(FIELD, text);
    }
    match hmac.tolerance.parse::<Duration>() {
        Ok(tolerance) if (LEAST_TOLERANCE..=MOST_TOLERANCE).contains(&tolerance) => {
            return tolerance;
        }
        Ok(_) => faults.add(
            FIELD,
            format!("is not from {LEAST_TOLERANCE} to {MOST_TOLERANCE}: posts that others saw can be sent again for as long"),
        ),
        Err(error) => faults.add(FIELD, error.to_string()),
    }
    USUAL_TOLERANCE
}

/// Reads the secrets, the newest first.
fn secrets(
    reading: &WebhookReading,
    encoding: SecretEncoding,
    faults: &mut Faults,
) -> Vec<Vec<u8>> {
    if reading.secret.is_empty() {
        let text = "is missing: set the one that the sender gave";
        faults.add("secret", text);
    }
    let mut secrets = Vec::new();
    for (field, secret) in [
        ("secret", &reading.secret),
        ("previous_secret", &reading.previous_secret),
    ] {
        if secret.is_empty() {
            continue;
        }
        let read = match encoding {
            SecretEncoding::Unspecified | SecretEncoding::Text => Some(secret.as_bytes().to_vec()),
            SecretEncoding::Base64 => {
                of_base64(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret))
            }
            SecretEncoding::Hex => of_hex(secret),
        };
        match read.filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => secrets.push(bytes),
            None => {
                let form = match encoding {
                    SecretEncoding::Base64 => "base64, with `whsec_` in front or not",
                    _ => "hexadecimal",
                };
                faults.add(field, format!("is not written in {form}"));
            }
        }
    }
    secrets
}
