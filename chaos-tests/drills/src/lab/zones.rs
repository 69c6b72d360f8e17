//! Three network namespaces as zones, joined by the relay; partitions are rules of nftables inside of a zone.

use super::relay::{Condition, Relay};
use crate::limits::RELAY_MTU;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Names of what a drill makes begin so; the process id follows.
const PREFIX: &str = "tertulia-";
/// The network that is set aside for such measurements (RFC 2544, appendix C.2.2): its upper half.
const NETWORK: [u8; 2] = [198, 19];
/// The clients' end, in this process's own namespace.
const CLIENTS: u8 = 100;
/// What is needed, besides root and `/dev/net/tun`.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")];

/// The zones of one lab. Dropping them takes the namespaces and devices away.
pub struct Zones {
    names: Vec<String>,
    addresses: Vec<Ipv4Addr>,
    relay: Relay,
}

/// Which way a partition cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the zone sends.
    Outgoing,
    /// What it is sent.
    Incoming,
}

impl Zones {
    /// Why there can be none on this machine; `None` if there can.
    pub fn lacks() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("zones in network namespaces need root".into());
        }
        if !Path::new("/dev/net/tun").exists() {
            return Some("zones in network namespaces need /dev/net/tun".into());
        }
        let missing = PROGRAMS.iter().find(|(program, _)| which(program).is_none())?;
        Some(format!("zones in network namespaces need {} (apt-get install {})", missing.0, missing.1))
    }

    /// Makes as many zones.
    pub fn make(count: u8) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        remove_stale();
        let (pid, number) = (std::process::id(), MADE.fetch_add(1, Relaxed));
        let net = free_network(pid.wrapping_add(number))?;
        let address = |host: u8| Ipv4Addr::new(NETWORK[0], NETWORK[1], net, host);
        // The kernel takes fifteen characters for a device.
        let device = |host: u8| format!("tt{:x}-{host}", (pid << 4 | number & 15) & 0xfff_ffff);
        let hosts: Vec<u8> = (1..=count).chain([CLIENTS]).collect();
        let ends: Vec<(String, Ipv4Addr)> = hosts.iter().map(|host| (device(*host), address(*host))).collect();
        let relay = Relay::start(&ends, &[address(CLIENTS)], u64::from(pid))?;
        let mut zones = Self { names: Vec::new(), addresses: (1..=count).map(address).collect(), relay };
        for (host, (device, address)) in hosts.iter().zip(&ends) {
            let address = format!("{address}/24");
            if *host == CLIENTS {
                ip(&["addr", "add", &address, "dev", device])?;
                ip(&["link", "set", device, "mtu", &RELAY_MTU.to_string(), "up"])?;
                continue;
            }
            let name = format!("{PREFIX}{pid}-{number}-{host}");
            ip(&["netns", "add", &name])?;
            zones.names.push(name.clone());
            ip(&["link", "set", device, "netns", &name])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&["-n", &name, "addr", "add", &address, "dev", device])?;
            ip(&["-n", &name, "link", "set", device, "mtu", &RELAY_MTU.to_string(), "up"])?;
        }
        Ok(zones)
    }

    /// The address of a zone's node.
    pub fn address(&self, zone: usize) -> Ipv4Addr {
        self.addresses[zone]
    }

    /// A program and its arguments to run another program in a zone under: it becomes that program, under its own process id.
    pub fn enter(&self, zone: usize) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/run/netns/{}", self.names[zone]), "--".into()]
    }

    /// Cuts a zone off from the other zones; clients still reach it.
    pub fn cut(&self, zone: usize, ways: &[Way]) -> Result<()> {
        let others: Vec<String> = (0..self.addresses.len())
            .filter(|other| *other != zone)
            .map(|other| self.addresses[other].to_string())
            .collect();
        let others = others.join(", ");
        let mut rules = String::from("table ip drill {\n");
        for way in ways {
            let (hook, field) = match way {
                Way::Outgoing => ("output", "daddr"),
                Way::Incoming => ("input", "saddr"),
            };
            rules.push_str(&format!(
                "chain {hook} {{ type filter hook {hook} priority 0; policy accept; ip {field} {{ {others} }} drop; }}\n"
            ));
        }
        rules.push_str("}\n");
        self.mend(zone)?;
        self.nft(zone, &rules)
    }

    /// What passes between a zone and the other zones.
    pub fn condition(&self, zone: usize, condition: Condition) {
        self.relay.set(self.addresses[zone], condition);
    }

    /// Takes every cut and condition of a zone away.
    pub fn mend(&self, zone: usize) -> Result<()> {
        self.condition(zone, Condition::default());
        // Made first, so that it is there to be deleted.
        self.nft(zone, "table ip drill\ndelete table ip drill\n")
    }

    fn nft(&self, zone: usize, rules: &str) -> Result<()> {
        let enter = self.enter(zone);
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).args(["nft", "-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run nft")?;
        child.stdin.take().context("no way to write to nft")?.write_all(rules.as_bytes()).context("nft ended")?;
        let output = child.wait_with_output().context("cannot wait for nft")?;
        if !output.status.success() {
            bail!("nft refuses {rules:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        for name in &self.names {
            // Nobody is left to be told.
            drop(ip(&["netns", "del", name]));
        }
    }
}

fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output().context("cannot run ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A third byte of the address that no route has yet; looked for from `first` on.
fn free_network(first: u32) -> Result<u8> {
    let routes = ip(&["-4", "route", "show", "table", "all"])?;
    let [a, b] = NETWORK;
    let candidates = (0..256).map(|i| (first.wrapping_add(i) % 256) as u8);
    let mut free = candidates.filter(|net| !routes.contains(&format!("{a}.{b}.{net}.")));
    free.next().with_context(|| format!("no free network in {a}.{b}.0.0/16"))
}

/// Namespaces whose process is gone without having taken them away.
fn remove_stale() {
    let Ok(list) = ip(&["netns", "list"]) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let gone = pid.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists());
        if gone {
            drop(ip(&["netns", "del", name]));
        }
    }
}

/// Where a program is, by `PATH` and the places of programs for root.
pub(super) fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
