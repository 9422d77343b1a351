//! Calls to real listeners on several addresses of this machine, behind a name that a test says.

mod server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinSet;
use tonic::Code;
use tonic::body::Body;
use tower::Service as _;

use self::server::{Mode, Names, Server};
use super::*;
use crate::limits::{LOOKUP_INTERVAL, REPLICA_SILENCE, REPLICA_TRIAL_INTERVAL};

const NAME: &str = "identity.test";
/// A method that reads, and one that changes something.
const READ: &str = "/happypath.identity.v1.IdentityService/GetCustomer";
const CHANGE: &str = "/happypath.identity.v1.IdentityService/Ingest";
const STREAM: &str = "/happypath.identity.v1.IdentityService/IngestStream";
/// Callers at the same time.
const CALLERS: usize = 8;

struct Scene {
    servers: Vec<Server>,
    names: Names,
    channel: PeerChannel,
}

impl Scene {
    /// Servers at so many addresses behind one name.
    async fn start(count: u8) -> Self {
        let mut servers = Vec::new();
        for host in 1..=count {
            servers.push(Server::start(host).await);
        }
        let names = Names::default();
        names.set(NAME, &servers);
        let address = format!("http://{NAME}:7401");
        let options = ClientOptions::default();
        let channel = connect_through(&address, &options, Arc::new(names.clone()));
        Self {
            servers,
            names,
            channel: channel.expect("an address"),
        }
    }

    /// Makes calls from several callers until they are told to end. Returns their failures.
    fn load(&self) -> Load {
        let is_over = Arc::<AtomicBool>::default();
        let answered = Arc::<AtomicUsize>::default();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (mut channel, is_over) = (self.channel.clone(), Arc::clone(&is_over));
            let answered = Arc::clone(&answered);
            callers.spawn(async move {
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    match call(&mut channel, CHANGE).await {
                        Ok(()) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(status) => failures.push(status),
                    }
                }
                failures
            });
        }
        Load {
            is_over,
            answered,
            callers,
        }
    }

    /// Returns the calls that each server has begun since this was asked last.
    fn begun(&self) -> Vec<usize> {
        self.servers.iter().map(Server::take_begun).collect()
    }

    /// Lets the looks for addresses become due.
    async fn pass_lookup_interval(&self) {
        tokio::time::pause();
        tokio::time::advance(LOOKUP_INTERVAL * 6 / 5).await;
        tokio::time::resume();
    }
}

struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: JoinSet<Vec<Status>>,
}

impl Load {
    /// Waits until so many more calls were answered.
    async fn go_on(&self, calls: usize) {
        let until = self.answered.load(Ordering::Relaxed) + calls;
        eventually(|| self.answered.load(Ordering::Relaxed) >= until).await;
    }

    async fn end(self) -> Vec<Status> {
        self.is_over.store(true, Ordering::Relaxed);
        self.callers.join_all().await.concat()
    }
}

async fn call(channel: &mut PeerChannel, method: &str) -> Result<(), Status> {
    within(channel, method, Duration::from_secs(30)).await
}

/// Calls a method and reads the whole answer.
async fn within(channel: &mut PeerChannel, method: &str, time: Duration) -> Result<(), Status> {
    let message = Body::new(Full::new(Bytes::from_static(&[0; 5])));
    let mut request = HttpRequest::post(method).body(message).expect("a request");
    let timeout = format!("{}m", time.as_millis());
    let timeout = timeout.parse().expect("a header");
    request.headers_mut().insert("grpc-timeout", timeout);
    let answer = channel.call(request).await?;
    let answer = answer.into_body().collect().await?;
    let trailers = answer.trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    Ok(())
}

/// Waits until something is so.
async fn eventually(mut is_so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not come about within a minute");
}

#[tokio::test]
async fn all_replicas_behind_a_name_get_calls() {
    let scene = Scene::start(4).await;
    let load = scene.load();
    load.go_on(400).await;
    assert!(load.end().await.is_empty());
    let begun = scene.begun();
    let sum: usize = begun.iter().sum();
    for own in &begun {
        assert!(own * 8 > sum, "{begun:?}");
    }
}

#[tokio::test]
async fn a_replica_that_drains_loses_its_share_and_no_call_fails_while_its_name_lasts() {
    let mut scene = Scene::start(3).await;
    let load = scene.load();
    load.go_on(100).await;
    let drained = scene.servers.remove(1);
    let address = drained.address;
    drained.drain().await;
    scene.begun();
    load.go_on(200).await;
    let begun = scene.begun();
    assert!(begun.iter().all(|own| *own > 50), "{begun:?}");
    // It is there again at the same address.
    scene.servers.push(Server::at(address).await);
    eventually(|| scene.servers[2].take_begun() > 0).await;
    let failures = load.end().await;
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn a_replica_that_comes_gets_its_share() {
    let mut scene = Scene::start(2).await;
    let load = scene.load();
    load.go_on(100).await;
    scene.servers.push(Server::start(3).await);
    scene.names.set(NAME, &scene.servers);
    load.go_on(50).await;
    assert_eq!(scene.begun()[2], 0, "nobody has looked yet");
    scene.pass_lookup_interval().await;
    eventually(|| scene.servers[2].take_begun() > 0).await;
    scene.begun();
    load.go_on(300).await;
    let failures = load.end().await;
    assert!(failures.is_empty(), "{failures:?}");
    let begun = scene.begun();
    assert!(begun[2] * 6 > begun.iter().sum(), "{begun:?}");
}

#[tokio::test]
async fn a_replica_that_leaves_the_name_is_asked_no_more() {
    let scene = Scene::start(3).await;
    let load = scene.load();
    load.go_on(100).await;
    scene.names.set(NAME, &scene.servers[1..]);
    scene.pass_lookup_interval().await;
    load.go_on(100).await;
    scene.begun();
    load.go_on(100).await;
    let begun = scene.begun();
    assert!(begun[0] == 0 && begun[1] > 0 && begun[2] > 0, "{begun:?}");
    assert!(load.end().await.is_empty());
}

#[tokio::test]
async fn a_replica_that_hangs_has_no_fair_share_for_long() {
    let scene = Scene::start(2).await;
    scene.servers[0].set(Mode::Hangs);
    let mut channel = scene.channel.clone();
    // One call after another, for which nobody waits long.
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < REPLICA_SILENCE * 3 / 2 {
        let ended = within(&mut channel, CHANGE, Duration::from_millis(100)).await;
        let code = ended.err().map(|status| status.code());
        assert!(
            code.is_none_or(|code| code == Code::DeadlineExceeded),
            "{code:?}"
        );
    }
    assert!(scene.begun()[0] > 0, "it had its share");
    let begin = tokio::time::Instant::now();
    for _ in 0..50 {
        // A call that finds out whether it is well again is not answered.
        let _ = within(&mut channel, CHANGE, REPLICA_TRIAL_INTERVAL).await;
    }
    let trials = begin.elapsed().as_secs() / REPLICA_TRIAL_INTERVAL.as_secs() + 1;
    let begun = scene.begun();
    assert!(begun[0] as u64 <= trials, "{begun:?} {trials}");
}

#[tokio::test]
async fn a_read_whose_connection_is_lost_is_asked_of_another_replica_and_a_change_is_not() {
    let scene = Scene::start(2).await;
    let mut channel = scene.channel.clone();
    for (method, is_repeated) in [(READ, true), (CHANGE, false), (STREAM, false)] {
        scene.servers[0].set(Mode::Answers);
        while scene.servers[0].take_begun() == 0 {
            call(&mut channel, method).await.expect("answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        scene.begun();
        scene.servers[0].set(Mode::Loses);
        let mut failures = Vec::new();
        for _ in 0..20 {
            failures.extend(call(&mut channel, method).await.err());
        }
        let begun = scene.begun();
        assert!(begun[0] > 0, "{method} {begun:?}");
        if is_repeated {
            assert!(failures.is_empty(), "{failures:?}");
            assert_eq!(begun[1], 20, "{method}");
            continue;
        }
        assert_eq!(
            begun[0],
            failures.len(),
            "{method} is sent once: {failures:?}"
        );
        assert_eq!(begun[1], 20 - failures.len(), "{method}");
        for status in failures {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let source = std::error::Error::source(&status);
            assert!(
                source.is_some_and(|it| it.is::<NoConnection>()),
                "{status:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_replica_that_is_killed_costs_the_calls_under_way_and_no_other() {
    let mut scene = Scene::start(2).await;
    let load = scene.load();
    load.go_on(100).await;
    scene.servers.remove(0).kill().await;
    load.go_on(200).await;
    let failures = load.end().await;
    assert!(failures.len() <= CALLERS, "{failures:?}");
    assert!(
        failures.iter().all(|it| it.code() == Code::Unavailable),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_name_that_is_lost_for_a_while_keeps_its_replicas() {
    let scene = Scene::start(2).await;
    let load = scene.load();
    load.go_on(100).await;
    scene.names.set(NAME, []);
    scene.pass_lookup_interval().await;
    scene.begun();
    load.go_on(100).await;
    assert!(load.end().await.is_empty());
    assert!(scene.begun().iter().all(|own| *own > 0));
}

#[tokio::test]
async fn who_cannot_be_reached_is_named() {
    let server = Server::start(1).await;
    let address = server.address;
    server.drain().await;
    let mut alone = connect(&address.to_string()).expect("an address");
    let status = call(&mut alone, READ).await.expect_err("nobody is there");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains(&address.to_string()),
        "{status:?}"
    );

    let names = Names::default();
    let options = ClientOptions::default();
    let channel = connect_through("nowhere.test:7401", &options, Arc::new(names.clone()));
    let mut channel = channel.expect("an address");
    let status = call(&mut channel, READ).await.expect_err("nobody knows it");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        status.message(),
        "no connection to nowhere.test:7401: nobody knows the name"
    );
    // The next call looks again.
    let server = Server::start(1).await;
    names.set("nowhere.test", [&server]);
    call(&mut channel, READ).await.expect("answered");
}

#[tokio::test]
async fn one_address_is_connected_to_again_after_each_loss() {
    let server = Server::start(1).await;
    let address = server.address;
    let mut channel = connect(&address.to_string()).expect("an address");
    call(&mut channel, CHANGE).await.expect("answered");
    server.drain().await;
    call(&mut channel, CHANGE)
        .await
        .expect_err("nobody is there");
    let again = Server::at(address).await;
    call(&mut channel, CHANGE).await.expect("answered");
    again.kill().await;
    let last = Server::at(address).await;
    // The first may still find the connection that was lost.
    for _ in 0..10 {
        if call(&mut channel, CHANGE).await.is_ok() {
            break;
        }
    }
    assert_eq!(last.take_begun(), 1);
}
