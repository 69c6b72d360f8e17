//! Certificates for development and for the demo: an authority and one certificate for each node.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
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
/// authority's key is not kept: for another node, make all of them anew.
pub fn dev_ca(folder: &Path, cluster: &str, nodes: &[&str]) -> Result<(), CertError> {
    fs::create_dir_all(folder).map_err(|source| CertError::Write { path: folder.to_owned(), source })?;
    let make = |name: &str| {
        let name = name.to_owned();
        move |source| CertError::Make { name, source }
    };
    let authority = format!("{cluster} development authority");
    let mut params = CertificateParams::new(Vec::new()).map_err(make(&authority))?;
    params.distinguished_name.push(DnType::CommonName, authority.clone());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(make(&authority))?;
    let ca = CertifiedIssuer::self_signed(params, key).map_err(make(&authority))?;
    write(&folder.join("ca.pem"), &ca.pem(), 0o644)?;

    for node in nodes {
        let names = [cluster, node, "localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).map_err(make(node))?;
        params.distinguished_name.push(DnType::CommonName, (*node).to_owned());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(make(node))?;
        let cert = params.signed_by(&key, &ca).map_err(make(node))?;
        write(&folder.join(format!("{node}.pem")), &cert.pem(), 0o644)?;
        write(&folder.join(format!("{node}.key")), &key.serialize_pem(), 0o600)?;
    }
    Ok(())
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
