//! `tertulia drill` as an operator has it: on a cluster of their own, by the commands of a cluster file.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod common;

use drills::catalog::DRILLS;
use drills::cluster::Cluster;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tertulia_chaos_tests::binary::Binary;

/// How long what is waited for may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator at the command line.
struct Operator {
    binary: Binary,
    folder: tempfile::TempDir,
}

impl Operator {
    fn new() -> Self {
        Self { binary: Binary::find().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.binary.path());
        command.arg("drill").args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs `tertulia drill`, which must end with this code; what it says, on both outputs.
    async fn drill(&self, code: i32, args: &[&str]) -> String {
        let mut command = self.command(args);
        let Output { status, stdout, stderr } =
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// A cluster file: each node can be frozen, and thawed, by its process id. A thaw takes a moment, and leaves the file
    /// `thaws` at its beginning.
    fn cluster_file(&self, cluster: &Cluster, name: &str) -> PathBuf {
        let mut text = format!("cluster: {name}\ntargets:\n");
        for (i, target) in cluster.targets().iter().enumerate() {
            let pid = cluster.pid(i).unwrap();
            writeln!(
                text,
                "  - {{node: {}, zone: {}, url: '{}', commands: \
                 {{freeze: [kill, -STOP, '{pid}'], thaw: [sh, -c, 'touch thaws && sleep 0.5 && kill -CONT {pid}']}}}}",
                target.node, target.zone, target.url
            )
            .unwrap();
        }
        let path = self.folder.path().join(format!("{name}.yml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn record(&self, drill: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.folder.path().join("out").join(drill)).unwrap()).unwrap()
    }
}

fn stands_still(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The state comes after the name in brackets.
    status.rsplit(") ").next().unwrap().starts_with('T')
}

fn frozen(cluster: &Cluster) -> Vec<usize> {
    (0..cluster.len()).filter(|i| stands_still(cluster.pid(*i).unwrap())).collect()
}

async fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ended(mut child: Child) -> ExitStatus {
    tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap()
}

fn cluster_name(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drills_are_listed_and_mistakes_are_named_before_anything_is_done() {
    let operator = Operator::new();
    let listed = operator.drill(0, &["list"]).await;
    for drill in DRILLS {
        assert!(listed.contains(drill.name) && listed.contains(drill.about), "{}: {listed}", drill.name);
    }
    let unknown = operator.drill(2, &["run", "earthquake"]).await;
    assert!(unknown.contains("no drill \"earthquake\"") && unknown.contains("kill-leader"), "{unknown}");
    let file = operator.folder.path().join("shop.yml");
    std::fs::write(&file, "cluster: shop\ntargets:\n  - {node: 1, zone: a, url: nowhere}\n").unwrap();
    let wrong = operator.drill(2, &["run", "kill-leader", "--cluster", file.to_str().unwrap()]).await;
    assert!(wrong.contains("shop.yml:3:") && wrong.contains("url"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_on_an_own_cluster_is_rehearsed_run_refused_and_interrupted() {
    let _turn = common::turn().await;
    let Some(mut cluster) = common::moodbot_cluster(&[]).await else { return };
    cluster.wait_ready(PATIENCE).await.unwrap();
    let operator = Operator::new();
    let status = cluster.status(0).await.unwrap();
    let file = operator.cluster_file(&cluster, status["cluster"].as_str().unwrap());
    let file = file.to_str().unwrap();
    let run = |more: &[&'static str]| {
        let mut args = vec!["run", "freeze-leader", "--rounds", "1", "--out", "out", "--whole", "500", "--cluster"];
        args.push(file);
        args.extend(more);
        args
    };

    // What there is no command for is said, and what there is one for is shown.
    let listed = operator.drill(0, &["list", "--cluster", file]).await;
    assert!(listed.contains("not here"), "{listed}");
    let shown = operator.drill(0, &run(&["--dry-run"])).await;
    assert!(shown.contains("kill -STOP") && shown.contains("kill -CONT"), "{shown}");
    assert!(shown.contains("nothing was done"), "{shown}");
    assert!(!operator.folder.path().join("out").exists());

    // Another cluster than the file's is not touched.
    let other = operator.cluster_file(&cluster, "another");
    let refused = operator.drill(2, &["run", "freeze-leader", "--cluster", other.to_str().unwrap()]).await;
    assert!(refused.contains(cluster_name(&other)), "{refused}");

    // It is done, judged and written down.
    let said = operator.drill(0, &run(&[])).await;
    assert!(said.contains("passed"), "{said}");
    let page = std::fs::read_to_string(operator.folder.path().join("out/freeze-leader.html")).unwrap();
    let record = operator.record("freeze-leader.json");
    assert_eq!(record["rounds"].as_array().unwrap().len(), 1);
    assert!(record["command"].as_str().unwrap().contains("drill run freeze-leader"), "{}", record["command"]);
    assert!(page.contains("drill run freeze-leader"));
    assert_eq!(frozen(&cluster), Vec::<usize>::new());

    // Whoever breaks it off finds everything undone: during the fault, and in the middle of its undoing.
    let thaws = operator.folder.path().join("thaws");
    for (hold, in_the_thaw) in [("600000", false), ("1", true)] {
        std::fs::remove_file(&thaws).unwrap();
        let mut drill = operator.command(&run(&["--hold", hold]));
        let drill = drill.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&drill);
        wait_until("no node was frozen", || if in_the_thaw { thaws.exists() } else { !frozen(&cluster).is_empty() })
            .await;
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = ended(drill).await;
        assert_eq!(status.code(), Some(1), "{status}");
        assert_eq!(frozen(&cluster), Vec::<usize>::new());
        let record = operator.record("freeze-leader.json");
        assert!(record["stopped"].as_str().unwrap().contains("interrupted"), "{}", record["stopped"]);
    }

    // With a node gone, the next one is not hit.
    cluster.kill(2).unwrap();
    let refused = operator.drill(2, &run(&[])).await;
    assert!(refused.contains("node 3"), "{refused}");
    assert_eq!((0..2).filter(|i| stands_still(cluster.pid(*i).unwrap())).count(), 0);
}
