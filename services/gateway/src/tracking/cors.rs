//! Answers that web pages may read: cross-origin resource sharing
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! The source of a key decides whether a page may send, and a preflight carries no key.
//! Cookies are nobody's business here, so that every page may read every answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tonic::body::Body;

use crate::limits::PREFLIGHT_BYTES;

/// The cross-origin side of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cors {
    is_of_page: bool,
}

impl Cors {
    /// Reads the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_of_page: headers.contains_key(ORIGIN),
        }
    }

    /// Lets the page read an answer, and when to come again.
    pub(super) fn around(self, mut response: Response<Body>) -> Response<Body> {
        if self.is_of_page {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            let shown = HeaderValue::from_static("Retry-After");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, shown);
        }
        response
    }

    /// Answers the question whether a page may send a request: it may, with the headers that it
    /// asks for.
    pub(super) fn preflight(self, asked: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let methods = HeaderValue::from_static("GET, POST, OPTIONS");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let wanted = wanted.filter(|it| it.len() <= PREFLIGHT_BYTES).cloned();
        let wanted =
            wanted.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        self.around(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_send_what_it_asks_for_and_read_when_to_come_again() {
        let mut asked = HeaderMap::new();
        asked.insert(ORIGIN, HeaderValue::from_static("https://shop.example.com"));
        let wanted = HeaderValue::from_static("authorization,x-retry-count");
        asked.insert(ACCESS_CONTROL_REQUEST_HEADERS, wanted.clone());
        let cors = Cors::of(&asked);
        let response = cors.preflight(&asked);
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_HEADERS], wanted);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let response = cors.around(Response::new(Body::empty()));
        assert_eq!(
            response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS],
            "Retry-After"
        );
        let response = Cors::of(&HeaderMap::new()).around(Response::new(Body::empty()));
        assert!(response.headers().is_empty());
    }
}
