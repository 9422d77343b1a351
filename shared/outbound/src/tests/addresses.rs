//! The addresses that posts reach, and what is shown of what answers there.

use super::*;

use std::sync::atomic::{AtomicUsize, Ordering};

const PUBLIC: &str = "93.184.216.34:80";

/// A public address, by which a server of this machine is reached.
struct Public {
    server: SocketAddr,
}

#[async_trait]
impl Network for Public {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![PUBLIC.parse().expect("an address")])
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Wire> {
        assert_eq!(address.to_string(), PUBLIC);
        let stream = tokio::net::TcpStream::connect(self.server).await?;
        Ok(Wire::new(stream))
    }
}

/// Leads somewhere else each time it is asked.
struct Rebinding {
    inside: SocketAddr,
    asked: AtomicUsize,
}

#[async_trait]
impl Network for Rebinding {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let elsewhere = SocketAddr::new("192.0.2.1".parse().expect("an address"), 9);
        let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if first { elsewhere } else { self.inside }])
    }
}

const TEXT: &str = "closed\r\nfor good";

async fn gone() -> Receiver {
    Receiver::start(Answer::Fixed(StatusCode::GONE, None, TEXT)).await
}

/// Posts once where an operator allows this.
async fn try_post(
    url: &str,
    asks_for_private: bool,
    network: Arc<dyn Network>,
    allowed: &str,
) -> Attempted {
    let client = client(network, allowed.parse().expect("a list"));
    post(&client, url, asks_for_private).await
}

#[tokio::test]
async fn a_public_name_that_leads_inside_is_refused_and_never_connected_to() {
    let server = gone().await;
    let port = server.address.port();
    let url = format!("http://hooks.example.com:{port}/");
    for address in [
        server.address,
        SocketAddr::new("169.254.169.254".parse().expect("an address"), 80),
        SocketAddr::new("::ffff:127.0.0.1".parse().expect("an address"), port),
    ] {
        let attempted = try_post(&url, false, Arc::new(Always(address)), "public,private").await;
        assert_eq!(attempted.verdict, Verdict::Refused, "{attempted:?}");
        assert!(attempted.detail.contains("allow_private_network"));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn every_new_connection_is_checked_anew() {
    let server = gone().await;
    let network = Arc::new(Rebinding {
        inside: server.address,
        asked: AtomicUsize::new(0),
    });
    let client = client(network.clone(), OutboundAddresses::ANY);
    for _ in 0..2 {
        let attempted = post(&client, "http://hooks.example.com/", false).await;
        assert_ne!(attempted.verdict, Verdict::Taken);
    }
    assert_eq!(network.asked.load(Ordering::SeqCst), 2);
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_answer_of_a_public_address_is_shown_and_that_of_a_private_one_is_not() {
    let server = gone().await;
    let network = Arc::new(Public {
        server: server.address,
    });
    for asks_for_private in [false, true] {
        let url = "http://hooks.example.com/";
        let attempted = try_post(url, asks_for_private, network.clone(), "public").await;
        assert_eq!(attempted.detail, "410 Gone: closed");
    }
    let system = Arc::new(SystemNetwork);
    let private = try_post(&server.url(), true, system, "public,private").await;
    assert_eq!(private.detail, "410 Gone");
}

#[tokio::test]
async fn what_the_operator_does_not_allow_no_destination_reaches() {
    let server = gone().await;
    for allowed in ["public", "10.0.0.0/8", "127.0.0.2"] {
        let attempted = try_post(&server.url(), true, Arc::new(SystemNetwork), allowed).await;
        assert_eq!(attempted.verdict, Verdict::Refused, "{allowed}");
        let remedy = "`outbound_allow` of the example service";
        assert!(attempted.detail.contains(remedy), "{attempted:?}");
    }
    assert_eq!(server.connections(), 0);
    let public = Arc::new(Always(PUBLIC.parse().expect("an address")));
    let attempted = try_post("http://hooks.example.com/", false, public, "private").await;
    assert_eq!(attempted.verdict, Verdict::Refused, "{attempted:?}");
}

#[tokio::test]
async fn a_destination_narrows_what_the_operator_allows() {
    let server = gone().await;
    let url = format!("http://hooks.example.com:{}/", server.address.port());
    let inside = Arc::new(Always(server.address));
    let refused = try_post(&url, false, inside.clone(), "public,private").await;
    assert!(
        refused.detail.contains("allow_private_network"),
        "{refused:?}"
    );
    assert_eq!(server.connections(), 0);
    let allowed = try_post(&url, true, inside, "127.0.0.0/8").await;
    assert_eq!(allowed.detail, "410 Gone");
}
