//! Mutual TLS between peers: one authority signs all nodes, and every certificate names the cluster.

use cluster_config::TlsOptions;
use rustls::{client::verify_server_name, pki_types::CertificateDer, pki_types::ServerName, server::ParsedCertificate};
use std::path::{Path, PathBuf};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// A PEM file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {}: {reason}", path.display())]
pub(crate) struct TlsError {
    pub(crate) field: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

fn read(field: &'static str, path: &Path, marker: &str) -> Result<Vec<u8>, TlsError> {
    let wrong = |reason: String| TlsError { field, path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let found = String::from_utf8_lossy(&pem).contains(marker);
    if found { Ok(pem) } else { Err(wrong(format!("holds no PEM block {marker:?}"))) }
}

fn ca(tls: &TlsOptions) -> Result<Certificate, TlsError> {
    Ok(Certificate::from_pem(read("peer.tls.ca", &tls.ca, "BEGIN CERTIFICATE")?))
}

fn identity(tls: &TlsOptions) -> Result<Identity, TlsError> {
    let cert = read("peer.tls.cert", &tls.cert, "BEGIN CERTIFICATE")?;
    Ok(Identity::from_pem(cert, read("peer.tls.key", &tls.key, "PRIVATE KEY")?))
}

/// A server that asks every caller for a certificate of the authority.
pub(crate) fn server_tls(tls: &TlsOptions) -> Result<ServerTlsConfig, TlsError> {
    let ca = ca(tls)?;
    Ok(ServerTlsConfig::new().identity(identity(tls)?).client_ca_root(ca))
}

/// A client that wants the cluster's name in the server's certificate, whatever host it calls.
pub(crate) fn client_tls(tls: &TlsOptions, cluster: &str) -> Result<ClientTlsConfig, TlsError> {
    Ok(ClientTlsConfig::new().domain_name(cluster).ca_certificate(ca(tls)?).identity(identity(tls)?))
}

/// Does a caller's certificate name the cluster? The handshake has checked already who signed it.
pub(super) fn names_cluster(cert: &CertificateDer<'_>, cluster: &str) -> Result<(), String> {
    let parsed = ParsedCertificate::try_from(cert).map_err(|e| e.to_string())?;
    let name = ServerName::try_from(cluster).map_err(|e| e.to_string())?;
    verify_server_name(&parsed, &name).map_err(|e| e.to_string())
}
