//! A cluster to drill on, on this machine: real nodes in three zones. Where this machine allows it each zone is a network
//! namespace with links of its own; else all are on loopback, and drills on the network say what they miss.

mod disk;
mod relay;
mod shim;
mod zones;

pub use relay::Condition;
pub use shim::Shim;
pub use zones::{Way, Zones};

use crate::act::Act;
use crate::cluster::{Cluster, ClusterOptions, Site, ZONES};
use crate::drill::Drill;
use crate::hands::{Hands, Target};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use cluster_config::TlsOptions;
use disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The variable that makes a node, of a build that can plant bugs, speak and write as the version before.
const PREVIOUS_VERSION: (&str, &str) = ("TERTULIA_PREVIOUS_VERSION", "1");
/// The exit code of a node that has ended with an error of its own: no crash.
const FAILED: i32 = 2;
/// The name of the lab's cluster, as `Cluster` has it.
const CLUSTER: &str = "drill";

/// How a lab is made.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// The program `tertulia`.
    pub program: PathBuf,
    /// The release that every node serves.
    pub release: PathBuf,
    /// Zones on loopback even where namespaces could be made.
    pub loopback: bool,
    /// Folder for the nodes' data.
    pub place: PathBuf,
    /// Environment of every node.
    pub env: Vec<(String, String)>,
}

/// The cluster, its zones and its disks. Dropping it ends its processes and removes what it made.
pub struct Lab {
    cluster: Cluster,
    targets: Vec<Target>,
    shims: Vec<Option<Shim>>,
    disks: BTreeMap<usize, Disk>,
    /// Whose disks were full and have room again: their nodes may have ended for want of it, or yet end.
    room: BTreeSet<usize>,
    certificates: PathBuf,
    zones: Option<Arc<Zones>>,
    _folder: TempDir,
}

impl Lab {
    /// Makes what `drill` needs, starts the nodes and waits until all are ready. `zones` may be shared with a peer.
    pub async fn start(options: &LabOptions, drill: &Drill, zones: Option<Arc<Zones>>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tertulia-lab-").tempdir_in(&options.place);
        let folder = folder.with_context(|| format!("no folder in {}", options.place.display()))?;
        let zones = match zones {
            None if !options.loopback && Zones::lacks().is_none() => Some(Arc::new(Zones::make(ZONES.len() as u8)?)),
            zones => zones,
        };
        let certificates = folder.path().join("certificates");
        for authority in ["right", "wrong"] {
            certify(&options.program, &certificates.join(authority))?;
        }
        let wants_disks = kinds(drill).contains(&"fill-disk") && Disk::lacks().is_none();
        let (mut sites, mut shims, mut disks) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (i, zone) in ZONES.into_iter().enumerate() {
            let shim = match Shim::lacks() {
                None => Some(Shim::make(&folder.path().join(format!("page-{zone}")))?),
                Some(_) => None,
            };
            if wants_disks {
                disks.insert(i, Disk::make(&folder.path().join(format!("disk-{zone}")))?);
            }
            put_certificate(&certificates, "right", zone)?;
            let mut env = shim.as_ref().map(Shim::env).unwrap_or_default();
            if drill.from_previous_version {
                env.push((PREVIOUS_VERSION.0.into(), PREVIOUS_VERSION.1.into()));
            }
            sites.push(Site {
                address: zones.as_ref().map(|zones| zones.address(i)),
                enter: zones.as_ref().map(|zones| zones.enter(i)).unwrap_or_default(),
                data_dir: disks.get(&i).map(Disk::data),
                env,
                tls: Some(TlsOptions {
                    ca: certificates.join("right/ca.pem"),
                    cert: certificates.join(format!("{zone}.pem")),
                    key: certificates.join(format!("{zone}.key")),
                }),
            });
            shims.push(shim);
        }
        let env = options.env.clone();
        let nodes = ClusterOptions { sites, env, ..ClusterOptions::new(&options.program, &options.release) };
        let cluster = Cluster::start(nodes).await?;
        let targets = cluster.targets();
        Ok(Self { cluster, targets, shims, disks, room: BTreeSet::new(), certificates, zones, _folder: folder })
    }

    /// Why a drill cannot be run in a lab on this machine; `None` if it can.
    pub fn lacks(options: &LabOptions, drill: &Drill) -> Option<String> {
        for kind in kinds(drill) {
            let lacks = match kind {
                "cut" | "cut-outgoing" | "cut-incoming" | "lossy" | "slow-link" if options.loopback => {
                    Some("zones on loopback have no links that could be hurt".into())
                }
                "cut" | "cut-outgoing" | "cut-incoming" | "lossy" | "slow-link" => Zones::lacks(),
                "fill-disk" => Disk::lacks(),
                "slow-disk" | "step-clock" => Shim::lacks(),
                _ => None,
            };
            if lacks.is_some() {
                return lacks;
            }
        }
        let can_be_old = || knows(&options.program, PREVIOUS_VERSION.0);
        if drill.from_previous_version && !can_be_old() {
            return Some("nodes of the version before need a build with the feature planted-bugs".into());
        }
        None
    }

    /// The cluster.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    fn shim(&self, target: usize) -> Result<&Shim> {
        self.shims[target].as_ref().context(Shim::lacks().unwrap_or_default())
    }

    fn disk(&self, target: usize) -> Result<&Disk> {
        self.disks.get(&target).context("this lab was made without disks of its own")
    }

    fn zones(&self) -> Result<&Zones> {
        self.zones.as_deref().context("this lab is on loopback")
    }
}

/// What a drill does, over a few rounds.
fn kinds(drill: &Drill) -> Vec<&'static str> {
    let scene = |round| crate::drill::Scene { victim: 0, other: Some(1), targets: ZONES.len(), round };
    let kinds =
        (0..2).flat_map(|round| (drill.plan)(&scene(round)).acts().map(|(_, act)| act.kind()).collect::<Vec<_>>());
    kinds.collect()
}

/// Does the program hold this word?
fn knows(program: &Path, word: &str) -> bool {
    std::fs::read(program).is_ok_and(|bytes| bytes.windows(word.len()).any(|w| w == word.as_bytes()))
}

/// An authority, and a certificate of it for each zone's node.
fn certify(program: &Path, out: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["certs", "dev", "--cluster", CLUSTER, "--out"]).arg(out).args(ZONES).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("tertulia certs dev failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Puts a zone's certificate and key of an authority where its node reads them.
fn put_certificate(certificates: &Path, authority: &str, zone: &str) -> Result<()> {
    // The key first: a node that reads in between finds a pair that does not fit, and reads again.
    for file in [format!("{zone}.key"), format!("{zone}.pem")] {
        let to = certificates.join(&file);
        std::fs::copy(certificates.join(authority).join(&file), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

#[async_trait]
impl Hands for Lab {
    fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn place(&self) -> String {
        match self.zones {
            Some(_) => "a lab on this machine: three zones in network namespaces, joined by a relay, mutual TLS".into(),
            None => "a lab on this machine: three zones on loopback, mutual TLS".into(),
        }
    }

    fn lacks(&self, target: usize, act: &Act) -> Option<String> {
        let needs = match act {
            Act::Cut | Act::CutOutgoing | Act::CutIncoming | Act::Lossy { .. } | Act::SlowLink { .. } => {
                self.zones().err()
            }
            Act::SlowDisk { .. } | Act::StepClock { .. } => self.shim(target).err(),
            Act::FillDisk => self.disk(target).err(),
            _ => None,
        };
        needs.map(|error| format!("{error:#}"))
    }

    fn describe(&self, target: usize, act: &Act) -> String {
        format!("{act}: the lab's node in zone {}", self.targets[target].zone)
    }

    async fn act(&mut self, target: usize, act: &Act) -> Result<()> {
        let zone = ZONES[target];
        match *act {
            Act::Kill => self.cluster.kill(target),
            Act::Stop => self.cluster.stop(target).await.map(drop),
            Act::Start if self.cluster.is_running(target) => Ok(()),
            Act::Start | Act::StartPrevious => {
                let mut env = self.shims[target].as_ref().map(Shim::env).unwrap_or_default();
                if *act == Act::StartPrevious {
                    env.push((PREVIOUS_VERSION.0.into(), PREVIOUS_VERSION.1.into()));
                }
                self.cluster.set_env(target, env);
                self.cluster.reap(target);
                self.cluster.restart(target)
            }
            Act::Freeze => self.cluster.freeze(target),
            Act::Thaw => self.cluster.thaw(target),
            Act::Cut => self.zones()?.cut(target, &[Way::Outgoing, Way::Incoming]),
            Act::CutOutgoing => self.zones()?.cut(target, &[Way::Outgoing]),
            Act::CutIncoming => self.zones()?.cut(target, &[Way::Incoming]),
            Act::Lossy { percent } => {
                let condition = Condition { loss_percent: percent, ..Condition::default() };
                self.zones().map(|zones| zones.condition(target, condition))
            }
            Act::SlowLink { delay_ms, kilobit } => {
                let condition = Condition { delay: Duration::from_millis(delay_ms), kilobit, ..Condition::default() };
                self.zones().map(|zones| zones.condition(target, condition))
            }
            Act::MendLink => self.zones()?.mend(target),
            Act::SlowDisk { delay_ms } => self.shim(target)?.slow_disk(delay_ms),
            Act::MendDisk => self.shim(target)?.slow_disk(0),
            Act::FillDisk => {
                self.room.remove(&target);
                self.disk(target)?.fill()
            }
            Act::FreeDisk => {
                self.room.insert(target);
                self.disk(target)?.free()
            }
            Act::StepClock { offset_ms } => self.shim(target)?.step_clock(offset_ms),
            Act::WrongCertificate => put_certificate(&self.certificates, "wrong", zone),
            Act::RightCertificate => put_certificate(&self.certificates, "right", zone),
        }
    }

    fn tend(&mut self, target: usize) -> Result<()> {
        let failed = self.cluster.ended_with(target).is_some_and(|status| status.code() == Some(FAILED));
        if failed && self.room.contains(&target) {
            self.cluster.reap(target);
            self.cluster.restart(target)?;
        }
        Ok(())
    }

    fn has_ended(&mut self, target: usize) -> Option<bool> {
        Some(!self.cluster.is_running(target))
    }

    fn log_tails(&self) -> String {
        self.cluster.log_tails()
    }
}
