//! The command line as people use it: the real binary, against `happypath dev` on a free port in a
//! fresh folder.

mod access;
mod account_profiles;
mod accounts;
mod answers;
mod audit;
mod changes;
mod consents;
mod contracts;
mod dead_letters;
mod delete;
mod doctor;
mod erasure;
mod identity;
mod imports;
mod installations;
mod json;
mod migrate;
mod quarantine;
mod rates;
mod reads;
mod receipts;
mod redaction;
mod repartition;
mod secrets;
mod tracking;
mod values;
mod webhooks;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use serde_json::Value;
use tempfile::TempDir;

/// The time in which everything that was sent has its effect, or never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that does not outlive its test, also where that fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `happypath dev`.
struct Dev {
    process: Process,
    folder: TempDir,
    address: String,
    /// Where health is told in plain text; absent where that was not asked for.
    health: Option<String>,
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_happypath"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HAPPYPATH_")) {
        command.env_remove(name);
    }
    command
}

impl Dev {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts it in a folder, with settings that differ from the usual ones.
    fn start_with(folder: TempDir, settings: &[&str]) -> Self {
        Self::start_to(folder, settings, Stdio::inherit())
    }

    /// As [`Self::start_with`], with its log lines somewhere else.
    fn start_to(folder: TempDir, settings: &[&str], log: Stdio) -> Self {
        let partitions = match settings.contains(&"--partitions") {
            true => &[][..],
            false => &["--partitions", "4"],
        };
        let mut process = binary()
            .args(["dev", "--listen", "127.0.0.1:0", "--folder"])
            .arg(folder.path().join("stores"))
            .args(partitions)
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("started");
        let stdout = process.stdout.take().expect("piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().expect("a line").expect("text");
        let mut places = first
            .split_whitespace()
            .filter(|word| word.starts_with("http"))
            .map(|word| word.trim_end_matches('.').to_owned());
        let address = places.next().expect("the first line says where");
        let health = places.next();
        // Somebody must read on, or the process would wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process: Process(process),
            folder,
            address,
            health,
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    fn run(&self, line: &str) -> Output {
        binary()
            .args(line.split(' '))
            .args(["--address", &self.address])
            .current_dir(self.folder.path())
            .output()
            .expect("ran")
    }

    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --json"))).expect("JSON")
    }

    /// The exit code and what was said about it.
    fn refused(&self, line: &str) -> (i32, String) {
        let output = self.run(line);
        let code = output.status.code().expect("a code");
        (code, String::from_utf8(output.stderr).expect("text"))
    }

    /// Returns once everything that was sent has had its effect.
    fn settle(&self) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut client = PartitionServiceClient::connect(self.address.clone())
                .await
                .expect("connected");
            let mut request = tonic::Request::new(AwaitIdleRequest::default());
            request.set_timeout(PATIENCE);
            client.await_idle(request).await.expect("idle");
        });
    }

    /// Kills it with no warning, and gives back the folder.
    fn kill(mut self) -> TempDir {
        self.process.0.kill().expect("it runs");
        self.process.0.wait().expect("it ended");
        self.folder
    }

    /// Ends it as an orchestrator does, and gives back the folder.
    fn stop(mut self) -> TempDir {
        let pid = self.process.0.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        let status = self.process.0.wait().expect("ended");
        assert!(status.success(), "it must end in order: {status}");
        self.folder
    }
}

const DEFINITIONS: &str = "\
segment:
  name: buyers
  expression: events(\"purchase\").exists()
---
journey_map:
  name: shop
  stages:
    - name: bought
      enter:
        - segment_entered: buyers
---
journey:
  name: welcome
  entry:
    triggers:
      - event: signed_up
    reentry: REENTRY_NEVER
  steps:
    - id: first_purchase
      wait_for:
        branches:
          - trigger:
              event: purchase
            next: happy
        timeout: 30d
    - id: gone
      exit:
        outcome: RUN_OUTCOME_FAILURE
    - id: happy
      exit:
        outcome: RUN_OUTCOME_SUCCESS
";

#[test]
fn an_event_moves_a_customer_through_everything_and_survives_a_restart() {
    let dev = Dev::start();
    dev.file("all.yaml", DEFINITIONS);
    assert_eq!(dev.ok("apply -f all.yaml").matches("created").count(), 3);
    assert_eq!(dev.ok("apply -f all.yaml").matches("unchanged").count(), 3);
    assert_eq!(dev.ok("diff -f all.yaml"), "Nothing would change.\n");
    dev.ok("track signed_up --id user_id=u1 --trait plan=free");
    dev.ok("track purchase --id user_id=u1 --property value=4");
    dev.settle();

    let customer = dev.json("customer user_id:u1");
    assert_eq!(customer["profile"]["traits"]["plan"], "free");
    assert_eq!(customer["profile"]["memberships"][0]["segment"], "buyers");
    assert_eq!(customer["journeys"]["positions"][0]["stage"], "bought");
    assert_eq!(
        customer["journeys"]["runs"][0]["outcome"],
        "RUN_OUTCOME_SUCCESS"
    );
    assert!(dev.ok("customer user_id:u1").contains("event purchase"));
    assert!(dev.ok("explain user_id:u1").contains("in buyers, because"));
    assert_eq!(dev.json("flow welcome")["entered_count"], 1);
    assert_eq!(dev.json("map shop")["stages"][0]["present_count"], 1);
    assert_eq!(dev.json("segments")["segments"][0]["member_count"], 1);
    assert!(dev.ok("get journey welcome").contains("  name: welcome\n"));
    let status = dev.json("status");
    assert_eq!(status["well"], true, "{status}");
    assert_eq!(status["services"][0]["service"], "segmentation");
    assert_eq!(
        status["services"][0]["unowned_partitions"],
        Value::Array(vec![])
    );
    assert_eq!(
        status["processes"][0]["installation"]["durability"],
        "DURABILITY_EMBEDDED"
    );
    assert!(dev.ok("status").starts_with("All is well.\n"));

    let again = Dev::start_in(dev.stop());
    assert_eq!(again.json("flow welcome")["entered_count"], 1);
    assert_eq!(again.json("segments")["segments"][0]["member_count"], 1);
    again.stop();
}

#[test]
fn a_killed_process_goes_on_at_its_next_start_however_long_leases_last() {
    // Ten times as long as anybody waits here.
    let leases = ["--lease-ttl", "10m"];
    let mut folder = tempfile::tempdir().expect("a folder");
    // Under a name that every start draws anew, and under one that stays.
    for (value, name) in [
        (1, &[][..]),
        (2, &["--worker", "one"]),
        (3, &["--worker", "one"]),
    ] {
        let settings = [&leases[..], name].concat();
        let dev = Dev::start_with(folder, &settings);
        dev.ok(&format!(
            "track purchase --id user_id=u1 --property value={value}"
        ));
        dev.settle();
        let status = dev.json("status");
        assert_eq!(status["well"], true, "{status}");
        let customer = dev.json("customer user_id:u1");
        let events = &customer["profile"]["events"];
        assert_eq!(events[0]["count"], value, "{customer}");
        folder = dev.kill();
    }
}

#[test]
fn an_import_may_be_repeated_and_says_which_lines_are_bad() {
    let dev = Dev::start();
    dev.file(
        "events.csv",
        "timestamp,customer_id,event,value\n2026-01-01,1,purchase,1\n2026-01-01,2,purchase,2\n",
    );
    let first = dev.json("import events.csv");
    assert_eq!(
        (
            &first["files"][0]["accepted"],
            &first["files"][0]["created"]
        ),
        (&2.into(), &2.into())
    );
    let second = dev.json("import events.csv");
    assert_eq!(second["files"][0]["replayed"], 2);
    let long = "n".repeat(201);
    dev.file(
        "bad.csv",
        &format!(
            "timestamp,customer_id,event,value\nnever,1,purchase,1\n2026-01-01,3,{long},2\n2026-01-01,3,purchase,2\n"
        ),
    );
    let (code, said) = dev.refused("import bad.csv");
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("bad.csv:2: time: `never` is no instant"),
        "{said}"
    );
    let output = dev.run("import bad.csv --on-error continue");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("bad.csv:3: name: "), "{said}");
    dev.stop();
}

#[test]
fn mistakes_name_their_place_and_nothing_is_applied() {
    let dev = Dev::start();
    dev.file("bad.yaml", "segment:\n  name: buyers\n  expression: events(\"x\"\n---\njourney_map:\n  name: m\n  stages:\n    - name: s\n      enter:\n        - segment_entered: byers\n");
    let (code, said) = dev.refused("apply -f bad.yaml");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("3 mistakes; nothing was applied"), "{said}");
    assert!(said.contains("bad.yaml:3:15: segment.expression"), "{said}");
    assert!(
        said.contains("bad.yaml:10:28: journey_map.stages[0].enter[0].segment_entered"),
        "{said}"
    );
    assert_eq!(dev.ok("get segments"), "There is no segment yet.\n");
    for (line, code) in [
        ("customer user_id:nobody", 3),
        ("customer nobody", 2),
        ("get segment nothing", 3),
        ("flow nothing", 3),
        ("apply -f no-such-file.yaml", 2),
    ] {
        let (found, said) = dev.refused(line);
        assert_eq!(found, code, "{line}: {said}");
    }
    dev.stop();
}

#[test]
fn a_folder_in_use_and_faulty_settings_are_refused_with_a_remedy() {
    let dev = Dev::start();
    let second = binary()
        .args([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--partitions",
            "4",
            "--folder",
        ])
        .arg(dev.folder.path().join("stores"))
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(3), "{said}");
    assert!(
        said.contains("is open in another process: stop that process"),
        "{said}"
    );
    let faulty = binary()
        .args([
            "dev",
            "--check-config",
            "--partitions",
            "0",
            "--clock",
            "moon",
        ])
        .output()
        .expect("ran");
    let said = String::from_utf8_lossy(&faulty.stderr).into_owned();
    assert_eq!(faulty.status.code(), Some(2), "{said}");
    assert!(said.contains("the configuration has 2 faults"), "{said}");
    dev.stop();
}
