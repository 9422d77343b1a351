//! Many clients over the same customers.

use std::sync::Arc;

use identity::store::{Cause, SentAs};
use identity::{ResolveError, Resolver, Unmerge, UnmergeBy, UnmergeError};
use identity_core::Rules;
use kernel::CustomerId;

use super::{World, time_of};
use crate::fixture::Sql;

async fn merge_all(
    resolvers: &Arc<[Resolver; 2]>,
    roots: &Arc<Vec<CustomerId>>,
) -> Vec<(String, CustomerId)> {
    let tasks: Vec<_> = (0..64_usize)
        .map(|task| {
            let (resolvers, roots) = (Arc::clone(resolvers), Arc::clone(roots));
            tokio::spawn(async move {
                let request_id = format!("merge {task}");
                let pair = [roots[task % 8], roots[(task * 3 + 1 + task / 8) % 8]];
                let cause = Cause {
                    reason: "one person",
                    request_id: &request_id,
                    time: time_of(50),
                    looks_back: true,
                    origins: &(),
                    policy_version: 0,
                    held: identity::erasure::Held::ANY,
                };
                loop {
                    let resolver = &resolvers[task % 2];
                    match resolver.merge(&Rules::default(), &pair, cause).await {
                        Ok((into, _)) => return (request_id, into),
                        Err(ResolveError::Contended) => {}
                        Err(error) => panic!("neither done nor told to try again: {error}"),
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("ends"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_merges_over_eight_customers_end_as_one_and_answer_the_same_again() {
    let mut world = World::open(Sql::Postgres, Rules::default()).await;
    let mut roots = Vec::new();
    for number in 0..8 {
        let event = format!("user_id=u{number} email=e{number}@x.io anonymous_id=d{number}");
        roots.push(world.event(&event).await.customer);
    }
    let roots = Arc::new(roots);
    let resolvers = Arc::new([
        Resolver::new(world.store.clone()),
        Resolver::new(world.store.clone()),
    ]);
    let answers = merge_all(&resolvers, &roots).await;
    let customers = world.store.list(None, 100).await.expect("lists");
    let [customer] = customers.as_slice() else {
        panic!("one customer: {customers:?}");
    };
    assert_eq!(customer.id, roots[0], "the oldest");
    assert_eq!(customer.identifiers.len(), 24, "no identifier was lost");
    world.check_counts().await;
    let made = |request: &str| {
        let sent = SentAs::merge(request).expect("a name");
        let store = world.store.clone();
        async move {
            store
                .merges_sent_as(&[(sent, customer.id.fragment())])
                .await
        }
    };
    let mut in_all = 0;
    for (request, _) in &answers {
        in_all += made(request).await.expect("reads").len();
    }
    assert_eq!(in_all, 7, "each merge was made once, by one of them");
    let again = merge_all(&resolvers, &roots).await;
    let same = |(one, _): &(String, CustomerId), (other, into): &(String, CustomerId)| {
        one == other && *into == roots[0]
    };
    assert!(
        answers
            .iter()
            .zip(&again)
            .all(|(one, other)| same(one, other))
    );
    let history = world.store.history(roots[0], None, 100).await;
    assert_eq!(history.expect("reads").len(), 7, "nothing was made twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unmerges_race_with_events_and_lose_nothing() {
    let mut world = World::open(Sql::Postgres, Rules::default()).await;
    world.event("user_id=u email=a@x.io").await;
    world.event("anonymous_id=d email=b@x.io").await;
    let joined = world.batch(&["user_id=u anonymous_id=d"], &[]).await;
    let operation = joined.news[0].id();
    let store = world.store.clone();
    let tasks = (0..16_usize).map(|task| {
        let (store, resolver) = (store.clone(), Resolver::new(store.clone()));
        tokio::spawn(async move {
            let request = Unmerge {
                is_account: false,
                customer: None,
                by: UnmergeBy::Operation(operation),
                is_dry_run: false,
                reason: String::new(),
                request_id: format!("unmerge {}", task % 4),
            };
            loop {
                let done = resolver.unmerge(&store, &request, time_of(9));
                match done.await {
                    Ok(unmerged) => return Some(unmerged.operation_id),
                    Err(UnmergeError::NotFound(_)) => return None,
                    Err(UnmergeError::Resolve(ResolveError::Contended)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for number in 0..20 {
        world
            .event(&format!("user_id=u email=m{}@x.io", number % 3))
            .await;
        world.event("anonymous_id=d").await;
    }
    let mut done: Vec<_> = Vec::new();
    for task in tasks {
        done.extend(task.await.expect("ends"));
    }
    done.dedup();
    assert_eq!(done.len(), 1, "one of the requests did it: {done:?}");
    assert_eq!(
        world.picture().await,
        ["a@x.io m0@x.io m1@x.io m2@x.io u", "d b@x.io"]
    );
    world.check_counts().await;
}
