//! Telemetry of processes: one event's spans over real OTLP as one tree, metrics for
//! Prometheus, logs, and nothing at all unless somebody is configured to read it.

pub(crate) mod collector;
mod sampling;

use std::collections::BTreeMap;

use kernel::to_hex;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::collector::{Collector, SeenSpan};
use crate::process;
use crate::suite::{self, IDENTITY, NAMES, PATIENCE, Suite, eventually};

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

/// The metric that only a process with a certificate has: [`crate::secured`] scrapes one.
const OF_CERTIFICATES: &str = "happypath_process_certificate_remaining_seconds";

/// A subscription that posts all changes to a receiver.
fn subscription(url: &str) -> String {
    format!(
        "subscription:\n  name: follower\n  url: {url}\n  secret: whsec_{}\n  \
         allow_private_network: true\n",
        "A".repeat(32)
    )
}

/// The metrics of the architecture page.
fn documented() -> impl Iterator<Item = String> {
    let page = include_str!("../../../../services/README.md");
    let rows = page.lines();
    let names = rows.filter_map(|row| row.strip_prefix("| `happypath_")?.split('`').next());
    names.map(|name| format!("happypath_{name}"))
}

/// Returns whether a scrape has a metric, with its meaning.
fn has(scrape: &str, metric: &str) -> bool {
    let help = format!("# HELP {metric} ");
    let mut lines = scrape.lines();
    lines.any(|line| line.strip_prefix(&help).is_some_and(|it| !it.is_empty()))
}

/// Leaves a scrape behind for the check of dashboards and alerts, which `tests/run k8s` runs.
pub(crate) fn keep_scrape(name: &str, scrape: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapes");
    std::fs::create_dir_all(&folder).expect("a folder");
    let (_, body) = scrape.split_once("\r\n\r\n").expect("an answer");
    std::fs::write(folder.join(format!("{name}.txt")), body).expect("written");
}

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
    let gateway_port = process::free_port();
    let listen = [
        "--metrics-listen".to_owned(),
        format!("127.0.0.1:{gateway_port}"),
    ];
    let gateway = suite.start_gateway(listen.to_vec()).await;
    let (address, mut hooks) = process::receive_hooks().await;
    suite.apply(&definitions(&format!("http://{address}/hook")));
    // Changes are posted too.
    let (follower, mut posts) = process::receive_hooks().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), subscription(&format!("http://{follower}/"))).expect("written");
    let path = file.path().display().to_string();
    suite.run(&["apply", "-f", &path, "--gateway-address", &gateway.url()]);
    purchase(&suite).await;
    let post = tokio::time::timeout(PATIENCE, posts.recv());
    post.await.expect("in time").expect("a post");
    for _ in 0..2 {
        let hook = tokio::time::timeout(PATIENCE, hooks.recv());
        hook.await.expect("in time").expect("a webhook");
    }
    // A read of a customer, which is on record.
    suite.run(&["customer", "user_id:ann"]);
    let mut identity = IdentityServiceClient::connect(suite.url(IDENTITY)).await;
    let identity = identity.as_mut().expect("identity");
    let refused = identity.ingest(IngestRequest::default()).await;
    refused.expect_err("a request without events");
    let metrics: Vec<String> = documented().filter(|it| it != OF_CERTIFICATES).collect();
    assert!(metrics.len() > 30, "{metrics:?}");
    let mut missing = Vec::new();
    let scrapes = eventually(async || {
        let mut scrapes = Vec::new();
        for name in NAMES {
            scrapes.push(get(ports[name], "/metrics").await);
        }
        scrapes.push(get(gateway_port, "/metrics").await);
        missing.clone_from(&metrics);
        missing.retain(|metric| !scrapes.iter().any(|scrape| has(scrape, metric)));
        missing.is_empty().then_some(scrapes)
    });
    let scrapes = scrapes.await;
    let scrapes = scrapes.unwrap_or_else(|| panic!("nobody serves {missing:?}"));
    for (name, scrape) in NAMES.iter().chain(&["gateway"]).zip(&scrapes) {
        assert!(has(scrape, "target_info"), "{name}");
        keep_scrape(name, scrape);
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
    let text = suite.run(&["status", "--gateway-address", &gateway.url()]);
    assert!(text.contains("gateway "), "{text}");
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
