//! Tables that the version before wrote.

use engine::TimeSource;
use identity::store::{IdentityStore, MIGRATIONS};
use identity::{Resolver, Unmerge, UnmergeBy};
use identity_core::{EvidenceKind, Rules};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::time_of;
use crate::fixture::{Fixture, Sql};

const ONE: &str = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d21";
const OTHER: &str = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d22";
const MERGE: &str = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23";

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_the_version_before_is_told_and_comes_apart() {
    for sql in [Sql::Sqlite, Sql::Postgres] {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let database = fixture.identity.database.clone();
        let before = database.migrate("identity", &MIGRATIONS[..3]).await;
        before.expect("migrates");
        // Each database has ids in its own way.
        let id = |id: &str| match sql {
            Sql::Postgres => format!("'{id}'"),
            Sql::Sqlite => format!("X'{}'", id.replace('-', "")),
        };
        let (own, other, merge) = (id(ONE), id(OTHER), id(MERGE));
        for statement in [
            format!("INSERT INTO identity_fragment VALUES ({own}, {own}, 1)"),
            format!("INSERT INTO identity_fragment VALUES ({other}, {own}, 2)"),
            format!("INSERT INTO identity_identifier VALUES ('user_id', 'u', {own}, 1, NULL)"),
            format!("INSERT INTO identity_identifier VALUES ('email', 'a@x.io', {other}, 2, NULL)"),
            format!("INSERT INTO identity_customer VALUES ({own}, 1, 4, 2, 'email=1,user_id=1')"),
            format!(
                "INSERT INTO identity_merge VALUES ({merge}, {other}, {own}, 'event', '', 3, TRUE, 3, NULL)"
            ),
        ] {
            let done = database.orm().execute_unprepared(&statement).await;
            done.expect("writes as the version before did");
        }
        let after = database.migrate("identity", MIGRATIONS).await;
        after.expect("migrates");
        let store = IdentityStore::new(database);
        let one: kernel::CustomerId = ONE.parse().expect("an id");
        let evidence = store.evidence(one, 10).await.expect("reads");
        let kinds: Vec<_> = evidence.iter().map(|it| it.kind).collect();
        assert_eq!(
            kinds,
            [
                EvidenceKind::Attached,
                EvidenceKind::Attached,
                EvidenceKind::Joined
            ]
        );
        assert_eq!(store.history(one, None, 10).await.expect("reads").len(), 1);
        let request = Unmerge {
            is_account: false,
            customer: Some(one),
            by: UnmergeBy::Operation(Uuid::parse_str(MERGE).expect("an id")),
            is_dry_run: false,
            reason: String::new(),
            request_id: "r".to_owned(),
        };
        let resolver = Resolver::new(store.clone());
        let apart = resolver.unmerge(&store, &request, time_of(1));
        let apart = apart.await.expect("comes apart").customers;
        let values = apart.iter().map(|it| it.identifiers[0].value.clone());
        assert_eq!(values.collect::<Vec<_>>(), ["u", "a@x.io"]);
    }
}
