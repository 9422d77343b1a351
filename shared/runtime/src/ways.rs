//! The ways in of a process: each request goes to the one that its content is of.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, Request, Response, StatusCode};
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service};

use crate::calls::Calls;
use crate::limits::TARGET_BYTES;
use crate::web_pages::WebPages;

/// The ways in of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ways {
    grpc: GrpcWebService<Calls>,
    front: Option<Calls>,
    pages: WebPages,
}

/// The protocol of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Grpc,
    GrpcWeb,
    /// HTTP, as everybody speaks it.
    Http,
}

impl Ways {
    /// Gives gRPC and gRPC-Web to `calls`, and everything else to `front`, where there is one.
    pub(crate) fn new(calls: Calls, front: Option<Calls>, pages: WebPages) -> Self {
        Self {
            grpc: GrpcWebLayer::new().layer(calls),
            front,
            pages,
        }
    }
}

impl Service<Request<Body>> for Ways {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let target = request.uri().path_and_query();
        if target.is_some_and(|it| it.as_str().len() > TARGET_BYTES) {
            return done(empty(StatusCode::URI_TOO_LONG));
        }
        match (protocol(request.headers()), &mut self.front) {
            (Protocol::Grpc, _) => Box::pin(self.grpc.call(request)),
            (Protocol::GrpcWeb, _) => self.web(request),
            (Protocol::Http, None) => self.web(request),
            (Protocol::Http, Some(front)) => front.call(request),
        }
    }
}

impl Ways {
    fn web(&mut self, request: Request<Body>) -> <Self as Service<Request<Body>>>::Future {
        if let Some(answer) = self.pages.answer(&request) {
            return done(answer);
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let (answer, pages) = (self.grpc.call(request), self.pages.clone());
        Box::pin(async move {
            let mut answer = answer.await?;
            pages.open(origin.as_ref(), answer.headers_mut());
            Ok(answer)
        })
    }
}

fn protocol(headers: &HeaderMap) -> Protocol {
    let content = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |it| it.as_bytes());
    let Some(rest) = content.strip_prefix(b"application/grpc") else {
        return Protocol::Http;
    };
    match rest {
        [] | [b'+' | b';', ..] => Protocol::Grpc,
        [b'-', b'w', b'e', b'b', ..] => Protocol::GrpcWeb,
        _ => Protocol::Http,
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn done(response: Response<Body>) -> <Ways as Service<Request<Body>>>::Future {
    Box::pin(std::future::ready(Ok(response)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_protocol_is_told_by_the_content() {
        for (content, expected) in [
            ("", Protocol::Http),
            ("application/json", Protocol::Http),
            ("application/grpc", Protocol::Grpc),
            ("application/grpc+proto", Protocol::Grpc),
            ("application/grpc;x=y", Protocol::Grpc),
            ("application/grpc-web+proto", Protocol::GrpcWeb),
            ("application/grpc-web-text", Protocol::GrpcWeb),
            ("application/grpcx", Protocol::Http),
        ] {
            let value = HeaderValue::from_static(content);
            let headers = [(CONTENT_TYPE, value)].into_iter().collect();
            assert_eq!(protocol(&headers), expected, "{content}");
        }
    }
}
