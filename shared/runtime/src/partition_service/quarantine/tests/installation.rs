//! The workers that an installation tells of, also where its database hangs.

use proto::engine::v1::GetInstallationRequest;

use super::*;

#[tokio::test]
async fn an_installation_tells_of_its_workers_and_whose_clock_is_off() {
    let (partitions, _, _folder) = serve().await;
    let answer = partitions.get_installation(Request::new(GetInstallationRequest {}));
    let workers = answer.await.expect("told").into_inner().workers;
    let told: Vec<_> = workers
        .iter()
        .map(|it| {
            let of = (it.service.as_str(), it.name.as_str());
            (of, it.takes_part, it.clock_skew_ms, it.is_clock_off)
        })
        .collect();
    assert_eq!(
        told,
        [
            (("journey", "new"), false, None, false),
            (("journey", "right"), true, Some(0), false),
            (("journey", "wrong"), false, Some(-5_001), true),
        ]
    );
}

#[tokio::test]
async fn an_installation_whose_database_hangs_tells_all_else_soon() {
    let (partitions, fake, _folder) = serve().await;
    fake.1.store(true, Ordering::Relaxed);
    // Two services more ask the same database, and wait together.
    let engines = [(); 3].map(|()| Arc::clone(&fake) as Arc<dyn EngineStatus>);
    let partitions = Partitions::new(engines.into(), vec!["journey"], partitions.context);
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let answer = partitions.get_installation(Request::new(GetInstallationRequest {}));
    let told = answer.await.expect("told").into_inner();
    let patience = crate::limits::WORKERS_PATIENCE;
    let waited = begun.elapsed();
    assert!((patience..patience * 2).contains(&waited), "{waited:?}");
    assert_eq!((told.partition_count, told.workers.len()), (4, 0));
}
