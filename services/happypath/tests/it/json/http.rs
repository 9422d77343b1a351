//! Calls over HTTP/1.1, written by hand, so that nothing is tidied up on the way.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The quiet after which a stream of answers counts as read: some go on until their caller ends
/// them.
const QUIET: Duration = Duration::from_millis(500);
/// The types of streams of answers.
const STREAMS: [&str; 3] = ["x-ndjson", "connect+json", "event-stream"];

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Sends a request on a connection of its own, from outside of any runtime.
pub(crate) fn send(
    address: &str,
    verb: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let sent = send_within(address, verb, target, headers, body);
    Runtime::new().expect("a runtime").block_on(sent)
}

/// Sends a request on a connection of its own.
pub(crate) async fn send_within(
    address: &str,
    verb: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let place = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place).await.expect("connected");
    let mut head = format!(
        "{verb} {target} HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // In one piece: a server that refuses by the head does not read on, and ends the connection.
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
    parse(&whole(&mut stream).await)
}

/// Reads an answer to its end, or a stream until nothing comes any more.
async fn whole(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    loop {
        let may_go_on = is_stream(&answer);
        let more = stream.read_buf(&mut answer);
        let more = match may_go_on {
            true => timeout(QUIET, more).await.unwrap_or(Ok(0)),
            false => more.await,
        };
        if more.unwrap_or(0) == 0 {
            return answer;
        }
    }
}

fn is_stream(answer: &[u8]) -> bool {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&answer[..end.unwrap_or(0)]);
    STREAMS.iter().any(|kind| head.contains(kind))
}

fn parse(answer: &[u8]) -> Response {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(answer)));
    let head = std::str::from_utf8(&answer[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let first = lines.next().expect("a first line");
    let status = first.split(' ').nth(1).expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut response = Response {
        status: status.parse().expect("a number"),
        headers,
        body: answer[end + 4..].to_vec(),
    };
    if response.header("transfer-encoding") == Some("chunked") {
        response.body = joined(&response.body);
    }
    response
}

/// Joins the chunks of a body.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n");
        // A stream that was left has no last chunk.
        let Some(end) = end else {
            return whole;
        };
        let length = std::str::from_utf8(&body[..end]).expect("digits");
        let length = usize::from_str_radix(length, 16).expect("digits");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}
