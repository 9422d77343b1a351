//! Many senders that are slow: they hold up nobody else.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::process::{Gateway, Site};
use crate::web::{read_head, send};

#[tokio::test]
async fn senders_who_never_finish_hold_up_nobody_else() {
    let site = Site::new();
    let gateway = Gateway::start(&site, "http://127.0.0.1:1", &[]).await;
    let mut slow = Vec::new();
    for place in 0..200 {
        let mut stream = TcpStream::connect(gateway.address)
            .await
            .expect("it listens");
        // Some say nothing, some begin HTTP/2, some a head, and some a body.
        match place % 4 {
            0 => {}
            1 => send(&mut stream, "PRI * HTT").await,
            2 => send(&mut stream, "POST /v1/batch HTTP/1.1\r\nhost: x\r\n").await,
            _ => {
                let head = "POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
                send(&mut stream, head).await;
            }
        }
        slow.push(stream);
    }
    let begun = Instant::now();
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    send(&mut stream, "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(slow);
}
