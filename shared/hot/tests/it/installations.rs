//! Installations that share a server: none sees what another one has, or takes it for its own.

use std::sync::Arc;

use hot::{
    Append, Commit, CounterKey, Cursor, HotError, HotStore as _, Owner, RedisOptions, RedisStore,
    Slot, StateWrite, StreamId, StreamName, Timer, Wake,
};
use kernel::PartitionId;
use testkit::{RedisServer, RedisSetup};

use crate::embedded::partitions;

const NAMES: [Option<&str>; 4] = [None, Some("a"), Some("a-b"), Some("a_b")];

const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(1),
};

fn options(server: &RedisServer, name: Option<&str>) -> RedisOptions {
    RedisOptions {
        installation: name.map(|name| name.parse().expect("a name")),
        ..RedisOptions::new(server.url())
    }
}

async fn connect(server: &RedisServer, name: Option<&str>) -> Arc<RedisStore> {
    let connecting = RedisStore::connect(options(server, name), partitions());
    Arc::new(connecting.await.expect("connects"))
}

/// An event that tells whose it is, with a source that every installation has.
fn event(partition: u16, payload: &str) -> Append {
    Append {
        to: StreamId {
            name: StreamName::Events,
            partition: PartitionId::new(partition),
        },
        payload: payload.to_owned().into(),
        source: None,
        origin: None,
    }
}

/// A commit that writes something of every kind, which tells whose it is.
fn commit(epoch: u64, payload: &str) -> Commit {
    let payload: bytes::Bytes = payload.to_owned().into();
    Commit {
        epoch,
        seq: 1,
        batch_id: 7,
        outputs: vec![(StreamName::Actions, payload.clone())],
        states: vec![StateWrite {
            key: "customer".into(),
            value: Some(payload.clone()),
            timer: Timer::default(),
            adds_entry: false,
        }],
        quarantine: vec![payload],
        counters: vec![(
            CounterKey::new("group", "name"),
            i64::try_from(epoch).expect("small"),
        )],
        ..Commit::default()
    }
}

/// Checks that a store has what [`commit`] and [`event`] wrote for its installation, and no more.
async fn check(store: &RedisStore, epoch: u64, payload: &str) {
    let head = store.head(SLOT).await.expect("a head");
    assert_eq!((head.epoch, head.commit_seq), (epoch, 1), "{payload}");
    let states = store.load(SLOT, &["customer".into()]).await.expect("loads");
    assert_eq!(states[0].as_ref().expect("a state").value, payload);
    let counters = store.counters(SLOT, &["group"]).await.expect("counters");
    assert_eq!(u64::try_from(counters[0].1), Ok(epoch), "{payload}");
    for name in [StreamName::Events, StreamName::Actions] {
        let stream = StreamId {
            name,
            partition: SLOT.partition,
        };
        let entries = store.poll(stream, Cursor::START, 9).await.expect("polls");
        let payloads: Vec<_> = entries.iter().map(|entry| &entry.payload[..]).collect();
        assert_eq!(payloads, [payload.as_bytes()]);
    }
    let size = store.quarantine_size(SLOT).await.expect("a size");
    assert_eq!(size.records, 1, "{payload}");
}

#[tokio::test]
async fn installations_of_one_server_see_nothing_of_each_other() {
    let server = RedisServer::start().expect("a server");
    for (epoch, name) in (1..).zip(NAMES) {
        let store = connect(&server, name).await;
        assert_eq!(
            store.installation().map(ToString::to_string).as_deref(),
            name
        );
        let payload = name.unwrap_or("none");
        store.open(SLOT, epoch).await.expect("opens");
        store.append(&event(1, payload)).await.expect("appends");
        let committed = store.commit(SLOT, &commit(epoch, payload)).await;
        committed.expect("commits");
    }
    for (epoch, name) in (1..).zip(NAMES) {
        check(
            &*connect(&server, name).await,
            epoch,
            name.unwrap_or("none"),
        )
        .await;
    }

    // A deletion by the beginning of one of them leaves the others alone.
    let delete = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
    let deleted = server.ask(&["EVAL", delete, "0", "hp.a:*"]);
    deleted.expect("deletes");
    for (epoch, name) in (1..).zip(NAMES) {
        let store = connect(&server, name).await;
        if name == Some("a") {
            let head = store.head(SLOT).await.expect("a head");
            assert_eq!((head.epoch, head.commit_seq), (0, 0));
            let entries = store.poll(event(1, "").to, Cursor::START, 9).await;
            assert_eq!(entries.expect("polls"), []);
        } else {
            check(&store, epoch, name.unwrap_or("none")).await;
        }
    }
}

#[tokio::test]
async fn hints_are_for_one_installation() {
    let server = RedisServer::start().expect("a server");
    for (place, name) in NAMES.into_iter().enumerate() {
        let mut others = Vec::new();
        for (_, name) in NAMES
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place)
        {
            others.push(connect(&server, *name).await);
        }
        let own = connect(&server, name).await;
        let mut hints = own
            .subscribe(&[StreamName::Events])
            .await
            .expect("subscribes");
        let mut commits = own.subscribe_commits().await.expect("subscribes");
        for other in &others {
            other.append(&event(1, "other")).await.expect("appends");
        }
        own.append(&event(2, "own")).await.expect("appends");
        // A hint for others would come first, by the same connection.
        assert_eq!(hints.recv().await, Some(Wake::Stream(event(2, "").to)));
        assert!(commits.try_recv().is_err());
    }
}

#[tokio::test]
async fn rights_for_one_installation_are_none_for_another() {
    let server = RedisSetup::new().start().expect("a server");
    let rules = [
        "ACL", "SETUSER", "tenant", "on", ">word", "~hp.a:*", "&hp.a:*", "+@all",
    ];
    server.ask(&rules).expect("sets");
    let connect = async |name: Option<&str>| {
        let url = server.url().replacen("//", "//tenant:word@", 1);
        let options = RedisOptions {
            url,
            ..options(&server, name)
        };
        RedisStore::connect(options, partitions()).await
    };
    let own = connect(Some("a")).await.expect("connects");
    own.open(SLOT, 1).await.expect("opens");
    own.append(&event(1, "own")).await.expect("appends");
    own.subscribe(&[StreamName::Events])
        .await
        .expect("subscribes");
    for name in [None, Some("a-b"), Some("b")] {
        let error = connect(name).await.expect_err("it may not");
        assert!(
            error.to_string().contains("~hp.NAME:*"),
            "{name:?}: {error}"
        );
    }
}

#[tokio::test]
async fn what_belongs_to_another_database_is_refused() {
    let server = RedisServer::start().expect("a server");
    let connect = async |name: Option<&str>, id: Option<&str>, count| {
        let options = RedisOptions {
            installation_id: id.map(Into::into),
            ..options(&server, name)
        };
        RedisStore::connect(options, count).await.map(drop)
    };
    let count = partitions();
    let other_count = kernel::PartitionCount::DEFAULT;
    for name in NAMES {
        // As a program left it that knew of no ids.
        connect(name, None, count).await.expect("created");
        // A program that does not fit does not take it over either.
        let error = connect(name, Some("misfit"), other_count).await;
        assert!(matches!(error, Err(HotError::Mismatch(_))), "{error:?}");
        for _ in 0..2 {
            connect(name, Some("own"), count)
                .await
                .expect("it is its own");
            let error = connect(name, Some("other"), count)
                .await
                .expect_err("refused");
            let what = name.map_or_else(
                || "an installation without a name".to_owned(),
                |name| format!("an installation named {name}"),
            );
            let HotError::Mismatch(said) = error else {
                panic!("{error:?}");
            };
            assert_eq!(
                said,
                format!(
                    "this Redis has {what}, whose database is another one: give each of them a name of its own \
                     (--installation), name the database that belongs to this one, or use an empty Redis"
                )
            );
        }
        connect(name, None, count).await.expect("nobody compares");
        for (id, fits) in [("own", true), ("other", false)] {
            let looked = hot::check_schema(RedisOptions {
                installation_id: Some(id.into()),
                ..options(&server, name)
            });
            assert_eq!(looked.await.is_ok(), fits, "{id}");
        }
    }
    let nobody = "nobody".parse().expect("a name");
    let looked = hot::check_schema(RedisOptions {
        installation: Some(nobody),
        ..options(&server, None)
    });
    assert_eq!(looked.await.expect("an answer"), None);
}
