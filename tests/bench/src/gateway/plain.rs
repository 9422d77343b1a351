//! The ceiling: a handler of axum that parses the JSON of a batch, and does nothing with it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::post;
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::Failure;
use crate::child::serve_at;

/// Serves it until the input ends.
pub(crate) async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/v1/batch", post(take));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, router.clone()));
        }
    });
    serve_at(&url).await
}

async fn serve_connection(stream: TcpStream, router: Router) {
    // A client that ends while it is answered is what a benchmark does at its end.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: http::Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn take(body: Bytes) -> Result<&'static str, StatusCode> {
    match serde_json::from_slice::<Value>(&body) {
        Ok(_) => Ok(r#"{"success":true}"#),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}
