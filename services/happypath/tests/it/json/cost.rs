//! The cost of a call in JSON beside one of gRPC: printed, and bounded where it would be absurd.

use std::time::Duration;

use prost_reflect::DynamicMessage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::contracts::call::{Server, methods, name_of};

/// Calls of each way in a round.
const CALLS: usize = 300;
/// Rounds, of which the cheapest counts.
const ROUNDS: usize = 3;
/// The most that a call in JSON may cost beside one of gRPC: it is below 2 where nothing is wrong,
/// also without optimization.
const MOST: f64 = 5.0;

#[test]
fn a_call_in_json_costs_little_more_than_one_of_grpc() {
    let server = Server::start();
    let all = methods();
    let ingest = all
        .iter()
        .find(|method| name_of(method) == "IdentityService/Ingest")
        .expect("there");
    let event = r#"{"name": "left", "identifiers": {"user_id": "u1"},
        "properties": {"total": 19.5, "sku": "a-1", "items": [1, 2, 3], "vip": true}}"#;
    let json = format!("{{\"events\": [{}]}}", vec![event; 20].join(","));
    let request = server.parse(ingest, &json);
    let process = server.process();
    let (mut grpc, mut rest) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let before = cpu(process);
        for _ in 0..CALLS {
            let answer = server.call(ingest, DynamicMessage::clone(&request), None);
            answer.expect("taken");
        }
        let between = cpu(process);
        Runtime::new()
            .expect("a runtime")
            .block_on(send_all(server.address(), &json));
        grpc = grpc.min(between - before);
        rest = rest.min(cpu(process) - between);
    }
    let ratio = rest.as_secs_f64() / grpc.as_secs_f64();
    let line =
        format!("{CALLS} calls with 20 events: gRPC {grpc:?}, JSON {rest:?}, ratio {ratio:.2}\n");
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("written");
    assert!(ratio < MOST, "{line}");
    server.stop();
}

/// Sends a body again and again on one connection.
async fn send_all(address: &str, json: &str) {
    let place = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(place).await.expect("connected");
    stream.set_nodelay(true).expect("an open connection");
    let request = format!(
        "POST /v1/events:ingest HTTP/1.1\r\nhost: {place}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{json}",
        json.len()
    );
    let mut answer = vec![0; 64 * 1024];
    for _ in 0..CALLS {
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut length = 0;
        loop {
            let read = stream.read(&mut answer[length..]).await.expect("answered");
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..length]));
            length += read;
            if is_whole(&answer[..length]) {
                break;
            }
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()) == Some(body.len())
}

/// Processor time of a process so far: of user and system, in ticks of a hundredth of a second.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let (_, after) = stat.rsplit_once(") ").expect("a name");
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<u64>().expect("a number");
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
