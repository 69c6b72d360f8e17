//! Proposals of a group on their way into its log: all that wait go in together.

use crate::{
    Applied, ControlState,
    codec::{self, Command},
    limits::{ENTRY_BATCH_BYTES_MAX, PROPOSALS_BATCH_MAX},
    types::{Proposal, Raft, TypeConfig},
};
use futures::StreamExt;
use openraft::errors::{ClientWriteError, Fatal};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// The feature level from which every node reads [`Command::Batch`].
const FEATURE_BATCHES: u32 = 2;

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
/// load, batches grow by themselves. A batch is one entry as far as it fits into one: log, network and state machine
/// handle it once, and it has one record on each disk.
pub(super) struct Proposer(mpsc::UnboundedSender<Waiting>);

impl Proposer {
    /// The proposer of a group and the task that it needs; every proposal holds a permit, which bounds the queue.
    pub(super) fn new(
        raft: Raft,
        view: watch::Receiver<Arc<ControlState>>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (tx, rx) = mpsc::unbounded_channel();
        (Self(tx), run(raft, rx, view))
    }

    /// Proposes. The receiver fails when the node stops: then the outcome is unknown.
    pub(super) fn propose(&self, proposal: Proposal, permit: OwnedSemaphorePermit) -> oneshot::Receiver<Written> {
        let (answer, outcome) = oneshot::channel();
        // A closed queue drops the answer, which says that the node has stopped.
        drop(self.0.send(Waiting { proposal, answer, _permit: permit }));
        outcome
    }
}

async fn run(raft: Raft, mut queue: mpsc::UnboundedReceiver<Waiting>, view: watch::Receiver<Arc<ControlState>>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, PROPOSALS_BATCH_MAX).await > 0 {
        metrics::histogram!("tertulia_proposal_batch_size").record(batch.len() as f64);
        let batches_are_read = view.borrow().feature_level >= FEATURE_BATCHES;
        let entries = pack(std::mem::take(&mut batch), batches_are_read);
        let proposals: Vec<Proposal> = entries.iter().map(Packed::proposal).collect();
        match raft.client_write_many(proposals).await {
            Ok(mut outcomes) => {
                for packed in entries {
                    match outcomes.next().await {
                        Some(Ok(written)) => packed.answer(written.map(|w| w.response)),
                        Some(Err(fatal)) => packed.fail(&fatal),
                        None => packed.fail(&Fatal::Stopped),
                    }
                }
            }
            Err(fatal) => entries.into_iter().for_each(|packed| packed.fail(&fatal)),
        }
    }
}

/// Those who wait for one entry: a single one, or several whose commands go as one batch.
struct Packed(Vec<Waiting>);

/// Fills entries in order; what is alone in its entry goes as it is.
fn pack(waiting: Vec<Waiting>, batches_are_read: bool) -> Vec<Packed> {
    let mut entries: Vec<Packed> = Vec::new();
    let mut bytes = 0;
    for one in waiting {
        // bincode puts a length in front of each.
        let size = one.proposal.0.len() + size_of::<u64>();
        match entries.last_mut() {
            Some(Packed(last)) if batches_are_read && bytes + size <= ENTRY_BATCH_BYTES_MAX => {
                bytes += size;
                last.push(one);
            }
            _ => {
                bytes = size;
                entries.push(Packed(vec![one]));
            }
        }
    }
    entries
}

impl Packed {
    fn proposal(&self) -> Proposal {
        match &self.0[..] {
            [one] => one.proposal.clone(),
            many => {
                let commands = many.iter().map(|w| w.proposal.0.clone()).collect();
                Proposal(codec::encode(&Command::Batch(commands)).into())
            }
        }
    }

    /// Whoever asked may be gone.
    fn answer(self, written: Result<Applied, ClientWriteError<TypeConfig>>) {
        match written {
            Ok(Applied::Batch(answers)) => {
                for (waiting, answer) in self.0.into_iter().zip(answers) {
                    drop(waiting.answer.send(Ok(Ok(answer))));
                }
            }
            same => self.0.into_iter().for_each(|waiting| drop(waiting.answer.send(Ok(same.clone())))),
        }
    }

    fn fail(self, fatal: &Fatal<TypeConfig>) {
        self.0.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(fatal.clone()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn waiting(sizes: &[usize]) -> Vec<Waiting> {
        let permits = Arc::new(Semaphore::new(sizes.len()));
        let one = |size: &usize| Waiting {
            proposal: Proposal(vec![7; *size].into()),
            answer: oneshot::channel().0,
            _permit: permits.clone().try_acquire_owned().unwrap(),
        };
        sizes.iter().map(one).collect()
    }

    fn counts(sizes: &[usize], batches_are_read: bool) -> Vec<usize> {
        pack(waiting(sizes), batches_are_read).iter().map(|packed| packed.0.len()).collect()
    }

    #[test]
    fn an_entry_is_filled_up_to_its_bound_and_no_further() {
        assert_eq!(counts(&[400], true), [1]);
        assert_eq!(counts(&[400; 5], true), [5]);
        assert_eq!(counts(&[400; 5], false), [1; 5], "before every node reads batches");
        assert_eq!(counts(&[30_000, 30_000, 30_000, 10], true), [2, 2]);
        assert_eq!(counts(&[dialogue::limits::COMMIT_BYTES_MAX, 1, 1], true), [1, 2]);
        // The fullest entry still fits into the store.
        let full = pack(waiting(&[ENTRY_BATCH_BYTES_MAX / 2 - 8; 2]), true);
        assert_eq!(full.len(), 1);
        let log_id = codec::LogIdRecord { term: 1, node: 1, index: 1 };
        let record = codec::EntryRecord { log_id, body: codec::Body::Command(full[0].proposal().0) };
        assert!(codec::encode(&record).len() <= crate::limits::STORE_VALUE_BYTES_MAX);
        // So does one with as many small commands as go together.
        let small = pack(waiting(&[100; PROPOSALS_BATCH_MAX]), true);
        assert_eq!(small.len(), 1);
    }

    #[test]
    fn what_is_alone_goes_as_it_is() {
        let alone = pack(waiting(&[400]), true);
        assert_eq!(alone[0].proposal().0, vec![7; 400]);
        let two = pack(waiting(&[400, 400]), true);
        let Command::Batch(commands) = codec::decode(&two[0].proposal().0).unwrap() else { panic!("not a batch") };
        assert_eq!(commands, [vec![7; 400], vec![7; 400]]);
    }
}
