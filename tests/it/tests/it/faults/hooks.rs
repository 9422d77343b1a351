//! Receives webhooks for as long as a test runs, and remembers all of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::history::Arrived;
use crate::process;

/// A receiver of webhooks.
pub(crate) struct Hooks {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Hooks {
    /// Starts to receive on this machine.
    pub(crate) async fn receive() -> Self {
        Self::receive_at(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Starts to receive at an address of this machine.
    pub(crate) async fn receive_at(host: IpAddr) -> Self {
        let (address, mut hooks) = process::receive_hooks_at(host).await;
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let remembered = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Some(hook) = hooks.recv().await {
                let body: serde_json::Value = serde_json::from_str(&hook.body).expect("JSON");
                let data = &body["data"];
                let text = |field: &str| data[field].as_str().expect("a text").to_owned();
                let arrived = Arrived {
                    effect_id: hook.header("webhook-id").to_owned(),
                    customer_id: text("customer_id"),
                    order: text("body").parse().expect("the number of an order"),
                    time: Instant::now(),
                };
                remembered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(arrived);
            }
        });
        Self { address, arrived }
    }

    /// Where to send webhooks.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All that arrived so far, in order.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
