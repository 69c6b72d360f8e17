//! The other end of a lane: takes requests apart by stream, and packs replies together as they come.

use super::{
    convert,
    server::{Groups, full},
};
use crate::{
    limits::{LANE_BATCH_REQUESTS_MAX, LANE_STREAM_REQUESTS_MAX},
    node::disk::DiskGuard,
    proto::{AppendReply, LaneReplies, LaneReply, LaneRequest, LaneRequests},
    types::{GroupId, Raft, TypeConfig},
};
use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Serves a lane until the caller ends it; what comes back are its replies.
pub(super) fn serve(
    groups: Groups,
    disk: Arc<DiskGuard>,
    inbound: Streaming<LaneRequests>,
) -> impl Stream<Item = Result<LaneReplies, Status>> + Send {
    let (replies, outbox) = mpsc::unbounded_channel();
    let end = Server { groups, disk, replies, streams: BTreeMap::new(), tasks: JoinSet::new() };
    // The task goes with the stream of replies: the transport drops that when the connection is gone.
    let task = AbortOnDrop(tokio::spawn(end.run(inbound)).abort_handle());
    futures::stream::unfold((outbox, task), |(mut outbox, task)| async move {
        let mut replies = Vec::new();
        let count = outbox.recv_many(&mut replies, LANE_BATCH_REQUESTS_MAX).await;
        (count > 0).then(|| (Ok(LaneReplies { replies }), (outbox, task)))
    })
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Server {
    groups: Groups,
    /// Says when the disk is too full.
    disk: Arc<DiskGuard>,
    /// Bounded by the requests that the streams let in.
    replies: mpsc::UnboundedSender<LaneReply>,
    streams: BTreeMap<u64, mpsc::Sender<AppendEntriesRequest<TypeConfig>>>,
    /// End with the lane.
    tasks: JoinSet<()>,
}

impl Server {
    async fn run(mut self, mut inbound: Streaming<LaneRequests>) {
        loop {
            match inbound.message().await {
                Ok(Some(message)) => message.requests.into_iter().for_each(|request| self.take(request)),
                Ok(None) => return,
                Err(status) => return tracing::debug!(%status, "a lane ended"),
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn take(&mut self, request: LaneRequest) {
        let LaneRequest { stream, group, append, once } = request;
        let Some(append) = append else {
            self.streams.remove(&stream);
            return;
        };
        let taken = convert::from_append(append).and_then(|append| {
            if let Some(full) = full(&self.disk, &append) {
                return Err(full.into());
            }
            if once { self.once(stream, GroupId(group), append) } else { self.append(stream, GroupId(group), append) }
        });
        if let Err(status) = taken {
            tracing::debug!(group, %status, "a stream of a lane was refused");
            self.streams.remove(&stream);
            fail(&self.replies, stream, &status);
        }
    }

    fn group(&self, group: GroupId) -> Result<super::server::Registered, Status> {
        let found = self.groups.read().get(&group).cloned();
        let found = found.ok_or_else(|| Status::permission_denied(format!("there is no group {} here", group.0)))?;
        if found.gate.is_closed() {
            return Err(Status::unavailable("the replica is leaving its group"));
        }
        Ok(found)
    }

    fn append(&mut self, stream: u64, group: GroupId, append: AppendEntriesRequest<TypeConfig>) -> Result<(), Status> {
        let registered = self.group(group)?;
        // A heartbeat keeps nobody awake.
        if !append.entries.is_empty() {
            registered.sleep.wake();
        }
        let queue = match self.streams.entry(stream) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let (tx, rx) = mpsc::channel(LANE_STREAM_REQUESTS_MAX);
                self.tasks.spawn(follow(registered.raft, stream, rx, self.replies.clone()));
                place.insert(tx)
            }
        };
        queue
            .try_send(append)
            .map_err(|_| Status::resource_exhausted("the stream has ended, or holds too many requests"))
    }

    fn once(&mut self, stream: u64, group: GroupId, append: AppendEntriesRequest<TypeConfig>) -> Result<(), Status> {
        let registered = self.group(group)?;
        if !append.entries.is_empty() {
            registered.sleep.wake();
        }
        let replies = self.replies.clone();
        self.tasks.spawn(async move {
            match registered.raft.append_entries(append).await {
                Ok(reply) => answer(&replies, stream, convert::append_reply(reply)),
                Err(e) => fail(&replies, stream, &Status::unavailable(e.to_string())),
            }
        });
        Ok(())
    }
}

/// Hands the requests of a stream to their group, and its answers back.
async fn follow(
    raft: Raft,
    stream: u64,
    requests: mpsc::Receiver<AppendEntriesRequest<TypeConfig>>,
    replies: mpsc::UnboundedSender<LaneReply>,
) {
    let mut results = std::pin::pin!(raft.stream_append(ReceiverStream::new(requests)));
    while let Some(result) = results.next().await {
        match result {
            Ok(result) => answer(&replies, stream, convert::stream_reply(&result)),
            Err(e) => return fail(&replies, stream, &Status::unavailable(e.to_string())),
        }
    }
    fail(&replies, stream, &Status::unavailable("the stream has ended"));
}

fn answer(replies: &mpsc::UnboundedSender<LaneReply>, stream: u64, append: AppendReply) {
    drop(replies.send(LaneReply { stream, append: Some(append), failed: String::new() }));
}

fn fail(replies: &mpsc::UnboundedSender<LaneReply>, stream: u64, status: &Status) {
    let failed = format!("{}: {}", status.code(), status.message());
    drop(replies.send(LaneReply { stream, append: None, failed }));
}
