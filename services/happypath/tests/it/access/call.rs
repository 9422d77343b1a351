//! Calls of RPCs by path, with a message that nobody can read: as gRPC, as gRPC-Web, and in JSON.

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::contracts::call::methods;
use crate::json::call::{Answer as JsonAnswer, bindings, with_variables};
use crate::json::http::send_within;

/// A message that is cut: a field of 127 bytes, of which one is there.
const UNREADABLE: &[u8] = &[0x0a, 0x7f, 0x00];

/// The protocol of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web over HTTP/1.1.
    Web,
    /// JSON, by the path of the contract.
    Rest,
    /// JSON, by the Connect protocol.
    Connect,
    /// gRPC, with a message without fields.
    Empty,
}

/// The answer to a call.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: Code,
    pub(super) message: String,
}

/// Calls an RPC.
pub(super) async fn call(
    address: &str,
    protocol: Protocol,
    path: &str,
    credential: Option<&str>,
) -> Answer {
    match protocol {
        Protocol::Grpc => grpc(address, path, credential, UNREADABLE).await,
        Protocol::Empty => grpc(address, path, credential, &[]).await,
        Protocol::Web => web(address, path, credential).await,
        Protocol::Rest | Protocol::Connect => json(address, protocol, path, credential).await,
    }
}

async fn grpc(address: &str, path: &str, credential: Option<&str>, message: &[u8]) -> Answer {
    let channel = Channel::from_shared(address.to_owned()).expect("an address");
    let mut client = Grpc::new(channel.connect().await.expect("connected"));
    client.ready().await.expect("ready");
    let mut request = Request::new(tokio_stream::once(Bytes::copy_from_slice(message)));
    if let Some(credential) = credential {
        let value = format!("Bearer {credential}").parse().expect("a header");
        request.metadata_mut().insert("authorization", value);
    }
    let path = path.parse().expect("a path");
    let answered = async {
        let answers = client.streaming(request, path, Raw).await?;
        answers.into_inner().message().await
    };
    match answered.await {
        Ok(_) => Answer {
            code: Code::Ok,
            message: String::new(),
        },
        Err(status) => Answer {
            code: status.code(),
            message: status.message().to_owned(),
        },
    }
}

/// Calls an RPC with a document that breaks off, by its last path, which has a body where one has.
async fn json(address: &str, protocol: Protocol, path: &str, credential: Option<&str>) -> Answer {
    let all = methods();
    let is_there = |it: &&prost_reflect::MethodDescriptor| {
        format!("/{}/{}", it.parent_service().full_name(), it.name()) == path
    };
    let method = all.iter().find(is_there).expect("a method");
    let is_stream = method.is_client_streaming() || method.is_server_streaming();
    let binding = bindings(method).pop().expect("a path");
    let (verb, target, kind) = match protocol {
        Protocol::Rest => {
            let target = with_variables(&binding.path, |_| "x".to_owned());
            (binding.verb, target, "application/json")
        }
        _ if is_stream => ("POST", path.to_owned(), "application/connect+json"),
        _ => ("POST", path.to_owned(), "application/json"),
    };
    let body: &[u8] = match protocol {
        Protocol::Rest if !binding.has_body => b"",
        Protocol::Connect if is_stream => b"\0\0\0\0\x01{",
        _ => b"{",
    };
    let credential = credential.map(|it| format!("Bearer {it}"));
    let mut headers = vec![("content-type", kind)];
    headers.extend(credential.as_deref().map(|it| ("authorization", it)));
    let response = send_within(address, verb, &target, &headers, body).await;
    let answer = match protocol {
        Protocol::Rest => JsonAnswer::of_rest(&response),
        _ => JsonAnswer::of_connect(&response),
    };
    let code = answer.code();
    if code == Code::Unauthenticated && !(is_stream && protocol == Protocol::Connect) {
        let challenge = response.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
    }
    Answer {
        code,
        message: answer.message().to_owned(),
    }
}

async fn web(address: &str, path: &str, credential: Option<&str>) -> Answer {
    let place = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place).await.expect("connected");
    let mut frame = vec![0, 0, 0, 0, 3];
    frame.extend_from_slice(UNREADABLE);
    let credential = credential.map(|it| format!("authorization: Bearer {it}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {place}\r\ncontent-type: application/grpc-web+proto\r\n\
         connection: close\r\ncontent-length: {}\r\n{}\r\n",
        frame.len(),
        credential.unwrap_or_default()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&frame).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answered");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // The status is among the headers, or behind the message in the same form.
    let field = |name: &str| {
        let (_, rest) = answer.split_once(&format!("{name}:"))?;
        rest.split(['\r', '\n'])
            .next()
            .map(|value| value.trim().to_owned())
    };
    let code = field("grpc-status").and_then(|code| code.parse::<i32>().ok());
    Answer {
        code: code.map_or(Code::Unknown, Code::from),
        message: decode(&field("grpc-message").unwrap_or_default()),
    }
}

/// Reads percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Passes bytes on.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}
