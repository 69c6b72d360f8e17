//! Between openraft's messages and those on the wire.

use crate::{
    codec::{self, EntryRecord},
    proto,
    types::{Entry, LeaderId, LogId, TypeConfig, Vote},
};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tonic::Status;

pub(crate) fn log_id(id: &LogId) -> proto::LogId {
    proto::LogId { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
}

pub(crate) fn from_log_id(id: proto::LogId) -> LogId {
    LogId::new(LeaderId { term: id.term, node_id: id.node }, id.index)
}

pub(super) fn ballot(vote: &Vote) -> proto::Ballot {
    proto::Ballot { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
}

pub(super) fn from_ballot(ballot: Option<proto::Ballot>) -> Result<Vote, Status> {
    let ballot = ballot.ok_or_else(|| Status::invalid_argument("a message without a ballot"))?;
    Ok(if ballot.committed {
        Vote::new_committed(ballot.term, ballot.node)
    } else {
        Vote::new(ballot.term, ballot.node)
    })
}

pub(super) fn append(request: AppendEntriesRequest<TypeConfig>) -> proto::AppendRequest {
    proto::AppendRequest {
        ballot: Some(ballot(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id),
        entries: request.entries.iter().map(|e| codec::encode(&EntryRecord::from(e)).into()).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id),
    }
}

pub(super) fn from_append(request: proto::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, Status> {
    let entry = |bytes: bytes::Bytes| -> Result<Entry, Status> {
        let record: EntryRecord = codec::decode(&bytes).map_err(|e| Status::data_loss(format!("an entry: {e}")))?;
        record.into_entry().map_err(|e| Status::data_loss(format!("an entry: {e}")))
    };
    Ok(AppendEntriesRequest {
        vote: from_ballot(request.ballot)?,
        prev_log_id: request.previous.map(from_log_id),
        entries: request.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        leader_commit: request.leader_commit.map(from_log_id),
    })
}

use proto::append_reply::Outcome;

pub(super) fn append_reply(reply: AppendEntriesResponse<TypeConfig>) -> proto::AppendReply {
    let (outcome, log_id, ballot) = match &reply {
        AppendEntriesResponse::Success => (Outcome::Matched, None, None),
        AppendEntriesResponse::PartialSuccess(upto) => (Outcome::Partial, upto.as_ref().map(log_id), None),
        AppendEntriesResponse::Conflict => (Outcome::Conflict, None, None),
        AppendEntriesResponse::HigherVote(vote) => (Outcome::HigherBallot, None, Some(ballot(vote))),
    };
    proto::AppendReply { outcome: outcome.into(), log_id, ballot }
}

pub(super) fn from_append_reply(reply: proto::AppendReply) -> Result<AppendEntriesResponse<TypeConfig>, Status> {
    Ok(match reply.outcome() {
        Outcome::Matched => AppendEntriesResponse::Success,
        Outcome::Partial => AppendEntriesResponse::PartialSuccess(reply.log_id.map(from_log_id)),
        Outcome::Conflict => AppendEntriesResponse::Conflict,
        Outcome::HigherBallot => AppendEntriesResponse::HigherVote(from_ballot(reply.ballot)?),
        Outcome::Unspecified => return Err(Status::invalid_argument("an append reply without an outcome")),
    })
}

pub(super) fn stream_reply(result: &StreamAppendResult<TypeConfig>) -> proto::AppendReply {
    let (outcome, log_id, ballot) = match result {
        Ok(upto) => (Outcome::Matched, upto.as_ref().map(log_id), None),
        Err(StreamAppendError::Conflict(at)) => (Outcome::Conflict, Some(log_id(at)), None),
        Err(StreamAppendError::HigherVote(vote)) => (Outcome::HigherBallot, None, Some(ballot(vote))),
    };
    proto::AppendReply { outcome: outcome.into(), log_id, ballot }
}

pub(super) fn from_stream_reply(reply: proto::AppendReply) -> Result<StreamAppendResult<TypeConfig>, Status> {
    Ok(match reply.outcome() {
        Outcome::Matched | Outcome::Partial => Ok(reply.log_id.map(from_log_id)),
        Outcome::Conflict => {
            let at = reply.log_id.ok_or_else(|| Status::invalid_argument("a conflict without its place"))?;
            Err(StreamAppendError::Conflict(from_log_id(at)))
        }
        Outcome::HigherBallot => Err(StreamAppendError::HigherVote(from_ballot(reply.ballot)?)),
        Outcome::Unspecified => return Err(Status::invalid_argument("an append reply without an outcome")),
    })
}

pub(super) fn vote(request: &VoteRequest<TypeConfig>) -> proto::VoteRequest {
    proto::VoteRequest {
        ballot: Some(ballot(&request.vote)),
        last: request.last_log_id.as_ref().map(log_id),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn from_vote(request: proto::VoteRequest) -> Result<VoteRequest<TypeConfig>, Status> {
    let mut vote = VoteRequest::new(from_ballot(request.ballot)?, request.last.map(from_log_id));
    vote.leadership_transfer = request.leadership_transfer;
    Ok(vote)
}

pub(super) fn vote_reply(reply: &VoteResponse<TypeConfig>) -> proto::VoteReply {
    proto::VoteReply {
        ballot: Some(ballot(&reply.vote)),
        granted: reply.vote_granted,
        last: reply.last_log_id.as_ref().map(log_id),
    }
}

pub(super) fn from_vote_reply(reply: proto::VoteReply) -> Result<VoteResponse<TypeConfig>, Status> {
    Ok(VoteResponse::new(from_ballot(reply.ballot)?, reply.last.map(from_log_id), reply.granted))
}

pub(super) fn transfer(request: &TransferLeaderRequest<TypeConfig>) -> proto::TransferLeaderRequest {
    proto::TransferLeaderRequest {
        from_leader: Some(ballot(request.from_leader())),
        to_node: *request.to_node_id(),
        last: request.last_log_id().map(log_id),
    }
}

pub(super) fn from_transfer(
    request: proto::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, Status> {
    let from = from_ballot(request.from_leader)?;
    Ok(TransferLeaderRequest::new(from, request.to_node, request.last.map(from_log_id)))
}

use proto::transfer_leader_reply::Outcome as Transfer;

pub(super) fn transfer_reply(reply: &TransferLeaderResponse<TypeConfig>) -> proto::TransferLeaderReply {
    let mut out = proto::TransferLeaderReply { outcome: Transfer::Accepted.into(), ..Default::default() };
    match reply {
        Ok(()) => {}
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            out.outcome = Transfer::BallotChanged.into();
            (out.expected_ballot, out.actual_ballot) = (Some(ballot(expected)), Some(ballot(actual)));
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            out.outcome = Transfer::LogNotFlushed.into();
            (out.expected_last, out.actual_last) = (expected.as_ref().map(log_id), actual.as_ref().map(log_id));
        }
    }
    out
}

pub(super) fn from_transfer_reply(
    reply: proto::TransferLeaderReply,
) -> Result<TransferLeaderResponse<TypeConfig>, Status> {
    Ok(match reply.outcome() {
        Transfer::Accepted => Ok(()),
        Transfer::BallotChanged => Err(TransferLeaderError::VoteChanged {
            expected: from_ballot(reply.expected_ballot)?,
            actual: from_ballot(reply.actual_ballot)?,
        }),
        Transfer::LogNotFlushed => Err(TransferLeaderError::LogNotFlushed {
            expected: reply.expected_last.map(from_log_id),
            actual: reply.actual_last.map(from_log_id),
        }),
        Transfer::Unspecified => return Err(Status::invalid_argument("a transfer reply without an outcome")),
    })
}
