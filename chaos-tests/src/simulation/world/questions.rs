//! What is asked of a world when all has healed.

use super::super::{
    clients,
    message::{Answer, Ask, Post},
    network::MachineId,
};
use dialogue::TurnRecord;
use drills::history::{Ack, Attempt, LogView, Outcome};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The number of the client that timers are.
const TIMERS: u32 = u32::MAX - 1;

/// The turns of all sessions, as a node has them.
pub(super) type Turns = BTreeMap<String, Vec<TurnRecord>>;

/// Turns of a page.
const PAGE: u32 = 200;

/// How long one answer is waited for: the network may have lost it.
fn one_answer(patience: Duration) -> Duration {
    (patience / 20).max(Duration::from_secs(1))
}

/// Says something in a session until it is acknowledged.
pub(super) async fn last_turn(
    post: &Post,
    first: MachineId,
    number: usize,
    key: String,
    patience: Duration,
) -> (Vec<Attempt>, bool) {
    let (begun, session, text) = (Instant::now(), clients::session(number), "recall");
    let mut attempts = Vec::new();
    let mut acknowledged = false;
    while !acknowledged && begun.elapsed() < patience {
        let left = (patience - begun.elapsed()).min(one_answer(patience));
        let ask = Ask::Say { session: session.clone(), key: key.clone(), text: text.into(), patience: left };
        let start_ns = post.now_ns();
        let outcome = clients::outcome(post.ask(first, ask, left).await, false);
        acknowledged = matches!(outcome, Outcome::Acknowledged(_));
        attempts.push(Attempt {
            client: u32::MAX,
            session: session.clone(),
            key: key.clone(),
            text: text.into(),
            target: first,
            start_ns,
            end_ns: post.now_ns(),
            outcome,
        });
    }
    (attempts, acknowledged)
}

/// Everything that a node says it holds, by linearizable reads.
pub(super) async fn view(post: &Post, to: MachineId, sessions: usize, patience: Duration) -> Option<Turns> {
    let begun = Instant::now();
    let mut all = Turns::new();
    for number in 0..sessions {
        let session = clients::session(number);
        let mut turns: Vec<TurnRecord> = Vec::new();
        loop {
            let after_seq = turns.last().map_or(0, |t| t.seq);
            let ask = Ask::Read { session: session.clone(), after_seq, limit: PAGE, local: false };
            match post.ask(to, ask, one_answer(patience)).await {
                Some(Answer::Read(Ok(page))) => {
                    let whole = page.turns.len() >= PAGE as usize;
                    turns.extend(page.turns);
                    if !whole {
                        break;
                    }
                }
                _ if begun.elapsed() > patience => return None,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        all.insert(session, turns);
    }
    Some(all)
}

/// The same as the checker of histories reads it.
pub(super) fn log_view(node: MachineId, turns: &Turns) -> LogView {
    let logged = |turns: &Vec<TurnRecord>| turns.iter().map(clients::logged).collect();
    let sessions = turns.iter().map(|(session, turns)| (session.clone(), logged(turns))).collect();
    LogView { node: format!("machine {node}"), sessions }
}

/// The turns of timers, as attempts of a client that nobody sees: it has invoked each at some moment behind the invocation of the
/// turn in front of it, and is told of it before the next turn is acknowledged, if one is.
pub(super) fn timers(turns: &Turns, attempts: &[Attempt]) -> Vec<Attempt> {
    let mut times: BTreeMap<(&str, &str), (u64, Option<u64>)> = BTreeMap::new();
    for attempt in attempts {
        let acknowledged = matches!(attempt.outcome, Outcome::Acknowledged(_)).then_some(attempt.end_ns);
        let known = times.entry((&attempt.session, &attempt.key)).or_insert((attempt.start_ns, acknowledged));
        known.0 = known.0.min(attempt.start_ns);
        known.1 = known.1.into_iter().chain(acknowledged).min();
    }
    let mut out = Vec::new();
    for (session, turns) in turns {
        for (i, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.key.is_of_timer()) {
            let times_of = |turn: &TurnRecord| times.get(&(session.as_str(), turn.key.as_str())).copied();
            let start_ns = turns[..i].iter().rev().find_map(times_of).map_or(0, |(invoked, _)| invoked);
            let told_ns = turns[i..].iter().find_map(|turn| times_of(turn)?.1);
            let logged = clients::logged(turn);
            let ack = Ack { seq: logged.seq, replies: logged.replies, replayed: false, node: None, shard: None };
            out.push(Attempt {
                client: TIMERS,
                session: session.clone(),
                key: logged.key,
                text: logged.text,
                target: 0,
                start_ns,
                end_ns: told_ns.unwrap_or(start_ns).max(start_ns),
                outcome: match told_ns {
                    Some(_) => Outcome::Acknowledged(ack),
                    None => Outcome::Unknown { why: "nobody was told".into() },
                },
            });
        }
    }
    out
}
