//! Write keys: they are public, so whoever has one may send events for its source, and nothing
//! else.

use proto::access::v1::GetCallerRequest;
use proto::access::v1::key_service_client::KeyServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest, IngestStreamRequest};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::call::Protocol;
use super::{Code, Guarded, Requirement, Scope, rules};

/// The key of calls.
#[derive(Clone)]
struct With(String);

impl Interceptor for With {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse().expect("a header");
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

impl Guarded {
    /// Makes a write key with the command line, as its operator does.
    fn make_write_key(&self, line: &str) -> Result<String, String> {
        let output = crate::binary()
            .args(line.split(' '))
            .args(["--address", &self.dev.address])
            .env("HAPPYPATH_KEY", &self.keys.all)
            .output()
            .expect("ran");
        match output.status.success() {
            true => {
                let text = String::from_utf8(output.stdout).expect("text");
                Ok(text.lines().next().expect("a key").to_owned())
            }
            false => Err(String::from_utf8(output.stderr).expect("text")),
        }
    }

    async fn channel(&self, key: &str) -> InterceptedService<Channel, With> {
        let channel = Channel::from_shared(self.dev.address.clone()).expect("an address");
        let channel = channel.connect().await.expect("connected");
        InterceptedService::new(channel, With(key.to_owned()))
    }
}

fn event() -> Event {
    Event {
        name: "seen".to_owned(),
        identifiers: [("user_id".to_owned(), "u1".to_owned())].into(),
        ..Event::default()
    }
}

#[test]
fn a_write_key_may_send_for_its_source_and_nothing_else() {
    let server = Guarded::start(&[]);
    for (line, expected) in [
        ("keys create a --source web_shop --scope *", "scopes: must"),
        (
            "keys create a --source web_shop --scope customers:read",
            "scopes: must be events:write alone",
        ),
        ("keys create a --source Web-Shop", "source: `Web-Shop` must"),
    ] {
        let said = server.make_write_key(line).expect_err(line);
        assert!(said.contains(expected), "{said}");
    }
    let key = server.make_write_key("keys create shop --source web_shop");
    let key = key.expect("made");
    for (path, requirement) in rules() {
        let answer = server.call(Protocol::Grpc, &path, Some(&key));
        let is_refused = answer.code == Code::PermissionDenied;
        let may = match requirement {
            Requirement::Scope(scope) => scope == Scope::EventsWrite,
            _ => true,
        };
        assert_eq!(is_refused, !may, "{path}: {answer:?}");
    }
    server.runtime.block_on(async {
        let channel = server.channel(&key).await;
        let mut keys = KeyServiceClient::new(channel.clone());
        let caller = keys.get_caller(GetCallerRequest {}).await.expect("known");
        let caller = caller.into_inner();
        assert_eq!((&*caller.source, &*caller.name), ("web_shop", "shop"));
        assert_eq!(caller.scopes, ["events:write"]);
        let mut identity = IdentityServiceClient::new(channel);
        let request = IngestRequest {
            events: vec![event()],
            ..IngestRequest::default()
        };
        identity.ingest(request).await.expect("taken");
        // Marks and ledgers are everybody's: a stranger could have the events of others left out.
        for (source, import, field) in [("a.csv", "", "source"), ("", "a.csv", "import")] {
            let batch = IngestStreamRequest {
                events: vec![Event {
                    sequence: u64::from(u32::MAX),
                    event_id: "e1".to_owned(),
                    ..event()
                }],
                source: source.to_owned(),
                import: import.to_owned(),
                ..IngestStreamRequest::default()
            };
            let answers = identity.ingest_stream(tokio_stream::once(batch)).await;
            let mut answers = answers.expect("a stream").into_inner();
            let refused = answers.message().await.expect_err("refused");
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(field), "{refused:?}");
        }
    });
    server.dev.stop();
}
