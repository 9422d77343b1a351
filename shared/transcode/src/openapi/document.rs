//! The document as a whole.

use serde_json::{Map, Value, json};

use super::comment;
use super::operation::{operation, path};
use super::schema::Schemas;
use crate::contract;

const ABOUT: &str = "\
Every method of the contracts, by HTTP and JSON.

- JSON is that of protobuf: names in lowerCamelCase (snake_case is taken too), whole numbers of 64 bits as texts, enums by \
name, instants by RFC 3339. What has its default is left out of answers. What the contract does not have is refused.
- Fields of a call without a body are parameters of its query, those of messages inside with dots: `filter.source=shop`.
- Errors have the body of the schema `Error`, and the status of HTTP that belongs to their code. `Retry-After` says when \
another try may work. A change that names a `requestId` can be sent again as it is.
- `grpc-timeout` (`2S`), `Connect-Timeout-Ms` or `X-Server-Timeout` (seconds) set a deadline; `traceparent` is taken over; \
bodies may be gzip.
- The same methods are there by the Connect protocol and by gRPC at `/package.Service/Method`.";

/// Makes the description.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for method in contract::methods() {
        let service = method.descriptor.parent_service();
        let tag = json!({
            "name": service.name(),
            "description": comment::of(service.full_name()),
        });
        if tags.last() != Some(&tag) {
            tags.push(tag);
        }
        for (place, binding) in method.bindings.iter().enumerate() {
            let described = operation(method, binding, place + 1, &mut schemas);
            let at = paths
                .entry(path(method, binding))
                .or_insert_with(|| json!({}));
            at[binding.verb.name().to_ascii_lowercase()] = described;
        }
    }
    let mut components = schemas.into_components();
    components["Error"] = error();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Happypath",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Error": {
                    "description": "The call failed.",
                    "headers": {
                        "Retry-After": {
                            "description": "Seconds after which another try may work.",
                            "schema": {"type": "integer"},
                        },
                    },
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Error"}},
                    },
                },
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of the installation, or a token of an issuer that it trusts. \
                                    A process that listens on loopback only may take calls without.",
                },
            },
        },
    })
}

/// The body of errors.
fn error() -> Value {
    json!({
        "type": "object",
        "description": "Why a call failed.",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "status"],
                "properties": {
                    "code": {"type": "integer", "description": "The status of HTTP."},
                    "message": {"type": "string", "description": "What is wrong, for people."},
                    "status": {
                        "type": "string",
                        "description": "The code of `google.rpc.Code`.",
                        "examples": ["INVALID_ARGUMENT"],
                    },
                    "details": {
                        "type": "array",
                        "description": "`google.rpc.ErrorInfo` with the reason, `BadRequest` with each field that is \
                                        wrong, `RetryInfo`, `ResourceInfo`.",
                        "items": {
                            "type": "object",
                            "required": ["@type"],
                            "properties": {"@type": {"type": "string"}},
                            "additionalProperties": true,
                        },
                    },
                },
            },
        },
        "examples": [{
            "error": {
                "code": 400,
                "message": "the request is not valid: pageSize: `x` is not a whole number from 0 to 4294967295",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "INVALID_REQUEST",
                        "domain": "happypath.dev",
                    },
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{
                            "field": "pageSize",
                            "description": "`x` is not a whole number from 0 to 4294967295",
                        }],
                    },
                ],
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binding_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        let operations = document["paths"].as_object().expect("paths");
        let count: usize = operations
            .values()
            .map(|path| path.as_object().map_or(0, Map::len))
            .sum();
        let bindings: usize = contract::methods()
            .iter()
            .map(|method| method.bindings.len())
            .sum();
        assert_eq!(count, bindings);
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert!(
            !text.contains("\"description\":\"\""),
            "an element has no comment"
        );
    }

    #[test]
    fn rules_are_told() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let event = &schemas["happypath.gateway.v1.ReplayDeadLettersRequest"];
        assert_eq!(event["properties"]["requestId"]["maxLength"], json!(100));
        assert_eq!(event["required"], json!(["requestId"]));
        let payloads = &event["properties"]["payloads"];
        assert_eq!(payloads["maxProperties"], json!(100));
        assert_eq!(payloads["propertyNames"]["format"], json!("uuid"));
        assert_eq!(
            event["allOf"],
            json!([{"oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}])
        );
        let page = &document["paths"]["/v1/deadLetters"]["get"]["parameters"];
        let page = page.as_array().expect("parameters").iter();
        let names: Vec<_> = page.map(|parameter| parameter["name"].clone()).collect();
        assert!(names.contains(&json!("filter.startTime")), "{names:?}");
    }
}
