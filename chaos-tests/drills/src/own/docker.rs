//! Acts on a node that runs in a container.

use super::command;
use crate::act::Act;
use crate::limits::COMMAND_MARGIN;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// The container of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// Its name.
    pub container: String,
    /// The network over which it reaches the other zones. A cut takes the container off it, with all its connections
    /// there; clients should come in by another.
    #[serde(default)]
    pub network: Option<String>,
    /// Its fixed address in that network, where it has one.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// Its further names in that network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The context that names its engine; the current one when left out.
    #[serde(default)]
    pub context: Option<String>,
    /// The client to run.
    #[serde(default = "docker")]
    pub program: String,
}

fn docker() -> String {
    "docker".into()
}

impl Docker {
    /// The command for an act, if containers have one.
    pub(super) fn argv(&self, act: &Act, timeout: Duration) -> Option<Vec<String>> {
        let container = self.container.as_str();
        let network = self.network.as_deref();
        let patience = timeout.saturating_sub(COMMAND_MARGIN).as_secs().max(1).to_string();
        let what: Vec<&str> = match act {
            Act::Kill => vec!["kill", "--signal", "KILL", container],
            Act::Stop => vec!["stop", "-t", &patience, container],
            Act::Start => vec!["start", container],
            Act::Freeze => vec!["pause", container],
            Act::Thaw => vec!["unpause", container],
            Act::Cut => vec!["network", "disconnect", network?, container],
            Act::MendLink => {
                let ip = self.ip.map(|ip| ip.to_string());
                let flag = if self.ip.is_some_and(|ip| ip.is_ipv6()) { "--ip6" } else { "--ip" };
                let mut what: Vec<String> = vec!["network".into(), "connect".into()];
                what.extend(ip.into_iter().flat_map(|ip| [flag.to_owned(), ip]));
                what.extend(self.aliases.iter().flat_map(|alias| ["--alias".to_owned(), alias.clone()]));
                what.extend([network?.to_owned(), container.to_owned()]);
                return Some(self.with_program(what));
            }
            _ => return None,
        };
        Some(self.with_program(what.into_iter().map(str::to_owned)))
    }

    fn with_program(&self, what: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut argv = vec![self.program.clone()];
        argv.extend(self.context.iter().flat_map(|context| ["--context".to_owned(), context.clone()]));
        argv.extend(what);
        argv
    }

    /// Runs the command of an act, unless it undoes what is not so.
    pub(super) async fn carry_out(&self, act: &Act, argv: &[String], timeout: Duration) -> Result<()> {
        let needed = match act {
            Act::Thaw => self.inspect(".State.Paused", timeout).await? == Value::Bool(true),
            Act::MendLink => self.attachment(timeout).await?.is_none(),
            Act::Cut => {
                self.check_it_can_be_mended(timeout).await?;
                true
            }
            // The engine itself lets a container be that runs already.
            _ => true,
        };
        if needed {
            command::run(argv, timeout).await?;
        }
        Ok(())
    }

    /// What connects it to its network: `null` where nothing does.
    async fn attachment(&self, timeout: Duration) -> Result<Option<Value>> {
        let network = self.network.as_deref().context("the cluster file names no network")?;
        let mut networks = self.inspect(".NetworkSettings.Networks", timeout).await?;
        Ok(networks.get_mut(network).map(Value::take))
    }

    /// A container that came back under another address or without its names would be a fault that nobody undoes.
    async fn check_it_can_be_mended(&self, timeout: Duration) -> Result<()> {
        let Some(attachment) = self.attachment(timeout).await? else {
            bail!("container {} is not in network {}", self.container, self.network.as_deref().unwrap_or_default());
        };
        let id = self.inspect(".Id", timeout).await?;
        match lost_by_a_cut(&attachment, id.as_str().unwrap_or_default(), self) {
            None => Ok(()),
            Some(line) => {
                bail!("after the cut container {} would not be the same: add {line} to its docker", self.container)
            }
        }
    }

    async fn inspect(&self, field: &str, timeout: Duration) -> Result<Value> {
        let format = format!("{{{{json {field}}}}}");
        let what = ["container", "inspect", "--format", &format, &self.container];
        let argv = self.with_program(what.map(str::to_owned));
        let text = command::run(&argv, timeout).await?;
        serde_json::from_str(&text).with_context(|| format!("{} answers no JSON: {text}", command::quote(&argv)))
    }
}

/// The line that the cluster file needs so that all of an attachment comes back.
fn lost_by_a_cut(attachment: &Value, id: &str, docker: &Docker) -> Option<String> {
    let fixed = |field: &str| attachment["IPAMConfig"][field].as_str().filter(|ip| !ip.is_empty());
    let ip = fixed("IPv4Address").or_else(|| fixed("IPv6Address"));
    if let Some(ip) = ip
        && docker.ip.map(|ip| ip.to_string()).as_deref() != Some(ip)
    {
        return Some(format!("`ip: {ip}`"));
    }
    // The engine adds the container's own names by itself.
    let own = |alias: &str| alias == docker.container || (alias.len() >= 12 && id.starts_with(alias));
    let aliases = attachment["Aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let aliases: Vec<&str> = aliases.filter(|a| !own(a)).collect();
    let lost = aliases.iter().any(|alias| !docker.aliases.iter().any(|a| a == alias));
    lost.then(|| format!("`aliases: [{}]`", aliases.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container() -> Docker {
        Docker {
            container: "tertulia-b".into(),
            network: None,
            ip: None,
            aliases: Vec::new(),
            context: None,
            program: docker(),
        }
    }

    #[test]
    fn the_commands() {
        let says = |docker: &Docker, act| {
            docker.argv(&act, Duration::from_secs(30)).map_or_else(|| "-".into(), |argv| command::quote(&argv))
        };
        let plain = container();
        assert_eq!(says(&plain, Act::Kill), "docker kill --signal KILL tertulia-b");
        assert_eq!(says(&plain, Act::Stop), "docker stop -t 25 tertulia-b");
        assert_eq!(says(&plain, Act::Start), "docker start tertulia-b");
        assert_eq!(says(&plain, Act::Freeze), "docker pause tertulia-b");
        assert_eq!(says(&plain, Act::Thaw), "docker unpause tertulia-b");
        assert_eq!(says(&plain, Act::Cut), "-");
        assert_eq!(says(&plain, Act::MendLink), "-");
        assert_eq!(says(&plain, Act::CutOutgoing), "-");
        let full = Docker {
            network: Some("peers".into()),
            ip: Some([10, 0, 0, 5].into()),
            aliases: vec!["b".into()],
            context: Some("zone-b".into()),
            program: "podman".into(),
            ..plain
        };
        assert_eq!(says(&full, Act::Cut), "podman --context zone-b network disconnect peers tertulia-b");
        assert_eq!(
            says(&full, Act::MendLink),
            "podman --context zone-b network connect --ip 10.0.0.5 --alias b peers tertulia-b"
        );
        let six = Docker { ip: Some("fd00::5".parse().unwrap()), ..full };
        assert!(says(&six, Act::MendLink).contains(" --ip6 fd00::5 "));
    }

    #[test]
    fn a_cut_that_would_lose_the_address_or_a_name_is_seen() {
        let lost = |attachment, docker: &Docker| lost_by_a_cut(&attachment, "0123456789abcdef", docker);
        let plain = container();
        assert_eq!(lost(json!({ "IPAMConfig": null, "Aliases": null }), &plain), None);
        assert_eq!(lost(json!({ "IPAMConfig": {}, "Aliases": ["0123456789ab", "tertulia-b"] }), &plain), None);
        let fixed = json!({ "IPAMConfig": { "IPv4Address": "10.0.0.5" }, "Aliases": ["b", "0123456789ab"] });
        assert_eq!(lost(fixed.clone(), &plain).unwrap(), "`ip: 10.0.0.5`");
        let with_ip = Docker { ip: Some([10, 0, 0, 5].into()), ..plain };
        assert_eq!(lost(fixed.clone(), &with_ip).unwrap(), "`aliases: [b]`");
        assert_eq!(lost(fixed, &Docker { aliases: vec!["b".into()], ..with_ip }), None);
    }
}
