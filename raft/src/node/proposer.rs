//! Proposals of a group on their way into its log: all that wait go in together.

use crate::{
    Applied,
    limits::PROPOSALS_BATCH_MAX,
    types::{Proposal, Raft, TypeConfig},
};
use futures::StreamExt;
use openraft::errors::{ClientWriteError, Fatal};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// What came of a proposal.
pub(super) type Written = Result<Result<Applied, ClientWriteError<TypeConfig>>, Fatal<TypeConfig>>;

/// A proposal and who waits for it.
struct Waiting {
    proposal: Proposal,
    answer: oneshot::Sender<Written>,
    /// Given back when the outcome is known, even if nobody waits any more.
    _permit: OwnedSemaphorePermit,
}

/// Takes the proposals of one group.
///
/// While a batch is on its way, what arrives waits and becomes the next batch: alone, a proposal goes at once; under
/// load, batches grow by themselves, and log, network and state machine are woken once for all of a batch.
pub(super) struct Proposer(mpsc::UnboundedSender<Waiting>);

impl Proposer {
    /// The proposer of a group and the task that it needs; every proposal holds a permit, which bounds the queue.
    pub(super) fn new(raft: Raft) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tx, rx) = mpsc::unbounded_channel();
        (Self(tx), run(raft, rx))
    }

    /// Proposes. The receiver fails when the node stops: then the outcome is unknown.
    pub(super) fn propose(&self, proposal: Proposal, permit: OwnedSemaphorePermit) -> oneshot::Receiver<Written> {
        let (answer, outcome) = oneshot::channel();
        // A closed queue drops the answer, which says that the node has stopped.
        drop(self.0.send(Waiting { proposal, answer, _permit: permit }));
        outcome
    }
}

async fn run(raft: Raft, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, PROPOSALS_BATCH_MAX).await > 0 {
        let proposals: Vec<Proposal> = batch.iter().map(|w| w.proposal.clone()).collect();
        metrics::histogram!("tertulia_proposal_batch_size").record(proposals.len() as f64);
        match raft.client_write_many(proposals).await {
            Ok(mut outcomes) => {
                for waiting in batch.drain(..) {
                    let outcome = match outcomes.next().await {
                        Some(Ok(written)) => Ok(written.map(|w| w.response)),
                        Some(Err(fatal)) => Err(fatal),
                        None => Err(Fatal::Stopped),
                    };
                    // Whoever asked may be gone.
                    drop(waiting.answer.send(outcome));
                }
            }
            Err(fatal) => batch.drain(..).for_each(|w| drop(w.answer.send(Err(fatal.clone())))),
        }
    }
}
