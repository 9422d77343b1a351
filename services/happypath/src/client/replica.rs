//! The replicas behind the name of an address, and connections that reach one of them and no other.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;
use rpc::Resolver;
use tonic::transport::Uri;

use super::Connection;

/// Gives every name the address of one replica.
#[derive(Debug)]
pub(super) struct OnlyAt(pub(super) SocketAddr);

impl Resolver for OnlyAt {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let at = self.0;
        Box::pin(async move { Ok(vec![at]) })
    }
}

impl Connection {
    /// The same to one replica. Certificates are held against its name all the same.
    #[must_use]
    pub(crate) fn pinned(&self, at: SocketAddr) -> Self {
        Self {
            at: Some(at),
            ..self.clone()
        }
    }
}

/// Returns the replicas behind the name of an address, where there are several. A machine with
/// addresses of both kinds is one replica: those of the older kind count where there are any.
pub(crate) async fn replicas_of(address: &str) -> Vec<SocketAddr> {
    let Some((host, port)) = place_of(address) else {
        return Vec::new();
    };
    let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
    // Whoever connects says why a name is not found.
    let mut found: Vec<SocketAddr> = found.map(Iterator::collect).unwrap_or_default();
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    if found.len() < 2 {
        found.clear();
    }
    found
}

/// Returns the host and the port of a URL.
pub(crate) fn place_of(address: &str) -> Option<(String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "https" => 443,
        _ => 80,
    };
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_port_means_that_of_its_scheme() {
        for (address, expected) in [
            ("https://identity", Some(("identity", 443))),
            ("http://identity", Some(("identity", 80))),
            ("https://[::1]:7401", Some(("[::1]", 7_401))),
            ("identity", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(place_of(address), expected, "{address}");
        }
    }

    #[tokio::test]
    async fn one_machine_is_one_replica() {
        for address in ["http://localhost:7401", "http://127.0.0.1:7401", "nothing"] {
            assert_eq!(replicas_of(address).await, [], "{address}");
        }
    }
}
