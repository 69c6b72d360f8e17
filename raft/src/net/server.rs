//! What peers call.

use super::{HEADER, PeerRefusal, convert, tls::names_cluster};
use crate::{
    codec::{self, SnapshotHeadRecord},
    limits::PEER_MESSAGE_BYTES_MAX,
    machine::{GroupState, SnapshotFile},
    proto::{
        self,
        peer_server::{Peer, PeerServer},
        snapshot_part::Part,
    },
    types::{GroupId, LogId, Raft, SnapshotMeta, StoredMembership, TypeConfig},
};
use futures::{Stream, StreamExt};
use openraft::alias::SnapshotOf;
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
};
use tonic::{Request, Response, Status, Streaming};

/// A group that peers may call.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) raft: Raft,
    pub(crate) state: Arc<GroupState>,
}

/// All groups of a node.
pub(crate) type Groups = Arc<BTreeMap<GroupId, Registered>>;

/// The service for peers.
#[derive(Clone)]
pub(crate) struct PeerService {
    pub(crate) cluster: Arc<str>,
    pub(crate) node: u64,
    pub(crate) members: Arc<BTreeSet<u64>>,
    pub(crate) groups: Groups,
    /// Whether callers must show a certificate.
    pub(crate) tls: bool,
}

impl PeerService {
    pub(crate) fn into_server(self) -> PeerServer<Self> {
        PeerServer::new(self)
            .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
    }

    /// The group that a call is for, if the call is for us.
    fn admit<T>(&self, request: &Request<T>) -> Result<Registered, Status> {
        self.check(request).map_err(|refusal| {
            tracing::error!(from = ?request.remote_addr(), reason = %refusal, "a peer's call was refused");
            metrics::counter!("tertulia_peer_refusals_total").increment(1);
            Status::from(refusal)
        })
    }

    fn check<T>(&self, request: &Request<T>) -> Result<Registered, PeerRefusal> {
        if self.tls {
            let certificate = |reason| PeerRefusal::Certificate { expected: self.cluster.to_string(), reason };
            let certs = request.peer_certs().ok_or_else(|| certificate("it shows none".into()))?;
            let cert = certs.first().ok_or_else(|| certificate("it shows none".into()))?;
            names_cluster(cert, &self.cluster).map_err(certificate)?;
        }
        let header = request.metadata().get_bin(HEADER).and_then(|v| v.to_bytes().ok());
        let header = header.and_then(|b| proto::Header::decode(b).ok()).ok_or(PeerRefusal::NoHeader)?;
        if *header.cluster != *self.cluster {
            return Err(PeerRefusal::OtherCluster { found: header.cluster, expected: self.cluster.to_string() });
        }
        if header.to != self.node {
            return Err(PeerRefusal::OtherNode { found: header.to, expected: self.node });
        }
        if !self.members.contains(&header.from) {
            return Err(PeerRefusal::UnknownMember { found: header.from });
        }
        self.groups.get(&GroupId(header.group)).cloned().ok_or(PeerRefusal::UnknownGroup { found: header.group })
    }
}

fn fatal(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

#[tonic::async_trait]
impl Peer for PeerService {
    type AppendStreamStream = Pin<Box<dyn Stream<Item = Result<proto::AppendReply, Status>> + Send>>;

    async fn append(&self, request: Request<proto::AppendRequest>) -> Result<Response<proto::AppendReply>, Status> {
        let group = self.admit(&request)?;
        let reply = group.raft.append_entries(convert::from_append(request.into_inner())?).await.map_err(fatal)?;
        Ok(Response::new(convert::append_reply(reply)))
    }

    async fn append_stream(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let group = self.admit(&request)?;
        // A message that cannot be read ends the stream; the leader opens another and sends it again.
        let input = futures::stream::unfold(request.into_inner(), |mut inbound| async move {
            let message = match inbound.message().await {
                Ok(message) => message?,
                Err(status) => {
                    tracing::debug!(%status, "an append stream ended");
                    return None;
                }
            };
            match convert::from_append(message) {
                Ok(append) => Some((append, inbound)),
                Err(status) => {
                    tracing::warn!(%status, "a peer sent an append that cannot be read");
                    None
                }
            }
        });
        let replies = group.raft.stream_append(input).map(|r| r.map(|r| convert::stream_reply(&r)).map_err(fatal));
        Ok(Response::new(replies.boxed()))
    }

    async fn vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteReply>, Status> {
        let group = self.admit(&request)?;
        let reply = group.raft.vote(convert::from_vote(request.into_inner())?).await.map_err(fatal)?;
        Ok(Response::new(convert::vote_reply(&reply)))
    }

    async fn pre_vote(&self, request: Request<proto::VoteRequest>) -> Result<Response<proto::VoteReply>, Status> {
        let group = self.admit(&request)?;
        let reply = group.raft.pre_vote(convert::from_vote(request.into_inner())?).await.map_err(fatal)?;
        Ok(Response::new(convert::vote_reply(&reply)))
    }

    async fn transfer_leader(
        &self,
        request: Request<proto::TransferLeaderRequest>,
    ) -> Result<Response<proto::TransferLeaderReply>, Status> {
        let group = self.admit(&request)?;
        let asked = convert::from_transfer(request.into_inner())?;
        let reply = group.raft.handle_transfer_leader(asked).await.map_err(fatal)?;
        Ok(Response::new(convert::transfer_reply(&reply)))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<proto::SnapshotPart>>,
    ) -> Result<Response<proto::SnapshotReply>, Status> {
        let group = self.admit(&request)?;
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
        let mut incoming = Incoming::create(&group.state, head.length)?;
        while let Some(part) = parts.message().await? {
            let Some(Part::Chunk(chunk)) = part.part else {
                return Err(Status::invalid_argument("a snapshot with two heads"));
            };
            incoming = tokio::task::spawn_blocking(move || incoming.take(&chunk)).await.map_err(fatal)??;
        }
        let state = group.state.clone();
        let expected = meta.clone();
        let snapshot =
            tokio::task::spawn_blocking(move || incoming.finish(&state, &expected)).await.map_err(fatal)??;
        tracing::info!(group = %group.state.group(), last = ?meta.last_log_id, "a snapshot was received");
        let snapshot = SnapshotOf::<TypeConfig, SnapshotFile> { meta, snapshot };
        let reply = group.raft.install_full_snapshot(vote, snapshot).await.map_err(fatal)?;
        Ok(Response::new(proto::SnapshotReply { ballot: Some(convert::ballot(&reply.vote)) }))
    }
}

/// A snapshot on its way in: removed unless it becomes whole.
struct Incoming {
    file: File,
    path: PathBuf,
    at: u64,
    length: u64,
    whole: bool,
}

fn disk(error: io::Error) -> Status {
    Status::resource_exhausted(format!("the snapshot cannot be written: {error}"))
}

impl Incoming {
    fn create(state: &GroupState, length: u64) -> Result<Self, Status> {
        let (file, path) = state.incoming_snapshot().map_err(disk)?;
        Ok(Self { file, path, at: 0, length, whole: false })
    }

    fn take(mut self, chunk: &proto::SnapshotChunk) -> Result<Self, Status> {
        let crc = crc32c::crc32c(&chunk.data);
        if chunk.offset != self.at || crc != chunk.crc || self.at + chunk.data.len() as u64 > self.length {
            let found = format!("a chunk of {} bytes at {} where {} is next", chunk.data.len(), chunk.offset, self.at);
            return Err(Status::data_loss(format!("{found}; checksum {crc:08x}, stated {:08x}", chunk.crc)));
        }
        self.file.write_all(&chunk.data).map_err(disk)?;
        self.at += chunk.data.len() as u64;
        Ok(self)
    }

    fn finish(mut self, state: &GroupState, meta: &SnapshotMeta) -> Result<SnapshotFile, Status> {
        if self.at != self.length {
            return Err(Status::data_loss(format!("the snapshot ended after {} of {} bytes", self.at, self.length)));
        }
        self.file.sync_all().map_err(disk)?;
        let file = state.check_snapshot(&self.path, meta).map_err(|e| Status::data_loss(e.to_string()))?;
        self.whole = true;
        Ok(file)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.whole {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
