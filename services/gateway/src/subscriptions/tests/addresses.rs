//! The addresses that posts reach.

use std::io;
use std::net::SocketAddr;

use outbound::Network;
use proto::gateway::v1::Subscription;

use super::site::Way;
use super::*;

/// Resolves every name to one address.
struct Always(SocketAddr);

#[tonic::async_trait]
impl Network for Always {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

/// Posts by a way to what a public name leads to, and returns the error that is shown.
async fn error_of(receiver: &Receiver, allow_private_network: bool, allowed: &str) -> String {
    let site = Site::new().await;
    let way = Way {
        network: Arc::new(Always(receiver.address)),
        allowed: allowed.parse().expect("a list"),
    };
    let process = site.process_by(way).await;
    let named = Subscription {
        url: format!("http://hooks.example.com:{}/", receiver.address.port()),
        allow_private_network,
        ..subscription("warehouse", receiver)
    };
    process.define(named).await;
    site.write("loyal", [1]).await;
    let status = process
        .in_state("warehouse", SubscriptionState::Retrying)
        .await;
    status.last_error
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_posted_to() {
    let receiver = Receiver::start(takes()).await;
    let error = error_of(&receiver, false, "public,private").await;
    assert!(error.contains("allow_private_network"), "{error}");
    for allowed in ["public", "10.0.0.0/8"] {
        let error = error_of(&receiver, true, allowed).await;
        let remedy = "`outbound_allow` of the gateway service";
        assert!(error.contains(remedy), "{error}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_defined() {
    let (site, receiver) = (Site::new().await, Receiver::start(takes()).await);
    let process = site.process().await;
    let inside = Subscription {
        allow_private_network: false,
        ..subscription("warehouse", &receiver)
    };
    let refused = process.apply(inside).await.expect_err("an address inside");
    assert!(
        refused.message().contains("subscription.url"),
        "{refused:?}"
    );
    assert!(
        refused.message().contains("allow_private_network"),
        "{refused:?}"
    );
}
