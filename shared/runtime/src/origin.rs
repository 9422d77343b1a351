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
/// told apart by their address.
pub(crate) fn caller_of(extensions: &Extensions) -> Arc<str> {
    match (Caller::of(extensions), address_of(extensions)) {
        (Some(caller), _) => caller.to_string().into(),
        (None, Some(address)) => address.to_string().into(),
        (None, None) => "anonymous".into(),
    }
}

fn address_of(extensions: &Extensions) -> Option<IpAddr> {
    let connection = extensions.get::<TcpConnectInfo>()?;
    Some(connection.remote_addr()?.ip().to_canonical())
}
