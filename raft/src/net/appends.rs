//! The appends of one group to one peer: between openraft's stream of requests and a stream of a lane.

use super::{convert, lane::LaneStream};
use crate::{
    limits::{APPENDS_IN_FLIGHT_MAX, COMMIT_LINGER},
    proto,
    types::{LogId, TypeConfig},
};
use futures::{Stream, StreamExt};
use openraft::{
    errors::{NetworkError, RPCError, Unreachable},
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;
use tonic::Status;

/// One append stream on a lane, seen from openraft.
pub(super) struct Appends<S> {
    /// Until openraft has nothing more to send.
    input: Option<S>,
    stream: LaneStream,
    /// The last log id of each request without an answer, oldest first.
    waiting: VecDeque<Option<LogId>>,
    /// A request without entries, which only tells how far the log is committed, and when it goes if nothing better
    /// comes: what comes behind it says the same and more.
    held: Option<(AppendEntriesRequest<TypeConfig>, Instant)>,
    /// How long the peer may leave requests unanswered.
    stall: Duration,
    target: u64,
}

impl<S> Appends<S>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    /// Nothing is sent yet.
    pub(super) fn new(input: S, stream: LaneStream, stall: Duration, target: u64) -> Self {
        Self { input: Some(input), stream, waiting: VecDeque::new(), held: None, stall, target }
    }

    /// What openraft is told next.
    pub(super) async fn next(&mut self) -> Option<Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>> {
        loop {
            if self.input.is_none() {
                self.send_held();
                if self.waiting.is_empty() {
                    return None;
                }
            }
            let held_until = self.held.as_ref().map_or_else(Instant::now, |(_, until)| *until);
            let next_input = async {
                match &mut self.input {
                    Some(input) if self.waiting.len() < APPENDS_IN_FLIGHT_MAX => input.next().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                reply = self.stream.reply() => {
                    self.waiting.pop_front();
                    let reply = match reply.and_then(taken) {
                        Ok(reply) => reply,
                        Err(status) => {
                            // openraft's own backoff is taken where it sends its next request: without this pause a
                            // dead peer costs a core.
                            tokio::time::sleep_until(self.stream.lane().retry_at()).await;
                            return Some(Err(self.unreachable(&status)));
                        }
                    };
                    let result = convert::from_stream_reply(reply).map_err(|s| self.network(s.message()));
                    if !matches!(&result, Ok(Ok(matching)) if self.speaks_for_a_later_one(matching)) {
                        return Some(result);
                    }
                }
                request = next_input => match request {
                    Some(request) if request.entries.is_empty() => {
                        let until = self.held.take().map_or_else(|| Instant::now() + COMMIT_LINGER, |(_, until)| until);
                        self.held = Some((request, until));
                    }
                    Some(request) => {
                        // With nothing under way, no answer can be taken for one to the request that is left out.
                        if self.waiting.is_empty() {
                            self.held = None;
                        }
                        self.send_held();
                        self.send(request);
                    }
                    None => self.input = None,
                },
                () = tokio::time::sleep_until(held_until), if self.held.is_some() => self.send_held(),
                () = tokio::time::sleep(self.stall), if !self.waiting.is_empty() => {
                    return Some(Err(self.network("appends are left unanswered")));
                }
            }
        }
    }

    /// Would openraft take an answer up to `matching` for one to a request that was made later?
    ///
    /// It counts an answer for every request up to its log id, also for an empty one behind it, and renews the leader's
    /// lease from the moment at which *that* was made. A leader that was frozen and wakes up would find answers from
    /// before, make an empty request, and believe that it still leads. So an answer waits for that of the later
    /// request, which says at least as much.
    fn speaks_for_a_later_one(&mut self, matching: &Option<LogId>) -> bool {
        if self.waiting.is_empty() && self.held.as_ref().is_some_and(|(held, _)| last(held) <= *matching) {
            self.send_held();
        }
        self.waiting.front().is_some_and(|next| next <= matching)
    }

    fn send(&mut self, request: AppendEntriesRequest<TypeConfig>) {
        self.waiting.push_back(last(&request));
        self.stream.send(convert::append(request));
    }

    fn send_held(&mut self) {
        if let Some((request, _)) = self.held.take() {
            self.send(request);
        }
    }

    fn network(&self, what: &str) -> RPCError<TypeConfig> {
        RPCError::Network(NetworkError::from_string(format!("node {}: {what}", self.target)))
    }

    fn unreachable(&self, status: &Status) -> RPCError<TypeConfig> {
        let text = format!("node {}: {}: {}", self.target, status.code(), status.message());
        RPCError::Unreachable(Unreachable::from_string(text))
    }
}

/// The log id up to which a request reaches.
fn last(request: &AppendEntriesRequest<TypeConfig>) -> Option<LogId> {
    request.entries.last().map(|e| e.log_id).or(request.prev_log_id)
}

/// The answer in a reply, unless it says that the stream has ended.
pub(super) fn taken(reply: proto::LaneReply) -> Result<proto::AppendReply, Status> {
    reply.append.ok_or_else(|| Status::unavailable(reply.failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        net::lane::Lane,
        types::{Entry, GroupId, LeaderId, Proposal, Vote},
    };
    use futures::channel::mpsc;
    use openraft::EntryPayload;

    fn at(index: u64) -> Option<LogId> {
        Some(LogId::new(LeaderId { term: 1, node_id: 1 }, index))
    }

    /// Entries behind `from` up to `to`; none tells only what is committed.
    fn request(from: u64, to: u64) -> AppendEntriesRequest<TypeConfig> {
        let entry = |index| Entry {
            log_id: at(index).unwrap(),
            payload: EntryPayload::Normal(Proposal(bytes::Bytes::from_static(b"turn"))),
        };
        AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: at(from),
            entries: (from + 1..=to).map(entry).collect(),
            leader_commit: at(from),
        }
    }

    fn matched(index: u64) -> proto::AppendReply {
        convert::stream_reply(&Ok(at(index)))
    }

    /// Lets the stream do what it can, and says what it answered.
    async fn turn(appends: &mut Appends<mpsc::UnboundedReceiver<AppendEntriesRequest<TypeConfig>>>) -> Option<u64> {
        let next = tokio::time::timeout(Duration::from_millis(1), appends.next()).await;
        next.ok().flatten().map(|result| result.unwrap().unwrap().unwrap().index)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_never_renews_the_lease_of_a_later_request() {
        let (lane, mut sent) = Lane::loose();
        let stream = lane.open(GroupId(0), false);
        let (requests, input) = mpsc::unbounded();
        let mut appends = Appends::new(input, stream, Duration::from_secs(60), 2);
        let count = |sent: &mut tokio::sync::mpsc::UnboundedReceiver<proto::LaneRequest>| {
            std::iter::from_fn(|| sent.try_recv().ok()).count()
        };
        requests.unbounded_send(request(0, 5)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 1));
        // The answer is on its way when openraft tells what is committed: it must not count for that.
        requests.unbounded_send(request(5, 5)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 0), "held: something better may come");
        lane.answer(0, matched(5));
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 1), "sent now, and the answer waits for its");
        lane.answer(0, matched(5));
        assert_eq!(turn(&mut appends).await, Some(5));

        // With nothing under way the next entries bring the news: one request instead of two.
        requests.unbounded_send(request(5, 5)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 0));
        requests.unbounded_send(request(5, 8)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 1));
        // With something under way both go, and each answer speaks for itself.
        requests.unbounded_send(request(8, 8)).unwrap();
        requests.unbounded_send(request(8, 9)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 2));
        lane.answer(0, matched(8));
        assert_eq!(turn(&mut appends).await, None, "the empty request behind it is not answered yet");
        lane.answer(0, matched(8));
        assert_eq!(turn(&mut appends).await, Some(8));
        lane.answer(0, matched(9));
        assert_eq!(turn(&mut appends).await, Some(9));

        // Alone, it goes after a moment.
        requests.unbounded_send(request(9, 9)).unwrap();
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 0));
        tokio::time::advance(COMMIT_LINGER).await;
        assert_eq!((turn(&mut appends).await, count(&mut sent)), (None, 1));
    }
}
