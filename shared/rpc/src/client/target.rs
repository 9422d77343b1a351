//! The place of a service, as settings and people write it.

use std::net::{IpAddr, SocketAddr};

use http::uri::{Authority, Scheme};
use http::{Request, Uri};

use crate::{ErrorReason, Failure};

/// A host and port, and whether TLS is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// As it was written.
    pub(super) text: String,
    scheme: Scheme,
    authority: Authority,
    /// The name or address, without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    /// Reads `host:port`, `http://host:port` or `https://host:port`. A URL without a port means
    /// that of its scheme.
    ///
    /// # Errors
    /// [`ErrorReason::PeerUnavailable`] where the text is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        Self::of_url(text, &url).ok_or_else(|| {
            let message = format!(
                "`{text}` is not an address: expected host:port, such as 127.0.0.1:7001, or a URL such as \
                 https://identity:7001"
            );
            Failure::new(ErrorReason::PeerUnavailable, message)
        })
    }

    fn of_url(text: &str, url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        let usual_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            port: authority.port_u16().unwrap_or(usual_port),
            scheme,
            authority,
            host,
        })
    }

    /// Returns whether TLS is spoken there.
    pub(super) fn is_secured(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address, where the host is one and no name.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let address: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(address, self.port))
    }

    /// Completes the URL of a request, which has the path of a method only.
    pub(super) fn complete<B>(&self, request: &mut Request<B>) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        *request.uri_mut() =
            Uri::from_parts(parts).expect("a scheme, an authority and a path make a URL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: (&str, u16, bool)) {
        let target = Target::parse(text).expect(text);
        let found = (target.host.as_str(), target.port, target.is_secured());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn addresses_are_read_in_all_their_spellings() {
        check("127.0.0.1:7001", ("127.0.0.1", 7_001, false));
        check("identity:7001", ("identity", 7_001, false));
        check("http://identity", ("identity", 80, false));
        check(
            "https://identity.happypath",
            ("identity.happypath", 443, true),
        );
        check("https://[::1]:7001/", ("::1", 7_001, true));
    }

    #[test]
    fn an_address_of_no_kind_is_named() {
        for text in [
            "",
            "http://",
            "a b",
            "ftp://identity:7001",
            "dns:///identity:7001",
            "http://:7001",
        ] {
            let failure = Target::parse(text).expect_err(text);
            assert!(failure.message().contains(&format!("`{text}`")), "{text}");
        }
    }

    #[test]
    fn an_address_is_told_from_a_name() {
        let address = |text: &str| Target::parse(text).expect(text).address();
        assert_eq!(address("10.0.0.1:7"), "10.0.0.1:7".parse().ok());
        assert_eq!(address("http://[fd00::1]:7"), "[fd00::1]:7".parse().ok());
        assert_eq!(address("localhost:7"), None);
    }

    #[test]
    fn a_request_is_sent_to_the_name_and_not_to_the_address_behind_it() {
        let target = Target::parse("https://identity:7001").expect("an address");
        let mut request = Request::builder()
            .uri("/a.B/C")
            .body(())
            .expect("a request");
        target.complete(&mut request);
        assert_eq!(request.uri(), "https://identity:7001/a.B/C");
    }
}
