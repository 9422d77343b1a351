//! The addresses that deliveries reach, and what is shown of what answers there.

use super::*;

/// A public address, by which a server of this machine is reached.
struct Public {
    server: SocketAddr,
}

const PUBLIC: &str = "93.184.216.34:80";

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

const TEXT: &str = "closed\r\nfor good";

async fn gone() -> Server {
    Server::start(Answer::Fixed(StatusCode::GONE, None, TEXT)).await
}

/// Delivers once where an operator allows this.
async fn deliver(
    url: String,
    asks_for_private: bool,
    network: Arc<dyn Network>,
    allowed: &str,
) -> Outcome {
    let channels = [webhook("hook", url, asks_for_private)];
    let allowed = allowed.parse().expect("a list");
    let mut bench = Bench::with_allowed(&channels, network, allowed).await;
    bench.dispatch("hook", 1, 1);
    bench.one().await
}

#[tokio::test]
async fn the_answer_of_a_public_address_is_shown_and_that_of_a_private_one_is_not() {
    let server = gone().await;
    let url = "http://hooks.example.com/".to_owned();
    let network = Arc::new(Public {
        server: server.address,
    });
    for asks_for_private in [false, true] {
        let outcome = deliver(url.clone(), asks_for_private, network.clone(), "public").await;
        assert_eq!(outcome.detail, "410 Gone: closed");
    }
    let private = deliver(
        server.url(),
        true,
        Arc::new(SystemNetwork),
        "public,private",
    )
    .await;
    assert_eq!(private.detail, "410 Gone");
}

#[tokio::test]
async fn what_the_operator_does_not_allow_no_channel_reaches() {
    let server = gone().await;
    for allowed in ["public", "10.0.0.0/8", "127.0.0.2"] {
        let outcome = deliver(server.url(), true, Arc::new(SystemNetwork), allowed).await;
        assert_eq!(outcome.result(), DeliveryResult::Rejected, "{allowed}");
        assert!(outcome.detail.contains("outbound_allow"), "{outcome:?}");
    }
    assert_eq!(server.connections(), 0);
    let public = Arc::new(Always(PUBLIC.parse().expect("an address")));
    let url = "http://hooks.example.com/".to_owned();
    let outcome = deliver(url, false, public, "private").await;
    assert_eq!(outcome.result(), DeliveryResult::Rejected, "{outcome:?}");
}

#[tokio::test]
async fn a_channel_narrows_what_the_operator_allows() {
    let server = gone().await;
    let name = format!("http://hooks.example.com:{}/", server.address.port());
    let inside = Arc::new(Always(server.address));
    let refused = deliver(name.clone(), false, inside.clone(), "public,private").await;
    assert!(
        refused.detail.contains("allow_private_network"),
        "{refused:?}"
    );
    assert_eq!(server.connections(), 0);
    let allowed = deliver(name, true, inside, "127.0.0.0/8").await;
    assert_eq!(allowed.detail, "410 Gone");
}
