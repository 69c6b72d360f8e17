//! Dependencies point one way: analysis ← dialogue, {dialogue, cluster-config} ← {raft, actors, shaders} ← node.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// What each member may name among the members, in any kind of dependency.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tertulia-dialogue", &["tertulia-analysis"]),
    // What rules read off a text; as pure as the core, which may name it.
    ("tertulia-analysis", &[]),
    ("tertulia-cluster-config", &[]),
    ("tertulia-raft", &["tertulia-dialogue", "tertulia-cluster-config"]),
    ("tertulia-actors", &["tertulia-dialogue", "tertulia-cluster-config"]),
    ("tertulia-shaders", &["tertulia-dialogue", "tertulia-cluster-config", "tertulia-adapter"]),
    // Apart because it cannot do without `unsafe`.
    ("tertulia-adapter", &[]),
    (
        "tertulia-node",
        &[
            "tertulia-dialogue",
            "tertulia-cluster-config",
            "tertulia-raft",
            "tertulia-actors",
            "tertulia-shaders",
            "tertulia-drills",
        ],
    ),
    ("tertulia-drills", &["tertulia-dialogue", "tertulia-cluster-config"]),
    // The simulator links what it simulates, which is a whole node; the drills drive processes from outside.
    (
        "tertulia-chaos-tests",
        &[
            "tertulia-dialogue",
            "tertulia-cluster-config",
            "tertulia-raft",
            "tertulia-actors",
            "tertulia-node",
            "tertulia-drills",
            "tertulia-seeded",
            "tertulia-results",
        ],
    ),
    ("tertulia-seeded", &[]),
    ("tertulia-shim", &[]),
    ("tertulia-results", &[]),
    (
        "tertulia-shaders-bench",
        &["tertulia-dialogue", "tertulia-cluster-config", "tertulia-actors", "tertulia-shaders", "tertulia-results"],
    ),
    ("tertulia-xtask", &["tertulia-results"]),
];

/// Crates that only these members may name.
const KEPT: &[(&str, &[&str])] = &[
    ("sled", &["tertulia-raft"]),
    ("openraft", &["tertulia-raft"]),
    ("bincode", &["tertulia-raft"]),
    ("wgpu", &["tertulia-shaders", "tertulia-adapter"]),
    ("ractor", &["tertulia-actors"]),
];

/// What a pure core cannot be: asynchronous, random, or tied to a clock or the network.
const NOT_IN_DIALOGUE: &[&str] =
    &["tokio", "futures", "rand", "getrandom", "reqwest", "hyper", "mio", "chrono", "time"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo metadata describes the workspace")
}

#[test]
fn members_know_only_what_lies_below_them() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let members: BTreeSet<String> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let listed: BTreeSet<String> = allowed.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(members, listed, "every member has its line in ALLOWED");
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            // A member may name itself, to switch on a feature for its own tests.
            let wrong = members.contains(&dependency.name)
                && dependency.name != package.name.as_str()
                && !allowed[package.name.as_str()].contains(&dependency.name.as_str());
            assert!(!wrong, "{} must not know {}", package.name, dependency.name);
        }
    }
}

#[test]
fn each_store_and_each_device_has_one_owner() {
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            for (kept, owners) in KEPT {
                let wrong = dependency.name == *kept && !owners.contains(&package.name.as_str());
                assert!(!wrong, "{} must not name {kept}: it belongs to {}", package.name, owners.join(" and "));
            }
        }
    }
}

#[test]
fn owners_name_what_they_own() {
    // So that a crate that is dropped or renamed does not leave an empty rule behind.
    let metadata = metadata();
    for (kept, owners) in KEPT {
        for owner in *owners {
            let package = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == *owner);
            let package = package.expect("a member");
            assert!(package.dependencies.iter().any(|d| d.name == *kept), "{owner} does not name {kept}");
        }
    }
}

#[test]
fn the_core_pulls_in_nothing_that_awaits_draws_or_tells_the_time() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("the metadata is resolved");
    let by_id: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    // Also what the core may name, before it does.
    let core = ["tertulia-dialogue", "tertulia-analysis"];
    let mut seen = BTreeSet::new();
    let mut ahead: Vec<_> =
        metadata.packages.iter().filter(|p| core.contains(&p.name.as_str())).map(|p| &p.id).collect();
    assert_eq!(ahead.len(), core.len(), "both are members");
    while let Some(id) = ahead.pop() {
        if !seen.insert(id) {
            continue;
        }
        assert!(!NOT_IN_DIALOGUE.contains(&names[id]), "the core pulls in {}", names[id]);
        let normal = by_id[id].deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        ahead.extend(normal.map(|d| &d.pkg));
    }
    assert!(seen.len() > 3, "the walk went somewhere");
}
