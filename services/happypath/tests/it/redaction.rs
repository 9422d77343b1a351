//! Nothing that may be data of a customer comes out of a process but in answers: every text of
//! every RPC is marked, and everything that is logged, traced and measured meanwhile is looked
//! through.

mod cases;
mod marks;
mod outlets;

use std::fs::File;
use std::process::Stdio;

use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tokio::runtime::Runtime;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use self::cases::{DEFINITIONS, FURTHER};
use self::marks::Marks;
use self::outlets::{Collector, Hook, metrics_of};
use crate::Dev;
use crate::contracts::call::{Server, methods, name_of};
use crate::contracts::cases::{CASES, case_of};

/// A process at the most talkative level, and all that comes out of it.
struct World {
    server: Server,
    runtime: Runtime,
    collector: Collector,
    hook: Hook,
    metrics_port: u16,
    log: std::path::PathBuf,
}

impl World {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let collector = runtime.block_on(Collector::start());
        let hook = runtime.block_on(Hook::start());
        let metrics_port = outlets::free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let (otlp, metrics) = (collector.url(), format!("127.0.0.1:{metrics_port}"));
        let settings = [
            "--log-level",
            "trace",
            "--otlp-endpoint",
            &otlp,
            "--metrics-listen",
            &metrics,
        ];
        let lines = Stdio::from(File::create(&log).expect("a file"));
        let dev = Dev::start_to(folder, &settings, lines);
        Self {
            server: Server::over(dev),
            runtime,
            collector,
            hook,
            metrics_port,
            log,
        }
    }

    /// Calls an RPC once for each of its texts, which is marked, and once with all of them.
    fn call_marked(&self, method: &MethodDescriptor, request: &DynamicMessage, marks: &mut Marks) {
        let id = id_of(request);
        for mut marked in marks.each_text(method, request) {
            if id.is_some() && id_of(&marked) == id {
                // Otherwise it would be refused as another request of the same id.
                let fresh = uuid::Uuid::now_v7().to_string();
                marked.set_field_by_name("request_id", Value::String(fresh));
            }
            // Refused or not: whatever comes of it, it is told to the caller alone.
            let _answer = self.server.call(method, marked, None);
        }
        let _late = self
            .server
            .call(method, marks.all_texts(method, request), Some(1));
    }

    /// Ends the process, and returns all that came out of it.
    fn end(self) -> Vec<(&'static str, String)> {
        self.server.settle();
        let metrics = self.runtime.block_on(metrics_of(self.metrics_port));
        let hook = self.hook;
        self.server.stop_keeping(|| {
            let log = std::fs::read(&self.log).expect("the log");
            assert!(!log.is_empty());
            assert!(hook.calls() > 0, "no webhook was sent");
            vec![
                ("log", String::from_utf8_lossy(&log).into_owned()),
                ("metrics", metrics),
                ("telemetry", self.collector.seen()),
            ]
        })
    }
}

#[test]
fn marked_values_come_out_in_answers_only() {
    let world = World::start();
    let mut marks = Marks::default();
    let definitions = DEFINITIONS.replace("$HOOK", &world.hook.url());
    world
        .server
        .ask("DefinitionService/ApplyDefinitions", &definitions);
    let methods = methods();
    for method in methods.iter().filter(|it| has_case(it)) {
        let request = world.server.request(method, case_of(&name_of(method)));
        world.call_marked(method, &request, &mut marks);
    }
    for (name, json) in FURTHER {
        let method = methods.iter().find(|it| name_of(it) == *name).expect(name);
        let request = world.server.parse(method, json);
        world.call_marked(method, &request, &mut marks);
    }
    let (path, headers, bytes) = (marks.path(), headers(&mut marks), marks.broken());
    world.server.call_raw(&path, headers, bytes);
    let found: Vec<String> = world
        .end()
        .iter()
        .flat_map(|(outlet, text)| marks.found_in(outlet, text))
        .collect();
    assert!(
        found.is_empty(),
        "{} came out:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Returns the id of a request; absent where such have none.
fn id_of(request: &DynamicMessage) -> Option<String> {
    let id = request.get_field_by_name("request_id")?;
    id.as_str().map(str::to_owned)
}

/// Returns whether an RPC has a case; another test holds that all have.
fn has_case(method: &MethodDescriptor) -> bool {
    CASES.iter().any(|case| case.method == name_of(method))
}

/// Headers of which each is marked.
fn headers(marks: &mut Marks) -> MetadataMap {
    let mut headers = MetadataMap::new();
    for name in [
        "authorization",
        "traceparent",
        "tracestate",
        "x-request-id",
        "cookie",
    ] {
        let value = format!("Bearer {}", marks.next(format!("header {name}")));
        let value = AsciiMetadataValue::try_from(value).expect("a value");
        headers.insert(name, value);
    }
    headers
}
