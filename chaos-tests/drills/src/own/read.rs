//! From the text of a cluster file to its meaning: what stands there is checked once, and the first thing wrong is named
//! with its line.

use super::docker::Docker;
use super::file::{ClusterFile, FileError, OwnTarget};
use super::kubernetes::Kubernetes;
use super::{kinds, placeholder};
use crate::act::Act;
use crate::hands::Target;
use crate::limits::{ARGUMENTS_MAX, COMMAND_TIMEOUT_S, COMMAND_TIMEOUT_S_MAX, TARGETS_MAX};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    cluster: Spanned<String>,
    #[serde(default)]
    timeout_s: Option<Spanned<u64>>,
    targets: Spanned<Vec<RawTarget>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    node: Spanned<u64>,
    zone: Spanned<String>,
    url: Spanned<String>,
    #[serde(default)]
    docker: Option<Spanned<Docker>>,
    #[serde(default)]
    kubernetes: Option<Spanned<Kubernetes>>,
    #[serde(default)]
    commands: BTreeMap<String, Spanned<Vec<String>>>,
}

/// Where in the file something stands.
struct Field<'a> {
    path: &'a Path,
    line: u64,
    name: String,
}

impl Field<'_> {
    fn check(&self, ok: bool, found: impl Display, expected: impl Display) -> Result<(), FileError> {
        if ok {
            return Ok(());
        }
        Err(FileError::Value {
            path: self.path.to_owned(),
            line: self.line,
            field: self.name.clone(),
            found: found.to_string(),
            expected: expected.to_string(),
        })
    }
}

fn field<'a, T>(path: &'a Path, name: impl Into<String>, value: &Spanned<T>) -> Field<'a> {
    Field { path, line: value.referenced.line(), name: name.into() }
}

/// Letters, digits and dashes, as in a node's own configuration.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// What an engine or a server takes for a name; above all nothing that their clients take for an option.
fn is_object_name(text: &str) -> bool {
    text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// A context's name can hold anything else, such as a path.
fn is_context(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_control)
}

const NAME: &str = "1 to 63 letters, digits and dashes";
const OBJECT_NAME: &str = "letters, digits, dots, dashes and underscores, the first a letter or a digit";
const CONTEXT: &str = "a name that does not begin with a dash";

/// Reads the text of a file; `path` is for messages.
pub(super) fn read(path: &Path, text: &str) -> Result<ClusterFile, FileError> {
    let raw: Raw = serde_saphyr::from_str(text)
        .map_err(|e| FileError::Syntax { path: path.to_owned(), message: e.to_string() })?;
    field(path, "cluster", &raw.cluster).check(is_name(&raw.cluster.value), &raw.cluster.value, NAME)?;
    let mut timeout_s = COMMAND_TIMEOUT_S;
    if let Some(given) = &raw.timeout_s {
        timeout_s = given.value;
        let fits = (1..=COMMAND_TIMEOUT_S_MAX).contains(&timeout_s);
        field(path, "timeout_s", given).check(fits, timeout_s, format!("1 to {COMMAND_TIMEOUT_S_MAX}"))?;
    }
    let count = raw.targets.value.len();
    let fits = (1..=TARGETS_MAX).contains(&count);
    field(path, "targets", &raw.targets).check(fits, count, format!("1 to {TARGETS_MAX} of them"))?;
    let mut targets = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, target) in raw.targets.value.into_iter().enumerate() {
        targets.push(read_target(path, &format!("targets[{i}]"), target, &mut seen)?);
    }
    Ok(ClusterFile { cluster: raw.cluster.value, timeout: Duration::from_secs(timeout_s), targets })
}

fn read_target(path: &Path, at: &str, raw: RawTarget, seen: &mut BTreeSet<String>) -> Result<OwnTarget, FileError> {
    let node = field(path, format!("{at}.node"), &raw.node);
    node.check(raw.node.value > 0, raw.node.value, "an id from 1")?;
    field(path, format!("{at}.zone"), &raw.zone).check(is_name(&raw.zone.value), &raw.zone.value, NAME)?;
    let url = field(path, format!("{at}.url"), &raw.url);
    url.check(is_base_url(&raw.url.value), &raw.url.value, "http://HOST:PORT or https://HOST:PORT")?;
    // Base URLs get a path behind them.
    let base = raw.url.value.trim_end_matches('/').to_owned();
    let mut once = |field: &Field<'_>, what: String| {
        let first = seen.insert(what.clone());
        field.check(first, format!("{what} a second time"), "each target once")
    };
    once(&node, format!("node {}", raw.node.value))?;
    once(&url, base.clone())?;
    if let Some(docker) = &raw.docker {
        let of = field(path, format!("{at}.docker"), docker);
        check_docker(&of, &docker.value)?;
        let Docker { container, context, .. } = &docker.value;
        once(&of, format!("container {container} of context {:?}", context.as_deref().unwrap_or_default()))?;
    }
    if let Some(pod) = &raw.kubernetes {
        let of = field(path, format!("{at}.kubernetes"), pod);
        of.check(raw.docker.is_none(), "kubernetes beside docker", "one of them")?;
        check_pod(&of, &pod.value)?;
        let Kubernetes { namespace, pod, context, .. } = &pod.value;
        once(&of, format!("pod {namespace}/{pod} of context {:?}", context.as_deref().unwrap_or_default()))?;
    }
    let some = raw.docker.is_some() || raw.kubernetes.is_some() || !raw.commands.is_empty();
    node.check(some, "a node without hands on it", "docker, kubernetes or commands beside it")?;
    let mut target = OwnTarget {
        target: Target { node: raw.node.value, zone: raw.zone.value, url: base },
        docker: raw.docker.map(|d| d.value),
        kubernetes: raw.kubernetes.map(|k| k.value),
        commands: BTreeMap::new(),
    };
    let mut acts = Vec::new();
    for (kind, argv) in raw.commands {
        let of = field(path, format!("{at}.commands.{kind}"), &argv);
        let act = kinds::of_kind(&kind);
        of.check(act.is_some(), &kind, format!("one of {}", kinds::names()))?;
        let Some(act) = act else { continue };
        check_command(&of, &argv.value, &target, &act)?;
        target.commands.insert(act.kind(), argv.value);
        acts.push((of, act));
    }
    for (of, act) in &acts {
        if let Some(undo) = act.undo() {
            let undo_kind = undo.kind();
            of.check(target.has(&undo), format!("no {undo_kind}"), format!("{undo_kind} beside it, which undoes it"))?;
        }
    }
    Ok(target)
}

fn is_base_url(text: &str) -> bool {
    let whole = |url: &reqwest::Url| url.host_str().is_some() && url.query().is_none() && url.fragment().is_none();
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && whole(&url))
}

fn check_command(of: &Field<'_>, argv: &[String], target: &OwnTarget, act: &Act) -> Result<(), FileError> {
    let fits = (1..=ARGUMENTS_MAX).contains(&argv.len()) && argv.first().is_some_and(|program| !program.is_empty());
    of.check(fits, format!("{argv:?}"), format!("a program and its arguments, {ARGUMENTS_MAX} in all at most"))?;
    let values = placeholder::values(&target.target, act);
    let filled = placeholder::fill_all(argv, &values);
    let known: Vec<String> = values.iter().map(|(name, _)| format!("{{{name}}}")).collect();
    let expected = format!("{}, or two braces for one", known.join(", "));
    of.check(filled.is_ok(), filled.err().unwrap_or_default(), expected)?;
    // One mends what the other has cut, or nobody does.
    let by_network = target.docker.as_ref().is_some_and(|d| d.network.is_some());
    let two = by_network && kinds::is_of_link(act);
    of.check(!two, format!("{} beside docker.network", act.kind()), "one of them for all that is done to links")
}

fn check_docker(of: &Field<'_>, docker: &Docker) -> Result<(), FileError> {
    let inner = |name: &str| Field { path: of.path, line: of.line, name: format!("{}.{name}", of.name) };
    inner("container").check(is_object_name(&docker.container), &docker.container, OBJECT_NAME)?;
    if let Some(network) = &docker.network {
        inner("network").check(is_object_name(network), network, OBJECT_NAME)?;
    }
    for alias in &docker.aliases {
        inner("aliases").check(is_object_name(alias), alias, OBJECT_NAME)?;
    }
    let of_network = docker.ip.is_some() || !docker.aliases.is_empty();
    inner("network").check(docker.network.is_some() || !of_network, "none", "the network of ip and aliases")?;
    check_client(of, &docker.program, docker.context.as_deref())
}

fn check_pod(of: &Field<'_>, pod: &Kubernetes) -> Result<(), FileError> {
    let inner = |name: &str| Field { path: of.path, line: of.line, name: format!("{}.{name}", of.name) };
    inner("namespace").check(is_object_name(&pod.namespace), &pod.namespace, OBJECT_NAME)?;
    inner("pod").check(is_object_name(&pod.pod), &pod.pod, OBJECT_NAME)?;
    check_client(of, &pod.program, pod.context.as_deref())
}

fn check_client(of: &Field<'_>, program: &str, context: Option<&str>) -> Result<(), FileError> {
    let inner = |name: &str| Field { path: of.path, line: of.line, name: format!("{}.{name}", of.name) };
    inner("program").check(!program.is_empty(), "nothing", "a program")?;
    if let Some(context) = context {
        inner("context").check(is_context(context), context, CONTEXT)?;
    }
    Ok(())
}
