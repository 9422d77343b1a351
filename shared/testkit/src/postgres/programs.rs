//! The programs of Postgres: where they are, and how a cluster is made and started with them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::child::{find, kill_9, serves, tail};
use crate::{Certificates, StartError};

const PACKAGE: &str = "postgresql";

/// The programs of one version, and who runs them: Postgres refuses to be root.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl Programs {
    /// Takes the newest version that is installed.
    pub(super) fn find() -> Result<Self, StartError> {
        let mut folders: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        folders.sort();
        let mut newest = folders
            .into_iter()
            .rev()
            .map(|(_, path)| path.join("initdb"));
        let initdb = match newest.find(|file| file.is_file()) {
            Some(initdb) => initdb,
            // On the PATH it may be a link, and its neighbours are where it leads.
            None => find("initdb", PACKAGE, &[])?.canonicalize()?,
        };
        let folder = initdb.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let user = is_root.then(postgres_user).transpose()?;
        Ok(Self { folder, user })
    }

    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null()).current_dir("/");
        command
    }

    /// Lets the user that runs the programs have a file or folder.
    pub(super) fn give(&self, path: &Path) -> Result<(), StartError> {
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Has a server that was not started yet speak TLS, and returns its arguments for that.
    pub(super) fn secure(
        &self,
        folder: &Path,
        certificates: &Certificates,
    ) -> Result<Vec<String>, StartError> {
        let (certificate, key) = certificates.server();
        let mut arguments = Vec::new();
        for (setting, from) in [
            ("ssl_cert_file", certificate),
            ("ssl_key_file", key),
            ("ssl_ca_file", certificates.authority()),
        ] {
            let to = folder.join(setting);
            fs::copy(from, &to)?;
            // The server reads no key that others may read.
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
            self.give(&to)?;
            arguments.extend(["-c".to_owned(), format!("{setting}={}", to.display())]);
        }
        arguments.extend(["-c".to_owned(), "ssl=on".to_owned()]);
        let rules = "local all all trust\nhostssl all all all trust clientcert=verify-ca\n";
        fs::write(folder.join("data/pg_hba.conf"), rules)?;
        Ok(arguments)
    }

    pub(super) fn init(&self, folder: &Path) -> Result<(), StartError> {
        let log = folder.join("initdb.log");
        let output = File::create(&log)?;
        let made = self
            .command("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "postgres"])
            .args(["--locale=C", "-E", "UTF8", "-D"])
            .arg(folder.join("data"))
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        if made.success() {
            Ok(())
        } else {
            Err(StartError::Failed {
                program: "initdb",
                log: tail(&log),
            })
        }
    }

    pub(super) fn spawn(
        &self,
        arguments: &[String],
        folder: &Path,
        port: u16,
    ) -> Result<Child, StartError> {
        let log = folder.join("postgres.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(folder)
            .args(["-c", "listen_addresses=127.0.0.1", "-p"])
            .arg(port.to_string())
            .args(arguments)
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let is_ready = || {
            // The server writes "ready" into its own lock file, so another one on the port cannot
            // be taken for it.
            fs::read_to_string(folder.join("data/postmaster.pid"))
                .is_ok_and(|text| text.lines().any(|line| line.trim() == "ready"))
        };
        if serves(&mut child, is_ready)? {
            Ok(child)
        } else {
            // The server may still hang in its start.
            let _gone = kill_9(&mut child);
            Err(StartError::Failed {
                program: "postgres",
                log: tail(&log),
            })
        }
    }
}

/// The ids of the user that the package creates.
fn postgres_user() -> Result<(u32, u32), StartError> {
    let users = fs::read_to_string("/etc/passwd")?;
    users
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == "postgres").then_some(())?;
            let user = fields.nth(1)?.parse().ok()?;
            Some((user, fields.next()?.parse().ok()?))
        })
        .ok_or_else(|| {
            StartError::Io(io::Error::new(
                io::ErrorKind::NotFound,
                "postgres refuses to run as root, and there is no user `postgres`",
            ))
        })
}
