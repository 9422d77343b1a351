//! The one list of settings: names, meanings, and what a right value looks like.

/// One setting. In files it is written `name`, in the environment `HAPPYPATH_NAME`, as a flag
/// `--name` with dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name, in snake case.
    pub name: &'static str,
    /// Its flag, without dashes in front.
    pub flag: &'static str,
    /// Its purpose.
    pub help: &'static str,
    /// The form of a right value.
    pub expected: &'static str,
}

impl Setting {
    /// The variable of the environment.
    pub fn variable(&self) -> String {
        format!("HAPPYPATH_{}", self.name.to_ascii_uppercase())
    }
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        flag: "listen",
        help: "Where the server listens",
        expected: "an address and port, such as 127.0.0.1:7400",
    },
    Setting {
        name: "health_listen",
        flag: "health-listen",
        help: "Where health is served in plain text and without a credential, and nothing else: for probes that speak no \
               TLS, as those of Kubernetes; nowhere unless set",
        expected: "an address and port of its own, such as 0.0.0.0:7411",
    },
    Setting {
        name: "access",
        flag: "access",
        help: "Whether callers need a credential. open: none, and whoever reaches the address may do everything, so that it \
               must be one of this machine only. required: a key, a token or a certificate [default: open on loopback \
               where no callers are named, otherwise required]",
        expected: "open or required",
    },
    Setting {
        name: "access_file",
        flag: "access-file",
        help: "Names callers beside those with stored keys: keys by their hashes, identities in certificates, issuers of \
               tokens. Read again when it changes",
        expected: "a YAML file",
    },
    Setting {
        name: "tls_certificate",
        flag: "tls-certificate",
        help: "The certificate of this process, with those between it and its authority: for whoever connects, and shown to \
               other services. Read again when it changes",
        expected: "a file in PEM, with tls_key beside it",
    },
    Setting {
        name: "tls_key",
        flag: "tls-key",
        help: "The private key of the certificate",
        expected: "a file in PEM, with tls_certificate beside it",
    },
    Setting {
        name: "tls_client_ca",
        flag: "tls-client-ca",
        help: "The authorities of clients, which may then be known by their certificates",
        expected: "a file in PEM, with tls_certificate beside it",
    },
    Setting {
        name: "tls_clients",
        flag: "tls-clients",
        help: "Whether a client needs a certificate to connect [default: optional]",
        expected: "optional or required, with tls_client_ca beside it",
    },
    Setting {
        name: "tls_ca",
        flag: "tls-ca",
        help: "The authorities of the other services at https:// addresses [default: those of this machine]",
        expected: "a file in PEM",
    },
    Setting {
        name: "reflection",
        flag: "reflection",
        help: "Whether the contracts are shown to whoever asks (gRPC reflection)",
        expected: "on or off",
    },
    Setting {
        name: "installation",
        flag: "installation",
        help: "The name of the installation where several share Redis and Postgres: what begins with it in Redis, and a schema \
               of its own in Postgres. All processes of an installation have the same; one with servers of its own needs none",
        expected: "1 to 40 lower case letters, digits, - and _, the first a letter",
    },
    Setting {
        name: "hot_store",
        flag: "hot-store",
        help: "Where states and streams are. For TLS rediss in place of redis, with ?ca_file=FILE, and with cert_file and \
               key_file for a certificate that is shown to Redis",
        expected: "embedded:FOLDER (one process only), redis://HOST:PORT, redis+sentinel://HOST:PORT/NAME or \
                   redis+cluster://HOST:PORT",
    },
    Setting {
        name: "durability",
        flag: "durability",
        help: "What an acknowledgement promises. hot: Redis has it, and what Redis loses is lost. journal: the database has \
               it, and Redis is rebuilt from there. embedded: the folder of the embedded store has it [default: embedded \
               for an embedded store; journal for Redis with Postgres, otherwise hot]",
        expected: "hot or journal for Redis, embedded for an embedded store",
    },
    Setting {
        name: "replicas_acked",
        flag: "replicas-acked",
        help: "Replicas of Redis that must have a write before it is acknowledged",
        expected: "a number from 0 to 10; above 0 only for Redis",
    },
    Setting {
        name: "journal_retention",
        flag: "journal-retention",
        help: "How long the journal keeps what its snapshots have: a copy of Redis up to this age is brought up to date, and \
               an older one has to be emptied first",
        expected: "a duration from 1m to 30d, such as 1h",
    },
    Setting {
        name: "event_retention",
        flag: "event-retention",
        help: "How long the event log of durability level journal keeps events after they were accepted; what a recovery \
               needs stays for longer",
        expected: "forever, or a duration from 1h to 3650d that is not below journal_retention, such as 90d",
    },
    Setting {
        name: "change_retention",
        flag: "change-retention",
        help: "How long the log of changes keeps what changed for customers, for consumers who come back. off: nothing is \
               written there, and what is there is removed",
        expected: "off, or a duration from 1h to 365d, such as 7d",
    },
    Setting {
        name: "erasure_deadline",
        flag: "erasure-deadline",
        help: "Within which time of its request an erasure is done in every store, unless it is urgent",
        expected: "a duration from 1m to 30d, such as 24h",
    },
    Setting {
        name: "database",
        flag: "database",
        help: "Where definitions, identities and leases are. For TLS to Postgres ?sslmode=verify-full&sslrootcert=FILE, and \
               sslcert and sslkey for a certificate that is shown to it",
        expected: "sqlite:FILE (one machine only) or postgres://USER@HOST/NAME",
    },
    Setting {
        name: "migrate",
        flag: "migrate",
        help: "Whether the tables of the database are brought up to date at the start. off: somebody else does it, with \
               `happypath migrate`, and a process does not start before; its user of the database then needs no right to \
               create tables",
        expected: "on or off",
    },
    Setting {
        name: "partitions",
        flag: "partitions",
        help: "How many partitions a new installation has. One that exists keeps its own, and is refused where this is set to \
               another number",
        expected: "a number from 1 to 1024",
    },
    Setting {
        name: "clock",
        flag: "clock",
        help: "Which clock counts: the one on the wall, or the times of the events themselves",
        expected: "wall or stream",
    },
    Setting {
        name: "identity_address",
        flag: "identity-address",
        help: "Where the identity service is. Calls are shared out among all addresses of its name",
        expected: "a URL such as http://identity:7401",
    },
    Setting {
        name: "segmentation_address",
        flag: "segmentation-address",
        help: "Where the segmentation service is. Calls are shared out among all addresses of its name",
        expected: "a URL such as http://segmentation:7402",
    },
    Setting {
        name: "journey_address",
        flag: "journey-address",
        help: "Where the journey service is. Calls are shared out among all addresses of its name",
        expected: "a URL such as http://journey:7403",
    },
    Setting {
        name: "activation_address",
        flag: "activation-address",
        help: "Where the activation service is. Calls are shared out among all addresses of its name",
        expected: "a URL such as http://activation:7404",
    },
    Setting {
        name: "worker",
        flag: "worker",
        help: "The name of this process among the workers of its services. A process that has the name of one that died \
               waits until the leases of that one lapse, and one that has the name of a live one is refused",
        expected: "1 to 100 letters, digits and . _ -, different for each process",
    },
    Setting {
        name: "lease_ttl",
        flag: "lease-ttl",
        help: "How long a lease outlives the last word of its worker, by the clock of the database",
        expected: "a duration from 1s to 10m, such as 10s",
    },
    Setting {
        name: "message_memory_mib",
        flag: "message-memory-mib",
        help: "Memory for all requests that are under way in this process, in MiB; what finds no room in it waits a second, \
               and is then refused with a retry delay",
        expected: "a whole number from 64 to 65536, such as 128",
    },
    Setting {
        name: "caller_rate",
        flag: "caller-rate",
        help: "Calls a second that each caller may make of this process, and twice as many at once; what is over it is refused \
               with a retry delay. A stream is one call",
        expected: "off, or a whole number from 1 to 1000000, such as 500",
    },
    Setting {
        name: "web_origins",
        flag: "web-origins",
        help: "Origins of web pages whose scripts may call over gRPC-Web and JSON. The tracking API goes by the definition of \
               each source instead",
        expected: "off, * for all, or origins with commas between them, such as https://app.example.com",
    },
    Setting {
        name: "outbound_allow",
        flag: "outbound-allow",
        help: "Addresses that webhooks may be sent to, whatever channels and subscriptions say; these can only narrow it",
        expected: "public, private and ranges with commas between them, such as public,10.1.0.0/16",
    },
    Setting {
        name: "secret_keys",
        flag: "secret-keys",
        help: "A file of keys that seal the secrets of channels where they are stored, the newest on the last line; \
               without one they are stored as they are",
        expected: "a path of a file of lines that `happypath secrets generate-key` prints",
    },
    Setting {
        name: "log_format",
        flag: "log-format",
        help: "How log lines are written",
        expected: "text or json",
    },
    Setting {
        name: "log_level",
        flag: "log-level",
        help: "Which log lines are written",
        expected: "error, warn, info, debug or trace, or levels by target such as info,engine=debug",
    },
    Setting {
        name: "otlp_endpoint",
        flag: "otlp-endpoint",
        help: "Where traces, metrics and logs go, over OTLP/gRPC; nowhere unless set",
        expected: "a URL such as http://collector:4317, or https:// for TLS",
    },
    Setting {
        name: "otlp_ca",
        flag: "otlp-ca",
        help: "The authorities of the collector at an https:// address [default: those of this machine]",
        expected: "a file in PEM",
    },
    Setting {
        name: "otlp_certificate",
        flag: "otlp-certificate",
        help: "The certificate that is shown to the collector",
        expected: "a file in PEM, with otlp_key beside it",
    },
    Setting {
        name: "otlp_key",
        flag: "otlp-key",
        help: "The private key of that certificate",
        expected: "a file in PEM, with otlp_certificate beside it",
    },
    Setting {
        name: "trace_ratio",
        flag: "trace-ratio",
        help: "The share of traces that is kept; what comes with a trace is kept as its sender says. What fails or is slow is \
               kept beyond that",
        expected: "a number from 0 to 1, such as 0.01",
    },
    Setting {
        name: "trace_slow",
        flag: "trace-slow",
        help: "From how long on a call, a batch or a delivery is kept in traces whatever the share is, as one that fails is",
        expected: "off, or a duration from 1ms to 1h, such as 500ms",
    },
    Setting {
        name: "metrics_listen",
        flag: "metrics-listen",
        help: "Where metrics are served to Prometheus, under /metrics; nowhere unless set",
        expected: "an address and port, such as 127.0.0.1:9464",
    },
];

/// The setting of a name.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_one_name_in_three_spellings() {
        let setting = setting("hot_store").expect("in the list");
        assert_eq!(setting.variable(), "HAPPYPATH_HOT_STORE");
        for setting in SETTINGS {
            assert_eq!(setting.flag, setting.name.replace('_', "-"));
        }
        assert_eq!(setting.flag, "hot-store");
    }
}
