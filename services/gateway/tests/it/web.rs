//! Web pages and HTTP/1.1: gRPC-Web with the protocol of browsers, JSON, and what is refused.

use proto::identity::v1::GetCustomerResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::played::{self, Played, framed};
use crate::process::{Gateway, PATIENCE, Site};

/// A method of a service behind the gateway.
const METHOD: &str = "/happypath.identity.v1.IdentityService/GetCustomer";
/// A page that may call.
const PAGE: &str = "https://app.example.com";

/// Sends text as it is.
pub(crate) async fn send(stream: &mut TcpStream, text: &str) {
    stream
        .write_all(text.as_bytes())
        .await
        .expect("it is taken");
}

/// Reads up to the end of the head of an answer.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("an answer in time");
    String::from_utf8(bytes).expect("text")
}

/// Sends a request and reads the answer until its connection ends.
pub(crate) async fn ask(
    gateway: &Gateway,
    head: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let mut text = format!("{head} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    send(&mut stream, &text).await;
    stream.write_all(body).await.expect("it is taken");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

async fn start(settings: &[&str]) -> (Site, Gateway) {
    let played = Played::start(|request: http::Request<hyper::body::Incoming>| async {
        drop(played::read(request.into_body()).await);
        let trailers = [("grpc-status", "0"), ("grpc-message", "told")];
        played::answer(vec![framed(&GetCustomerResponse::default())], &trailers)
    })
    .await;
    let site = Site::new();
    let gateway = Gateway::start(&site, &played.url(), settings).await;
    (site, gateway)
}

#[tokio::test]
async fn a_page_that_may_call_asks_and_calls_over_grpc_web() {
    let (_site, gateway) = start(&["--web-origins", PAGE]).await;
    let question = [
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-grpc-web"),
    ];
    let answer = ask(&gateway, &format!("OPTIONS {METHOD}"), &question, b"").await;
    assert!(answer.starts_with("http/1.1 204"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {PAGE}")));
    assert!(answer.contains("access-control-allow-headers: content-type,x-grpc-web"));
    let call = [
        ("origin", PAGE),
        ("content-type", "application/grpc-web+proto"),
    ];
    let message = [0, 0, 0, 0, 0];
    let answer = ask(&gateway, &format!("POST {METHOD}"), &call, &message).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains(
        "access-control-expose-headers: grpc-status, grpc-message, grpc-status-details-bin"
    ));
    assert!(
        answer.contains("grpc-status:0") && answer.contains("grpc-message:told"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_page_that_may_not_call_is_refused_whatever_it_sends() {
    let (_site, gateway) = start(&["--web-origins", PAGE]).await;
    let other = ("origin", "https://evil.example");
    let question = ("access-control-request-method", "POST");
    for (head, headers) in [
        (format!("OPTIONS {METHOD}"), vec![other, question]),
        (
            format!("POST {METHOD}"),
            vec![other, ("content-type", "application/grpc-web+proto")],
        ),
        // Browsers send this one without a question.
        (
            format!("POST {METHOD}"),
            vec![other, ("content-type", "text/plain")],
        ),
        (
            "POST /v1/definitions:apply".to_owned(),
            vec![other, ("content-type", "text/plain")],
        ),
        ("GET /v1/installation".to_owned(), vec![other]),
    ] {
        let answer = ask(&gateway, &head, &headers, b"").await;
        assert!(answer.starts_with("http/1.1 403"), "{head} {answer}");
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
    // Whoever is no page has no origin.
    let answer = ask(&gateway, "GET /openapi.json", &[], b"").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
}

#[tokio::test]
async fn paths_of_nobody_are_not_found_and_what_is_no_http_ends_its_connection() {
    let (_site, gateway) = start(&[]).await;
    let answer = ask(&gateway, "GET /nothing/here", &[], b"").await;
    assert!(answer.starts_with("http/1.1 404"), "{answer}");
    assert!(answer.contains("\"status\":\"not_found\""), "{answer}");
    let long = format!("GET /v1/definitions?pageToken={}", "x".repeat(20_000));
    let answer = ask(&gateway, &long, &[], b"").await;
    assert!(answer.starts_with("http/1.1 414"), "{answer}");
    let large = "x".repeat(70_000);
    let answer = ask(&gateway, "GET /openapi.json", &[("x-large", &large)], b"").await;
    assert!(answer.starts_with("http/1.1 431"), "{answer}");
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    send(&mut stream, "\u{1}\u{2} nonsense\r\n\r\n").await;
    let answer = read_head(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    // The gateway is none the worse for it.
    let answer = ask(&gateway, "GET /openapi.json", &[], b"").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
}
