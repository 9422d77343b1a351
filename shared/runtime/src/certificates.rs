//! The certificates that this process shows to others, and until when they are good.

use std::path::PathBuf;
use std::sync::Arc;

use access::tls::{ServerTls, end_of_file};
use hot::RedisOptions;
use kernel::Timestamp;

use crate::config::{Config, HotStoreAddress};

/// A certificate of this process.
#[derive(Debug)]
pub(crate) struct OwnCertificate {
    /// Says to whom it is shown.
    pub(crate) usage: &'static str,
    place: Place,
}

/// Where a certificate is.
#[derive(Debug)]
enum Place {
    /// In use by the listener, whatever its file holds by now.
    Listener(Arc<ServerTls>),
    /// In a file that is read again with each new connection.
    File(PathBuf),
}

impl OwnCertificate {
    /// Returns the certificates that the configuration names: that of the listener, which is shown
    /// to other services too, and those shown to the stores and the collector.
    pub(crate) fn all(config: &Config, listener: Option<Arc<ServerTls>>) -> Vec<Self> {
        let hot_store = match &config.hot_store {
            Some(HotStoreAddress::Redis(url)) => RedisOptions::new(url).certificate_file(),
            Some(HotStoreAddress::Embedded(_)) | None => None,
        };
        let mut files = config.database.tls_files().into_iter();
        let database = files.find(|(name, _)| name == "sslcert");
        let collector = config.collector.as_ref();
        let collector = collector.and_then(|it| it.tls.identity.clone());
        let files = [
            ("hot_store", hot_store),
            ("database", database.map(|(_, path)| path)),
            ("collector", collector.map(|(certificate, _)| certificate)),
        ];
        let files = files.into_iter().filter_map(|(usage, path)| {
            let place = Place::File(path?);
            Some(Self { usage, place })
        });
        let listener = listener.map(|tls| Self {
            usage: "services",
            place: Place::Listener(tls),
        });
        listener.into_iter().chain(files).collect()
    }

    /// Returns the seconds for which it is good, negative where it has ended; absent where it
    /// cannot be read.
    pub(crate) fn seconds_left(&self, now: Timestamp) -> Option<f64> {
        let end = match &self.place {
            Place::Listener(tls) => tls.end(),
            Place::File(path) => end_of_file(path).ok()?,
        };
        let left_ms = end.as_millis().saturating_sub(now.as_millis());
        #[expect(
            clippy::cast_precision_loss,
            reason = "certificates end within centuries"
        )]
        Some(left_ms as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use testkit::Certificates;

    use super::*;

    fn in_file(path: PathBuf) -> OwnCertificate {
        OwnCertificate {
            usage: "collector",
            place: Place::File(path),
        }
    }

    #[test]
    fn a_certificate_is_good_until_its_end_and_one_that_cannot_be_read_says_nothing() {
        let certificates = Certificates::create().expect("certificates");
        let (path, key) = certificates.client();
        let end = end_of_file(&path).expect("a certificate");
        let own = in_file(path);
        let minute = kernel::Duration::from_millis(60_000);
        assert_eq!(own.seconds_left(end - minute), Some(60.0));
        assert_eq!(own.seconds_left(end + minute), Some(-60.0));
        assert_eq!(in_file(key).seconds_left(end), None);
    }
}
