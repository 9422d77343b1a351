//! `happypath dev` of any version in a process of its own, on stream time, so that the story of its
//! customers is the same whenever it is told.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proto::activation::v1::SetConsentRequest;
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use serde_json::Value;
use tonic::Request;

use crate::process;
use crate::suite::PATIENCE;

/// All services in one process, which is killed when this is dropped.
pub(super) struct Dev {
    program: PathBuf,
    address: String,
    child: Child,
}

impl Dev {
    /// Starts a program, and waits until it is ready.
    pub(super) fn start(program: &Path, folder: &Path, settings: &[String]) -> Self {
        let mut child = process::unset(program)
            .args(["dev", "--json", "--listen", "127.0.0.1:0"])
            .args(["--clock", "stream", "--partitions", "4", "--folder"])
            .arg(folder)
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let mut first = String::new();
        let read = BufReader::new(stdout).read_line(&mut first);
        read.expect("a line");
        let told: Value = serde_json::from_str(&first).expect("where it is");
        Self {
            program: program.to_owned(),
            address: told["address"].as_str().expect("an address").to_owned(),
            child,
        }
    }

    /// Runs a command of the same version, and returns what it printed.
    pub(super) fn ok(&self, line: &str) -> String {
        let ran = process::unset(&self.program)
            .args(line.split(' '))
            .args(["--address", &self.address])
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{line}: {errors}");
        String::from_utf8(ran.stdout).expect("text")
    }

    /// Runs a command that prints JSON.
    pub(super) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).expect("JSON")
    }

    /// Returns once everything that was sent has had its effect.
    pub(super) async fn settle(&self) {
        let client = PartitionServiceClient::connect(self.address.clone()).await;
        let mut request = Request::new(AwaitIdleRequest::default());
        request.set_timeout(PATIENCE);
        let settled = client.expect("connected").await_idle(request).await;
        settled.expect("idle");
    }

    /// Records a word of consent of a customer.
    pub(super) async fn consent(&self, key: &str, purpose: &str, channel: &str, granted: bool) {
        let shown = self.json(&format!("customer {key} --json"));
        let customer_id = shown["customer"]["customer_id"].as_str();
        let request = SetConsentRequest {
            request_id: format!("{key} {purpose}"),
            customer_id: customer_id.expect("an id").to_owned(),
            purpose: purpose.to_owned(),
            channel: channel.to_owned(),
            granted,
            source: "preferences".to_owned(),
        };
        let client = ActivationServiceClient::connect(self.address.clone()).await;
        let set = client.expect("connected").set_consent(request).await;
        set.expect("recorded");
    }

    /// Ends it in order.
    pub(super) fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill").success());
        assert!(self.child.wait().expect("a child").success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // One that was stopped has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
