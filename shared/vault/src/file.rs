//! A file of keys: a line for each, with its name and 32 bytes in base64. The last is the newest.
//!
//! The file is read again when a key is missing and before keys are rotated, so that a key that was
//! added counts without a start of the process.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cipher::{Cipher, KEY_BYTES, draw_key};
use crate::{KeyId, KeyService, VaultError, WrappedKey};

/// Bytes of the largest file: hundreds of keys. A wrong path may name anything.
const FILE_BYTES: u64 = 64 * 1024;
/// Keeps wrapped keys apart from anything else that is encrypted with the same key.
const DOMAIN: &str = "happypath.vault.key.1";
/// The words for a line that is no key.
const EXPECTED: &str = "is no key: expected a name, a space and 32 bytes in base64, as `happypath secrets generate-key` prints";

/// Keys in a file.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
}

#[derive(Debug)]
struct Keys {
    /// In the order of the file: the newest is the last.
    all: Vec<(KeyId, Cipher)>,
}

impl KeyFile {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// [`VaultError::File`], [`VaultError::Line`], [`VaultError::NoKey`].
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let keys = read(path)?;
        Ok(Self {
            path: path.to_owned(),
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// As [`Self::open`], and makes a file with a key where there is none, which only its owner may
    /// read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_or_create(path: &Path) -> Result<Self, VaultError> {
        if !path.exists() {
            create(path).map_err(|source| VaultError::File {
                path: path.display().to_string(),
                source,
            })?;
        }
        Self::open(path)
    }

    fn known(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again.
    fn reload(&self) -> Result<Arc<Keys>, VaultError> {
        let keys = Arc::new(read(&self.path)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }
}

impl Keys {
    fn find(&self, id: &KeyId) -> Option<&Cipher> {
        let found = self.all.iter().find(|(own, _)| own == id);
        found.map(|(_, cipher)| cipher)
    }
}

#[async_trait]
impl KeyService for KeyFile {
    async fn wrap(&self, key: &[u8]) -> Result<WrappedKey, VaultError> {
        let keys = self.known();
        let newest = keys.all.last();
        let (id, cipher) = newest.ok_or_else(|| VaultError::NoKey(shown(&self.path)))?;
        Ok(WrappedKey {
            key_id: id.clone(),
            bytes: cipher.encrypt(key, context(id).as_bytes())?,
        })
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<Vec<u8>, VaultError> {
        let mut keys = self.known();
        if keys.find(&key.key_id).is_none() {
            keys = self.reload()?;
        }
        let cipher = keys.find(&key.key_id);
        let cipher = cipher.ok_or_else(|| VaultError::UnknownKey(key.key_id.clone()))?;
        cipher.decrypt(&key.bytes, context(&key.key_id).as_bytes())
    }

    async fn newest(&self) -> Result<KeyId, VaultError> {
        let keys = self.reload()?;
        let newest = keys.all.last().map(|(id, _)| id.clone());
        newest.ok_or_else(|| VaultError::NoKey(shown(&self.path)))
    }
}

/// Returns a line for a file of keys, with a new key of this name.
///
/// # Errors
/// [`VaultError::NoRandomness`].
pub fn generate_line(id: &KeyId) -> Result<String, VaultError> {
    Ok(format!("{id} {}", STANDARD.encode(draw_key()?)))
}

fn context(id: &KeyId) -> String {
    format!("{DOMAIN} {id}")
}

fn read(path: &Path) -> Result<Keys, VaultError> {
    let failed = |source| VaultError::File {
        path: shown(path),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        let source = std::io::Error::other("it has more than 64 KiB, so it is no file of keys");
        return Err(failed(source));
    }
    let mut all: Vec<(KeyId, Cipher)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |mistake| VaultError::Line {
            path: shown(path),
            line: index + 1,
            mistake,
        };
        let (id, cipher) = parse(line).ok_or_else(|| fault(EXPECTED))?;
        if all.iter().any(|(own, _)| *own == id) {
            return Err(fault(
                "has the name of another key: give each a name of its own",
            ));
        }
        all.push((id, cipher));
    }
    if all.is_empty() {
        return Err(VaultError::NoKey(shown(path)));
    }
    Ok(Keys { all })
}

fn parse(line: &str) -> Option<(KeyId, Cipher)> {
    let (id, key) = line.split_once(char::is_whitespace)?;
    let key = STANDARD.decode(key.trim()).ok()?;
    let key: [u8; KEY_BYTES] = key.as_slice().try_into().ok()?;
    Some((id.parse().ok()?, Cipher::new(&key)))
}

fn create(path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let id: KeyId = "first".parse().map_err(std::io::Error::other)?;
    let line = generate_line(&id).map_err(std::io::Error::other)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{line}")?;
    file.sync_all()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn check(text: &str, expected: Result<usize, &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, text).expect("written");
        match (KeyFile::open(&path), expected) {
            (Ok(file), Ok(count)) => assert_eq!(file.known().all.len(), count, "{text}"),
            (Err(error), Err(part)) => {
                let shown = format!("{error} {error:?}");
                assert!(shown.contains(part), "{shown}");
                assert!(!shown.contains(KEY), "{shown}");
            }
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn a_file_has_a_key_a_line() {
        check(&format!("one {KEY}\n"), Ok(1));
        check(&format!("# old\none {KEY}\n\n two\t{KEY} \n"), Ok(2));
    }

    #[test]
    fn mistakes_name_the_line_and_show_no_key() {
        check("", Err("has no key"));
        check(KEY, Err("line 1"));
        check(&format!("one {KEY}\ntwo AAAA"), Err("line 2"));
        check(&format!("one {KEY}\none {KEY}"), Err("line 2"));
        check(&format!("o.e {KEY}"), Err("line 1"));
        check(&"#".repeat(70_000), Err("64 KiB"));
        let missing = KeyFile::open(Path::new("/nowhere/keys")).expect_err("none");
        assert!(missing.to_string().contains("/nowhere/keys"));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub").join("keys");
        KeyFile::open_or_create(&path).expect("made");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        KeyFile::open_or_create(&path).expect("the same");
    }
}
