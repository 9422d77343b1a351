//! A heartbeat reads the clock of the database once.

use kernel::Duration;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use storage::{Database, DatabaseUrl, Heartbeat, LeaseStore, MemberId};
use testkit::PostgresServer;

/// Makes each reading of a database's clock a millisecond later than the one before. Connections
/// that are opened from now on see it.
const TICKING: &str = "
    CREATE SCHEMA ticking;
    CREATE SEQUENCE ticking.reading;
    CREATE FUNCTION ticking.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
        'SELECT to_timestamp(nextval(''ticking.reading'') / 1000.0)';
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = ticking, public, pg_catalog',
            current_database());
    END $$";

#[tokio::test]
async fn a_name_is_taken_over_wholly_or_not_at_all() {
    let server = PostgresServer::start().expect("a server");
    let url: DatabaseUrl = server.url().parse().expect("a URL");
    let database = Database::connect(&url).await.expect("connects");
    database.migrate("test", &[]).await.expect("tables");
    let ticking = database.orm().execute_unprepared(TICKING).await;
    ticking.expect("a clock");
    let database = Database::connect(&url).await.expect("connects");
    let leases = LeaseStore::new(database.clone());
    let mut takeovers = 0;
    // The word of the first one lapses at any of the readings that the second one may take.
    for ttl_ms in 1..30 {
        let worker = format!("w{ttl_ms}");
        let mut namesake = None;
        for (incarnation, skew) in [("first", 1), ("second", 2)] {
            let beat = Heartbeat {
                member: MemberId {
                    service: "s",
                    worker: &worker,
                    incarnation,
                },
                ttl: Duration::from_millis(ttl_ms),
                takes_part: incarnation == "first",
                clock_skew_ms: Some(skew),
            };
            namesake = leases.heartbeat(beat).await.expect("heard").namesake;
        }
        let sql = format!(
            "SELECT incarnation, takes_part, clock_skew_ms FROM worker WHERE worker = '{worker}'"
        );
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = database.orm().query_one_raw(statement).await;
        let row = row.expect("reads").expect("a row");
        let whole: (String, bool, i64) = (
            row.try_get_by_index(0).expect("a name"),
            row.try_get_by_index(1).expect("a truth"),
            row.try_get_by_index(2).expect("a number"),
        );
        let expected = match namesake {
            Some(_) => ("first".to_owned(), true, 1),
            None => ("second".to_owned(), false, 2),
        };
        assert_eq!(whole, expected, "{ttl_ms}");
        takeovers += usize::from(namesake.is_none());
    }
    assert!((1..28).contains(&takeovers), "{takeovers}");
}
