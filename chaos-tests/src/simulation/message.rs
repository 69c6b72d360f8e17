//! What clients and machines say to one another, and the clients' side of it.

use super::{
    machine::App,
    network::{MachineId, Network},
};
use actors::{TurnError, TurnReply, TurnRequest};
use dialogue::{
    IdempotencyKey, SessionId, SessionSnapshot, Value,
    ports::{Consistency, Journal},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tertulia_node::peers::Part;
use tokio::{sync::oneshot, time::Instant};

/// A datagram: a question of a client or its answer.
#[derive(Clone)]
pub(super) enum Message {
    Ask { id: u64, ask: Ask },
    Answer { id: u64, answer: Answer },
}

/// What a client asks.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Say { session: String, key: String, text: String, patience: Duration },
    Read { session: String, after_seq: u64, limit: u32, local: bool },
}

/// What it is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Said(Result<Box<TurnReply>, TurnError>),
    Read(Result<SessionSnapshot, TurnError>),
    /// There is no process at that address.
    NobodyThere,
}

impl App {
    /// Answers a client, as the HTTP API does.
    pub(super) async fn answer(&self, ask: Ask) -> Answer {
        let id = |session: String| SessionId::new(session).expect("the simulation's names are valid");
        match ask {
            Ask::Say { session, key, text, patience } => {
                let request = TurnRequest {
                    session: id(session),
                    key: IdempotencyKey::new(key).expect("the simulation's keys are valid"),
                    text,
                    message_id: None,
                    input_channel: None,
                    metadata: Value::Null,
                    deadline: Instant::now() + patience,
                };
                Answer::Said(self.router.turn(request).await.map(Box::new))
            }
            Ask::Read { session, after_seq, limit, local: false } => {
                Answer::Read(self.peers.read(&id(session), Part::Page { after_seq, limit }).await)
            }
            Ask::Read { session, after_seq, limit, local: true } => {
                let turns = self.raft.turns(id(session), after_seq, limit as usize, Consistency::Local).await;
                let snapshot = |turns: Vec<dialogue::TurnRecord>| SessionSnapshot {
                    seq: turns.last().map_or(after_seq, |t| t.seq),
                    turns,
                };
                Answer::Read(turns.map(snapshot).map_err(TurnError::from))
            }
        }
    }
}

/// Where clients hand in what they ask.
#[derive(Clone)]
pub(super) struct Post {
    network: Network<Message>,
    me: MachineId,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    answers: BTreeMap<u64, oneshot::Sender<Answer>>,
}

impl Post {
    pub(super) fn new(network: Network<Message>, me: MachineId) -> Self {
        Self { network, me, waiting: Arc::default() }
    }

    /// Asks a machine; nothing where no answer comes in time.
    pub(super) async fn ask(&self, to: MachineId, ask: Ask, patience: Duration) -> Option<Answer> {
        let (id, answer) = {
            let mut waiting = self.waiting.lock();
            let (tx, rx) = oneshot::channel();
            let id = waiting.next;
            waiting.next += 1;
            waiting.answers.insert(id, tx);
            (id, rx)
        };
        self.network.send(self.me, to, Message::Ask { id, ask });
        let answered = tokio::time::timeout(patience, answer).await;
        self.waiting.lock().answers.remove(&id);
        answered.ok()?.ok()
    }

    /// An answer has arrived.
    pub(super) fn deliver(&self, id: u64, answer: Answer) {
        // It may have come twice, or too late.
        if let Some(waiting) = self.waiting.lock().answers.remove(&id) {
            drop(waiting.send(answer));
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.network.now_us() * 1_000
    }
}
