//! Posts to real HTTP servers on this machine.

mod addresses;
mod answers;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use destination::Destination;
use http::StatusCode;
use kernel::{OutboundAddresses, Timestamp};
use testkit::{Answer, Receiver};

use crate::{
    Attempted, Client, ClientConfig, Network, Post, SystemNetwork, Timeouts, Verdict, Wire,
};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NOW: Timestamp = Timestamp::from_millis(1_614_265_330_500);

/// Resolves every name to one address.
struct Always(SocketAddr);

#[async_trait]
impl Network for Always {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

fn client(network: Arc<dyn Network>, allowed: OutboundAddresses) -> Client {
    Client::new(ClientConfig {
        network,
        allowed,
        clock: Arc::new(|| NOW),
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(2),
            body: Duration::from_millis(200),
        },
        service: "example",
    })
}

async fn post(client: &Client, url: &str, allow_private_network: bool) -> Attempted {
    let destination = Destination {
        url: url.parse().expect("a URL"),
        ..Destination::parse("https://example.com/", SECRET, false).expect("a destination")
    };
    let destination = Destination {
        allow_private_network,
        ..destination
    };
    let post = Post {
        destination: &destination,
        id: "msg_1",
        trace_parent: "",
        body: Bytes::from_static(b"{\"type\":\"test\"}"),
    };
    client.post(post).await
}
