//! Acts on a node that runs in a pod of a StatefulSet, which starts a new one where a pod is gone.

use super::command::{self, CommandError};
use crate::act::Act;
use crate::limits::{COMMAND_MARGIN, POD_PAUSE};
use anyhow::Result;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// The pod of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The context that names its cluster; the current one when left out.
    #[serde(default)]
    pub context: Option<String>,
    /// The client to run.
    #[serde(default = "kubectl")]
    pub program: String,
}

fn kubectl() -> String {
    "kubectl".into()
}

impl Kubernetes {
    /// The command for an act, if pods have one.
    ///
    /// A pod that was deleted comes back by itself, at once: how long it stays away is not the drill's to say. A start is
    /// therefore a wait.
    pub(super) fn argv(&self, act: &Act, timeout: Duration) -> Option<Vec<String>> {
        let patience = timeout.saturating_sub(COMMAND_MARGIN).as_secs().max(1);
        let (pod, bound) = (self.pod.clone(), format!("--timeout={patience}s"));
        let what = match act {
            Act::Kill => ["delete".into(), "pod".into(), pod, "--grace-period=0".into(), "--force".into()],
            Act::Stop => ["delete".into(), "pod".into(), pod, "--wait=true".into(), bound],
            Act::Start => ["wait".into(), "pod".into(), pod, "--for=condition=Ready".into(), bound],
            _ => return None,
        };
        let mut argv = vec![self.program.clone()];
        argv.extend(self.context.iter().flat_map(|context| ["--context".to_owned(), context.clone()]));
        argv.extend(["--namespace".to_owned(), self.namespace.clone()]);
        argv.extend(what);
        Some(argv)
    }

    /// Runs the command of an act.
    pub(super) async fn carry_out(&self, act: &Act, argv: &[String], timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match command::run(argv, left).await {
                // Between the end of a pod and the next there is none that could be waited for.
                Err(CommandError::Failed { output, .. })
                    if *act == Act::Start && is_not_found(&output) && left > POD_PAUSE =>
                {
                    tokio::time::sleep(POD_PAUSE).await;
                }
                ended => return Ok(ended.map(drop)?),
            }
        }
    }
}

/// Is it the server's answer that there is no such pod? kubectl has no exit status of its own for that.
fn is_not_found(output: &str) -> bool {
    output.contains("(NotFound)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands() {
        let pod = Kubernetes {
            namespace: "chat".into(),
            pod: "tertulia-2".into(),
            context: Some("prod".into()),
            program: kubectl(),
        };
        let says = |pod: &Kubernetes, act| {
            pod.argv(&act, Duration::from_secs(60)).map_or_else(|| "-".into(), |argv| command::quote(&argv))
        };
        let to = "kubectl --context prod --namespace chat";
        assert_eq!(says(&pod, Act::Kill), format!("{to} delete pod tertulia-2 --grace-period=0 --force"));
        assert_eq!(says(&pod, Act::Stop), format!("{to} delete pod tertulia-2 --wait=true --timeout=55s"));
        assert_eq!(says(&pod, Act::Start), format!("{to} wait pod tertulia-2 --for=condition=Ready --timeout=55s"));
        assert_eq!(says(&pod, Act::Freeze), "-");
        let here = Kubernetes { context: None, ..pod };
        assert!(says(&here, Act::Kill).starts_with("kubectl --namespace chat delete"));
    }
}
