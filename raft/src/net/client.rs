//! What openraft calls to reach a peer.

use super::{HEADER, Peers, convert};
use crate::{
    codec::{self, LogIdRecord, SnapshotHeadRecord},
    limits::{
        APPENDS_IN_FLIGHT_MAX, PEER_MESSAGE_BYTES_MAX, PEER_REOPEN_PAUSE_MAX, PEER_REOPEN_PAUSE_MIN,
        SNAPSHOT_CHUNK_BYTES,
    },
    machine::SnapshotFile,
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
use prost::Message;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

/// Makes clients for one group.
pub(crate) struct NetworkFactory {
    pub(crate) peers: Peers,
    pub(crate) cluster: Arc<str>,
    pub(crate) node: u64,
    pub(crate) group: GroupId,
    /// How long a peer may leave an append unanswered before its stream is given up.
    pub(crate) stall: Duration,
}

/// A client of one peer for one group.
pub(crate) struct Network {
    main: Option<PeerClient<Channel>>,
    bulk: Option<PeerClient<Channel>>,
    header: MetadataValue<tonic::metadata::Binary>,
    target: u64,
    stall: Duration,
    /// Heartbeats are single calls: a stream for each would cost more than it carries.
    unary: bool,
    /// How long to wait after the next stream that does not open.
    pause: Duration,
}

impl NetworkFactory {
    fn client(&self, target: u64, unary: bool) -> Network {
        let client = |channel: Channel| {
            PeerClient::new(channel)
                .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
                .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
        };
        let header =
            proto::Header { cluster: self.cluster.to_string(), from: self.node, to: target, group: self.group.0 };
        Network {
            main: self.peers.main(target).map(client),
            bulk: self.peers.bulk(target).map(client),
            header: MetadataValue::from_bytes(&header.encode_to_vec()),
            target,
            stall: self.stall,
            unary,
            pause: PEER_REOPEN_PAUSE_MIN,
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
        self.main.clone().ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> RPCError<TypeConfig> {
        RPCError::Unreachable(Unreachable::from_string(format!("node {} is no member", self.target)))
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

    async fn pipelined<S>(&self, input: S) -> Result<AppendStream<'static>, RPCError<TypeConfig>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let mut client = self.main()?;
        let room = Arc::new(Semaphore::new(APPENDS_IN_FLIGHT_MAX));
        let waiting = Arc::new(AtomicUsize::new(0));
        let outbound = {
            let (room, waiting) = (room.clone(), waiting.clone());
            futures::stream::unfold((input, room), move |(mut input, room)| {
                let waiting = waiting.clone();
                async move {
                    room.acquire().await.ok()?.forget();
                    let request = input.next().await?;
                    waiting.fetch_add(1, SeqCst);
                    Some((convert::append(request), (input, room)))
                }
            })
        };
        let mut request = Request::new(outbound);
        request.metadata_mut().insert_bin(HEADER, self.header.clone());
        let opened = tokio::time::timeout(self.stall, client.append_stream(request)).await;
        let inbound = opened
            .map_err(|_| self.failed(&Status::deadline_exceeded("the append stream did not open")))?
            .map_err(|s| self.failed(&s))?
            .into_inner();

        let (stall, target) = (self.stall, self.target);
        let replies = futures::stream::unfold(Some(inbound), move |inbound| {
            let (room, waiting) = (room.clone(), waiting.clone());
            async move {
                let mut inbound = inbound?;
                let error = |text: String| RPCError::Network(NetworkError::from_string(text));
                loop {
                    match tokio::time::timeout(stall, inbound.message()).await {
                        Ok(Ok(Some(reply))) => {
                            waiting.fetch_sub(1, SeqCst);
                            room.add_permits(1);
                            return Some(match convert::from_stream_reply(reply) {
                                // A conflict or a higher vote ends the stream, as openraft expects.
                                Ok(result) => {
                                    let next = result.is_ok().then_some(inbound);
                                    (Ok(result), next)
                                }
                                Err(status) => (Err(error(format!("node {target}: {}", status.message()))), None),
                            });
                        }
                        Ok(Ok(None)) => return None,
                        Ok(Err(status)) => {
                            let text = format!("node {target}: {}: {}", status.code(), status.message());
                            return Some((Err(RPCError::Unreachable(Unreachable::from_string(text))), None));
                        }
                        Err(_) if waiting.load(SeqCst) == 0 => {}
                        Err(_) => return Some((Err(error(format!("node {target} leaves appends unanswered"))), None)),
                    }
                }
            }
        });
        Ok(replies.boxed())
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
        deadline: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, RPCError<TypeConfig>> {
        let mut client = self.bulk.clone().ok_or_else(|| self.unknown())?;
        let file = snapshot.snapshot;
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
        };
        let head = proto::SnapshotPart { part: Some(Part::Head(head)) };
        let chunks = futures::stream::unfold((file, 0), |(file, offset)| async move {
            let reader = file.clone();
            let read = tokio::task::spawn_blocking(move || reader.read_at(offset, SNAPSHOT_CHUNK_BYTES)).await;
            // A file that cannot be read ends the stream early: the receiver finds it too short.
            let data = read.ok()?.ok().filter(|d| !d.is_empty())?;
            let (crc, next) = (crc32c::crc32c(&data), offset + data.len() as u64);
            let chunk = proto::SnapshotChunk { offset, data: data.into(), crc };
            Some((proto::SnapshotPart { part: Some(Part::Chunk(chunk)) }, (file, next)))
        });
        let parts = futures::stream::once(async { head }).chain(chunks);
        let request = self.request(parts, deadline);
        let reply = client.snapshot(request).await.map_err(|s| self.failed(&s))?.into_inner();
        Ok(SnapshotResponse::new(convert::from_ballot(reply.ballot).map_err(|s| self.failed(&s))?))
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = self.request(convert::append(rpc), option.hard_ttl());
        let reply = self.main()?.append(request).await.map_err(|s| self.failed(&s))?;
        convert::from_append_reply(reply.into_inner()).map_err(|s| self.failed(&s))
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendStream<'s>, RPCError<TypeConfig>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if self.unary {
            return stream_append_sequential(self, input, option);
        }
        async move {
            let opened = self.pipelined(input).await;
            match &opened {
                Ok(_) => self.pause = PEER_REOPEN_PAUSE_MIN,
                // openraft's own backoff is taken where a stream asks for its next request. One that does not open
                // asks for none: without this pause a dead peer costs a core.
                Err(_) => {
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PEER_REOPEN_PAUSE_MAX);
                }
            }
            opened
        }
        .boxed()
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
        snapshot: SnapshotOf<TypeConfig, SnapshotFile>,
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
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = self.request(convert::transfer(&req), option.hard_ttl());
        let reply = self.main()?.transfer_leader(request).await.map_err(|s| self.failed(&s))?;
        convert::from_transfer_reply(reply.into_inner()).map_err(|s| self.failed(&s))
    }
}
