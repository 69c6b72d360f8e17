//! Cluster files, and the commands that they name.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod stub;

use drills::act::Act;
use drills::hands::Hands;
use drills::own::{ClusterFile, OwnCluster};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("cluster.yml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What is said of a file with one target, from its field `url` on; without the file's path.
fn refused(rest: &str) -> String {
    refused_file(&format!("cluster: shop\ntargets:\n  - node: 2\n    zone: b\n{rest}"))
}

fn refused_file(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), text);
    let error = ClusterFile::load(&path).unwrap_err().to_string();
    error.strip_prefix(&format!("{}:", path.display())).unwrap().to_owned()
}

#[test]
fn a_right_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
cluster: shop
targets:
  - {node: 2, zone: b, url: 'http://10.0.2.5:8080/', docker: {container: tertulia-b, network: peers, ip: 10.9.0.2}}
  - {node: 3, zone: c, url: 'https://c.example/chat', kubernetes: {namespace: chat, pod: tertulia-2, context: prod}}
  - node: 1
    zone: a
    url: http://10.0.1.5:8080
    docker: {container: tertulia-a}
    commands:
      kill: [ssh, zone-a, systemctl, kill, -s, KILL, '{node}@{zone}']
      lossy: [ssh, zone-a, tc-loss, '{percent}']
      mend-link: [ssh, zone-a, tc-whole]
";
    let hands = OwnCluster::load(&write(folder.path(), text)).unwrap();
    assert_eq!(hands.place(), "the cluster shop (nodes 2 in b, 3 in c, 1 in a)");
    assert_eq!(hands.targets()[0].url, "http://10.0.2.5:8080");
    assert_eq!(hands.describe(0, &Act::Stop), "docker stop -t 25 tertulia-b");
    assert_eq!(hands.describe(0, &Act::MendLink), "docker network connect --ip 10.9.0.2 peers tertulia-b");
    let delete = "kubectl --context prod --namespace chat delete pod tertulia-2 --grace-period=0 --force";
    assert_eq!(hands.describe(1, &Act::Kill), delete);
    // A command goes before the container; what it does not do, the container does.
    assert_eq!(hands.describe(2, &Act::Kill), "ssh zone-a systemctl kill -s KILL 1@a");
    assert_eq!(hands.describe(2, &Act::Start), "docker start tertulia-a");
    assert_eq!(hands.describe(2, &Act::Lossy { percent: 12 }), "ssh zone-a tc-loss 12");
    assert_eq!(hands.lacks(2, &Act::Lossy { percent: 12 }), None);

    // What is lacking is said with the line that the file needs.
    let lacks = |target, act: Act| hands.lacks(target, &act).unwrap();
    assert_eq!(
        lacks(1, Act::Freeze),
        "the cluster file has no freeze for node 3: add `freeze: [PROGRAM]` and `thaw: [PROGRAM]` to its commands"
    );
    assert_eq!(
        lacks(2, Act::SlowLink { delay_ms: 1, kilobit: 2 }),
        "the cluster file has no slow-link for node 1: add `slow-link: [PROGRAM, '{delay_ms}', '{kilobit}']` to its commands"
    );
    assert_eq!(
        lacks(0, Act::CutOutgoing),
        "the cluster file has no cut-outgoing for node 2: add `cut-outgoing: [PROGRAM]` to its commands, with cut and \
         mend-link as commands too, instead of docker.network"
    );
    assert_eq!(hands.describe(1, &Act::Thaw), lacks(1, Act::Thaw));
    assert_eq!(lacks(7, Act::Kill), "the cluster file has no target 7");
}

#[test]
fn wrong_files_are_refused_with_the_line_and_the_field() {
    let url = "    url: http://h:1\n";
    let with = |rest: &str| refused(&format!("{url}{rest}"));
    assert_eq!(
        with("    commands: {kil: [a]}\n"),
        "6: targets[0].commands.kil: found kil, expected one of kill, stop, start, start-previous, freeze, thaw, cut, \
         cut-outgoing, cut-incoming, lossy, slow-link, mend-link, slow-disk, mend-disk, fill-disk, free-disk, step-clock, \
         wrong-certificate, right-certificate"
    );
    assert_eq!(
        with("    commands:\n      start: [a]\n      freeze: [b]\n"),
        "8: targets[0].commands.freeze: found no thaw, expected thaw beside it, which undoes it"
    );
    assert_eq!(
        with("    kubernetes: {namespace: n, pod: p}\n    commands:\n      cut: [b]\n"),
        "8: targets[0].commands.cut: found no mend-link, expected mend-link beside it, which undoes it"
    );
    assert_eq!(
        with("    commands:\n      stop: [a, '{nod}']\n      start: [a]\n"),
        "7: targets[0].commands.stop: found {nod}, expected {node}, {zone}, or two braces for one"
    );
    assert_eq!(
        with("    commands: {slow-disk: [a, '{kilobit}'], mend-disk: [a]}\n"),
        "6: targets[0].commands.slow-disk: found {kilobit}, expected {node}, {zone}, {delay_ms}, or two braces for one"
    );
    assert_eq!(
        with("    commands: {start: []}\n"),
        "6: targets[0].commands.start: found [], expected a program and its arguments, 64 in all at most"
    );
    assert_eq!(
        with("    docker: {container: c, network: n}\n    commands: {lossy: [a], mend-link: [b]}\n"),
        "7: targets[0].commands.lossy: found lossy beside docker.network, expected one of them for all that is done to links"
    );
    assert_eq!(
        with("    docker: {container: c}\n    kubernetes: {namespace: n, pod: p}\n"),
        "7: targets[0].kubernetes: found kubernetes beside docker, expected one of them"
    );
    assert_eq!(
        with("    docker:\n      container: --all\n"),
        "7: targets[0].docker.container: found --all, expected letters, digits, dots, dashes and underscores, the first a \
         letter or a digit"
    );
    assert_eq!(
        with("    docker: {container: c, ip: 10.0.0.1}\n"),
        "6: targets[0].docker.network: found none, expected the network of ip and aliases"
    );
    assert_eq!(
        with(""),
        "3: targets[0].node: found a node without hands on it, expected docker, kubernetes or commands beside it"
    );
    for wrong in ["ftp://h", "h:8080", "http://", "http://h/?a=1"] {
        assert_eq!(
            refused(&format!("    url: '{wrong}'\n    docker: {{container: c}}\n")),
            format!("5: targets[0].url: found {wrong}, expected http://HOST:PORT or https://HOST:PORT")
        );
    }
    let head = "cluster: shop\ntargets:\n";
    let target = |node: u64, url: &str, container: &str| {
        format!("  - {{node: {node}, zone: b, url: 'http://{url}', docker: {{container: {container}}}}}\n")
    };
    let two = |second: String| refused_file(&format!("{head}{}{second}", target(2, "h:1", "c")));
    assert_eq!(two(target(2, "h:2", "d")), "4: targets[1].node: found node 2 a second time, expected each target once");
    assert_eq!(
        two(target(3, "h:1/", "d")),
        "4: targets[1].url: found http://h:1 a second time, expected each target once"
    );
    assert_eq!(
        two(target(3, "h:2", "c")),
        "4: targets[1].docker: found container c of context \"\" a second time, expected each target once"
    );
    assert_eq!(refused_file("cluster: shop\ntargets: []\n"), "2: targets: found 0, expected 1 to 64 of them");
    let late = format!("cluster: shop\ntimeout_s: 601\ntargets:\n{}", target(2, "h", "c"));
    assert_eq!(refused_file(&late), "2: timeout_s: found 601, expected 1 to 600");
    let named = format!("cluster: my shop\ntargets:\n{}", target(2, "h", "c"));
    assert_eq!(refused_file(&named), "1: cluster: found my shop, expected 1 to 63 letters, digits and dashes");

    // What the parser refuses it refuses with line, column and field.
    let unknown = with("    dokcer: {container: c}\n");
    assert!(unknown.contains("line 6 column 5") && unknown.contains("`dokcer`"), "{unknown}");
    let missing = refused_file("cluster: shop\n");
    assert!(missing.contains("targets"), "{missing}");
    let twice = with("    commands:\n      start: [a]\n      start: [b]\n");
    assert!(twice.contains("line 8") && twice.contains("start"), "{twice}");
    let kind = with("    commands: {start: 'systemctl start tertulia'}\n");
    assert!(kind.contains("line 6"), "{kind}");
}

/// A cluster of one target, node 1, whose status is answered.
async fn one_target(hands: &str) -> (TempDir, OwnCluster) {
    let (listener, url) = stub::listen().await;
    stub::answer(listener, stub::status(1, &[]), true);
    let folder = tempfile::tempdir().unwrap();
    let hands = hands.replace("FOLDER", &folder.path().display().to_string());
    let text = format!("cluster: shop\ntimeout_s: 2\ntargets:\n  - node: 1\n    zone: a\n    url: {url}\n{hands}");
    let cluster = OwnCluster::load(&write(folder.path(), &text)).unwrap();
    (folder, cluster)
}

#[tokio::test]
async fn commands_run_with_their_parameters_and_without_a_shell() {
    let (folder, mut hands) = one_target(
        "    commands:
      kill: [touch, 'FOLDER/killed {node} $HOME;{zone}']
      start: [sh, -c, 'echo started >> FOLDER/starts']
      step-clock: [touch, 'FOLDER/clock{offset_ms}']
      slow-disk: [sh, -c, 'echo half; echo no such disk >&2; exit 7']
      mend-disk: [touch, FOLDER/mended]
      freeze: [sleep, '30']
      thaw: [touch, FOLDER/thawed]
",
    )
    .await;
    let there = |name: &str| folder.path().join(name).exists();

    // Nothing before the target has said who it is.
    let error = format!("{:#}", hands.act(0, &Act::Kill).await.unwrap_err());
    assert_eq!(error, "node 1 in zone a: kill: nobody has verified yet that the targets are ours");
    assert!(!there("killed 1 $HOME;a"));
    hands.verify(&stub::client()).await.unwrap();

    // What was not done is not undone; what was is, once.
    hands.act(0, &Act::Start).await.unwrap();
    assert!(!there("starts"));
    hands.act(0, &Act::Kill).await.unwrap();
    assert!(there("killed 1 $HOME;a"), "one argument, taken as it is");
    hands.act(0, &Act::Start).await.unwrap();
    hands.act(0, &Act::Start).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("starts")).unwrap(), "started\n");
    hands.act(0, &Act::StepClock { offset_ms: -1_500 }).await.unwrap();
    hands.act(0, &Act::StepClock { offset_ms: 0 }).await.unwrap();
    assert!(there("clock-1500") && there("clock0"));

    // One that fails says how, and is undone all the same: it may have done half of it.
    let error = format!("{:#}", hands.act(0, &Act::SlowDisk { delay_ms: 5 }).await.unwrap_err());
    assert!(error.starts_with("node 1 in zone a: slow-disk +5 ms: sh -c "), "{error}");
    assert!(error.ends_with(": exit status: 7\nhalf\nno such disk"), "{error}");
    hands.act(0, &Act::MendDisk).await.unwrap();
    assert!(there("mended"));

    // One that hangs is killed.
    let begun = Instant::now();
    let error = format!("{:#}", hands.act(0, &Act::Freeze).await.unwrap_err());
    assert_eq!(error, "node 1 in zone a: freeze: sleep 30: killed, it has not ended within 2s");
    assert!((1..15).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    hands.act(0, &Act::Thaw).await.unwrap();
    assert!(there("thawed"));

    // What the file does not have is refused, and so is a target that it does not have.
    let error = format!("{:#}", hands.act(0, &Act::Cut).await.unwrap_err());
    assert!(error.contains("add `cut: [PROGRAM]` and `mend-link: [PROGRAM]` to its commands"), "{error}");
    assert!(hands.act(1, &Act::Kill).await.is_err());
}

#[tokio::test]
async fn a_pod_is_deleted_and_waited_for() {
    // A client that writes down what it was called with. The pod is not there when it is first waited for.
    let (folder, mut hands) =
        one_target("    kubernetes: {namespace: chat, pod: tertulia-0, program: FOLDER/kubectl}\n").await;
    let script = "#!/bin/sh
cd \"$(dirname \"$0\")\" && echo \"$*\" >> calls
case \"$*\" in
*' wait '*) test -e seen || { touch seen; echo 'Error from server (NotFound): pods \"tertulia-0\" not found' >&2; exit 1; } ;;
*delete*grace*) ;;
*) echo 'error: no context' >&2; exit 1 ;;
esac
";
    let program = folder.path().join("kubectl");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    hands.verify(&stub::client()).await.unwrap();
    hands.act(0, &Act::Kill).await.unwrap();
    hands.act(0, &Act::Start).await.unwrap();
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    let wait = "--namespace chat wait pod tertulia-0 --for=condition=Ready --timeout=1s";
    assert_eq!(
        calls.lines().collect::<Vec<_>>(),
        ["--namespace chat delete pod tertulia-0 --grace-period=0 --force", wait, wait]
    );
    let error = format!("{:#}", hands.act(0, &Act::Stop).await.unwrap_err());
    assert!(error.ends_with("exit status: 1\nerror: no context"), "{error}");

    // A pod that never comes is given up in time.
    std::fs::write(&program, "#!/bin/sh\necho '(NotFound)'\nexit 1\n").unwrap();
    let begun = Instant::now();
    assert!(hands.act(0, &Act::Start).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
