//! Mutual TLS between peers: one authority signs all nodes, and every certificate names the cluster.
//!
//! The files are read again when they change. A connection uses what was newest when it was made, and what cannot be
//! used is logged and left alone: a half-written file never takes a node out of its cluster.

use super::reason_chain;
use cluster_config::{NodeConfig, TlsOptions};
use parking_lot::RwLock;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How often the files are looked at.
pub(crate) const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

/// A PEM file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {}: {reason}", path.display())]
pub(crate) struct TlsError {
    pub(crate) field: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

/// The three files, as they stand on the disk.
#[derive(PartialEq, Eq)]
struct Pem {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// What new connections use.
struct Loaded {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// The certificates of a node, as of now.
#[derive(Clone)]
pub(crate) struct Certificates(Arc<Inner>);

struct Inner {
    options: TlsOptions,
    cluster: String,
    name: ServerName<'static>,
    loaded: RwLock<Loaded>,
    reloads: AtomicU64,
}

impl Certificates {
    /// Those of a node, where it is to have any.
    pub(crate) fn of(config: &NodeConfig) -> Result<Option<(Self, Seen)>, TlsError> {
        config.peer.tls.as_ref().map(|tls| Self::load(tls, &config.cluster)).transpose()
    }

    /// Reads and checks the files. Gives what [`follow`](Self::follow) needs to see a change.
    fn load(options: &TlsOptions, cluster: &str) -> Result<(Self, Seen), TlsError> {
        // One file after the other, so that the first that is wrong is the one that is named.
        let wrong = |reason| TlsError { field: "peer.tls.ca", path: options.ca.clone(), reason };
        certificates(&std::fs::read(&options.ca).map_err(|e| wrong(e.to_string()))?).map_err(wrong)?;
        let pem = Pem::read(options)?;
        let loaded = pem.load(options, cluster)?;
        let name = ServerName::try_from(cluster.to_owned()).map_err(|e| TlsError {
            field: "cluster",
            path: options.cert.clone(),
            reason: e.to_string(),
        })?;
        let inner = Inner {
            options: options.clone(),
            cluster: cluster.to_owned(),
            name,
            loaded: RwLock::new(loaded),
            reloads: AtomicU64::new(0),
        };
        Ok((Self(Arc::new(inner)), Seen(pem)))
    }

    /// Asks every caller for a certificate of the authority.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.0.loaded.read().server.clone()
    }

    /// Wants the cluster's name in the server's certificate, whatever host it calls.
    pub(crate) fn client(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (self.0.loaded.read().client.clone(), self.0.name.clone())
    }

    /// How often changed files were taken over.
    pub(crate) fn reloads(&self) -> u64 {
        self.0.reloads.load(Relaxed)
    }

    /// Takes changed files over, again and again.
    pub(crate) async fn follow(self, mut seen: Seen) {
        let mut every = tokio::time::interval(CERTIFICATES_EVERY);
        loop {
            every.tick().await;
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.look(seen)).await {
                Ok(now) => seen = now,
                Err(_) => return,
            }
        }
    }

    /// Looks at the files once. What was seen and cannot be used is not complained about again until it changes.
    fn look(&self, seen: Seen) -> Seen {
        let options = &self.0.options;
        // Between a rename and the next a file may be missing for a moment.
        let Ok(pem) = Pem::read(options) else { return seen };
        if pem == seen.0 {
            return seen;
        }
        match pem.load(options, &self.0.cluster) {
            Ok(loaded) => {
                *self.0.loaded.write() = loaded;
                self.0.reloads.fetch_add(1, Relaxed);
                metrics::counter!("tertulia_certificate_reloads_total").increment(1);
                tracing::info!(cert = %options.cert.display(), "the certificates were read again");
            }
            Err(e) => {
                metrics::counter!("tertulia_certificate_reload_failures_total").increment(1);
                tracing::error!(error = %e, "the changed certificates cannot be used: the old ones stay in use");
            }
        }
        Seen(pem)
    }
}

/// The files as they were looked at last.
pub(crate) struct Seen(Pem);

impl Pem {
    fn read(options: &TlsOptions) -> Result<Self, TlsError> {
        let read = |field, path: &Path| {
            std::fs::read(path).map_err(|e| TlsError { field, path: path.to_owned(), reason: e.to_string() })
        };
        Ok(Self {
            ca: read("peer.tls.ca", &options.ca)?,
            cert: read("peer.tls.cert", &options.cert)?,
            key: read("peer.tls.key", &options.key)?,
        })
    }

    fn load(&self, options: &TlsOptions, cluster: &str) -> Result<Loaded, TlsError> {
        let wrong = |field, path: &Path| {
            let path = path.to_owned();
            move |reason: String| TlsError { field, path, reason }
        };
        let ca_wrong = || wrong("peer.tls.ca", &options.ca);
        let mut roots = RootCertStore::empty();
        for cert in certificates(&self.ca).map_err(ca_wrong())? {
            roots.add(cert).map_err(|e| ca_wrong()(e.to_string()))?;
        }
        let roots = Arc::new(roots);
        let cert_wrong = || wrong("peer.tls.cert", &options.cert);
        let chain = certificates(&self.cert).map_err(cert_wrong())?;
        let named = chain.first().map(|cert| names_cluster(cert, cluster));
        named.unwrap_or_else(|| Err("it holds no certificate".into())).map_err(cert_wrong())?;
        let key_wrong = wrong("peer.tls.key", &options.key);
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| key_wrong(format!("holds no key: {e}")))?;

        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|e| ca_wrong()(e.to_string()))?;
        let pair = |e: rustls::Error| cert_wrong()(format!("{e} (with the key of peer.tls.key)"));
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(pair)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(pair)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        client.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Loaded { server: Arc::new(server), client: Arc::new(client) })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("holds no PEM block \"BEGIN CERTIFICATE\"".into()),
        found => found.map_err(|e| e.to_string()),
    }
}

/// Does a certificate name the cluster? The handshake checks who signed it.
pub(super) fn names_cluster(cert: &CertificateDer<'_>, cluster: &str) -> Result<(), String> {
    let parsed = ParsedCertificate::try_from(cert).map_err(|e| e.to_string())?;
    let name = ServerName::try_from(cluster).map_err(|e| e.to_string())?;
    verify_server_name(&parsed, &name).map_err(|e| e.to_string())
}

/// A failed handshake, for the log.
pub(super) fn handshake_failed(error: &io::Error, peer: &dyn std::fmt::Debug) {
    tracing::warn!(?peer, error = reason_chain(error), "a TLS handshake failed");
    metrics::counter!("tertulia_tls_handshake_failures_total").increment(1);
}
