//! Redis as operators run it: with TLS and users, behind sentinels, as a cluster, with replicas that must have each
//! write; and Valkey. All of them real processes that are stopped, killed and moved while writers write.

mod cluster;
mod confirmed;
mod contract;
mod one;
mod sentinel;
mod shared;
mod tls;
mod writer;

use std::time::Duration;

use hot::{HotError, RedisOptions, RedisStore, Wake, WakeReceiver};
use tokio::time::{sleep, timeout};

use crate::embedded::partitions;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until the answer is there.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits for a hint; others may come before it.
async fn hint(hints: &mut WakeReceiver, wanted: Wake) {
    let coming = async {
        while let Some(wake) = hints.recv().await {
            if wake == wanted {
                return;
            }
        }
        panic!("there are no hints any more");
    };
    timeout(PATIENCE, coming)
        .await
        .unwrap_or_else(|_| panic!("{wanted:?} did not come"));
}

/// Options that notice quickly.
fn options(url: impl Into<String>) -> RedisOptions {
    RedisOptions {
        response_timeout: Duration::from_secs(1),
        connection_timeout: Duration::from_secs(1),
        lanes: 2,
        ..RedisOptions::new(url)
    }
}

async fn connect(options: RedisOptions) -> Result<RedisStore, HotError> {
    RedisStore::connect(options, partitions()).await
}

/// Why a connection is refused for good.
async fn refusal(options: RedisOptions) -> String {
    match connect(options).await.expect_err("refused") {
        HotError::Mismatch(text) => text,
        other => panic!("{other:?}"),
    }
}
