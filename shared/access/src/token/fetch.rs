//! One bounded GET. Redirects are not followed, and nothing of the answer but its body counts.

use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::tls::{Alpn, ClientTls};

/// The reason why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The place does not answer as it should.
    #[error("no answer: {0}")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is another one than 200.
    #[error("the answer is {0}, where 200 is expected")]
    Status(StatusCode),
    /// There is no answer in time.
    #[error("no answer in time")]
    Slow,
    /// The answer is larger than it may be.
    #[error("the answer is too large")]
    Large,
    /// The answer is no set of keys.
    #[error("the answer has no public key for signatures: expected a JWKS, `{{\"keys\": [...]}}`")]
    NoKeySet,
}

impl From<std::io::Error> for FetchError {
    fn from(error: std::io::Error) -> Self {
        Self::Transport(error.into())
    }
}

impl From<hyper::Error> for FetchError {
    fn from(error: hyper::Error) -> Self {
        Self::Transport(error.into())
    }
}

/// Fetches what is at a URL. The caller bounds the time.
pub(super) async fn fetch(url: &Uri, tls: &ClientTls, most: usize) -> Result<Vec<u8>, FetchError> {
    let host = url.host().unwrap_or_default();
    let is_plain = url.scheme_str() == Some("http");
    let port = url.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if is_plain {
        return get(url, TokioIo::new(stream), most).await;
    }
    let stream = tls.connect(host, stream, Alpn::Http1).await?;
    get(url, TokioIo::new(stream), most).await
}

async fn get<I>(url: &Uri, io: I, most: usize) -> Result<Vec<u8>, FetchError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Transport(error.into()))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), most).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|error| {
            match error.downcast::<http_body_util::LengthLimitError>() {
                Ok(_) => FetchError::Large,
                Err(error) => FetchError::Transport(error),
            }
        })
    };
    // The connection is driven here and ends with this call, so that nothing goes on beside it.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        done = &mut answer => done,
        // A server may cut the connection behind its answer: what came of that is for the answer.
        _ = &mut connection => answer.await,
    }
}
