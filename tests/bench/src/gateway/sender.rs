//! A client of HTTP/1.1 that costs next to nothing: what is measured beside it is the server.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;

/// The end of the head of an answer.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// The most bytes of an answer: those of batches are short.
const ANSWER_BYTES: usize = 64 * 1024;

/// A connection that is kept.
#[derive(Debug)]
pub(super) struct Sender {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Sender {
    /// Connects to an address such as `http://127.0.0.1:7400`.
    pub(super) async fn connect(url: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::new(),
        })
    }

    /// Sends a request, and returns once it was answered with success.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            if read == 0 || self.answer.len() > ANSWER_BYTES {
                return Err(format!("no answer that ends: {}", self.text()).into());
            }
            if is_whole(&self.answer)? {
                break;
            }
        }
        match self.answer.starts_with(b"HTTP/1.1 200 ") {
            true => Ok(()),
            false => Err(format!("refused: {}", self.text()).into()),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// Returns whether an answer has come with all of its body.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    let mut ends = answer.windows(HEAD_END.len());
    let Some(end) = ends.position(|window| window == HEAD_END) else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&answer[..end])?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>())
    });
    let length = length.ok_or_else(|| format!("an answer without a length: {head}"))??;
    Ok(answer.len() >= end + HEAD_END.len() + length)
}

/// A request with a batch, as an SDK with a write key sends it.
pub(super) fn request(body: &str) -> Vec<u8> {
    // The key is `bench`, without a password.
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         authorization: Basic YmVuY2g6\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A request to read something.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}
