//! Certificates for servers and clients of tests: an authority of their own, and what it signed.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use crate::StartError;

/// An authority, a server's certificate for this machine, and a client's; the files go when this is
/// dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes all of them.
    ///
    /// # Errors
    /// [`StartError`] where they cannot be made or written.
    pub fn create() -> Result<Self, StartError> {
        Self::create_until(4096)
    }

    /// Makes all of them; what the authority signs ends with the year before this one.
    ///
    /// # Errors
    /// [`StartError`] where they cannot be made or written.
    pub fn create_until(year: i32) -> Result<Self, StartError> {
        let folder = tempfile::Builder::new()
            .prefix("happypath-certificates-")
            .tempdir()?;
        let certificates = Self { folder };
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate()?;
        fs::write(certificates.authority(), params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        certificates.sign(&issuer, "server", hosts, year)?;
        certificates.sign(&issuer, "client", vec!["client.test".to_owned()], year)?;
        Ok(certificates)
    }

    /// Puts the files of another one in the place of its own, as a renewal does.
    ///
    /// # Errors
    /// [`StartError`] where they cannot be written.
    pub fn replace_by(&self, other: &Self) -> Result<(), StartError> {
        for entry in fs::read_dir(other.folder.path())? {
            let from = entry?;
            fs::copy(from.path(), self.folder.path().join(from.file_name()))?;
        }
        Ok(())
    }

    fn sign(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        name: &str,
        hosts: Vec<String>,
        year: i32,
    ) -> Result<(), StartError> {
        let mut params = CertificateParams::new(hosts)?;
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Servers of a cluster or a set of replicas are clients of each other.
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        fs::write(self.file(name, "crt"), certificate.pem())?;
        fs::write(self.file(name, "key"), key.serialize_pem())?;
        Ok(())
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{kind}"))
    }

    /// The file with the authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.file("authority", "crt")
    }

    /// The files with the server's certificate and key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.file("server", "crt"), self.file("server", "key"))
    }

    /// The files with the client's certificate and key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.file("client", "crt"), self.file("client", "key"))
    }
}
