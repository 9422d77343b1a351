//! Small texts with a meaning: ids, names, lengths of time, instants, addresses, and the values of
//! identifiers.

use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::str::FromStr;

use definitions::IfMatch;
use destination::is_public;
use identity_core::Normalizer;
use kernel::{
    CustomerId, Duration, FragmentId, InstallationName, OutboundAddresses, RunId, Timestamp,
    fold_case, path_keys, push_key, read_name, read_path,
};

use crate::{Target, split, texts, with_text};

const ID: &str = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23";

/// Texts that are written as they are read.
pub(crate) const FORM: Target = Target {
    run: |bytes| with_text(bytes, form),
    seeds: || {
        texts(&[
            ID,
            "30d",
            "1h30m",
            "500ms",
            "2017-01-01T06:00:00.250Z",
            "2017-01-01T06:00:00+01:00",
            "shop-de",
            "public, 10.1.0.0/16,fd00::/8",
            "16.7",
            "12-0",
            "segment/loyal",
            "postgres://me@db/happy?sslmode=disable",
            "k-2026",
            "0123456789abcdef",
            "AQAAAAAAAAAHAAAAAAAAAAIAAAAB",
        ])
    },
    words: &[
        "w", "d", "h", "ms", "Z", "T", "public", "private", "/32", "::", "sqlite:",
    ],
    rounds: 4_000,
};

fn form(text: &str) {
    reads_back::<CustomerId>(text);
    reads_back::<FragmentId>(text);
    reads_back::<RunId>(text);
    reads_back::<Duration>(text);
    reads_back::<Timestamp>(text);
    reads_back::<InstallationName>(text);
    reads_back::<OutboundAddresses>(text);
    reads_back::<audit::ChainId>(text);
    reads_back::<changes::Position>(text);
    reads_back::<vault::KeyId>(text);
    hot::fuzz::names(text);
    if let Ok(url) = text.parse::<storage::DatabaseUrl>() {
        url.tls_files();
        assert!(!url.to_string().is_empty());
    }
    if let Some(bytes) = kernel::from_hex::<8>(text) {
        assert_eq!(kernel::to_hex(&bytes), text.to_ascii_lowercase());
    }
    IfMatch::parse(text);
    rpc::ErrorReason::from_text(text);
}

/// Fails unless a text that is read is written as what reads as the same.
fn reads_back<T: FromStr + Display + Debug + PartialEq>(text: &str)
where
    T::Err: Display,
{
    match text.parse::<T>() {
        Ok(read) => {
            let written = read.to_string();
            let again = written.parse::<T>().ok();
            assert_eq!(
                again.as_ref(),
                Some(&read),
                "{text:?} is written {written:?}"
            );
        }
        // It may quote what it refuses.
        Err(refused) => {
            let most = 1_000 + 2 * text.len();
            assert!((1..most).contains(&refused.to_string().len()));
        }
    }
}

/// Names and paths, in the normal form of Unicode.
pub(crate) const NAME: Target = Target {
    run: |bytes| with_text(bytes, name),
    seeds: || {
        texts(&[
            "purchase",
            "address.city",
            r"address\.city.x\\y",
            "e\u{301}te\u{301}",
            "\u{1100}\u{1161}\u{11a8}",
            "\u{fb1d}\u{0344}",
            "Straße",
            "İstanbul",
        ])
    },
    words: &[
        ".", r"\.", r"\\", "\u{301}", "\u{0344}", "\u{fb2c}", "ẞ", "ﬀ",
    ],
    rounds: 6_000,
};

fn name(text: &str) {
    if let Ok(name) = read_name(text) {
        assert!((1..=kernel::limits::NAME_BYTES).contains(&name.len()));
        assert_eq!(read_name(&name).as_ref(), Ok(&name), "{text:?}");
    }
    if let Ok(path) = read_path(text) {
        assert_eq!(read_path(&path).as_ref(), Ok(&path), "{text:?}");
        let mut joined = String::new();
        path_keys(&path).for_each(|key| push_key(&mut joined, &key));
        assert_eq!(joined, path, "{text:?}");
    }
    let folded = fold_case(text);
    assert_eq!(fold_case(&folded), folded, "{text:?}");
    kernel::nearest(text, ["purchase", "address"]);
}

/// Values of identifiers.
pub(crate) const NORMALIZER: Target = Target {
    run: |bytes| with_text(bytes, normalize),
    seeds: || {
        texts(&[
            "u1",
            " Ada.Lovelace@Example.COM\t",
            "ΑΣ@x.gr",
            "+43 660 1234567",
            "\"a b\"@c.d",
            "İ@x.tr",
        ])
    },
    words: &["@", ".", "..", "\"", "Σ", "\u{a0}", "\u{2028}", "\u{85}"],
    rounds: 8_000,
};

fn normalize(text: &str) {
    for normalizer in [Normalizer::Trim, Normalizer::Lowercase, Normalizer::Email] {
        match normalizer.normalize(text.to_owned()) {
            Ok(clean) => {
                assert_eq!(clean.trim(), clean);
                assert!(!clean.chars().any(char::is_control));
                // Made comparable once, it compares with itself.
                let again = normalizer.normalize(clean.clone());
                assert_eq!(again.as_ref(), Ok(&clean), "{text:?}");
            }
            Err(refused) => assert_eq!(refused.0, text, "it is told as it came"),
        }
    }
}

/// Addresses of destinations, and lists of those that are allowed.
pub(crate) const ADDRESS: Target = Target {
    run: address,
    seeds: || {
        let lists = [
            "public",
            "private",
            "10.0.0.0/8,fd00::/8",
            "public, ::ffff:10.0.0.0/104",
        ];
        let addresses = [
            [10, 1, 2, 3],
            [127, 0, 0, 1],
            [1, 1, 1, 1],
            [169, 254, 169, 254],
        ];
        let pair = |(list, address): (&str, [u8; 4])| [&address[..], list.as_bytes()].concat();
        lists.into_iter().zip(addresses).map(pair).collect()
    },
    words: &["public", "private", "0.0.0.0/0", "::/0", "/32", "/128", ","],
    rounds: 6_000,
};

fn address(bytes: &[u8]) {
    let Some((address, list)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let address = IpAddr::from(*address);
    let IpAddr::V4(v4) = address else {
        return;
    };
    // Whoever writes an address in another way reaches the same machine.
    let mapped = IpAddr::V6(v4.to_ipv6_mapped());
    assert_eq!(is_public(address), is_public(mapped), "{address}");
    with_text(list, |text| {
        let (public, text) = split(text.as_bytes());
        let Ok(list) = str::from_utf8(text)
            .unwrap_or_default()
            .parse::<OutboundAddresses>()
        else {
            return;
        };
        let is_public = public.is_multiple_of(2);
        assert_eq!(
            list.contain(address, is_public),
            list.contain(mapped, is_public)
        );
        let again = list.to_string().parse().expect("it was written");
        assert_eq!(list, again);
    });
}
