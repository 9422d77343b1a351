//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;

/// The URL of a SQLite file or of a Postgres database. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    text: String,
    backend: Backend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    SqliteMemory,
    Postgres,
}

/// A text is not the URL of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the URL of a database: expected sqlite:FOLDER/FILE, sqlite::memory:, or postgres://USER:PASSWORD@HOST:5432/DATABASE"
)]
pub struct ParseDatabaseUrlError;

impl DatabaseUrl {
    /// The SQLite file at a path, created when it is opened.
    pub fn sqlite_file(path: &Path) -> Self {
        Self {
            text: format!("sqlite:{}", path.display()),
            backend: Backend::Sqlite,
        }
    }

    /// Returns whether it is a SQLite file, or a SQLite database in memory.
    pub fn is_sqlite(&self) -> bool {
        self.backend != Backend::Postgres
    }

    /// The SQLite file; absent for one in memory, and for Postgres.
    pub fn file(&self) -> Option<PathBuf> {
        let text = self.text.strip_prefix("sqlite:")?;
        let text = text.strip_prefix("//").unwrap_or(text);
        let path = text.split_once('?').map_or(text, |(path, _)| path);
        (self.backend == Backend::Sqlite).then(|| path.into())
    }

    /// The files of TLS that connections read, each with the parameter that names it:
    /// `sslrootcert`, `sslcert`, `sslkey`.
    pub fn tls_files(&self) -> Vec<(String, PathBuf)> {
        let options = match self.backend {
            Backend::Postgres => self.text.parse::<PgConnectOptions>().ok(),
            Backend::Sqlite | Backend::SqliteMemory => None,
        };
        let Some(options) = options else {
            return Vec::new();
        };
        let parameters = options.to_url_lossy();
        let files = parameters.query_pairs().filter_map(|(name, value)| {
            // The driver marks files so; a certificate may be in the URL itself, too.
            let path = value.strip_prefix("file: ")?;
            name.starts_with("ssl")
                .then(|| (name.to_string(), PathBuf::from(path)))
        });
        files.collect()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn backend(&self) -> Backend {
        self.backend
    }
}

impl FromStr for DatabaseUrl {
    type Err = ParseDatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseDatabaseUrlError> {
        let backend = if text == "sqlite::memory:" {
            Backend::SqliteMemory
        } else if text
            .strip_prefix("sqlite:")
            .is_some_and(|rest| !rest.is_empty())
        {
            Backend::Sqlite
        } else if ["postgres://", "postgresql://"].iter().any(|scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        }) {
            Backend::Postgres
        } else {
            return Err(ParseDatabaseUrlError);
        };
        Ok(Self {
            text: text.to_owned(),
            backend,
        })
    }
}

impl fmt::Display for DatabaseUrl {
    /// Writes it without user name and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.text.split_once("://"), self.backend) {
            (Some((scheme, rest)), Backend::Postgres) => {
                // Parameters may carry a password too, and either password may hold the sign that
                // ends it: then nothing is sure.
                let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
                let place = match place.rsplit_once('@') {
                    _ if parameters.contains('@') => "…",
                    Some((_, place)) => place,
                    None => place,
                };
                write!(f, "{scheme}://{place}")
            }
            _ => f.write_str(&self.text),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_their_password() {
        for (text, shown) in [
            ("sqlite:data/happypath.db", "sqlite:data/happypath.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            (
                "postgres://me:pa@ss@db:5432/happy?password=x",
                "postgres://db:5432/happy",
            ),
            ("postgresql://db/happy", "postgresql://db/happy"),
            ("postgres://db/happy?password=pa@ss", "postgres://…"),
            ("postgres://me:pa@s?s@db/happy", "postgres://…"),
        ] {
            let url: DatabaseUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.is_sqlite(), text.starts_with("sqlite"));
        }
    }

    #[test]
    fn a_sqlite_database_has_a_file_unless_it_is_in_memory() {
        for (text, file) in [
            ("sqlite:data/happypath.db", Some("data/happypath.db")),
            (
                "sqlite:///data/happypath.db?mode=rw",
                Some("/data/happypath.db"),
            ),
            ("sqlite::memory:", None),
            ("postgres://db/happy", None),
        ] {
            let url: DatabaseUrl = text.parse().expect(text);
            assert_eq!(url.file(), file.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn files_of_tls_are_found_by_any_name_of_their_parameters() {
        let url = "postgres://me@db/happy?sslmode=verify-full&sslrootcert=/etc/ca%20of%20ours.pem&ssl-cert=a.pem&sslkey=b.pem";
        let url: DatabaseUrl = url.parse().expect("a URL");
        let found = url.tls_files();
        let found: Vec<_> = found
            .iter()
            .map(|(name, path)| (name.as_str(), path.to_str().expect("text")))
            .collect();
        assert_eq!(
            found,
            [
                ("sslrootcert", "/etc/ca of ours.pem"),
                ("sslcert", "a.pem"),
                ("sslkey", "b.pem")
            ]
        );
        let plain: DatabaseUrl = "postgres://db/happy?sslmode=disable"
            .parse()
            .expect("a URL");
        assert_eq!(plain.tls_files(), []);
    }

    #[test]
    fn what_is_no_url_of_a_database_is_refused() {
        for text in ["", "sqlite:", "mysql://db/x", "postgres://", "happypath.db"] {
            assert_eq!(
                text.parse::<DatabaseUrl>(),
                Err(ParseDatabaseUrlError),
                "{text}"
            );
        }
    }
}
