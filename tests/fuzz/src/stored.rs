//! Values of stores, damaged or by somebody else: rows of the journal, values on disk, replies
//! of Redis. States are in [`state`](crate::state).

use bytes::Bytes;
use prost::Message as _;
use proto::journal::v1::{PackedChunk, PackedCommit, PackedOutput, PackedSnapshot, PackedState};
use proto::stream::v1::change_record::Kind;
use proto::stream::v1::record::Body;
use proto::stream::v1::{Batch, ChangeBatch, ChangeRecord, Event, MapMoved, Record, Tick};

use crate::{Target, split, texts};

fn batch() -> Vec<u8> {
    let record = |time_ms, body| Record {
        customer_id: Bytes::from_static(&[7; 16]),
        time_ms,
        body: Some(body),
        ..Record::default()
    };
    let event = Event {
        name: "purchase".to_owned(),
        ..Event::default()
    };
    let records = vec![
        record(1_700_000_000_000, Body::Event(event.clone())),
        record(5, Body::Tick(Tick {})),
        record(-3, Body::Event(event)),
    ];
    let batch = Batch {
        records,
        ..Batch::default()
    };
    batch.encode_to_vec()
}

fn state() -> PackedState {
    PackedState {
        key: Bytes::from_static(b"key"),
        value: Some(Bytes::from_static(b"value")),
        due_ms: Some(9),
        ..PackedState::default()
    }
}

/// Payloads of rows of the journal.
pub(crate) const JOURNAL: Target = Target {
    run: journal::fuzz::payload,
    seeds: || {
        let commit = PackedCommit {
            states: vec![state()],
            outputs: vec![PackedOutput {
                stream: 2,
                payload: batch().into(),
            }],
            dropped_groups: vec!["old".to_owned()],
            ..PackedCommit::default()
        };
        let plain = |message: &[u8]| [&[0], message].concat();
        let packed = journal::fuzz::packed(&[7; 300]);
        vec![
            plain(&batch()),
            plain(&commit.encode_to_vec()),
            [&[1], &packed[..]].concat(),
            vec![1, 0xff, 0xff, 0xff, 0xff, 0],
        ]
    },
    words: &["\n\u{0}", "\u{1}\u{10}\u{0}\u{0}\u{0}", "r\u{1}x"],
    rounds: 4_000,
};

/// Rows of the log of changes.
pub(crate) const CHANGES: Target = Target {
    run: |bytes| {
        changes::fuzz::row(bytes);
        // Most changes of what is compressed only break that.
        changes::fuzz::row(&changes::fuzz::packed(bytes));
    },
    seeds: || {
        let change = |customer: [u8; 16], kind| ChangeRecord {
            customer_id: Bytes::from_owner(customer),
            time_ms: 1_700_000_000_000,
            kind: Some(kind),
        };
        let erased = Bytes::from_static(&changes::fuzz::CUSTOMER);
        let moved = MapMoved {
            journey_map: "onboarding".to_owned(),
            ..MapMoved::default()
        };
        let batch = ChangeBatch {
            changes: vec![
                change(changes::fuzz::CUSTOMER, Kind::Position(moved.clone())),
                change([9; 16], Kind::MergedIntoId(erased)),
                change([9; 16], Kind::Position(moved)),
            ],
        };
        let batch = batch.encode_to_vec();
        let many = changes::fuzz::packed(&batch.repeat(9));
        vec![batch, many, vec![3, 1, 9, 0xff, 7, 1, 2]]
    },
    words: &["\n\u{0}", "\u{1}\u{10}\u{0}\u{0}\u{0}", ":\u{10}"],
    rounds: 4_000,
};

/// Parts of snapshots.
pub(crate) const SNAPSHOT: Target = Target {
    run: |bytes| {
        journal::fuzz::snapshot(bytes);
        // Most changes of what is compressed only break that.
        journal::fuzz::snapshot(&journal::fuzz::packed(bytes));
    },
    seeds: || {
        let chunk = PackedChunk {
            states: vec![state()],
            ..PackedChunk::default()
        };
        let snapshot = PackedSnapshot {
            epoch: 3,
            outbox_seq: 7,
            forwarded_seq: 7,
            ..PackedSnapshot::default()
        };
        let messages = [chunk.encode_to_vec(), snapshot.encode_to_vec()];
        let packed = messages
            .iter()
            .map(|message| journal::fuzz::packed(message));
        packed.chain(messages.clone()).collect()
    },
    words: &[
        "\n\u{0}",
        "\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{1}",
    ],
    rounds: 3_000,
};

/// Small values of the embedded store, and states with their timers.
pub(crate) const STORED: Target = Target {
    run: |bytes| {
        hot::fuzz::state(bytes);
        hot::fuzz::values(bytes);
        let (bucket, element) = split(bytes);
        let bucket = match bucket {
            0 => i64::MIN >> 21,
            1 => i64::MAX >> 21,
            other => i64::from(other) - 100,
        };
        hot::fuzz::elements(bucket, element);
    },
    seeds: || {
        vec![
            b"\x07\x80\x90\xa0\x01\x05state".to_vec(),
            vec![0; 88],
            vec![1; 24 + 16],
            [&[9], &[5, 0, 0x60, 0, 1, 2, 3][..]].concat(),
        ]
    },
    words: &["\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{1}", "\u{7f}"],
    rounds: 10_000,
};

/// Replies of Redis.
pub(crate) const REPLY: Target = Target {
    run: hot::fuzz::replies,
    seeds: || {
        texts(&[
            "*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$3\r\n4.7\r\n$1\r\nx\r\n",
            "*2\r\n*6\r\n$5\r\nepoch\r\n$2\r\n-3\r\n$8\r\nc:events\r\n$3\r\n1-2\r\n$4\r\nnext\r\n:5\r\n*4\r\n$5\r\nfacts\r\n$5\r\n2:3.4\r\n$7\r\nfacts:9\r\n$1\r\n8\r\n",
            "%1\r\n+seq\r\n:7\r\n",
            "$9\r\n3:actions\r\n",
            "*-1\r\n",
            "=8\r\ntxt:1-22\r\n",
        ])
    },
    words: &[
        "\r\n",
        "*1\r\n",
        "$1\r\n",
        ":1\r\n",
        "_\r\n",
        "%1\r\n",
        "~1\r\n",
        "-ERR x\r\n",
        "facts",
        "events",
    ],
    rounds: 6_000,
};
