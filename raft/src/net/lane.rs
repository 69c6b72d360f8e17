//! A lane: one gRPC stream to a peer that carries the appends and heartbeats of many groups.
//!
//! Under load most messages are small and there are many groups. A stream for each would cost a wake-up, a frame and
//! a system call for each message; on a lane, what comes together travels together. Groups are spread over a few
//! lanes to each peer. A lane connects when it is first used, and again after a failure.

use super::Peers;
use crate::{
    limits::{
        LANE_BATCH_BYTES_MAX, LANE_BATCH_REQUESTS_MAX, LANE_BATCHES_QUEUED_MAX, PEER_REOPEN_PAUSE_MAX,
        PEER_REOPEN_PAUSE_MIN,
    },
    proto::{LaneReplies, LaneReply, LaneRequest, LaneRequests},
    types::GroupId,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// The lanes of a node to its peers.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Inner>);

struct Inner {
    peers: Peers,
    /// How long a peer may take to take a lane up.
    stall: Duration,
    lanes: Mutex<BTreeMap<(u64, usize), Lane>>,
}

impl Lanes {
    /// No lane is open yet.
    pub(crate) fn new(peers: Peers, stall: Duration) -> Self {
        Self(Arc::new(Inner { peers, stall, lanes: Mutex::default() }))
    }

    /// The lane of a group to a peer; always the same.
    pub(crate) fn of(&self, peer: u64, group: GroupId) -> Lane {
        let number = group.0 as usize % self.0.peers.lanes();
        let mut lanes = self.0.lanes.lock();
        let lane = lanes.entry((peer, number)).or_insert_with(|| {
            let (queue, inbox) = mpsc::unbounded_channel();
            let shared = Arc::new(Shared { routes: Mutex::default(), retry_at: Mutex::new(Instant::now()) });
            let driver =
                Driver { peers: self.0.peers.clone(), peer, number, stall: self.0.stall, shared: shared.clone() };
            tokio::spawn(driver.run(inbox));
            Lane { queue, shared, next: Arc::default() }
        });
        lane.clone()
    }
}

/// A handle to one lane. Its task ends with the last handle.
#[derive(Clone)]
pub(crate) struct Lane {
    /// Bounded by what the streams let in: each a few requests at a time.
    queue: mpsc::UnboundedSender<LaneRequest>,
    shared: Arc<Shared>,
    next: Arc<AtomicU64>,
}

struct Shared {
    /// Who waits for the replies of a stream.
    routes: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Result<LaneReply, Status>>>>,
    /// A lane that broke is not taken up again before.
    retry_at: Mutex<Instant>,
}

/// One logical stream on a lane.
pub(crate) struct LaneStream {
    lane: Lane,
    group: GroupId,
    stream: u64,
    once: bool,
    replies: mpsc::UnboundedReceiver<Result<LaneReply, Status>>,
}

impl Lane {
    /// A stream of appends of a group; with `once`, of a single one.
    pub(crate) fn open(&self, group: GroupId, once: bool) -> LaneStream {
        let stream = self.next.fetch_add(1, Relaxed);
        let (tx, replies) = mpsc::unbounded_channel();
        self.shared.routes.lock().insert(stream, tx);
        LaneStream { lane: self.clone(), group, stream, once, replies }
    }

    /// A lane whose other end is the test.
    #[cfg(test)]
    pub(super) fn loose() -> (Self, mpsc::UnboundedReceiver<LaneRequest>) {
        let (queue, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { routes: Mutex::default(), retry_at: Mutex::new(Instant::now()) });
        (Self { queue, shared, next: Arc::default() }, inbox)
    }

    /// Answers a stream of a loose lane.
    #[cfg(test)]
    pub(super) fn answer(&self, stream: u64, append: crate::proto::AppendReply) {
        let reply = LaneReply { stream, append: Some(append), failed: String::new() };
        self.shared.hand_out(LaneReplies { replies: vec![reply] });
    }

    /// When it is worth to try again after a failure.
    pub(crate) fn retry_at(&self) -> Instant {
        *self.shared.retry_at.lock()
    }
}

impl LaneStream {
    /// Puts a request on the lane.
    pub(crate) fn send(&self, append: crate::proto::AppendRequest) {
        let request = LaneRequest { stream: self.stream, group: self.group.0, append: Some(append), once: self.once };
        // A lane whose task has gone answers nothing more, and the caller sees that.
        drop(self.lane.queue.send(request));
    }

    /// The next reply; an error when the stream or its lane has ended.
    pub(crate) async fn reply(&mut self) -> Result<LaneReply, Status> {
        self.replies.recv().await.unwrap_or_else(|| Err(Status::unavailable("the lane has ended")))
    }

    /// The lane under it.
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }
}

impl Drop for LaneStream {
    fn drop(&mut self) {
        let known = self.lane.shared.routes.lock().remove(&self.stream).is_some();
        if known && !self.once {
            let left = LaneRequest { stream: self.stream, group: self.group.0, append: None, once: false };
            drop(self.lane.queue.send(left));
        }
    }
}

impl Shared {
    /// Ends all streams: their peer has forgotten them.
    fn fail(&self, status: &Status) {
        for (_, waiting) in std::mem::take(&mut *self.routes.lock()) {
            drop(waiting.send(Err(status.clone())));
        }
    }

    fn hand_out(&self, replies: LaneReplies) {
        let routes = self.routes.lock();
        for reply in replies.replies {
            if let Some(waiting) = routes.get(&reply.stream) {
                drop(waiting.send(Ok(reply)));
            }
        }
    }
}

/// The task of a lane.
struct Driver {
    peers: Peers,
    peer: u64,
    number: usize,
    stall: Duration,
    shared: Arc<Shared>,
}

impl Driver {
    async fn run(self, mut inbox: mpsc::UnboundedReceiver<LaneRequest>) {
        let mut pause = PEER_REOPEN_PAUSE_MIN;
        let mut waiting = Vec::new();
        while inbox.recv_many(&mut waiting, LANE_BATCH_REQUESTS_MAX).await > 0 {
            if Instant::now() < self.shared.retry_at.lock().to_owned() {
                self.shared.fail(&Status::unavailable("the peer was not reached a moment ago"));
                waiting.clear();
                continue;
            }
            let ended = match self.connect().await {
                Ok((outbound, replies)) => {
                    pause = PEER_REOPEN_PAUSE_MIN;
                    match self.drive(&mut inbox, &mut waiting, outbound, replies).await {
                        Ended::NobodyLeft => return,
                        Ended::Broken(status) => status,
                    }
                }
                Err(status) => status,
            };
            tracing::debug!(peer = self.peer, lane = self.number, code = %ended.code(), reason = ended.message(), "a lane ended");
            if ended.code() == tonic::Code::PermissionDenied {
                tracing::error!(peer = self.peer, reason = ended.message(), "the peer refuses this node");
            }
            *self.shared.retry_at.lock() = Instant::now() + pause;
            pause = (pause * 2).min(PEER_REOPEN_PAUSE_MAX);
            waiting.clear();
            self.shared.fail(&ended);
        }
    }

    async fn connect(&self) -> Result<(mpsc::Sender<LaneRequests>, Streaming<LaneReplies>), Status> {
        let mut client = self
            .peers
            .lane_client(self.peer, self.number)
            .ok_or_else(|| Status::unavailable("the node is not known"))?;
        let (outbound, stream) = mpsc::channel(LANE_BATCHES_QUEUED_MAX);
        let request = self.peers.request(ReceiverStream::new(stream), self.peer, GroupId::CONTROL);
        let opened = tokio::time::timeout(self.stall, client.lane(request)).await;
        let replies = opened.map_err(|_| Status::deadline_exceeded("the peer does not take the lane up"))??;
        Ok((outbound, replies.into_inner()))
    }

    /// Sends and hands out until the lane breaks.
    async fn drive(
        &self,
        inbox: &mut mpsc::UnboundedReceiver<LaneRequest>,
        waiting: &mut Vec<LaneRequest>,
        outbound: mpsc::Sender<LaneRequests>,
        mut replies: Streaming<LaneReplies>,
    ) -> Ended {
        let mut closed = false;
        loop {
            if closed && waiting.is_empty() {
                return Ended::NobodyLeft;
            }
            // What arrives while the transport is busy joins the batch.
            let room = LANE_BATCH_REQUESTS_MAX.saturating_sub(waiting.len());
            tokio::select! {
                place = outbound.reserve(), if !waiting.is_empty() => match place {
                    Ok(place) => place.send(LaneRequests { requests: next_batch(waiting) }),
                    Err(_) => return Ended::Broken(Status::unavailable("the lane was cut")),
                },
                got = inbox.recv_many(waiting, room), if !closed && room > 0 => closed = got == 0,
                message = replies.message() => match message {
                    Ok(Some(message)) => self.shared.hand_out(message),
                    Ok(None) => return Ended::Broken(Status::unavailable("the peer has ended the lane")),
                    Err(status) => return Ended::Broken(status),
                },
            }
        }
    }
}

/// The oldest requests, as many as one message takes; at least one.
fn next_batch(waiting: &mut Vec<LaneRequest>) -> Vec<LaneRequest> {
    let mut bytes = 0;
    let size = |r: &LaneRequest| r.append.iter().flat_map(|a| &a.entries).map(|e| e.len()).sum::<usize>();
    let fits = |request: &&LaneRequest| {
        let first = bytes == 0;
        bytes += size(request).max(1);
        first || bytes <= LANE_BATCH_BYTES_MAX
    };
    let count = waiting.iter().take_while(fits).count();
    waiting.drain(..count).collect()
}

enum Ended {
    NobodyLeft,
    Broken(Status),
}
