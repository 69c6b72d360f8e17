//! Three `tertulia serve` processes, one a zone, restarted when they die.

use crate::cli::style;
use crate::http::StatusBody;
use anyhow::{Context, bail};
use cluster_config::{HttpOptions, Member, NodeConfig, PeerOptions, TlsOptions};
use dialogue::SessionId;
use dialogue::ids::shard_of;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// The zones, in the order of their node ids.
pub(super) const ZONES: [&str; 3] = ["a", "b", "c"];
/// A dead process comes back after this long, as in a StatefulSet.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// A process that dies this often in a row, each time soon after its start, is given up.
const FAILED_STARTS_MAX: u32 = 3;
/// A process that lives this long has started well.
const STARTED_AFTER: Duration = Duration::from_secs(10);
/// How long the zones may take to be ready.
const READY_PATIENCE: Duration = Duration::from_secs(60);
/// How long a zone may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(100);
/// How many names are tried to find one in a shard of a given zone: with one shard of sixteen, one in 10^12 fails.
const SESSION_TRIES_MAX: usize = 400;
const CLUSTER: &str = "demo";

pub(super) struct Cluster {
    dir: PathBuf,
    zones: Vec<ZoneProcess>,
    http: reqwest::Client,
}

struct ZoneProcess {
    zone: &'static str,
    url: String,
    config: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    started: Instant,
    failed_starts: u32,
    restart_at: Option<Instant>,
}

impl Cluster {
    /// Writes certificates and configurations; starts nothing.
    pub(super) fn prepare(
        dir: &Path,
        release: &Path,
        encoder: &Path,
        (port, peer_port): (u16, u16),
        fresh: bool,
    ) -> anyhow::Result<Self> {
        let member = |i: usize| Member {
            node: i as u64 + 1,
            zone: ZONES[i].into(),
            peer: format!("127.0.0.1:{}", peer_port + i as u16),
            http: format!("http://127.0.0.1:{}", port + i as u16),
        };
        let members: Vec<Member> = (0..ZONES.len()).map(member).collect();
        let certs = dir.join("certs");
        if !certs.join("ca.pem").exists() {
            raft::certs::dev_ca(&certs, CLUSTER, &ZONES.map(certificate).each_ref().map(String::as_str))
                .with_context(|| format!("{}: cannot make certificates", certs.display()))?;
        }
        let mut zones = Vec::new();
        for (i, zone) in ZONES.into_iter().enumerate() {
            let home = dir.join(format!("zone-{zone}"));
            if fresh && home.exists() {
                fs::remove_dir_all(&home).with_context(|| format!("{}: cannot remove", home.display()))?;
            }
            fs::create_dir_all(&home).with_context(|| format!("{}: cannot make the folder", home.display()))?;
            let pem = |name: &str| certs.join(name);
            let config = NodeConfig {
                cluster: CLUSTER.into(),
                node: members[i].node,
                zone: zone.into(),
                data_dir: home.join("data"),
                release: release.to_owned(),
                encoder: Some(encoder.to_owned()),
                members: members.clone(),
                join: Vec::new(),
                shards: 16,
                http: HttpOptions { listen: (Ipv4Addr::LOCALHOST, port + i as u16).into(), ..Default::default() },
                peer: PeerOptions {
                    listen: (Ipv4Addr::LOCALHOST, peer_port + i as u16).into(),
                    tls: Some(TlsOptions {
                        ca: pem("ca.pem"),
                        cert: pem(&format!("{}.pem", certificate(zone))),
                        key: pem(&format!("{}.key", certificate(zone))),
                    }),
                },
                raft: Default::default(),
                sessions: Default::default(),
                inference: Default::default(),
                limits: Default::default(),
                privacy: Default::default(),
                action_endpoint: Some(format!("http://{}/webhook", super::ACTIONS)),
                actions: Default::default(),
            };
            let path = home.join("node.yml");
            fs::write(&path, serde_saphyr::to_string(&config.validate()?)?)
                .with_context(|| format!("{}: cannot write", path.display()))?;
            zones.push(ZoneProcess {
                zone,
                url: members[i].http.clone(),
                config: path,
                log: home.join("node.log"),
                child: None,
                started: Instant::now(),
                failed_starts: 0,
                restart_at: None,
            });
        }
        Ok(Self {
            dir: dir.to_owned(),
            zones,
            http: reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn url(&self, i: usize) -> &str {
        &self.zones[i].url
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.zones.iter().map(|z| z.url.clone()).collect()
    }

    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        self.zones.iter_mut().try_for_each(ZoneProcess::start)
    }

    /// Returns when every zone answers `/readyz`, or when one has died or the time is up.
    pub(super) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        loop {
            let mut ready = 0;
            for zone in &mut self.zones {
                if let Some(status) = zone.exited()? {
                    bail!("zone {} ended with {status}; its log says:\n{}", zone.zone, zone.last_words());
                }
                let answer = self.http.get(format!("{}/readyz", zone.url)).send().await;
                ready += usize::from(answer.is_ok_and(|a| a.status().is_success()));
            }
            if ready == self.zones.len() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let logs: Vec<String> =
                    self.zones.iter().map(|z| format!("zone {}:\n{}", z.zone, z.last_words())).collect();
                bail!("{ready} of {} zones are ready after {READY_PATIENCE:?}\n{}", self.zones.len(), logs.join("\n"));
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Notices deaths and restarts; returns after each round, so that it can stand in a `select!`.
    pub(super) async fn watch(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(TICK).await;
        for zone in &mut self.zones {
            if let Some(status) = zone.exited()? {
                zone.child = None;
                zone.failed_starts = if zone.started.elapsed() < STARTED_AFTER { zone.failed_starts + 1 } else { 0 };
                if zone.failed_starts >= FAILED_STARTS_MAX {
                    bail!(
                        "zone {} died {} times in a row; its log says:\n{}",
                        zone.zone,
                        zone.failed_starts,
                        zone.last_words()
                    );
                }
                println!("{} ended ({status}); it comes back in 3 s", style::yellow(&format!("zone {}", zone.zone)));
                zone.restart_at = Some(Instant::now() + RESTART_AFTER);
            }
            if zone.restart_at.is_some_and(|at| at <= Instant::now()) {
                zone.restart_at = None;
                zone.start()?;
                println!("{} is started again", style::green(&format!("zone {}", zone.zone)));
            }
        }
        Ok(())
    }

    /// A new session whose shard is led from this zone.
    pub(super) async fn session_led_by(&self, name: &str) -> anyhow::Result<SessionId> {
        let zone = self.zones.iter().find(|z| z.zone == name).with_context(|| format!("no zone {name}"))?;
        let status: StatusBody = self.http.get(format!("{}/v1/status", zone.url)).send().await?.json().await?;
        let led: Vec<Option<u32>> =
            status.log.shards.iter().filter(|s| s.role == raft::Role::Leader).map(|s| s.shard).collect();
        let shards = status.log.shards.len() as u32;
        let names = std::iter::repeat_with(|| SessionId::new(format!("demo-{}", uuid::Uuid::new_v4().simple())));
        let mut names = names.take(SESSION_TRIES_MAX);
        names
            .find(|name| name.as_ref().is_ok_and(|n| led.contains(&Some(shard_of(n, shards).0))))
            .with_context(|| format!("zone {name} leads no shard"))?
            .map_err(Into::into)
    }

    /// Does every zone have a process, as far as `watch` has seen?
    pub(super) fn is_complete(&mut self) -> bool {
        self.zones.iter_mut().all(|z| z.child.is_some() && z.exited().is_ok_and(|status| status.is_none()))
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let zone = self.zones.iter_mut().find(|z| z.zone == name).with_context(|| format!("no zone {name}"))?;
        match &mut zone.child {
            Some(child) => child.start_kill().context("cannot kill the process"),
            None => {
                println!("zone {name} is down already");
                Ok(())
            }
        }
    }

    /// Asks all zones to stop, and kills what does not.
    pub(super) async fn stop(&mut self) {
        for zone in &self.zones {
            if let Some(pid) = zone.child.as_ref().and_then(Child::id).and_then(|id| Pid::from_raw(id as i32)) {
                // It may have ended by itself just now.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        for zone in &mut self.zones {
            let Some(child) = &mut zone.child else { continue };
            match tokio::time::timeout_at(deadline, child.wait()).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(Ok(status)) => eprintln!("zone {} ended with {status}; see {}", zone.zone, zone.log.display()),
                Ok(Err(error)) => eprintln!("zone {}: {error}", zone.zone),
                Err(_) => {
                    eprintln!("zone {} did not stop in {STOP_PATIENCE:?} and is killed", zone.zone);
                    let _ = child.kill().await;
                }
            }
            zone.child = None;
        }
    }
}

/// The name in a zone's certificate.
fn certificate(zone: &str) -> String {
    format!("zone-{zone}")
}

impl ZoneProcess {
    fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("{}: cannot write", self.log.display()))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", "--die-with-parent", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is for the demo, which then stops the zones one by one.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a node")?;
        self.child = Some(child);
        self.started = Instant::now();
        Ok(())
    }

    fn exited(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("  {}\n  ({})", lines[lines.len().saturating_sub(5)..].join("\n  "), self.log.display())
    }
}
