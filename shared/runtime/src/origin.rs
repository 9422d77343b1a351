//! The caller, as the layers behind authentication see it.

use std::net::IpAddr;
use std::sync::Arc;

use access::Caller;
use audit::Origin;
use http::Extensions;
use tonic::transport::server::TcpConnectInfo;

/// Returns the caller of a request for the audit log, and the address that the request came from.
pub(crate) fn origin_of(extensions: &Extensions) -> Origin {
    let address = address_of(extensions);
    match Caller::of(extensions) {
        Some(caller) => Origin {
            caller: caller.id().into(),
            kind: caller.kind().name().into(),
            address,
        },
        None => Origin::anonymous(address),
    }
}

/// Returns the name by which the calls of a caller are counted. Those whom nothing tells apart are
/// told apart by their address, and so are those who share the key of a source: it stands in web
/// pages, and one visitor must not spend what is for the others.
pub(crate) fn caller_of(extensions: &Extensions) -> Arc<str> {
    match (Caller::of(extensions), address_of(extensions)) {
        (Some(caller), Some(address)) if caller.source().is_some() => {
            format!("{caller}@{}", network_of(address)).into()
        }
        (Some(caller), _) => caller.to_string().into(),
        (None, Some(address)) => address.to_string().into(),
        (None, None) => "anonymous".into(),
    }
}

/// The network that one subscriber has: of IPv6 they have 64 bits to themselves.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mut parts = address.segments();
            parts[4..].fill(0);
            IpAddr::from(parts)
        }
    }
}

fn address_of(extensions: &Extensions) -> Option<IpAddr> {
    let connection = extensions.get::<TcpConnectInfo>()?;
    Some(connection.remote_addr()?.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use access::{CallerKind, Scopes};

    use super::*;

    fn counted(source: Option<&str>, address: &str) -> String {
        let caller = Caller::new(CallerKind::Key, "ab", "shop", Scopes::all());
        let mut extensions = Extensions::new();
        extensions.insert(match source {
            Some(source) => caller.of_source(source),
            None => caller,
        });
        extensions.insert(TcpConnectInfo {
            local_addr: None,
            remote_addr: Some(address.parse().expect("an address")),
        });
        caller_of(&extensions).to_string()
    }

    #[test]
    fn who_shares_a_public_key_is_counted_by_address() {
        for (source, address, expected) in [
            (None, "192.0.2.1:9", "key:ab"),
            (None, "[2001:db8::1]:9", "key:ab"),
            (Some("shop"), "192.0.2.1:9", "key:ab@192.0.2.1"),
            (Some("shop"), "[::ffff:192.0.2.1]:9", "key:ab@192.0.2.1"),
            (
                Some("shop"),
                "[2001:db8:1:2:3:4:5:6]:9",
                "key:ab@2001:db8:1:2::",
            ),
            (Some("shop"), "[2001:db8:1:2::7]:9", "key:ab@2001:db8:1:2::"),
        ] {
            assert_eq!(counted(source, address), expected, "{address}");
        }
    }
}
