//! Telemetry of processes: one event's spans over real OTLP as one tree, metrics for
//! Prometheus, logs, and nothing at all unless somebody is configured to read it.

pub(crate) mod collector;

use std::collections::BTreeMap;

use kernel::to_hex;
use proto::identity::v1::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::collector::{Collector, SeenSpan};
use crate::process;
use crate::suite::{self, NAMES, PATIENCE, Suite, eventually};

/// Enough to tell that services count them.
const PARTITIONS: u16 = 2;

/// A journey that sends at once, and once more after a wait; the wait begins with the receipt of
/// the first.
fn definitions(hook: &str) -> String {
    let shop = suite::shop(hook);
    format!(
        r#"
{shop}
---
template: {{name: thanks, text: {{body: 'Thank you'}}}}
---
journey:
  name: thank_buyers
  entry: {{triggers: [{{event: purchase}}], reentry: REENTRY_NEVER}}
  steps:
    - id: thank
      send: {{channel: shop, template: thanks, purpose: transactional}}
    - id: rest
      wait: {{duration: 1s}}
    - id: thank_again
      send: {{channel: shop, template: thanks, purpose: transactional}}
---
policy: {{name: default, consent_by_default: true}}
"#
    )
}

/// Sends a purchase of somebody.
async fn purchase(suite: &Suite) {
    let event = Event {
        name: "purchase".to_owned(),
        identifiers: [("user_id".to_owned(), "ann".to_owned())].into(),
        ..Event::default()
    };
    suite.ingest("", event).await;
}

/// The spans of a trace as a tree in text: one line each, children below their parent and indented.
fn tree(spans: &[SeenSpan]) -> String {
    fn add(text: &mut String, spans: &[SeenSpan], parent: &[u8], depth: usize) {
        let mut children: Vec<&SeenSpan> =
            spans.iter().filter(|span| span.parent == parent).collect();
        children.sort_by_key(|span| span.start);
        for child in children {
            let line = format!("{}{} ({})\n", "  ".repeat(depth), child.name, child.service);
            text.push_str(&line);
            add(text, spans, &child.id, depth + 1);
        }
    }
    let mut text = String::new();
    add(&mut text, spans, &[], 0);
    text
}

/// One event's way: every record has a step, and each step is the child of what caused its record.
/// The spans after the wait belong to the step that began to wait.
const TREE: &str = "\
identity.ingest (identity)
  segmentation.step (segmentation)
    journey.step (journey)
      activation.step (activation)
        activation.deliver (activation)
          activation.step (activation)
            segmentation.step (segmentation)
              journey.step (journey)
      activation.step (activation)
        activation.deliver (activation)
          activation.step (activation)
            segmentation.step (segmentation)
              journey.step (journey)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_is_one_trace_over_four_processes_with_its_logs() {
    let collector = Collector::start().await;
    let suite = Suite::start(PARTITIONS, |_| {
        let endpoint = collector.url();
        let settings = [
            "--otlp-endpoint",
            &endpoint,
            "--log-level",
            "warn,activation=debug",
        ];
        settings.map(str::to_owned).to_vec()
    })
    .await;
    let (address, mut hooks) = process::receive_hooks().await;
    suite.apply(&definitions(&format!("http://{address}/hook")));
    purchase(&suite).await;
    let mut received = Vec::new();
    for _ in 0..2 {
        let hook = tokio::time::timeout(PATIENCE, hooks.recv());
        received.push(hook.await.expect("in time").expect("a webhook"));
    }
    let trace = collector
        .trace_with("identity.ingest", TREE.lines().count(), PATIENCE)
        .await;
    assert_eq!(tree(&trace), TREE);

    // The destination is told of the trace, by the very attempt.
    for hook in received {
        let parts: Vec<&str> = hook.header("traceparent").split('-').collect();
        let attempt = trace
            .iter()
            .find(|span| span.name == "activation.deliver" && to_hex(&span.id) == parts[2])
            .expect("the span of the attempt");
        assert_eq!(to_hex(&attempt.trace), parts[1]);
        assert_eq!(attempt.kind, collector::CLIENT);
    }
    // Each step says where it ran, for whom, and in which batch; never who that is.
    for step in trace.iter().filter(|span| span.name.ends_with(".step")) {
        let keys: Vec<&str> = step.attributes.iter().map(String::as_str).collect();
        assert_eq!(keys, ["customer_id", "partition"], "{}", step.name);
        assert_eq!(step.links.len(), 1, "{}", step.name);
        let batch = collector.span(&step.links[0], PATIENCE).await;
        assert_eq!(batch.name, format!("{}.tick", step.service));
        assert_ne!(batch.trace, step.trace);
    }
    let log = collector.log("delivery attempted", PATIENCE).await;
    assert_eq!(log.trace, trace[0].trace);
    assert_eq!(log.service, "activation");
    for service in suite.services {
        assert!(service.terminate());
    }
    // The rest is sent at the end of each process: metrics too.
    for name in ["happypath.engine.inputs", "happypath.identity.events"] {
        assert!(collector.has_metric(name), "{name}");
    }
}

/// Every metric, as Prometheus sees it, and where it must have been.
const METRICS: [(&str, &str, &str); 25] = [
    ("happypath_rpc_duration_seconds", "histogram", "identity"),
    ("happypath_identity_events_total", "counter", "identity"),
    (
        "happypath_identity_append_duration_seconds",
        "histogram",
        "identity",
    ),
    ("happypath_engine_input_entries", "gauge", "segmentation"),
    (
        "happypath_engine_input_age_seconds",
        "gauge",
        "segmentation",
    ),
    ("happypath_engine_leases", "gauge", "segmentation"),
    (
        "happypath_engine_lease_changes_total",
        "counter",
        "segmentation",
    ),
    (
        "happypath_engine_partition_opens_total",
        "counter",
        "segmentation",
    ),
    ("happypath_engine_batch_inputs", "histogram", "segmentation"),
    ("happypath_engine_batch_states", "histogram", "segmentation"),
    ("happypath_engine_inputs_total", "counter", "segmentation"),
    (
        "happypath_engine_commit_duration_seconds",
        "histogram",
        "segmentation",
    ),
    (
        "happypath_engine_quarantine_records",
        "gauge",
        "segmentation",
    ),
    (
        "happypath_engine_timer_lateness_seconds",
        "histogram",
        "journey",
    ),
    ("happypath_engine_inputs_total", "counter", "journey"),
    ("happypath_engine_leases", "gauge", "journey"),
    ("happypath_engine_inputs_total", "counter", "activation"),
    (
        "happypath_activation_deliveries_total",
        "counter",
        "activation",
    ),
    (
        "happypath_activation_deliveries_under_way",
        "gauge",
        "activation",
    ),
    (
        "happypath_activation_delivery_duration_seconds",
        "histogram",
        "activation",
    ),
    ("happypath_audit_entries_total", "counter", "activation"),
    (
        "happypath_audit_wait_duration_seconds",
        "histogram",
        "identity",
    ),
    ("happypath_audit_waiting_entries", "gauge", "identity"),
    ("happypath_audit_waiting_age_seconds", "gauge", "identity"),
    ("target_info", "gauge", "activation"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_served_to_prometheus_and_status_says_that_all_is_well() {
    let ports: BTreeMap<&str, u16> = NAMES.map(|name| (name, process::free_port())).into();
    let suite = Suite::start(PARTITIONS, |name| {
        vec![
            "--metrics-listen".to_owned(),
            format!("127.0.0.1:{}", ports[name]),
        ]
    })
    .await;
    let (address, mut hooks) = process::receive_hooks().await;
    suite.apply(&definitions(&format!("http://{address}/hook")));
    purchase(&suite).await;
    for _ in 0..2 {
        let hook = tokio::time::timeout(PATIENCE, hooks.recv());
        hook.await.expect("in time").expect("a webhook");
    }
    // A read of a customer, which is on record.
    suite.run(&["customer", "user_id:ann"]);
    for (metric, kind, service) in METRICS {
        let has_it = async || {
            let served = get(ports[service], "/metrics").await;
            let lines: Vec<&str> = served.lines().collect();
            let help = format!("# HELP {metric} ");
            let meaning = lines.iter().find_map(|line| line.strip_prefix(&help));
            let has_type = lines.contains(&format!("# TYPE {metric} {kind}").as_str());
            (meaning.is_some_and(|text| !text.is_empty()) && has_type).then_some(())
        };
        assert!(eventually(has_it).await.is_some(), "{metric} of {service}");
    }
    let alive = get(ports["journey"], "/healthz").await;
    assert!(alive.starts_with("HTTP/1.1 200 OK") && alive.ends_with("ok\n"));
    let own = async || {
        let status = suite.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        let services = status["services"].as_array().expect("a list");
        let is_well = status["well"] == true
            && services.len() == 3
            && services.iter().all(|service| {
                service["partition_count"] == PARTITIONS
                    && service["workers"][0]["partition_count"] == PARTITIONS
                    && service["quarantined_count"] == 0
            });
        is_well.then_some(())
    };
    assert!(
        eventually(own).await.is_some(),
        "{}",
        suite.run(&["status"])
    );
    let text = suite.run(&["status"]);
    assert!(text.starts_with("All is well."), "{text}");
    assert!(text.contains("journal: what SQL survives"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_reads_telemetry_there_are_no_exporters_and_no_contexts() {
    let suite = Suite::start(PARTITIONS, |_| Vec::new()).await;
    let (address, mut hooks) = process::receive_hooks().await;
    suite.apply(&definitions(&format!("http://{address}/hook")));
    purchase(&suite).await;
    let hook = tokio::time::timeout(PATIENCE, hooks.recv());
    let hook = hook.await.expect("in time").expect("a webhook");
    // Activation tells the destination what the records carried all the way.
    assert!(!hook.has_header("traceparent"));
    for service in &suite.services {
        let threads = service.threads();
        let exporters: Vec<&String> = threads
            .iter()
            .filter(|name| name.starts_with("OpenTelemetry"))
            .collect();
        assert_eq!(exporters, Vec::<&String>::new(), "{}", service.name);
        assert!(threads.len() > 1, "threads have names: {threads:?}");
    }
}

/// A plain HTTP request.
async fn get(port: u16, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("somebody listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}
