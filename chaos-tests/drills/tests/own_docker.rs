//! The acts on a container, on a real engine, where there is one.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod stub;

use drills::act::Act;
use drills::hands::Hands;
use drills::own::OwnCluster;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs a client of the engine, or says why it cannot.
fn docker(arguments: &[&str]) -> Result<String, String> {
    let done = Command::new("docker").args(arguments).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if done.status.success() {
        return Ok(String::from_utf8(done.stdout).unwrap().trim().to_owned());
    }
    Err(format!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}

/// A container that sleeps, in a network of its own. All of it goes when this goes, and nothing else.
struct Sleeper {
    name: String,
    ip: String,
}

impl Sleeper {
    fn start() -> Result<Self, String> {
        docker(&["info"])?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let name = format!("tertulia-drill-test-{}-{nanos}", std::process::id());
        let mut sleeper = Self { name, ip: String::new() };
        sleeper.make_image()?;
        // A benchmark network (RFC 2544), in which nobody lives; another run may have this part of it.
        let mut third = Err("no network was tried".to_owned());
        for i in 0..8 {
            let part = (std::process::id() + i) % 256;
            let subnet = format!("198.18.{part}.0/24");
            third = docker(&["network", "create", "--subnet", &subnet, &sleeper.name]).map(|_| part);
            if third.is_ok() {
                break;
            }
        }
        let third = third?;
        sleeper.ip = format!("198.18.{third}.77");
        let Self { name, ip } = &sleeper;
        let at = ["--network", name, "--ip", ip, "--network-alias", "zone-b"];
        docker(&[["run", "-d", "--name", name].as_slice(), &at, &[name, "sleep", "600"]].concat())?;
        Ok(sleeper)
    }

    /// An image of this system's own `sleep` and what it is linked with: nothing is fetched.
    fn make_image(&self) -> Result<(), String> {
        let linked =
            Command::new("sh").args(["-c", "ldd \"$(command -v sleep)\""]).output().map_err(|e| e.to_string())?;
        let linked = String::from_utf8(linked.stdout).unwrap();
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned);
        let folder = tempfile::tempdir().unwrap();
        let tar = folder.path().join("root.tar").display().to_string();
        let packed = Command::new("tar").args(["-chf", &tar, "/bin/sleep"]).args(libraries).output();
        let packed = packed.map_err(|e| format!("tar: {e}"))?;
        if !packed.status.success() {
            return Err(format!("tar: {}", String::from_utf8_lossy(&packed.stderr)));
        }
        docker(&["import", &tar, &self.name]).map(drop)
    }

    fn state(&self) -> String {
        docker(&["container", "inspect", "--format", "{{.State.Status}}", &self.name]).unwrap()
    }

    /// Its address and its further name in its network, if it is there.
    fn address(&self) -> Option<(String, bool)> {
        let networks = ["container", "inspect", "--format", "{{json .NetworkSettings.Networks}}", &self.name];
        let networks: serde_json::Value = serde_json::from_str(&docker(&networks).unwrap()).unwrap();
        let here = networks.get(&self.name)?;
        let named = here["Aliases"].as_array().unwrap().iter().any(|alias| alias == "zone-b");
        Some((here["IPAddress"].as_str().unwrap().to_owned(), named))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // What was not made cannot be removed; that is no failure.
        drop(docker(&["rm", "-f", &self.name]));
        drop(docker(&["network", "rm", &self.name]));
        drop(docker(&["rmi", "-f", &self.name]));
    }
}

async fn hands(sleeper: &Sleeper, network: &str) -> OwnCluster {
    let (listener, url) = stub::listen().await;
    stub::answer(listener, stub::status(2, &[]), true);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.yml");
    let name = &sleeper.name;
    let text = format!(
        "cluster: shop\ntimeout_s: 10\ntargets:\n  - node: 2\n    zone: b\n    url: {url}\n    docker:\n      container: {name}\n{network}"
    );
    std::fs::write(&path, text).unwrap();
    let hands = OwnCluster::load(&path).unwrap();
    hands.verify(&stub::client()).await.unwrap();
    hands
}

#[tokio::test]
async fn a_container_is_killed_frozen_and_cut_off() {
    let sleeper = match Sleeper::start() {
        Ok(sleeper) => sleeper,
        Err(why) => return println!("this test did not run: {why}"),
    };
    let Sleeper { name, ip } = &sleeper;
    let full = format!("      network: {name}\n      ip: {ip}\n      aliases: [zone-b]\n");
    let mut all = hands(&sleeper, &full).await;

    // Killed and started; started once more, which changes nothing.
    assert_eq!(sleeper.state(), "running");
    all.act(0, &Act::Kill).await.unwrap();
    assert_eq!(sleeper.state(), "exited");
    all.act(0, &Act::Start).await.unwrap();
    assert_eq!(sleeper.state(), "running");
    all.act(0, &Act::Start).await.unwrap();

    // Frozen and thawed; what runs is not thawed.
    all.act(0, &Act::Freeze).await.unwrap();
    assert_eq!(sleeper.state(), "paused");
    all.act(0, &Act::Thaw).await.unwrap();
    assert_eq!(sleeper.state(), "running");
    all.act(0, &Act::Thaw).await.unwrap();

    // Off the network, and back under its address and its name; what is there is not connected again.
    let whole = Some((ip.clone(), true));
    assert_eq!(sleeper.address(), whole);
    all.act(0, &Act::Cut).await.unwrap();
    assert_eq!(sleeper.address(), None);
    let error = format!("{:#}", all.act(0, &Act::Cut).await.unwrap_err());
    assert!(error.ends_with(&format!("container {name} is not in network {name}")), "{error}");
    all.act(0, &Act::MendLink).await.unwrap();
    assert_eq!(sleeper.address(), whole);
    all.act(0, &Act::MendLink).await.unwrap();

    // A cut from which it would come back as another is not made.
    let mut nameless = hands(&sleeper, &format!("      network: {name}\n      ip: {ip}\n")).await;
    let error = format!("{:#}", nameless.act(0, &Act::Cut).await.unwrap_err());
    assert!(error.ends_with("would not be the same: add `aliases: [zone-b]` to its docker"), "{error}");
    let mut anywhere = hands(&sleeper, &format!("      network: {name}\n")).await;
    let error = format!("{:#}", anywhere.act(0, &Act::Cut).await.unwrap_err());
    assert!(error.ends_with(&format!("would not be the same: add `ip: {ip}` to its docker")), "{error}");
    assert_eq!(sleeper.address(), whole);

    // Stopped: it has ended when that returns. Killing what does not run is an error that says so.
    all.act(0, &Act::Stop).await.unwrap();
    assert_eq!(sleeper.state(), "exited");
    let error = format!("{:#}", all.act(0, &Act::Kill).await.unwrap_err());
    assert!(error.contains("is not running"), "{error}");
}
