//! What openraft calls to reach a peer.

use super::{
    HEADER, Peers,
    appends::{Appends, taken},
    convert,
    lane::Lanes,
};
use crate::{
    blocking::blocking,
    codec::{self, LogIdRecord, SnapshotHeadRecord},
    limits::{HANDOVER_HOLD_MAX, SNAPSHOT_CHUNK_BYTES},
    machine::SnapshotData,
    node::{Pulses, disk::DiskGuard},
    proto::{self, peer_client::PeerClient, snapshot_part::Part},
    types::{GroupId, TypeConfig, Vote},
};
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    alias::SnapshotOf,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::{RPCOption, stream_append_sequential},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::{future::Future, sync::Arc, time::Duration};
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

/// Makes clients for one group.
pub(crate) struct NetworkFactory {
    pub(crate) peers: Peers,
    pub(crate) lanes: Lanes,
    pub(crate) pulses: Arc<Pulses>,
    pub(crate) disk: Arc<DiskGuard>,
    pub(crate) group: GroupId,
    /// How long a peer may leave an append unanswered before its stream is given up.
    pub(crate) stall: Duration,
}

/// A client of one peer for one group.
pub(crate) struct Network {
    peers: Peers,
    header: MetadataValue<tonic::metadata::Binary>,
    target: u64,
    stall: Duration,
    lanes: Lanes,
    pulses: Arc<Pulses>,
    disk: Arc<DiskGuard>,
    group: GroupId,
    /// Each heartbeat is a stream of one request.
    heartbeats: bool,
}

impl NetworkFactory {
    fn client(&self, target: u64, heartbeats: bool) -> Network {
        Network {
            header: self.peers.header(target, self.group),
            peers: self.peers.clone(),
            target,
            stall: self.stall,
            lanes: self.lanes.clone(),
            pulses: self.pulses.clone(),
            disk: self.disk.clone(),
            group: self.group,
            heartbeats,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for NetworkFactory {
    type Network = Network;

    async fn new_client(&mut self, target: u64, _node: &openraft::BasicNode) -> Network {
        self.client(target, false)
    }
    async fn new_heartbeat_client(&mut self, target: u64, _node: &openraft::BasicNode) -> Network {
        self.client(target, true)
    }
}

type AppendStream<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>>;

impl Network {
    fn request<T>(&self, message: T, deadline: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert_bin(HEADER, self.header.clone());
        request.set_timeout(deadline);
        request
    }

    fn main(&self) -> Result<PeerClient<Channel>, RPCError<TypeConfig>> {
        // Looked up each time: addresses change, and nodes are removed.
        self.peers.client(self.target).ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> RPCError<TypeConfig> {
        RPCError::Unreachable(Unreachable::from_string(format!("node {} is not known", self.target)))
    }

    fn failed(&self, status: &Status) -> RPCError<TypeConfig> {
        let text = format!("node {}: {}: {}", self.target, status.code(), status.message());
        match status.code() {
            Code::DeadlineExceeded | Code::Cancelled | Code::DataLoss => {
                RPCError::Network(NetworkError::from_string(text))
            }
            Code::PermissionDenied => {
                tracing::error!(peer = self.target, reason = status.message(), "the peer refuses this node");
                RPCError::Unreachable(Unreachable::from_string(text))
            }
            _ => RPCError::Unreachable(Unreachable::from_string(text)),
        }
    }

    /// Sends what openraft wants to append and gives what the peer answers, over the group's lane.
    fn appends<S>(&self, input: S) -> AppendStream<'static>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let stream = self.lanes.of(self.target, self.group).open(self.group, false);
        let appends = Appends::new(input, stream, self.stall, self.target);
        futures::stream::unfold(Some(appends), |appends| async move {
            let mut appends = appends?;
            let result = appends.next().await?;
            // A conflict, a higher vote or an error ends the stream, as openraft expects.
            let goes_on = matches!(result, Ok(Ok(_)));
            Some((result, goes_on.then_some(appends)))
        })
        .boxed()
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        deadline: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.peers.bulk_client(self.target).ok_or_else(|| self.unknown())?;
        if !self.pulses.is_alive(self.target) {
            // The state is not copied for nobody.
            return Err(RPCError::Unreachable(Unreachable::from_string(format!("node {} is silent", self.target))));
        }
        if let Some(full) = self.disk.refusal() {
            tracing::warn!(group = %self.group, peer = self.target, full, "no room for a snapshot that a follower needs");
            return Err(RPCError::Unreachable(Unreachable::from_string(full)));
        }
        let data = snapshot.snapshot;
        let written = blocking(move || {
            let file = data.file()?;
            let crc = file.foot()?.crc;
            std::io::Result::Ok((file, crc))
        });
        let written = written.await.flatten();
        // Not at once again: a disk that is full stays so for a while.
        let (file, crc) = written.map_err(|e| RPCError::Unreachable(Unreachable::from_string(e.to_string())))?;
        let meta = SnapshotHeadRecord {
            cluster: String::new(),
            group: 0,
            last: snapshot.meta.last_log_id.as_ref().map(LogIdRecord::from),
            membership: (&snapshot.meta.last_membership).into(),
        };
        let head = proto::SnapshotHead {
            ballot: Some(convert::ballot(&vote)),
            meta: codec::encode(&meta).into(),
            length: file.length(),
            crc,
        };
        let head = proto::SnapshotPart { part: Some(Part::Head(head)) };
        // Held until the receiver has installed it: so long the log behind it is needed.
        let _held = file.clone();
        // Where the receiver says that it is to go on; nothing more when it says nothing.
        let (begin, begins) = tokio::sync::oneshot::channel();
        let begins = futures::stream::once(begins).filter_map(|at| std::future::ready(at.ok()));
        let chunks = move |at: u64| {
            futures::stream::unfold((file.clone(), at), |(file, offset)| async move {
                let reader = file.clone();
                let read = blocking(move || reader.read_at(offset, SNAPSHOT_CHUNK_BYTES)).await;
                // A file that cannot be read ends the stream early: the receiver finds it too short.
                let data = read.flatten().ok().filter(|d| !d.is_empty())?;
                let (crc, next) = (crc32c::crc32c(&data), offset + data.len() as u64);
                metrics::counter!("tertulia_snapshot_sent_bytes_total").increment(data.len() as u64);
                let chunk = proto::SnapshotChunk { offset, data: data.into(), crc };
                Some((proto::SnapshotPart { part: Some(Part::Chunk(chunk)) }, (file, next)))
            })
        };
        let parts = futures::stream::once(async { head }).chain(begins.flat_map(chunks));
        let request = self.request(parts, deadline);
        let mut replies = client.snapshot(request).await.map_err(|s| self.failed(&s))?.into_inner();
        let mut next = async || {
            let reply = replies.message().await.map_err(|s| self.failed(&s))?;
            reply.ok_or_else(|| self.failed(&Status::data_loss("the receiver of a snapshot said no last word")))
        };
        let _ = begin.send(next().await?.received);
        let reply = next().await?;
        Ok(SnapshotResponse::new(convert::from_ballot(reply.ballot).map_err(|s| self.failed(&s))?))
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut stream = self.lanes.of(self.target, self.group).open(self.group, true);
        stream.send(convert::append(rpc));
        let answered = tokio::time::timeout(option.hard_ttl(), stream.reply()).await;
        let answered = answered.map_err(|_| self.failed(&Status::deadline_exceeded("no answer to an append")))?;
        let reply = answered.and_then(taken).map_err(|s| self.failed(&s))?;
        convert::from_append_reply(reply).map_err(|s| self.failed(&s))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendStream<'s>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if self.heartbeats {
            return stream_append_sequential(self, input, option);
        }
        let appends: AppendStream<'s> = self.appends(input);
        async move { Ok(appends) }.boxed()
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = self.request(convert::vote(&rpc), option.hard_ttl());
        let reply = self.main()?.vote(request).await.map_err(|s| self.failed(&s))?;
        convert::from_vote_reply(reply.into_inner()).map_err(|s| self.failed(&s))
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = self.request(convert::vote(&rpc), option.hard_ttl());
        let reply = self.main()?.pre_vote(request).await.map_err(|s| self.failed(&s))?;
        convert::from_vote_reply(reply.into_inner()).map_err(|s| self.failed(&s))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            sent = self.send_snapshot(vote, snapshot, option.hard_ttl()) => sent.map_err(StreamingError::from),
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        // openraft gives up after the shortest election timeout, and a request that is given up is cancelled where it
        // went, also while it waits there for the log, as over a slow link. So it lives on by itself.
        let request = self.request(convert::transfer(&req), HANDOVER_HOLD_MAX);
        let mut client = self.main()?;
        let sent = tokio::spawn(async move { client.transfer_leader(request).await });
        let reply = sent.await.map_err(|e| RPCError::Network(NetworkError::new(&e)))?.map_err(|s| self.failed(&s))?;
        convert::from_transfer_reply(reply.into_inner()).map_err(|s| self.failed(&s))
    }
}
