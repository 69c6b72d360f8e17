//! Asks a cluster from outside, over the peer port.

use super::{AdminError, Answer, Ask, ClusterStatus, from_wire};
use crate::{
    net::{Certificates, Dial, Peers},
    proto::{self, admin_client::AdminClient},
    simulation::{Dialer, Wire},
    types::GroupId,
};
use cluster_config::NodeConfig;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long one node may take.
const NODE_PATIENCE: Duration = Duration::from_secs(12);
/// How long a leader is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause before all nodes are asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A client of a cluster's administration. It needs a node's configuration: its certificates and where to ask.
pub struct Client {
    peers: Peers,
    addresses: Vec<String>,
}

impl Client {
    /// Asks the configured members or the seeds, and at last the node that is configured: of all others the
    /// configuration may know only such as have gone.
    pub fn new(config: &NodeConfig) -> Result<Self, AdminError> {
        // Not as a node: only the cluster's name and the certificate count.
        let certificates = Certificates::of(config).map_err(|e| AdminError::Config(e.to_string()))?;
        let dial = certificates.map_or(Dial::Plain, |(certificates, _)| Dial::Tls(certificates));
        Self::over(config, dial)
    }

    /// As [`new`](Self::new), in a simulation: over its wires.
    pub fn simulated(config: &NodeConfig, wire: Arc<dyn Wire>) -> Result<Self, AdminError> {
        Self::over(config, Dial::Simulated(Dialer(wire)))
    }

    fn over(config: &NodeConfig, dial: Dial) -> Result<Self, AdminError> {
        let peers = Peers::new(config, 0, dial).map_err(|e| AdminError::Config(e.to_string()))?;
        let mut addresses: Vec<String> = config.members.iter().map(|m| m.peer.clone()).collect();
        addresses.extend(config.join.iter().cloned());
        let mut own = config.peer.listen;
        if own.ip().is_unspecified() {
            own.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        if !addresses.contains(&own.to_string()) {
            addresses.push(own.to_string());
        }
        Ok(Self { peers, addresses })
    }

    /// Asks one node after the other until one answers. When an answer was lost, what was asked may have been done;
    /// asked again it is refused or changes nothing, because an address belongs to one node.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, AdminError> {
        let begun = Instant::now();
        loop {
            let mut errors = Vec::new();
            for address in &self.addresses {
                match self.ask_at(address, ask).await {
                    Err(e) if e.is_retryable() => errors.push(format!("{address}: {e}")),
                    answer => return answer,
                }
            }
            if begun.elapsed() >= PATIENCE {
                return Err(AdminError::Unreachable(errors.join("; ")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How things are.
    pub async fn status(&self) -> Result<ClusterStatus, AdminError> {
        match self.ask(&Ask::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(AdminError::Answer(format!("{other:?} to a question for the status"))),
        }
    }

    async fn ask_at(&self, address: &str, ask: &Ask) -> Result<Answer, AdminError> {
        let channel = self.peers.seed_channel(address).map_err(|e| AdminError::Config(e.to_string()))?;
        let mut request = self.peers.request(proto::AdminRequest::from(ask), 0, GroupId::CONTROL);
        request.set_timeout(NODE_PATIENCE);
        let reply = AdminClient::new(channel).ask(request).await.map_err(|status| match status.code() {
            tonic::Code::PermissionDenied => AdminError::Refused(status.message().to_owned()),
            _ => AdminError::Unreachable(crate::net::reason_chain(&status)),
        })?;
        from_wire(reply.into_inner())
    }
}
