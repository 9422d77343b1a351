//! Settings of where a process listens: each address is its own.

use std::net::SocketAddr;

use super::fault::Fault;
use super::layers::Layers;
use super::value;

/// The addresses that a process listens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listeners {
    /// The address of the services; absent where it has a fault.
    pub(super) services: Option<SocketAddr>,
    /// The address of health in plain text; absent for nowhere.
    pub(super) health: Option<SocketAddr>,
    /// The address of the metrics; absent for nowhere.
    pub(super) metrics: Option<SocketAddr>,
}

/// Reads the addresses, and refuses two that are one.
pub(super) fn read(layers: &Layers, faults: &mut Vec<Fault>) -> Listeners {
    let services = layers.required("listen", value::listen, faults);
    let health = layers.optional("health_listen", value::health_listen, faults);
    let metrics = layers.optional("metrics_listen", value::metrics_listen, faults);
    for (setting, own, other, taken) in [
        ("health_listen", health, "listen", services),
        ("health_listen", health, "metrics_listen", metrics),
        ("metrics_listen", metrics, "listen", services),
    ] {
        if own
            .zip(taken)
            .is_some_and(|(own, taken)| overlap(own, taken))
        {
            let problem = format!("is the address of {other} too: choose another port");
            faults.push(layers.misfit(setting, &problem));
        }
    }
    Listeners {
        services,
        health,
        metrics,
    }
}

/// Returns whether one address takes in the other. Port 0 is any free one, and so never the same.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (any || one.ip() == other.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_where_one_takes_in_the_other() {
        for (one, other, expected) in [
            ("127.0.0.1:7400", "127.0.0.1:7400", true),
            ("0.0.0.0:7400", "127.0.0.1:7400", true),
            ("10.0.0.1:7400", "[::]:7400", true),
            ("10.0.0.1:7400", "127.0.0.1:7400", false),
            ("127.0.0.1:7400", "127.0.0.1:7411", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let [a, b] = [one, other].map(|text| text.parse().expect("an address"));
            assert_eq!(overlap(a, b), expected, "{one} {other}");
        }
    }
}
