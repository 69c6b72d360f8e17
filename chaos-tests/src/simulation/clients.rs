//! The load: clients that say things, try again under the same key, say things twice, and read.

use super::{
    assistant::{reminder, words},
    chance::Chance,
    message::{Answer, Ask, Post},
    plan::{Load, Plan},
};
use actors::TurnError;
use dialogue::{SessionSnapshot, TurnRecord};
use drills::history::{Ack, Attempt, Consistency, LoggedTurn, Outcome, Read, Seen};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// How often a client tries a turn before it gives up.
const ATTEMPTS_MAX: usize = 6;
/// Turns that a read asks for.
const PAGE: u32 = 50;

/// What the clients saw, and whether they are to go on.
#[derive(Default)]
pub(super) struct Seeing {
    pub(super) attempts: Mutex<Vec<Attempt>>,
    pub(super) reads: Mutex<Vec<Read>>,
    pub(super) stop: AtomicBool,
}

/// One client.
pub(super) struct Client {
    number: usize,
    post: Post,
    load: Load,
    machines: usize,
    chance: Chance,
    /// For reminders alone.
    timers: Chance,
    seeing: Arc<Seeing>,
    said: u64,
    /// Does nothing that is sent come twice?
    alone: bool,
}

/// The name of a session.
pub(super) fn session(number: usize) -> String {
    format!("s{number}")
}

impl Client {
    pub(super) fn new(number: usize, plan: &Plan, post: Post, seeing: Arc<Seeing>) -> Self {
        let chance = Chance::of(plan.seed, &format!("client {number}"));
        let timers = Chance::of(plan.seed, &format!("reminders of client {number}"));
        let (load, alone) = (plan.load.clone(), plan.far.twice == 0.0);
        Self { number, post, load, machines: plan.machines(), chance, timers, seeing, said: 0, alone }
    }

    pub(super) async fn run(mut self) {
        while !self.seeing.stop.load(Relaxed) {
            let pause = self.chance.below(self.load.pause_ms_max) + 1;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let session = session(self.chance.below(self.load.sessions as u64) as usize);
            if self.chance.hits(self.load.reads) { self.read(session).await } else { self.say(session).await }
        }
    }

    fn any_machine(&mut self) -> usize {
        self.chance.below(self.machines as u64) as usize
    }

    async fn say(&mut self, session: String) {
        self.said += 1;
        let mut text = words(self.chance.below(5), self.number, self.said);
        if self.timers.hits(self.load.reminders) {
            text = reminder(self.number, self.said, self.timers.below(self.load.reminder_ms_max));
        }
        let key = format!("k{}-{}", self.number, self.said);
        let mut left = ATTEMPTS_MAX;
        while left > 0 {
            left -= 1;
            let acknowledged = self.attempt(&session, &key, &text).await;
            if self.seeing.stop.load(Relaxed) || (acknowledged && !self.chance.hits(self.load.resends)) {
                return;
            }
        }
    }

    /// One attempt; was it acknowledged?
    async fn attempt(&mut self, session: &str, key: &str, text: &str) -> bool {
        let target = self.any_machine();
        let patience = Duration::from_millis(self.load.patience_ms);
        let ask = Ask::Say { session: session.into(), key: key.into(), text: text.into(), patience };
        let start_ns = self.post.now_ns();
        let answer = self.post.ask(target, ask, patience).await;
        let outcome = outcome(answer, self.alone);
        let acknowledged = matches!(outcome, Outcome::Acknowledged(_));
        self.seeing.attempts.lock().push(Attempt {
            client: self.number as u32,
            session: session.into(),
            key: key.into(),
            text: text.into(),
            target,
            start_ns,
            end_ns: self.post.now_ns(),
            outcome,
        });
        acknowledged
    }

    async fn read(&mut self, session: String) {
        let target = self.any_machine();
        let local = self.chance.hits(0.2);
        let patience = Duration::from_millis(self.load.patience_ms);
        let start_ns = self.post.now_ns();
        let ask = Ask::Read { session: session.clone(), after_seq: 0, limit: PAGE, local };
        // Half of them know a part already.
        let known = if self.chance.hits(0.5) { self.seen_turns(&session) } else { 0 };
        let ask = match ask {
            Ask::Read { session, limit, local, .. } => Ask::Read { session, after_seq: known, limit, local },
            other => other,
        };
        let seen = match self.post.ask(target, ask, patience).await {
            Some(Answer::Read(Ok(snapshot))) => Some(seen(known, &snapshot)),
            _ => None,
        };
        self.seeing.reads.lock().push(Read {
            client: self.number as u32,
            session,
            target,
            start_ns,
            end_ns: self.post.now_ns(),
            consistency: if local { Consistency::Local } else { Consistency::Linearizable },
            seen,
        });
    }

    /// A number of turns that the session was acknowledged to have.
    fn seen_turns(&self, session: &str) -> u64 {
        let attempts = self.seeing.attempts.lock();
        let newest = attempts.iter().rev().take(50).filter(|a| a.session == session);
        let seqs = newest.filter_map(|a| match &a.outcome {
            Outcome::Acknowledged(ack) => Some(ack.seq),
            _ => None,
        });
        seqs.max().unwrap_or(0)
    }
}

fn seen(after_seq: u64, snapshot: &SessionSnapshot) -> Seen {
    let turns: Vec<(u64, String)> = snapshot.turns.iter().map(|t| (t.seq, t.key.to_string())).collect();
    Seen::Turns { after_seq, more: turns.len() >= PAGE as usize, turns }
}

/// What an answer says about a turn, as a client of the HTTP API may take it. A refusal says that nothing was done, unless
/// the request may have come twice: then it is one answer of two.
pub(super) fn outcome(answer: Option<Answer>, alone: bool) -> Outcome {
    match answer_alone(answer) {
        Outcome::Refused { why } if !alone => Outcome::Unknown { why },
        outcome => outcome,
    }
}

fn answer_alone(answer: Option<Answer>) -> Outcome {
    match answer {
        Some(Answer::Said(Ok(reply))) => Outcome::Acknowledged(Ack {
            seq: reply.turn.seq,
            replies: replies(&reply.turn),
            replayed: reply.replayed,
            node: Some(reply.served_by.node.0),
            shard: Some(reply.served_by.shard.0),
        }),
        Some(Answer::Said(Err(error))) => {
            let why = error.to_string();
            match error {
                // The API says that nothing was done.
                TurnError::Overloaded { .. } | TurnError::TooLarge { .. } | TurnError::BadMessage { .. } => {
                    Outcome::Refused { why }
                }
                _ => Outcome::Unknown { why },
            }
        }
        Some(Answer::NobodyThere) => Outcome::Refused { why: "nobody listens".into() },
        Some(Answer::Read(_)) => Outcome::Unknown { why: "an answer to something else".into() },
        None => Outcome::Unknown { why: "no answer".into() },
    }
}

fn replies(turn: &TurnRecord) -> serde_json::Value {
    serde_json::to_value(&turn.replies).expect("replies are JSON")
}

/// A turn as the log tells it.
pub(super) fn logged(turn: &TurnRecord) -> LoggedTurn {
    LoggedTurn { seq: turn.seq, key: turn.key.to_string(), text: turn.text.clone(), replies: replies(turn) }
}
