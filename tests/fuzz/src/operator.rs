//! Words of operators and their machines: configuration, files to import, exports of the audit log,
//! arguments of the command line; and answers of destinations.

use runtime::{Config, ConfigFlags, Defaults, Environment, SETTINGS, mask_secrets};

use crate::{Target, split, texts, with_text};

/// Configurations: a file, of which each line is a variable of the environment too.
pub(crate) const CONFIG: Target = Target {
    run: |bytes| with_text(bytes, config),
    seeds: || {
        texts(&[
            "hot_store: redis://127.0.0.1:6379\ndatabase: postgres://me:x@db/happy\npartitions: 64\n",
            "hot_store: redis+sentinel://a,b/main?tls=1\ndurability: journal\nreplicas_acked: 2\nlease_ttl: 9s\n",
            "HAPPYPATH_LISTEN=0.0.0.0:7401\nHAPPYPATH_OUTBOUND_ALLOW=public,10.0.0.0/8\nHAPPYPATH_LOG_LEVEL=warn,hot=debug\n",
            "partitions: [1]\nlog_levle: warn\nclock: wall\nevent_retention: 30d\n",
            "hot_store: embedded:/x\ndatabase: sqlite:y\ntrace_ratio: 0.5\ncaller_rate: 100\ninstallation: shop\n",
        ])
    },
    words: &[
        "hot_store: ",
        "database: ",
        "HAPPYPATH_",
        "=",
        "redis://",
        "rediss+cluster://",
        "embedded:",
        "30d",
        "0",
        "-1",
        "1e9",
        "true",
        "!!int ",
        "&a ",
        "*a",
        "{",
        "[",
        "\"",
        "|\n",
        "off",
    ],
    rounds: 300,
};

fn config(text: &str) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder");
    }
    let path = FOLDER.with(|folder| folder.path().join("happypath.yaml"));
    std::fs::write(&path, text).expect("a file");
    let flags = ConfigFlags {
        file: Some(path),
        ..ConfigFlags::default()
    };
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let environment = Environment::of(lines.map(|(name, value)| (name.into(), value.into())));
    match Config::load(&Defaults::of_service("journey"), &flags, &environment) {
        Ok(config) => assert!(!config.effective().is_empty()),
        Err(faults) => {
            assert!(!faults.0.is_empty());
            for fault in faults.0 {
                assert!(
                    !fault.setting.is_empty() && !fault.problem.is_empty(),
                    "{fault}"
                );
                let is_ours = SETTINGS.iter().any(|own| own.name == fault.setting);
                assert!(
                    !is_ours || fault.to_string().contains(&fault.setting),
                    "{fault}"
                );
            }
        }
    }
}

/// Passwords in addresses: the first byte says in which, the others are the password.
pub(crate) const PASSWORD: Target = Target {
    run: |bytes| {
        let (place, password) = split(bytes);
        with_text(password, |password| masked(place, password));
    },
    seeds: || {
        let passwords = [
            "\0secret",
            "\x01se@cret",
            "\x02a/b?c",
            "\x03p:w#x",
            "\0postgres://a",
        ];
        texts(&passwords)
    },
    words: &["@", ":", "/", "?", "://", "#", "%40"],
    rounds: 20_000,
};

/// Letters of the end of a password that must not be seen: fewer may be there by chance.
const SEEN: usize = 3;

fn masked(place: u8, password: &str) {
    // An ampersand ends a parameter, and these names begin one. Stars stand for what is hidden.
    let is_odd = ["&", "pass", "token", "*"]
        .iter()
        .any(|odd| password.contains(odd));
    let (before, after) = match place % 4 {
        0 => ("postgres://me:", "@db:5432/happy?sslmode=require"),
        1 => (
            "postgres://db:5432/happy?user=me&password=",
            "&sslmode=require",
        ),
        2 => ("redis://:", "@redis:6379/0"),
        _ => ("postgres://me@db:5432/happy?password=", ""),
    };
    let last = password.char_indices().rev().nth(SEEN - 1);
    let end = last.map_or("", |(at, _)| &password[at..]);
    let place = format!("://{}", after.trim_start_matches('@'));
    let is_elsewhere = [before, after, &place].iter().any(|it| it.contains(end));
    if is_odd || is_elsewhere {
        return;
    }
    let address = format!("{before}{password}{after}");
    let shown = mask_secrets(&address);
    assert!(!shown.contains(end), "{address} is shown as {shown}");
    if let Ok(url) = address.parse::<storage::DatabaseUrl>() {
        assert!(
            !url.to_string().contains(end),
            "{address} is shown as {url}"
        );
    }
}

/// Files to import: the first byte says in which form.
pub(crate) const IMPORT: Target = Target {
    run: |bytes| {
        let (form, file) = split(bytes);
        match form % 5 {
            0 => happypath::fuzz::separated(b',', file),
            1 => happypath::fuzz::separated(b'\t', file),
            2 => happypath::fuzz::json_lines(file),
            3 => happypath::fuzz::json_values(file),
            _ => happypath::fuzz::file(file),
        }
    },
    seeds: || {
        texts(&[
            "\0timestamp,customer_id,event,value\n2017-01-01,1,purchase,2.5\n2017-01-02,\"2\n3\",purchase,\n",
            "\0time,email,x\r1483250400,a@b.c,1\r1483250401000,a@b.c,\"\"\"\"\r\n",
            "\x01date\tuser\tname\n2017-01-01T07:00:00+01:00\tu\ta\n\n",
            "\x02{\"time\":\"2017-01-01\",\"user_id\":\"u1\",\"event\":\"a\",\"value\":1}\n\n{\"time\":1483250400,\"name\":\"a\",\"identifiers\":{\"email\":\"a@b.c\"},\"properties\":{\"x\":[1]}}\n",
            "\0time,user_id,x\n1,1,\"never\n2,2,\"a\"b\n3,3, \"c\"\n4,4,d \"e\" f\n",
            "\x03[\n  {\"time\": \"2017-01-01\",\n \"user_id\": \"u1\"},\n  {\"a\": [1}\n,\n  {\"time\": 1}]\n",
            "\x03{\n\"time\": 1483250400\n}\n{\"user\": \"u\n}\n{}\n",
            "\x04\u{feff}time;user_id\n1969-12-31T23:59:59.5Z;1\n",
            "\x04sep=|\r\ntime|user\r2017-01-01|1\r",
            "\x04t\0i\0",
            "\x04PK\x03\x04xl/",
        ])
    },
    words: &[
        "\n",
        "\r",
        "\r\n",
        "\"",
        "\"\"",
        ",",
        "\t",
        "time",
        "user_id",
        "{\"",
        "null",
        "2017-01-01",
        ";",
        "|",
        "[",
        "}",
        "\u{feff}",
        "\0",
    ],
    rounds: 4_000,
};

/// Exports of the audit log.
pub(crate) const AUDIT: Target = Target {
    run: |bytes| with_text(bytes, happypath::fuzz::audit_line),
    seeds: || {
        texts(&[
            "{\"head\":{\"chain_id\":\"00000000-0000-0000-0000-000000000001\",\"worker\":\"w\",\"sequence\":\"2\",\"hash\":\"AQ==\",\"open_time\":\"2026-01-01T00:00:00Z\",\"pruned\":{\"sequence\":\"1\",\"hash\":\"AA==\"}}}\n{\"entry\":{\"chain_id\":\"00000000-0000-0000-0000-000000000001\",\"sequence\":\"2\",\"time\":\"2026-01-01T00:00:00.5Z\",\"action\":\"audit.prune\",\"object\":\"00000000-0000-0000-0000-000000000001 up to 1 0000000000000000000000000000000000000000000000000000000000000000 from 2026-01-01T00:00:00Z to 2026-01-01T00:00:00Z\",\"outcome\":\"OK\"}}\n",
            "{\"head\":{\"chain_id\":\"00000000-0000-0000-0000-000000000002\",\"sequence\":\"18446744073709551615\",\"pruned\":{\"sequence\":\"18446744073709551615\"}}}\n{\"head\":{\"chain_id\":\"00000000-0000-0000-0000-000000000001\",\"sequence\":\"18446744073709551615\",\"pruned\":{\"sequence\":\"18446744073709551615\"}}}\n",
        ])
    },
    words: &[
        "\n",
        "{\"head\":{",
        "{\"entry\":{",
        "}}",
        "\"sequence\":\"",
        "\"hash\":\"",
        "null",
        "\"time\":",
    ],
    rounds: 600,
};

/// Arguments of the command line.
pub(crate) const ARGUMENTS: Target = Target {
    run: |bytes| with_text(bytes, happypath::fuzz::arguments),
    seeds: || {
        texts(&[
            "2017-01-01T06:00:00Z",
            "2017-01-01 06:00",
            "1483250400",
            "-1483250400500",
            "1969-12-31T23:59:59.999999999Z",
            "2024-05-01 10:00:00.123456 UTC",
            "Wed, 01 May 2024 10:00:00 +0200 (CEST)",
            "2024-05-01T10:00+02:00[Europe/Berlin]",
            "5/1/2024, 3:30:00 PM",
            "01-MAY-2024 24:00",
            "2024-W18-3T10",
            "1.714557600123456E9",
            "45413.5",
            "1.249,50",
            "1'249.50e-07",
            "[1, {\"a\": null}]",
            "user_id:u1",
            "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23",
        ])
    },
    words: &[
        "T",
        "Z",
        "+01:00",
        "[Europe/Vienna]",
        "-",
        ":",
        "9999-12-31",
        "-009999-01-01",
        "/",
        ".",
        ",",
        " UTC",
        " PM",
        "CET",
        "May",
        "W",
        "24:00:00",
        ":60",
        "e+",
        "0",
        "999",
        "\u{202f}",
        "%Y",
    ],
    rounds: 6_000,
};

/// Answers of destinations: the first byte and 100 are a status, the others `Retry-After`.
pub(crate) const ANSWER: Target = Target {
    run: |bytes| {
        let (status, retry_after) = split(bytes);
        // Twice, since statuses are more than a byte has.
        outbound::fuzz::answer(100 + u16::from(status), retry_after);
        outbound::fuzz::answer(350 + u16::from(status), retry_after);
    },
    seeds: || {
        texts(&[
            "\x4f120",
            "\x4fWed, 21 Oct 2035 07:29:30 GMT",
            "\x3aMon, 01 Jan 0001 00:00:00 -2359",
            "\x4f99999999999999999999999",
        ])
    },
    words: &[
        "Wed, ",
        "21 Oct 2035 ",
        "23:59:60",
        "GMT",
        "+0000",
        "Z",
        "-",
    ],
    rounds: 6_000,
};
