//! What is asked of a world when all has healed.

use super::super::{
    clients,
    message::{Answer, Ask, Post},
    network::MachineId,
};
use drills::history::{Attempt, LogView, LoggedTurn, Outcome};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

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
pub(super) async fn view(post: &Post, to: MachineId, sessions: usize, patience: Duration) -> Option<LogView> {
    let begun = Instant::now();
    let mut view = LogView { node: format!("machine {to}"), sessions: BTreeMap::new() };
    for number in 0..sessions {
        let session = clients::session(number);
        let mut turns: Vec<LoggedTurn> = Vec::new();
        loop {
            let after_seq = turns.last().map_or(0, |t| t.seq);
            let ask = Ask::Read { session: session.clone(), after_seq, limit: PAGE, local: false };
            match post.ask(to, ask, one_answer(patience)).await {
                Some(Answer::Read(Ok(page))) => {
                    turns.extend(page.turns.iter().map(clients::logged));
                    if page.turns.len() < PAGE as usize {
                        break;
                    }
                }
                _ if begun.elapsed() > patience => return None,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        view.sessions.insert(session, turns);
    }
    Some(view)
}
