//! What nodes are asked before a drill touches them: whether they are the ones of the file, and whether they can be spared.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod stub;

use drills::hands::Target;
use drills::own::OwnCluster;
use drills::rails::{Groups, Refusal};
use serde_json::json;
use std::path::Path;
use stub::{answer, client, listen, status};

/// A cluster file with one target for each of these.
fn file(folder: &Path, targets: &[(u64, &str, &str)]) -> OwnCluster {
    let target = |(node, zone, url): &(u64, &str, &str)| json!({ "node": node, "zone": zone, "url": url, "commands": { "start": ["true"] } });
    let targets: Vec<_> = targets.iter().map(target).collect();
    let path = folder.join("cluster.yml");
    std::fs::write(&path, json!({ "cluster": "shop", "targets": targets }).to_string()).unwrap();
    OwnCluster::load(&path).unwrap()
}

#[tokio::test]
async fn targets_that_are_not_what_the_file_says_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [(one, a), (two, b), (closed, c)] = [listen().await, listen().await, listen().await];
    answer(one, status(1, &[]), true);
    answer(two, status(2, &[]), true);
    drop(closed);

    // The right ones, with or without a slash at the end.
    let right = file(folder.path(), &[(1, "a", &a), (2, "b", &format!("{b}/"))]);
    right.verify(&client()).await.unwrap();

    // Two that are mixed up, and one that is not there: all of them are named.
    let wrong = file(folder.path(), &[(1, "a", &b), (2, "c", &a), (3, "c", &c)]);
    let error = format!("{:#}", wrong.verify(&client()).await.unwrap_err());
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "the cluster file does not fit the cluster:");
    assert_eq!(lines[1], format!("node 1 at {b}: node: found 2, expected 1; zone: found b, expected a"));
    assert_eq!(lines[2], format!("node 2 at {a}: node: found 1, expected 2; zone: found a, expected c"));
    assert!(lines[3].starts_with(&format!("node 3 at {c}: {c}/v1/status: ")), "{error}");

    // A node of another cluster.
    let (other, d) = listen().await;
    let mut status = status(3, &[]);
    status["cluster"] = "shop-staging".into();
    answer(other, status, true);
    let error = file(folder.path(), &[(3, "c", &d)]).verify(&client()).await.unwrap_err();
    assert!(format!("{error:#}").ends_with(&format!("node 3 at {d}: cluster: found shop-staging, expected shop")));
}

#[tokio::test]
async fn the_whole_cluster_is_asked_even_if_only_one_node_is_a_target() {
    let [(one, a), (two, b), (three, c)] = [listen().await, listen().await, listen().await];
    let members = [(1, "http://192.0.2.1:9".to_owned()), (2, b), (3, format!("{c}/"))];
    // The target's own address in the file counts, not what its cluster calls it.
    let targets = [Target { node: 1, zone: "a".into(), url: a }];
    answer(one, status(1, &members), true);
    answer(two, status(2, &members), true);

    // Node 3 answers, and is not ready: node 1 cannot be spared, but nothing is lost yet.
    answer(three, status(3, &members), false);
    let groups = Groups::fetch(&client(), &targets).await.unwrap();
    assert_eq!(groups.permits(&[].into()), Ok(()));
    assert_eq!(groups.permits(&[3].into()), Ok(()));
    let refused = groups.permits(&[1].into()).unwrap_err().to_string();
    let gone = "left would be 2, 1 of 3 zones, and 2 are needed (node 1 is to be away, node 3 is not ready)";
    assert!(refused.contains(gone) && refused.ends_with("; --force overrides this"), "{refused}");
}

#[tokio::test]
async fn who_answers_for_another_counts_as_gone() {
    let [(one, a), (two, b), (closed, nowhere)] = [listen().await, listen().await, listen().await];
    drop(closed);
    answer(one, status(1, &[(1, a.clone()), (2, b.clone()), (3, b.clone())]), true);
    answer(two, status(2, &[]), true);
    let target = |url: &str| [Target { node: 1, zone: "a".into(), url: url.into() }];
    let groups = Groups::fetch(&client(), &target(&a)).await.unwrap();
    assert!(groups.permits(&[3].into()).is_ok());
    assert!(matches!(groups.permits(&[2].into()), Err(Refusal::Minority { .. })));

    // At node 3's address node 2 answers, and not at its own: neither of them counts.
    let (one, a) = listen().await;
    answer(one, status(1, &[(1, a.clone()), (2, nowhere.clone()), (3, b)]), true);
    let groups = Groups::fetch(&client(), &target(&a)).await.unwrap();
    let refused = groups.permits(&[].into()).unwrap_err().to_string();
    assert!(refused.contains("(node 2 is not ready, node 3 is not ready)"), "{refused}");

    // Where nobody answers nothing is known, and that is no permission.
    let error = Groups::fetch(&client(), &target(&nowhere)).await.unwrap_err();
    assert_eq!(error.to_string(), "the nodes answer for 0 clusters, expected one: {}");
}
