//! Secrets of definitions are sealed where they are stored; those that were stored before are read,
//! and sealed with the next change or by command. Changes are on record in their transaction.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use audit::{AuditLog, Class, Operation, Origin};
use definitions::{
    Catalog, Change, DefinitionStore, Flaw, MIGRATIONS, Owner as _, References, Versioned, key_of,
};
use proto::activation::v1::{Channel, WebhookChannel, channel};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use proto::gateway::v1::Subscription;
use rpc::ErrorReason;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storage::{Database, DatabaseUrl};
use vault::{KeyFile, Vault};

const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const SECOND: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

/// Compiles to the secrets of channels.
struct Channels;

type Secrets = BTreeMap<String, String>;

impl Catalog for Channels {
    type Compiled = Secrets;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[
            DefinitionKind::Channel,
            DefinitionKind::Template,
            DefinitionKind::Subscription,
        ]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _: &References,
        _: Option<&Secrets>,
    ) -> Result<Secrets, Vec<Flaw>> {
        let secrets = all.iter().filter_map(|it| {
            let name = key_of(&it.value)?.name;
            let Some(Kind::Channel(channel)) = &it.value.kind else {
                return None;
            };
            match channel.kind.as_ref()? {
                channel::Kind::Webhook(webhook) => Some((name, webhook.secret.clone())),
                channel::Kind::Log(_) => None,
            }
        });
        Ok(secrets.collect())
    }
}

fn hook(name: &str, secret: &str) -> Definition {
    Definition {
        kind: Some(Kind::Channel(Channel {
            name: name.to_owned(),
            kind: Some(channel::Kind::Webhook(WebhookChannel {
                url: "https://example.com/".to_owned(),
                secret: secret.to_owned(),
                ..WebhookChannel::default()
            })),
            ..Channel::default()
        })),
    }
}

struct World {
    database: Database,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = DatabaseUrl::sqlite_file(&folder.path().join("test.db"));
        let database = Database::connect(&url).await.expect("it opens");
        let tables = database.migrate("definitions", MIGRATIONS).await;
        tables.expect("tables");
        Self { database, folder }
    }

    fn vault(&self) -> Vault {
        let path: &Path = &self.folder.path().join("keys");
        Vault::new(Arc::new(KeyFile::open_or_create(path).expect("keys")))
    }

    async fn load(
        &self,
        vault: Option<Vault>,
    ) -> Result<Arc<DefinitionStore<Channels>>, rpc::Failure> {
        DefinitionStore::load_sealed(self.database.clone(), "activation", Channels, vault).await
    }

    async fn sealed(&self) -> Arc<DefinitionStore<Channels>> {
        self.load(Some(self.vault())).await.expect("loaded")
    }

    /// Returns the stored bodies that hold a text.
    async fn bodies_with(&self, text: &str) -> usize {
        let select = Statement::from_string(DbBackend::Sqlite, "SELECT body FROM definition");
        let rows = self
            .database
            .orm()
            .query_all_raw(select)
            .await
            .expect("rows");
        let bodies = rows
            .iter()
            .map(|row| row.try_get_by_index(0).expect("a body"));
        let has = |body: &Vec<u8>| body.windows(text.len()).any(|it| it == text.as_bytes());
        bodies.filter(has).count()
    }
}

async fn apply(store: &DefinitionStore<Channels>, definition: Definition) {
    let change = Change::apply([definition]);
    let applied = store.change(&change, &References::unknown(), false).await;
    applied.expect("applied");
}

fn secret(store: &DefinitionStore<Channels>, name: &str) -> String {
    store.watch().borrow()[name].clone()
}

#[tokio::test]
async fn a_new_secret_is_sealed_and_another_process_opens_it() {
    let world = World::new().await;
    let store = world.sealed().await;
    apply(&store, hook("hook", FIRST)).await;
    assert_eq!(world.bodies_with("whsec_").await, 0);
    assert_eq!(world.bodies_with("sealed.1.").await, 1);
    assert_eq!(secret(&store, "hook"), FIRST);
    assert_eq!(secret(world.sealed().await.as_ref(), "hook"), FIRST);
    let refused = world.load(None).await.expect_err("no keys");
    assert_eq!(refused.reason(), ErrorReason::SecretSealed);
    assert!(refused.message().contains("channel `hook`"), "{refused}");
}

#[tokio::test]
async fn secrets_that_were_stored_before_are_read_and_sealed_with_the_next_change() {
    let world = World::new().await;
    let plain = world.load(None).await.expect("loaded");
    apply(&plain, hook("hook", FIRST)).await;
    assert_eq!(world.bodies_with(FIRST).await, 1);
    let store = world.sealed().await;
    assert_eq!(secret(&store, "hook"), FIRST);
    apply(&store, hook("hook", SECOND)).await;
    assert_eq!(world.bodies_with(SECOND).await, 0);
    assert_eq!(secret(world.sealed().await.as_ref(), "hook"), SECOND);
}

#[tokio::test]
async fn the_command_seals_every_version_and_changes_nothing_else() {
    let world = World::new().await;
    let plain = world.load(None).await.expect("loaded");
    for (name, secret) in [("one", FIRST), ("one", SECOND), ("two", FIRST)] {
        apply(&plain, hook(name, secret)).await;
    }
    let revision = plain.revision().await;
    let store = world.sealed().await;
    let key = definitions::DefinitionKey::new(DefinitionKind::Channel, "one");
    let before = store
        .find(&key, 0)
        .await
        .expect("an answer")
        .expect("it is there");

    let counted = store.rotate_secrets(true).await.expect("counted");
    assert_eq!((counted.sealed, world.bodies_with("whsec_").await), (3, 3));
    let rotation = store.rotate_secrets(false).await.expect("sealed");
    assert_eq!(rotation, counted);
    assert_eq!(world.bodies_with("whsec_").await, 0);
    let again = store.rotate_secrets(false).await.expect("the same");
    assert_eq!((again.sealed, again.rewrapped, again.unchanged), (0, 0, 3));

    let other = world.sealed().await;
    assert_eq!(other.revision().await, revision);
    assert_eq!(
        (secret(&other, "one"), secret(&other, "two")),
        (SECOND.into(), FIRST.into())
    );
    let after = other
        .find(&key, 0)
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!((after.version, &after.etag), (before.version, &before.etag));
    // The same definition again is no change.
    apply(&other, hook("one", SECOND)).await;
    assert_eq!(other.revision().await, revision);
}

#[tokio::test]
async fn the_command_seals_secrets_of_subscriptions_too() {
    let world = World::new().await;
    let plain = world.load(None).await.expect("loaded");
    let subscription = Subscription {
        name: "warehouse".to_owned(),
        url: "https://example.com/".to_owned(),
        secret: FIRST.to_owned(),
        ..Subscription::default()
    };
    let definition = Definition {
        kind: Some(Kind::Subscription(subscription)),
    };
    apply(&plain, definition).await;
    assert_eq!(world.bodies_with(FIRST).await, 1);
    let store = world.sealed().await;
    let rotation = store.rotate_secrets(false).await.expect("sealed");
    assert_eq!((rotation.sealed, world.bodies_with(FIRST).await), (1, 0));
    let refused = world.load(None).await.expect_err("no keys");
    assert!(
        refused.message().contains("subscription `warehouse`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_sealed_secret_that_is_moved_to_another_channel_opens_nothing() {
    let world = World::new().await;
    let store = world.sealed().await;
    apply(&store, hook("mine", FIRST)).await;
    apply(&store, hook("ours", SECOND)).await;
    let orm = world.database.orm();
    let select = "SELECT body FROM definition WHERE name = 'mine'";
    let select = Statement::from_string(DbBackend::Sqlite, select);
    let row = orm
        .query_one_raw(select)
        .await
        .expect("an answer")
        .expect("a row");
    let mut body: Vec<u8> = row.try_get_by_index(0).expect("a body");
    let at = body
        .windows(4)
        .position(|part| part == b"mine")
        .expect("its name");
    body[at..at + 4].copy_from_slice(b"ours");
    let update = "UPDATE definition SET body = $1 WHERE name = 'ours'";
    let update = Statement::from_sql_and_values(DbBackend::Sqlite, update, [body.into()]);
    orm.execute_raw(update).await.expect("written");
    let refused = world.load(Some(world.vault())).await.expect_err("moved");
    assert_eq!(refused.reason(), ErrorReason::SecretSealed);
}

#[tokio::test]
async fn a_change_is_on_record_or_not_made() {
    let world = World::new().await;
    let log = AuditLog::open(world.database.clone(), "worker")
        .await
        .expect("a log");
    let store = world.sealed().await;
    let operation = || {
        Operation::new(
            log.clone(),
            Origin::anonymous(None),
            (Class::Change, "apply"),
            None,
        )
    };
    let first = apply(&store, hook("hook", FIRST));
    Operation::scope(Some(operation()), first).await;
    let recorded = async || {
        let select =
            "SELECT object FROM audit_entry WHERE action LIKE 'definition.%' ORDER BY sequence";
        let select = Statement::from_string(DbBackend::Sqlite, select);
        let rows = world
            .database
            .orm()
            .query_all_raw(select)
            .await
            .expect("rows");
        let objects = rows
            .iter()
            .map(|row| row.try_get_by_index(0).expect("an object"));
        objects.collect::<Vec<String>>()
    };
    assert_eq!(recorded().await, ["channel `hook` version 1"]);

    // Without its head nothing can be recorded, and so nothing is changed.
    let gone = "DELETE FROM audit_chain";
    world
        .database
        .orm()
        .execute_unprepared(gone)
        .await
        .expect("gone");
    let change = Change::apply([hook("hook", SECOND)]);
    let none = References::unknown();
    let refused = store.change(&change, &none, false);
    let refused = Operation::scope(Some(operation()), refused).await;
    let refused = refused.expect_err("refused");
    assert_eq!(refused.reason(), ErrorReason::AuditUnavailable);
    assert_eq!(secret(world.sealed().await.as_ref(), "hook"), FIRST);
    assert_eq!(recorded().await.len(), 1);
}
