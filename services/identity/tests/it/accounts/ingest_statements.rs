//! The statements that a batch with groups needs are as many for a few events as for hundreds.

use identity_core::Rules;
use sea_orm::{ConnectionTrait as _, Statement};

use super::world::{World, acted, take};
use crate::fixture::Sql;

/// Has the server count the statements that change tables of identity.
const COUNT: &str = "
CREATE TABLE counted (kind text NOT NULL);
CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO counted VALUES (TG_TABLE_NAME || ' ' || TG_OP);
    RETURN NULL;
END $$;
DO $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'identity\\_%' LOOP
        EXECUTE format(
            'CREATE TRIGGER counting AFTER INSERT OR UPDATE OR DELETE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION count_statement()', own);
    END LOOP;
END $$;
";

/// Returns the statements since the last look, sorted.
async fn counted(world: &World) -> Vec<String> {
    let orm = world.fixture.identity.database.orm();
    let sql = "DELETE FROM counted RETURNING kind";
    let statement = Statement::from_string(orm.get_database_backend(), sql);
    let rows = orm.query_all_raw(statement).await.expect("reads");
    let kinds = rows.iter().map(|row| row.try_get::<String>("", "kind"));
    let mut kinds: Vec<String> = kinds.collect::<Result<_, _>>().expect("texts");
    kinds.sort();
    kinds
}

#[tokio::test]
async fn a_batch_with_groups_writes_by_as_many_statements_whatever_it_has() {
    let world = World::open(Sql::Postgres, Rules::default()).await;
    let intake = world.process().await;
    let orm = world.fixture.identity.database.orm();
    orm.execute_unprepared(COUNT).await.expect("counts");
    for each_its_own in [false, true] {
        let mut statements = Vec::new();
        for (batch, events) in [(0, 3), (1, 200)] {
            let events = (0..events).map(|number| {
                let account = match each_its_own {
                    true => format!("account=own-{batch}-{number}"),
                    false => format!("account=one-{batch}"),
                };
                let user = format!("user_id=u-{each_its_own}-{batch}-{number}");
                acted(&user, &account, number)
            });
            let taken = take(&intake, events.collect()).await;
            assert!(taken.events.iter().all(|it| it.groups.len() == 1));
            statements.push(counted(&world).await);
        }
        assert_eq!(statements[0], statements[1], "{each_its_own}");
        let memberships = |it: &&String| it.as_str() == "identity_membership INSERT";
        assert_eq!(statements[0].iter().filter(memberships).count(), 1);
    }
}
