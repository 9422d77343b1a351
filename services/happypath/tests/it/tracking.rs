//! The tracking API over HTTP, as SDKs call it: a plain client against a real process.

pub(crate) mod keys;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;
use proto::gateway::v1::intake_service_client::IntakeServiceClient;
use proto::gateway::v1::{
    DeadLetter, GetIntakeStatisticsRequest, ListDeadLettersRequest, ReplayDeadLettersRequest,
    replay_dead_letters_request,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::Dev;

/// An answer: status, headers in small letters, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends a request as it is written here.
fn send(dev: &Dev, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let host = dev.address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("connected");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).expect("sent");
    // A refusal may come before all is read.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Answer {
        status: status.expect("a status"),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn post(dev: &Dev, path: &str, body: &Value) -> Answer {
    send(dev, "POST", path, &[], body.to_string().as_bytes())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("it fits");
    encoder.finish().expect("it fits")
}

async fn intake(dev: &Dev) -> IntakeServiceClient<Channel> {
    let client = IntakeServiceClient::connect(dev.address.clone()).await;
    client.expect("connected")
}

#[test]
fn each_dialect_is_understood_and_joins_its_customers() {
    let dev = Dev::start();
    let segment = json!({"writeKey": "web_shop", "sentAt": "2026-11-30T07:00:00Z", "batch": [
        {"type": "track", "anonymousId": "a1", "event": "Product Viewed", "messageId": "m1"},
        {"type": "identify", "userId": "u1", "anonymousId": "a1", "messageId": "m2",
            "traits": {"email": "Ada@Example.com", "logins": 19.0}},
        {"type": "track", "userId": "u1", "event": "Order Completed", "messageId": "m3",
            "properties": {"total": 19, "products": [{"sku": "0042"}, {"sku": "0043"}]}},
        {"type": "group", "groupId": "acme"}
    ]});
    for _ in 0..2 {
        let answer = post(&dev, "/v1/batch", &segment);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{\"success\":true}")
        );
    }
    let posthog = json!({"api_key": "app", "batch": [
        {"event": "Signed Up", "distinct_id": "old", "uuid": "0190a5b0-0000-7000-8000-000000000001"},
        {"event": "$create_alias", "distinct_id": "old", "properties": {"alias": "u1"}},
        {"event": "$groupidentify", "distinct_id": "made-up", "properties": {}}
    ]});
    let gzipped = gzip(posthog.to_string().as_bytes());
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = send(&dev, "POST", "/batch/", &form, &gzipped);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"status\":\"Ok\"}")
    );
    let v1 = json!({"batch": [
        {"event": "Opened", "distinct_id": "u1", "uuid": "0190a5b0-0000-7000-8000-000000000002"},
        {"event": "", "distinct_id": "u1", "uuid": "0190a5b0-0000-7000-8000-000000000003"}
    ]});
    let answer = post(&dev, "/i/v1/analytics/events", &v1);
    let results: Value = serde_json::from_str(&answer.body).expect("JSON");
    let result = |id: &str| {
        results["results"][format!("0190a5b0-0000-7000-8000-00000000000{id}")]["result"].clone()
    };
    assert_eq!(
        (result("2"), result("3")),
        ("ok".into(), "warning".into()),
        "{answer:?}"
    );
    dev.settle();

    let customer = dev.json("customer user_id:u1");
    assert_eq!(customer["profile"]["traits"]["email"], "Ada@Example.com");
    assert_eq!(customer["profile"]["traits"]["logins"], 19.0);
    let events = customer["profile"]["events"].as_array().expect("events");
    let count = |name: &str| {
        let mut found = events.iter().filter(|event| event["name"] == name);
        found
            .next()
            .map_or(Value::Null, |event| event["count"].clone())
    };
    for name in [
        "Product Viewed",
        "identify",
        "Order Completed",
        "Signed Up",
        "Opened",
    ] {
        assert_eq!(count(name), 1, "{name}: {customer}");
    }
    let old = dev.json("customer user_id:old");
    assert_eq!(
        old["customer"]["customerId"],
        customer["customer"]["customerId"]
    );
    let (code, _) = dev.refused("customer user_id:made-up");
    assert_eq!(code, 3, "a group update makes nobody");
}

/// Replays the event of a wrong time, mended.
async fn replay_the_late_one(client: &mut IntakeServiceClient<Channel>, letters: &[DeadLetter]) {
    let late = letters
        .iter()
        .find(|it| it.reason == "BAD_TIME")
        .expect("it is there");
    let mended = late.payload.replace("2031", "2026");
    let replay = ReplayDeadLettersRequest {
        request_id: "r1".to_owned(),
        which: Some(replay_dead_letters_request::Which::Ids(
            proto::gateway::v1::DeadLetterIds {
                ids: vec![late.id.clone()],
            },
        )),
        payloads: [(late.id.clone(), mended)].into(),
    };
    let replayed = client
        .replay_dead_letters(replay)
        .await
        .expect("replayed")
        .into_inner();
    assert_eq!((replayed.replayed_count, replayed.refused.len()), (1, 0));
}

#[test]
fn what_cannot_be_taken_is_kept_counted_and_replayed() {
    let dev = Dev::start();
    let batch = json!({"writeKey": "web_shop", "batch": [
        {"type": "track", "userId": "u1", "event": "A", "messageId": "m1"},
        {"type": "track", "event": "nobody", "messageId": "m2"},
        {"type": "track", "userId": "u1", "event": "B", "timestamp": "2031-01-01T00:00:00Z"},
        {"type": "track", "userId": "u1", "event": "C", "properties": {"a": 1, "A": 2}},
        {"type": "track", "userId": "null", "event": "D"},
        {"type": "page", "userId": "u1", "writeKey": "other_shop"}
    ]});
    assert_eq!(post(&dev, "/v1/batch", &batch).status, 200);
    assert_eq!(
        post(
            &dev,
            "/v1/track",
            &json!({"writeKey": "web_shop", "event": 1})
        )
        .status,
        200
    );
    Runtime::new().expect("a runtime").block_on(async {
        let mut client = intake(&dev).await;
        let listed = client
            .list_dead_letters(ListDeadLettersRequest::default())
            .await;
        let letters = listed.expect("listed").into_inner().dead_letters;
        let mut told: Vec<_> = letters
            .iter()
            .map(|it| (it.reason.as_str(), it.field.as_str()))
            .collect();
        told.sort_unstable();
        let expected = [
            ("BAD_TIME", "timestamp"),
            ("MALFORMED_EVENT", "event"),
            ("MALFORMED_EVENT", "properties.A"),
            ("NO_IDENTIFIER", ""),
            ("NO_IDENTIFIER", "userId"),
            ("OTHER_KEY", "writeKey"),
        ];
        assert_eq!(told, expected);
        assert!(
            letters.iter().all(|it| it.source == "web_shop"),
            "{letters:?}"
        );
        assert!(
            letters.iter().all(|it| !it.payload.contains("_shop")),
            "{letters:?}"
        );

        replay_the_late_one(&mut client, &letters).await;

        let figures = client
            .get_intake_statistics(GetIntakeStatisticsRequest::default())
            .await;
        let figures = figures.expect("figures").into_inner();
        let count = |reason: &str| {
            let mut found = figures.counts.iter().filter(|it| it.reason == reason);
            found.next().map_or(0, |it| it.count)
        };
        assert_eq!(count("ACCEPTED"), 2, "{figures:?}");
        assert_eq!(count("OTHER_KEY"), 1, "{figures:?}");
        assert_eq!(figures.dead_letter_counts.get("web_shop"), Some(&5));
    });
    dev.settle();
    let customer = dev.json("customer user_id:u1");
    let events = customer["profile"]["events"].as_array().expect("events");
    let names: Vec<_> = events.iter().map(|event| event["name"].clone()).collect();
    assert_eq!(names, ["A", "B"]);
}

#[test]
fn large_calls_are_taken_side_by_side() {
    let dev = Dev::start();
    let text = "x".repeat(7_000);
    let events: Vec<Value> = (0..150)
        .map(|number| {
            json!({"type": "track", "userId": format!("u{number}"), "event": "A",
                "properties": {"a": text, "b": text, "c": text}})
        })
        .collect();
    let batch = json!({"writeKey": "web_shop", "batch": events}).to_string();
    assert!(batch.len() > 3_000_000, "{}", batch.len());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = send(&dev, "POST", "/v1/batch", &[], batch.as_bytes());
                assert_eq!(answer.status, 200, "{answer:?}");
            });
        }
    });
}

#[test]
fn a_call_that_cannot_be_read_is_refused_and_none_is_redirected() {
    let dev = Dev::start();
    let bomb = gzip(&vec![b' '; 100_000_000]);
    let deep = format!(
        "{{\"batch\":[{}{}]}}",
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    let many = format!("[{}1]", "1,".repeat(10_000));
    let long = vec![b' '; 9_000_000];
    for (path, headers, body, status) in [
        ("/v1/batch", &[][..], &b"{"[..], 400),
        ("/v1/batch", &[], b"", 400),
        ("/v1/batch", &[], b"{}", 400),
        ("/v1/batch", &[], b"{\"batch\":[]}\xff", 400),
        ("/v1/batch", &[], &[0x1f, 0x8b, 8, 0, 0], 400),
        (
            "/v1/batch",
            &[("Content-Encoding", "br")],
            b"{\"batch\":[]}",
            415,
        ),
        ("/v1/batch", &[], &bomb, 413),
        ("/v1/batch", &[], &long, 413),
        ("/batch/", &[], &long, 413),
        ("/batch/", &[], many.as_bytes(), 413),
        ("/v1/batch", &[], deep.as_bytes(), 200),
        ("/v1/batch/", &[], b"{\"batch\":[]}", 200),
        ("/v1/m", &[], b"whatever", 200),
        ("/s/", &[], b"whatever", 200),
        (
            "/v1/batch",
            &[("Authorization", "Digest x")],
            b"{\"batch\":[]}",
            401,
        ),
    ] {
        let answer = send(&dev, "POST", path, headers, body);
        let sent = &body[..body.len().min(40)];
        assert_eq!(answer.status, status, "{path} {sent:?} {answer:?}");
        let read: Result<Value, _> = serde_json::from_str(&answer.body);
        assert!(read.is_ok(), "{path}: {answer:?}");
    }
    let answer = send(&dev, "GET", "/v1/track", &[], b"");
    assert_eq!(answer.status, 405, "{answer:?}");
    dev.stop();
}

#[test]
fn a_browser_is_told_where_to_send_and_may_read_the_answers() {
    let dev = Dev::start();
    let host = dev.address.trim_start_matches("http://");
    let page = ("Origin", "https://shop.example.com");
    let answer = send(&dev, "GET", "/v1/projects/web_shop/settings", &[page], b"");
    let settings: Value = serde_json::from_str(&answer.body).expect("JSON");
    let own = &settings["integrations"]["Segment.io"];
    assert_eq!(
        (&own["apiKey"], &own["protocol"]),
        (&"web_shop".into(), &"http".into())
    );
    assert_eq!(own["apiHost"], format!("{host}/v1"));
    let asked = [
        page,
        (
            "Access-Control-Request-Headers",
            "authorization,x-retry-count",
        ),
    ];
    let answer = send(&dev, "OPTIONS", "/v1/t", &asked, b"");
    assert_eq!(answer.status, 204);
    for line in [
        "access-control-allow-origin: *",
        "access-control-allow-headers: authorization,x-retry-count",
        "access-control-max-age: 86400",
    ] {
        assert!(answer.head.contains(line), "{line}: {answer:?}");
    }
    let answer = send(&dev, "POST", "/v1/t", &[page], b"{");
    assert_eq!(answer.status, 400);
    assert!(
        answer.head.contains("access-control-allow-origin: *"),
        "{answer:?}"
    );
    assert!(
        answer
            .head
            .contains("access-control-expose-headers: retry-after"),
        "{answer:?}"
    );

    let source = "source:\n  name: web_shop\n  origins: [\"https://shop.example.com\"]\n  event_names: {Order Completed: purchase}\n";
    dev.file("source.yaml", source);
    dev.ok("apply -f source.yaml");
    let event = json!({"writeKey": "web_shop", "userId": "u1", "event": "Order Completed"});
    let event = event.to_string();
    for (origin, status) in [
        ("https://shop.example.com", 200),
        ("https://evil.example.com", 403),
    ] {
        let answer = send(
            &dev,
            "POST",
            "/v1/t",
            &[("Origin", origin)],
            event.as_bytes(),
        );
        assert_eq!(answer.status, status, "{answer:?}");
    }
    dev.settle();
    let customer = dev.json("customer user_id:u1");
    assert_eq!(
        customer["profile"]["events"][0]["name"], "purchase",
        "{customer}"
    );
}
