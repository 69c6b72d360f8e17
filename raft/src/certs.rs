//! Certificates for development and for the demo: an authority and one certificate for each node.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why no certificates were made.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A file of the authority cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The authority's certificate is not that of its key, or of another cluster.
    #[error("the certificate of {node:?} would not be accepted under this ca.pem: {reason}; is it of another cluster?")]
    OtherAuthority {
        /// For whom it was made.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// A name cannot stand in a certificate, or no key could be made.
    #[error("cannot make the certificate of {name:?}: {source}")]
    Make {
        /// For whom.
        name: String,
        /// The reason.
        #[source]
        source: rcgen::Error,
    },
}

/// Makes an authority for `cluster` and a certificate for each of `nodes`: `ca.pem`, and `{node}.pem` and `{node}.key`
/// for each node, in `folder`. Every certificate names the cluster, the node, `localhost` and 127.0.0.1. The
/// authority's key is not kept: for another node, make all of them anew, or [keep it](DevAuthority::keep_key).
pub fn dev_ca(folder: &Path, cluster: &str, nodes: &[&str]) -> Result<(), CertError> {
    let authority = DevAuthority::new(folder, cluster)?;
    nodes.iter().try_for_each(|node| authority.issue(folder, node))
}

/// An authority for development: it signs the certificates of a cluster's nodes.
pub struct DevAuthority {
    cluster: String,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl DevAuthority {
    /// Makes one, and writes `ca.pem` into `folder`.
    pub fn new(folder: &Path, cluster: &str) -> Result<Self, CertError> {
        fs::create_dir_all(folder).map_err(|source| CertError::Write { path: folder.to_owned(), source })?;
        let key = KeyPair::generate().map_err(make(cluster))?;
        let cert = authority(cluster)?.self_signed(&key).map_err(make(cluster))?;
        write(&folder.join("ca.pem"), &cert.pem(), 0o644)?;
        Ok(Self { cluster: cluster.to_owned(), pem: cert.pem(), issuer: Issuer::new(authority(cluster)?, key) })
    }

    /// Takes up one whose `ca.pem` and `ca.key` are in `folder`.
    pub fn load(folder: &Path, cluster: &str) -> Result<Self, CertError> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| CertError::Read { path, source })
        };
        let (pem, key) = (read("ca.pem")?, read("ca.key")?);
        let key = KeyPair::from_pem(&key).map_err(make(cluster))?;
        Ok(Self { cluster: cluster.to_owned(), pem, issuer: Issuer::new(authority(cluster)?, key) })
    }

    /// Writes the authority's key into `folder`, as `ca.key`, so that nodes can be added later. Who has it can be any
    /// node of the cluster.
    pub fn keep_key(&self, folder: &Path) -> Result<(), CertError> {
        write(&folder.join("ca.key"), &self.issuer.key().serialize_pem(), 0o600)
    }

    /// Makes a node's certificate and key in `folder`, and the authority's certificate beside them.
    pub fn issue(&self, folder: &Path, node: &str) -> Result<(), CertError> {
        fs::create_dir_all(folder).map_err(|source| CertError::Write { path: folder.to_owned(), source })?;
        let names = [&*self.cluster, node, "localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).map_err(make(node))?;
        params.distinguished_name.push(DnType::CommonName, node);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(make(node))?;
        let cert = params.signed_by(&key, &self.issuer).map_err(make(node))?;
        self.check(node, cert.der())?;
        write(&folder.join("ca.pem"), &self.pem, 0o644)?;
        write(&folder.join(format!("{node}.pem")), &cert.pem(), 0o644)?;
        write(&folder.join(format!("{node}.key")), &key.serialize_pem(), 0o600)
    }

    /// A key or a cluster's name that is not of this `ca.pem` makes certificates that nobody accepts.
    fn check(&self, node: &str, cert: &CertificateDer<'_>) -> Result<(), CertError> {
        let other = |reason: String| CertError::OtherAuthority { node: node.to_owned(), reason };
        let mut roots = RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(self.pem.as_bytes()) {
            roots.add(ca.map_err(|e| other(e.to_string()))?).map_err(|e| other(e.to_string()))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| other(e.to_string()))?;
        verifier.verify_client_cert(cert, &[], UnixTime::now()).map(|_| ()).map_err(|e| other(e.to_string()))
    }
}

fn make(name: &str) -> impl FnOnce(rcgen::Error) -> CertError {
    let name = name.to_owned();
    move |source| CertError::Make { name, source }
}

/// Always the same for a cluster, so that its key is enough to take it up again.
fn authority(cluster: &str) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(make(cluster))?;
    params.distinguished_name.push(DnType::CommonName, format!("{cluster} development authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|source| CertError::Write { path: path.to_owned(), source })
}
