//! Channels to other services.

use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::limits::{CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use crate::{Deadline, ErrorReason, Failure, TraceParent};

/// A channel that carries deadline and trace context of the call at hand to the service called.
pub type PeerChannel = InterceptedService<Channel, Outgoing>;

/// Adds deadline and trace context of the call at hand to each call that it makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outgoing;

impl Interceptor for Outgoing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(deadline) = Deadline::current() {
            if deadline.remaining().is_zero() {
                let message = "the caller's deadline passed before another service was asked";
                return Err(Failure::new(ErrorReason::DeadlineExceeded, message).into());
            }
            if !request.metadata().contains_key("grpc-timeout") {
                request.set_timeout(deadline.remaining());
            }
        }
        let parent = TraceParent::of_span(&tracing::Span::current()).or_else(TraceParent::current);
        if let Some(parent) = parent
            && let Ok(value) = parent.to_string().parse()
        {
            request.metadata_mut().insert("traceparent", value);
        }
        Ok(request)
    }
}

/// Opens a channel to a service at `host:port` or `http://host:port`; it connects with the first
/// call, and again after each loss. It must be called inside a tokio runtime.
///
/// # Errors
/// [`ErrorReason::PeerUnavailable`] where the text is no address.
pub fn connect(address: &str) -> Result<PeerChannel, Failure> {
    let uri = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let endpoint = Endpoint::from_shared(uri)
        .ok()
        .filter(|endpoint| endpoint.uri().host().is_some())
        .ok_or_else(|| {
            let message = format!(
                "`{address}` is not an address: expected host:port, such as 127.0.0.1:7001"
            );
            Failure::new(ErrorReason::PeerUnavailable, message)
        })?
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(InterceptedService::new(endpoint.connect_lazy(), Outgoing))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        for address in ["", "http://", "a b"] {
            assert!(connect(address).is_err(), "{address}");
        }
        assert!(connect("127.0.0.1:7001").is_ok());
        assert!(connect("http://identity:7001").is_ok());
    }

    #[tokio::test]
    async fn a_call_carries_the_context_of_its_cause() {
        let parent = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let deadline = Some(Deadline::after(Duration::from_secs(60)));
        let work = async { Outgoing.call(Request::new(())) };
        let request = Deadline::scope(deadline, TraceParent::scope(parent, work))
            .await
            .expect("within the deadline");
        assert!(request.metadata().contains_key("grpc-timeout"));
        let sent = request
            .metadata()
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        assert_eq!(sent.and_then(TraceParent::parse), parent);
    }

    #[tokio::test]
    async fn nothing_is_called_after_the_deadline() {
        let work = async { Outgoing.call(Request::new(())) };
        let refused = Deadline::scope(Some(Deadline::after(Duration::ZERO)), work).await;
        assert_eq!(
            refused.expect_err("too late").code(),
            tonic::Code::DeadlineExceeded
        );
    }
}
