//! Credentials: keys, tokens and the keys of their issuers, certificates, files of callers, and
//! secrets that are stored sealed.

use std::sync::Arc;

use vault::{KeyFile, Vault};

use crate::{Target, texts, with_text};

const PEM: &str = include_str!("../seeds/certificate.pem");
const KEY: &str =
    "hpk_0123456789abcdef_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk_0123456";

/// The header of a credential.
pub(crate) const CREDENTIAL: Target = Target {
    run: access::fuzz::credential,
    seeds: || {
        let made = access::NewKey::make().expect("randomness");
        let key = format!("Bearer {}", made.reveal());
        let mut seeds = texts(&["Bearer aa.bb.cc", "Basic dTpw", "bearer  x ", KEY]);
        seeds.push(key.into_bytes());
        seeds
    },
    words: &["Bearer ", "hpk_", "_", "."],
    rounds: 6_000,
};

/// Tokens.
pub(crate) const TOKEN: Target = Target {
    run: |bytes| with_text(bytes, access::fuzz::token),
    seeds: || {
        let token = access::fuzz::valid_token();
        let none = token.replacen(
            "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ",
            "eyJhbGciOiJub25lIn0",
            1,
        );
        let mut seeds = texts(&[token, &none, "e30.e30.e30", ".."]);
        // Claims of every form.
        let payload = "eyJpc3MiOiJodHRwczovL2lkLmFjbWUiLCJhdWQiOlsiaGFwcHlwYXRoIl0sInN1YiI6InMiLCJleHAiOjFlOTksInNjcCI6WyJhIl0sIm5hbWUiOiJuIn0";
        seeds.push(format!("e30.{payload}.e30").into_bytes());
        seeds
    },
    words: &[
        "e30",
        ".",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9",
        "=",
    ],
    rounds: 500,
};

/// Sets of keys of issuers.
pub(crate) const KEY_SET: Target = Target {
    run: access::fuzz::key_set,
    seeds: || {
        texts(&[
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","use":"sig","alg":"ES256"},{"kty":"oct","k":"AA"}]}"#,
            r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["verify"]},{}]}"#,
        ])
    },
    words: &[
        "\"kty\":",
        "\"RSA\"",
        "\"EC\"",
        "\"OKP\"",
        "\"oct\"",
        "\"use\":\"enc\"",
        "\"alg\":\"HS256\"",
        "{",
        "}",
        ",",
    ],
    rounds: 1_500,
};

/// Files of callers.
pub(crate) const CALLERS: Target = Target {
    run: |bytes| with_text(bytes, access::fuzz::callers),
    seeds: || {
        let hash = "0".repeat(64);
        let keys = format!(
            "keys:\n  - name: shop\n    id: 0123456789abcdef\n    hash: {hash}\n    scopes: [events:write]\n    expire_time: 2030-01-01T00:00:00Z\n"
        );
        let mut seeds = texts(&[
            "certificates:\n  - {name: shop, identity: 'uri:spiffe://acme/shop', scopes: [reports:read]}\n",
            "issuers:\n  - issuer: https://id.acme\n    audiences: [happypath]\n    keys: /keys.json\n    algorithms: [ES256]\n    scopes: [events:write]\n",
            "events:write reports:read",
            "keys: []\ncallers: 1\n",
        ]);
        seeds.push(keys.into_bytes());
        seeds
    },
    words: &[
        "keys:", "- ", "scopes:", "[", "]", "uri:", "https://", "&a ", "*a", "{", "}",
    ],
    rounds: 1_000,
};

/// Certificates and keys: in PEM, and as the bytes of a certificate.
pub(crate) const CERTIFICATE: Target = Target {
    run: |bytes| {
        access::fuzz::pem(bytes);
        access::fuzz::certificate(bytes);
    },
    seeds: || {
        let body: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64_bytes(&body);
        vec![
            PEM.as_bytes().to_vec(),
            der,
            b"-----BEGIN CERTIFICATE-----\nAA==\n".to_vec(),
        ]
    },
    words: &[
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\n",
        "0\u{1}",
    ],
    rounds: 1_500,
};

/// Reads base64 of which only the letters count.
fn base64_bytes(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|own| *own == byte))
    {
        bits = bits << 6 | u32::try_from(digit).expect("below 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    bytes
}

/// Sealed secrets, and files of the keys that they are sealed with.
pub(crate) const SEALED: Target = Target {
    run: |bytes| with_text(bytes, |text| SEALING.with(|it| it.check(text))),
    seeds: || {
        let mut seeds = texts(&[KEYS, "k-1 AAAA\n# no key\n", "sealed.1.k-1.AA==.AA=="]);
        seeds.push(SEALING.with(|it| it.sealed.clone()).into_bytes());
        seeds
    },
    words: &["sealed.1.", ".", "k-1", "AA==", "\n", "# "],
    rounds: 1_000,
};

/// A file of keys.
const KEYS: &str = "k-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

/// A vault, a secret that it sealed, and the folder of its keys.
struct Sealing {
    vault: Vault,
    sealed: String,
    folder: tempfile::TempDir,
}

thread_local! {
    static SEALING: Sealing = Sealing::new();
}

impl Sealing {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, KEYS).expect("a file");
        let vault = Vault::new(Arc::new(KeyFile::open(&path).expect("a file of keys")));
        let sealed = crate::block_on(vault.seal("secret", "channel hook"));
        Self {
            vault,
            sealed: sealed.expect("sealed"),
            folder,
        }
    }

    /// A text is opened that was sealed with the key, for its place, and no other.
    fn check(&self, text: &str) {
        match crate::block_on(self.vault.open(text, "channel hook")) {
            Ok(secret) => assert_eq!(secret, "secret"),
            Err(refused) => assert_ne!(text, self.sealed, "{refused}"),
        }
        let moved = crate::block_on(self.vault.open(text, "channel other"));
        assert!(moved.is_err(), "it is sealed for another place");
        let path = self.folder.path().join("other");
        std::fs::write(&path, text).expect("a file");
        if let Err(refused) = KeyFile::open(&path) {
            assert!(refused.to_string().contains("other"), "{refused}");
        }
    }
}
