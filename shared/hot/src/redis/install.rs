//! The record of how an installation in Redis was created, and of who can live with it.

use std::sync::Arc;

use futures::future::BoxFuture;
use kernel::{PartitionId, Schemas, StoredSchema};
use redis::{Value, cmd};

use super::address::refused;
use super::library::{Function, LIBRARY};
use super::link::Link;
use super::reply::{items, maybe_bytes, number, unexpected};
use super::source::Source;
use super::{RedisOptions, RedisStore, keys, pack};
use crate::HotError;

/// The layouts of keys and values that this program can live with. A form that older programs would
/// misread has a new number, one version before it is written; see "Versions" in
/// services/README.md.
pub const REDIS_SCHEMAS: Schemas = Schemas {
    written: 9,
    oldest_reader: 9,
    oldest_read: 9,
};

/// Returns the schema of an installation in Redis, and changes nothing; none where no program has
/// written to it yet.
///
/// # Errors
/// [`HotError::Mismatch`] for one that this program must not write to, or that belongs to another
/// database than [`RedisOptions::installation_id`] says; [`HotError::Unavailable`].
pub fn check_schema(
    options: RedisOptions,
) -> BoxFuture<'static, Result<Option<StoredSchema>, HotError>> {
    Box::pin(async move {
        options.check_files()?;
        let options = options.with_query()?;
        let link = Link::connect(&Arc::new(Source::new(&options)?)).await;
        let mut link = link.map_err(refused)?;
        let mut question = cmd("HMGET");
        question.arg(keys::installation(options.installation.as_ref()));
        question.arg(&["schema", "written_schema", "id"]);
        let found: Value = question.query_async(&mut link).await.map_err(refused)?;
        let [reader, written, id] =
            <[Value; 3]>::try_from(items(found)?).map_err(|_| unexpected("the installation"))?;
        if matches!(reader, Value::Nil) {
            return Ok(None);
        }
        let stored = schema(reader, written)?;
        join(REDIS_SCHEMAS, stored)?;
        // One without an id belongs to the first database whose services come.
        if !matches!(id, Value::Nil) {
            compare(&options, options.installation_id.as_deref(), id)?;
        }
        Ok(Some(stored))
    })
}

impl RedisStore {
    /// Creates the installation where there is none, or compares. `options` have the id by which
    /// its database knows it; absent where that is not compared.
    pub(super) async fn install(&self, options: &RedisOptions) -> Result<(), HotError> {
        self.install_as(REDIS_SCHEMAS, options).await
    }

    async fn install_as(&self, schemas: Schemas, options: &RedisOptions) -> Result<(), HotError> {
        let count = self.count.get();
        let mut call = pack::call(
            &LIBRARY.name(Function::Install),
            &[self.keys.installation().to_owned()],
            &[
                schemas.written,
                schemas.oldest_reader,
                schemas.oldest_read,
                count,
            ],
        );
        let id = options.installation_id.as_deref();
        call.arg(id);
        let mut lane = self.lane(PartitionId::new(0));
        let found: Value = call.query_async(&mut lane).await.map_err(refused)?;
        let [reader, partitions, found, written] =
            <[Value; 4]>::try_from(items(found)?).map_err(|_| unexpected("the installation"))?;
        join(schemas, schema(reader, written)?)?;
        let partitions: u16 = number(partitions)?;
        if partitions != count {
            return Err(HotError::Mismatch(format!(
                "this Redis was created with {partitions} partitions, not {count}: configure {partitions} partitions, \
                 or use an empty database"
            )));
        }
        compare(options, id, found)
    }
}

/// Reads what an installation says of its schema.
fn schema(reader: Value, written: Value) -> Result<StoredSchema, HotError> {
    let written = match written {
        Value::Nil => None,
        written => Some(number(written)?),
    };
    Ok(StoredSchema::new(number(reader)?, written))
}

fn join(schemas: Schemas, stored: StoredSchema) -> Result<(), HotError> {
    let joined = schemas.join(stored);
    joined.map(drop).map_err(|mismatch| {
        HotError::Mismatch(format!(
            "this Redis {mismatch}: run the version that wrote it, or use an empty database"
        ))
    })
}

/// Refuses an installation whose database is not that of the caller.
fn compare(options: &RedisOptions, id: Option<&str>, found: Value) -> Result<(), HotError> {
    let found = maybe_bytes(found)?;
    if id.is_none_or(|id| found.as_deref() == Some(id.as_bytes())) {
        return Ok(());
    }
    let name = match &options.installation {
        None => "an installation without a name".to_owned(),
        Some(name) => format!("an installation named {name}"),
    };
    Err(HotError::Mismatch(format!(
        "this Redis has {name}, whose database is another one: give each of them a name of its own \
         (--installation), name the database that belongs to this one, or use an empty Redis"
    )))
}

#[cfg(test)]
mod tests {
    use kernel::PartitionCount;
    use testkit::RedisServer;

    use super::*;

    /// The version after this one, which does not ask more of those that live with it.
    const NEXT: Schemas = Schemas {
        written: REDIS_SCHEMAS.written + 1,
        ..REDIS_SCHEMAS
    };

    #[tokio::test]
    async fn the_version_after_this_one_says_that_it_was_here_and_this_one_goes_on() {
        let server = RedisServer::start().expect("a server");
        let options = RedisOptions::new(server.url());
        let store = RedisStore::connect(options.clone(), PartitionCount::DEFAULT).await;
        let store = store.expect("connects");
        let numbers = || {
            let told = server.ask(&["HMGET", "hp:meta", "schema", "written_schema"]);
            told.expect("an answer")
        };
        let [own, next] = [REDIS_SCHEMAS.written, NEXT.written];
        assert_eq!(numbers().trim_end(), own.to_string());
        store.install_as(NEXT, &options).await.expect("a newer one");
        assert_eq!(numbers(), format!("{own}\n{next}"));
        store.install(&options).await.expect("this one");
        assert_eq!(numbers(), format!("{own}\n{next}"));
        let stored = check_schema(options.clone()).await.expect("it fits");
        assert_eq!(stored, Some(StoredSchema::new(own, Some(next))));

        let contraction = Schemas {
            oldest_reader: next,
            ..NEXT
        };
        let raised = store.install_as(contraction, &options).await;
        raised.expect("a newer one");
        assert_eq!(numbers(), format!("{next}\n{next}"));
        for refused in [
            store.install(&options).await,
            check_schema(options).await.map(drop),
        ] {
            let refused = refused.expect_err("it would misread it").to_string();
            assert!(refused.contains("has schema"), "{refused}");
        }
    }
}
