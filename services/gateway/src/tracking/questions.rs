//! The questions of SDKs about settings, which they ask before they send. They bring no events.

use gateway_core::{Route, settings};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use tonic::body::Body;

use super::body_of;

/// Answers questions about settings; nothing for what brings events, or another method.
pub(super) fn told(route: Route<'_>, head: &Parts, is_encrypted: bool) -> Option<Response<Body>> {
    let is_question = matches!(route, Route::Flags) || head.method == Method::GET;
    let (host, is_secure) = address(head);
    let is_secure = is_secure || is_encrypted;
    let (body, kind) = settings(route, &host, is_secure).filter(|_| is_question)?;
    let mut response = Response::new(body_of(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    Some(response)
}

/// The address that a request was sent to, as its sender knows it, and whether it is encrypted.
fn address(head: &Parts) -> (String, bool) {
    let header = |name: &str| head.headers.get(name).and_then(|it| it.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let host = authority
        .or_else(|| header(HOST.as_str()))
        .unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte);
    let host = if host.bytes().all(is_plain) { host } else { "" };
    let is_secure = match (header("x-forwarded-proto"), head.uri.scheme_str()) {
        (Some(told), _) => told
            .split(',')
            .next()
            .is_some_and(|it| it.trim() == "https"),
        (None, Some("https")) => true,
        // A page that is encrypted may only ask where it is encrypted too, but for this machine.
        _ => {
            let is_here = ["localhost", "127.", "[::1]"]
                .iter()
                .any(|it| host.starts_with(it));
            let page = header(ORIGIN.as_str());
            !is_here && page.is_some_and(|origin| origin.starts_with("https:"))
        }
    };
    (host.to_owned(), is_secure)
}
