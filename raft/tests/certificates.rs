//! Certificates are replaced while the cluster runs: first both authorities count, then only the new one.
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]
mod support;

use dialogue::ports::{Consistency, Journal};
use std::{fs, path::Path, time::Duration};
use support::{Cluster, block, session, tls, turn, wait};
use tempfile::TempDir;
use tertulia_raft::certs::{DevAuthority, dev_ca};

/// Puts files in place as an operator should: each by a rename.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    let working = folder.join("working");
    fs::write(&working, bytes).unwrap();
    fs::rename(working, folder.join(name)).unwrap();
}

/// Does a node answer a caller with these papers? `Some` with its certificate, if it does.
fn call(port: u16, papers: &Path, name: &str) -> Option<Vec<u8>> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
    use std::io::{Read, Write};
    let mut roots = rustls::RootCertStore::empty();
    for ca in CertificateDer::pem_file_iter(papers.join("ca.pem")).unwrap() {
        roots.add(ca.unwrap()).unwrap();
    }
    let chain = vec![CertificateDer::from_pem_file(papers.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(papers.join(format!("{name}.key"))).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = ServerName::try_from("test-cluster").unwrap();
    let mut connection = rustls::ClientConnection::new(config.into(), server).unwrap();
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    // HTTP/2 begins: the server answers with its settings, unless it does not like our certificate.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").ok()?;
    stream.read_exact(&mut [0; 9]).ok()?;
    Some(connection.peer_certificates()?[0].to_vec())
}

#[test]
fn a_new_authority_takes_over_without_a_restart() {
    let outer = TempDir::new().unwrap();
    let (old, new) = (outer.path().join("old"), outer.path().join("new"));
    let zones = ["a", "b", "c"];
    dev_ca(&old, "test-cluster", &zones).unwrap();
    dev_ca(&new, "test-cluster", &zones).unwrap();
    // Each node has a folder of its own.
    let folder = |zone: &str| outer.path().join("nodes").join(zone);
    let all = |from: &Path| {
        for zone in zones {
            for name in [format!("{zone}.pem"), format!("{zone}.key")] {
                put(&folder(zone), &name, &fs::read(from.join(&name)).unwrap());
            }
        }
    };
    let authorities = |pem: &[u8]| zones.iter().for_each(|zone| put(&folder(zone), "ca.pem", pem));
    let read = |path: &Path| fs::read(path.join("ca.pem")).unwrap();
    let (old_ca, new_ca) = (read(&old), read(&new));
    all(&old);
    authorities(&old_ca);
    let mut cluster = Cluster::with(1, |c| c.peer.tls = Some(tls(&folder(&c.zone), &c.zone)));
    let s = session("secret");
    let mut seq = 0;
    let mut commit = |cluster: &Cluster| {
        seq += 1;
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
        seq
    };
    let reloaded = |cluster: &Cluster, at_least: u64| {
        wait("all have read their certificates again", || {
            cluster.running().all(|n| n.certificate_reloads() >= at_least)
        });
    };
    commit(&cluster);
    let port = cluster.configs[0].peer.listen.port();
    let (before, stranger) = (call(port, &old, "b"), call(port, &new, "b"));
    assert!(before.is_some() && stranger.is_none());

    // Both count: a caller of either is heard, and the node still shows its old certificate.
    authorities(&[&old_ca[..], &new_ca].concat());
    reloaded(&cluster, 1);
    put(&new, "both.pem", b"");
    put(&new, "ca.pem", &[&old_ca[..], &new_ca].concat());
    assert_eq!(call(port, &new, "b"), before);
    commit(&cluster);

    // A certificate without its key is not taken, and nothing that was there is lost.
    put(&folder("a"), "a.pem", &fs::read(new.join("a.pem")).unwrap());
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(call(port, &old, "b"), before);
    commit(&cluster);

    // New certificates: new connections use them.
    all(&new);
    reloaded(&cluster, 2);
    let after = call(port, &new, "b");
    assert!(after.is_some() && after != before);
    commit(&cluster);

    // Only the new authority: the old papers are worth nothing, and a node that comes back is one of them.
    authorities(&new_ca);
    put(&new, "ca.pem", &new_ca);
    reloaded(&cluster, 3);
    assert_eq!(call(port, &old, "b"), None);
    assert_eq!(call(port, &new, "b"), after);
    commit(&cluster);
    let back = (cluster.index_of(&cluster.leader_of(&s)) + 1) % 3;
    cluster.kill(back);
    commit(&cluster);
    cluster.start(back);
    cluster.wait_ready();
    let last = commit(&cluster);
    let node = cluster.node(back).clone();
    wait("it has caught up", || {
        block(node.turns(s.clone(), 0, 99, Consistency::Local)).is_ok_and(|t| t.len() as u64 == last)
    });
}

#[test]
fn an_authority_that_was_kept_adds_nodes_and_only_to_its_own_cluster() {
    let folder = TempDir::new().unwrap();
    let (first, later) = (folder.path().join("first"), folder.path().join("later"));
    let authority = DevAuthority::new(&first, "one").unwrap();
    authority.issue(&first, "a").unwrap();
    authority.keep_key(&first).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(first.join("ca.key")).unwrap().permissions().mode() & 0o777, 0o600);

    DevAuthority::load(&first, "one").unwrap().issue(&later, "d").unwrap();
    assert_eq!(fs::read(first.join("ca.pem")).unwrap(), fs::read(later.join("ca.pem")).unwrap());
    let wrong = DevAuthority::load(&first, "two").unwrap().issue(&later, "e").unwrap_err();
    assert!(wrong.to_string().contains("is it of another cluster?"), "{wrong}");
    assert!(!later.join("e.pem").exists());
    fs::remove_file(first.join("ca.key")).unwrap();
    let missing = DevAuthority::load(&first, "one").err().unwrap();
    assert!(missing.to_string().contains("ca.key"), "{missing}");
}
