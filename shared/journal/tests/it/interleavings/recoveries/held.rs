//! A gate that another process holds, for longer than anybody waits.

use hot::{Gate, GateAnswer, GateClaim};

use super::*;

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_process_waits_once_from_the_call_on() {
    let world = World::new();
    let store = world.process().await;
    fill(&world, &store).await;
    world.hot.clear();
    let gates = world.hot.gates(PARTITION).await.expect("gates");
    let claim = GateClaim {
        gate: Gate(7),
        ttl: Duration::from_secs(3_600),
        opened: gates.opened,
    };
    let closed = world.hot.close_gate(PARTITION, claim).await;
    assert_eq!(closed.expect("an answer"), GateAnswer::Closed);
    let begun = Instant::now();
    let calls = [(); 3].map(|()| store.recover(PARTITION));
    for answer in futures::future::join_all(calls).await {
        let refused = answer.expect_err("another process holds the gate");
        assert!(matches!(refused, HotError::Unavailable(_)), "{refused}");
    }
    let waited = begun.elapsed();
    assert!(waited >= limits::GATE_TTL, "{waited:?}");
    assert!(waited <= limits::GATE_TTL * 11 / 10, "{waited:?}");
}
