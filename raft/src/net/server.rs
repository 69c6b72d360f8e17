//! What peers call.

use super::{Gate, HEADER, PeerRefusal, Peers, Standing, convert, lane_server, tls::names_cluster};
use crate::{
    ControlState,
    codec::{self, SnapshotHeadRecord},
    limits::PEER_MESSAGE_BYTES_MAX,
    machine::{Announced, GroupState, Incoming, SnapshotData},
    node::{Pulses, Sleep, disk::DiskGuard},
    proto::{
        self,
        peer_server::{Peer, PeerServer},
        snapshot_part::Part,
    },
    store::LogStore,
    types::{GroupId, LogId, Raft, SnapshotMeta, StoredMembership, TypeConfig, Vote},
};
use futures::{Stream, StreamExt};
use openraft::{
    ReadPolicy,
    alias::SnapshotOf,
    async_runtime::watch::WatchReceiver,
    raft::{AppendEntriesRequest, VoteRequest, VoteResponse},
};
use parking_lot::RwLock;
use prost::Message;
use std::{collections::BTreeMap, io, pin::Pin, sync::Arc};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// A group that peers may call.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) raft: Raft,
    pub(crate) state: Arc<GroupState>,
    pub(crate) log: LogStore,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sleep: Arc<Sleep>,
}

/// All groups of a node. A replica that was wiped stands here anew.
pub(crate) type Groups = Arc<RwLock<BTreeMap<GroupId, Registered>>>;

/// The service for peers.
#[derive(Clone)]
pub(crate) struct PeerService {
    pub(crate) cluster: Arc<str>,
    pub(crate) node: u64,
    pub(crate) peers: Peers,
    pub(crate) groups: Groups,
    pub(crate) pulses: Arc<Pulses>,
    pub(crate) control: watch::Receiver<Arc<ControlState>>,
    /// Whether callers must show a certificate.
    pub(crate) tls: bool,
    /// Says when the disk is too full.
    pub(crate) disk: Arc<DiskGuard>,
}

impl PeerService {
    pub(crate) fn into_server(self) -> PeerServer<Self> {
        PeerServer::new(self)
            .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
    }

    /// The group that a call is for, if the call is for us.
    fn admit<T>(&self, request: &Request<T>) -> Result<Registered, Status> {
        let group = refuse(request, self.check_group(request))?;
        if group.gate.is_closed() {
            return Err(Status::unavailable("the replica is leaving its group"));
        }
        Ok(group)
    }

    /// The group that a vote is asked for, if its replica may vote.
    fn admit_vote<T>(&self, request: &Request<T>) -> Result<Registered, Status> {
        let group = self.admit(request)?;
        if !group.gate.may_vote(group.log.ends().last) {
            return Err(Status::failed_precondition("the replica was wiped and has not come back: it grants no votes"));
        }
        Ok(group)
    }

    fn check_group<T>(&self, request: &Request<T>) -> Result<Registered, PeerRefusal> {
        let header = self.check(request, false)?;
        self.groups.read().get(&GroupId(header.group)).cloned().ok_or(PeerRefusal::UnknownGroup { found: header.group })
    }

    /// Who calls, if it is a node of this cluster and means this node; to mean no node in particular may be enough.
    fn check<T>(&self, request: &Request<T>, to_anyone: bool) -> Result<proto::Header, PeerRefusal> {
        let header = check_cluster(request, &self.cluster, self.tls)?;
        if header.to != self.node && !(to_anyone && header.to == 0) {
            return Err(PeerRefusal::OtherNode { found: header.to, expected: self.node });
        }
        self.welcomes(header.from)?;
        Ok(header)
    }

    /// May this node be heard? As Raft has it, whoever leads by its own log is, also where this node's log does not have
    /// it yet.
    fn welcomes(&self, from: u64) -> Result<(), PeerRefusal> {
        match self.peers.standing(from) {
            Standing::Member | Standing::Later => Ok(()),
            Standing::Removed => Err(PeerRefusal::RemovedMember { found: from }),
            Standing::Unknown => Err(PeerRefusal::UnknownMember { found: from }),
        }
    }
}

/// The header of a call, if it comes from this cluster: by its certificate, where there are any, and by its own word.
pub(crate) fn check_cluster<T>(request: &Request<T>, cluster: &str, tls: bool) -> Result<proto::Header, PeerRefusal> {
    if tls {
        let certificate = |reason| PeerRefusal::Certificate { expected: cluster.to_owned(), reason };
        let certs = request.peer_certs().ok_or_else(|| certificate("it shows none".into()))?;
        let cert = certs.first().ok_or_else(|| certificate("it shows none".into()))?;
        names_cluster(cert, cluster).map_err(certificate)?;
    }
    let header = request.metadata().get_bin(HEADER).and_then(|v| v.to_bytes().ok());
    let header = header.and_then(|b| proto::Header::decode(b).ok()).ok_or(PeerRefusal::NoHeader)?;
    if header.cluster != cluster {
        return Err(PeerRefusal::OtherCluster { found: header.cluster, expected: cluster.to_owned() });
    }
    Ok(header)
}

/// The refusal of a vote, or of a promise of one, while a group sleeps whose leader is there. Whoever asks has not heard
/// of it: this replica wakes if it leads, and its heartbeats tell.
fn refused_in_sleep(group: &Registered, asked: &VoteRequest<TypeConfig>) -> Option<VoteResponse<TypeConfig>> {
    let shielded = !asked.leadership_transfer && group.sleep.shields(asked.vote.leader_id.node_id);
    group.sleep.asked_for_a_vote(shielded);
    let vote = group.raft.server_metrics().borrow_watched().vote;
    shielded.then(|| VoteResponse { vote, vote_granted: false, last_log_id: group.log.ends().last })
}

/// Logs a refusal and turns it into an answer.
pub(crate) fn refuse<T, V>(request: &Request<T>, checked: Result<V, PeerRefusal>) -> Result<V, Status> {
    checked.map_err(|refusal| {
        tracing::error!(from = ?request.remote_addr(), reason = %refusal, "a peer's call was refused");
        metrics::counter!("tertulia_peer_refusals_total").increment(1);
        Status::from(refusal)
    })
}

/// A full disk takes no entries; heartbeats, which carry none, are answered.
pub(super) fn full(disk: &DiskGuard, append: &AppendEntriesRequest<TypeConfig>) -> Option<PeerRefusal> {
    if append.entries.is_empty() { None } else { disk.follower_refusal(0) }
}

fn fatal(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

#[tonic::async_trait]
impl Peer for PeerService {
    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<proto::SnapshotReply, Status>> + Send>>;
    type LaneStream = Pin<Box<dyn Stream<Item = Result<proto::LaneReplies, Status>> + Send>>;

    async fn lane(
        &self,
        request: Request<Streaming<proto::LaneRequests>>,
    ) -> Result<Response<Self::LaneStream>, Status> {
        refuse(&request, self.check(&request, false))?;
        Ok(Response::new(Box::pin(lane_server::serve(self.groups.clone(), self.disk.clone(), request.into_inner()))))
    }

    async fn vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteReply>, Status> {
        let group = self.admit_vote(&request)?;
        let asked = convert::from_vote(request.into_inner())?;
        let reply = match refused_in_sleep(&group, &asked) {
            Some(refused) => refused,
            None => group.raft.vote(asked).await.map_err(fatal)?,
        };
        Ok(Response::new(convert::vote_reply(&reply)))
    }

    async fn pre_vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteReply>, Status> {
        let group = self.admit_vote(&request)?;
        let asked = convert::from_vote(request.into_inner())?;
        let reply = match refused_in_sleep(&group, &asked) {
            Some(refused) => refused,
            None => group.raft.pre_vote(asked).await.map_err(fatal)?,
        };
        Ok(Response::new(convert::vote_reply(&reply)))
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderReply>, Status> {
        let group = self.admit(&request)?;
        let asked = convert::from_transfer(request.into_inner())?;
        if asked.to_node_id() == &self.node {
            group.sleep.wake_to_lead();
        }
        let reply = group.raft.handle_transfer_leader(asked).await.map_err(fatal)?;
        Ok(Response::new(convert::transfer_reply(&reply)))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<proto::SnapshotPart>>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let group = self.admit(&request)?;
        group.sleep.wake();
        let mut parts = request.into_inner();
        let Some(Part::Head(head)) = parts.message().await?.and_then(|p| p.part) else {
            return Err(Status::invalid_argument("a snapshot without its head"));
        };
        let vote = convert::from_ballot(head.ballot)?;
        let meta: SnapshotHeadRecord = codec::decode(&head.meta).map_err(|e| Status::data_loss(e.to_string()))?;
        let meta = SnapshotMeta {
            last_log_id: meta.last.map(LogId::from),
            last_membership: StoredMembership::try_from(meta.membership).map_err(fatal)?,
        };
        let announced = Announced { length: head.length, crc: head.crc };
        let (state, of) = (group.state.clone(), meta.clone());
        let incoming = blocking(move || state.receive(&of, announced)).await?;
        let received = incoming.at();
        if let Some(full) = self.disk.follower_refusal(head.length.saturating_sub(received)) {
            return Err(full.into());
        }
        if received > 0 {
            let length = head.length;
            tracing::info!(group = %group.state.group(), received, length, "a snapshot goes on where it was cut off");
        }
        let first = proto::SnapshotReply { ballot: None, received };
        let last = take_snapshot(group, parts, incoming, vote, meta);
        let replies = futures::stream::once(std::future::ready(Ok(first))).chain(futures::stream::once(last));
        Ok(Response::new(replies.boxed()))
    }

    async fn pulse(
        &self,
        request: Request<Streaming<proto::PulseMessage>>,
    ) -> Result<Response<proto::PulseReply>, Status> {
        let from = refuse(&request, self.check(&request, false))?.from;
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            self.welcomes(from)?;
            self.pulses.hear(from, &message);
        }
        Ok(Response::new(proto::PulseReply {}))
    }

    async fn exclusion(
        &self,
        request: Request<proto::ExclusionRequest>,
    ) -> Result<Response<proto::ExclusionReply>, Status> {
        let from = refuse(&request, self.check(&request, false))?.from;
        let group = self.admit(&request)?;
        group.sleep.wake();
        // Only who leads for sure knows whom the group has left behind.
        group.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.map_err(fatal)?;
        let metrics = group.raft.metrics().borrow_watched().clone();
        let membership = &metrics.membership_config;
        let committed = *membership == metrics.committed_membership_config;
        let one = membership.membership().get_joint_config().len() == 1;
        let without = membership.membership().get_node(&from).is_none();
        let at = membership.log_id().as_ref().filter(|_| committed && one && without).map(convert::log_id);
        Ok(Response::new(proto::ExclusionReply { at }))
    }

    async fn control(&self, request: Request<proto::ControlRequest>) -> Result<Response<proto::ControlReply>, Status> {
        refuse(&request, self.check(&request, true))?;
        let state = self.control.borrow().clone();
        if !state.is_founded() {
            return Err(Status::unavailable("the cluster is not founded yet"));
        }
        Ok(Response::new(proto::ControlReply { state: codec::encode(&*state).into() }))
    }
}

/// Takes the chunks of a snapshot and installs it.
async fn take_snapshot(
    group: Registered,
    mut parts: Streaming<proto::SnapshotPart>,
    mut incoming: Incoming,
    vote: Vote,
    meta: SnapshotMeta,
) -> Result<proto::SnapshotReply, Status> {
    while let Some(part) = parts.message().await? {
        let Some(Part::Chunk(chunk)) = part.part else {
            return Err(Status::invalid_argument("a snapshot with two heads"));
        };
        incoming = blocking(move || {
            incoming.take(chunk.offset, &chunk.data, chunk.crc)?;
            Ok(incoming)
        })
        .await?;
    }
    let expected = meta.clone();
    let snapshot = blocking(move || incoming.finish(&expected)).await?;
    tracing::info!(group = %group.state.group(), last = ?meta.last_log_id, "a snapshot was received");
    let snapshot = SnapshotOf::<TypeConfig, SnapshotData> { meta, snapshot: SnapshotData::File(snapshot) };
    let reply = group.raft.install_full_snapshot(vote, snapshot).await.map_err(fatal)?;
    Ok(proto::SnapshotReply { ballot: Some(convert::ballot(&reply.vote)), received: 0 })
}

/// File work of a snapshot, where waiting is allowed.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Status> {
    crate::blocking::blocking(work).await.flatten().map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Status::data_loss(e.to_string()),
        io::ErrorKind::Interrupted => Status::aborted(e.to_string()),
        _ => Status::resource_exhausted(format!("the snapshot cannot be written: {e}")),
    })
}
