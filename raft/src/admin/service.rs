//! The service that any node offers: it asks the leader of the control group.

use super::{AdminError, Answer, Ask, from_wire, to_wire};
use crate::{
    Node,
    net::{check_cluster, refuse},
    proto::{
        self,
        admin_client::AdminClient,
        admin_server::{Admin, AdminServer},
    },
    types::GroupId,
};
use dialogue::{NodeId, ports::Owner};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tonic::{Request, Response, Status};

/// How long the leader may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct AdminService {
    node: Weak<Node>,
}

impl AdminService {
    pub(crate) fn server(node: &Arc<Node>) -> AdminServer<Self> {
        AdminServer::new(Self { node: Arc::downgrade(node) })
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn ask(&self, request: Request<proto::AdminRequest>) -> Result<Response<proto::AdminReply>, Status> {
        let node = self.node.upgrade().ok_or_else(|| Status::unavailable("the node is stopping"))?;
        refuse(&request, check_cluster(&request, node.cluster(), node.has_tls()))?;
        let request = request.into_inner();
        let ask = Ask::try_from(&request)?;
        let answer = node.answer(&ask, request.forwarded).await;
        if !matches!(ask, Ask::Status) {
            tracing::info!(?ask, ?answer, "a change of the cluster was asked for");
        }
        to_wire(answer).map(Response::new)
    }
}

impl Node {
    /// Answers, or has the leader of the control group answer.
    async fn answer(&self, ask: &Ask, forwarded: bool) -> Result<Answer, AdminError> {
        match self.owner_of(GroupId::CONTROL) {
            Owner::Local => self.execute(ask).await,
            Owner::Remote(leader) if !forwarded => self.pass_on(ask, leader).await,
            _ => Err(AdminError::NoLeader),
        }
    }

    async fn pass_on(&self, ask: &Ask, leader: NodeId) -> Result<Answer, AdminError> {
        let channel = self.peer_channel(leader).ok_or(AdminError::NoLeader)?;
        let message = proto::AdminRequest { forwarded: true, ..proto::AdminRequest::from(ask) };
        let mut request = self.peers().request(message, leader.0, GroupId::CONTROL);
        request.set_timeout(PATIENCE);
        let reply = AdminClient::new(channel).ask(request).await;
        from_wire(reply.map_err(|s| AdminError::Unreachable(format!("node {leader}: {}", s.message())))?.into_inner())
    }
}
