//! Examples of requests, for the methods that most callers begin with.

use serde_json::Value;

/// Requests by method. A test reads each of them.
const EXAMPLES: [(&str, &str); 5] = [
    (
        "Ingest",
        r#"{"requestId": "order-7", "events": [{
            "name": "Order Completed",
            "identifiers": {"user_id": "ada", "email": "ada@example.com"},
            "time": "2026-03-01T09:30:00Z",
            "properties": {"total": 19.5, "currency": "EUR"}
        }]}"#,
    ),
    (
        "IngestStream",
        r#"{"source": "shop", "events": [{
            "sequence": "1", "name": "Order Completed", "identifiers": {"user_id": "ada"}
        }]}"#,
    ),
    (
        "GetCustomer",
        r#"{"identifier": {"namespace": "email", "value": "ada@example.com"}}"#,
    ),
    (
        "ApplyDefinitions",
        r#"{"requestId": "loyal-1", "definitions": [{
            "segment": {"name": "loyal", "expression": "events(\"Order Completed\").count() >= 3"}
        }]}"#,
    ),
    (
        "CheckExpression",
        r#"{"expression": "events(\"Order Completed\").count() >= 3"}"#,
    ),
];

/// An example of the request of a method.
pub(super) fn of(method: &str) -> Option<Value> {
    let (_, text) = EXAMPLES.iter().find(|(name, _)| *name == method)?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{self, Body};
    use crate::read::{Output, read};

    #[test]
    fn examples_are_requests() {
        for (name, text) in EXAMPLES {
            let mut methods = contract::methods().iter();
            let method = methods.find(|method| method.descriptor.name() == name);
            let message = contract::message(method.expect(name).input);
            let mut out = Output::with_capacity(text.len());
            let read = read(message, Body::Whole, text.as_bytes(), &mut out);
            assert_eq!(read, Ok(()), "{name}");
            assert!(of(name).is_some(), "{name}");
        }
    }
}
