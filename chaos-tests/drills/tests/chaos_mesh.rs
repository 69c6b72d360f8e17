//! The manifests for Chaos Mesh: what it accepts, and that none can reach beyond one zone.
//!
//! Kinds, actions, fields and what must be there are those of its `config/crd/bases` and of its admission webhooks, as of
//! version 2.8 (`chaos-mesh.org/v1alpha1`).
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Every drill that has a manifest: its kind and action.
const DRILLS: [(&str, &str, &str); 11] = [
    ("clock-step", "TimeChaos", ""),
    ("cut", "NetworkChaos", "partition"),
    ("cut-incoming", "NetworkChaos", "partition"),
    ("cut-outgoing", "NetworkChaos", "partition"),
    ("freeze", "PodChaos", "pod-failure"),
    ("full-disk", "IOChaos", "fault"),
    ("kill-leader", "PodChaos", "pod-kill"),
    ("lossy", "NetworkChaos", "loss"),
    ("slow-disk", "IOChaos", "latency"),
    ("slow-link", "NetworkChaos", "netem"),
    ("zone-loss", "PodChaos", "pod-failure"),
];

/// By kind: its actions, the fields of its spec beyond those of every kind, and which of these must be there.
fn of_kind(kind: &str) -> Option<(&'static [&'static str], &'static [&'static str], &'static [&'static str])> {
    Some(match kind {
        "PodChaos" => (&["pod-kill", "pod-failure", "container-kill"], &["gracePeriod", "containerNames"], &["action"]),
        "NetworkChaos" => (
            &["netem", "delay", "loss", "duplicate", "corrupt", "partition", "bandwidth"],
            &["direction", "target", "delay", "loss", "duplicate", "corrupt", "bandwidth", "rate", "device"],
            &["action"],
        ),
        "IOChaos" => (
            &["latency", "fault", "attrOverride", "mistake"],
            &["delay", "errno", "methods", "path", "percent", "volumePath", "containerNames"],
            &["action", "volumePath"],
        ),
        "TimeChaos" => (&[], &["timeOffset", "clockIds", "containerNames"], &["timeOffset"]),
        _ => return None,
    })
}

/// A duration as Go reads it: numbers with units, one after the other. `one` allows a single one without a sign.
fn is_duration(text: &Value, one: bool) -> bool {
    let Some(text) = text.as_str() else { return false };
    let mut rest = if one { text } else { text.trim_start_matches(['+', '-']) };
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let unit = ["ns", "us", "ms", "s", "m", "h"].into_iter().filter(|unit| rest[digits..].starts_with(unit));
        let Some(unit) = unit.max_by_key(|unit| unit.len()) else { return false };
        if rest[..digits].parse::<f64>().is_err() {
            return false;
        }
        rest = &rest[digits + unit.len()..];
        parts += 1;
    }
    if one { parts == 1 } else { parts > 0 }
}

fn ensure(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(what.to_owned()) }
}

/// Are all keys of a mapping among these?
fn known(mapping: &Value, keys: &[&str]) -> Result<(), String> {
    let mapping = mapping.as_object().ok_or("no mapping")?;
    mapping.keys().try_for_each(|key| ensure(keys.contains(&key.as_str()), &format!("unknown field {key}")))
}

/// Tertulia's pods, and nobody else's.
fn is_bound(selector: &Value) -> Result<(), String> {
    known(selector, &["namespaces", "labelSelectors", "expressionSelectors"])?;
    ensure(selector["namespaces"] == json!(["tertulia"]), "the selector is not bound to the namespace")?;
    let name = &selector["labelSelectors"]["app.kubernetes.io/name"];
    ensure(name == "tertulia", "the selector is not bound to the name")
}

fn check(manifest: &Value, name: &str, kind: &str, action: &str) -> Result<(), String> {
    known(manifest, &["apiVersion", "kind", "metadata", "spec"])?;
    ensure(manifest["apiVersion"] == "chaos-mesh.org/v1alpha1", "apiVersion")?;
    ensure(manifest["kind"] == kind, "kind")?;
    let metadata = json!({ "name": format!("tertulia-{name}"), "namespace": "tertulia" });
    ensure(manifest["metadata"] == metadata, "metadata")?;

    // What every kind has: whom it hits, and for how long.
    let spec = &manifest["spec"];
    let (actions, fields, required) = of_kind(kind).ok_or("unknown kind")?;
    known(spec, &[["action", "mode", "selector", "duration"].as_slice(), fields].concat())?;
    for field in required {
        ensure(spec.get(field).is_some(), &format!("no {field}"))?;
    }
    ensure(spec["action"].as_str().unwrap_or_default() == action, "action")?;
    ensure(actions.contains(&action) || actions.is_empty(), "unknown action")?;
    is_bound(&spec["selector"])?;
    let zone = &spec["selector"]["labelSelectors"]["tertulia.dev/zone"];
    ensure(zone.is_string(), "the selector is not bound to a zone")?;
    ensure(spec["selector"].get("expressionSelectors").is_none(), "one zone is enough")?;
    ensure(spec["mode"] == "one" || (name == "zone-loss" && spec["mode"] == "all"), "mode")?;
    // A kill is over at once, whatever stands there.
    let for_ever = spec.get("duration").is_none() && action != "pod-kill";
    ensure(!for_ever && (action == "pod-kill" || is_duration(&spec["duration"], true)), "duration")?;
    check_parameters(spec, kind, action, zone)
}

/// What each kind has for itself.
fn check_parameters(spec: &Value, kind: &str, action: &str, zone: &Value) -> Result<(), String> {
    match kind {
        "NetworkChaos" => {
            let target = &spec["target"];
            ensure(["to", "from", "both"].map(Value::from).contains(&spec["direction"]), "direction")?;
            // Without a target a partition goes to everyone, and the API server and the clients are cut off, too.
            known(target, &["mode", "selector"])?;
            ensure(target["mode"] == "all", "the target's mode")?;
            is_bound(&target["selector"])?;
            let others = json!([{ "key": "tertulia.dev/zone", "operator": "NotIn", "values": [zone] }]);
            ensure(target["selector"]["expressionSelectors"] == others, "the target is not the other zones")?;
            let number = |value: &Value| value.as_str().is_some_and(|n| n.parse::<f32>().is_ok());
            let loss = &spec["loss"];
            ensure((action == "loss") == loss.is_object(), "loss")?;
            ensure(loss.is_null() || (number(&loss["loss"]) && number(&loss["correlation"])), "loss in numbers")?;
            let delay = &spec["delay"];
            ensure((action == "netem") == delay.is_object(), "delay")?;
            let late = is_duration(&delay["latency"], true) && is_duration(&delay["jitter"], true);
            ensure(delay.is_null() || (late && number(&delay["correlation"])), "latency and jitter")?;
            let rate = spec["rate"]["rate"].as_str().map(|r| r.trim_end_matches("mbit").parse::<u64>().is_ok());
            ensure((action == "netem").then_some(true) == rate, "rate")
        }
        "IOChaos" => {
            let volume = spec["volumePath"].as_str().unwrap_or_default();
            let path = spec["path"].as_str().unwrap_or_default();
            ensure(volume.starts_with('/') && path.starts_with(&format!("{volume}/")), "path inside of the volume")?;
            // Those of a file system's methods that can be meant here.
            let methods = spec["methods"].as_array().ok_or("all methods would be hit")?;
            let may = ["write", "create", "fsync", "flush"].map(Value::from);
            ensure(!methods.is_empty() && methods.iter().all(|m| may.contains(m)), "methods")?;
            ensure(spec["percent"].as_u64().is_some_and(|p| (1..=100).contains(&p)), "percent")?;
            ensure((action == "latency") == is_duration(&spec["delay"], true), "delay")?;
            ensure((action == "fault") == (spec["errno"] == 28), "errno: no space left on the device")
        }
        "TimeChaos" => {
            ensure(is_duration(&spec["timeOffset"], false), "timeOffset")?;
            ensure(spec["clockIds"] == json!(["CLOCK_REALTIME"]), "clockIds")
        }
        _ => ensure(spec.get("gracePeriod").is_none_or(Value::is_u64), "gracePeriod"),
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../cluster-config/chaos-mesh"))
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn every_manifest_is_one_that_chaos_mesh_accepts_and_keeps_to_one_zone() {
    for (name, kind, action) in DRILLS {
        check(&read(name), name, kind, action).unwrap_or_else(|what| panic!("{name}.yaml: {what}"));
    }
    // Each direction is its own drill.
    let directions = ["cut", "cut-outgoing", "cut-incoming"].map(|name| read(name)["spec"]["direction"].clone());
    assert_eq!(directions, ["both", "to", "from"].map(Value::from));
}

#[test]
fn every_drill_of_the_list_has_its_manifest_and_its_line() {
    let files = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name != "README.md").collect();
    files.sort();
    let mut expected = DRILLS.map(|(name, _, _)| format!("{name}.yaml"));
    expected.sort();
    assert_eq!(files, expected);
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows: BTreeMap<&str, &str> = readme.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`')).collect();
    for (name, _, _) in DRILLS {
        let row = rows.get(format!("{name}.yaml").as_str()).unwrap_or_else(|| panic!("no row for {name}"));
        let duration = read(name)["spec"]["duration"].as_str().unwrap_or("at once").replace('s', " s");
        let said = if name == "kill-leader" { "at once".to_owned() } else { duration };
        assert!(row.contains(&format!("| {said} |")), "{name}: {row}");
    }
}

#[test]
fn what_is_wrong_in_a_manifest_is_found() {
    type Change = fn(&mut Value);
    let wrong: [(&str, &str, Change); 17] = [
        ("cut", "apiVersion", |m| m["apiVersion"] = "chaos-mesh.org/v1".into()),
        ("cut", "kind", |m| m["kind"] = "PodChaos".into()),
        ("cut", "action", |m| m["spec"]["action"] = "loss".into()),
        ("cut", "unknown field direktion", |m| m["spec"]["direktion"] = "to".into()),
        ("cut", "direction", |m| m["spec"]["direction"] = "out".into()),
        ("cut", "the target is not the other zones", |m| {
            m["spec"]["target"]["selector"].as_object_mut().unwrap().remove("expressionSelectors");
        }),
        ("cut", "no mapping", |m| drop(m["spec"].as_object_mut().unwrap().remove("target"))),
        ("lossy", "loss in numbers", |m| m["spec"]["loss"]["loss"] = 20.into()),
        ("slow-link", "rate", |m| m["spec"]["rate"]["rate"] = "2 furlongs".into()),
        ("freeze", "mode", |m| m["spec"]["mode"] = "all".into()),
        ("freeze", "duration", |m| drop(m["spec"].as_object_mut().unwrap().remove("duration"))),
        ("freeze", "duration", |m| m["spec"]["duration"] = "20".into()),
        ("zone-loss", "the selector is not bound to a zone", |m| {
            m["spec"]["selector"]["labelSelectors"].as_object_mut().unwrap().remove("tertulia.dev/zone");
        }),
        ("zone-loss", "the selector is not bound to the namespace", |m| {
            m["spec"]["selector"]["namespaces"] = json!([])
        }),
        ("full-disk", "no volumePath", |m| drop(m["spec"].as_object_mut().unwrap().remove("volumePath"))),
        ("slow-disk", "methods", |m| m["spec"]["methods"] = json!(["fdatasync"])),
        ("clock-step", "timeOffset", |m| m["spec"]["timeOffset"] = "10 minutes".into()),
    ];
    for (name, expected, change) in wrong {
        let (_, kind, action) = DRILLS.into_iter().find(|(drill, _, _)| *drill == name).unwrap();
        let mut manifest = read(name);
        change(&mut manifest);
        assert_eq!(check(&manifest, name, kind, action), Err(expected.to_owned()), "{name}");
    }
    for (text, one, yes) in [
        ("30s", true, true),
        ("1.5h", true, true),
        ("-10m100ns", false, true),
        ("1h2m", true, false),
        ("", false, false),
    ] {
        assert_eq!(is_duration(&text.into(), one), yes, "{text}");
    }
}
