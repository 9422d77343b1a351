//! A process that is told to end while the database is slow: nothing that it asked for takes effect
//! after its end.

use std::sync::Arc;

use futures::FutureExt as _;
use storage::Leases as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::driver::Bench;
use super::leases::{Call, Machine, Meddled, leases_since};
use crate::{Engine, TimeSource, limits};

#[tokio::test]
async fn leases_that_were_asked_for_are_given_back_though_the_answer_comes_after_the_word_to_end() {
    let bench = Bench::new().await;
    tokio::time::pause();
    let started = Instant::now();
    // Acquisitions that were asked for, and those that may take effect.
    let (asked, let_through) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (own_asked, own_let_through) = (Arc::clone(&asked), Arc::clone(&let_through));
    let leases = Arc::new(Meddled {
        inner: leases_since(started),
        before: Box::new(move |call| {
            let (asked, let_through) = (Arc::clone(&own_asked), Arc::clone(&own_let_through));
            async move {
                if call == Call::Acquire {
                    asked.add_permits(1);
                    let_through.acquire().await.expect("never closed").forget();
                }
                Ok(())
            }
            .boxed()
        }),
    });
    let mut config = bench.config(Arc::clone(&bench.hot), TimeSource::Stream);
    config.leases = leases.clone();
    config.own_clock = Machine::new(started, 0);
    let engine = Engine::start(config).await.expect("it starts");
    asked.acquire().await.expect("never closed").forget();
    let end = tokio::spawn(async move { engine.shutdown().await });
    tokio::time::sleep(limits::LAST_ROUND / 2).await;
    let_through.add_permits(1);
    end.await.expect("no panic");
    // Whatever was still under way has its time.
    tokio::time::sleep(limits::LAST_ROUND).await;
    for lease in leases.list("segmentation").await.expect("a list") {
        assert_eq!(lease.owner, None, "partition {}", lease.partition);
    }
}
