//! Writes requests as the public SDK for Rust makes them: reads lines of JSON, each an event with
//! the mode to send it in, and prints a line of JSON for each, with headers and body.
//!
//! It sends nothing: the check beside it does.

use std::io::{BufRead as _, Write as _, stdin, stdout};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudevents::binding::http::{Builder, Serializer};
use cloudevents::message::{BinaryDeserializer, Result as Written, StructuredDeserializer};
use cloudevents::{Event, EventBuilder as _, EventBuilderV10};
use http::HeaderValue;
use serde_json::{Map, Value, json};

/// The media type of data that is JSON.
const JSON: &str = "application/json";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", request(&asked)?)?;
    }
    Ok(())
}

/// Makes the request of one line.
fn request(asked: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let events = asked["events"].as_array().ok_or("there are no events")?;
    let events: Result<Vec<Event>, _> = events.iter().map(event).collect();
    let mut events = events?;
    match asked["mode"].as_str() {
        Some("batch") => {
            // The SDK writes a batch as a list of its events.
            let body = serde_json::to_vec(&events)?;
            let headers = json!({"content-type": "application/cloudevents-batch+json"});
            Ok(json!({"headers": headers, "body": STANDARD.encode(body)}))
        }
        mode => {
            let event = events.pop().ok_or("there is no event")?;
            let serializer = Serializer::new(Collected::default());
            Ok(match mode {
                Some("structured") => {
                    StructuredDeserializer::deserialize_structured(event, serializer)?
                }
                _ => BinaryDeserializer::deserialize_binary(event, serializer)?,
            })
        }
    }
}

/// Builds an event as a user of the SDK does.
fn event(asked: &Value) -> Result<Event, Box<dyn std::error::Error>> {
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let mut builder = EventBuilderV10::new()
        .id(text("id"))
        .source(text("source"))
        .ty(text("type"));
    if asked["subject"].is_string() {
        builder = builder.subject(text("subject"));
    }
    if asked["time"].is_string() {
        builder = builder.time(text("time"));
    }
    for (name, value) in asked["extensions"].as_object().into_iter().flatten() {
        builder = builder.extension(name, value.as_str().unwrap_or_default().to_owned());
    }
    builder = match (&asked["text"], &asked["bytes"]) {
        (Value::String(text), _) => builder.data("text/plain", text.clone()),
        (_, Value::String(bytes)) => {
            builder.data("application/octet-stream", STANDARD.decode(bytes)?)
        }
        _ => builder.data(JSON, asked["data"].clone()),
    };
    Ok(builder.build()?)
}

/// A request that the SDK writes.
#[derive(Debug, Default)]
struct Collected {
    headers: Map<String, Value>,
}

impl Builder<Value> for Collected {
    fn header(&mut self, key: &str, value: HeaderValue) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.headers.insert(key.to_owned(), value.into());
    }

    fn body(&mut self, bytes: Vec<u8>) -> Written<Value> {
        Ok(json!({"headers": self.headers, "body": STANDARD.encode(bytes)}))
    }

    fn finish(&mut self) -> Written<Value> {
        self.body(Vec::new())
    }
}
