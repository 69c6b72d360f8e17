//! Proposals of a group on their way into its log: all that wait go in together.

use crate::{
    Applied, ControlState,
    codec::{self, Command},
    limits::{ENTRY_BATCH_BYTES_MAX, GATHER_PAUSE_MAX, GATHER_PROPOSALS_MIN, GATHER_WAIT, PROPOSALS_BATCH_MAX},
    types::{Proposal, Raft, TypeConfig},
};
use futures::StreamExt;
use openraft::errors::{ClientWriteError, Fatal};
use std::sync::Arc;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

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
/// load, batches grow by themselves, and a new one waits a moment for those who were answered just now. A batch is one
/// entry as far as it fits into one: log, network and state machine handle it once, and it has one record on each disk.
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
    let mut gather = Gather::default();
    while queue.recv_many(&mut batch, PROPOSALS_BATCH_MAX).await > 0 {
        gather.more(&mut queue, &mut batch).await;
        let size = batch.len();
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
        gather.answered(size + queue.len());
    }
}

/// Waits a moment for proposals that are about to come: of the clients that were answered just now.
///
/// Without it two batches of half the size take turns, and what a batch costs, whatever its size, is paid twice. Where
/// waiting is in vain it is tried more and more rarely.
#[derive(Default)]
struct Gather {
    /// Proposals that were under way or waiting when the last batch was answered.
    expected: usize,
    /// Batches for which nothing is waited for, because it was in vain.
    pause: u32,
    /// How long such a pause was last.
    last_pause: u32,
}

impl Gather {
    fn answered(&mut self, expected: usize) {
        self.expected = expected.min(PROPOSALS_BATCH_MAX);
    }

    async fn more<T>(&mut self, queue: &mut mpsc::UnboundedReceiver<T>, batch: &mut Vec<T>) {
        // Some clients always have something else to do.
        let enough = self.expected * 7 / 8;
        if self.expected < GATHER_PROPOSALS_MIN || batch.len() >= enough {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let until = Instant::now() + GATHER_WAIT;
        while batch.len() < enough {
            let room = PROPOSALS_BATCH_MAX - batch.len();
            match timeout_at(until, queue.recv_many(batch, room)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => {
                    self.last_pause = (2 * self.last_pause).clamp(1, GATHER_PAUSE_MAX);
                    self.pause = self.last_pause;
                    return;
                }
            }
        }
        self.last_pause = 0;
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
    use std::time::Duration;
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

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_for_those_who_were_answered_and_not_for_ever() {
        let (tx, mut queue) = mpsc::unbounded_channel();
        let mut gather = Gather::default();
        let begun = Instant::now();
        let mut next = async |gather: &mut Gather, first: usize, late: usize| {
            (0..first).for_each(|i| tx.send(i).unwrap());
            let sender = tx.clone();
            tokio::spawn(async move {
                (0..late).for_each(|i| sender.send(i).unwrap());
            });
            let mut batch = Vec::new();
            queue.recv_many(&mut batch, PROPOSALS_BATCH_MAX).await;
            gather.more(&mut queue, &mut batch).await;
            // What came too late is not in the next one.
            tokio::time::sleep(GATHER_WAIT).await;
            while queue.try_recv().is_ok() {}
            gather.answered(batch.len());
            batch.len()
        };
        assert_eq!(next(&mut gather, 20, 20).await, 20, "nobody was answered yet");
        gather.answered(40);
        assert_eq!(next(&mut gather, 20, 20).await, 40, "20 were answered and 20 waited");
        assert_eq!(next(&mut gather, 38, 0).await, 38, "nearly all of them are enough");
        // They do not come: it is waited for once, then not for one batch, for two, for four.
        let mut waited = String::new();
        for _ in 0..11 {
            gather.answered(40);
            let begun = Instant::now();
            assert_eq!(next(&mut gather, 5, 0).await, 5);
            waited += if begun.elapsed() >= GATHER_WAIT * 2 { "w" } else { "-" };
        }
        assert_eq!(waited, "w-w--w----w");
        gather.answered(GATHER_PROPOSALS_MIN - 1);
        assert_eq!(next(&mut gather, 1, 1).await, 1, "for a few it is not worth it");
        assert!(begun.elapsed() < Duration::from_secs(1));
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
