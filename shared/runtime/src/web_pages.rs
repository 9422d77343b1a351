//! Calls of web pages, by the protocol of browsers (CORS): whether a page may call, and the headers
//! of an answer that its scripts may read.
//!
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use crate::config::WebOrigins;
use crate::limits;

/// The methods of the contracts over HTTP.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// The headers of answers that scripts read: how a call ended, and when to try again.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "grpc-status, grpc-message, grpc-status-details-bin, grpc-encoding, retry-after",
);

/// The web pages whose scripts may call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebPages(Arc<WebOrigins>);

impl WebPages {
    /// Pages of these origins.
    pub fn new(origins: WebOrigins) -> Self {
        Self(Arc::new(origins))
    }

    /// Answers a request of a browser that need not be carried out: the question whether a page may
    /// call, and a call of a page that may not. A browser lets scripts send some requests without
    /// a question, so that those are refused here too.
    pub fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        let origin = headers.get(ORIGIN)?;
        let is_question = request.method() == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !self.allows(origin) {
            return Some(refusal());
        }
        is_question.then(|| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let answers = response.headers_mut();
            answers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
            let asked = asked.filter(|it| it.len() <= limits::PREFLIGHT_HEADER_BYTES);
            if let Some(asked) = asked {
                answers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            answers.insert(
                ACCESS_CONTROL_MAX_AGE,
                limits::PREFLIGHT_TIME.as_secs().into(),
            );
            allow(answers, origin);
            response
        })
    }

    /// Lets the scripts of the page that asked read an answer.
    pub fn open(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = origin.filter(|it| self.allows(it)) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            allow(headers, origin);
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.0.allows(origin))
    }
}

fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.append(VARY, HeaderValue::from_static("origin"));
}

fn refusal() -> Response<Body> {
    // As every error over HTTP; a browser shows it to who looks, and not to the page.
    let text = concat!(
        r#"{"error":{"code":403,"message":"pages of this origin may not call: add it to the setting web_origins","#,
        r#""status":"PERMISSION_DENIED","details":[]}}"#
    );
    let mut response = Response::new(Body::new(text.to_owned()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> WebPages {
        WebPages::new(WebOrigins::Listed(vec!["https://a.example".to_owned()]))
    }

    fn check(method: Method, headers: &[(&'static str, &str)], expected: Option<u16>) {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a value");
            request.headers_mut().insert(*name, value);
        }
        let answer = pages().answer(&request);
        assert_eq!(
            answer.map(|it| it.status().as_u16()),
            expected,
            "{headers:?}"
        );
    }

    #[test]
    fn only_pages_that_may_call_are_heard() {
        let (own, other) = (
            ("origin", "https://a.example"),
            ("origin", "https://b.example"),
        );
        let question = ("access-control-request-method", "POST");
        check(Method::POST, &[], None);
        check(Method::OPTIONS, &[], None);
        check(Method::POST, &[own], None);
        check(Method::OPTIONS, &[own], None);
        check(Method::OPTIONS, &[own, question], Some(204));
        check(Method::OPTIONS, &[other, question], Some(403));
        check(Method::POST, &[other], Some(403));
        check(Method::GET, &[("origin", "null")], Some(403));
    }

    #[test]
    fn an_answer_is_open_to_the_page_that_asked_alone() {
        let own = HeaderValue::from_static("https://a.example");
        let other = HeaderValue::from_static("https://b.example");
        for (origin, is_open) in [(Some(&own), true), (Some(&other), false), (None, false)] {
            let mut headers = HeaderMap::new();
            pages().open(origin, &mut headers);
            let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(allowed, origin.filter(|_| is_open));
        }
    }
}
