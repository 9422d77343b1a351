//! The values of settings where nobody says otherwise.

use std::path::Path;

/// The default values of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    values: Vec<(&'static str, String)>,
    has_hot_store: bool,
}

/// The port of each service that runs alone.
const PORTS: [(&str, u16); 5] = [
    ("identity", 7401),
    ("segmentation", 7402),
    ("journey", 7403),
    ("activation", 7404),
    ("gateway", 7405),
];

/// The services that touch neither states nor streams.
const WITHOUT_HOT_STORE: [&str; 1] = ["gateway"];

impl Defaults {
    /// Those of one service in its own process. It has no default stores: they are shared with
    /// other processes, so somebody must say where they are.
    pub fn of_service(name: &str) -> Self {
        let port = PORTS
            .iter()
            .find(|(service, _)| *service == name)
            .map_or(7400, |(_, port)| *port);
        let mut defaults = Self::common();
        defaults.has_hot_store = !WITHOUT_HOT_STORE.contains(&name);
        defaults.set("listen", format!("0.0.0.0:{port}"));
        defaults.set("partitions", "256".to_owned());
        for (setting, (_, port)) in [
            "identity_address",
            "segmentation_address",
            "journey_address",
            "activation_address",
        ]
        .into_iter()
        .zip(PORTS)
        {
            defaults.set(setting, format!("http://127.0.0.1:{port}"));
        }
        defaults
    }

    /// Those of all services in one process, with embedded stores in a folder.
    pub fn of_dev(folder: &Path) -> Self {
        let mut defaults = Self::common();
        defaults.set("listen", "127.0.0.1:7400".to_owned());
        defaults.set(
            "hot_store",
            format!("embedded:{}", folder.join("hot").display()),
        );
        defaults.set(
            "database",
            format!("sqlite:{}", folder.join("happypath.db").display()),
        );
        defaults.set(
            "secret_keys",
            folder.join("secret.keys").display().to_string(),
        );
        defaults.set("partitions", "16".to_owned());
        defaults.set("log_level", "warn".to_owned());
        // Receivers of a first webhook run on the same machine.
        defaults.set("outbound_allow", "public,private".to_owned());
        defaults
    }

    /// Returns whether the program needs the hot store. One that does not never opens it, whatever
    /// the settings that it shares with others say.
    pub const fn has_hot_store(&self) -> bool {
        self.has_hot_store
    }

    /// The default of a setting; absent where it has none.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.as_str())
    }

    /// Replaces the default of a setting.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.values.retain(|(own, _)| *own != name);
        self.values.push((name, value));
    }

    fn common() -> Self {
        Self {
            has_hot_store: true,
            values: vec![
                ("clock", "wall".to_owned()),
                ("worker", "auto".to_owned()),
                ("lease_ttl", "10s".to_owned()),
                ("replicas_acked", "0".to_owned()),
                ("journal_retention", "1h".to_owned()),
                ("event_retention", "forever".to_owned()),
                ("change_retention", "7d".to_owned()),
                ("erasure_deadline", "24h".to_owned()),
                ("message_memory_mib", "128".to_owned()),
                ("caller_rate", "off".to_owned()),
                ("web_origins", "off".to_owned()),
                ("outbound_allow", "public".to_owned()),
                ("log_format", "text".to_owned()),
                ("log_level", "info".to_owned()),
                ("trace_ratio", "1".to_owned()),
                ("trace_slow", "1s".to_owned()),
                ("reflection", "on".to_owned()),
                ("migrate", "on".to_owned()),
            ],
        }
    }
}
