//! Calls of RPCs that are known by their descriptors only.

use std::cell::Cell;

use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::BufMut as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, Value};
use proto::DESCRIPTORS;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::cases::{self, Case};
use crate::Dev;

/// Every RPC of our contracts.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let services = DESCRIPTORS.services();
    let ours = services.filter(|it| it.package_name().starts_with("happypath."));
    ours.flat_map(|it| it.methods().collect::<Vec<_>>())
        .collect()
}

/// Returns the name of an RPC, such as `IdentityService/Ingest`.
pub(crate) fn name_of(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().name(), method.name())
}

/// A `happypath dev` that has something to answer with.
pub(crate) struct Server {
    dev: Dev,
    runtime: Runtime,
    channel: Channel,
    /// The number of request ids so far.
    ids: Cell<u32>,
    /// The customers of the first events, and then the first accounts, by number.
    customers: Vec<String>,
    /// The position of the last events.
    pub(crate) position: String,
}

impl Server {
    /// Starts it, defines something of each kind, and lets customers do something.
    pub(crate) fn start() -> Self {
        Self::over(Dev::start())
    }

    /// Does the same with one that runs already.
    pub(crate) fn over(dev: Dev) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let address = Endpoint::from_shared(dev.address.clone()).expect("an address");
        let channel = runtime.block_on(address.connect()).expect("connected");
        let mut server = Self {
            dev,
            runtime,
            channel,
            ids: Cell::new(0),
            customers: Vec::new(),
            position: String::new(),
        };
        server.ask("DefinitionService/ApplyDefinitions", cases::DEFINITIONS);
        let answer = server.ask("IdentityService/Ingest", cases::EVENTS);
        let results = answer.get_field_by_name("results").expect("a field");
        let results = results.as_list().expect("a list").iter();
        server.customers = results
            .map(|it| text_of(it.as_message().expect("a result"), "customer_id"))
            .collect();
        server.position = text_of(&answer, "position");
        for account in cases::ACCOUNTS {
            let answer = server.ask("AccountService/PutAccount", account);
            let id = within(&answer, "account", "account_id");
            server.customers.extend(id);
        }
        server.dev.settle();
        server
    }

    pub(crate) fn stop(self) {
        self.dev.stop();
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.dev.address
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.dev.process.0.id()
    }

    /// Ends it, and looks at what it left while its folder is still there.
    pub(crate) fn stop_keeping<T>(self, look: impl FnOnce() -> T) -> T {
        let _folder = self.dev.stop();
        look()
    }

    /// Sends bytes to a path, with headers: neither need be one that there is.
    pub(crate) fn call_raw(&self, path: &str, headers: MetadataMap, bytes: Vec<u8>) {
        self.runtime.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            client.ready().await.expect("connected");
            let request = Request::from_parts(headers, tonic::Extensions::default(), bytes);
            let path = PathAndQuery::try_from(path).expect("a path");
            let _refused = client.unary(request, path, Raw).await;
        });
    }

    /// Returns once everything that was sent has had its effect.
    pub(crate) fn settle(&self) {
        self.dev.settle();
    }

    /// Calls an RPC that answers.
    pub(crate) fn ask(&self, name: &str, json: &str) -> DynamicMessage {
        let method = methods().into_iter().find(|it| name_of(it) == name);
        let method = method.expect(name);
        let answer = self.call(&method, self.parse(&method, json), None);
        answer.expect(name)
    }

    /// Makes the right request of a case, with an id of its own, and what it needs.
    pub(crate) fn request(&self, method: &MethodDescriptor, case: &Case) -> DynamicMessage {
        let mut right = case.right.to_owned();
        if let Some((name, json)) = case.before {
            let answer = self.ask(name, json);
            for (place, part, field) in ANSWERED {
                if let Some(id) = within(&answer, part, field) {
                    right = right.replace(place, &id);
                }
            }
        }
        self.parse(method, &right)
    }

    /// Sends the right request of a case.
    pub(crate) fn right(
        &self,
        method: &MethodDescriptor,
        case: &Case,
    ) -> Result<DynamicMessage, Status> {
        self.call(method, self.request(method, case), None)
    }

    /// Reads a request: `$ID` is an id that nobody had, `$0` the customer of the first event.
    pub(crate) fn parse(&self, method: &MethodDescriptor, json: &str) -> DynamicMessage {
        self.ids.set(self.ids.get() + 1);
        let mut json = json.replace("$ID", &format!("request-{}", self.ids.get()));
        for (number, customer) in self.customers.iter().enumerate() {
            json = json.replace(&format!("${number}"), customer);
        }
        let mut reader = serde_json::Deserializer::from_str(&json);
        let read = DynamicMessage::deserialize(method.input(), &mut reader);
        read.unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    /// Calls an RPC, with a deadline in milliseconds. A stream gets one request, and its first
    /// answer counts.
    pub(crate) fn call(
        &self,
        method: &MethodDescriptor,
        request: DynamicMessage,
        deadline: Option<u64>,
    ) -> Result<DynamicMessage, Status> {
        self.runtime.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            let ready = client.ready().await;
            ready.map_err(|error| Status::unknown(error.to_string()))?;
            let service = method.parent_service();
            let path = format!("/{}/{}", service.full_name(), method.name());
            let path = PathAndQuery::try_from(path).expect("a path");
            let codec = Dynamic(method.output());
            if method.is_client_streaming() || method.is_server_streaming() {
                let mut requests = Request::new(tokio_stream::once(request));
                set_deadline(&mut requests, deadline);
                let answers = client.streaming(requests, path, codec).await?;
                let first = answers.into_inner().message().await?;
                return first.ok_or_else(|| Status::unknown("no answer"));
            }
            let mut request = Request::new(request);
            set_deadline(&mut request, deadline);
            let answer = client.unary(request, path, codec).await?;
            Ok(answer.into_inner())
        })
    }
}

/// Places in a right request for what was answered before it: a field of a part of that.
const ANSWERED: [(&str, &str, &str); 2] = [
    ("$MEMBERSHIP", "membership", "membership_id"),
    ("$GROUP", "buying_group", "buying_group_id"),
];

/// Returns the text of a field of a part of an answer that has both.
fn within(answer: &DynamicMessage, part: &str, field: &str) -> Option<String> {
    let part = answer.get_field_by_name(part)?;
    Some(text_of(part.as_message()?, field))
}

fn set_deadline<T>(request: &mut Request<T>, millis: Option<u64>) {
    if let Some(millis) = millis {
        request.set_timeout(std::time::Duration::from_millis(millis));
    }
}

fn text_of(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    let text = value.as_deref().and_then(Value::as_str);
    text.expect("a text").to_owned()
}

/// Writes messages, and reads those of one type.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let encoded = item.encode(into);
        encoded.map_err(|error| Status::unknown(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let decoded = DynamicMessage::decode(self.0.clone(), from);
        decoded
            .map(Some)
            .map_err(|error| Status::unknown(error.to_string()))
    }
}

/// Writes bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
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
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}
