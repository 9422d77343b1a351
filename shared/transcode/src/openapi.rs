//! The OpenAPI description of the paths, made once from the contracts and their comments.
//!
//! It is for everybody, without a credential: it describes nothing that the contracts, which are
//! public, do not say.

mod comment;
mod document;
mod example;
mod operation;
mod rules;
mod schema;

use std::sync::LazyLock;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use kernel::to_hex;
use sha2::{Digest as _, Sha256};
use tonic::body::Body;

use crate::answer::{self, accepts_gzip, gzip};

/// The path at which it is served.
pub(crate) const PATH: &str = "/openapi.json";
/// Bytes of the digest that names a version of it.
const ETAG_BYTES: usize = 16;

/// The description as it is served.
struct Served {
    plain: bytes::Bytes,
    compressed: bytes::Bytes,
    etag: String,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let plain = document::document().to_string().into_bytes();
    let digest = Sha256::digest(&plain);
    Served {
        compressed: gzip(&plain).into(),
        etag: format!("\"{}\"", to_hex(&digest[..ETAG_BYTES])),
        plain: plain.into(),
    }
});

/// Answers a call for the description.
pub(crate) fn answer(verb: &Method, headers: &HeaderMap) -> Response<Body> {
    let served = &*SERVED;
    let is_read = verb == Method::GET || verb == Method::HEAD;
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        let mut tags = value
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == "*" || tag == served.etag)
    });
    let is_compressed = accepts_gzip(headers);
    let bytes = match is_compressed {
        true => &served.compressed,
        false => &served.plain,
    };
    let (status, body) = match (is_read, is_known) {
        (false, _) if verb == Method::OPTIONS => (StatusCode::NO_CONTENT, None),
        (false, _) => (StatusCode::METHOD_NOT_ALLOWED, None),
        (true, true) => (StatusCode::NOT_MODIFIED, None),
        (true, false) => (StatusCode::OK, Some(bytes)),
    };
    let mut response = Response::new(match body {
        Some(bytes) if verb == Method::GET => answer::body(bytes.clone()),
        _ => Body::empty(),
    });
    *response.status_mut() = status;
    let to = response.headers_mut();
    to.insert(
        header::ALLOW,
        HeaderValue::from_static("GET, HEAD, OPTIONS"),
    );
    if !is_read {
        return response;
    }
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    to.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::try_from(served.etag.as_str()) {
        to.insert(header::ETAG, etag);
    }
    if let Some(bytes) = body {
        to.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        to.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        if is_compressed {
            to.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_served_by_its_version() {
        let whole = answer(&Method::GET, &HeaderMap::new());
        assert_eq!(whole.status(), StatusCode::OK);
        let etag = whole.headers()[header::ETAG].clone();
        for (verb, tag, expected) in [
            (Method::GET, etag.clone(), StatusCode::NOT_MODIFIED),
            (
                Method::HEAD,
                HeaderValue::from_static("\"x\""),
                StatusCode::OK,
            ),
            (Method::POST, etag.clone(), StatusCode::METHOD_NOT_ALLOWED),
            (Method::OPTIONS, etag, StatusCode::NO_CONTENT),
        ] {
            let headers = [(header::IF_NONE_MATCH, tag)].into_iter().collect();
            assert_eq!(answer(&verb, &headers).status(), expected, "{verb}");
        }
    }
}
